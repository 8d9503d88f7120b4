//! Before the first request the prompt, the tools and the measured facts are fixed for the life of the task.

use crate::action::Action;
use crate::state::State;

pub fn rule(state: &State) -> Option<Action> {
    state.brief.is_none().then_some(Action::Brief)
}
