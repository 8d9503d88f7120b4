//! The writer thread: the only connection that writes.
//!
//! It takes what is waiting, writes all of it in one transaction and answers after the commit. Each request has its own
//! savepoint: one that conflicts or cannot be written fails alone. Nothing is remembered between groups, so what another
//! process wrote is seen. Checksums chain: each covers the one before, so a changed or missing event in the middle shows.

use crate::{Batch, Committed, LedgerRow, StoreError};
use errand_task::id::{Seq, TaskId};
use errand_task::state::Record;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use sha2::{Digest as _, Sha256};
use std::sync::mpsc;
use tokio::sync::{broadcast, oneshot};

/// Requests committed together at most.
const GROUP_MAX: usize = 128;

pub type Checksum = [u8; 16];
pub const NO_CHECKSUM: Checksum = [0; 16];

pub struct Request {
    pub task: TaskId,
    pub work: Work,
    pub reply: oneshot::Sender<Written>,
}

#[expect(clippy::large_enum_variant, reason = "a request lives a moment in a channel")]
pub enum Work {
    Append { expected: Seq, batch: Batch },
    Remove { at_ms: i64 },
    Restore,
}

/// The records that were written; a removal and its undoing write none.
pub type Written = Result<Vec<Record>, StoreError>;

pub fn checksum(before: &Checksum, task: &TaskId, seq: Seq, at_ms: i64, body: &str) -> Checksum {
    let mut hash = Sha256::new();
    hash.update(before);
    hash.update((task.as_str().len() as u64).to_le_bytes());
    hash.update(task.as_str().as_bytes());
    hash.update(seq.0.to_le_bytes());
    hash.update(at_ms.to_le_bytes());
    hash.update(body.as_bytes());
    let full = hash.finalize();
    let mut short = NO_CHECKSUM;
    short.iter_mut().zip(full.iter()).for_each(|(to, from)| *to = *from);
    short
}

/// Runs until every sender is gone.
pub fn run(mut connection: Connection, requests: mpsc::Receiver<Request>, notices: broadcast::Sender<Committed>) {
    while let Ok(first) = requests.recv() {
        let mut group = vec![first];
        group.extend(std::iter::from_fn(|| requests.try_recv().ok()).take(GROUP_MAX - 1));
        commit(&mut connection, group, &notices);
    }
}

fn commit(connection: &mut Connection, group: Vec<Request>, notices: &broadcast::Sender<Committed>) {
    let split = |Request { task, work, reply }| ((task.clone(), work), (task, reply));
    let (work, waiting): (Vec<_>, Vec<_>) = group.into_iter().map(split).unzip();
    match write(connection, work) {
        Ok(answers) => {
            for ((task, reply), answer) in waiting.into_iter().zip(answers) {
                let head = answer.as_ref().ok().and_then(|records| records.last()).map(|record| record.seq);
                // Nobody may be listening.
                drop(reply.send(answer));
                head.map(|head| notices.send(Committed { task, head }));
            }
        }
        Err(error) => waiting.into_iter().for_each(|(_, reply)| drop(reply.send(Err(unwritten(&error))))),
    }
}

/// One answer for each request, after the commit; an error is the answer to all of them.
fn write(connection: &mut Connection, work: Vec<(TaskId, Work)>) -> rusqlite::Result<Vec<Written>> {
    let mut transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut answers = Vec::with_capacity(work.len());
    for (task, work) in work {
        let savepoint = transaction.savepoint()?;
        let outcome = match work {
            Work::Append { expected, batch } => append(&savepoint, &task, expected, batch),
            Work::Remove { at_ms } => remove(&savepoint, task, at_ms),
            Work::Restore => restore(&savepoint, task),
        };
        answers.push(match outcome {
            Ok(Ok(records)) => savepoint.commit().map(|()| Ok(records))?,
            Ok(Err(refused)) => savepoint.finish().map(|()| Err(refused))?,
            // SQLite has rolled everything back, as it may when the disk is full.
            Err(error) if savepoint.is_autocommit() => return Err(error),
            Err(error) => savepoint.finish().map(|()| Err(unwritten(&error)))?,
        });
    }
    transaction.commit()?;
    Ok(answers)
}

