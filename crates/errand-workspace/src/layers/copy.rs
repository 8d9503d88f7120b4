//! Copies one folder of the person's, for reading: handle to handle, so that nothing that happens to the checkout
//! meanwhile leads anywhere else.
//!
//! Files are cloned where the file system can, else copied; a hard link would let a task's layer and the person's file be
//! one. Times and permissions stay as they are, since build tools compare them; setuid and setgid go. FIFOs, sockets,
//! devices, other file systems, git's own data and files that hold secrets stay out.

use super::table::{is_secret_name, may_hold_key};
use crate::beneath;
use crate::limits::{DEPTH, KEY_LOOKED_BYTES, LAYER_COPIED_BYTES, LAYER_COPIED_FILES, LAYER_RESERVE_BYTES, LINK_BYTES};
use crate::paths;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, SeekFrom, Stat, Timespec, Timestamps, UTIME_OMIT};
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, OwnedFd};
use thiserror::Error;

/// Why a copy was given up; the sentence goes on from the folder's name.
#[derive(Debug, Error)]
pub(super) enum Stopped {
    #[error(
        "it holds more than {} MiB or {files} files, and the disk cannot clone them; a setup command can make it, or keep \
         errand's state on btrfs or xfs beside the checkout",
        bytes >> 20
    )]
    TooMuch { bytes: u64, files: u64 },
    #[error("copying it would leave less than {} MiB free on the disk; free some, or move errand's state", reserve >> 20)]
    NoRoom { reserve: u64 },
    #[error("a file in it changed while it was copied; the next task tries again")]
    Changed,
    #[error("it cannot be copied ({0})")]
    Io(#[from] io::Error),
}

impl From<Errno> for Stopped {
    fn from(error: Errno) -> Self {
        Self::Io(error.into())
    }
}

/// The bounds of real copying.
pub(super) struct Terms {
    pub bytes: u64,
    pub files: u64,
    /// What must stay free.
    pub reserve: u64,
    pub first: Way,
    /// Whether the folder is the person's, whose secrets stay out.
    pub is_persons: bool,
}

pub(super) const TERMS: Terms = Terms {
    bytes: LAYER_COPIED_BYTES,
    files: LAYER_COPIED_FILES,
    reserve: LAYER_RESERVE_BYTES,
    first: Way::Clone,
    is_persons: true,
};

/// For folders of our own.
const OWN: Terms = Terms { is_persons: false, ..TERMS };

/// For those that are cloned or not copied at all.
const CLONED: Terms = Terms { bytes: 0, files: 0, reserve: 0, ..OWN };

/// Copies what is in `from`, a folder of ours, into a folder that may hold folders of the same names.
pub(crate) fn lay_over(from: &OwnedFd, to: &OwnedFd) -> io::Result<()> {
    copy(from, to, &OWN).map(drop).map_err(io::Error::other)
}

/// Clones what is in `from`, a folder of ours, into an empty folder; fails where the file system cannot.
pub(crate) fn clone(from: &OwnedFd, to: &OwnedFd) -> io::Result<()> {
    copy(from, to, &CLONED).map(drop).map_err(io::Error::other)
}

/// How the content of a file gets there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// As long as the file system does not refuse.
    Clone,
    Copy,
}

/// What was copied and what was not.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Copied {
    pub bytes: u64,
    /// Of these, what took room on the disk.
    pub copied_bytes: u64,
    pub n_files: u64,
    n_copied: u64,
    /// Seconds and nanoseconds; times to come do not count.
    pub newest: (i64, u32),
    pub n_secret: u64,
    pub n_unreadable: u64,
    /// Neither files, links nor folders, or too deep.
    pub n_special: u64,
}

/// Copies what is in `from` into the folder `to`, which gets the times and permissions of `from`.
pub(super) fn copy(from: &OwnedFd, to: &OwnedFd, terms: &Terms) -> Result<Copied, Stopped> {
    let stat = rustix::fs::fstat(from)?;
    let now = crate::snapshot::now();
    let mut copier = Copier {
        terms,
        top: from,
        device: stat.st_dev,
        way: Way::Clone,
        now: i64::try_from(now.as_secs()).unwrap_or(i64::MAX),
        copied: Copied::default(),
    };
    if terms.first == Way::Copy {
        copier.begin_copying(to)?;
    }
    copier.folder(from, to, &stat, 0)?;
    Ok(copier.copied)
}

