//! What people tell a running task, and how the worker hears it.

use errand_journal::StoreError;
use errand_task::event::Event;
use errand_task::state::State;
use tokio::sync::oneshot;

/// Written into the task's journal by its worker; answered when it is on disk.
pub struct Command {
    pub events: Vec<Event>,
    pub reply: oneshot::Sender<Result<State, StoreError>>,
}
