//! The workspace is laid out before the first thing that needs it: a setup command, a baseline check or a tool call.
//!
//! A job without these can ask the model at once; its first request does not wait for files to be written. One that is
//! gone is made anew in the same way, from its last snapshot.

use super::ending;
use crate::action::Action;
use crate::state::State;
use crate::verdict::End;

pub fn rule(state: &State) -> Option<Action> {
    if state.workspace.as_ref().is_some_and(|workspace| !workspace.is_gone) {
        return None;
    }
    if state.turn.n_losses > ending::MAX_LOSSES {
        let text = format!("its workspace was removed {} times while it worked", state.turn.n_losses);
        return Some(ending::end(state, End::EnvironmentNotReady { text }));
    }
    if let Some(text) = &state.prepare_failed {
        return Some(ending::end(state, End::EnvironmentNotReady { text: text.clone() }));
    }
    let contract = state.contract();
    let comes_first = state.brief.is_none() && !(contract.setup.is_empty() && contract.checks.is_empty());
    let needs_it = comes_first || state.rewind.is_some() || state.calls.iter().any(|open| open.result.is_none());
    needs_it.then_some(Action::PrepareWorkspace)
}
