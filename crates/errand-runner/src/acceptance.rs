//! Reading and taking a result: its patch, apply, branch, undo. Bound to the tree the person saw.

use crate::refusal::{Refusal, RefusalKind};
use crate::shared::Shared;
use crate::supervisor::Supervisor;
use errand_task::event::{Event, ReviewEvent};
use errand_task::facts::Source;
use errand_task::id::{CommitId, TaskId, TreeId};
use errand_task::state::State;
use errand_workspace::apply::{self, BlockReason, Blocker, Deed, Outcome, Selection, Undone};
use errand_workspace::branch::{BranchError, NewCommit, write_branch};
use errand_workspace::diff::patch;
use errand_workspace::dirty;
use errand_workspace::ledger::Ledger;
use errand_workspace::source;
use std::path::Path;
use std::sync::Arc;

/// What an apply, a branch or an undo touched.
pub struct Touched {
    pub target: String,
    pub files: Vec<String>,
    /// Left out, with the reason.
    pub skipped: Vec<String>,
}

impl Supervisor {
    /// The result as a git patch; empty when nothing is changed.
    pub async fn patch(&self, task: &TaskId) -> Result<Vec<u8>, Refusal> {
        let state = self.state(task).await?;
        let (Some(result), Some(workspace)) = (&state.result, &state.workspace) else { return Ok(Vec::new()) };
        let (shared, facts) = (Arc::clone(&self.shared), state.submitted.source.clone());
        let (base, tree) = (workspace.base_tree.clone(), result.tree.clone());
        blocking(move || {
            let ledger = shared.ledger_of_task(&facts).map_err(Refusal::internal)?;
            patch(&ledger, &base, &tree, Selection::All).map_err(Refusal::internal)
        })
        .await
    }

    /// Writes the result into the person's checkout, all of it or nothing.
    pub async fn apply(self: &Arc<Self>, task: &TaskId, seen: Option<&str>) -> Result<Touched, Refusal> {
        let _one_at_a_time = self.applying.lock().await;
        let state = self.state(task).await?;
        let (base, tree) = takeable(&state, seen)?;
        // What an earlier turn wrote is what this one builds on.
        let base = state.applied().map_or(base, |applied| applied.tree.clone());
        if base == tree {
            return Err(Refusal::usage(
                "this result is applied already",
                format!("take it back with: errand undo {task}"),
            ));
        }
        let (shared, facts, wanted) = (Arc::clone(&self.shared), state.submitted.source.clone(), tree.clone());
        let outcome = blocking(move || {
            let ledger = shared.ledger_of_task(&facts).map_err(Refusal::internal)?;
            let source = source::Source::open(&shared.git, Path::new(&facts.repository)).map_err(Refusal::internal)?;
            let plan = |selection: Selection<'_>| {
                apply::plan(&ledger, &source, &shared.home, &base, &wanted, selection).map_err(Refusal::internal)
            };
            // Links are written only when they are chosen by name: all else is applied without them.
            let whole = plan(Selection::All)?;
            let is_link = |blocker: &&Blocker| blocker.reason == BlockReason::Link;
            let links: Vec<_> = whole.blockers().iter().filter(is_link).map(|blocker| blocker.path.clone()).collect();
            let plan = match links.is_empty() {
                true => whole,
                false => {
                    let files: Vec<_> = whole.files().iter().map(|file| file.path.clone()).collect();
                    let others = whole.blockers().iter().map(|blocker| blocker.path.clone());
                    let rest: Vec<_> = others.filter(|path| !links.contains(path)).chain(files).collect();
                    plan(Selection::Only(&rest))?
                }
            };
            plan.apply(&shared.home).map(|outcome| (outcome, links)).map_err(Refusal::internal)
        })
        .await?;
        let (outcome, links) = outcome;
        match outcome {
            Outcome::Blocked(blockers) => {
                let list: Vec<_> =
                    blockers.iter().map(|blocker| format!("{}: {}", blocker.path, blocker.reason)).collect();
                Err(Refusal::usage(
                    format!("nothing was applied: {}", list.join("; ")),
                    format!(
                        "commit or move your change away, or take it as a branch: errand apply {task} --branch NAME"
                    ),
                ))
            }
            Outcome::Applied { record, files } => {
                let (skipped, written): (Vec<_>, Vec<_>) =
                    files.into_iter().partition(|file| file.deed == Deed::SkipSubmodule);
                let files: Vec<_> = written.into_iter().map(|file| file.path).collect();
                let event = ReviewEvent::Applied { tree, record, files: files.clone() };
                self.tell(task, vec![Event::Review(event)]).await?;
                let links = links.into_iter().map(|path| format!("{path}: a link; apply --branch has it"));
                let skipped =
                    skipped.into_iter().map(|file| format!("{}: a submodule", file.path)).chain(links).collect();
                Ok(Touched { target: state.submitted.source.repository, files, skipped })
            }
        }
    }

    /// Makes a branch of the person's repository with the result as one commit; the checkout stays as it is.
    pub async fn branch(self: &Arc<Self>, task: &TaskId, name: &str, seen: Option<&str>) -> Result<Touched, Refusal> {
        let _one_at_a_time = self.applying.lock().await;
        let state = self.state(task).await?;
        let (_, tree) = takeable(&state, seen)?;
        let message = commit_message(&state);
        let (shared, facts, wanted) = (Arc::clone(&self.shared), state.submitted.source.clone(), tree.clone());
        let (branch, at) = (name.to_owned(), crate::clock::now_ms() / 1_000);
        let commit = blocking(move || {
            let ledger = shared.ledger_of_task(&facts).map_err(Refusal::internal)?;
            let source = source::Source::open(&shared.git, Path::new(&facts.repository)).map_err(Refusal::internal)?;
            let (parent, wanted) = match &facts.dirty {
                None => (facts.base_commit.clone(), wanted),
                Some(dirty) => {
                    (dirty.head.clone(), without_uncommitted(&shared, &ledger, &facts, &dirty.head, &wanted)?)
                }
            };
            let new = NewCommit { parent: &parent, tree: &wanted, message: &message, at };
            write_branch(&ledger, &source, &branch, &new).map_err(|error| match error {
                BranchError::BadName(_) | BranchError::Exists(_) | BranchError::Clashes(_) => {
                    Refusal::usage(error, "choose another name")
                }
                BranchError::ParentGone(_) => Refusal::usage(error, "apply it to the checkout instead"),
                BranchError::Foreign(_) => Refusal::usage(error, "put a plain file or folder there, not a link"),
                BranchError::UnsafePath(_) => Refusal::usage(error, "ask for a result without it"),
                _ => Refusal::internal(error),
            })
        })
        .await?;
        let event = ReviewEvent::Branched { tree, branch: name.to_owned(), commit };
        self.tell(task, vec![Event::Review(event)]).await?;
        let files = state.result.into_iter().flat_map(|result| result.diff).map(|change| change.path).collect();
        let skipped = match &state.submitted.source.dirty {
            Some(dirty) if dirty.n_changed > 0 => {
                vec!["your uncommitted changes; the checks ran with them, so check the branch by itself".to_owned()]
            }
            Some(_) | None => Vec::new(),
        };
        Ok(Touched { target: format!("branch {name}"), files, skipped })
    }

    /// Takes the last apply back.
    pub async fn undo(self: &Arc<Self>, task: &TaskId) -> Result<Touched, Refusal> {
        let _one_at_a_time = self.applying.lock().await;
        let state = self.state(task).await?;
        let Some(applied) = state.applied().cloned() else {
            return Err(Refusal::usage(
                "nothing of this task is applied",
                format!("apply it with: errand apply {task}"),
            ));
        };
        let (home, record) = (self.shared.home.clone(), applied.record);
        let undone = blocking(move || apply::undo(&home, &record).map_err(Refusal::internal)).await?;
        match undone {
            Undone::Blocked(files) => Err(Refusal::usage(
                format!("nothing was taken back: you changed {} since", files.join(", ")),
                "put these files back as the apply wrote them, or undo by hand with git",
            )),
            Undone::Undone { n_files: _ } => {
                let files: Vec<_> =
                    state.result.into_iter().flat_map(|result| result.diff).map(|change| change.path).collect();
                let event = ReviewEvent::Undone { tree: applied.tree, files: files.clone() };
                self.tell(task, vec![Event::Review(event)]).await?;
                Ok(Touched { target: state.submitted.source.repository, files, skipped: Vec::new() })
            }
        }
    }
}

