//! How much of the disk a folder takes: blocks, not lengths, so that holes cost nothing and small files cost a block.
//!
//! A file with several names counts once. Extents that files share by reflink count for each of them: the file system
//! does not tell. Links are not followed, other file systems are not entered; what cannot be read counts by itself only.

use crate::limits::DEPTH;
use crate::walk::Stat;
use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags};
use std::collections::HashSet;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// Bytes of one block as `st_blocks` counts them.
const BLOCK_BYTES: u64 = 512;

/// Adds up folders; what it has seen by another name costs nothing more.
#[derive(Debug, Default)]
pub struct Meter {
    /// Device and inode of files with several names.
    seen: HashSet<(u64, u64)>,
}

impl Meter {
    /// Bytes on the disk of what is at `path` and below it; nothing when nothing is there.
    pub fn used(&mut self, path: &Path) -> u64 {
        let Ok(stat) = rustix::fs::lstat(path) else { return 0 };
        let device = Stat::of(&stat).device;
        let below = folder(CWD, path).map_or(0, |folder| self.below(&folder, device, DEPTH));
        self.own(&stat).saturating_add(below)
    }

    fn below(&mut self, folder: &OwnedFd, device: u64, depth: usize) -> u64 {
        let Ok(entries) = Dir::read_from(folder) else { return 0 };
        let mut n_bytes: u64 = 0;
        for entry in entries.flatten() {
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            // Gone since the folder was read.
            let Ok(raw) = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            let stat = Stat::of(&raw);
            if stat.device != device {
                continue;
            }
            n_bytes = n_bytes.saturating_add(self.own(&raw));
            if stat.is_folder()
                && depth > 0
                && let Some(inner) = self::folder(folder.as_fd(), name)
            {
                n_bytes = n_bytes.saturating_add(self.below(&inner, device, depth - 1));
            }
        }
        n_bytes
    }

    fn own(&mut self, raw: &rustix::fs::Stat) -> u64 {
        let stat = Stat::of(raw);
        let has_names = !stat.is_folder() && raw.st_nlink > 1;
        if has_names && !self.seen.insert((stat.device, stat.inode)) {
            return 0;
        }
        u64::try_from(raw.st_blocks).unwrap_or(0).saturating_mul(BLOCK_BYTES)
    }
}

fn folder(above: impl AsFd, name: impl rustix::path::Arg) -> Option<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(above, name, flags, Mode::empty()).ok()
}
