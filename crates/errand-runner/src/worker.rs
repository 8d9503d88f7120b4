//! The loop: fold, decide, perform, write down.

use crate::commands::Command;
use crate::live::Live;
use crate::perform::{self, Failed};
use crate::private_files;
use crate::shared::Shared;
use errand_task::action::Action;
use errand_task::decide::decide;
use errand_task::event::{Event, PersonEvent, TaskEvent, WorkspaceEvent};
use errand_task::verdict::End;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::mpsc;

/// Where a worker stands when its loop ends.
#[derive(Debug, PartialEq, Eq)]
pub enum Left {
    /// Nothing more to do until a person acts.
    Resting,
    /// The journal failed: nothing can be said to have happened.
    Broken(String),
}

pub async fn run(shared: &Arc<Shared>, live: &Arc<Live>, inbox: &mut mpsc::Receiver<Command>) -> Left {
    let state = live.state().await;
    // Before anything of the task is told again, after a restart too.
    private_files::know(&shared.secrets, &state.contract().include, &private_files::private_dir(shared, &state.id));
    let mut desk = perform::Desk::new(Arc::clone(shared), Arc::clone(live));
    loop {
        while let Ok(command) = inbox.try_recv() {
            hear(live, command).await;
        }
        if shared.is_draining.load(Ordering::Relaxed) {
            let outcome = live.commit().await;
            return outcome.map_or_else(|error| Left::Broken(error.to_string()), |()| Left::Resting);
        }
        let action = decide(&live.state().await);
        let outcome = match action {
            Action::Rest => {
                let outcome = live.commit().await;
                return outcome.map_or_else(|error| Left::Broken(error.to_string()), |()| Left::Resting);
            }
            Action::WaitUntil { at_ms } => wait(live, inbox, at_ms).await,
            Action::Record(events) => {
                live.note(events, Vec::new()).await;
                Ok(())
            }
            Action::PrepareWorkspace
            | Action::RunCheck { .. }
            | Action::Brief
            | Action::Rewind { .. }
            | Action::CallModel { .. }
            | Action::CallTools
            | Action::InspectResult => perform_listening(live, &mut desk, inbox, action).await,
        };
        match outcome {
            Ok(()) => {}
            Err(Failed::Lost) => {
                desk.let_go().await;
                live.note(vec![Event::Workspace(WorkspaceEvent::Lost)], Vec::new()).await;
            }
            Err(Failed::Store(error)) => return Left::Broken(error.to_string()),
            Err(Failed::Internal(text)) => {
                live.note(vec![Event::Task(TaskEvent::Ended { end: End::Internal { text } })], Vec::new()).await;
            }
        }
    }
}

/// Performs an action while people can speak. A stop breaks it off; the next decision sees what is left of it.
async fn perform_listening(
    live: &Arc<Live>,
    desk: &mut perform::Desk,
    inbox: &mut mpsc::Receiver<Command>,
    action: Action,
) -> Result<(), Failed> {
    {
        let performing = desk.perform(action);
        tokio::pin!(performing);
        loop {
            let command = tokio::select! {
                outcome = &mut performing => return outcome,
                Some(command) = inbox.recv() => command,
            };
            let stops = command.events.contains(&Event::Person(PersonEvent::StopRequested));
            hear(live, command).await;
            if stops {
                break;
            }
        }
    }
    desk.break_off().await;
    Ok(())
}

async fn wait(live: &Arc<Live>, inbox: &mut mpsc::Receiver<Command>, at_ms: i64) -> Result<(), Failed> {
    live.commit().await?;
    let left_ms = u64::try_from(at_ms - live.state().await.now_ms).unwrap_or(0);
    tokio::select! {
        () = tokio::time::sleep(Duration::from_millis(left_ms)) => {}
        Some(command) = inbox.recv() => hear(live, command).await,
    }
    Ok(())
}

/// Writes down what a person said and answers.
async fn hear(live: &Arc<Live>, command: Command) {
    let outcome = live.record(command.events, Vec::new()).await;
    let answer = match outcome {
        Ok(()) => Ok(live.state().await),
        Err(error) => Err(error),
    };
    // The person may have gone.
    let _ = command.reply.send(answer);
}
