//! The person wants the files as they were before a step. Calls that a fault of ours left open are answered, not run; what
//! is there now is looked at, so that it stays in the journal; then the files are put back.
//!
//! The conversation is kept whole: the model is told, so what was sent before stays a prefix of what is sent next.

use super::ending;
use crate::action::Action;
use crate::state::State;

pub fn rule(state: &State) -> Option<Action> {
    let rewind = state.rewind.as_ref()?;
    let results: Vec<_> = ending::results_of_open_calls(state, "the files were put back to an earlier step");
    if !results.is_empty() {
        return Some(Action::Record(results));
    }
    let n_seen = state.result.as_ref().map_or(0, |result| result.n_touches);
    if state.n_touches != n_seen {
        return Some(Action::InspectResult);
    }
    Some(Action::Rewind { step: rewind.step, tree: rewind.tree.clone() })
}
