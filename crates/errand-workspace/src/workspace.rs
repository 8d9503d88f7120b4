//! A workspace: one task's private view of a base, in a folder of errand's state.
//!
//! ```text
//! <dir>/files/      layered: `upper` holds what differs from the ground below it, `work` is the kernel's;
//!                   cloned or whole: `tree` holds every file, `staging` new ones before they are renamed into it
//! <dir>/home/ tmp/  HOME and /tmp of its commands
//! <dir>/layers/     what its commands wrote into caches
//! <dir>/ways/       a folder for the proxy of each command that may reach names
//! <dir>/lock        held, shared, as long as a command lives
//! <dir>/open        held by whoever has it open
//! <dir>/ground.json what it stands on; written last, so a workspace that has it is complete
//! ```
//! A layered workspace costs nothing until something changes: the kernel lays its private layer over the base tree, which
//! all workspaces of a base share, in a mount namespace that the workspace's commands join. Where the kernel refuses that
//! the base tree is cloned, and where the disk cannot do that every file is written from the ledger. After a crash call [`Workspace::restore`] with the last snapshot: it compares contents,
//! not times.

use crate::bases;
use crate::beneath::{self, Beneath, Links};
use crate::files::Files;
use crate::git::GitError;
use crate::ignores::Ignores;
use crate::layers;
use crate::ledger::{Ledger, LedgerError};
use crate::limits::LINK_BYTES;
use crate::paths::{self, BadPath};
use crate::sandbox::plan::What;
use crate::sandbox::{Sandbox, View};
use crate::snapshot::{self, Snapshot, SnapshotError, StatCache};
use crate::trees::{EntryMode, TreeEntry};
use crate::walk::{Rules, Stat};
use crate::{scratch, state_dir, stock};
use errand_task::id::{CommitId, TreeId};
use rustix::fs::{AtFlags, FlockOperation};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
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
    #[error("`{}` is in use; end the other errand daemon that works on it", .0.display())]
    InUse(PathBuf),
    #[error("the workspace's view cannot be built: {0}")]
    View(io::Error),
    #[error("`{}`: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

impl From<GitError> for WorkspaceError {
    fn from(error: GitError) -> Self {
        Self::Ledger(error.into())
    }
}

/// How often and how long to wait for somebody else's workspace.
const HOLD_TRIES: u32 = 100;
const HOLD_PAUSE: Duration = Duration::from_millis(30);

/// How a workspace keeps its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// A private layer over the shared base tree, laid over it by the kernel.
    Layered,
    /// Every file of its own, cloned from the base tree: the disk holds what changes.
    Cloned,
    /// Every file of its own, written from the ledger.
    Whole,
}

impl Form {
    /// In the order they are tried.
    pub const ALL: [Self; 3] = [Self::Layered, Self::Cloned, Self::Whole];
}

/// What workspaces are made on.
#[derive(Clone, Debug)]
pub struct Ground {
    pub ledger: Arc<Ledger>,
    pub commit: CommitId,
    /// Folders with a `tree` that lie over the base, the first over the others.
    pub layers: Vec<PathBuf>,
    /// Paths of the folders in them. What is below is in no snapshot: not every one is named by an ignore rule of the base.
    pub dependencies: Vec<String>,
    /// The time of the youngest file in them.
    pub newest: Option<SystemTime>,
    /// A folder with a `tree` of this task alone, over all others.
    pub private: Option<PathBuf>,
}

impl Ground {
    /// The files of a commit and nothing else.
    pub fn of(ledger: &Arc<Ledger>, commit: &CommitId) -> Self {
        Self {
            ledger: Arc::clone(ledger),
            commit: commit.clone(),
            layers: Vec::new(),
            dependencies: Vec::new(),
            newest: None,
            private: None,
        }
    }
}

/// What `ground.json` tells of a workspace.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Facts {
    form: Form,
    /// The commit below it.
    commit: CommitId,
    /// The tree it was made from, whose paths no ignore rule hides.
    tree: TreeId,
    /// Folders with a `tree` over that commit's, the first over the others.
    layers: Vec<PathBuf>,
    /// Paths of the folders in them, also of a layer that is gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    dependencies: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    private: Option<PathBuf>,
}

impl Facts {
    fn read(dir: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(dir.join("ground.json")).ok()?).ok()
    }
}

