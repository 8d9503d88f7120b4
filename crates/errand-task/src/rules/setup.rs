//! The setup commands run in the fresh workspace, in order, before the checks are measured and before a cent is spent.
//!
//! One that fails ends the task with its output: without it nothing that follows would mean anything.

use super::ending;
use crate::action::Action;
use crate::facts::{CheckRecord, Phase};
use crate::state::State;
use crate::verdict::End;

pub fn rule(state: &State) -> Option<Action> {
    if state.brief.is_some() {
        return None;
    }
    if let Some(red) = state.setup.iter().find(|record| !record.is_green()) {
        return Some(ending::end(state, End::EnvironmentNotReady { text: why_not_ready(red) }));
    }
    let next = state.setup.len();
    (next < state.contract().setup.len()).then_some(Action::RunCheck { phase: Phase::Setup, index: next as u32 })
}

fn why_not_ready(record: &CheckRecord) -> String {
    let mut text =
        format!("the setup command `{}` failed in the workspace ({})", record.command, record.end.headline());
    if !record.excerpt.trim().is_empty() {
        text.push_str(&format!(":\n{}", record.excerpt.trim_end()));
    }
    text
}
