//! The journal in one SQLite file: WAL, `synchronous=FULL`, one writer thread, readers on their own connection.

use crate::writer::{self, Checksum, NO_CHECKSUM, Request};
use crate::{Answer, Batch, Committed, LedgerRow, Store, StoreError, schema};
use errand_task::id::{Digest, Seq, TaskId};
use errand_task::money::Pico;
use errand_task::state::Record;
use errand_task::summary::Summary;
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use tokio::sync::{broadcast, oneshot};

/// Notices kept for a slow listener before it has to read without them.
const NOTICES: usize = 1024;

pub struct Sqlite {
    requests: mpsc::Sender<Request>,
    reader: Arc<Mutex<Connection>>,
    notices: broadcast::Sender<Committed>,
}

impl Sqlite {
    /// Opens or creates the journal; the file is the owner's alone.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let failed = |why: String| StoreError::Open { path: path.display().to_string(), why };
        OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(path)
            .map_err(|error| failed(error.to_string()))?;
        let open = |flags| Connection::open_with_flags(path, flags).map_err(|error| failed(error.to_string()));
        let connection = open(OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        schema::prepare_writer(&connection)?;
        let reader = open(OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        let (requests, inbox) = mpsc::channel();
        let (notices, _) = broadcast::channel(NOTICES);
        let told = notices.clone();
        std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || writer::run(connection, inbox, told))
            .map_err(|error| failed(error.to_string()))?;
        Ok(Self { requests, reader: Arc::new(Mutex::new(reader)), notices })
    }

    /// Sends a request to the writer and waits for its answer.
    fn ask<T: Send + 'static>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Request,
    ) -> Answer<'_, T> {
        let (reply, answer) = oneshot::channel();
        let sent = self.requests.send(request(reply));
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
        let task = task.clone();
        self.ask(|reply| Request::Append { task, expected, batch, reply })
    }

    fn records(&self, task: &TaskId, after: Seq) -> Answer<'_, Vec<Record>> {
        let task = task.clone();
        self.query(move |connection| read_records(connection, &task, after))
    }

    fn blob(&self, digest: &Digest) -> Answer<'_, Vec<u8>> {
        let digest = digest.clone();
        self.query(move |connection| {
            connection
                .query_row("SELECT bytes FROM blobs WHERE digest = ?1", [digest.as_str()], |row| row.get(0))
                .optional()
                .map_err(unreadable)?
                .ok_or(StoreError::NoBlob(digest))
        })
    }

    fn summaries(&self) -> Answer<'_, Vec<Summary>> {
        self.query(|connection| {
            let sql = "SELECT summary FROM tasks WHERE removed_at_ms IS NULL ORDER BY created_at_ms DESC, id";
            let mut statement = connection.prepare_cached(sql).map_err(unreadable)?;
            let lines = statement.query_map([], |row| row.get::<_, String>(0)).map_err(unreadable)?;
            lines
                .map(|line| serde_json::from_str(&line.map_err(unreadable)?).map_err(unreadable))
                .collect::<Result<Vec<Summary>, _>>()
        })
    }

    fn ledger(&self, task: Option<&TaskId>) -> Answer<'_, Vec<LedgerRow>> {
        let task = task.cloned();
        self.query(move |connection| read_ledger(connection, task.as_ref()))
    }

    fn remove(&self, task: &TaskId, at_ms: i64) -> Answer<'_, ()> {
        let task = task.clone();
        self.ask(|reply| Request::Remove { task, at_ms, reply })
    }

    fn subscribe(&self) -> broadcast::Receiver<Committed> {
        self.notices.subscribe()
    }
}

fn read_records(connection: &Connection, task: &TaskId, after: Seq) -> Result<Vec<Record>, StoreError> {
    let before = connection
        .query_row("SELECT checksum FROM events WHERE task = ?1 AND seq = ?2", (task.as_str(), after.0), |row| {
            row.get(0)
        })
        .optional()
        .map_err(unreadable)?;
    let mut last: Checksum = before.unwrap_or(NO_CHECKSUM);
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
        .map_err(unreadable)?;
        last = writer::checksum(&last, seq, at_ms, &body);
        let damaged = || StoreError::Damaged { task: task.clone(), seq: expected };
        if seq != expected || sum != last {
            return Err(damaged());
        }
        let event = serde_json::from_str(&body).map_err(|_| damaged())?;
        records.push(Record { seq, at_ms, event });
    }
    if records.is_empty() && after == Seq(0) {
        return Err(StoreError::NoTask(task.clone()));
    }
    Ok(records)
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
