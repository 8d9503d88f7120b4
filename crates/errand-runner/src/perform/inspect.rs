//! Takes the workspace's tree, counts it against the base, and holds it and the cited places against the contract.

use super::{Desk, Failed, blocking};
use errand_task::borders::Borders;
use errand_task::event::{Event, FinishEvent};
use errand_task::facts::{ChangeKind, FileChange, LeftOut, SkippedPath};
use errand_task::id::TreeId;
use errand_task::report::Reference;
use errand_task::state::State;
use errand_workspace::diff::{diff, file_in};
use errand_workspace::ledger::Ledger;
use errand_workspace::snapshot::Snapshot;
use std::sync::Arc;

impl Desk {
    pub(super) async fn inspect(&mut self, state: &State) -> Result<(), Failed> {
        self.shared.progress(&state.id).say("looking at the result");
        self.live.commit().await?;
        let context = self.tools(state).await?;
        let workspace = Arc::clone(&context.workspace);
        let references = state.finish.as_ref().map(|finish| finish.report.references()).unwrap_or_default();
        let seen = blocking(move || {
            let snapshot = workspace.snapshot().map_err(|error| error.to_string())?;
            let left_out = left_out(&snapshot);
            let tree = snapshot.tree;
            let changes = diff(workspace.ledger(), workspace.base(), &tree).map_err(|error| error.to_string())?;
            // Causes are cited as the code was, documents as it is.
            let missing = missing(workspace.ledger(), &[workspace.base(), &tree], &references);
            let blemishes = blemishes(workspace.ledger(), workspace.base(), &tree, &changes);
            Ok::<_, String>((tree, changes, missing, blemishes, left_out))
        });
        let (tree, diff, missing_references, blemishes, left_out) = seen.await?.map_err(Failed::Internal)?;
        let violations = Borders::of(state.contract()).map_err(Failed::internal)?.check_result(&diff);
        let event = FinishEvent::Inspected { tree, diff, violations, missing_references, blemishes, left_out };
        self.live.note(vec![Event::Finish(event)], Vec::new()).await;
        Ok(())
    }
}

/// Most paths the journal names of those that are not in the result.
const SKIPPED_NAMED: usize = 20;

fn left_out(snapshot: &Snapshot) -> LeftOut {
    let named = snapshot.skipped.iter().take(SKIPPED_NAMED);
    let named =
        named.map(|skipped| SkippedPath { path: skipped.path.clone(), why: skipped.reason.as_str().to_owned() });
    LeftOut { skipped: named.collect(), n_skipped: snapshot.n_skipped as u64, n_ignored: snapshot.n_ignored as u64 }
}

/// The references that point to no line of any of the trees.
fn missing(ledger: &Ledger, trees: &[&TreeId], references: &[Reference]) -> Vec<String> {
    let exists_in = |tree: &TreeId, reference: &Reference| {
        let path = reference.path.trim_start_matches("./");
        let Ok(Some(bytes)) = file_in(ledger, tree, path) else { return false };
        let n_lines = String::from_utf8_lossy(&bytes).lines().count();
        reference.end_line as usize <= n_lines
    };
    let exists = |reference: &Reference| trees.iter().any(|tree| exists_in(tree, reference));
    let shown = |reference: &Reference| match reference.line == reference.end_line {
        true => format!("{}:{}", reference.path, reference.line),
        false => format!("{}:{}-{}", reference.path, reference.line, reference.end_line),
    };
    references.iter().filter(|reference| !exists(reference)).map(shown).collect()
}

/// Names that editors, merges and crashes leave behind.
const LEFT_BEHIND: [&str; 6] = [".orig", ".rej", ".bak", ".swp", "~", "nohup.out"];

/// New files that look left behind, and conflict markers that were not there before.
fn blemishes(ledger: &Ledger, base: &TreeId, tree: &TreeId, changes: &[FileChange]) -> Vec<String> {
    let mut found = Vec::new();
    for change in changes.iter().filter(|change| change.kind != ChangeKind::Deleted) {
        let path = &change.path;
        if change.kind == ChangeKind::Added && LEFT_BEHIND.iter().any(|end| path.ends_with(end)) {
            found.push(format!("{path}: a file that looks left behind; remove it"));
        }
        let markers = |tree: &TreeId| match file_in(ledger, tree, path) {
            Ok(Some(bytes)) if !change.is_binary => conflict_markers(&String::from_utf8_lossy(&bytes)),
            _ => Vec::new(),
        };
        let now = markers(tree);
        if now.len() > markers(base).len()
            && let Some(line) = now.first()
        {
            found.push(format!("{path}:{line}: a conflict marker; resolve it"));
        }
    }
    found
}

/// Lines of complete conflicts: an opening, a divider and a closing in order.
fn conflict_markers(text: &str) -> Vec<usize> {
    let mut found = Vec::new();
    let mut opened = None;
    let mut is_divided = false;
    for (index, line) in text.lines().enumerate() {
        if line.starts_with("<<<<<<< ") {
            (opened, is_divided) = (Some(index + 1), false);
        } else if line == "=======" && opened.is_some() {
            is_divided = true;
        } else if line.starts_with(">>>>>>> ") && is_divided {
            found.extend(opened.take());
            is_divided = false;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::conflict_markers;

    #[test]
    fn only_whole_conflicts_count() {
        for (text, expected) in [
            ("a\n<<<<<<< ours\nb\n=======\nc\n>>>>>>> theirs\n", vec![2]),
            ("Title\n=======\ntext\n", vec![]),
            ("<<<<<<< is how it begins\n", vec![]),
        ] {
            assert_eq!(conflict_markers(text), expected, "{text}");
        }
    }
}
