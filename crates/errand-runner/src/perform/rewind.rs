//! Puts the workspace back to what it was before a step. Doing it twice is doing it once.

use super::{Desk, Failed, blocking};
use errand_task::event::{Event, WorkspaceEvent};
use errand_task::id::TreeId;
use errand_task::state::State;
use errand_workspace::diff::diff;
use std::sync::Arc;

impl Desk {
    pub(super) async fn rewind(&mut self, state: &State, step: u32, tree: TreeId) -> Result<(), Failed> {
        self.shared.progress(&state.id).say(format!("putting the files back to before step {step}"));
        self.live.commit().await?;
        let context = self.tools(state).await?;
        // Nothing may write while it goes back.
        self.break_off().await;
        let (workspace, to) = (Arc::clone(&context.workspace), tree.clone());
        // Against what was there, not what is: a crash may have left it half done.
        let from = state.snapshot.clone().unwrap_or_else(|| workspace.base().clone());
        let put_back = move || {
            let changes = diff(workspace.ledger(), &from, &to).map_err(|error| error.to_string())?;
            workspace.restore(&to).map_err(|error| error.to_string())?;
            Ok::<_, String>(changes.into_iter().map(|change| change.path).collect())
        };
        let changed = blocking(put_back).await?.map_err(Failed::Internal)?;
        context.forget_tree();
        let event = WorkspaceEvent::Rewound { step, tree, changed };
        self.live.note(vec![Event::Workspace(event)], Vec::new()).await;
        Ok(())
    }
}
