//! The end of a report: sent back up to three times, then the verdict of what failed; accepted with errand's own.

use crate::life::*;
use errand_task::action::Action;
use errand_task::borders::Violation;
use errand_task::contract::{Draft, Mode};
use errand_task::event::{Event, FinishEvent};
use errand_task::facts::Phase;
use errand_task::report::{Outcome, Report};
use errand_task::verdict::{ExitCode, Status, Verdict};

#[test]
fn each_outcome_has_its_verdict() {
    let plan = || Draft { mode: Some(Mode::Plan), ..Draft::default() };
    let cited = with_document("src/a.rs:3");
    for (name, draft, report, look, verdict) in [
        ("done, no checks", Draft::default(), report(Outcome::Done), inspected(), Verdict::Unverified),
        ("partial", Draft::default(), report(Outcome::Partial), inspected(), Verdict::Unverified),
        ("blocked", Draft::default(), report(Outcome::Blocked), inspected_empty(), Verdict::Unverified),
        (
            "nothing to change",
            Draft::default(),
            report(Outcome::NothingToChange),
            inspected_empty(),
            Verdict::Unverified,
        ),
        (
            "nothing to change, with checks",
            draft(&["make"], &[], Some("t")),
            report(Outcome::NothingToChange),
            inspected_empty(),
            Verdict::Unverified,
        ),
        ("a plan", plan(), cited, inspected_empty(), Verdict::Delivered),
        ("a blocked plan", plan(), report(Outcome::Blocked), inspected_empty(), Verdict::Unverified),
    ] {
        let life = Life::begun(draft).edits().files(report).then(look);
        assert_eq!(life.next(), closes(verdict), "{name}");
        let state = life.record().state();
        assert_eq!((state.status(), state.verdict()), (Status::Completed, Some(verdict)), "{name}");
        assert!(state.calls.is_empty(), "{name}");
    }
}

/// Files the same report again and again, each time with these events after it, and gives the life before the decision
/// about the fourth. The closing words of each round are checked.
fn rounds(draft: Draft, report: Report, events: &[Event]) -> Life {
    let mut life = Life::begun(draft).edits();
    let closings = [THREE_MORE, "Mend this and call finish again (2 more finishes are looked at).", LAST];
    for closing in closings {
        life = life.files(report.clone()).all(events.iter().cloned());
        let Action::Record(decided) = life.next() else { panic!("{:?}", life.next()) };
        assert!(format!("{:?}", decided[0]).contains(closing), "{decided:?}");
        assert!(matches!(decided[1], Event::Finish(FinishEvent::Rejected { .. })));
        life = life.all(decided);
        assert!(matches!(life.next(), Action::CallModel { .. }));
    }
    life.files(report).all(events.iter().cloned())
}