/// The names of the base tree and the layers that the workspace at `dir` needs; none where there is no workspace.
pub(crate) fn stands_on(dir: &Path) -> Vec<String> {
    let Some(Facts { commit, mut layers, .. }) = Facts::read(dir) else { return Vec::new() };
    let mut names = vec![bases::name(&commit, &layers)];
    names.extend(layers.iter().filter_map(|layer| Some(layer.file_name()?.to_string_lossy().into_owned())));
    // What it stands on when it is opened without those that somebody deleted.
    layers.retain(|layer| layer.is_dir());
    names.push(bases::name(&commit, &layers));
    names
}

#[derive(Debug)]
pub struct Workspace {
    ledger: Arc<Ledger>,
    dir: PathBuf,
    facts: Facts,
    files: Kept,
    view: View,
    /// The files as commands see them.
    root: Beneath,
    /// A folder beside them on the same file system.
    staging: Beneath,
    cache: Mutex<StatCache>,
    /// Two views of one private layer would ruin it.
    _held: File,
}

/// What a snapshot looks at.
#[derive(Debug)]
enum Kept {
    Layered {
        /// The tree of the commit below.
        ground: TreeId,
        upper: Beneath,
        ignores: Ignores,
    },
    Whole {
        rules: Rules,
    },
}

impl Workspace {
    /// Makes the workspace `dir` on a ground, with the files of `tree`; one that is there already is opened.
    ///
    /// `tree` decides what later snapshots ignore, so a clean checkout of a result is made the same way. Blocks.
    pub fn create(sandbox: &Sandbox, ground: &Ground, tree: &TreeId, dir: &Path) -> Result<Self, WorkspaceError> {
        for form in [Form::Layered, Form::Cloned] {
            match Self::create_as(form, sandbox, ground, tree, dir) {
                Err(WorkspaceError::View(_)) => {}
                other => return other,
            }
        }
        Self::create_as(Form::Whole, sandbox, ground, tree, dir)
    }

    /// The same in this form and no other.
    pub fn create_as(
        form: Form,
        sandbox: &Sandbox,
        ground: &Ground,
        tree: &TreeId,
        dir: &Path,
    ) -> Result<Self, WorkspaceError> {
        if dir.join("ground.json").exists() {
            let workspace = Self::open(sandbox, &ground.ledger, dir)?;
            let is_same = workspace.facts.tree == *tree;
            return if is_same { Ok(workspace) } else { Err(WorkspaceError::OtherBase(dir.to_owned())) };
        }
        let at = |source| WorkspaceError::Io { path: dir.to_owned(), source };
        // What a crash left of an earlier attempt.
        state_dir::remove_tree(dir).map_err(at)?;
        let built = Self::build(form, sandbox, ground, tree, dir);
        if built.is_err() {
            // The first error is the one to report; what is left is no workspace.
            let _ = state_dir::remove_tree(dir);
        }
        built
    }

    fn build(
        form: Form,
        sandbox: &Sandbox,
        ground: &Ground,
        tree: &TreeId,
        dir: &Path,
    ) -> Result<Self, WorkspaceError> {
        let at = |source| WorkspaceError::Io { path: dir.to_owned(), source };
        let ledger = &ground.ledger;
        state_dir::create_dir(dir).map_err(at)?;
        for name in ["files", "home", "tmp"] {
            state_dir::folder(dir, name).map_err(at)?;
        }
        let files = dir.join("files");
        match form {
            Form::Layered => {
                state_dir::folder(&files, "work").map_err(at)?;
                let upper = state_dir::folder(&files, "upper").map_err(at)?;
                state_dir::folder(&upper, "staging").map_err(at)?;
                // As in the base, or the private layer would take its mode for the folder of all files.
                let tree = state_dir::folder(&upper, "tree").map_err(at)?;
                rustix::fs::chmod(&tree, rustix::fs::Mode::from_raw_mode(0o755)).map_err(|error| at(error.into()))?;
            }
            Form::Cloned | Form::Whole => {
                let staging = state_dir::folder(&files, "staging").map_err(at)?;
                let path = state_dir::folder(&files, "tree").map_err(at)?;
                let root = Beneath::open(&path).map_err(at)?;
                let opened = |path: &Path| Beneath::open(path).and_then(|folder| folder.folder(b"", Links::Refuse));
                let into = opened(&path).map_err(at)?;
                if form == Form::Cloned {
                    let base = bases::prepare(ledger, &ground.commit, &ground.layers, ground.newest)?.join("tree");
                    opened(&base).and_then(|base| layers::clone(&base, &into)).map_err(WorkspaceError::View)?;
                } else {
                    let entries = ledger.list_tree(&ledger.tree_of(&ground.commit)?)?;
                    materialize(ledger, &entries, &root, &path, &mut StatCache::default())?;
                    bases::settle_times(ledger, &entries, &root, ground.newest)?;
                    scratch::create(ledger, &ground.commit, &entries, &root, &staging).map_err(at)?;
                }
                for layer in ground.layers.iter().rev().chain(&ground.private) {
                    opened(&layer.join("tree")).and_then(|layer| layers::lay_over(&layer, &into)).map_err(at)?;
                }
            }
        }
        let (commit, tree, layers) = (ground.commit.clone(), tree.clone(), ground.layers.clone());
        let (dependencies, private) = (ground.dependencies.clone(), ground.private.clone());
        let facts = Facts { form, commit, tree: tree.clone(), layers, dependencies, private };
        let text = serde_json::to_vec(&facts).map_err(|error| at(error.into()))?;
        let workspace = Self::at(sandbox, ledger, facts, ground.newest, dir)?;
        if ledger.tree_of(&ground.commit)? != tree {
            workspace.restore(&tree)?;
        }
        state_dir::write_durably(&dir.join("ground.json"), &text).map_err(at)?;
        Ok(workspace)
    }

