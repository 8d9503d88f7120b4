//! Tables, settings and the marks of the SQLite journal.

use crate::StoreError;
use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use std::path::Path;
use std::time::{Duration, Instant};

/// Raised with every change of the tables; an older errand refuses a newer journal and leaves it untouched.
const FORMAT: i64 = 1;

/// Tells a journal from another program's database.
const APPLICATION: i64 = i32::from_be_bytes(*b"errd") as i64;

/// How long one waits for another process that writes.
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

const TABLES: &str = "
    CREATE TABLE events (
        task TEXT NOT NULL,
        seq INTEGER NOT NULL,
        at_ms INTEGER NOT NULL,
        body TEXT NOT NULL,
        checksum BLOB NOT NULL,
        PRIMARY KEY (task, seq)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE blobs (digest TEXT NOT NULL PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
    CREATE TABLE tasks (
        id TEXT NOT NULL PRIMARY KEY,
        created_at_ms INTEGER NOT NULL,
        summary TEXT NOT NULL,
        removed_at_ms INTEGER
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE ledger (
        task TEXT NOT NULL,
        seq INTEGER NOT NULL,
        at_ms INTEGER NOT NULL,
        model TEXT NOT NULL,
        settled INTEGER NOT NULL,
        uncertain INTEGER NOT NULL,
        unpriced INTEGER NOT NULL,
        usage TEXT NOT NULL,
        PRIMARY KEY (task, seq)
    ) STRICT, WITHOUT ROWID;
";

/// What a database file is to us, when we may use it.
#[derive(PartialEq)]
pub enum Found {
    /// No table was ever made in it.
    Empty,
    Journal,
}

/// Reads the marks of a file. The caller has begun a transaction: they are of one moment.
pub fn identify(connection: &Connection, path: &Path) -> Result<Found, StoreError> {
    let mark = |name| {
        let value = connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        value.map_err(|error| StoreError::open(path, error))
    };
    match (mark("application_id")?, mark("user_version")?, mark("schema_version")?) {
        (0, 0, 0) => Ok(Found::Empty),
        (APPLICATION, 1..=FORMAT, _) => Ok(Found::Journal),
        (APPLICATION, found, _) if found > FORMAT => Err(StoreError::Newer { found, known: FORMAT }),
        _ => Err(StoreError::Foreign { path: path.display().to_string() }),
    }
}

/// Settings of a connection that writes, and the tables if there are none. `FULL` because with WAL it is the only one
/// that survives a power cut.
pub fn prepare_writer(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let failed = |error: rusqlite::Error| StoreError::open(path, error);
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    use_wal(connection).map_err(failed)?;
    connection.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
    // Another process may have made the tables since the first look; with the lock nobody else can.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    if identify(&transaction, path)? == Found::Empty {
        let marks = format!("PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {FORMAT};");
        transaction.execute_batch(TABLES).and_then(|()| transaction.execute_batch(&marks)).map_err(failed)?;
    }
    transaction.commit().map_err(failed)
}

/// For this one lock SQLite does not wait by itself.
fn use_wal(connection: &Connection) -> rusqlite::Result<()> {
    let begun = Instant::now();
    loop {
        match connection.pragma_update(None, "journal_mode", "WAL") {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && begun.elapsed() < BUSY_TIMEOUT =>
            {
                std::thread::sleep(Duration::from_millis(5));
            }
            outcome => return outcome,
        }
    }
}
