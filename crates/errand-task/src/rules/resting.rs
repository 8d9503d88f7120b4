//! An ended turn rests until a person opens a new one; so does a parked one, unless it is to be stopped.

use crate::action::Action;
use crate::state::State;

pub fn rule(state: &State) -> Option<Action> {
    let is_parked = state.turn.parked.is_some() && !state.turn.stop_requested;
    (state.turn.ended.is_some() || is_parked).then_some(Action::Rest)
}
