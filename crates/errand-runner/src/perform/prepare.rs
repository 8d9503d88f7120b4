//! Lays out the workspace. Doing it twice is doing it once: a complete one is used as it is.

use super::{Desk, Failed, blocking, workspace_dir};
use errand_task::event::{Event, WorkspaceEvent};
use errand_task::state::State;
use errand_workspace::workspace::Workspace;
use std::time::Instant;

impl Desk {
    pub(super) async fn prepare(&mut self, state: &State) -> Result<(), Failed> {
        let progress = self.shared.progress(&state.id);
        progress.say("preparing the workspace");
        self.live.commit().await?;
        let started = Instant::now();
        let ledger = self.ledger(state).await?;
        let (dir, commit) = (workspace_dir(&self.shared, &state.id), state.submitted.source.base_commit.clone());
        let task = state.id.clone();
        let made = blocking(move || {
            ledger.keep(&task, &commit).map_err(|error| error.to_string())?;
            let base = ledger.tree_of(&commit).map_err(|error| error.to_string())?;
            let workspace = Workspace::create(&ledger, &base, &dir).map_err(|error| error.to_string())?;
            workspace.add_scratch_git(&commit).map_err(|error| error.to_string())?;
            Ok::<_, String>((workspace.tree_dir(), base))
        });
        let event = match made.await? {
            Ok((root, tree)) => WorkspaceEvent::Prepared {
                root: root.to_string_lossy().into_owned(),
                tree,
                duration_ms: started.elapsed().as_millis() as u64,
            },
            Err(why) => WorkspaceEvent::PrepareFailed { text: format!("the workspace cannot be prepared: {why}") },
        };
        self.live.note(vec![Event::Workspace(event)], Vec::new()).await;
        Ok(())
    }
}
