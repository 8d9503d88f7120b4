//! Tasks out of the lists and back into them, and workspaces that nobody needs off the disk.
//!
//! A workspace goes only when all it holds is in the ledger: a last snapshot is taken, kept under the task's ref and
//! written down, and then the folder goes by way of the trash. Whoever does that sits in the place of the task's worker,
//! so nothing of the task runs meanwhile and what people say to it waits. Cut at any point it is done again: what is
//! written down is stored, what is not removed yet is looked at again.
//!
//! Then go base trees and layers that no workspace needs any more, and copies of private files whose task is neither in the
//! lists nor among those that can be brought back.

use crate::clock::now_ms;
use crate::live::Live;
use crate::perform::workspace_dir;
use crate::refusal::Refusal;
use crate::shared::Shared;
use crate::supervisor::{Supervisor, meant};
use errand_task::event::{Event, WorkspaceEvent};
use errand_task::id::{TaskId, TreeId};
use errand_task::state::State;
use errand_task::summary::Summary;
use errand_workspace::branch::{self, NewCommit};
use errand_workspace::snapshot::{SkipReason, Snapshot};
use errand_workspace::state_dir;
use errand_workspace::stock;
use errand_workspace::workspace::Workspace;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

/// How long a worker may take to leave after its task has come to rest.
const LEAVING: Duration = Duration::from_secs(10);
const LEAVING_LOOK: Duration = Duration::from_millis(5);
/// A copy of private files may be in the making for that long, under a name of no task.
const BEING_COPIED: Duration = Duration::from_secs(3600);

/// What a task loses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loses {
    ItsWorkspace,
    ItsPlaceInTheLists,
}

impl Supervisor {
    /// Takes a resting task out of the lists and its workspace off the disk; its results and costs stay.
    pub async fn remove(self: &Arc<Self>, task: &TaskId) -> Result<(), Refusal> {
        self.put_away(task, Loses::ItsPlaceInTheLists).await
    }

    /// Brings a removed task back, without a name the one that was removed last.
    pub async fn bring_back(&self, text: Option<&str>) -> Result<Summary, Refusal> {
        let removed: Vec<_> = self.shared.store.removed().await?.into_iter().map(|removed| removed.summary).collect();
        let found = match text {
            None => removed.first().cloned(),
            Some(text) => meant(text, &removed)?,
        };
        let Some(summary) = found else {
            let text = match text {
                None => "no task was removed".to_owned(),
                Some(text) => format!("no task `{text}` was removed"),
            };
            return Err(Refusal::usage(text, "errand ls --removed shows what can be brought back"));
        };
        self.shared.store.restore(&summary.id).await?;
        Ok(summary)
    }

    /// Removes the workspaces of tasks that ended, and that nothing happened to since, at least this long ago. A task that
    /// cannot be stored whole keeps its own. Base trees and layers go when they were not used for as long.
    pub async fn clean_up(self: &Arc<Self>, untouched_for: Duration) {
        let tasks = async {
            let listed = self.shared.store.summaries().await?;
            let removed = self.shared.store.removed().await?;
            let until_ms = now_ms().saturating_sub(i64::try_from(untouched_for.as_millis()).unwrap_or(i64::MAX));
            let is_old = |task: &Summary| task.ended_at_ms.is_some() && task.changed_at_ms <= until_ms;
            // Of a removed task only a crash leaves a workspace behind.
            let left = removed.into_iter().map(|removed| removed.summary.id);
            let old = listed.into_iter().filter(is_old).map(|task| task.id);
            Ok::<Vec<_>, Refusal>(old.chain(left).collect())
        };
        let tasks = match tasks.await {
            Ok(tasks) => tasks,
            Err(error) => return tracing::warn!(error = error.text, "nothing was cleaned up"),
        };
        for task in tasks.into_iter().filter(|task| workspace_dir(&self.shared, task).exists()) {
            if self.shared.is_draining.load(Ordering::Relaxed) {
                return;
            }
            match self.put_away(&task, Loses::ItsWorkspace).await {
                Ok(()) => tracing::info!(%task, "its workspace is stored and removed"),
                Err(error) => tracing::warn!(%task, error = error.text, "its workspace stays"),
            }
        }
        let home = self.shared.home.clone();
        let removed = tokio::task::spawn_blocking(move || stock::remove_unused(&home, untouched_for)).await;
        match removed.map_err(Refusal::internal).and_then(|removed| removed.map_err(Refusal::internal)) {
            Ok(removed) => {
                for path in removed {
                    tracing::info!(path = %path.display(), "no workspace used it, it is removed");
                }
            }
            Err(error) => tracing::warn!(error = error.text, "unused base trees and layers stay"),
        }
        if let Err(error) = self.remove_lost_private_files().await {
            tracing::warn!(error = error.text, "private files of tasks that are gone stay");
        }
    }

    /// Removes copies of private files whose task nobody can bring back.
    async fn remove_lost_private_files(&self) -> Result<(), Refusal> {
        let place = self.shared.home.join("private");
        // Looked at before the tasks are: every task is in the journal before it has a copy.
        let copies: Vec<_> = std::fs::read_dir(&place).into_iter().flatten().flatten().collect();
        let mut known: Vec<_> = self.shared.store.summaries().await?.into_iter().map(|task| task.id).collect();
        known.extend(self.shared.store.removed().await?.into_iter().map(|removed| removed.summary.id));
        let home = self.shared.home.clone();
        let discard = move || {
            let is_lost = |copy: &&std::fs::DirEntry| {
                let made_at = copy.metadata().and_then(|metadata| metadata.modified()).unwrap_or(SystemTime::now());
                let is_known = copy.file_name().to_str().is_some_and(|name| known.iter().any(|id| id.as_str() == name));
                !is_known && made_at.elapsed().is_ok_and(|since| since >= BEING_COPIED)
            };
            copies.iter().filter(is_lost).try_for_each(|copy| state_dir::discard(&home, &copy.path()))
        };
        tokio::task::spawn_blocking(discard).await.map_err(Refusal::internal)?.map_err(Refusal::internal)
    }

