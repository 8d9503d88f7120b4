//! A report that came through every gate ends the turn with errand's verdict.

use super::ending;
use crate::action::Action;
use crate::report::Outcome;
use crate::state::State;
use crate::verdict::Verdict;

pub fn rule(state: &State) -> Option<Action> {
    let finish = state.finish.as_ref()?;
    let contract = state.contract();
    let verdict = match finish.report.outcome {
        Outcome::Partial | Outcome::Blocked | Outcome::NothingToChange => Verdict::Unverified,
        Outcome::Done if contract.mode.is_read_only() => Verdict::Delivered,
        Outcome::Done if contract.checks.is_empty() && contract.regression.is_none() => Verdict::Unverified,
        Outcome::Done => Verdict::Verified,
    };
    Some(ending::accept(state, finish, verdict))
}
