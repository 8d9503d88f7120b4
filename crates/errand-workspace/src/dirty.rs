//! A base that is the person's checkout as it is: HEAD with the uncommitted changes on top, as a commit in the ledger.
//!
//! Nothing is written to the person's repository: no stash, no index. Our own walk reads the files through the checkout's
//! handle. In it is what git would call changed, added or untracked; what an ignore file, `.git/info/exclude` or the
//! person's own excludes name is not. Submodules stay as HEAD records them, repositories inside are left out. What changes
//! while the walk goes on is taken as it was read.
//!
//! The objects are in `base.git`, where the scratch repositories of workspaces borrow theirs.

use crate::apply::{self, ApplyError};
use crate::beneath::{Beneath, Links};
use crate::branch::{NewCommit, commit_bytes};
use crate::git::Git;
use crate::ignores::Ignores;
use crate::index_file::{self, Index};
use crate::ledger::{Ledger, LedgerError};
use crate::limits::{IGNORE_FILE_BYTES, SNAPSHOT_BYTES};
use crate::objects::{Kind, ObjectStore, Oid};
use crate::paths;
use crate::source::{Source, read_small};
use crate::state_dir;
use crate::trees::{self, Edit, EntryMode, TreeEntry};
use crate::walk::{self, Found, NewFolders, Rules};
use errand_task::facts::Dirty;
use errand_task::id::{CommitId, TreeId};
use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use thiserror::Error;

/// Paths that are named; the rest is counted.
const NAMED: usize = 20;
/// Ignore files may unfold more of them, one folder at a time.
const IGNORE_ROUNDS: usize = 8;

#[derive(Debug, Error)]
pub enum DirtyError {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error("the checkout holds more than {SNAPSHOT_BYTES} bytes of uncommitted changes")]
    TooMuch,
    #[error("`{}` cannot be read: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

/// Stores the checkout as a commit whose parent is `head`, which the ledger holds. Without any change it is `head` itself.
pub fn take(
    ledger: &Ledger,
    source: &Source,
    head: &CommitId,
    excludes: Option<&Path>,
    at: i64,
) -> Result<(CommitId, Dirty), DirtyError> {
    let io = |source_error| DirtyError::Io { path: source.top().to_owned(), source: source_error };
    let tree = ledger.tree_of(head)?;
    let entries = ledger.list_tree(&tree)?;
    let store = ObjectStore::new(ledger.base_objects(), ledger.format());
    store.note_known(entries.iter().map(|entry| entry.id));
    store.note_known(trees::ids(ledger.format(), &entries));
    let index = index_file::read(&source.git_dir().join("index"), ledger.format()).unwrap_or_default();
    let mut taking = Taking {
        root: Beneath::open(source.top()).map_err(io)?,
        head: Arc::clone(&entries),
        index,
        store,
        entries: Vec::new(),
        changed: Vec::new(),
        left_out: Vec::new(),
        n_left_out: 0,
        n_bytes: 0,
    };
    taking.files(source, excludes)?;
    taking.what_is_not_found();
    let Taking { store, mut entries, mut changed, left_out, n_left_out, .. } = taking;
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    changed.sort();
    let n_changed = u32::try_from(changed.len()).unwrap_or(u32::MAX);
    changed.truncate(NAMED);
    let dirty = Dirty { head: head.clone(), n_changed, changed, left_out, n_left_out };
    if n_changed == 0 {
        return Ok((head.clone(), dirty));
    }
    let failed = |source| LedgerError::Io { path: ledger.base_objects(), source };
    let tree = trees::write(&store, &entries).map_err(failed)?.tree_id();
    let message = format!("uncommitted changes of {}", source.name());
    let new = NewCommit { parent: head, tree: &tree, message: &message, at };
    let id = store.put(Kind::Commit, commit_bytes(&new).as_bytes()).map_err(failed)?;
    store.sync().map_err(failed)?;
    let _lock = ledger.lock()?;
    state_dir::write_durably(&ledger.base_reference(&id), format!("{id}\n").as_bytes()).map_err(failed)?;
    Ok((id.commit_id(), dirty))
}

struct Taking {
    root: Beneath,
    head: Arc<Vec<TreeEntry>>,
    index: Index,
    store: ObjectStore,
    entries: Vec<TreeEntry>,
    changed: Vec<String>,
    left_out: Vec<String>,
    n_left_out: u32,
    n_bytes: u64,
}

