//! One line about a task: what lists show. A projection, written together with the events it derives from.

use crate::contract::Mode;
use crate::id::TaskId;
use crate::money::Pico;
use crate::state::State;
use crate::verdict::{Status, Verdict};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    pub id: TaskId,
    pub name: Option<String>,
    pub goal: String,
    pub mode: Mode,
    pub repository: String,
    pub status: Status,
    pub verdict: Option<Verdict>,
    pub exit_code: Option<u8>,
    /// Why it waits or how it ended, where the status does not say it all.
    pub note: String,
    pub model: String,
    pub n_steps: u32,
    pub spent: Pico,
    pub uncertain: Pico,
    pub budget: Pico,
    pub n_files: u32,
    pub added: u32,
    pub removed: u32,
    pub is_applied: bool,
    pub created_at_ms: i64,
    pub changed_at_ms: i64,
    pub ended_at_ms: Option<i64>,
}

/// Longest goal kept in a summary, in characters.
const GOAL_CHARACTERS: usize = 200;

impl Summary {
    pub fn of(state: &State) -> Self {
        let contract = state.contract();
        let diff = state.result.as_ref().map(|result| result.diff.as_slice()).unwrap_or_default();
        let ended = state.turn.ended.as_ref();
        let note = match (ended, &state.turn.parked) {
            (Some(ended), _) => ended.end.text().to_owned(),
            (None, Some(parked)) => parked.text.clone(),
            (None, None) => state.failures.last().map(|failed| failed.failure.text.clone()).unwrap_or_default(),
        };
        Self {
            id: state.id.clone(),
            name: state.submitted.name.clone(),
            goal: contract.goal.chars().take(GOAL_CHARACTERS).collect(),
            mode: contract.mode,
            repository: state.submitted.source.repository.clone(),
            status: state.status(),
            verdict: state.verdict(),
            exit_code: state.exit_code().map(crate::verdict::ExitCode::code),
            note,
            model: state.brief.as_ref().map_or_else(|| contract.model.clone(), |brief| brief.settings.model.clone()),
            n_steps: state.n_steps,
            spent: state.spend.settled,
            uncertain: state.spend.uncertain,
            budget: contract.budget.dollars,
            n_files: u32::try_from(diff.len()).unwrap_or(u32::MAX),
            added: diff.iter().map(|change| change.added).fold(0, u32::saturating_add),
            removed: diff.iter().map(|change| change.removed).fold(0, u32::saturating_add),
            is_applied: state.applied().is_some(),
            created_at_ms: state.created_at_ms,
            changed_at_ms: state.changed_at_ms,
            ended_at_ms: ended.map(|ended| ended.at_ms),
        }
    }
}
