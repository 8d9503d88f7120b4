//! A task in the hands of its worker: the state, and what is folded but not yet on disk.
//!
//! Order that keeps promise A: an outcome is folded at once (`note`), and it is on disk (`commit`) before the next effect
//! begins and before anyone is told. An intent and the outcome before it share one commit.
//!
//! `note` is also where keys are taken out, before the fold: what is folded is what is stored, and requests are made of
//! nothing else.

use crate::clock::now_ms;
use crate::secrets::Secrets;
use errand_journal::{Batch, Store, StoreError};
use errand_task::event::Event;
use errand_task::id::{Seq, TaskId};
use errand_task::state::{Record, State};
use errand_task::summary::Summary;
use errand_task::text::{Blob, Text};
use std::sync::Arc;
use tokio::sync::Mutex;

pub struct Live {
    pub id: TaskId,
    store: Arc<dyn Store>,
    secrets: Secrets,
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    state: State,
    /// Sequence of the last event on disk.
    head: Seq,
    events: Vec<Event>,
    blobs: Vec<Blob>,
    /// Time of the first waiting event; all waiting events carry it.
    at_ms: i64,
}

impl Live {
    /// Folds the journal of a task.
    pub async fn load(store: Arc<dyn Store>, secrets: Secrets, id: TaskId) -> Result<Self, StoreError> {
        let records = store.records(&id, Seq(0)).await?;
        let damaged = || StoreError::Damaged { task: id.clone(), seq: Seq(1) };
        let state = State::fold(id.clone(), &records).ok_or_else(damaged)?;
        Ok(Self::with(store, secrets, state))
    }

    pub fn with(store: Arc<dyn Store>, secrets: Secrets, state: State) -> Self {
        let (id, head) = (state.id.clone(), state.seq);
        let inner = Inner { state, head, events: Vec::new(), blobs: Vec::new(), at_ms: 0 };
        Self { id, store, secrets, inner: Arc::new(Mutex::new(inner)) }
    }

    /// The state now, as the worker's clock sees it.
    pub async fn state(&self) -> State {
        let mut inner = self.inner.lock().await;
        inner.state.observe(now_ms());
        inner.state.clone()
    }

    /// Folds what happened, without keys; it reaches the disk with the next commit.
    pub async fn note(&self, events: Vec<Event>, blobs: Vec<Blob>) {
        let (events, blobs) = self.secrets.redactor().clean(events, blobs);
        self.inner.lock().await.note(events, blobs);
    }

    /// Writes an intent, together with everything that waits. When this returns, it is on disk.
    pub async fn intend(&self, event: Event) -> Result<(), StoreError> {
        self.record(vec![event], Vec::new()).await
    }

    /// Notes and commits.
    pub async fn record(&self, events: Vec<Event>, blobs: Vec<Blob>) -> Result<(), StoreError> {
        self.note(events, blobs).await;
        self.commit().await
    }

    /// Writes everything that waits. An append that has begun is finished even when nobody waits for it any more: an
    /// action that is broken off must not leave the head behind.
    pub async fn commit(&self) -> Result<(), StoreError> {
        let mut inner = Arc::clone(&self.inner).lock_owned().await;
        if inner.events.is_empty() {
            return Ok(());
        }
        let (store, id) = (Arc::clone(&self.store), self.id.clone());
        let writing = tokio::spawn(async move {
            let batch = Batch {
                events: std::mem::take(&mut inner.events),
                blobs: std::mem::take(&mut inner.blobs),
                summary: Summary::of(&inner.state),
                at_ms: inner.at_ms,
            };
            let records = store.append(&id, inner.head, batch).await?;
            inner.head = records.last().map_or(inner.head, |record| record.seq);
            Ok(())
        });
        writing.await.map_err(|error| StoreError::Write(error.to_string()))?
    }

    /// A text by reference; one that waits for its commit is found as well.
    pub async fn text(&self, text: &Text) -> Result<String, StoreError> {
        let digest = match text {
            Text::Inline(text) => return Ok(text.clone()),
            Text::Stored { digest, .. } => digest,
        };
        let waiting =
            self.inner.lock().await.blobs.iter().find(|blob| blob.digest == *digest).map(|blob| blob.bytes.clone());
        let bytes = match waiting {
            Some(bytes) => bytes,
            None => self.store.blob(digest).await?,
        };
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl Inner {
    fn note(&mut self, events: Vec<Event>, blobs: Vec<Blob>) {
        if self.events.is_empty() {
            self.at_ms = now_ms();
        }
        for event in events {
            let record = Record { seq: self.state.seq.next(), at_ms: self.at_ms, event };
            self.state.apply(&record);
            self.events.push(record.event);
        }
        self.blobs.extend(blobs);
    }
}
