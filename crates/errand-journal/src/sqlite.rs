//! The journal in one SQLite file: WAL, `synchronous=FULL`, one writer thread, readers on their own connection.

use crate::writer::{self, Checksum, NO_CHECKSUM, Request, Work};
use crate::{Answer, Batch, Committed, LedgerRow, Removed, Store, StoreError, file, schema};
use errand_task::contract::Mode;
use errand_task::id::{Digest, Seq, TaskId};
use errand_task::money::Pico;
use errand_task::state::{Record, State};
use errand_task::summary::Summary;
use errand_task::verdict::Status;
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use tokio::sync::{broadcast, oneshot};

/// Notices kept for a slow listener before it has to read without them.
const NOTICES: usize = 1024;

/// The reader goes first: the writer, the last to leave, folds the log into the file.
pub struct Sqlite {
    reader: Arc<Mutex<Connection>>,
    requests: mpsc::Sender<Request>,
    notices: broadcast::Sender<Committed>,
}

impl Sqlite {
    /// Opens or creates the journal; the file is the owner's alone. A file that is newer or not ours is left untouched.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let path = &file::prepare(path)?;
        let failed = |error: rusqlite::Error| StoreError::open(path, error);
        let open = |flags| Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(failed);
        let mut connection = open(OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        schema::prepare_writer(&mut connection, path)?;
        let reader = open(OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        reader.busy_timeout(schema::BUSY_TIMEOUT).map_err(failed)?;
        let (requests, inbox) = mpsc::channel();
        let (notices, _) = broadcast::channel(NOTICES);
        let told = notices.clone();
        std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || writer::run(connection, inbox, told))
            .map_err(|error| StoreError::open(path, error))?;
        Ok(Self { reader: Arc::new(Mutex::new(reader)), requests, notices })
    }

    /// Sends a request to the writer and waits for its answer.
    fn ask(&self, task: &TaskId, work: Work) -> Answer<'_, Vec<Record>> {
        let (reply, answer) = oneshot::channel();
        let sent = self.requests.send(Request { task: task.clone(), work, reply });
        Box::pin(async move {
            let gone = || StoreError::Write("the journal's writer has ended".to_owned());
            sent.map_err(|_| gone())?;
            answer.await.map_err(|_| gone())?
        })
    }

    /// Runs a query away from the async threads.
    fn query<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<'_, T> {
        let reader = Arc::clone(&self.reader);
        Box::pin(async move {
            let work = move || query(&reader.lock().unwrap_or_else(PoisonError::into_inner));
            tokio::task::spawn_blocking(work).await.map_err(|error| StoreError::Read(error.to_string()))?
        })
    }
}

impl Store for Sqlite {
    fn append(&self, task: &TaskId, expected: Seq, batch: Batch) -> Answer<'_, Vec<Record>> {
        self.ask(task, Work::Append { expected, batch })
    }

    fn records(&self, task: &TaskId, after: Seq) -> Answer<'_, Vec<Record>> {
        let task = task.clone();
        self.query(move |connection| read_records(connection, &task, after))
    }

    fn blob(&self, digest: &Digest) -> Answer<'_, Vec<u8>> {
        let digest = digest.clone();
        self.query(move |connection| {
            let bytes: Vec<u8> = connection
                .query_row("SELECT bytes FROM blobs WHERE digest = ?1", [digest.as_str()], |row| row.get(0))
                .optional()
                .map_err(unreadable)?
                .ok_or_else(|| StoreError::NoBlob(digest.clone()))?;
            if Digest::of(&bytes) == digest { Ok(bytes) } else { Err(StoreError::DamagedBlob(digest)) }
        })
    }

    fn summaries(&self) -> Answer<'_, Vec<Summary>> {
        self.query(read_summaries)
    }

    fn ledger(&self, task: Option<&TaskId>) -> Answer<'_, Vec<LedgerRow>> {
        let task = task.cloned();
        self.query(move |connection| read_ledger(connection, task.as_ref()))
    }

    fn remove(&self, task: &TaskId, at_ms: i64) -> Answer<'_, ()> {
        let removed = self.ask(task, Work::Remove { at_ms });
        Box::pin(async move { removed.await.map(drop) })
    }

    fn restore(&self, task: &TaskId) -> Answer<'_, ()> {
        let restored = self.ask(task, Work::Restore);
        Box::pin(async move { restored.await.map(drop) })
    }

    fn removed(&self) -> Answer<'_, Vec<Removed>> {
        self.query(read_removed)
    }

    fn subscribe(&self) -> broadcast::Receiver<Committed> {
        self.notices.subscribe()
    }
}

