//! Commands that go on in the background: numbered, waited for, ended with the turn.
//!
//! Jobs live in this process only. After a crash their runs are in the journal without an end, and the model is told.

use crate::context::RunDone;
use crate::excerpt::run_excerpt;
use errand_task::id::TreeId;
use errand_workspace::command::{Finished, RunningCommand};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

pub struct Job {
    pub number: u32,
    pub command: String,
    pub running: RunningCommand,
    pub started: Instant,
    /// The workspace before it started.
    pub before: Option<TreeId>,
}

pub struct Jobs {
    next: AtomicU32,
    running: Mutex<BTreeMap<u32, Arc<Job>>>,
}

impl Jobs {
    /// Runs are numbered from `next` on.
    pub fn new(next: u32) -> Self {
        Self { next: AtomicU32::new(next), running: Mutex::new(BTreeMap::new()) }
    }

    pub fn next_number(&self) -> u32 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    pub fn add(&self, job: Arc<Job>) {
        self.lock().insert(job.number, job);
    }

    pub fn remove(&self, number: u32) {
        self.lock().remove(&number);
    }

    /// The running jobs with these numbers, or all of them.
    pub fn select(&self, numbers: &[u32]) -> Vec<Arc<Job>> {
        let running = self.lock();
        running.values().filter(|job| numbers.is_empty() || numbers.contains(&job.number)).cloned().collect()
    }

    /// Takes the jobs out that have ended.
    pub fn take_ended(&self) -> Vec<Arc<Job>> {
        let mut running = self.lock();
        let ended: Vec<_> = running.values().filter(|job| job.running.end().is_some()).cloned().collect();
        ended.iter().for_each(|job| drop(running.remove(&job.number)));
        ended
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<u32, Arc<Job>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Job {
    /// What it printed up to now, for the model.
    pub fn excerpt_so_far(&self) -> String {
        let so_far = self.running.output_so_far();
        run_excerpt(&String::from_utf8_lossy(&so_far), None, &format!("log:{}", self.number))
    }

    /// For the journal, when it has ended.
    pub fn done(&self, finished: &Finished) -> RunDone {
        RunDone {
            number: self.number,
            command: self.command.clone(),
            end: Some(finished.end.clone()),
            duration_ms: finished.duration.as_millis() as u64,
            log: String::from_utf8_lossy(&finished.output).into_owned(),
            network: finished.network.clone(),
        }
    }
}
