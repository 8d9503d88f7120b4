//! Gate 1: the report says what its kind of job must say.

use super::ending;
use crate::action::Action;
use crate::contract::Mode;
use crate::report::{Outcome, Report};
use crate::state::State;
use crate::verdict::Verdict;

pub fn rule(state: &State) -> Option<Action> {
    let finish = state.finish.as_ref()?;
    if finish.report.outcome != Outcome::Done {
        return None;
    }
    let needs_cause = state.contract().regression.is_some();
    let findings = missing(&finish.report, state.contract().mode, needs_cause);
    (!findings.is_empty()).then(|| ending::reject(state, finish, findings, Verdict::Unverified))
}

fn missing(report: &Report, mode: Mode, needs_cause: bool) -> Vec<String> {
    let mut findings = Vec::new();
    let mut say = |text: &str| findings.push(text.to_owned());
    if report.summary.trim().is_empty() {
        say("summary is empty: say in at most three sentences what was done");
    }
    let has_cause = report.cause.as_ref().is_some_and(|cause| !cause.text.trim().is_empty());
    if needs_cause && !has_cause {
        say("cause is missing: name the root cause with its places as path:line");
    }
    let has_document = report.document.as_ref().is_some_and(|document| !document.trim().is_empty());
    match mode {
        Mode::Change => {}
        Mode::Plan if !has_document => say("document is missing: a plan or map is delivered there, as Markdown"),
        Mode::Answer if !has_document => say("document is missing: the answer is delivered there, as Markdown"),
        Mode::Plan | Mode::Answer => {
            if report.references().is_empty() {
                say("the document cites no place: support what it says with path:line references");
            }
        }
    }
    findings
}
