//! Gate 2: the result as a tree keeps the contract's borders, nothing is left lying in it, there is a diff when changes
//! are claimed, and the model knows what of its work a tree cannot hold.

use super::ending;
use crate::action::Action;
use crate::contract::Mode;
use crate::report::Outcome;
use crate::state::State;
use crate::verdict::Verdict;

pub fn rule(state: &State) -> Option<Action> {
    let finish = state.finish.as_ref()?;
    let Some(inspection) = &finish.inspected else {
        return Some(ending::inspect(state));
    };
    if !inspection.violations.is_empty() {
        let findings = inspection.violations.iter().map(ToString::to_string).collect();
        return Some(ending::reject(state, finish, findings, Verdict::ContractViolated));
    }
    if !inspection.blemishes.is_empty() {
        return Some(ending::reject(state, finish, inspection.blemishes.clone(), Verdict::Unverified));
    }
    if !ending::left_out(state, finish).is_empty() {
        return Some(ending::reject(state, finish, Vec::new(), Verdict::Unverified));
    }
    let claims_changes = finish.report.outcome == Outcome::Done && state.contract().mode == Mode::Change;
    (claims_changes && inspection.diff.is_empty()).then(|| {
        let finding = "no file is changed: do the work, or finish with nothing_to_change or blocked and say why";
        ending::reject(state, finish, vec![finding.to_owned()], Verdict::Unverified)
    })
}
