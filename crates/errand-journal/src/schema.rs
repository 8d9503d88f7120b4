//! Tables, settings and the format number of the SQLite journal.

use crate::StoreError;
use rusqlite::Connection;

/// Raised with every change of the tables; an older errand refuses a newer journal and leaves it untouched.
pub const FORMAT: i64 = 1;

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

/// Settings of a connection that writes. `FULL` because with WAL it is the only one that survives a power cut.
pub fn prepare_writer(connection: &Connection) -> Result<(), StoreError> {
    let failed = |error: rusqlite::Error| StoreError::Write(error.to_string());
    connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
    connection.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?;
    if found > FORMAT {
        return Err(StoreError::Newer { found, known: FORMAT });
    }
    if found == 0 {
        let create = format!("BEGIN IMMEDIATE; {TABLES} PRAGMA user_version = {FORMAT}; COMMIT;");
        connection.execute_batch(&create).map_err(failed)?;
    }
    Ok(())
}
