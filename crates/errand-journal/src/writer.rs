//! The writer thread: the only connection that writes.
//!
//! It takes what is waiting, writes all of it in one transaction and answers after the commit. A conflict fails its own
//! append and no other. Checksums chain: each covers the one before, so a changed or missing event in the middle shows.

use crate::{Batch, Committed, LedgerRow, StoreError};
use errand_task::id::{Seq, TaskId};
use errand_task::state::Record;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::sync::mpsc;
use tokio::sync::{broadcast, oneshot};

/// Appends committed together at most.
const GROUP_MAX: usize = 128;

pub type Checksum = [u8; 16];
pub const NO_CHECKSUM: Checksum = [0; 16];

#[expect(clippy::large_enum_variant, reason = "a request lives a moment in a channel")]
pub enum Request {
    Append { task: TaskId, expected: Seq, batch: Batch, reply: oneshot::Sender<Result<Vec<Record>, StoreError>> },
    Remove { task: TaskId, at_ms: i64, reply: oneshot::Sender<Result<(), StoreError>> },
}

pub fn checksum(before: &Checksum, seq: Seq, at_ms: i64, body: &str) -> Checksum {
    let mut hash = Sha256::new();
    hash.update(before);
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
    let mut heads = Heads::default();
    while let Ok(first) = requests.recv() {
        let mut group = vec![first];
        group.extend(std::iter::from_fn(|| requests.try_recv().ok()).take(GROUP_MAX - 1));
        commit(&mut connection, &mut heads, group, &notices);
    }
}

/// The newest event of each task seen so far.
#[derive(Default)]
struct Heads(HashMap<TaskId, (Seq, Checksum)>);

impl Heads {
    fn of(&self, transaction: &Transaction<'_>, task: &TaskId) -> rusqlite::Result<(Seq, Checksum)> {
        if let Some(head) = self.0.get(task) {
            return Ok(*head);
        }
        let query = "SELECT seq, checksum FROM events WHERE task = ?1 ORDER BY seq DESC LIMIT 1";
        let found = transaction
            .query_row(query, [task.as_str()], |row| Ok((row.get::<_, u64>(0)?, row.get::<_, Checksum>(1)?)))
            .optional()?;
        Ok(found.map_or((Seq(0), NO_CHECKSUM), |(seq, checksum)| (Seq(seq), checksum)))
    }
}

/// An answer that is sent only after the commit.
type Promise = Box<dyn FnOnce(Result<(), StoreError>)>;

fn commit(connection: &mut Connection, heads: &mut Heads, group: Vec<Request>, notices: &broadcast::Sender<Committed>) {
    let mut promises: Vec<Promise> = Vec::new();
    let mut committed = Vec::new();
    let outcome = (|| {
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        for request in group {
            match request {
                Request::Append { task, expected, batch, reply } => {
                    match append(&transaction, heads, &task, expected, batch) {
                        Ok(Ok(records)) => {
                            let head = records.last().map_or(expected, |record| record.seq);
                            committed.push(Committed { task, head });
                            promises.push(Box::new(move |outcome| drop(reply.send(outcome.map(|()| records)))));
                        }
                        Ok(Err(conflict)) => drop(reply.send(Err(conflict))),
                        Err(error) => {
                            promises.push(Box::new(move |outcome| drop(reply.send(outcome.map(|()| Vec::new())))));
                            return Err(error);
                        }
                    }
                }
                Request::Remove { task, at_ms, reply } => {
                    let sql = "UPDATE tasks SET removed_at_ms = ?2 WHERE id = ?1 AND removed_at_ms IS NULL";
                    match transaction.execute(sql, params![task.as_str(), at_ms])? {
                        0 => drop(reply.send(Err(StoreError::NoTask(task)))),
                        _ => promises.push(Box::new(move |outcome| drop(reply.send(outcome)))),
                    }
                }
            }
        }
        transaction.commit()
    })();
    match outcome {
        Ok(()) => {
            promises.into_iter().for_each(|promise| promise(Ok(())));
            // Nobody may be listening.
            committed.into_iter().for_each(|notice| drop(notices.send(notice)));
        }
        Err(error) => {
            // What was written is unknown now; the heads are read again.
            heads.0.clear();
            promises.into_iter().for_each(|promise| promise(Err(StoreError::Write(error.to_string()))));
        }
    }
}

fn append(
    transaction: &Transaction<'_>,
    heads: &mut Heads,
    task: &TaskId,
    expected: Seq,
    batch: Batch,
) -> rusqlite::Result<Result<Vec<Record>, StoreError>> {
    let (head, mut last) = heads.of(transaction, task)?;
    if head != expected {
        return Ok(Err(StoreError::Conflict { task: task.clone(), expected, head }));
    }
    let mut store_blob = transaction.prepare_cached("INSERT OR IGNORE INTO blobs (digest, bytes) VALUES (?1, ?2)")?;
    for blob in &batch.blobs {
        store_blob.execute(params![blob.digest.as_str(), blob.bytes])?;
    }
    let mut seq = head;
    let mut records = Vec::with_capacity(batch.events.len());
    let mut store_event = transaction
        .prepare_cached("INSERT INTO events (task, seq, at_ms, body, checksum) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for event in batch.events {
        seq = seq.next();
        let body = to_json(&event)?;
        last = checksum(&last, seq, batch.at_ms, &body);
        store_event.execute(params![task.as_str(), seq.0, batch.at_ms, body, last])?;
        if let Some(row) = LedgerRow::of(task, seq, batch.at_ms, &event) {
            store_cost(transaction, &row)?;
        }
        records.push(Record { seq, at_ms: batch.at_ms, event });
    }
    let line = to_json(&batch.summary)?;
    transaction
        .prepare_cached(
            "INSERT INTO tasks (id, created_at_ms, summary) VALUES (?1, ?2, ?3)
             ON CONFLICT (id) DO UPDATE SET summary = excluded.summary",
        )?
        .execute(params![task.as_str(), batch.summary.created_at_ms, line])?;
    heads.0.insert(task.clone(), (seq, last));
    Ok(Ok(records))
}

fn store_cost(transaction: &Transaction<'_>, row: &LedgerRow) -> rusqlite::Result<()> {
    transaction
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

fn to_json<T: serde::Serialize>(value: &T) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}
