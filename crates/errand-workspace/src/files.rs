//! File access for tools: below the workspace's directory handle, arguments as a model writes them.
//!
//! A path that must not be used is a [`Refusal`], an answer for the model; `FileError::Io` means we could not do our job.
//! Links are followed for reading as long as they stay inside, never for writing.

use crate::beneath::{self, Beneath, Content, Links, Parents};
use crate::limits::LIST_ENTRIES;
use crate::paths::{self, BadPath};
use crate::state_dir;
use crate::walk::Stat;
use rustix::fs::RenameFlags;
use rustix::io::Errno;
use std::io;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a path is refused, in a sentence for the model.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    #[error("`{0}` leaves the workspace")]
    Leaves(String),
    #[error("`{0}` is absolute; paths are relative to the workspace")]
    Absolute(String),
    #[error("`{0}` is git's own data and cannot be written")]
    DotGit(String),
    #[error("`{0}` leads through a link; only plain paths can be written")]
    Link(String),
    #[error("`{0}` does not exist")]
    NotFound(String),
    #[error("`{0}` exists already")]
    Exists(String),
    #[error("`{0}` is a folder")]
    IsFolder(String),
    #[error("`{0}` is not a folder")]
    NotFolder(String),
    #[error("`{0}` is not a regular file")]
    Special(String),
    #[error("`{0}` cannot be accessed: permission denied")]
    Denied(String),
    #[error("the path is empty")]
    Empty,
    #[error("the path contains a NUL byte")]
    Nul,
    #[error("the path is longer than a file system takes")]
    TooLong,
}

#[derive(Debug, Error)]
pub enum FileError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("`{path}`: {source}")]
    Io { path: String, source: io::Error },
}

/// What `read` found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRead {
    pub bytes: Vec<u8>,
    /// Bytes of the whole file; more than `bytes` has when the limit cut it.
    pub size: u64,
    pub is_executable: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    File,
    Executable,
    Folder,
    Link,
    Special,
}

/// What is at a path; a link is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStat {
    pub kind: FileKind,
    pub size: u64,
}

/// One name of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListEntry {
    /// Bytes that are not UTF-8 stand as `\xNN`.
    pub name: String,
    pub stat: FileStat,
}

/// File access below one folder.
#[derive(Debug)]
pub struct Files {
    root: Beneath,
    /// Absolute paths that mean the workspace.
    means_root: Vec<PathBuf>,
    /// New files are written here first; on the same file system.
    staging: Beneath,
}

impl Files {
    /// Absolute paths below `means_root` count as relative ones.
    pub(crate) fn new(root: Beneath, means_root: Vec<PathBuf>, staging: Beneath) -> Self {
        Self { root, means_root, staging }
    }

    /// The path as diffs and borders name it; the empty path is the workspace itself. Absolute paths into the workspace
    /// count as relative ones, because models write them.
    pub fn normalize(&self, path: &str) -> Result<String, Refusal> {
        let inside = self.means_root.iter().find_map(|root| Path::new(path).strip_prefix(root).ok()?.to_str());
        // tidy: text, not a path
        let relative = inside.filter(|_| path.starts_with('/')).unwrap_or(path);
        paths::normalize(relative).map_err(|bad| match bad {
            BadPath::Empty => Refusal::Empty,
            BadPath::Absolute(path) => Refusal::Absolute(path),
            BadPath::Leaves(path) => Refusal::Leaves(path),
            BadPath::DotGit(path) => Refusal::DotGit(path),
            BadPath::Nul => Refusal::Nul,
            BadPath::TooLong => Refusal::TooLong,
        })
    }

    /// At most `limit` bytes of a regular file.
    pub fn read(&self, path: &str, limit: u64) -> Result<FileRead, FileError> {
        let path = self.named(path)?;
        let Content { bytes, stat } =
            self.root.read(path.as_bytes(), Links::Follow, limit).map_err(|error| refused(&path, error))?;
        Ok(FileRead { bytes, size: stat.size, is_executable: stat.mode & 0o100 != 0 })
    }

    /// What is at `path` itself; `None` when nothing is.
    pub fn stat(&self, path: &str) -> Result<Option<FileStat>, FileError> {
        let path = self.normalize(path)?;
        if path.is_empty() {
            return Ok(Some(FileStat { kind: FileKind::Folder, size: 0 }));
        }
        let stat = self.root.stat(path.as_bytes()).map_err(|error| refused(&path, error))?;
        Ok(stat.as_ref().map(file_stat))
    }

    /// The names of a folder, sorted, without git's own.
    pub fn list(&self, path: &str) -> Result<Vec<ListEntry>, FileError> {
        let path = self.normalize(path)?;
        let list = || -> io::Result<Vec<ListEntry>> {
            let folder = self.root.folder(path.as_bytes(), Links::Follow)?;
            let mut entries = Vec::new();
            for entry in rustix::fs::Dir::read_from(&folder)? {
                let entry = entry?;
                let name = entry.file_name().to_bytes();
                if matches!(name, b"." | b"..") || paths::is_dot_git(name) || entries.len() >= LIST_ENTRIES {
                    continue;
                }
                // A name may be gone since it was read.
                if let Ok(stat) = beneath::stat_at(folder.as_fd(), name) {
                    entries.push(ListEntry { name: paths::shown(name), stat: file_stat(&stat) });
                }
            }
            entries.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(entries)
        };
        list().map_err(|error| refused(&path, error))
    }

