//! The workspace is laid out before the first thing that needs it: a setup command, a baseline check or a tool call.
//!
//! A job without these can ask the model at once; its first request does not wait for files to be written.

use super::ending;
use crate::action::Action;
use crate::state::State;
use crate::verdict::End;

pub fn rule(state: &State) -> Option<Action> {
    if state.workspace.is_some() {
        return None;
    }
    if let Some(text) = &state.prepare_failed {
        return Some(ending::end(state, End::EnvironmentNotReady { text: text.clone() }));
    }
    let contract = state.contract();
    let needs_it = !contract.setup.is_empty()
        || !contract.checks.is_empty()
        || state.calls.iter().any(|open| open.result.is_none());
    needs_it.then_some(Action::PrepareWorkspace)
}
