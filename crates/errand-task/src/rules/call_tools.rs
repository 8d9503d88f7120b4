//! Calls of the last response that have no result yet are performed; a filed report waits for the gates instead.

use crate::action::Action;
use crate::state::State;

pub fn rule(state: &State) -> Option<Action> {
    let filed = state.finish.as_ref().map(|finish| &finish.call);
    let is_open = |open: &crate::state::OpenCall| open.result.is_none() && Some(&open.call.id) != filed;
    state.calls.iter().any(is_open).then_some(Action::CallTools)
}