    /// Opens a workspace that is there, after the last of its commands has gone: those of a daemon that died go with it,
    /// and this waits for that.
    pub fn open(sandbox: &Sandbox, ledger: &Arc<Ledger>, dir: &Path) -> Result<Self, WorkspaceError> {
        let facts = Facts::read(dir).ok_or_else(|| WorkspaceError::NotAWorkspace(dir.to_owned()))?;
        let lock = state_dir::lock(&dir.join("lock"));
        drop(lock.map_err(|source| WorkspaceError::Io { path: dir.to_owned(), source })?);
        Self::at(sandbox, ledger, facts, None, dir)
    }

    /// Whether a workspace is at `dir`, whole as far as one look tells.
    pub fn is_there(dir: &Path) -> bool {
        let files = dir.join("files");
        dir.join("ground.json").exists() && (files.join("upper/tree").is_dir() || files.join("tree").is_dir())
    }

    fn at(
        sandbox: &Sandbox,
        ledger: &Arc<Ledger>,
        mut facts: Facts,
        newest: Option<SystemTime>,
        dir: &Path,
    ) -> Result<Self, WorkspaceError> {
        let held = hold(dir)?;
        // One that was deleted can be built again by what the task does.
        facts.layers.retain(|layer| stock::mark_used(layer).unwrap_or_else(|_| layer.is_dir()));
        let at = |path: PathBuf| move |source| WorkspaceError::Io { path, source };
        let files = dir.join("files");
        let what = match facts.form {
            Form::Layered => {
                let base = bases::prepare(ledger, &facts.commit, &facts.layers, newest)?;
                let over = facts.private.iter().chain(&facts.layers).cloned();
                What::Layered { lowers: over.chain([base]).collect(), layer: files.clone() }
            }
            Form::Cloned | Form::Whole => What::Writable(files.join("tree")),
        };
        let view = sandbox.view(dir, what, ledger).map_err(WorkspaceError::View)?;
        let open = |path: PathBuf| Beneath::open(&path).map_err(at(path));
        let ignores = Ignores::of_tree(Arc::clone(ledger), facts.tree.clone()).with_folders(&facts.dependencies);
        let (kept, root, staging) = match (facts.form, view.files()) {
            (Form::Layered, Some(top)) => {
                let inner = |name: &str| Beneath::open_at(top, Path::new(name)).map_err(at(files.join(name)));
                let upper = open(files.join("upper/tree"))?;
                let ground = ledger.tree_of(&facts.commit)?;
                (Kept::Layered { ground, upper, ignores }, inner("tree")?, inner("staging")?)
            }
            (Form::Layered, None) => return Err(WorkspaceError::View(io::Error::other("it has no files"))),
            (Form::Cloned | Form::Whole, _) => {
                let entries = ledger.list_tree(&facts.tree)?;
                let kept = Kept::Whole { rules: Rules::new(entries, ignores) };
                (kept, open(files.join("tree"))?, open(files.join("staging"))?)
            }
        };
        Ok(Self {
            ledger: Arc::clone(ledger),
            dir: dir.to_owned(),
            facts,
            files: kept,
            view,
            root,
            staging,
            cache: Mutex::default(),
            _held: held,
        })
    }

