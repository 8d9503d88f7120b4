//! Steps, minutes and dollars: asked before every request, never in the middle of a step or of the gates.
//!
//! Minutes are working time: while a task waits for a person its clock stands still.

use super::ending;
use crate::action::Action;
use crate::state::State;
use crate::verdict::{End, Limit};

pub fn rule(state: &State) -> Option<Action> {
    let budget = &state.contract().budget;
    let n_steps = state.n_steps.saturating_sub(state.turn.first_step);
    let elapsed_ms = state.now_ms.saturating_sub(state.turn.started_at_ms).saturating_sub(state.turn.parked_ms);
    let used = |n: u32, unit: &str| match n {
        1 => format!("the one {unit} is used"),
        n => format!("all {n} {unit}s are used"),
    };
    let (limit, text) = if let Some(short) = state.turn.unaffordable {
        let text = format!(
            "the next request could cost {} and {} of the budget of {} are left; raise it with: errand reply {} \
             --budget USD \"go on\"",
            short.needed, short.left, budget.dollars, state.id
        );
        (Limit::Dollars, text)
    } else if n_steps >= budget.steps {
        (Limit::Steps, used(budget.steps, "step"))
    } else if elapsed_ms >= i64::from(budget.minutes) * 60_000 {
        (Limit::Minutes, used(budget.minutes, "minute"))
    } else {
        return None;
    };
    Some(ending::end(state, End::LimitReached { limit, text }))
}