impl Taking {
    /// Everything the walk finds.
    fn files(&mut self, source: &Source, excludes: Option<&Path>) -> Result<(), DirtyError> {
        let rules = rules_of(source, &self.root, &self.head, &self.index, excludes, NewFolders::EnterOwn);
        let (_, walk) = rules.map_err(|error| DirtyError::Io { path: source.top().to_owned(), source: error })?;
        for skipped in &walk.skipped {
            self.leave_out(&skipped.path, skipped.reason.as_str());
        }
        self.n_left_out += u32::try_from(walk.n_skipped - walk.skipped.len()).unwrap_or(u32::MAX);
        walk.found.into_iter().try_for_each(|found| self.file(found))
    }

    fn file(&mut self, found: Found) -> Result<(), DirtyError> {
        let shown = paths::shown(&found.path);
        if paths::check_entry(&found.path, found.mode).is_err() {
            self.leave_out(&shown, "a path errand never writes");
            return Ok(());
        }
        let old = trees::find(&self.head, &found.path).cloned();
        if let Some(old) = &old
            && old.mode == found.mode
            && self.index.unchanged(&found.path, &found.stat) == Some(old.id)
        {
            self.entries.push(old.clone());
            return Ok(());
        }
        let bytes = match walk::content(&self.root, &found) {
            Ok((bytes, _)) => bytes,
            // Deleted since the walk saw it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => {
                let is_large = error.kind() == io::ErrorKind::FileTooLarge;
                self.leave_out(&shown, if is_large { "too large" } else { "not readable" });
                self.entries.extend(old);
                return Ok(());
            }
        };
        let id = self.store.hash(Kind::Blob, &bytes);
        if let Some(old) = old.filter(|old| old.id == id && old.mode == found.mode) {
            self.entries.push(old);
            return Ok(());
        }
        self.n_bytes += bytes.len() as u64;
        if self.n_bytes > SNAPSHOT_BYTES {
            return Err(DirtyError::TooMuch);
        }
        let put = self.store.put(Kind::Blob, &bytes);
        put.map_err(|source| DirtyError::Io { path: paths::as_path(&found.path).to_owned(), source })?;
        self.changed.push(shown);
        self.entries.push(TreeEntry { path: found.path, mode: found.mode, id, size: bytes.len() as u64 });
        Ok(())
    }

    /// What HEAD has and the walk does not: deleted, left out of the checkout on purpose, or impossible to store.
    fn what_is_not_found(&mut self) {
        let taken: HashSet<Vec<u8>> = self.entries.iter().map(|entry| entry.path.clone()).collect();
        for old in self.head.iter().filter(|old| !taken.contains(&old.path)) {
            let is_hidden = above(&old.path).any(|folder| taken.contains(folder));
            let is_skipped = self.index.entries.get(&old.path).is_some_and(|entry| entry.is_skipped);
            let stays = || match self.root.stat(&old.path) {
                Ok(None) => false,
                Ok(Some(stat)) => !stat.is_folder(),
                Err(_) => true,
            };
            if !is_hidden && (old.mode == EntryMode::Submodule || is_skipped || stays()) {
                self.entries.push(old.clone());
            } else {
                self.changed.push(old.shown());
            }
        }
    }

    fn leave_out(&mut self, path: &str, reason: &str) {
        self.n_left_out = self.n_left_out.saturating_add(1);
        if self.left_out.len() < NAMED {
            self.left_out.push(format!("{path} ({reason})"));
        }
    }
}

/// The folders above a path.
fn above(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(end, _)| end);
    ends.map(|end| path.get(..end).unwrap_or_default())
}

/// The rules of a checkout, and the walk by them. Its own ignore files count as they are now: one that the person just
/// wrote keeps a secret out of the base. Which there are, only the walk tells, so it goes again with what it found.
pub(crate) fn rules_of(
    source: &Source,
    root: &Beneath,
    head: &Arc<Vec<TreeEntry>>,
    index: &Index,
    excludes: Option<&Path>,
    new_folders: NewFolders,
) -> io::Result<(Rules, walk::Walk)> {
    let persons = excludes.and_then(|path| read_small(path).ok()).unwrap_or_default();
    let repositorys = read_small(&source.common_dir().join("info/exclude")).unwrap_or_default();
    let ignores = Ignores::default().with_exclude(&format!("{persons}\n{repositorys}"));
    let mut rules = Rules::new(tracked(head, index), ignores);
    let mut known = HashSet::new();
    read_ignore_file(root, b"", &mut rules, &mut known);
    let mut walk = walk::walk(root, &rules, new_folders)?;
    for _ in 0..IGNORE_ROUNDS {
        let folders = walk.found.iter().filter_map(|found| match found.path.strip_suffix(b".gitignore") {
            Some([]) => Some(Vec::new()),
            Some([folder @ .., b'/']) => Some(folder.to_owned()),
            Some(_) | None => None,
        });
        let n_new = folders.filter(|folder| read_ignore_file(root, folder, &mut rules, &mut known)).count();
        if n_new == 0 {
            break;
        }
        walk = walk::walk(root, &rules, new_folders)?;
    }
    Ok((rules, walk))
}

