//! What a ledger keeps for workspaces, base trees and layers: when each was used last, and which of them go.
//!
//! Beside each lies `<name>.used`, whose time is that of the last use and whose lock is held while it is marked or removed.
//! Whoever uses one marks it first, so one that a workspace is being made on is young; a workspace that is made says itself
//! what it stands on. The rest goes when it is old, and so does what a crash left half made.

use crate::state_dir;
use crate::workspace;
use rustix::fs::fstat;
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Longer than it takes to make a workspace: within it nothing goes, whatever the setting.
const BEING_MADE: Duration = Duration::from_secs(3600);

/// Marks a base tree or layer as used now; answers whether it is still there.
pub(crate) fn mark_used(dir: &Path) -> io::Result<bool> {
    while dir.is_dir() {
        let mark = state_dir::lock(&mark_of(dir))?;
        // A mark that was removed while this waited is nobody's any more.
        if is_at(&mark, &mark_of(dir)) {
            mark.set_modified(SystemTime::now())?;
            return Ok(dir.is_dir());
        }
    }
    Ok(false)
}

/// Removes the base trees and layers below `state_dir` that no workspace stands on and that were not used for this long,
/// and what a crash left half made. Blocks; goes by way of the trash.
pub fn remove_unused(state_dir: &Path, untouched_for: Duration) -> io::Result<Vec<PathBuf>> {
    let untouched_for = untouched_for.max(BEING_MADE);
    let mut removed = Vec::new();
    for ledger in inside(&state_dir.join("ledgers"))? {
        for folder in ["bases", "layers"].map(|name| ledger.join(name)) {
            if folder.is_dir() {
                removed.extend(remove_unused_in(state_dir, &folder, untouched_for)?);
            }
        }
    }
    Ok(removed)
}

fn remove_unused_in(state_dir: &Path, folder: &Path, untouched_for: Duration) -> io::Result<Vec<PathBuf>> {
    let (mut removed, mut trash, mut old) = (Vec::new(), Vec::new(), Vec::new());
    {
        // Nothing is being built in there meanwhile.
        let _lock = state_dir::lock(&folder.join("lock"))?;
        for path in inside(folder)? {
            // tidy: text, not a path
            if name_of(&path).starts_with(state_dir::TEMPORARY) {
                trash.extend(state_dir::into_trash(state_dir, &path)?);
            } else if path.is_dir() {
                let mark = state_dir::lock(&mark_of(&path))?;
                let used_at = mark.metadata()?.modified()?;
                if used_at.elapsed().is_ok_and(|since| since >= untouched_for) {
                    old.push((path, mark));
                }
            }
        }
        // With their marks held, nobody can begin to use one of these.
        let standing = if old.is_empty() { BTreeSet::new() } else { standing(state_dir)? };
        for (path, mark) in old.into_iter().filter(|(path, _)| !standing.contains(&name_of(path))) {
            trash.extend(state_dir::into_trash(state_dir, &path)?);
            std::fs::remove_file(mark_of(&path))?;
            drop(mark);
            removed.push(path);
        }
    }
    // Those who wait for the locks need not wait for this.
    trash.iter().try_for_each(|path| state_dir::remove_tree(path))?;
    Ok(removed)
}

/// The names of all that workspaces and clean checkouts stand on.
fn standing(state_dir: &Path) -> io::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for place in ["workspaces", "checks"] {
        for dir in inside(&state_dir.join(place))? {
            names.extend(workspace::stands_on(&dir));
        }
    }
    Ok(names)
}

fn mark_of(dir: &Path) -> PathBuf {
    dir.with_file_name(format!("{}.used", name_of(dir)))
}

fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(open), Ok(named)) = (fstat(file), rustix::fs::lstat(path)) else { return false };
    (open.st_dev, open.st_ino) == (named.st_dev, named.st_ino)
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The paths in a folder; none when it is not there.
fn inside(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match std::fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
