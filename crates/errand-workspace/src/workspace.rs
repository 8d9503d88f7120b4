//! A workspace: one task's copy of a tree, in a folder of errand's state.
//!
//! ```text
//! <dir>/tree/       the files; what commands and file tools see
//! <dir>/home/ tmp/  HOME and /tmp of its commands
//! <dir>/layers/     what its commands wrote into caches
//! <dir>/lock        held, shared, as long as a command lives
//! <dir>/staging/    new files before they are renamed into the tree
//! <dir>/base        the tree it was made from
//! ```
//! It is built beside its final name and renamed, so a workspace that exists is complete. Today it is a plain copy; a
//! copy-on-write view takes the place of `materialize` and nothing else. After a crash call [`Workspace::restore`] with
//! the last snapshot: it compares contents, not times.

use crate::beneath::{self, Beneath, Links};
use crate::files::Files;
use crate::git::GitError;
use crate::ignores::Ignores;
use crate::ledger::{Ledger, LedgerError};
use crate::limits::LINK_BYTES;
use crate::objects::{Kind, Oid};
use crate::paths::{self, BadPath};
use crate::snapshot::{self, Snapshot, SnapshotError, StatCache};
use crate::trees::{self, EntryMode, TreeEntry};
use crate::walk::{self, NewFolders, Rules, Stat};
use crate::{scratch, state_dir};
use errand_task::id::{CommitId, TreeId};
use rustix::fs::AtFlags;
use std::io::{self, Read, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use thiserror::Error;

#[derive(Debug, Error)]
pub enum WorkspaceError {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    #[error("the tree holds a path that is not checked out: {0}")]
    BadPath(#[from] BadPath),
    #[error("`{}` is not a workspace", .0.display())]
    NotAWorkspace(PathBuf),
    #[error("`{}` is a workspace of another base", .0.display())]
    OtherBase(PathBuf),
    #[error("`{}`: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

impl From<GitError> for WorkspaceError {
    fn from(error: GitError) -> Self {
        Self::Ledger(error.into())
    }
}

#[derive(Debug)]
pub struct Workspace {
    ledger: Arc<Ledger>,
    dir: PathBuf,
    base: TreeId,
    rules: Rules,
    root: Beneath,
    cache: Mutex<StatCache>,
}

impl Workspace {
    /// Makes the workspace `dir` with the files of `base`; one that is there already is opened.
    ///
    /// The base decides what later snapshots ignore, so a clean checkout of a result is made the same way.
    pub fn create(ledger: &Arc<Ledger>, base: &TreeId, dir: &Path) -> Result<Self, WorkspaceError> {
        if dir.join("base").exists() {
            let workspace = Self::open(ledger, dir)?;
            let is_same = workspace.base == *base;
            return if is_same { Ok(workspace) } else { Err(WorkspaceError::OtherBase(dir.to_owned())) };
        }
        let entries = ledger.list_tree(base)?;
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| WorkspaceError::Io { path, source }
        };
        let above = dir.parent().unwrap_or(Path::new("/"));
        state_dir::create_dir(above).map_err(at(above))?;
        let building = above.join(state_dir::temporary_name());
        let built = build(ledger, base, &entries, &building).and_then(|cache| {
            std::fs::rename(&building, dir).map_err(at(dir))?;
            Ok(cache)
        });
        if built.is_err() {
            // The first error is the one to report; what is left has a temporary name.
            let _ = std::fs::remove_dir_all(&building);
        }
        let cache = built?;
        let workspace = Self::at(ledger, base.clone(), dir)?;
        *workspace.cache.lock().unwrap_or_else(PoisonError::into_inner) = cache;
        Ok(workspace)
    }

    /// Opens a workspace that is there, after the last of its commands has gone: those of a daemon that died go with it,
    /// and this waits for that.
    pub fn open(ledger: &Arc<Ledger>, dir: &Path) -> Result<Self, WorkspaceError> {
        let base = std::fs::read_to_string(dir.join("base"))
            .ok()
            .and_then(|text| Oid::parse(text.trim()))
            .ok_or_else(|| WorkspaceError::NotAWorkspace(dir.to_owned()))?;
        let workspace = Self::at(ledger, base.tree_id(), dir)?;
        drop(
            state_dir::lock(&workspace.lock_file())
                .map_err(|source| WorkspaceError::Io { path: dir.to_owned(), source })?,
        );
        Ok(workspace)
    }

    /// Whether a workspace is at `dir`, whole as far as one look tells.
    pub fn is_there(dir: &Path) -> bool {
        dir.join("base").exists() && dir.join("tree").is_dir()
    }

    fn at(ledger: &Arc<Ledger>, base: TreeId, dir: &Path) -> Result<Self, WorkspaceError> {
        let entries = ledger.list_tree(&base)?;
        let ignores = Ignores::of(ledger, &entries)?;
        let tree = dir.join("tree");
        let root = Beneath::open(&tree).map_err(|source| WorkspaceError::Io { path: tree, source })?;
        Ok(Self {
            ledger: Arc::clone(ledger),
            dir: dir.to_owned(),
            base,
            rules: Rules::new(entries, ignores),
            root,
            cache: Mutex::default(),
        })
    }

    /// The folder with the files, absolute.
    pub fn tree_dir(&self) -> PathBuf {
        self.dir.join("tree")
    }

    /// HOME of its commands.
    pub fn home(&self) -> PathBuf {
        self.dir.join("home")
    }

    /// Private layers over the person's caches.
    pub fn layers(&self) -> PathBuf {
        self.dir.join("layers")
    }

    /// Held, shared, as long as a command lives.
    pub(crate) fn lock_file(&self) -> PathBuf {
        self.dir.join("lock")
    }

    /// The path of the person's checkout.
    pub fn checkout(&self) -> &Path {
        self.ledger.checkout()
    }

    /// /tmp of its commands.
    pub fn tmp(&self) -> PathBuf {
        self.dir.join("tmp")
    }

    pub fn base(&self) -> &TreeId {
        &self.base
    }

    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// Whether a relative path, links followed, is a folder inside; the error is for the model.
    pub fn check_folder(&self, dir: &str) -> io::Result<()> {
        self.root.folder(dir.as_bytes(), Links::Follow).map(drop)
    }

    /// File access for tools.
    pub fn files(&self) -> Result<Files, WorkspaceError> {
        Files::open(&self.tree_dir(), self.checkout(), &self.dir.join("staging"))
            .map_err(|source| WorkspaceError::Io { path: self.tree_dir(), source })
    }

    /// Stores the files as they are now.
    pub fn snapshot(&self) -> Result<Snapshot, WorkspaceError> {
        self.check_there()?;
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = snapshot::take(&self.ledger, &self.root, &self.rules, &mut cache)?;
        // What was deleted meanwhile was no deed of the task.
        self.check_there()?;
        Ok(taken)
    }

    /// Puts the files back to `tree`; only paths that differ are touched, ignored files stay.
    pub fn restore(&self, tree: &TreeId) -> Result<(), WorkspaceError> {
        self.check_there()?;
        let target = self.ledger.list_tree(tree)?;
        // Times tell nothing about what a crash left behind.
        *self.cache.lock().unwrap_or_else(PoisonError::into_inner) = StatCache::default();
        let failed = |path: &[u8]| {
            let path = self.tree_dir().join(paths::as_path(path));
            move |source| WorkspaceError::Io { path, source }
        };
        let current = self.current().map_err(failed(b""))?;
        let differences = trees::differences(&current, &target);
        for old in differences.iter().filter_map(|difference| difference.old) {
            self.root.remove(&old.path).map_err(failed(&old.path))?;
            self.root.remove_empty_above(&old.path);
        }
        let missing: Vec<_> = differences.iter().filter_map(|difference| difference.new.cloned()).collect();
        for entry in &missing {
            self.clear_way(&entry.path).map_err(failed(&entry.path))?;
        }
        materialize(&self.ledger, &missing, &self.root, &self.tree_dir(), &mut StatCache::default())
    }

    /// Makes the `.git` that the agent's own git works on: history of the base borrowed from the ledger, HEAD on a branch
    /// `errand` at `commit`, index matching the files. It is disposable and nothing here ever reads it.
    pub fn add_scratch_git(&self, commit: &CommitId) -> Result<(), WorkspaceError> {
        let tree = self.ledger.tree_of(commit)?;
        let entries = self.ledger.list_tree(&tree)?;
        scratch::create(&self.ledger, commit, &entries, &self.root, &self.dir)
            .map_err(|source| WorkspaceError::Io { path: self.tree_dir().join(".git"), source })
    }

    /// Ends its commands and deletes the workspace by way of the trash below `state_dir`. What it held must be stored.
    pub fn remove(self, state_dir: &Path) -> Result<(), WorkspaceError> {
        let lock = state_dir::lock(&self.lock_file());
        drop(lock.map_err(|source| WorkspaceError::Io { path: self.dir.clone(), source })?);
        state_dir::discard(state_dir, &self.dir).map_err(|source| WorkspaceError::Io { path: self.dir.clone(), source })
    }

    /// A deleted folder that is still open is an empty one: its snapshot would be a result that deletes everything.
    pub fn check_there(&self) -> Result<(), SnapshotError> {
        let gone = || SnapshotError::Gone(self.tree_dir());
        let open = self.root.stat(b".").map_err(|_| gone())?.ok_or_else(gone)?;
        let named = Stat::of(&rustix::fs::lstat(self.tree_dir()).map_err(|_| gone())?);
        let is_same = (open.device, open.inode) == (named.device, named.inode);
        if is_same { Ok(()) } else { Err(gone()) }
    }

    /// The files as a listing, every one hashed, nothing stored.
    fn current(&self) -> io::Result<Vec<TreeEntry>> {
        let mut walk = walk::walk(&self.root, &self.rules, NewFolders::Enter)?;
        let mut entries = walk.submodules.split_off(0);
        for found in walk.found {
            let (bytes, _) = walk::content(&self.root, &found)?;
            let id = self.ledger.objects().hash(Kind::Blob, &bytes);
            entries.push(TreeEntry { path: found.path, mode: found.mode, id, size: bytes.len() as u64 });
        }
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(entries)
    }

    /// Removes what stands where `path` belongs and is in no listing: ignored files, FIFOs, folders of such.
    fn clear_way(&self, path: &[u8]) -> io::Result<()> {
        let mut ends: Vec<_> = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(end, _)| end).collect();
        ends.push(path.len());
        for end in ends {
            let part = path.get(..end).unwrap_or_default();
            match self.root.stat(part)? {
                None => return Ok(()),
                Some(stat) if stat.is_folder() && end < path.len() => {}
                Some(stat) if stat.is_folder() => self.root.remove_all(part)?,
                Some(_) => self.root.remove(part)?,
            }
        }
        Ok(())
    }
}

fn build(ledger: &Ledger, base: &TreeId, entries: &[TreeEntry], dir: &Path) -> Result<StatCache, WorkspaceError> {
    let at = |source| WorkspaceError::Io { path: dir.to_owned(), source };
    for name in ["tree", "home", "tmp", "staging"] {
        state_dir::folder(dir, name).map_err(at)?;
    }
    let tree = dir.join("tree");
    let root = Beneath::open(&tree).map_err(at)?;
    let mut cache = StatCache::default();
    materialize(ledger, entries, &root, &tree, &mut cache)?;
    let mut file = state_dir::create_file(&dir.join("base")).map_err(at)?;
    file.write_all(format!("{base}\n").as_bytes()).map_err(at)?;
    Ok(cache)
}

/// Writes the entries below an open folder: raw blobs, links and modes as they stand in the tree.
fn materialize(
    ledger: &Ledger,
    entries: &[TreeEntry],
    root: &Beneath,
    shown_root: &Path,
    cache: &mut StatCache,
) -> Result<(), WorkspaceError> {
    entries.iter().try_for_each(|entry| paths::check(&entry.path))?;
    let failed = |entry: &TreeEntry| {
        let path = shown_root.join(entry.path());
        move |source| WorkspaceError::Io { path, source }
    };
    let (submodules, blobs): (Vec<_>, Vec<_>) = entries.iter().partition(|entry| entry.mode == EntryMode::Submodule);
    for entry in submodules {
        root.make_folder(&entry.path).map_err(failed(entry))?;
    }
    let ids: Vec<_> = blobs.iter().map(|entry| entry.id).collect();
    let mut open: Option<(&[u8], OwnedFd)> = None;
    let mut written = Vec::with_capacity(blobs.len());
    ledger.read_many(&ids, |position, size, body| {
        let Some(entry) = blobs.get(position) else { return Ok(()) };
        let above = entry.path.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
        let (above, name) = entry.path.split_at(above);
        let folder = match open.take() {
            Some((path, folder)) if path == above => folder,
            Some(_) | None => root.make_folder(above).map_err(failed(entry))?,
        };
        let stat = write_entry(&folder, name, entry.mode, size, body).map_err(failed(entry))?;
        written.push((entry, stat));
        open = Some((above, folder));
        Ok::<(), WorkspaceError>(())
    })?;
    // Nobody else knows these files yet: they are what was written, up to this moment.
    let hashed_at = snapshot::now();
    for (entry, stat) in written {
        cache.remember(entry.path.clone(), stat, entry.id, hashed_at);
    }
    Ok(())
}

fn write_entry(folder: &OwnedFd, name: &[u8], mode: EntryMode, size: u64, body: &mut dyn Read) -> io::Result<Stat> {
    let folder = folder.as_fd();
    if mode == EntryMode::Link {
        if size > LINK_BYTES as u64 {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let mut target = Vec::new();
        body.read_to_end(&mut target)?;
        rustix::fs::symlinkat(target, folder, name)?;
        return Ok(Stat::of(&rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?));
    }
    let permissions = if mode == EntryMode::Executable { 0o755 } else { 0o644 };
    let mut file = if size < 1 << 20 {
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        body.read_to_end(&mut bytes)?;
        beneath::write_new(folder, name, &bytes, permissions)?
    } else {
        beneath::write_new(folder, name, b"", permissions)?
    };
    // Larger ones are streamed; for the others nothing is left.
    io::copy(body, &mut file)?;
    Ok(Stat::of(&rustix::fs::fstat(&file)?))
}
