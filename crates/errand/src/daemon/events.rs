//! The event stream of a task: every record from an offset, and between them what it is doing right now.
//!
//! Frames are server-sent events. `record` carries an event and its number, `progress` a line that is never stored, and
//! `rest` says that nothing more comes until somebody acts.

use axum::body::Bytes;
use errand_journal::StoreError;
use errand_runner::Supervisor;
use errand_task::id::{Seq, TaskId};
use errand_task::state::{Record, State};
use futures_util::stream::{self, Stream};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{broadcast, watch};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    SoFar,
    UntilItRests,
}

/// A watcher that hears nothing this long is told that the stream lives.
const HEARTBEAT: Duration = Duration::from_secs(10);

struct Watch {
    supervisor: Arc<Supervisor>,
    task: TaskId,
    /// Everything that was read, whether it was sent or not; the state decides when to stop.
    state: Option<State>,
    send_after: u64,
    extent: Extent,
    commits: broadcast::Receiver<errand_journal::Committed>,
    progress: watch::Receiver<String>,
    is_over: bool,
}

pub fn frames(
    supervisor: &Arc<Supervisor>,
    task: TaskId,
    send_after: u64,
    extent: Extent,
) -> impl Stream<Item = Result<Bytes, StoreError>> + use<> {
    let start = Watch {
        commits: supervisor.shared.store.subscribe(),
        progress: supervisor.shared.progress(&task).watch(),
        supervisor: Arc::clone(supervisor),
        task,
        state: None,
        send_after,
        extent,
        is_over: false,
    };
    stream::unfold(start, |mut watch| async move {
        if watch.is_over {
            return None;
        }
        let frames = watch.next().await;
        if frames.is_err() {
            watch.is_over = true;
        }
        Some((frames.map(Bytes::from), watch))
    })
}

impl Watch {
    /// The next frames; waits until there are some.
    async fn next(&mut self) -> Result<String, StoreError> {
        loop {
            let known = self.state.as_ref().map_or(Seq(0), |state| state.seq);
            let records = self.supervisor.shared.store.records(&self.task, known).await?;
            let mut frames: String =
                records.iter().filter(|record| record.seq.0 > self.send_after).map(frame).collect();
            self.fold(&records);
            let is_resting = self.state.as_ref().is_some_and(|state| state.status().is_resting());
            if is_resting || self.extent == Extent::SoFar {
                self.is_over = true;
                frames.push_str("event: rest\ndata: {}\n\n");
            }
            if !frames.is_empty() {
                return Ok(frames);
            }
            if let Some(progress) = self.news().await {
                return Ok(progress);
            }
        }
    }

    fn fold(&mut self, records: &[Record]) {
        match &mut self.state {
            Some(state) => records.iter().for_each(|record| state.apply(record)),
            None => self.state = State::fold(self.task.clone(), records),
        }
    }

    /// Waits for a commit (`None`) or for something to tell meanwhile.
    async fn news(&mut self) -> Option<String> {
        loop {
            tokio::select! {
                commit = self.commits.recv() => match commit {
                    Ok(commit) if commit.task != self.task => {}
                    // A lagging receiver missed notices, not events.
                    Ok(_) | Err(_) => return None,
                },
                changed = self.progress.changed() => {
                    if changed.is_err() {
                        // The worker has ended; its last commit is there or comes as a notice.
                        self.progress = self.supervisor.shared.progress(&self.task).watch();
                        return None;
                    }
                    let text = self.progress.borrow_and_update().clone();
                    return Some(format!("event: progress\ndata: {}\n\n", json!({ "text": text })));
                }
                () = tokio::time::sleep(HEARTBEAT) => return Some(": still here\n\n".to_owned()),
            }
        }
    }
}

fn frame(record: &Record) -> String {
    let data = json!({ "seq": record.seq, "at": crate::api::time(record.at_ms), "event": record.event });
    format!("id: {}\nevent: record\ndata: {data}\n\n", record.seq)
}
