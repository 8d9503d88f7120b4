//! How rules end a turn or send a report back; not a rule itself.
//!
//! Every call of the model gets exactly one result before a turn ends, so that a follow-up can go on from there.

use crate::action::Action;
use crate::event::{Event, FinishEvent, TaskEvent, ToolEvent};
use crate::id::CallId;
use crate::state::{Finish, State};
use crate::text::Text;
use crate::verdict::{End, Verdict};

/// Rounds in which a report is sent back before the turn ends with what failed.
pub const MAX_REJECTIONS: u32 = 3;
/// Lines of findings the model is shown.
const MAX_FINDING_LINES: usize = 40;

/// Ends the turn. A workspace that changed since the last look is inspected first, so nothing done is lost from sight.
pub fn end(state: &State, end: End) -> Action {
    let is_inspected = state.result.as_ref().is_some_and(|result| result.order == state.n_results);
    let may_have_changed = state.workspace.is_some() && state.n_results > 0;
    if may_have_changed && !is_inspected {
        return Action::InspectResult;
    }
    let open = state.calls.iter().filter(|open| open.result.is_none());
    let mut events: Vec<_> =
        open.map(|open| result(&open.call.id, "not run: the turn ended before it", Failed::Yes)).collect();
    events.push(Event::Task(TaskEvent::Ended { end }));
    Action::Record(events)
}

/// Sends the report back with its findings, or ends the turn with `verdict` when that happened often enough.
pub fn reject(state: &State, finish: &Finish, findings: Vec<String>, verdict: Verdict) -> Action {
    if state.turn.n_rejections >= MAX_REJECTIONS {
        return accept(state, finish, verdict);
    }
    let n_left = MAX_REJECTIONS - state.turn.n_rejections - 1;
    let mut text = String::from("not accepted:\n");
    let lines: Vec<_> = findings.iter().flat_map(|finding| finding.lines()).collect();
    for line in lines.iter().take(MAX_FINDING_LINES) {
        text.push_str(line);
        text.push('\n');
    }
    if lines.len() > MAX_FINDING_LINES {
        text.push_str(&format!("… and {} more lines\n", lines.len() - MAX_FINDING_LINES));
    }
    text.push_str(&match n_left {
        0 => "This was the last round: the next finish ends the job, whatever it finds.".to_owned(),
        n => format!("Mend this and call finish again ({n} more rounds are looked at)."),
    });
    Action::Record(vec![result(&finish.call, &text, Failed::Yes), Event::Finish(FinishEvent::Rejected { findings })])
}

/// Ends the turn with a verdict; the call of `finish` gets its result.
pub fn accept(state: &State, finish: &Finish, verdict: Verdict) -> Action {
    let mut events = Vec::new();
    if state.calls.iter().any(|open| open.call.id == finish.call && open.result.is_none()) {
        events.push(result(&finish.call, &format!("the job ended as {verdict}"), Failed::No));
    }
    events.push(Event::Task(TaskEvent::Ended { end: End::Completed { verdict } }));
    Action::Record(events)
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