fn append(connection: &Connection, task: &TaskId, expected: Seq, batch: Batch) -> rusqlite::Result<Written> {
    let (head, last) = head(connection, task)?;
    if head != expected {
        return Ok(Err(StoreError::Conflict { task: task.clone(), expected, head }));
    }
    let Some(mut last) = last else {
        return Ok(Err(StoreError::Damaged { task: task.clone(), seq: head }));
    };
    let mut store_blob = connection.prepare_cached("INSERT OR IGNORE INTO blobs (digest, bytes) VALUES (?1, ?2)")?;
    for blob in &batch.blobs {
        store_blob.execute(params![blob.digest.as_str(), blob.bytes])?;
    }
    let mut seq = head;
    let mut records = Vec::with_capacity(batch.events.len());
    let mut store_event = connection
        .prepare_cached("INSERT INTO events (task, seq, at_ms, body, checksum) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for event in batch.events {
        seq = seq.next();
        let body = to_json(&event)?;
        last = checksum(&last, task, seq, batch.at_ms, &body);
        store_event.execute(params![task.as_str(), seq.0, batch.at_ms, body, last])?;
        if let Some(row) = LedgerRow::of(task, seq, batch.at_ms, &event) {
            store_cost(connection, &row)?;
        }
        records.push(Record { seq, at_ms: batch.at_ms, event });
    }
    let line = to_json(&batch.summary)?;
    connection
        .prepare_cached(
            "INSERT INTO tasks (id, created_at_ms, summary) VALUES (?1, ?2, ?3)
             ON CONFLICT (id) DO UPDATE SET summary = excluded.summary",
        )?
        .execute(params![task.as_str(), batch.summary.created_at_ms, line])?;
    Ok(Ok(records))
}

/// The newest event and its checksum, `None` if that is none.
fn head(connection: &Connection, task: &TaskId) -> rusqlite::Result<(Seq, Option<Checksum>)> {
    let found = connection
        .prepare_cached("SELECT seq, checksum FROM events WHERE task = ?1 ORDER BY seq DESC LIMIT 1")?
        .query_row([task.as_str()], |row| Ok((Seq(row.get(0)?), row.get(1).ok())))
        .optional()?;
    Ok(found.unwrap_or((Seq(0), Some(NO_CHECKSUM))))
}

fn store_cost(connection: &Connection, row: &LedgerRow) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO ledger (task, seq, at_ms, model, settled, uncertain, unpriced, usage)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            row.task.as_str(),
            row.seq.0,
            row.at_ms,
            row.model,
            row.settled.0,
            row.uncertain.0,
            row.is_unpriced,
            to_json(&row.usage)?
        ])
        .map(drop)
}

fn remove(connection: &Connection, task: TaskId, at_ms: i64) -> rusqlite::Result<Written> {
    let n_removed = connection
        .prepare_cached("UPDATE tasks SET removed_at_ms = ?2 WHERE id = ?1 AND removed_at_ms IS NULL")?
        .execute(params![task.as_str(), at_ms])?;
    Ok(if n_removed == 0 { Err(StoreError::NoTask(task)) } else { Ok(Vec::new()) })
}

fn restore(connection: &Connection, task: TaskId) -> rusqlite::Result<Written> {
    let n_restored = connection
        .prepare_cached("UPDATE tasks SET removed_at_ms = NULL WHERE id = ?1 AND removed_at_ms IS NOT NULL")?
        .execute([task.as_str()])?;
    Ok(if n_restored == 0 { Err(StoreError::NoTask(task)) } else { Ok(Vec::new()) })
}

fn to_json<T: serde::Serialize>(value: &T) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

fn unwritten(error: &rusqlite::Error) -> StoreError {
    StoreError::Write(error.to_string())
}
