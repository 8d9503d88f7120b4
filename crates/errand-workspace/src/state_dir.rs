//! Folders and files of errand's own state: 0700 and 0600 whatever the umask, never through a link.

use rustix::fs::{CWD, Mode, OFlags};
use std::fs::{File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Makes `dir` and what is missing above it, each 0700, and makes `dir` itself 0700 if it was there. Neither a link nor
/// a folder of another user is taken.
pub fn create_dir(dir: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let metadata = std::fs::symlink_metadata(dir)?;
    if !metadata.is_dir() {
        return Err(io::Error::new(io::ErrorKind::NotADirectory, format!("{} is not a folder", dir.display())));
    }
    // Another user's folder would stay open to them whatever its mode, also when root may change it.
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        let text = format!("{} belongs to another user", dir.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
    }
    if metadata.permissions().mode() & 0o777 != 0o700 {
        std::fs::set_permissions(dir, Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// A new file, 0600; fails when something has that name.
pub fn create_file(path: &Path) -> io::Result<File> {
    open(path, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL)
}

/// An existing or new file to append to, 0600.
pub fn append_file(path: &Path) -> io::Result<File> {
    open(path, OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND)
}

/// Replaces `path` with `bytes` in one step that survives a power cut.
pub fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let temporary = dir.join(temporary_name());
    let mut file = create_file(&temporary)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| std::fs::rename(&temporary, path));
    if written.is_err() {
        // The first error is the one to report.
        let _ = std::fs::remove_file(&temporary);
    }
    written.and_then(|()| sync_dir(dir))
}

/// Makes names created in or removed from `dir` survive a power cut.
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Waits for the lock file at `path`; the lock lasts as long as the returned file.
pub fn lock(path: &Path) -> io::Result<File> {
    let file = open(path, OFlags::RDWR | OFlags::CREATE)?;
    loop {
        match rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive) {
            Ok(()) => return Ok(file),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Moves `path` into the trash below `state_dir` and deletes it there; a crash in between leaves it in the trash only.
pub fn discard(state_dir: &Path, path: &Path) -> io::Result<()> {
    into_trash(state_dir, path)?.map_or(Ok(()), |moved| remove_tree(&moved))
}

/// The first half of that: answers with the place in the trash, when there was anything.
pub(crate) fn into_trash(state_dir: &Path, path: &Path) -> io::Result<Option<PathBuf>> {
    let trash = state_dir.join("trash");
    create_dir(&trash)?;
    let moved = trash.join(temporary_name());
    match std::fs::rename(path, &moved) {
        Ok(()) => Ok(Some(moved)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Deletes what earlier clean-ups left in the trash.
pub fn empty_trash(state_dir: &Path) -> io::Result<()> {
    match std::fs::read_dir(state_dir.join("trash")) {
        Ok(entries) => entries.into_iter().try_for_each(|entry| remove_tree(&entry?.path())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Deletes a tree, also when a command took the write permission off its folders.
pub(crate) fn remove_tree(path: &Path) -> io::Result<()> {
    let removed = std::fs::remove_dir_all(path);
    match removed {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            make_writable(path)?;
            std::fs::remove_dir_all(path)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => std::fs::remove_file(path),
        other => other,
    }
}

fn make_writable(dir: &Path) -> io::Result<()> {
    std::fs::set_permissions(dir, Permissions::from_mode(0o700))?;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            make_writable(&entry.path())?;
        }
    }
    Ok(())
}

/// How temporary names begin.
pub(crate) const TEMPORARY: &str = "new-";

/// A name nothing else in this state has: process, time and a counter.
pub(crate) fn temporary_name() -> String {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let nanos = std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |elapsed| elapsed.as_nanos());
    format!("{TEMPORARY}{}-{nanos:x}-{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed))
}

/// The folder's path, made.
pub(crate) fn folder(parent: &Path, name: &str) -> io::Result<PathBuf> {
    let dir = parent.join(name);
    create_dir(&dir)?;
    Ok(dir)
}

fn open(path: &Path, flags: OFlags) -> io::Result<File> {
    let mode = Mode::RUSR | Mode::WUSR;
    let fd = rustix::fs::openat(CWD, path, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, mode)?;
    let file = File::from(fd);
    if file.metadata()?.permissions().mode() & 0o777 != 0o600 {
        rustix::fs::fchmod(&file, mode)?;
    }
    Ok(file)
}
