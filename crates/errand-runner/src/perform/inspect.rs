//! Takes the workspace's tree, counts it against the base, and holds it and the cited places against the contract.

use super::{Desk, Failed, blocking};
use errand_task::borders::Borders;
use errand_task::event::{Event, FinishEvent};
use errand_task::id::TreeId;
use errand_task::report::Reference;
use errand_task::state::State;
use errand_workspace::diff::{diff, file_in};
use errand_workspace::ledger::Ledger;
use std::sync::Arc;

impl Desk {
    pub(super) async fn inspect(&mut self, state: &State) -> Result<(), Failed> {
        self.shared.progress(&state.id).say("looking at the result");
        self.live.commit().await?;
        let context = self.tools(state).await?;
        let workspace = Arc::clone(&context.workspace);
        let references = state.finish.as_ref().map(|finish| finish.report.references()).unwrap_or_default();
        let seen = blocking(move || {
            let tree = workspace.snapshot().map_err(|error| error.to_string())?.tree;
            let changes = diff(workspace.ledger(), workspace.base(), &tree).map_err(|error| error.to_string())?;
            let missing = missing(workspace.ledger(), &tree, &references);
            Ok::<_, String>((tree, changes, missing))
        });
        let (tree, diff, missing_references) = seen.await?.map_err(Failed::Internal)?;
        let violations = Borders::of(state.contract()).map_err(Failed::internal)?.check_result(&diff);
        let event = FinishEvent::Inspected { tree, diff, violations, missing_references };
        self.live.note(vec![Event::Finish(event)], Vec::new()).await;
        Ok(())
    }
}

/// The references that point to no line of the tree.
fn missing(ledger: &Ledger, tree: &TreeId, references: &[Reference]) -> Vec<String> {
    let exists = |reference: &Reference| {
        let path = reference.path.trim_start_matches("./");
        let Ok(Some(bytes)) = file_in(ledger, tree, path) else { return false };
        let n_lines = String::from_utf8_lossy(&bytes).lines().count();
        reference.end_line as usize <= n_lines
    };
    let shown = |reference: &Reference| match reference.line == reference.end_line {
        true => format!("{}:{}", reference.path, reference.line),
        false => format!("{}:{}-{}", reference.path, reference.line, reference.end_line),
    };
    references.iter().filter(|reference| !exists(reference)).map(shown).collect()
}
