//! File access below a directory handle, by bytes: every path is resolved once, by the kernel, and cannot lead out.
//!
//! `openat2` with RESOLVE_BENEATH does the work; a kernel without it is an error, there is no fallback. Paths given here
//! are already split into plain parts (see [`crate::paths`]).

use crate::paths;
use crate::walk::Stat;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags, ResolveFlags};
use rustix::io::Errno;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Whether links on the way may be followed; they never lead out either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Links {
    Follow,
    Refuse,
}

/// What to do about missing folders above a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parents {
    Make,
    Expect,
}

/// A regular file's content, cut at the limit that was asked for.
pub(crate) struct Content {
    pub bytes: Vec<u8>,
    pub stat: Stat,
}

/// A folder held open; everything happens below it.
#[derive(Debug)]
pub(crate) struct Beneath {
    root: OwnedFd,
}

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

impl Beneath {
    pub fn open(root: &Path) -> io::Result<Self> {
        Ok(Self { root: rustix::fs::openat(CWD, root, FOLDER, Mode::empty())? })
    }

    /// A folder of an open folder.
    pub fn open_at(above: BorrowedFd<'_>, name: &Path) -> io::Result<Self> {
        Ok(Self { root: rustix::fs::openat(above, name, FOLDER | OFlags::NOFOLLOW, Mode::empty())? })
    }

    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { root: self.root.try_clone()? })
    }

    pub fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// The folder at `path`, the root for the empty path.
    pub fn folder(&self, path: &[u8], links: Links) -> io::Result<OwnedFd> {
        self.resolve(if path.is_empty() { b"." } else { path }, FOLDER, links)
    }

    /// Reads at most `limit` bytes of a regular file; anything else is an error of kind `InvalidInput`.
    pub fn read(&self, path: &[u8], links: Links, limit: u64) -> io::Result<Content> {
        // Without NONBLOCK, opening a FIFO would wait for a writer.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = File::from(self.resolve(path, flags, links)?);
        let stat = Stat::of(&rustix::fs::fstat(&file)?);
        if stat.is_folder() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if !stat.is_regular() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut bytes = Vec::with_capacity(usize::try_from(stat.size.min(limit)).unwrap_or(0));
        file.take(limit).read_to_end(&mut bytes)?;
        Ok(Content { bytes, stat })
    }

    pub fn read_link(&self, path: &[u8]) -> io::Result<Vec<u8>> {
        let (parent, name) = self.parent(path, Parents::Expect)?;
        Ok(rustix::fs::readlinkat(&parent, name, Vec::new())?.into_bytes())
    }

    /// What is at `path` itself, not what a link there leads to; `None` when nothing is.
    pub fn stat(&self, path: &[u8]) -> io::Result<Option<Stat>> {
        let found = self.parent(path, Parents::Expect).and_then(|(parent, name)| stat_at(parent.as_fd(), name));
        match found {
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
            other => other.map(Some),
        }
    }

    /// The folder that holds `path` and the last part of it.
    pub fn parent<'a>(&self, path: &'a [u8], parents: Parents) -> io::Result<(OwnedFd, &'a [u8])> {
        let (above, name) = match path.iter().rposition(|&byte| byte == b'/') {
            Some(slash) => (path.get(..slash).unwrap_or_default(), path.get(slash + 1..).unwrap_or_default()),
            None => (&[][..], path),
        };
        match self.folder(above, Links::Refuse) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && parents == Parents::Make => {
                Ok((self.make_folder(above)?, name))
            }
            other => Ok((other?, name)),
        }
    }

    /// Opens the folder at `path`, making what is missing of it.
    pub fn make_folder(&self, path: &[u8]) -> io::Result<OwnedFd> {
        let mut folder = self.folder(b"", Links::Refuse)?;
        for part in path.split(|&byte| byte == b'/').filter(|part| !part.is_empty()) {
            match rustix::fs::mkdirat(&folder, part, Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            folder = rustix::fs::openat(&folder, part, FOLDER | OFlags::NOFOLLOW, Mode::empty())?;
        }
        Ok(folder)
    }

    /// Removes the file or link at `path`, or the empty folder.
    pub fn remove(&self, path: &[u8]) -> io::Result<()> {
        let (parent, name) = self.parent(path, Parents::Expect)?;
        let flags = if stat_at(parent.as_fd(), name)?.is_folder() { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        Ok(rustix::fs::unlinkat(&parent, name, flags)?)
    }

    /// Removes the folder at `path` with everything in it.
    pub fn remove_all(&self, path: &[u8]) -> io::Result<()> {
        empty(&self.folder(path, Links::Refuse)?)?;
        self.remove(path)
    }

    /// Removes folders above `path` that have become empty, up to the root.
    pub fn remove_empty_above(&self, path: &[u8]) {
        let mut path = path;
        while let Some(slash) = path.iter().rposition(|&byte| byte == b'/') {
            path = path.get(..slash).unwrap_or_default();
            let removed = self
                .parent(path, Parents::Expect)
                .and_then(|(parent, name)| Ok(rustix::fs::unlinkat(&parent, name, AtFlags::REMOVEDIR)?));
            // The first folder that is not empty ends it; nothing depends on the rest.
            if removed.is_err() {
                return;
            }
        }
    }

    fn resolve(&self, path: &[u8], flags: OFlags, links: Links) -> io::Result<OwnedFd> {
        let mut rules = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        if links == Links::Refuse {
            rules |= ResolveFlags::NO_SYMLINKS;
        }
        // The kernel answers AGAIN when a rename happened meanwhile.
        for _ in 0..64 {
            match rustix::fs::openat2(&self.root, paths::as_path(path), flags, Mode::empty(), rules) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                other => return Ok(other?),
            }
        }
        Err(Errno::AGAIN.into())
    }
}

