//! `decide`: from a state to the next action. A walk over an ordered list of rules; the first that speaks decides.
//!
//! A decision is asked for only when nothing of the task is in flight. So an intent without an outcome always means that
//! errand went down in between, and the rules that meet one are the whole of crash recovery.

use crate::action::Action;
use crate::rules::RULES;
use crate::state::State;

pub fn decide(state: &State) -> Action {
    RULES.iter().find_map(|rule| rule(state)).unwrap_or(Action::Rest)
}