#[test]
fn after_three_rounds_the_verdict_is_what_failed() {
    let change = || vec![change("src/a.rs")];
    let crossed = found(change(), vec![Violation::NotAllowed { path: "src/a.rs".to_owned() }], &[], &[]);
    let left_lying = found(change(), Vec::new(), &[], &["y.orig: a backup file"]);
    let places = found(change(), Vec::new(), &["x:1"], &[]);
    let red = checked(Phase::Result, 0, "make", exited(1));
    let green = checked(Phase::Result, 0, "make", exited(0));
    let new_green = checked(Phase::RegressionNew, 0, "t", exited(0));
    let old_green = checked(Phase::RegressionOld, 0, "t", exited(0));
    let old_mute = checked(Phase::RegressionOld, 0, "t", exited(127));
    let new_red = checked(Phase::RegressionNew, 0, "t", exited(1));
    let checks = || draft(&["make"], &[], None);
    let bug = || draft(&["make"], &[], Some("t"));
    let done = || report(Outcome::Done);
    for (name, draft, report, events, verdict, code) in [
        ("borders", checks(), done(), vec![crossed], Verdict::ContractViolated, ExitCode::ContractViolated),
        ("an empty diff", checks(), done(), vec![inspected_empty()], Verdict::Unverified, ExitCode::Unverified),
        ("left lying", checks(), done(), vec![left_lying], Verdict::Unverified, ExitCode::Unverified),
        ("places", checks(), done(), vec![places], Verdict::Unverified, ExitCode::Unverified),
        ("cited runs", checks(), citing(&[9]), vec![inspected()], Verdict::Unverified, ExitCode::Unverified),
        ("a red check", checks(), done(), vec![inspected(), red], Verdict::ChecksFailed, ExitCode::ChecksFailed),
        (
            "old green",
            bug(),
            with_cause(),
            vec![inspected(), green.clone(), new_green.clone(), old_green],
            Verdict::ChecksFailed,
            ExitCode::ChecksFailed,
        ),
        (
            "old without a word",
            bug(),
            with_cause(),
            vec![inspected(), green.clone(), new_green.clone(), old_mute],
            Verdict::Unverified,
            ExitCode::Unverified,
        ),
        (
            "not provable",
            bug(),
            with_cause(),
            vec![inspected(), green.clone(), new_green, not_provable("no new test")],
            Verdict::Unverified,
            ExitCode::Unverified,
        ),
        (
            "new red",
            bug(),
            with_cause(),
            vec![inspected(), green, new_red],
            Verdict::ChecksFailed,
            ExitCode::ChecksFailed,
        ),
    ] {
        let life = rounds(draft, report, &events);
        assert_eq!(life.next(), closes(verdict), "{name}");
        let state = life.record().state();
        assert_eq!(state.exit_code(), Some(code), "{name}");
        assert!(state.finish.is_some() && state.result.is_some(), "{name}: what failed is attached");
    }
}

/// What was done is looked at, however incomplete the report about it is.
#[test]
fn an_incomplete_last_report_does_not_hide_the_result() {
    let life = rounds(draft(&["make"], &[], Some("t")), report(Outcome::Done), &[]);
    life.check(Action::InspectResult);
    life.clone().then(inspected()).check(closes(Verdict::Unverified));
    let crossed = vec![Violation::NotAllowed { path: "src/a.rs".to_owned() }];
    let crossed = life.then(found(vec![change("src/a.rs")], crossed, &[], &[]));
    crossed.check(closes(Verdict::ContractViolated));
    assert_eq!(crossed.record().state().exit_code(), Some(ExitCode::ContractViolated));
}

/// A later finding does not make crossed borders better.
#[test]
fn the_worst_finding_is_the_verdict() {
    let life = rounds(draft(&["make"], &[], Some("t")), report(Outcome::Done), &[]);
    let crossed = vec![Violation::ReadOnly { path: "src/a.rs".to_owned() }];
    let life = life.then(found(vec![change("src/a.rs")], crossed, &["x:1"], &["y.orig"]));
    life.check(closes(Verdict::ContractViolated));
}

#[test]
fn a_new_turn_has_its_own_rounds() {
    let ended = rounds(draft(&["make"], &[], None), report(Outcome::Done), &[inspected_empty()]).record();
    let again = ended.then(says("try again")).files(report(Outcome::Done)).then(inspected_empty());
    let Action::Record(events) = again.next() else { panic!() };
    assert!(format!("{:?}", events[0]).contains(THREE_MORE));
}

#[test]
fn the_model_is_shown_forty_lines() {
    let violations: Vec<_> = (0..60).map(|n| Violation::NotAllowed { path: format!("f{n}") }).collect();
    let look = found(vec![change("f0")], violations, &[], &[]);
    let life = Life::begun(Draft::default()).files(report(Outcome::Done)).then(look);
    let findings: Vec<_> = (0..60).map(|n| format!("f{n}: outside the paths this job may change")).collect();
    let findings: Vec<_> = findings.iter().map(String::as_str).collect();
    let one_more =
        found(vec![change("f0")], (0..41).map(|n| Violation::NotAllowed { path: format!("f{n}") }).collect(), &[], &[]);
    let one_more = Life::begun(Draft::default()).files(report(Outcome::Done)).then(one_more);
    let shown = format!("{}\n… and 1 more line", findings[..40].join("\n"));
    one_more.check(rejects(&shown, THREE_MORE, &findings[..41]));
    let lines = format!("{}\n… and 20 more lines", findings[..40].join("\n"));
    life.check(rejects(&lines, THREE_MORE, &findings));
}
