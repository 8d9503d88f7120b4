//! What a tool is given and what it gives back.

use crate::{Jobs, Logs, Room};
use errand_task::borders::Borders;
use errand_task::facts::{FileChange, NetworkUse, RunEnd};
use errand_task::id::TreeId;
use errand_task::network::Name;
use errand_task::report::Report;
use errand_workspace::diff::diff;
use errand_workspace::files::Files;
use errand_workspace::sandbox::Sandbox;
use errand_workspace::workspace::Workspace;
use std::sync::{Arc, Mutex, PoisonError};

/// The place a task's tools work in.
pub struct Context {
    pub workspace: Arc<Workspace>,
    pub files: Files,
    pub sandbox: Arc<Sandbox>,
    /// Names the contract grants to commands.
    pub network: Vec<Name>,
    pub borders: Borders,
    /// The contract's limit, of which an edit says how much is used.
    pub max_diff_lines: Option<u32>,
    pub room: Arc<Room>,
    pub jobs: Jobs,
    pub logs: Arc<dyn Logs>,
    pub known: KnownTree,
}

/// The workspace's tree, as long as nothing can have changed it.
#[derive(Default)]
pub struct KnownTree(Mutex<Option<TreeId>>);

impl Context {
    /// The workspace's tree now. Walks it only when something may have changed since the last walk.
    pub async fn tree_now(&self) -> Result<TreeId, String> {
        let known = self.known.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(tree) = known.filter(|_| self.jobs.select(&[]).is_empty()) {
            return Ok(tree);
        }
        let workspace = Arc::clone(&self.workspace);
        let walk = move || workspace.snapshot().map_err(|error| error.to_string());
        Ok(tokio::task::spawn_blocking(walk).await.map_err(|error| error.to_string())??.tree)
    }

    /// A call that may change files begins.
    pub fn forget_tree(&self) {
        *self.known.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// What differs between `before` and the workspace as it is now.
    pub(crate) async fn changes_since(&self, before: &TreeId) -> Result<Vec<FileChange>, String> {
        let (workspace, before) = (Arc::clone(&self.workspace), before.clone());
        let look = move || {
            let after = workspace.snapshot().map_err(|error| error.to_string())?.tree;
            let changes = diff(workspace.ledger(), &before, &after).map_err(|error| error.to_string())?;
            Ok::<_, String>((changes, after))
        };
        let (changes, after) = tokio::task::spawn_blocking(look).await.map_err(|error| error.to_string())??;
        // A job that runs may change it again at any time.
        let is_quiet = self.jobs.select(&[]).is_empty();
        *self.known.0.lock().unwrap_or_else(PoisonError::into_inner) = is_quiet.then_some(after);
        Ok(changes)
    }
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
    pub network: Vec<NetworkUse>,
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
