//! What watchers are told between two events: never stored, never needed.

use crate::secrets::Secrets;
use tokio::sync::watch;

/// The newest line about what a task is doing now.
#[derive(Clone)]
pub struct Progress {
    line: watch::Sender<String>,
    secrets: Secrets,
}

impl Progress {
    pub fn new(secrets: Secrets) -> Self {
        Self { line: watch::Sender::new(String::new()), secrets }
    }

    pub fn say(&self, text: impl Into<String>) {
        self.line.send_replace(self.secrets.redactor().hide(text.into()));
    }

    pub fn watch(&self) -> watch::Receiver<String> {
        self.line.subscribe()
    }
}