/// Says whether there is one that was not read before.
fn read_ignore_file(root: &Beneath, folder: &[u8], rules: &mut Rules, known: &mut HashSet<Vec<u8>>) -> bool {
    if !known.insert(folder.to_owned()) {
        return false;
    }
    let path = if folder.is_empty() { b".gitignore".to_vec() } else { [folder, b"/.gitignore"].concat() };
    let Ok(content) = root.read(&path, Links::Refuse, IGNORE_FILE_BYTES) else { return false };
    rules.ignore(folder, &String::from_utf8_lossy(&content.bytes));
    true
}

/// What git calls tracked: HEAD's files, and those that are in the index only.
fn tracked(head: &Arc<Vec<TreeEntry>>, index: &Index) -> Arc<Vec<TreeEntry>> {
    let staged: Vec<_> = index
        .entries
        .iter()
        .filter(|(path, _)| trees::find(head, path).is_none())
        .map(|(path, entry)| TreeEntry { path: path.clone(), mode: EntryMode::Regular, id: entry.id, size: 0 })
        .collect();
    if staged.is_empty() {
        return Arc::clone(head);
    }
    let mut all = [head.as_slice(), &staged].concat();
    all.sort_by(|a, b| a.path.cmp(&b.path));
    Arc::new(all)
}

/// The file with the person's own ignore rules for all repositories, as their git settings name it.
pub fn excludes_of(git: &Git, home: &Path, config_home: &Path) -> PathBuf {
    let named = [home.join(".gitconfig"), config_home.join("git/config")]
        .iter()
        .filter(|file| file.exists())
        .find_map(|file| git.setting(file, "core.excludesFile"));
    match named {
        Some(named) => match named.strip_prefix("~/") {
            Some(below) => home.join(below),
            None => home.join(named),
        },
        None => config_home.join("git/ignore"),
    }
}

/// The changes from `base` to `result` on `head` instead of on `base`, for a branch without the person's uncommitted
/// changes; the paths where that cannot be told apart.
pub fn onto_head(
    ledger: &Ledger,
    state_dir: &Path,
    [head, base, result]: [&TreeId; 3],
) -> Result<Result<TreeId, Vec<String>>, ApplyError> {
    let of_head = ledger.list_tree(head)?;
    let (mut edits, mut unclear) = (Vec::new(), Vec::new());
    let mut put_back = Vec::new();
    let differences = ledger.differences(base, result)?;
    for difference in &differences {
        let path = difference.path();
        let theirs = trees::find(&of_head, path);
        let is = |a: Option<&TreeEntry>, b: Option<&TreeEntry>| a.map(|a| (a.id, a.mode)) == b.map(|b| (b.id, b.mode));
        let wanted = match (theirs, difference.old.as_ref(), difference.new.as_ref()) {
            (theirs, old, new) if is(theirs, old) || is(theirs, new) => new.cloned(),
            // A file of the person's own that is in no commit: without it is as the task left it.
            (None, Some(_), None) => None,
            (Some(theirs), Some(old), Some(new))
                if theirs.mode.is_file() && old.mode.is_file() && new.mode.is_file() =>
            {
                let read = |entry: &TreeEntry| ledger.read_blob(&entry.id);
                let sides = (read(theirs)?, read(old)?, read(new)?);
                match apply::merge(ledger, state_dir, [&sides.0, &sides.1, &sides.2])? {
                    Some(bytes) => {
                        Some(TreeEntry { id: put(ledger, &bytes)?, size: bytes.len() as u64, ..new.clone() })
                    }
                    None => {
                        unclear.push(paths::shown(path));
                        continue;
                    }
                }
            }
            (_, _, _) => {
                unclear.push(paths::shown(path));
                continue;
            }
        };
        edits.push(Edit::Remove { path: path.to_owned() });
        put_back.extend(wanted.map(|entry| Edit::Put { path: entry.path, mode: entry.mode, id: entry.id }));
    }
    if !unclear.is_empty() {
        return Ok(Err(unclear));
    }
    edits.append(&mut put_back);
    Ok(Ok(ledger.edit_tree(head, &edits)?))
}

fn put(ledger: &Ledger, bytes: &[u8]) -> Result<Oid, LedgerError> {
    let put = ledger.objects().put(Kind::Blob, bytes);
    put.map_err(|source| LedgerError::Io { path: ledger.work_git(), source })
}
