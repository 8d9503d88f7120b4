//! How rules end a turn or send a report back; not a rule itself.
//!
//! Every call of the model gets exactly one result before a turn ends, so that a follow-up can go on from there.

use crate::action::Action;
use crate::contract::Mode;
use crate::event::{Event, FinishEvent, TaskEvent, ToolEvent};
use crate::id::CallId;
use crate::report::Outcome;
use crate::state::{Finish, Inspection, OpenCall, State};
use crate::text::Text;
use crate::verdict::{End, Verdict};

/// Rounds in which a report is sent back before the turn ends with what failed.
pub const MAX_REJECTIONS: u32 = 3;
/// How often a turn makes a workspace anew that somebody removes.
pub const MAX_LOSSES: u32 = 3;
/// Lines of findings the model is shown.
const MAX_FINDING_LINES: usize = 40;

/// Ends the turn. A workspace that may have changed since the last look is inspected first, so nothing done is lost from
/// sight; the look itself counts the touches it has seen, so it is taken once.
pub fn end(state: &State, end: End) -> Action {
    let n_seen = state.result.as_ref().map_or(0, |result| result.n_touches);
    if let Some(workspace) = &state.workspace
        && state.n_touches != n_seen
    {
        let is_hopeless = state.prepare_failed.is_some() || state.turn.n_losses > MAX_LOSSES;
        match workspace.is_gone {
            false => return Action::InspectResult,
            true if !is_hopeless => return Action::PrepareWorkspace,
            true => {}
        }
    }
    let mut events = results_of_open_calls(state, "the turn ended");
    events.push(Event::Task(TaskEvent::Ended { end }));
    Action::Record(events)
}

/// What every call without a result is answered with when something else comes first.
pub fn results_of_open_calls(state: &State, what_happened: &str) -> Vec<Event> {
    let cut = |open: &OpenCall| {
        let text = match open.started {
            Some(_) => format!("cut off: {what_happened} while it ran; it may have changed files"),
            None => format!("not run: {what_happened} before it"),
        };
        result(&open.call.id, &text, Failed::Yes)
    };
    state.calls.iter().filter(|open| open.result.is_none()).map(cut).collect()
}

/// Looks at the result; a job that needed no workspace until now gets one for that.
pub fn inspect(state: &State) -> Action {
    match &state.workspace {
        Some(workspace) if !workspace.is_gone => Action::InspectResult,
        Some(_) | None => Action::PrepareWorkspace,
    }
}

/// Crossed borders are worse than any other finding.
pub fn worst(seen: Option<&Inspection>, verdict: Verdict) -> Verdict {
    let is_crossed = seen.is_some_and(|seen| !seen.violations.is_empty());
    if is_crossed { Verdict::ContractViolated } else { verdict }
}

/// What of the work the result cannot hold, for the model. Said once a turn, as it may be meant, and never when that alone
/// would end the turn.
pub fn left_out(state: &State, finish: &Finish) -> Vec<String> {
    let left_out = finish.inspected.as_ref().map(|seen| &seen.left_out);
    let Some(left_out) = left_out.filter(|left_out| left_out.n_skipped > 0) else { return Vec::new() };
    let turn = &state.turn;
    let is_work =
        matches!(finish.report.outcome, Outcome::Done | Outcome::Partial) && state.contract().mode == Mode::Change;
    if !is_work || turn.was_told_left_out || turn.n_rejections >= MAX_REJECTIONS {
        return Vec::new();
    }
    let mut findings: Vec<_> = left_out
        .skipped
        .iter()
        .map(|skipped| format!("{}: not in the result: {}", skipped.path, skipped.why))
        .collect();
    if left_out.n_unnamed() > 0 {
        findings.push(format!("… and {} more paths that are not in the result", left_out.n_unnamed()));
    }
    findings.push(
        "Remove what is not in the result, or put what matters of it into plain files; else call finish again."
            .to_owned(),
    );
    findings
}

/// Sends the report back with its findings, or ends the turn with `verdict` when that happened often enough.
pub fn reject(state: &State, finish: &Finish, mut findings: Vec<String>, verdict: Verdict) -> Action {
    if state.turn.n_rejections >= MAX_REJECTIONS {
        return accept(state, finish, verdict);
    }
    findings.extend(left_out(state, finish));
    let mut text = String::from("not accepted:\n");
    let lines: Vec<_> = findings.iter().flat_map(|finding| finding.lines()).collect();
    for line in lines.iter().take(MAX_FINDING_LINES) {
        text.push_str(line);
        text.push('\n');
    }
    match lines.len().saturating_sub(MAX_FINDING_LINES) {
        0 => {}
        1 => text.push_str("… and 1 more line\n"),
        n => text.push_str(&format!("… and {n} more lines\n")),
    }
    text.push_str(&match MAX_REJECTIONS - state.turn.n_rejections {
        0 | 1 => "This was the last round: the next finish ends the job, whatever it finds.".to_owned(),
        n => format!("Mend this and call finish again ({n} more finishes are looked at)."),
    });
    Action::Record(vec![result(&finish.call, &text, Failed::Yes), Event::Finish(FinishEvent::Rejected { findings })])
}

/// Ends the turn with a verdict, or a worse one when the result crosses borders; the call of `finish` gets its result. A
/// report that failed before the result was looked at is no way around the look.
pub fn accept(state: &State, finish: &Finish, verdict: Verdict) -> Action {
    if finish.inspected.is_none() {
        return inspect(state);
    }
    let verdict = worst(finish.inspected.as_ref(), verdict);
    let mut events = Vec::new();
    if state.calls.iter().any(|open| open.call.id == finish.call && open.result.is_none()) {
        events.push(result(&finish.call, closing(verdict), Failed::No));
    }
    events.push(Event::Task(TaskEvent::Ended { end: End::Completed { verdict } }));
    Action::Record(events)
}

fn closing(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Verified => "the job is over: its checks are green and its borders are kept",
        Verdict::Delivered => "the job is over: the document is delivered",
        Verdict::Unverified => "the job is over: the result is not verified",
        Verdict::ChecksFailed => "the job is over: its checks are red",
        Verdict::ContractViolated => "the job is over: the result crosses its borders",
    }
}

enum Failed {
    Yes,
    No,
}

fn result(call: &CallId, text: &str, failed: Failed) -> Event {
    Event::Tool(ToolEvent::Ended {
        call: call.clone(),
        output: Text::inline(text),
        is_error: matches!(failed, Failed::Yes),
        runs: Vec::new(),
        changed: Vec::new(),
        duration_ms: 0,
    })
}