/// The names in a folder, in no order.
pub(crate) fn names_in(folder: &OwnedFd) -> io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(folder)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push(entry.file_name().to_owned());
        }
    }
    Ok(names)
}

fn empty(folder: &OwnedFd) -> io::Result<()> {
    for name in names_in(folder)? {
        if stat_at(folder.as_fd(), name.to_bytes())?.is_folder() {
            empty(&rustix::fs::openat(folder, &name, FOLDER | OFlags::NOFOLLOW, Mode::empty())?)?;
            rustix::fs::unlinkat(folder, &name, AtFlags::REMOVEDIR)?;
        } else {
            rustix::fs::unlinkat(folder, &name, AtFlags::empty())?;
        }
    }
    Ok(())
}

/// The folder of that name in `folder`, never what a link leads to.
pub(crate) fn open_inner(folder: &OwnedFd, name: &std::ffi::CStr) -> io::Result<OwnedFd> {
    Ok(rustix::fs::openat(folder, name, FOLDER | OFlags::NOFOLLOW, Mode::empty())?)
}

pub(crate) fn stat_at(folder: BorrowedFd<'_>, name: &[u8]) -> io::Result<Stat> {
    Ok(Stat::of(&rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?))
}

/// Writes a new file of that name with exactly these permissions.
pub(crate) fn write_new(folder: BorrowedFd<'_>, name: &[u8], bytes: &[u8], permissions: u32) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::openat(folder, name, flags, Mode::RUSR | Mode::WUSR)?);
    file.write_all(bytes)?;
    rustix::fs::fchmod(&file, Mode::from_raw_mode(permissions))?;
    Ok(file)
}

/// Renames; with [`RenameFlags::NOREPLACE`] only onto nothing.
pub(crate) fn rename(from: (BorrowedFd<'_>, &[u8]), to: (BorrowedFd<'_>, &[u8]), flags: RenameFlags) -> io::Result<()> {
    match rustix::fs::renameat_with(from.0, from.1, to.0, to.1, flags) {
        // A file system without the flags; the plain call is all there is.
        Err(Errno::INVAL) if flags.is_empty() => Ok(rustix::fs::renameat(from.0, from.1, to.0, to.1)?),
        other => Ok(other?),
    }
}
