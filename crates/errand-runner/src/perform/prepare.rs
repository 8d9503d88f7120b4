//! Lays out the workspace. Doing it twice is doing it once: a complete one is used as it is.

use super::{Desk, Failed, workspace_dir};
use crate::private_files;
use crate::private_files::private_dir;
use errand_task::event::{Event, WorkspaceEvent};
use errand_task::state::State;
use errand_workspace::workspace::{Ground, Workspace};
use std::sync::Arc;
use std::time::Instant;
use tokio::task::JoinHandle;

/// A workspace that is being laid out; what came of it is noted when it is collected.
pub(super) type LayingOut = JoinHandle<(WorkspaceEvent, Option<Workspace>)>;

impl Desk {
    pub(super) async fn prepare(&mut self, state: &State) -> Result<(), Failed> {
        self.shared.progress(&state.id).say("preparing the workspace");
        self.live.commit().await?;
        let laying_out = self.lay_out(state).await?;
        self.collect(state, laying_out).await
    }

    /// Begins to lay it out. Nothing else of the task is in its way, so it may go on beside a request.
    pub(super) async fn lay_out(&mut self, state: &State) -> Result<LayingOut, Failed> {
        let ledger = self.ledger(state).await?;
        let (dir, commit) = (workspace_dir(&self.shared, &state.id), state.submitted.source.base_commit.clone());
        let (task, sandbox, secrets) =
            (state.id.clone(), Arc::clone(&self.shared.sandbox), self.shared.secrets.clone());
        let (include, private) = (state.contract().include.clone(), private_dir(&self.shared, &state.id));
        // Which form a workspace can have depends on which walls stand.
        sandbox.standing().await;
        Ok(tokio::task::spawn_blocking(move || {
            let started = Instant::now();
            let made = (|| {
                ledger.keep(&task, &commit).map_err(|error| error.to_string())?;
                let tree = ledger.tree_of(&commit).map_err(|error| error.to_string())?;
                private_files::keep(&secrets, ledger.checkout(), &include, &private)?;
                let ground =
                    Ground { private: (!include.is_empty()).then_some(private), ..Ground::of(&ledger, &commit) };
                let made = Workspace::create(&sandbox, &ground, &tree, &dir);
                let workspace = made.map_err(|error| error.to_string())?;
                Ok::<_, String>((workspace, tree))
            })();
            match made {
                Ok((workspace, tree)) => {
                    let root = workspace.dir().to_string_lossy().into_owned();
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
