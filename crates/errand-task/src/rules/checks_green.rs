//! Gate 5: errand runs the contract's checks itself, on a clean checkout of base and result.

use super::ending;
use crate::action::Action;
use crate::facts::{CheckRecord, Phase};
use crate::report::Outcome;
use crate::state::State;
use crate::verdict::Verdict;

pub fn rule(state: &State) -> Option<Action> {
    let finish = state.finish.as_ref()?;
    if finish.inspected.as_ref()?.diff.is_empty() {
        return None;
    }
    let done: Vec<_> = finish.checks.iter().filter(|record| record.phase == Phase::Result).collect();
    if done.len() < state.contract().checks.len() {
        return Some(Action::RunCheck { phase: Phase::Result, index: done.len() as u32 });
    }
    let red: Vec<_> = done.into_iter().filter(|record| !record.is_green()).collect();
    if red.is_empty() || finish.report.outcome != Outcome::Done {
        return None;
    }
    let findings = red.iter().map(|record| finding(state, record)).collect();
    Some(ending::reject(state, finish, findings, Verdict::ChecksFailed))
}

fn finding(state: &State, record: &CheckRecord) -> String {
    let since = match state.baseline.iter().find(|base| base.index == record.index) {
        Some(base) if base.is_green() => ", it passed on the base",
        Some(_) => ", it failed on the base too",
        None => "",
    };
    format!(
        "the check `{}` is red on a clean checkout of your result: {} of {} runs failed ({}{since}); its output is \
         log:check{}\n{}",
        record.command,
        record.n_failed,
        record.n_runs,
        record.end.headline(),
        record.index + 1,
        record.excerpt.trim_end(),
    )
}