fn read_records(connection: &Connection, task: &TaskId, after: Seq) -> Result<Vec<Record>, StoreError> {
    let damaged = |seq| StoreError::Damaged { task: task.clone(), seq };
    let before = connection
        .query_row("SELECT checksum FROM events WHERE task = ?1 AND seq = ?2", (task.as_str(), after.0), |row| {
            Ok(row.get::<_, Checksum>(0).ok())
        })
        .optional()
        .map_err(unreadable)?;
    let mut last = before.unwrap_or(Some(NO_CHECKSUM)).ok_or_else(|| damaged(after))?;
    let sql = "SELECT seq, at_ms, body, checksum FROM events WHERE task = ?1 AND seq > ?2 ORDER BY seq";
    let mut statement = connection.prepare_cached(sql).map_err(unreadable)?;
    let mut rows = statement.query((task.as_str(), after.0)).map_err(unreadable)?;
    let mut records = Vec::new();
    let mut expected = after;
    while let Some(row) = rows.next().map_err(unreadable)? {
        expected = expected.next();
        let (seq, at_ms, body, sum) = (|| -> rusqlite::Result<_> {
            Ok((Seq(row.get(0)?), row.get::<_, i64>(1)?, row.get::<_, String>(2)?, row.get::<_, Checksum>(3)?))
        })()
        .map_err(|_| damaged(expected))?;
        last = writer::checksum(&last, task, seq, at_ms, &body);
        if seq != expected || sum != last {
            return Err(damaged(expected));
        }
        let event = serde_json::from_str(&body).map_err(|_| damaged(expected))?;
        records.push(Record { seq, at_ms, event });
    }
    if records.is_empty() && after == Seq(0) {
        return Err(StoreError::NoTask(task.clone()));
    }
    Ok(records)
}

fn read_summaries(connection: &Connection) -> Result<Vec<Summary>, StoreError> {
    let sql =
        "SELECT id, created_at_ms, summary FROM tasks WHERE removed_at_ms IS NULL ORDER BY created_at_ms DESC, id";
    let mut statement = connection.prepare_cached(sql).map_err(unreadable)?;
    let lines = statement.query_and_then([], |row| summary_in(connection, row));
    lines.map_err(unreadable)?.collect::<rusqlite::Result<_>>().map_err(unreadable)
}

fn read_removed(connection: &Connection) -> Result<Vec<Removed>, StoreError> {
    let sql = "SELECT id, created_at_ms, summary, removed_at_ms FROM tasks WHERE removed_at_ms IS NOT NULL
               ORDER BY removed_at_ms DESC, created_at_ms DESC, id";
    let mut statement = connection.prepare_cached(sql).map_err(unreadable)?;
    let lines =
        statement.query_and_then([], |row| Ok(Removed { summary: summary_in(connection, row)?, at_ms: row.get(3)? }));
    lines.map_err(unreadable)?.collect::<rusqlite::Result<_>>().map_err(unreadable)
}

/// The line of a row that begins with id, time and line.
fn summary_in(connection: &Connection, row: &rusqlite::Row<'_>) -> rusqlite::Result<Summary> {
    let id = TaskId::new(row.get_ref(0)?.as_str()?);
    let line = row.get::<_, String>(2).ok().and_then(|line| serde_json::from_str(&line).ok());
    Ok(line.unwrap_or_else(|| line_again(connection, id, row.get(1).unwrap_or_default())))
}

/// The line of a task whose own cannot be read: from its events, or at least with its name and what is wrong.
fn line_again(connection: &Connection, id: TaskId, created_at_ms: i64) -> Summary {
    let note = match read_records(connection, &id, Seq(0)) {
        Ok(records) => match State::fold(id.clone(), &records) {
            Some(state) => return Summary::of(&state),
            None => StoreError::Damaged { task: id.clone(), seq: Seq(1) }.to_string(),
        },
        Err(error) => error.to_string(),
    };
    // Not resting would start it. It has not ended, so that nobody throws away what it needs.
    Summary {
        id,
        note,
        status: Status::Failed,
        created_at_ms,
        changed_at_ms: created_at_ms,
        ended_at_ms: None,
        name: None,
        goal: String::new(),
        mode: Mode::Change,
        repository: String::new(),
        verdict: None,
        exit_code: None,
        model: String::new(),
        n_steps: 0,
        spent: Pico::ZERO,
        uncertain: Pico::ZERO,
        budget: Pico::ZERO,
        n_files: 0,
        added: 0,
        removed: 0,
        is_applied: false,
    }
}

fn read_ledger(connection: &Connection, task: Option<&TaskId>) -> Result<Vec<LedgerRow>, StoreError> {
    let sql = "SELECT task, seq, at_ms, model, settled, uncertain, unpriced, usage FROM ledger
               WHERE ?1 IS NULL OR task = ?1 ORDER BY at_ms, task, seq";
    let mut statement = connection.prepare_cached(sql).map_err(unreadable)?;
    let rows = statement
        .query_map([task.map(TaskId::as_str)], |row| {
            Ok((
                LedgerRow {
                    task: TaskId::new(row.get::<_, String>(0)?),
                    seq: Seq(row.get(1)?),
                    at_ms: row.get(2)?,
                    model: row.get(3)?,
                    settled: Pico(row.get(4)?),
                    uncertain: Pico(row.get(5)?),
                    is_unpriced: row.get(6)?,
                    usage: errand_task::money::Usage::default(),
                },
                row.get::<_, String>(7)?,
            ))
        })
        .map_err(unreadable)?;
    rows.map(|row| {
        let (row, usage) = row.map_err(unreadable)?;
        Ok(LedgerRow { usage: serde_json::from_str(&usage).map_err(unreadable)?, ..row })
    })
    .collect()
}

fn unreadable(error: impl std::fmt::Display) -> StoreError {
    StoreError::Read(error.to_string())
}
