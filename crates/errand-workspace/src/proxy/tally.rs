//! Counts what went through the proxy and what did not, a line a name.
//!
//! Granted names each have their line; of others only so many are kept, since a command can think of any number.

use crate::limits::PROXY_REFUSED_NAMES;
use errand_task::facts::NetworkUse;
use errand_task::network::Name;
use std::sync::{Mutex, PoisonError};

/// The line of all names that have none of their own.
const FURTHER: &str = "(further names)";

#[derive(Debug)]
pub(super) struct Tally {
    lines: Mutex<Lines>,
}

#[derive(Debug)]
struct Lines {
    /// In the order of the grants.
    granted: Vec<NetworkUse>,
    /// In the order they were first asked for.
    others: Vec<NetworkUse>,
}

impl Tally {
    pub(super) fn of(grants: &[Name]) -> Self {
        let granted = grants.iter().map(|name| unused(&name.to_string())).collect();
        Self { lines: Mutex::new(Lines { granted, others: Vec::new() }) }
    }

    pub(super) fn connected(&self, name: &str) {
        self.note(name, |line| line.n_connections = line.n_connections.saturating_add(1));
    }

    pub(super) fn sent(&self, name: &str, n_bytes: usize) {
        self.note(name, |line| line.sent_bytes = line.sent_bytes.saturating_add(n_bytes as u64));
    }

    pub(super) fn received(&self, name: &str, n_bytes: usize) {
        self.note(name, |line| line.received_bytes = line.received_bytes.saturating_add(n_bytes as u64));
    }

    pub(super) fn refused(&self, name: &str, why: &str) {
        self.note(name, |line| {
            line.n_refused = line.n_refused.saturating_add(1);
            line.refused = Some(why.to_owned());
        });
    }

    /// The names something was done with.
    pub(super) fn used(&self) -> Vec<NetworkUse> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let is_used = |line: &&NetworkUse| line.n_connections > 0 || line.n_refused > 0;
        lines.granted.iter().chain(&lines.others).filter(is_used).cloned().collect()
    }

    fn note(&self, name: &str, note: impl FnOnce(&mut NetworkUse)) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let Lines { granted, others } = &mut *lines;
        let has = |lines: &[NetworkUse], name: &str| lines.iter().any(|line| line.name == name);
        let is_new = !has(granted, name) && !has(others, name);
        let name = if is_new && others.len() >= PROXY_REFUSED_NAMES { FURTHER } else { name };
        if is_new && !has(others, name) {
            others.push(unused(name));
        }
        if let Some(line) = granted.iter_mut().chain(others).find(|line| line.name == name) {
            note(line);
        }
    }
}

fn unused(name: &str) -> NetworkUse {
    let name = name.to_owned();
    NetworkUse { name, n_connections: 0, sent_bytes: 0, received_bytes: 0, n_refused: 0, refused: None }
}
