//! Snapshots: a workspace's files as a tree in the ledger, and back again.
//!
//! A stat cache per workspace makes an unchanged tree cost one lstat a file. Like git's index it does not believe a file
//! whose times are too close to the moment it was hashed: such a file is hashed again until it has settled.

use crate::beneath::Beneath;
use crate::ignores::Ignores;
use crate::ledger::{Ledger, LedgerError};
use crate::limits::{RACY, SNAPSHOT_BYTES};
use crate::objects::{Kind, Oid};
use crate::trees::{self, Edit, TreeEntry};
use crate::upper::{self, Changes};
use crate::walk::{self, Found, NewFolders, Rules, Stat, Walk};
use errand_task::id::TreeId;
use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};
use thiserror::Error;

pub use crate::walk::{SkipReason, Skipped};

#[derive(Debug, Error)]
pub enum SnapshotError {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error("the workspace holds more than {SNAPSHOT_BYTES} bytes of new files")]
    TooMuch,
    #[error("the workspace was deleted or replaced: `{}` is not the folder it was", .0.display())]
    Gone(PathBuf),
    #[error("`{}`: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

/// A stored state of a workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    pub tree: TreeId,
    /// Ignored files and folders that are not in it; a folder counts once.
    pub n_ignored: usize,
    /// The first of the paths that are not in it although nothing ignores them.
    pub skipped: Vec<Skipped>,
    pub n_skipped: usize,
}

/// What is known about the files of one workspace, by path.
#[derive(Debug, Default)]
pub(crate) struct StatCache {
    files: HashMap<Vec<u8>, Cached>,
}

#[derive(Clone, Copy, Debug)]
struct Cached {
    stat: Stat,
    id: Oid,
    /// Before the file was read.
    hashed_at: Duration,
}

impl StatCache {
    pub fn remember(&mut self, path: Vec<u8>, stat: Stat, id: Oid, hashed_at: Duration) {
        self.files.insert(path, Cached { stat, id, hashed_at });
    }

    fn get(&self, found: &Found) -> Option<Oid> {
        let cached = self.files.get(&found.path)?;
        let changed_at = Duration::new(u64::try_from(found.stat.ctime.0).unwrap_or(0), found.stat.ctime.1);
        (cached.stat == found.stat && changed_at + RACY <= cached.hashed_at).then_some(cached.id)
    }
}

pub(crate) fn now() -> Duration {
    SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default()
}

/// Stores the files below `root`; the tree's id is durable when this returns.
pub(crate) fn take(
    ledger: &Ledger,
    root: &Beneath,
    rules: &Rules,
    cache: &mut StatCache,
) -> Result<Snapshot, SnapshotError> {
    let failed = |source| SnapshotError::Io { path: PathBuf::from("workspace"), source };
    let mut walk = walk::walk(root, rules, NewFolders::Enter).map_err(failed)?;
    let entries = store(ledger, root, &mut walk, cache)?;
    let tree = ledger.write_tree(entries)?;
    Ok(Snapshot { tree, n_ignored: walk.n_ignored, skipped: walk.skipped, n_skipped: walk.n_skipped })
}

/// The same for a workspace whose private layer is below `upper`: the ground's tree with what the layer changes.
pub(crate) fn take_changes(
    ledger: &Ledger,
    upper: &Beneath,
    ground: &TreeId,
    base: &TreeId,
    ignores: &Ignores,
    cache: &mut StatCache,
) -> Result<Snapshot, SnapshotError> {
    let Changes { mut walk, mut removed } = upper::changes(upper, ledger, ground, base, ignores)?;
    let found: Vec<_> = walk.found.iter().map(|found| found.path.clone()).collect();
    let entries = store(ledger, upper, &mut walk, cache)?;
    // What could not be read after all hides what is below it, as in the walk over everything.
    removed.extend(found.into_iter().filter(|path| trees::find(&entries, path).is_none()));
    let removals = removed.into_iter().map(|path| Edit::Remove { path });
    let put = entries.into_iter().map(|entry| Edit::Put { path: entry.path, mode: entry.mode, id: entry.id });
    let tree = ledger.edit_tree(ground, &removals.chain(put).collect::<Vec<_>>())?;
    Ok(Snapshot { tree, n_ignored: walk.n_ignored, skipped: walk.skipped, n_skipped: walk.n_skipped })
}

/// Puts what the cache does not know into the ledger and returns the listing.
fn store(
    ledger: &Ledger,
    root: &Beneath,
    walk: &mut Walk,
    cache: &mut StatCache,
) -> Result<Vec<TreeEntry>, SnapshotError> {
    let mut entries = Vec::with_capacity(walk.found.len());
    let mut seen = HashMap::with_capacity(walk.found.len());
    let mut n_bytes = 0;
    for found in std::mem::take(&mut walk.found) {
        let entry = |id, size| TreeEntry { path: found.path.clone(), mode: found.mode, id, size };
        if let Some(id) = cache.get(&found) {
            entries.push(entry(id, found.stat.size));
            let cached = cache.files.remove(&found.path);
            seen.extend(cached.map(|cached| (found.path, cached)));
            continue;
        }
        let hashed_at = now();
        let (bytes, stat) = match walk::content(root, &found) {
            Ok(content) => content,
            // Deleted since the walk saw it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => {
                let is_large = error.kind() == io::ErrorKind::FileTooLarge;
                let reason = if is_large { SkipReason::TooLarge } else { SkipReason::Unreadable };
                walk.skipped.push(Skipped { path: crate::paths::shown(&found.path), reason });
                walk.n_skipped += 1;
                continue;
            }
        };
        let known = cache.files.get(&found.path).map(|cached| cached.id);
        let id = match ledger.objects().hash(Kind::Blob, &bytes) {
            // Hashed again because it was young, and still the same: it is stored already.
            id if known == Some(id) => id,
            _ => {
                n_bytes += bytes.len() as u64;
                if n_bytes > SNAPSHOT_BYTES {
                    return Err(SnapshotError::TooMuch);
                }
                let put = ledger.objects().put(Kind::Blob, &bytes);
                put.map_err(|source| SnapshotError::Io { path: found.path_buf(), source })?
            }
        };
        entries.push(entry(id, bytes.len() as u64));
        seen.insert(found.path, Cached { stat, id, hashed_at });
    }
    cache.files = seen;
    entries.append(&mut walk.submodules);
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(entries)
}

impl Found {
    fn path_buf(&self) -> PathBuf {
        crate::paths::as_path(&self.path).to_owned()
    }
}
