//! Whole lives: each decision is answered by its plausible outcome until the task rests.

use crate::life::*;
use errand_task::action::Action;
use errand_task::contract::{Draft, Mode};
use errand_task::event::Event;
use errand_task::facts::{FileChange, Phase};
use errand_task::report::{Outcome, Report};
use errand_task::verdict::Verdict;

/// Answers each kind of action; responses of the model are given one after another.
fn live(draft: Draft, mut responses: Vec<(Vec<&'static str>, Option<Report>)>) -> Vec<String> {
    let mut life = Life::of(draft);
    let mut actions = Vec::new();
    responses.reverse();
    for _ in 0..100 {
        let action = life.next();
        actions.push(shown(&action));
        life = match action {
            Action::Rest => return actions,
            Action::WaitUntil { at_ms } => life.after(at_ms - BIRTH_MS),
            Action::Record(events) => life.all(events),
            Action::PrepareWorkspace => life.then(prepared()),
            Action::Brief => life.then(briefed()),
            Action::RunCheck { phase, index } => {
                let code = i32::from(phase == Phase::RegressionOld);
                let command = life.state().contract().checks.get(index as usize).map(|check| check.run.clone());
                life.then(checked(phase, index, &command.unwrap_or_default(), exited(code)))
            }
            Action::CallModel { .. } => life.calls(&responses.last().unwrap().0),
            Action::CallTools => {
                let (calls, report) = responses.pop().unwrap();
                let answer = |id: &&str| match &report {
                    Some(report) if id.starts_with('f') => filed(id, report.clone()),
                    Some(_) | None => edited(id),
                };
                life.all(calls.iter().map(answer))
            }
            Action::InspectResult if life.state().contract().mode.is_read_only() => life.then(inspected_empty()),
            Action::InspectResult => life.then(inspected()),
            Action::Rewind { step, tree } => life.then(rewound(step, tree.as_str())),
        };
    }
    panic!("it does not rest: {actions:#?}");
}

fn shown(action: &Action) -> String {
    match action {
        Action::Record(events) => events.iter().map(Event::kind).collect::<Vec<_>>().join(" + "),
        other => format!("{other:?}"),
    }
}

fn check(draft: Draft, responses: Vec<(Vec<&'static str>, Option<Report>)>, expected: &[&str]) {
    assert_eq!(live(draft, responses), expected);
}

#[test]
fn a_bug_is_mended_and_proven() {
    let responses = vec![(vec!["a", "b"], None), (vec!["c", "f"], Some(with_cause()))];
    check(
        draft(&["make", "make lint"], &[], Some("make t")),
        responses,
        &[
            "PrepareWorkspace",
            "RunCheck { phase: Baseline, index: 0 }",
            "RunCheck { phase: Baseline, index: 1 }",
            "Brief",
            "CallModel { step: 1, attempt: 1 }",
            "CallTools",
            "CallModel { step: 2, attempt: 1 }",
            "CallTools",
            "InspectResult",
            "RunCheck { phase: Result, index: 0 }",
            "RunCheck { phase: Result, index: 1 }",
            "RunCheck { phase: RegressionNew, index: 0 }",
            "RunCheck { phase: RegressionOld, index: 0 }",
            "tool.ended + task.ended",
            "Rest",
        ],
    );
}

#[test]
fn a_plan_is_delivered() {
    let plan = Draft { mode: Some(Mode::Plan), ..Draft::default() };
    check(
        plan,
        vec![(vec!["f"], Some(with_document("nothing cited"))), (vec!["f"], Some(with_document("src/a.rs:3")))],
        &[
            "Brief",
            "CallModel { step: 1, attempt: 1 }",
            "PrepareWorkspace",
            "CallTools",
            "tool.ended + finish.rejected",
            "CallModel { step: 2, attempt: 1 }",
            "CallTools",
            "InspectResult",
            "tool.ended + task.ended",
            "Rest",
        ],
    );
}

#[test]
fn a_blocked_job_ends_at_once() {
    check(
        Draft::default(),
        vec![(vec!["f"], Some(report(Outcome::Blocked)))],
        &[
            "Brief",
            "CallModel { step: 1, attempt: 1 }",
            "PrepareWorkspace",
            "CallTools",
            "InspectResult",
            "tool.ended + task.ended",
            "Rest",
        ],
    );
}

#[test]
fn a_summary_tells_the_end() {
    let life = Life::begun(draft(&["make"], &[], None)).edits().files(report(Outcome::Done)).then(inspected());
    let life = life.after(5).then(checked(Phase::Result, 0, "make", exited(0))).record();
    let summary = errand_task::summary::Summary::of(&life.state());
    let shown = format!(
        "{} {} {} {} {:?} {:?} {} {} {}+{}−{} {:?}",
        summary.id,
        summary.goal,
        summary.mode.as_str(),
        summary.status,
        summary.verdict,
        summary.exit_code,
        summary.model,
        summary.n_steps,
        summary.n_files,
        summary.added,
        summary.removed,
        summary.ended_at_ms.map(|at_ms| at_ms - BIRTH_MS),
    );
    assert_eq!(shown, "7f3a0001 fix the login change completed Some(Verified) Some(0) sonnet 2 1+1−1 Some(5)");
    assert_eq!(life.state().verdict(), Some(Verdict::Verified));
}

#[test]
fn a_summary_counts_without_end() {
    let endless = |path| FileChange { added: u32::MAX, removed: u32::MAX, ..change(path) };
    let life = Life::begun(Draft::default()).edits().then(found(vec![endless("a"), endless("b")], vec![], &[], &[]));
    let summary = errand_task::summary::Summary::of(&life.state());
    assert_eq!((summary.n_files, summary.added, summary.removed), (2, u32::MAX, u32::MAX));
}