/// Base and result of a task whose result may be taken now.
fn takeable(state: &State, seen: Option<&str>) -> Result<(TreeId, TreeId), Refusal> {
    if !state.status().is_resting() {
        return Err(Refusal {
            kind: RefusalKind::TryLater,
            text: format!("task {} is still working", state.id),
            hint: Some(format!("wait for it: errand wait {}", state.id)),
        });
    }
    let (Some(result), Some(workspace)) = (&state.result, &state.workspace) else {
        return Err(Refusal::usage("the task has no result", "errand show says what happened"));
    };
    if result.diff.is_empty() {
        return Err(Refusal::usage("the result changes nothing", "there is nothing to apply"));
    }
    if let Some(seen) = seen
        && seen != result.tree.as_str()
    {
        return Err(Refusal::usage(
            format!("the result is {} now, not {seen}", result.tree),
            format!("look at it again: errand diff {}", state.id),
        ));
    }
    Ok((workspace.base_tree.clone(), result.tree.clone()))
}

/// The result's changes on the person's commit alone: a branch must not take their uncommitted changes along.
fn without_uncommitted(
    shared: &Shared,
    ledger: &Ledger,
    facts: &Source,
    head: &CommitId,
    result: &TreeId,
) -> Result<TreeId, Refusal> {
    let head = ledger.tree_of(head).map_err(Refusal::internal)?;
    let base = ledger.tree_of(&facts.base_commit).map_err(Refusal::internal)?;
    let merged = dirty::onto_head(ledger, &shared.home, [&head, &base, result]).map_err(Refusal::internal)?;
    merged.map_err(|paths| {
        Refusal::usage(
            format!("no branch was made: the result builds on your uncommitted changes of {}", paths.join(", ")),
            "apply it to the checkout and commit both there",
        )
    })
}

fn commit_message(state: &State) -> String {
    let summary = state.finish.as_ref().map(|finish| finish.report.summary.trim()).unwrap_or_default();
    let first = state.contract().goal.lines().next().unwrap_or_default();
    let subject: String = first.chars().take(72).collect();
    format!("{subject}\n\n{summary}\n\nMade by errand, task {}.", state.id)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Refusal> + Send + 'static) -> Result<T, Refusal> {
    tokio::task::spawn_blocking(work).await.map_err(Refusal::internal)?
}
