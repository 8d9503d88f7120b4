//! Gate 4: runs the report cites exist, passed, and are younger than the last edit.

use super::ending;
use crate::action::Action;
use crate::report::Outcome;
use crate::state::State;
use crate::verdict::Verdict;

pub fn rule(state: &State) -> Option<Action> {
    let finish = state.finish.as_ref()?;
    if finish.report.outcome != Outcome::Done {
        return None;
    }
    let findings: Vec<_> = finish.report.checks.iter().filter_map(|&number| problem(state, number)).collect();
    (!findings.is_empty()).then(|| ending::reject(state, finish, findings, Verdict::Unverified))
}

fn problem(state: &State, number: u32) -> Option<String> {
    let Some(run) = state.runs.iter().find(|run| run.record.number == number) else {
        return Some(format!("checks cites run {number}, but there was no such run"));
    };
    match &run.record.end {
        None => return Some(format!("checks cites run {number}, which is still running: wait for it")),
        Some(end) if !end.is_success() => {
            return Some(format!("checks cites run {number}, which did not pass ({})", end.headline()));
        }
        Some(_) => {}
    }
    let is_stale = state.last_edit.is_some_and(|edit| edit > run.order);
    is_stale.then(|| format!("checks cites run {number}, but files were edited after it: run it again"))
}