    /// Replaces a regular file in one step; its permissions stay.
    pub fn write_atomic(&self, path: &str, bytes: &[u8]) -> Result<(), FileError> {
        let path = self.writable(path)?;
        let stat = self.root.stat(path.as_bytes()).map_err(|error| refused(&path, error))?;
        let permissions = match stat {
            None => return Err(self.missing(&path)),
            Some(stat) if stat.is_regular() => stat.mode & 0o777,
            Some(stat) if stat.is_folder() => return Err(Refusal::IsFolder(path).into()),
            Some(stat) if stat.is_link() => return Err(Refusal::Link(path).into()),
            Some(_) => return Err(Refusal::Special(path).into()),
        };
        self.place(&path, bytes, permissions, Parents::Expect, RenameFlags::empty())
            .map_err(|error| refused(&path, error))
    }

    /// Makes a new file, with the folders above it.
    pub fn create(&self, path: &str, bytes: &[u8]) -> Result<(), FileError> {
        let path = self.writable(path)?;
        self.place(&path, bytes, 0o644, Parents::Make, RenameFlags::NOREPLACE).map_err(|error| refused(&path, error))
    }

    /// Removes a file or a link, never a folder.
    pub fn delete(&self, path: &str) -> Result<(), FileError> {
        let path = self.writable(path)?;
        match self.root.stat(path.as_bytes()).map_err(|error| refused(&path, error))? {
            None => Err(self.missing(&path)),
            Some(stat) if stat.is_folder() => Err(Refusal::IsFolder(path).into()),
            Some(_) => self.root.remove(path.as_bytes()).map_err(|error| refused(&path, error)),
        }
    }

    fn place(
        &self,
        path: &str,
        bytes: &[u8],
        permissions: u32,
        parents: Parents,
        flags: RenameFlags,
    ) -> io::Result<()> {
        let (folder, name) = self.root.parent(path.as_bytes(), parents)?;
        let temporary = state_dir::temporary_name();
        let staging = self.staging.root();
        let placed = beneath::write_new(staging, temporary.as_bytes(), bytes, permissions)
            .and_then(|_| beneath::rename((staging, temporary.as_bytes()), (folder.as_fd(), name), flags));
        if placed.is_err() {
            // The first error is the one to report.
            let _ = self.staging.remove(temporary.as_bytes());
        }
        placed
    }

    fn named(&self, path: &str) -> Result<String, Refusal> {
        let path = self.normalize(path)?;
        if path.is_empty() { Err(Refusal::IsFolder(".".to_owned())) } else { Ok(path) }
    }

    fn writable(&self, path: &str) -> Result<String, Refusal> {
        let path = self.named(path)?;
        match paths::check(path.as_bytes()) {
            Err(BadPath::DotGit(_)) => Err(Refusal::DotGit(path)),
            Err(_) | Ok(()) => Ok(path),
        }
    }

    /// Nothing is there, or a link on the way hides what is.
    fn missing(&self, path: &str) -> FileError {
        match self.root.parent(path.as_bytes(), Parents::Expect) {
            Err(error) => refused(path, error),
            Ok(_) => Refusal::NotFound(path.to_owned()).into(),
        }
    }
}

fn file_stat(stat: &Stat) -> FileStat {
    let kind = if stat.is_folder() {
        FileKind::Folder
    } else if stat.is_link() {
        FileKind::Link
    } else if !stat.is_regular() {
        FileKind::Special
    } else if stat.mode & 0o100 != 0 {
        FileKind::Executable
    } else {
        FileKind::File
    };
    FileStat { kind, size: stat.size }
}

fn refused(path: &str, error: io::Error) -> FileError {
    let path = path.to_owned();
    let refusal = match error.kind() {
        io::ErrorKind::InvalidInput => Refusal::Special(path),
        _ => match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::XDEV) => Refusal::Leaves(path),
            Some(Errno::LOOP) => Refusal::Link(path),
            Some(Errno::NOENT) => Refusal::NotFound(path),
            Some(Errno::EXIST) => Refusal::Exists(path),
            Some(Errno::ISDIR) => Refusal::IsFolder(path),
            Some(Errno::NOTDIR) => Refusal::NotFolder(path),
            // A socket cannot be opened at all.
            Some(Errno::NXIO | Errno::NODEV) => Refusal::Special(path),
            Some(Errno::ACCESS | Errno::PERM) => Refusal::Denied(path),
            Some(Errno::NAMETOOLONG) => Refusal::TooLong,
            _ if error.kind() == io::ErrorKind::IsADirectory => Refusal::IsFolder(path),
            _ => return FileError::Io { path, source: error },
        },
    };
    refusal.into()
}
