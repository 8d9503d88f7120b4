//! The environment gate: every check runs on the untouched base before a cent is spent.
//!
//! A check that must pass and does not, or that cannot even start, ends the task with its log.

use super::ending;
use crate::action::Action;
use crate::contract::Baseline;
use crate::facts::{CheckRecord, Phase, RunEnd};
use crate::state::State;
use crate::verdict::End;

pub fn rule(state: &State) -> Option<Action> {
    if state.brief.is_some() {
        return None;
    }
    let checks = &state.contract().checks;
    let broken = state.baseline.iter().find_map(|record| {
        let check = checks.get(record.index as usize)?;
        why_not_ready(record, check.baseline)
    });
    if let Some(text) = broken {
        return Some(ending::end(state, End::EnvironmentNotReady { text }));
    }
    let next = state.baseline.len();
    (next < checks.len()).then_some(Action::RunCheck { phase: Phase::Baseline, index: next as u32 })
}

fn why_not_ready(record: &CheckRecord, baseline: Baseline) -> Option<String> {
    let command = &record.command;
    match &record.end {
        end if end.is_no_command() => Some(format!(
            "the check `{command}` cannot run here ({}); correct it or install what it needs",
            end.headline()
        )),
        RunEnd::NotStarted { why } => Some(format!("the check `{command}` cannot run here ({why})")),
        end if !record.is_green() && baseline == Baseline::MustPass => Some(format!(
            "the check `{command}` already fails on the base ({}); if that is what this job is about, say so with \
             --may-fail or `baseline: may-fail`",
            end.headline()
        )),
        RunEnd::Exited { .. }
        | RunEnd::Killed { .. }
        | RunEnd::TimedOut
        | RunEnd::TooMuchOutput
        | RunEnd::OverLimit { .. }
        | RunEnd::Interrupted => None,
    }
}