    /// The folder with the files. That of a layered workspace has no place on the machine: its name leads there by way of
    /// this process, as long as it has the workspace open.
    pub fn tree_dir(&self) -> PathBuf {
        match self.facts.form {
            Form::Layered => PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), self.root.root().as_raw_fd())),
            Form::Cloned | Form::Whole => self.dir.join("files/tree"),
        }
    }

    pub fn form(&self) -> Form {
        self.facts.form
    }

    /// What another workspace of the same task is made on.
    pub fn ground(&self) -> Ground {
        let Facts { commit, layers, dependencies, private, .. } = self.facts.clone();
        Ground { ledger: Arc::clone(&self.ledger), commit, layers, dependencies, newest: None, private }
    }

    /// Its folder in errand's state.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn view(&self) -> &View {
        &self.view
    }

    /// The path of the person's checkout.
    pub fn checkout(&self) -> &Path {
        self.ledger.checkout()
    }

    /// The tree it was made from.
    pub fn base(&self) -> &TreeId {
        &self.facts.tree
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
        let open = || {
            let means_root = vec![self.tree_dir(), self.checkout().to_owned()];
            Ok(Files::new(self.root.try_clone()?, means_root, self.staging.try_clone()?))
        };
        open().map_err(|source| WorkspaceError::Io { path: self.tree_dir(), source })
    }

    /// Stores the files as they are now.
    pub fn snapshot(&self) -> Result<Snapshot, WorkspaceError> {
        self.check_there()?;
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = match &self.files {
            Kept::Layered { ground, upper, ignores } => {
                snapshot::take_changes(&self.ledger, upper, ground, &self.facts.tree, ignores, &mut cache)?
            }
            Kept::Whole { rules } => snapshot::take(&self.ledger, &self.root, rules, &mut cache)?,
        };
        // What was deleted meanwhile was no deed of the task.
        self.check_there()?;
        Ok(taken)
    }

    /// Puts the files back to `tree`; only paths that differ are touched, ignored files stay.
    pub fn restore(&self, tree: &TreeId) -> Result<(), WorkspaceError> {
        // Times tell nothing about what a crash left behind.
        *self.cache.lock().unwrap_or_else(PoisonError::into_inner) = StatCache::default();
        let now = self.snapshot()?.tree;
        let failed = |path: &[u8]| {
            let path = self.tree_dir().join(paths::as_path(path));
            move |source| WorkspaceError::Io { path, source }
        };
        let differences = self.ledger.differences(&now, tree)?;
        for old in differences.iter().filter_map(|difference| difference.old.as_ref()) {
            self.root.remove(&old.path).map_err(failed(&old.path))?;
            self.root.remove_empty_above(&old.path);
        }
        let missing: Vec<_> = differences.into_iter().filter_map(|difference| difference.new).collect();
        for entry in &missing {
            self.clear_way(&entry.path).map_err(failed(&entry.path))?;
        }
        materialize(&self.ledger, &missing, &self.root, &self.tree_dir(), &mut StatCache::default())
    }

    /// Ends its commands and deletes the workspace by way of the trash below `state_dir`. What it held must be stored.
    pub fn remove(self, state_dir: &Path) -> Result<(), WorkspaceError> {
        let at = |source| WorkspaceError::Io { path: self.dir.clone(), source };
        drop(state_dir::lock(&self.dir.join("lock")).map_err(at)?);
        state_dir::discard(state_dir, &self.dir).map_err(at)
    }

    /// A deleted folder that is still open is an empty one: its snapshot would be a result that deletes everything.
    pub fn check_there(&self) -> Result<(), SnapshotError> {
        let (held, name) = match &self.files {
            Kept::Layered { upper, .. } => (upper, "files/upper/tree"),
            Kept::Whole { .. } => (&self.root, "files/tree"),
        };
        let path = self.dir.join(name);
        let gone = || SnapshotError::Gone(path.clone());
        let open = held.stat(b".").map_err(|_| gone())?.ok_or_else(gone)?;
        let named = Stat::of(&rustix::fs::lstat(&path).map_err(|_| gone())?);
        let is_same = (open.device, open.inode) == (named.device, named.inode);
        if is_same { Ok(()) } else { Err(gone()) }
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

/// Waits a little for whoever has it open: a daemon that dies lets go of it by dying.
fn hold(dir: &Path) -> Result<File, WorkspaceError> {
    let path = dir.join("open");
    let file = state_dir::append_file(&path).map_err(|source| WorkspaceError::Io { path, source })?;
    for _ in 0..HOLD_TRIES {
        if rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
            return Ok(file);
        }
        std::thread::sleep(HOLD_PAUSE);
    }
    Err(WorkspaceError::InUse(dir.to_owned()))
}

/// Writes the entries below an open folder: raw blobs, links and modes as they stand in the tree.
pub(crate) fn materialize(
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
