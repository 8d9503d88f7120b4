//! From a task's state to what the API says about it. Facts come from the journal, claims are labelled.

use crate::api::{
    CheckResult, Claim, ClaimStatus, CommandRun, Cost, Detail, Diff, Disk, LedgerLine, RepositoryDisk, TaskDisk, Terms,
    time,
};
use errand_journal::LedgerRow;
use errand_runner::claims::{self, Support};
use errand_runner::{DiskUse, RepositoryUse, TaskUse};
use errand_task::facts::CheckRecord;
use errand_task::state::{Run, State};
use errand_task::summary::Summary;

pub fn detail(state: &State) -> Detail {
    let summary = Summary::of(state);
    let result = state.result.as_ref();
    let turn = &state.turn;
    let until_ms = turn.ended.as_ref().map_or_else(|| jiff::Timestamp::now().as_millisecond(), |ended| ended.at_ms);
    Detail {
        id: summary.id.to_string(),
        name: summary.name,
        state: summary.status.to_string(),
        verdict: summary.verdict.map(|verdict| verdict.to_string()),
        exit_code: summary.exit_code,
        note: summary.note,
        hint: turn.parked.as_ref().map(|parked| parked.hint.clone()),
        goal: state.contract().goal.clone(),
        contract: Terms::of(state.contract()),
        notices: state.submitted.notices.clone(),
        repository: summary.repository,
        model: summary.model,
        base_commit: state.submitted.source.base_commit.to_string(),
        dirty: state.submitted.source.dirty.clone(),
        result_tree: result.map(|result| result.tree.to_string()),
        workspace: state
            .workspace
            .as_ref()
            .filter(|workspace| !workspace.is_gone)
            .map(|workspace| workspace.root.clone()),
        applied: summary.is_applied,
        turns: turn.number,
        steps: state.n_steps,
        rewinds: state.rewinds.clone(),
        elapsed_ms: until_ms - state.created_at_ms,
        checks: checks(state),
        violations: result
            .map(|result| result.violations.iter().map(ToString::to_string).collect())
            .unwrap_or_default(),
        commands: state.runs.iter().map(command).collect(),
        diff: result.map(|result| Diff::of(&result.diff)).unwrap_or_default(),
        left_out: result.map(|result| result.left_out.clone()).unwrap_or_default(),
        report: state.finish.as_ref().map(|finish| finish.report.clone()),
        // While the gates are at work there is nothing to hold the claims against yet.
        claims: if turn.ended.is_some() { claims::of(state).into_iter().map(claim).collect() } else { Vec::new() },
        network: state.network.clone(),
        places_cited: state.finish.as_ref().map_or(0, |finish| finish.report.references().len()),
        cost: Cost {
            usd: state.spend.settled.as_usd(),
            uncertain_usd: state.spend.uncertain.as_usd(),
            unpriced_responses: state.spend.n_unpriced,
            input_tokens: state.spend.usage.input,
            cache_read_tokens: state.spend.usage.read,
            cache_write_tokens: state.spend.usage.write_5m + state.spend.usage.write_1h,
            output_tokens: state.spend.usage.output,
        },
        created_at: time(state.created_at_ms),
        ended_at: turn.ended.as_ref().map(|ended| time(ended.at_ms)),
    }
}

/// Setup and baseline, then the checks of the newest report.
fn checks(state: &State) -> Vec<CheckResult> {
    let newest = state.finish.as_ref().map_or(state.checked.as_slice(), |finish| finish.checks.as_slice());
    state.setup.iter().chain(&state.baseline).chain(newest).map(check).collect()
}

fn check(record: &CheckRecord) -> CheckResult {
    CheckResult {
        phase: record.phase,
        command: record.command.clone(),
        passed: record.is_green(),
        exit_code: record.end.exit_code(),
        outcome: record.end.headline(),
        runs: record.n_runs,
        failed_runs: record.n_failed,
        duration_ms: record.duration_ms,
        tree: record.tree.to_string(),
        totals: record.totals.clone(),
        excerpt: record.excerpt.clone(),
    }
}

fn command(run: &Run) -> CommandRun {
    CommandRun {
        number: run.record.number,
        command: run.record.command.clone(),
        outcome: run.record.headline(),
        duration_ms: run.record.duration_ms,
        lines: run.record.n_lines,
    }
}

fn claim(claim: claims::Claim) -> Claim {
    let status = match claim.support {
        Support::Supported => ClaimStatus::Supported,
        Support::Unsupported => ClaimStatus::Unsupported,
        Support::Contradicted => ClaimStatus::Contradicted,
    };
    Claim { text: claim.text, status, why: claim.why }
}

pub fn disk(used: &DiskUse) -> Disk {
    let task = |used: &TaskUse| TaskDisk {
        id: used.id.clone(),
        name: used.task.as_ref().and_then(|task| task.name.clone()),
        state: used.task.as_ref().map(|task| match task.verdict {
            Some(verdict) => verdict.to_string(),
            None => task.status.to_string(),
        }),
        goal: used.task.as_ref().map(|task| task.goal.clone()).unwrap_or_default(),
        bytes: used.n_bytes,
    };
    let repository = |used: &RepositoryUse| RepositoryDisk {
        repository: used.repository.clone(),
        parts: used.parts.clone(),
        bytes: used.n_bytes,
    };
    Disk {
        tasks: used.tasks.iter().map(task).collect(),
        repositories: used.repositories.iter().map(repository).collect(),
        trash_bytes: used.trash,
        other_bytes: used.other,
        total_bytes: used.total(),
    }
}

pub fn ledger_line(row: &LedgerRow) -> LedgerLine {
    LedgerLine {
        task: row.task.to_string(),
        at: time(row.at_ms),
        model: row.model.clone(),
        usd: row.settled.as_usd(),
        uncertain_usd: row.uncertain.as_usd(),
        unpriced: row.is_unpriced,
        input_tokens: row.usage.input,
        cache_read_tokens: row.usage.read,
        cache_write_tokens: row.usage.write_5m + row.usage.write_1h,
        output_tokens: row.usage.output,
    }
}
