//! Gate 3: every place the report cites is there.

use super::ending;
use crate::action::Action;
use crate::state::State;
use crate::verdict::Verdict;

pub fn rule(state: &State) -> Option<Action> {
    let finish = state.finish.as_ref()?;
    let missing = &finish.inspected.as_ref()?.missing_references;
    (!missing.is_empty()).then(|| {
        let findings = missing.iter().map(|place| format!("{place}: there is no such place")).collect();
        ending::reject(state, finish, findings, Verdict::Unverified)
    })
}
