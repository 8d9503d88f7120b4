//! The person said stop: the turn ends with what is there.

use super::ending;
use crate::action::Action;
use crate::state::State;
use crate::verdict::End;

pub fn rule(state: &State) -> Option<Action> {
    state.turn.stop_requested.then(|| ending::end(state, End::Cancelled))
}
