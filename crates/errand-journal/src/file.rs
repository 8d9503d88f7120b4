//! The journal's file before SQLite may write to it: made, looked at, closed to others.
//!
//! A file that is newer or not ours stays byte for byte as it is, and so does its log. SQLite writes even when it only
//! opens and closes a file: it makes `-wal` and `-shm`, and the last to leave folds the log in. So the first look is
//! through a connection that cannot. No other handle of the file is opened: closing one would drop SQLite's locks.

use crate::{StoreError, schema};
use rusqlite::{Connection, OpenFlags};
use std::fs::{OpenOptions, Permissions};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Makes the file if there is none. When this returns, it is empty or a journal this errand knows, and the owner's alone.
pub fn prepare(path: &Path) -> Result<PathBuf, StoreError> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(StoreError::open(path, error)),
        Ok(_) | Err(_) => {}
    }
    // SQLite keeps the log beside the file a link leads to.
    let path = path.canonicalize().map_err(|error| StoreError::open(path, error))?;
    look(&path)?;
    for end in ["", "-wal", "-shm"] {
        narrow(&beside(&path, end)).map_err(|error| StoreError::open(&path, error))?;
    }
    Ok(path)
}

fn look(path: &Path) -> Result<(), StoreError> {
    // The log may hold a newer head than the file. Without one the file is all there is, and `immutable` leaves no trace.
    let is_logged = beside(path, "-wal").metadata().is_ok_and(|log| log.len() > 0);
    let mode = if is_logged { "mode=ro" } else { "immutable=1" };
    let escaped: String = path.as_os_str().as_bytes().iter().map(|byte| format!("%{byte:02x}")).collect();
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let failed = |error: rusqlite::Error| StoreError::open(path, error);
    let connection = Connection::open_with_flags(format!("file:{escaped}?{mode}"), flags).map_err(failed)?;
    let transaction = connection.unchecked_transaction().map_err(failed)?;
    schema::identify(&transaction, path).map(drop)
}

fn narrow(path: &Path) -> std::io::Result<()> {
    match path.metadata() {
        Ok(found) if found.permissions().mode() & 0o077 != 0 => {
            std::fs::set_permissions(path, Permissions::from_mode(0o600))
        }
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}
