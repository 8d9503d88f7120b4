//! Lays out the workspace. Doing it twice is doing it once: a complete one is used as it is.

use super::{Desk, Failed, blocking, workspace_dir};
use errand_task::event::{Event, WorkspaceEvent};
use errand_task::facts::CheckRecord;
use errand_task::id::{CommitId, TreeId};
use errand_task::state::State;
use errand_workspace::ledger::Ledger;
use errand_workspace::state_dir;
use errand_workspace::workspace::Workspace;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use tokio::task::JoinHandle;

/// A workspace that is being laid out; what came of it is noted when it is collected.
pub(super) type LayingOut = JoinHandle<(WorkspaceEvent, Option<Workspace>)>;

impl Desk {
    pub(super) async fn prepare(&mut self, state: &State) -> Result<(), Failed> {
        self.shared.progress(&state.id).say("preparing the workspace");
        self.live.commit().await?;
        if state.workspace.is_some() {
            return self.make_anew(state).await;
        }
        let laying_out = self.lay_out(state).await?;
        self.collect(state, laying_out).await
    }

    /// Makes a workspace that is gone anew: the base, the files of the last snapshot, what setup had installed.
    async fn make_anew(&mut self, state: &State) -> Result<(), Failed> {
        self.tools = None;
        let started = Instant::now();
        let ledger = self.ledger(state).await?;
        let place = Place {
            home: self.shared.home.clone(),
            dir: workspace_dir(&self.shared, &state.id),
            commit: state.submitted.source.base_commit.clone(),
            snapshot: state.snapshot.clone(),
        };
        let event = match blocking(move || place.make_anew(&ledger)).await? {
            Err(why) => WorkspaceEvent::PrepareFailed { text: format!("the workspace cannot be made anew: {why}") },
            Ok((workspace, tree)) => {
                let root = workspace.tree_dir().to_string_lossy().into_owned();
                let workspace = self.equip(state, workspace)?.workspace.clone();
                let failed = match state.setup.is_empty() {
                    true => None,
                    false => self.set_up(state, &workspace, &tree).await?.map(|(record, _)| what_failed(&record)),
                };
                let duration_ms = started.elapsed().as_millis() as u64;
                WorkspaceEvent::Remade { root, tree, duration_ms, setup_failed: failed }
            }
        };
        self.live.note(vec![Event::Workspace(event)], Vec::new()).await;
        Ok(())
    }

    /// Begins to lay it out. Nothing else of the task is in its way, so it may go on beside a request.
    pub(super) async fn lay_out(&mut self, state: &State) -> Result<LayingOut, Failed> {
        let ledger = self.ledger(state).await?;
        let (dir, commit) = (workspace_dir(&self.shared, &state.id), state.submitted.source.base_commit.clone());
        let task = state.id.clone();
        Ok(tokio::task::spawn_blocking(move || {
            let started = Instant::now();
            let kept = ledger.keep(&task, &commit).map_err(|error| error.to_string());
            match kept.and_then(|()| make(&ledger, &commit, &dir)) {
                Ok((workspace, tree)) => {
                    let root = workspace.tree_dir().to_string_lossy().into_owned();
                    let duration_ms = started.elapsed().as_millis() as u64;
                    (WorkspaceEvent::Prepared { root, tree, duration_ms }, Some(workspace))
                }
                Err(why) => {
                    let text = format!("the workspace cannot be prepared: {why}");
                    (WorkspaceEvent::PrepareFailed { text }, None)
                }
            }
        }))
    }

    /// Waits for it and keeps it at hand: it knows the state of every file it wrote, so the first snapshot reads none.
    pub(super) async fn collect(&mut self, state: &State, laying_out: LayingOut) -> Result<(), Failed> {
        let (event, workspace) = laying_out.await.map_err(Failed::internal)?;
        if let Some(workspace) = workspace {
            self.equip(state, workspace)?;
        }
        self.live.note(vec![Event::Workspace(event)], Vec::new()).await;
        Ok(())
    }
}

/// What making a workspace anew needs to know.
struct Place {
    home: PathBuf,
    dir: PathBuf,
    commit: CommitId,
    snapshot: Option<TreeId>,
}

impl Place {
    /// The workspace, and the tree its files are.
    fn make_anew(self, ledger: &Arc<Ledger>) -> Result<(Workspace, TreeId), String> {
        if !Workspace::is_there(&self.dir) {
            // Without its files nothing of it is worth keeping.
            state_dir::discard(&self.home, &self.dir).map_err(|error| error.to_string())?;
        }
        let (workspace, base) = make(ledger, &self.commit, &self.dir)?;
        let tree = self.snapshot.unwrap_or(base);
        workspace.restore(&tree).map_err(|error| error.to_string())?;
        Ok((workspace, tree))
    }
}

/// The workspace with the files of the base, and its tree.
fn make(ledger: &Arc<Ledger>, commit: &CommitId, dir: &Path) -> Result<(Workspace, TreeId), String> {
    let tree = ledger.tree_of(commit).map_err(|error| error.to_string())?;
    let workspace = Workspace::create(ledger, &tree, dir).map_err(|error| error.to_string())?;
    workspace.add_scratch_git(commit).map_err(|error| error.to_string())?;
    Ok((workspace, tree))
}

fn what_failed(record: &CheckRecord) -> String {
    format!("`{}` ({})", record.command, record.end.headline())
}