struct Copier<'a> {
    terms: &'a Terms,
    top: &'a OwnedFd,
    device: rustix::fs::Dev,
    way: Way,
    now: i64,
    copied: Copied,
}

impl Copier<'_> {
    fn folder(&mut self, from: &OwnedFd, to: &OwnedFd, stat: &Stat, depth: usize) -> Result<(), Stopped> {
        let Ok(names) = names(from) else {
            self.copied.n_unreadable += 1;
            return finish(to, stat);
        };
        for name in names {
            let stat = match rustix::fs::statat(from, &name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => stat,
                // Gone since the folder was read.
                Err(Errno::NOENT) => continue,
                Err(_) => {
                    self.copied.n_unreadable += 1;
                    continue;
                }
            };
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => self.inner_folder(from, to, &name, &stat, depth + 1)?,
                FileType::RegularFile => self.file(from, to, &name)?,
                FileType::Symlink => self.link(from, to, &name, &stat)?,
                _ => self.copied.n_special += 1,
            }
        }
        finish(to, stat)
    }

    fn inner_folder(
        &mut self,
        from: &OwnedFd,
        to: &OwnedFd,
        name: &CStr,
        stat: &Stat,
        depth: usize,
    ) -> Result<(), Stopped> {
        if depth >= DEPTH || stat.st_dev != self.device {
            self.copied.n_special += 1;
            return Ok(());
        }
        let Ok(inner) = open(from, name, OFlags::DIRECTORY) else {
            self.copied.n_unreadable += 1;
            return Ok(());
        };
        match rustix::fs::mkdirat(to, name, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let made = open(to, name, OFlags::DIRECTORY)?;
        self.folder(&inner, &made, stat, depth)
    }

    fn link(&mut self, from: &OwnedFd, to: &OwnedFd, name: &CStr, stat: &Stat) -> Result<(), Stopped> {
        match rustix::fs::readlinkat(from, name, Vec::new()) {
            Ok(target) if target.as_bytes().len() <= LINK_BYTES => {
                rustix::fs::symlinkat(&target, to, name)?;
                rustix::fs::utimensat(to, name, &times(stat), AtFlags::SYMLINK_NOFOLLOW)?;
                self.copied.n_files += 1;
            }
            Ok(_) | Err(_) => self.copied.n_unreadable += 1,
        }
        Ok(())
    }

    fn file(&mut self, from: &OwnedFd, to: &OwnedFd, name: &CStr) -> Result<(), Stopped> {
        if self.terms.is_persons && is_secret_name(name.to_bytes()) {
            self.copied.n_secret += 1;
            return Ok(());
        }
        // Without NONBLOCK, a FIFO that took the file's place would block.
        let Ok(source) = open(from, name, OFlags::NONBLOCK | OFlags::NOCTTY).map(File::from) else {
            self.copied.n_unreadable += 1;
            return Ok(());
        };
        let stat = rustix::fs::fstat(&source)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            self.copied.n_special += 1;
            return Ok(());
        }
        if self.terms.is_persons && may_hold_key(name.to_bytes()) && holds_key(&source)? {
            self.copied.n_secret += 1;
            return Ok(());
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let target = File::from(rustix::fs::openat(to, name, flags, Mode::RUSR | Mode::WUSR)?);
        self.content(&source, &target, &stat, to)?;
        let after = rustix::fs::fstat(&source)?;
        if (after.st_size, after.st_mtime, after.st_mtime_nsec) != (stat.st_size, stat.st_mtime, stat.st_mtime_nsec) {
            return Err(Stopped::Changed);
        }
        rustix::fs::fchmod(&target, permissions(&stat))?;
        rustix::fs::futimens(&target, &times(&stat))?;
        self.copied.n_files += 1;
        self.copied.bytes += size(&stat);
        let written = mtime(&stat);
        if written.0 <= self.now {
            self.copied.newest = self.copied.newest.max(written);
        }
        Ok(())
    }

    fn content(&mut self, source: &File, target: &File, stat: &Stat, to: &OwnedFd) -> Result<(), Stopped> {
        if self.way == Way::Clone && stat.st_size > 0 {
            match rustix::fs::ioctl_ficlone(target, source) {
                Ok(()) => return Ok(()),
                Err(_) => self.begin_copying(to)?,
            }
        }
        if self.way == Way::Copy {
            self.copied.n_copied += 1;
            self.copied.copied_bytes += room(stat);
            if self.copied.n_copied > self.terms.files || self.copied.copied_bytes > self.terms.bytes {
                return Err(self.too_much());
            }
        }
        Ok(copy_data(source, target, size(stat))?)
    }

    /// From here on every file costs: whether all of them fit is asked before the first is written.
    fn begin_copying(&mut self, to: &OwnedFd) -> Result<(), Stopped> {
        self.way = Way::Copy;
        let mut sum = Sum::default();
        self.measure(self.top, 0, &mut sum)?;
        let disk = rustix::fs::fstatvfs(to)?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if free < sum.bytes.saturating_add(self.terms.reserve) {
            return Err(Stopped::NoRoom { reserve: self.terms.reserve });
        }
        Ok(())
    }

    fn measure(&self, folder: &OwnedFd, depth: usize, sum: &mut Sum) -> Result<(), Stopped> {
        for name in names(folder).unwrap_or_default() {
            let Ok(stat) = rustix::fs::statat(folder, &name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory if stat.st_dev == self.device && depth < DEPTH => {
                    if let Ok(inner) = open(folder, &name, OFlags::DIRECTORY) {
                        self.measure(&inner, depth + 1, sum)?;
                    }
                }
                FileType::RegularFile => {
                    sum.n_files += 1;
                    sum.bytes += room(&stat);
                    if sum.n_files > self.terms.files || sum.bytes > self.terms.bytes {
                        return Err(self.too_much());
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn too_much(&self) -> Stopped {
        Stopped::TooMuch { bytes: self.terms.bytes, files: self.terms.files }
    }
}

#[derive(Default)]
struct Sum {
    bytes: u64,
    n_files: u64,
}

fn names(folder: &OwnedFd) -> io::Result<Vec<CString>> {
    let mut names = beneath::names_in(folder)?;
    names.retain(|name| !paths::is_dot_git(name.to_bytes()));
    Ok(names)
}

fn open(folder: &OwnedFd, name: &CStr, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let flags = flags | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(folder.as_fd(), name, flags, Mode::empty())
}

/// At the end, because entries that are made change a folder's times and need its permissions.
fn finish(folder: &OwnedFd, stat: &Stat) -> Result<(), Stopped> {
    rustix::fs::fchmod(folder, permissions(stat))?;
    Ok(rustix::fs::futimens(folder, &times(stat))?)
}

/// The first `size` bytes, holes left as holes.
fn copy_data(source: &File, target: &File, size: u64) -> io::Result<()> {
    let mut at = 0;
    while at < size {
        let (data, hole) = match rustix::fs::seek(source, SeekFrom::Data(at)) {
            Ok(data) => (data, rustix::fs::seek(source, SeekFrom::Hole(data))?),
            // Nothing but a hole up to the end.
            Err(Errno::NXIO) => break,
            // A file system that does not tell.
            Err(Errno::INVAL) => (at, size),
            Err(error) => return Err(error.into()),
        };
        rustix::fs::seek(source, SeekFrom::Start(data))?;
        rustix::fs::seek(target, SeekFrom::Start(data))?;
        let (mut reader, mut writer) = (source.take(hole.min(size).saturating_sub(data)), target);
        // In the kernel where that can be.
        io::copy(&mut reader, &mut writer)?;
        at = hole.max(at + 1);
    }
    target.set_len(size)
}

fn holds_key(file: &File) -> io::Result<bool> {
    let mut head = vec![0; KEY_LOOKED_BYTES];
    let n_read = rustix::io::pread(file, &mut head, 0)?;
    let head = head.get(..n_read).unwrap_or_default();
    Ok(head.windows(b"PRIVATE KEY-----".len()).any(|window| window == b"PRIVATE KEY-----"))
}

fn size(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

/// What a copy takes on the disk; of a file with holes less than its size.
fn room(stat: &Stat) -> u64 {
    size(stat).min(u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512))
}

fn permissions(stat: &Stat) -> Mode {
    Mode::from_raw_mode(stat.st_mode & 0o777)
}

#[allow(clippy::unnecessary_cast, reason = "the field types differ between architectures")]
fn mtime(stat: &Stat) -> (i64, u32) {
    (stat.st_mtime as i64, stat.st_mtime_nsec as u32)
}

fn times(stat: &Stat) -> Timestamps {
    let (seconds, nanos) = mtime(stat);
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: seconds, tv_nsec: nanos.into() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(dir: &std::path::Path) -> OwnedFd {
        File::open(dir).unwrap().into()
    }

    fn copied(terms: &Terms) -> Result<Copied, Stopped> {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        std::fs::create_dir_all(from.join("a")).unwrap();
        std::fs::create_dir(&to).unwrap();
        std::fs::write(from.join("a/x"), [1; 5000]).unwrap();
        std::fs::write(from.join("y"), [2; 5000]).unwrap();
        let copied = copy(&opened(&from), &opened(&to), terms);
        if copied.is_err() {
            assert_eq!(std::fs::read_dir(&to).unwrap().count(), 0, "it is asked before the first byte");
        }
        copied
    }

    fn terms(bytes: u64, files: u64, reserve: u64) -> Terms {
        Terms { bytes, files, reserve, first: Way::Copy, is_persons: true }
    }

    #[test]
    fn real_copying_has_its_bounds() {
        let all = copied(&terms(10_000, 2, 0)).unwrap();
        assert_eq!((all.bytes, all.copied_bytes, all.n_files), (10_000, 10_000, 2));
        assert!(matches!(copied(&terms(9_999, 2, 0)), Err(Stopped::TooMuch { bytes: 9_999, files: 2 })));
        assert!(matches!(copied(&terms(10_000, 1, 0)), Err(Stopped::TooMuch { .. })));
        assert!(matches!(copied(&terms(10_000, 2, u64::MAX)), Err(Stopped::NoRoom { .. })));
    }

    #[test]
    fn what_took_the_place_of_an_entry_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        std::fs::create_dir_all(dir.path().join("outside")).unwrap();
        std::fs::write(dir.path().join("outside/x"), "canary").unwrap();
        std::fs::create_dir(&from).unwrap();
        std::fs::create_dir(&to).unwrap();
        std::os::unix::fs::symlink("../outside", from.join("folder")).unwrap();
        std::os::unix::fs::symlink("../outside/x", from.join("file")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, from.join("fifo"), FileType::Fifo, Mode::RWXU, 0).unwrap();
        let (from, to_handle) = (opened(&from), opened(&to));
        // As if the first look had found a folder and files.
        let stat = rustix::fs::fstat(&from).unwrap();
        let mut copier = Copier {
            terms: &TERMS,
            top: &from,
            device: stat.st_dev,
            way: Way::Copy,
            now: 0,
            copied: Copied::default(),
        };
        copier.inner_folder(&from, &to_handle, c"folder", &stat, 1).unwrap();
        copier.file(&from, &to_handle, c"file").unwrap();
        copier.file(&from, &to_handle, c"fifo").unwrap();
        assert_eq!(copier.copied, Copied { n_unreadable: 2, n_special: 1, ..Copied::default() });
        assert_eq!(std::fs::read_dir(&to).unwrap().count(), 0);
    }

    #[test]
    fn holes_stay_holes() {
        use std::os::unix::fs::{FileExt as _, MetadataExt as _};
        let dir = tempfile::tempdir().unwrap();
        let source = File::options().read(true).write(true).create_new(true).open(dir.path().join("a")).unwrap();
        source.set_len(64 << 20).unwrap();
        source.write_all_at(b"middle", 32 << 20).unwrap();
        let target = File::options().read(true).write(true).create_new(true).open(dir.path().join("b")).unwrap();
        copy_data(&source, &target, 64 << 20).unwrap();
        target.sync_all().unwrap();
        assert!(std::fs::read(dir.path().join("a")).unwrap() == std::fs::read(dir.path().join("b")).unwrap());
        let taken = target.metadata().unwrap().blocks() * 512;
        assert!(taken < 1 << 20, "{taken} bytes for six");
    }
}
