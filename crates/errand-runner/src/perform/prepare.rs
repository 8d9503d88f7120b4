//! Lays out the workspace. Doing it twice is doing it once: a complete one is used as it is.

use super::{Desk, Failed, blocking, workspace_dir};
use crate::private_files;
use crate::shared::Shared;
use errand_task::event::{Event, WorkspaceEvent};
use errand_task::facts::CheckRecord;
use errand_task::id::{CommitId, TaskId, TreeId};
use errand_task::state::State;
use errand_workspace::layers::{self, Layer};
use errand_workspace::ledger::Ledger;
use errand_workspace::state_dir;
use errand_workspace::workspace::{Ground, Workspace};
use std::path::PathBuf;
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
        let (place, snapshot) = (self.place(state).await?, state.snapshot.clone());
        let event = match blocking(move || place.make_anew(snapshot)).await? {
            Err(why) => WorkspaceEvent::PrepareFailed { text: format!("the workspace cannot be made anew: {why}") },
            Ok((workspace, tree)) => {
                let root = workspace.dir().to_string_lossy().into_owned();
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
        let place = self.place(state).await?;
        Ok(tokio::task::spawn_blocking(move || {
            let started = Instant::now();
            let kept = place.ledger.keep(&place.task, &place.commit).map_err(|error| error.to_string());
            match kept.and_then(|()| place.make()) {
                Ok(Made { workspace, tree, layers, notes }) => {
                    let root = workspace.dir().to_string_lossy().into_owned();
                    let duration_ms = started.elapsed().as_millis() as u64;
                    (WorkspaceEvent::Prepared { root, tree, duration_ms, layers, notes }, Some(workspace))
                }
                Err(why) => {
                    let text = format!("the workspace cannot be prepared: {why}");
                    (WorkspaceEvent::PrepareFailed { text }, None)
                }
            }
        }))
    }

    async fn place(&mut self, state: &State) -> Result<Place, Failed> {
        let ledger = self.ledger(state).await?;
        // Which form a workspace can have depends on which walls stand.
        self.shared.sandbox.standing().await;
        Ok(Place {
            shared: Arc::clone(&self.shared),
            ledger,
            task: state.id.clone(),
            dir: workspace_dir(&self.shared, &state.id),
            commit: state.submitted.source.base_commit.clone(),
            include: state.contract().include.clone(),
            dependencies: state.contract().dependencies.clone(),
        })
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

/// What making a workspace needs to know.
struct Place {
    shared: Arc<Shared>,
    ledger: Arc<Ledger>,
    task: TaskId,
    dir: PathBuf,
    commit: CommitId,
    /// Private files.
    include: Vec<String>,
    /// Folders that the person or the repository, with their yes, named.
    dependencies: Vec<String>,
}

/// What came of it.
struct Made {
    workspace: Workspace,
    tree: TreeId,
    /// Dependency folders that lie over the base.
    layers: Vec<String>,
    /// What the person should know of it.
    notes: Vec<String>,
}

impl Place {
    /// The workspace with the files of the base.
    fn make(&self) -> Result<Made, String> {
        let said = |error: &dyn std::fmt::Display| error.to_string();
        let tree = self.ledger.tree_of(&self.commit).map_err(|error| said(&error))?;
        let private = private_files::private_dir(&self.shared, &self.task);
        private_files::keep(&self.shared.secrets, self.ledger.checkout(), &self.include, &private)?;
        let found = layers::prepare(&self.ledger, self.ledger.checkout(), &tree, &self.dependencies);
        let found = found.map_err(|error| said(&error))?;
        let layers: Vec<_> = found.layers.iter().map(|layer| layer.path.clone()).collect();
        let ground = Ground {
            dependencies: layers.clone(),
            layers: found.layers.iter().map(|layer| layer.dir.clone()).collect(),
            newest: found.layers.iter().map(Layer::newest).max(),
            private: (!self.include.is_empty()).then_some(private),
            ..Ground::of(&self.ledger, &self.commit)
        };
        let made = Workspace::create(&self.shared.sandbox, &ground, &tree, &self.dir);
        let workspace = made.map_err(|error| said(&error))?;
        Ok(Made { workspace, tree, layers, notes: found.notes })
    }

    /// The workspace with the files of the last snapshot.
    fn make_anew(&self, snapshot: Option<TreeId>) -> Result<(Workspace, TreeId), String> {
        if !Workspace::is_there(&self.dir) {
            // Without its files nothing of it is worth keeping.
            state_dir::discard(&self.shared.home, &self.dir).map_err(|error| error.to_string())?;
        }
        let Made { workspace, tree, .. } = self.make()?;
        let tree = snapshot.unwrap_or(tree);
        workspace.restore(&tree).map_err(|error| error.to_string())?;
        Ok((workspace, tree))
    }
}

fn what_failed(record: &CheckRecord) -> String {
    format!("`{}` ({})", record.command, record.end.headline())
}
