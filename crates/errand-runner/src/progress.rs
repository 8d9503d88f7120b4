//! What watchers are told between two events: never stored, never needed.

use tokio::sync::watch;

/// The newest line about what a task is doing now.
#[derive(Clone, Debug)]
pub struct Progress {
    line: watch::Sender<String>,
}

impl Progress {
    pub fn new() -> Self {
        Self { line: watch::Sender::new(String::new()) }
    }

    pub fn say(&self, text: impl Into<String>) {
        self.line.send_replace(text.into());
    }

    pub fn watch(&self) -> watch::Receiver<String> {
        self.line.subscribe()
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}
