//! The journal: append-only events of every task, the texts they refer to, and what is derived from them.
//!
//! The only SQL of errand is here. [`Store`] is the contract; [`sqlite::Sqlite`] keeps it in one file. An append is
//! acknowledged when it is on disk, and only then told to anyone. One writer thread commits what several tasks bring at
//! the same moment together, so many tasks share one `fsync`.

mod file;
mod ledger;
mod schema;
pub mod sqlite;
mod writer;

pub use ledger::LedgerRow;

use errand_task::event::Event;
use errand_task::id::{Digest, Seq, TaskId};
use errand_task::state::Record;
use errand_task::summary::Summary;
use errand_task::text::Blob;
use futures_util::future::BoxFuture;
use std::fmt::Display;
use std::path::Path;
use thiserror::Error;
use tokio::sync::broadcast;

/// What one append writes, all of it or nothing.
#[derive(Clone, Debug)]
pub struct Batch {
    pub events: Vec<Event>,
    pub blobs: Vec<Blob>,
    /// The task's line after these events.
    pub summary: Summary,
    /// Milliseconds since the epoch.
    pub at_ms: i64,
}

/// A task that was taken out of the lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    pub summary: Summary,
    pub at_ms: i64,
}

/// Something was committed: the task's newest event has this number.
#[derive(Clone, Debug)]
pub struct Committed {
    pub task: TaskId,
    pub head: Seq,
}

#[derive(Debug, Error)]
pub enum StoreError {
    /// Somebody else wrote to the task; read from the head and decide again.
    #[error("task {task} is at event {head}, not at {expected}")]
    Conflict { task: TaskId, expected: Seq, head: Seq },
    #[error("the journal has no task {0}")]
    NoTask(TaskId),
    #[error("the journal has no text {0}")]
    NoBlob(Digest),
    #[error("the journal of task {task} is damaged at event {seq}")]
    Damaged { task: TaskId, seq: Seq },
    #[error("the text {0} in the journal is damaged")]
    DamagedBlob(Digest),
    #[error("the journal was written by a newer errand (format {found}, this one knows {known})")]
    Newer { found: i64, known: i64 },
    #[error("{path} is not a journal of errand but another database, and was left as it is")]
    Foreign { path: String },
    #[error("the journal cannot be opened at {path}: {why}")]
    Open { path: String, why: String },
    /// The outcome of the last write is unknown: read the head before the next one.
    #[error("the journal cannot be written: {0}")]
    Write(String),
    #[error("the journal cannot be read: {0}")]
    Read(String),
}

impl StoreError {
    fn open(path: &Path, why: impl Display) -> Self {
        Self::Open { path: path.display().to_string(), why: why.to_string() }
    }
}

pub type Answer<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// Where events live.
pub trait Store: Send + Sync {
    /// Appends after `expected`. When this returns, it is on disk.
    fn append(&self, task: &TaskId, expected: Seq, batch: Batch) -> Answer<'_, Vec<Record>>;

    /// Records after `after`, in order; checked against their checksums.
    fn records(&self, task: &TaskId, after: Seq) -> Answer<'_, Vec<Record>>;

    /// The bytes of this digest; checked against it.
    fn blob(&self, digest: &Digest) -> Answer<'_, Vec<u8>>;

    /// Every task's line, newest first. A line that cannot be read is made again from the task's events. Where these are
    /// damaged too, it says so: a failed task of which no more than the id is known, with the damage as its note.
    fn summaries(&self) -> Answer<'_, Vec<Summary>>;

    /// Every settled or uncertain cost, oldest first; of one task or of all.
    fn ledger(&self, task: Option<&TaskId>) -> Answer<'_, Vec<LedgerRow>>;

    /// Takes the task out of the lists. Its events and costs stay in the journal.
    fn remove(&self, task: &TaskId, at_ms: i64) -> Answer<'_, ()>;

    /// Puts a removed task back into the lists.
    fn restore(&self, task: &TaskId) -> Answer<'_, ()>;

    /// The removed tasks, the one that was removed last first.
    fn removed(&self) -> Answer<'_, Vec<Removed>>;

    /// Told after each commit of events. A receiver that lags misses notices, not events: it reads from its own offset.
    fn subscribe(&self) -> broadcast::Receiver<Committed>;
}
