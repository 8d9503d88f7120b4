//! What a task changed in a copy-on-write workspace: a walk over its private layer alone.
//!
//! The kernel keeps a changed file in the layer whole, a deleted one as a character device 0:0 (a whiteout), and a folder
//! that hides the one below it with an attribute (opaque). The walk finds as files to store what the walk over all files
//! would find there, and says which paths of the ground are no more. Its cost is that of what the task touched.

use crate::beneath::{self, Beneath, Links};
use crate::ignores::Ignores;
use crate::ledger::{Ledger, LedgerError};
use crate::limits::{DEPTH, PATH_BYTES};
use crate::paths;
use crate::trees::{EntryMode, Node};
use crate::walk::{SkipReason, Stat, Walk};
use errand_task::id::TreeId;
use rustix::fs::{AtFlags, FileType};
use std::ffi::CStr;
use std::io;
use std::os::fd::OwnedFd;

/// Set on a folder that hides what is below it.
const OPAQUE: &CStr = c"user.overlay.opaque";

/// What the layer holds, and the paths that are not in the ground's tree any more.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub walk: Walk,
    pub removed: Vec<Vec<u8>>,
}

/// Walks `upper`, the files of the private layer, over a ground whose tree is `ground`;
/// `base` is the tree whose paths are found although ignore rules name them.
pub(crate) fn changes(
    upper: &Beneath,
    ledger: &Ledger,
    ground: &TreeId,
    base: &TreeId,
    ignores: &Ignores,
) -> Result<Changes, LedgerError> {
    let mut walker = Walker { ledger, ground, base, ignores, changes: Changes::default() };
    let folder = upper.folder(b"", Links::Refuse).map_err(failed)?;
    walker.folder(&folder, &mut Vec::new(), 0, false)?;
    walker.changes.walk.found.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(walker.changes)
}

struct Walker<'a> {
    ledger: &'a Ledger,
    ground: &'a TreeId,
    base: &'a TreeId,
    ignores: &'a Ignores,
    changes: Changes,
}

impl Walker<'_> {
    fn folder(
        &mut self,
        folder: &OwnedFd,
        path: &mut Vec<u8>,
        depth: usize,
        is_ignored: bool,
    ) -> Result<(), LedgerError> {
        let names = beneath::names_in(folder).map_err(failed)?;
        let n_above = path.len();
        for name in names {
            if n_above > 0 {
                path.push(b'/');
            }
            path.extend_from_slice(name.to_bytes());
            match rustix::fs::statat(folder, &name, AtFlags::SYMLINK_NOFOLLOW) {
                // As in the walk over everything: no tree holds such names, so nothing of one can be removed.
                Ok(stat) if paths::is_dot_git(name.to_bytes()) => {
                    if !is_whiteout(&stat) && (n_above > 0 || name.to_bytes() != b".git") {
                        self.changes.walk.skip(path, SkipReason::NestedRepository);
                    }
                }
                Ok(stat) if is_whiteout(&stat) => self.remove(path),
                Ok(stat) => self.entry(folder, &name, path, depth, is_ignored, Stat::of(&stat))?,
                // Gone since the folder was read.
                Err(rustix::io::Errno::NOENT) => {}
                Err(_) => self.skip(path, SkipReason::Unreadable),
            }
            path.truncate(n_above);
        }
        Ok(())
    }

    fn entry(
        &mut self,
        above: &OwnedFd,
        name: &CStr,
        path: &mut Vec<u8>,
        depth: usize,
        is_ignored: bool,
        stat: Stat,
    ) -> Result<(), LedgerError> {
        let tracked = self.ledger.entry_at(self.base, path)?;
        if stat.is_folder() {
            return self.inner_folder(above, name, path, depth, is_ignored, tracked);
        }
        let is_tracked = matches!(tracked, Some(Node::Entry { .. }));
        if !is_tracked && (is_ignored || self.ignores.is_ignored(path, false)) {
            self.changes.walk.n_ignored += 1;
            self.remove(path);
            return Ok(());
        }
        if let Some(reason) = self.changes.walk.file(path, stat).map_err(failed)? {
            self.skip(path, reason);
        }
        Ok(())
    }

    fn inner_folder(
        &mut self,
        above: &OwnedFd,
        name: &CStr,
        path: &mut Vec<u8>,
        depth: usize,
        is_ignored: bool,
        tracked: Option<Node>,
    ) -> Result<(), LedgerError> {
        if let Some(Node::Entry { mode: EntryMode::Submodule, .. }) = tracked {
            self.changes.walk.submodule(above, name, path);
            return Ok(());
        }
        let is_ignored = is_ignored || self.ignores.is_ignored(path, true);
        if is_ignored && !matches!(tracked, Some(Node::Folder { .. })) {
            self.changes.walk.n_ignored += 1;
            self.remove(path);
            return Ok(());
        }
        if depth + 1 >= DEPTH || path.len() > PATH_BYTES {
            self.skip(path, SkipReason::TooDeep);
            return Ok(());
        }
        let Ok(inner) = beneath::open_inner(above, name) else {
            self.skip(path, SkipReason::Unreadable);
            return Ok(());
        };
        let hides_a_file = matches!(self.ledger.entry_at(self.ground, path)?, Some(Node::Entry { .. }));
        if hides_a_file || is_opaque(&inner) {
            self.remove(path);
        }
        self.folder(&inner, path, depth + 1, is_ignored)
    }

    fn remove(&mut self, path: &[u8]) {
        // No tree holds a longer one.
        if path.len() <= PATH_BYTES {
            self.changes.removed.push(path.to_owned());
        }
    }

    /// What cannot be stored stands where something of the ground was, or where nothing was.
    fn skip(&mut self, path: &[u8], reason: SkipReason) {
        self.remove(path);
        self.changes.walk.skip(path, reason);
    }
}

fn failed(source: io::Error) -> LedgerError {
    LedgerError::Io { path: "the workspace's layer".into(), source }
}

#[allow(clippy::unnecessary_cast, reason = "the field types differ between architectures")]
fn is_whiteout(stat: &rustix::fs::Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode as u32) == FileType::CharacterDevice && stat.st_rdev as u64 == 0
}

fn is_opaque(folder: &OwnedFd) -> bool {
    let mut value = [0_u8; 1];
    let n_read = rustix::fs::fgetxattr(folder, OPAQUE, &mut value[..]);
    n_read.is_ok_and(|n_read| n_read == 1) && value == *b"y"
}
