//! A request without an outcome was cut by a crash. It may have been billed; it is asked once more.

use crate::action::Action;
use crate::event::{Event, ModelEvent};
use crate::state::State;

pub fn rule(state: &State) -> Option<Action> {
    let request = state.request.as_ref()?;
    Some(Action::Record(vec![Event::Model(ModelEvent::Interrupted {
        step: request.step,
        attempt: request.attempt,
        uncertain: request.reserved,
    })]))
}
