//! What a dependency folder was made from: the lock files beside it, as one digest.
//!
//! The nearest folder with a lock file decides: that of a nested project, or the one at the top of a workspace of many
//! packages. Manifests stand in where there is no lock file at all.

use super::detect::{Candidate, Named, joined};
use super::table::{self, Stale};
use crate::beneath::{Beneath, Links};
use crate::limits::{LIST_ENTRIES, LOCK_FILE_BYTES};
use crate::objects::{Kind, ObjectFormat, hash};
use crate::paths;
use crate::trees::{self, TreeEntry};
use errand_task::id::Digest;
use std::collections::BTreeSet;
use std::io;

/// A path and the bytes it holds.
type KeyFile = (Vec<u8>, Vec<u8>);

/// The key of a folder; `None` when nothing says what it was made from, the error why it does not suit the base.
pub(super) fn of(
    checkout: &Beneath,
    base: &[TreeEntry],
    format: ObjectFormat,
    candidate: &Candidate,
) -> Result<Option<Digest>, String> {
    let mut parts = Vec::new();
    if let Some(row) = candidate.row {
        let holder = candidate.path.strip_suffix(row.name.as_bytes()).unwrap_or_default();
        let holder = holder.strip_suffix(b"/").unwrap_or(holder);
        for patterns in [row.locks, row.manifests] {
            parts = nearest(checkout, base, format, holder, patterns, row.stale)?;
            if !parts.is_empty() {
                break;
            }
        }
        if parts.is_empty() && candidate.named == Named::ByTable {
            return Ok(None);
        }
        for record in row.records {
            let path = joined(&candidate.path, record);
            parts.extend(read(checkout, &path)?.map(|bytes| (path, bytes)));
        }
    }
    let mut text = String::from("errand layer 1\n");
    if parts.is_empty() {
        // Its own times change when something comes or goes at its top. More would be a walk before every task.
        let stat = checkout.stat(&candidate.path).ok().flatten().unwrap_or_default();
        text.push_str(&format!("{} {}.{}\n", stat.inode, stat.mtime.0, stat.mtime.1));
    }
    for (path, bytes) in parts {
        text.push_str(&format!("{} {}\n", paths::shown(&path), Digest::of(&bytes)));
    }
    Ok(Some(Digest::of(text.as_bytes())))
}

/// The files of these names in the nearest folder, from `holder` upwards, that has one in the checkout or the base.
fn nearest(
    checkout: &Beneath,
    base: &[TreeEntry],
    format: ObjectFormat,
    holder: &[u8],
    patterns: &[&str],
    stale: Stale,
) -> Result<Vec<KeyFile>, String> {
    let mut level = Some(holder);
    while let Some(folder) = level {
        let mut parts = Vec::new();
        for path in matching(checkout, base, folder, patterns) {
            let bytes = read(checkout, &path)?;
            let of_base = trees::find(base, &path).filter(|entry| entry.mode.is_file()).map(|entry| entry.id);
            let of_checkout = bytes.as_deref().map(|bytes| hash(format, Kind::Blob, bytes));
            if stale == Stale::Wrong && of_base.is_some() && of_base != of_checkout {
                let shown = paths::shown(&path);
                return Err(format!(
                    "`{shown}` in your checkout is not the base's, so it holds other versions; a setup command can \
                     install those of the base"
                ));
            }
            parts.extend(bytes.map(|bytes| (path, bytes)));
        }
        if !parts.is_empty() {
            return Ok(parts);
        }
        level = above(folder);
    }
    Ok(Vec::new())
}

/// Paths of the files in `folder`, of the checkout or the base, that have one of these names.
fn matching(checkout: &Beneath, base: &[TreeEntry], folder: &[u8], patterns: &[&str]) -> BTreeSet<Vec<u8>> {
    let mut found = BTreeSet::new();
    let prefix = joined(folder, "");
    let start = base.partition_point(|entry| entry.path < prefix);
    for entry in base.iter().skip(start) {
        let Some(name) = entry.path.strip_prefix(prefix.as_slice()) else { break };
        if table::names(patterns, name) {
            found.insert(entry.path.clone());
        }
    }
    let names = checkout.folder(folder, Links::Refuse).and_then(|folder| Ok(rustix::fs::Dir::read_from(&folder)?));
    for name in names.into_iter().flatten().flatten().take(LIST_ENTRIES) {
        if table::names(patterns, name.file_name().to_bytes()) {
            found.insert([&prefix, name.file_name().to_bytes()].concat());
        }
    }
    found
}

/// `None` when it is not there.
fn read(checkout: &Beneath, path: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let shown = || paths::shown(path);
    match checkout.read(path, Links::Refuse, LOCK_FILE_BYTES + 1) {
        Ok(content) if content.bytes.len() as u64 > LOCK_FILE_BYTES => {
            Err(format!("`{}` is larger than {} MiB", shown(), LOCK_FILE_BYTES >> 20))
        }
        Ok(content) => Ok(Some(content.bytes)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(format!("`{}` cannot be read ({error})", shown())),
    }
}

fn above(folder: &[u8]) -> Option<&[u8]> {
    match folder.iter().rposition(|&byte| byte == b'/') {
        Some(slash) => folder.get(..slash),
        None => (!folder.is_empty()).then_some(&[]),
    }
}