    /// Goes on to its end also when nobody waits for it any more.
    async fn put_away(self: &Arc<Self>, task: &TaskId, loses: Loses) -> Result<(), Refusal> {
        let (supervisor, task) = (Arc::clone(self), task.clone());
        tokio::spawn(supervisor.put_away_seated(task, loses)).await.map_err(Refusal::internal)?
    }

    async fn put_away_seated(self: Arc<Self>, task: TaskId, loses: Loses) -> Result<(), Refusal> {
        let began = tokio::time::Instant::now();
        let commands = loop {
            if let Some(commands) = self.take_seat(&task) {
                break commands;
            }
            // A worker leaves a moment after its task has come to rest.
            if began.elapsed() > LEAVING || !self.state(&task).await?.status().is_resting() {
                return Err(still_working(&task));
            }
            tokio::time::sleep(LEAVING_LOOK).await;
        };
        let live = Live::load(Arc::clone(&self.shared.store), self.shared.secrets.clone(), task.clone()).await?;
        let outcome = self.put_away_resting(&live, loses, || !commands.is_empty()).await;
        self.leave_seat(live, commands);
        outcome
    }

    async fn put_away_resting(
        &self,
        live: &Live,
        loses: Loses,
        is_spoken_to: impl Fn() -> bool,
    ) -> Result<(), Refusal> {
        let (state, task) = (live.state().await, &live.id);
        if !state.status().is_resting() {
            return Err(still_working(task));
        }
        let (shared, asked) = (Arc::clone(&self.shared), state.clone());
        let stored = tokio::task::spawn_blocking(move || store(&shared, &asked)).await.map_err(Refusal::internal)??;
        if let Some(tree) = stored {
            live.record(vec![Event::Workspace(WorkspaceEvent::Removed { tree })], Vec::new()).await?;
        }
        if loses == Loses::ItsPlaceInTheLists {
            self.shared.store.remove(task, now_ms()).await?;
            if is_spoken_to() {
                self.shared.store.restore(task).await?;
                return Err(still_working(task));
            }
        }
        let (home, task) = (self.shared.home.clone(), task.clone());
        let discard = move || {
            for place in ["workspaces", "checks"] {
                // What stays is looked at again by the next clean-up.
                let _ = state_dir::discard(&home, &home.join(place).join(task.as_str()));
            }
        };
        tokio::task::spawn_blocking(discard).await.map_err(Refusal::internal)
    }
}

/// Stores what the workspace holds; answers with its tree when that has to be written down.
fn store(shared: &Shared, state: &State) -> Result<Option<TreeId>, Refusal> {
    let dir = workspace_dir(shared, &state.id);
    if !Workspace::is_there(&dir) {
        return Ok(None);
    }
    let ledger = shared.ledger_of_task(&state.submitted.source).map_err(Refusal::internal)?;
    let workspace = Workspace::open(&shared.sandbox, &ledger, &dir).map_err(Refusal::internal)?;
    let snapshot = workspace.snapshot().map_err(Refusal::internal)?;
    check_whole(&snapshot, &state.id, &workspace.tree_dir())?;
    let is_known = state.snapshot.as_ref() == Some(&snapshot.tree);
    if !is_known {
        let base = &state.submitted.source.base_commit;
        let message = format!("workspace of task {}", state.id);
        let new = NewCommit { parent: base, tree: &snapshot.tree, message: &message, at: now_ms() / 1_000 };
        let kept = branch::commit(&ledger, &new).and_then(|commit| ledger.keep(&state.id, &commit));
        kept.map_err(Refusal::internal)?;
    }
    let is_told = is_known && state.workspace.as_ref().is_some_and(|workspace| workspace.is_gone);
    Ok((!is_told).then_some(snapshot.tree))
}

/// Files that a snapshot passed over would be gone for good. Git data and FIFOs hold nothing of the task's work.
fn check_whole(snapshot: &Snapshot, task: &TaskId, files: &Path) -> Result<(), Refusal> {
    let holds_work = |reason: SkipReason| match reason {
        SkipReason::NestedRepository | SkipReason::Special => false,
        SkipReason::Submodule | SkipReason::TooLarge | SkipReason::TooDeep | SkipReason::Unreadable => true,
    };
    let named = snapshot.skipped.iter().filter(|skipped| holds_work(skipped.reason));
    let mut named: Vec<_> = named.map(|skipped| format!("{} ({})", skipped.path, skipped.reason.as_str())).collect();
    match snapshot.n_skipped.saturating_sub(snapshot.skipped.len()) {
        0 => {}
        n => named.push(format!("{n} more paths")),
    }
    if named.is_empty() {
        return Ok(());
    }
    Err(Refusal::usage(
        format!("task {task} stays: its workspace holds what errand cannot store: {}", named.join(", ")),
        format!("move that away from {}, or delete it there, then: errand rm {task}", files.display()),
    ))
}

fn still_working(task: &TaskId) -> Refusal {
    Refusal::usage(format!("task {task} is still working"), format!("stop it first: errand stop {task}"))
}
