//! What the worker does next. Closed: everything a task can need done is one of these.

use crate::event::Event;
use crate::facts::Phase;
use crate::id::TreeId;

#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Nothing, until somebody acts on the task.
    Rest,
    /// Nothing before this time (milliseconds since the epoch), unless somebody acts on the task.
    WaitUntil {
        at_ms: i64,
    },
    /// The decision is the whole effect: write these events.
    Record(Vec<Event>),
    /// Bring the base into the ledger and lay out the workspace.
    PrepareWorkspace,
    /// Run a check of the contract.
    RunCheck {
        phase: Phase,
        index: u32,
    },
    /// Measure what the model should know first and fix prompt, tools and opening message.
    Brief,
    /// Put the workspace back to `tree`, what it was before this step.
    Rewind {
        step: u32,
        tree: TreeId,
    },
    CallModel {
        step: u32,
        attempt: u32,
    },
    /// Perform every call of the last response that has no result yet.
    CallTools,
    /// Take the workspace's tree and hold it against the contract.
    InspectResult,
}
