//! Performing actions: one file each. The desk holds what a task's actions share while its worker lives.

mod brief;
mod check;
mod inspect;
mod model;
mod prepare;
mod rewind;
mod tool_versions;
mod tools;
mod tree_outline;

use self::check::Checkout;
use crate::live::Live;
use crate::materials;
use crate::shared::Shared;
use errand_journal::StoreError;
use errand_task::action::Action;
use errand_task::borders::Borders;
use errand_task::id::{Digest, TaskId};
use errand_task::network;
use errand_task::state::State;
use errand_tools::{Context, Jobs, KnownTree, Registry, Room};
use errand_workspace::ledger::Ledger;
use errand_workspace::workspace::Workspace;
use std::collections::HashMap;
use std::fmt::Display;
use std::path::PathBuf;
use std::sync::Arc;
use thiserror::Error;

/// An action could not be done. What a model, a command or a check does wrong is an outcome, not one of these.
#[derive(Debug, Error)]
pub enum Failed {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0}")]
    Internal(String),
    /// The workspace is not there any more.
    #[error("the workspace was deleted")]
    Lost,
}

impl Failed {
    fn internal(error: impl Display) -> Self {
        Self::Internal(error.to_string())
    }
}

pub struct Desk {
    shared: Arc<Shared>,
    live: Arc<Live>,
    ledger: Option<Arc<Ledger>>,
    tools: Option<Arc<Context>>,
    /// The clean checkout of the last checked tree.
    checkout: Option<Checkout>,
    texts: HashMap<Digest, Arc<str>>,
}

impl Desk {
    pub fn new(shared: Arc<Shared>, live: Arc<Live>) -> Self {
        Self { shared, live, ledger: None, tools: None, checkout: None, texts: HashMap::new() }
    }

    /// Performs one action and notes what came of it. Broken off at any point, the journal shows how far it came.
    pub async fn perform(&mut self, action: Action) -> Result<(), Failed> {
        let state = self.live.state().await;
        let outcome = self.perform_in(&state, action).await;
        match outcome {
            // Whatever failed, it failed for want of the workspace.
            Err(Failed::Internal(_)) if self.check_there(&state).is_err() => Err(Failed::Lost),
            outcome => outcome,
        }
    }

    async fn perform_in(&mut self, state: &State, action: Action) -> Result<(), Failed> {
        match action {
            Action::PrepareWorkspace => self.prepare(state).await,
            Action::RunCheck { phase, index } => self.check(state, phase, index).await,
            Action::Brief => self.brief(state).await,
            Action::Rewind { step, tree } => self.rewind(state, step, tree).await,
            Action::CallModel { step, attempt } => self.call_model(state, step, attempt).await,
            Action::CallTools => self.call_tools(state).await,
            Action::InspectResult => self.inspect(state).await,
            // The loop's own: nothing to perform.
            Action::Rest | Action::WaitUntil { .. } | Action::Record(_) => Ok(()),
        }
    }

    /// The workspace was found gone: its commands end, and what comes next is done in another one.
    pub async fn let_go(&mut self) {
        self.break_off().await;
        self.tools = None;
    }

    /// A workspace that was prepared must be there. A folder that took its place is another one.
    fn check_there(&self, state: &State) -> Result<(), Failed> {
        let is_there = match (&self.tools, &state.workspace) {
            (Some(context), _) => context.workspace.check_there().is_ok(),
            (None, Some(workspace)) => {
                workspace.is_gone || Workspace::is_there(&workspace_dir(&self.shared, &state.id))
            }
            (None, None) => true,
        };
        if is_there { Ok(()) } else { Err(Failed::Lost) }
    }

    /// An action was broken off: its commands end now, and how they ended is noted.
    pub async fn break_off(&self) {
        let Some(context) = self.tools.clone() else { return };
        for job in context.jobs.select(&[]) {
            job.running.stop();
            job.running.finished().await;
        }
        self.note_ended_jobs(&context).await;
    }

    fn registry(state: &State) -> Registry {
        Registry::of(state.contract().mode)
    }

    /// The ledger with the task's base in it.
    async fn ledger(&mut self, state: &State) -> Result<Arc<Ledger>, Failed> {
        if let Some(ledger) = &self.ledger {
            return Ok(Arc::clone(ledger));
        }
        let (shared, source) = (Arc::clone(&self.shared), state.submitted.source.clone());
        let ledger = blocking(move || shared.ledger_of_task(&source)).await?.map_err(Failed::Internal)?;
        Ok(Arc::clone(self.ledger.insert(ledger)))
    }

    /// The prepared workspace with everything tools need.
    async fn tools(&mut self, state: &State) -> Result<Arc<Context>, Failed> {
        if let Some(tools) = &self.tools {
            return Ok(Arc::clone(tools));
        }
        let ledger = self.ledger(state).await?;
        let dir = workspace_dir(&self.shared, &state.id);
        let sandbox = Arc::clone(&self.shared.sandbox);
        sandbox.standing().await;
        let workspace = blocking(move || Workspace::open(&sandbox, &ledger, &dir)).await?.map_err(Failed::internal)?;
        self.equip(state, workspace)
    }

    /// Keeps the workspace at hand, with what it knows of its files.
    fn equip(&mut self, state: &State, workspace: Workspace) -> Result<Arc<Context>, Failed> {
        let context = Context {
            files: workspace.files().map_err(Failed::internal)?,
            workspace: Arc::new(workspace),
            sandbox: Arc::clone(&self.shared.sandbox),
            network: network::names(&state.contract().network).map_err(Failed::internal)?,
            borders: Borders::of(state.contract()).map_err(Failed::internal)?,
            max_diff_lines: state.contract().max_diff_lines,
            room: Arc::new(Room::of(self.shared.max_workspace_bytes)),
            jobs: Jobs::new(state.next_run()),
            logs: Arc::new(materials::TaskLogs::new(Arc::clone(&self.live))),
            known: KnownTree::default(),
        };
        Ok(Arc::clone(self.tools.insert(Arc::new(context))))
    }
}

/// Where a task's workspace is.
pub fn workspace_dir(shared: &Shared, task: &TaskId) -> PathBuf {
    shared.home.join("workspaces").join(task.as_str())
}

/// Runs blocking work away from the async threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failed> {
    tokio::task::spawn_blocking(work).await.map_err(Failed::internal)
}
