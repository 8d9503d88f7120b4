//! Gate 6: with only the new tests the old code fails the regression command, and the result passes it.

use super::ending;
use crate::action::Action;
use crate::facts::{CheckRecord, Phase, RunEnd};
use crate::report::Outcome;
use crate::state::State;
use crate::verdict::Verdict;

pub fn rule(state: &State) -> Option<Action> {
    let finish = state.finish.as_ref()?;
    let command = state.contract().regression.as_ref()?;
    if finish.report.outcome != Outcome::Done {
        return None;
    }
    let reject = |finding: String, verdict| Some(ending::reject(state, finish, vec![finding], verdict));
    if let Some(text) = &finish.not_provable {
        return reject(text.clone(), Verdict::Unverified);
    }
    let record = |phase| finish.checks.iter().find(|record| record.phase == phase);
    // A check with the same command has shown this half already.
    let is_shown = |check: &CheckRecord| check.phase == Phase::Result && check.command == *command && check.is_green();
    if !finish.checks.iter().any(is_shown) {
        // First on the result: its clean checkout is there from the checks.
        let Some(new) = record(Phase::RegressionNew) else {
            return Some(Action::RunCheck { phase: Phase::RegressionNew, index: 0 });
        };
        if !new.is_green() {
            let finding =
                format!("`{command}` fails on your result ({}):\n{}", new.end.headline(), new.excerpt.trim_end());
            return reject(finding, Verdict::ChecksFailed);
        }
    }
    let Some(old) = record(Phase::RegressionOld) else {
        return Some(Action::RunCheck { phase: Phase::RegressionOld, index: 0 });
    };
    if shows_failure(old) {
        return None;
    }
    if !old.is_green() {
        let finding = format!(
            "`{command}` does not show the bug on the old code ({}): a regression test must run there and fail\n{}",
            old.end.headline(),
            old.excerpt.trim_end()
        );
        return reject(finding, Verdict::Unverified);
    }
    let finding = format!(
        "`{command}` passes on the old code with your new tests: they do not show the bug; a regression test must fail \
         without the fix"
    );
    reject(finding, Verdict::ChecksFailed)
}

/// Whether the command ran and failed. One that never came to a test has said nothing about the code.
fn shows_failure(record: &CheckRecord) -> bool {
    if record.is_green() {
        return false;
    }
    match &record.end {
        RunEnd::Exited { code } => *code != 0 && !record.end.is_no_command(),
        RunEnd::Killed { .. } | RunEnd::TimedOut => true,
        RunEnd::NotStarted { .. } | RunEnd::Interrupted | RunEnd::TooMuchOutput | RunEnd::OverLimit { .. } => false,
    }
}
