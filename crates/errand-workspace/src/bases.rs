//! Base trees: the files of a base commit on disk, once for all workspaces on it, never changed.
//!
//! `<ledger>/bases/<commit>[-<layers>]/tree` holds the files and the scratch `.git` that the agent's own git works on. It
//! is built beside its name and renamed, so one that is there is complete. A base that stands below dependency layers has
//! a name of its own: its files must be younger than what was built from others (see [`settle_times`]).

use crate::beneath::{Beneath, Parents};
use crate::index_file;
use crate::ledger::Ledger;
use crate::scratch;
use crate::snapshot::StatCache;
use crate::state_dir;
use crate::stock;
use crate::trees::{EntryMode, TreeEntry};
use crate::workspace::{WorkspaceError, materialize};
use errand_task::id::{CommitId, Digest};
use rustix::fs::{AtFlags, Timespec, Timestamps};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The folder that holds `tree`, made when it is not there. `layers` are the folders that will lie over it, and `newest`
/// the time of the youngest file in them.
pub(crate) fn prepare(
    ledger: &Ledger,
    commit: &CommitId,
    layers: &[PathBuf],
    newest: Option<SystemTime>,
) -> Result<PathBuf, WorkspaceError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| WorkspaceError::Io { path, source }
    };
    let above = ledger.dir().join("bases");
    let dir = above.join(name(commit, layers));
    if stock::mark_used(&dir).map_err(at(&dir))? {
        return Ok(dir);
    }
    state_dir::create_dir(&above).map_err(at(&above))?;
    // Two tasks may begin on a new base at once; one of them builds it.
    let _lock = state_dir::lock(&above.join("lock")).map_err(at(&above))?;
    if stock::mark_used(&dir).map_err(at(&dir))? {
        return Ok(dir);
    }
    let building = above.join(state_dir::temporary_name());
    let built =
        build(ledger, commit, &building, newest).and_then(|()| std::fs::rename(&building, &dir).map_err(at(&dir)));
    if built.is_err() {
        // The first error is the one to report; what is left has a temporary name.
        let _ = state_dir::remove_tree(&building);
    }
    built?;
    stock::mark_used(&dir).map_err(at(&dir))?;
    Ok(dir)
}

/// The name of the folder among the ledger's bases.
pub(crate) fn name(commit: &CommitId, layers: &[PathBuf]) -> String {
    if layers.is_empty() {
        return commit.as_str().to_owned();
    }
    let names: Vec<_> = layers.iter().map(|layer| layer.to_string_lossy()).collect();
    let digest = Digest::of(names.join("\0").as_bytes());
    format!("{commit}-{}", digest.as_str().get(..12).unwrap_or_default())
}

fn build(ledger: &Ledger, commit: &CommitId, dir: &Path, newest: Option<SystemTime>) -> Result<(), WorkspaceError> {
    let at = |source| WorkspaceError::Io { path: dir.to_owned(), source };
    let tree = state_dir::folder(dir, "tree").map_err(at)?;
    let root = Beneath::open(&tree).map_err(at)?;
    let entries = ledger.list_tree(&ledger.tree_of(commit)?)?;
    materialize(ledger, &entries, &root, &tree, &mut StatCache::default())?;
    settle_times(ledger, &entries, &root, newest)?;
    scratch::create(ledger, commit, &entries, &root, &tree).map_err(at)?;
    // What the daemon's workspaces share must be on disk before one of them is said to exist.
    rustix::fs::syncfs(root.root()).map_err(|error| at(error.into()))
}

/// Gives every file a whole second in the past: git believes an index that is younger than the files, and rereads nothing.
///
/// Below dependency layers two things more count. A file that is the same in the person's checkout keeps its time there, so
/// that a build output they made from it is up to date. Any other file must be younger than everything in the layers,
/// because something there may have been built from another version of it.
pub(crate) fn settle_times(
    ledger: &Ledger,
    entries: &[TreeEntry],
    root: &Beneath,
    newest: Option<SystemTime>,
) -> Result<(), WorkspaceError> {
    let seconds = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut time = seconds(SystemTime::now()).saturating_sub(1);
    if let Some(newest) = newest {
        // A file from the future would keep us waiting for ever, and is younger than anything anyhow.
        let wait = (seconds(newest) + 1).saturating_sub(time).min(2);
        std::thread::sleep(Duration::from_secs(wait));
        time += wait;
    }
    let checkout = newest.and_then(|_| Beneath::open(ledger.checkout()).ok());
    let index =
        checkout.as_ref().and_then(|_| index_file::read(&ledger.checkout().join(".git/index"), ledger.format()));
    for entry in entries.iter().filter(|entry| entry.mode != EntryMode::Submodule) {
        let kept = checkout.as_ref().zip(index.as_ref()).and_then(|(checkout, index)| {
            let stat = checkout.stat(&entry.path).ok()??;
            let is_same =
                index.unchanged(&entry.path, &stat) == Some(entry.id) && stat.entry_mode() == Some(entry.mode);
            is_same.then_some(stat.mtime)
        });
        let (tv_sec, tv_nsec) = kept.unwrap_or((i64::try_from(time).unwrap_or(0), 0));
        let moment = Timespec { tv_sec, tv_nsec: tv_nsec.into() };
        let times = Timestamps { last_access: moment, last_modification: moment };
        let set = root.parent(&entry.path, Parents::Expect).and_then(|(folder, name)| {
            Ok(rustix::fs::utimensat(folder.as_fd(), name, &times, AtFlags::SYMLINK_NOFOLLOW)?)
        });
        set.map_err(|source| WorkspaceError::Io { path: entry.path().to_owned(), source })?;
    }
    Ok(())
}
