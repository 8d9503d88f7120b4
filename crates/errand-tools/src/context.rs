//! What a tool is given and what it gives back.

use crate::{Jobs, Logs};
use errand_task::borders::Borders;
use errand_task::facts::RunEnd;
use errand_task::id::TreeId;
use errand_task::report::Report;
use errand_workspace::files::Files;
use errand_workspace::toolchains::Toolchains;
use errand_workspace::workspace::Workspace;
use std::sync::Arc;

/// The place a task's tools work in.
pub struct Context {
    pub workspace: Arc<Workspace>,
    pub files: Files,
    pub toolchains: Toolchains,
    pub borders: Borders,
    pub jobs: Jobs,
    pub logs: Arc<dyn Logs>,
}

/// One call of the model.
pub struct Site<'a> {
    /// The input as it was received.
    pub input: &'a str,
    /// The workspace before the call; absent for tools that only read.
    pub before: Option<&'a TreeId>,
}

/// A command that started or ended with a call.
#[derive(Debug)]
pub struct RunDone {
    pub number: u32,
    pub command: String,
    /// `None` while it goes on as a job.
    pub end: Option<RunEnd>,
    pub duration_ms: u64,
    pub log: String,
}

/// What a call came to.
#[derive(Debug, Default)]
pub struct Output {
    /// For the model, plain text.
    pub text: String,
    pub is_error: bool,
    pub runs: Vec<RunDone>,
    /// Paths it changed.
    pub changed: Vec<String>,
    /// A well-formed report: the gates answer the call, not the tool.
    pub filed: Option<Report>,
}

impl Output {
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    pub fn error(text: impl std::fmt::Display) -> Self {
        Self { text: text.to_string(), is_error: true, ..Self::default() }
    }
}
