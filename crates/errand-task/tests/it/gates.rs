//! The gates a report goes through, in their order: complete, borders, references, cited runs, checks, regression.

use crate::life::*;
use errand_task::action::Action;
use errand_task::borders::Violation;
use errand_task::contract::{Draft, Mode};
use errand_task::event::{Event, FinishEvent};
use errand_task::facts::{Phase, RunEnd};
use errand_task::report::{Cause, Outcome, Report};
use errand_task::verdict::Verdict;

fn done() -> Report {
    report(Outcome::Done)
}

fn planning() -> Draft {
    Draft { mode: Some(Mode::Plan), ..Draft::default() }
}

fn result_check(index: u32) -> Action {
    Action::RunCheck { phase: Phase::Result, index }
}

#[test]
fn a_report_is_complete_for_its_kind_of_job() {
    const SUMMARY: &str = "summary is empty: say in at most three sentences what was done";
    const CAUSE: &str = "cause is missing: name the root cause with its places as path:line";
    const PLAN: &str = "document is missing: a plan or map is delivered there, as Markdown";
    const ANSWER: &str = "document is missing: the answer is delivered there, as Markdown";
    const PLACE: &str = "the document cites no place: support what it says with path:line references";
    let change = || draft(&[], &[], None);
    let bug = || draft(&[], &[], Some("make t"));
    let answer = || Draft { mode: Some(Mode::Answer), ..Draft::default() };
    let silent = |outcome| Report { summary: " \n".to_owned(), ..report(outcome) };
    let no_cause = Report { cause: Some(Cause { text: " ".to_owned(), places: Vec::new() }), ..done() };
    for (name, draft, report, findings) in [
        ("a change", change(), done(), vec![]),
        ("without a summary", change(), silent(Outcome::Done), vec![SUMMARY]),
        ("a bug with its cause", bug(), with_cause(), vec![]),
        ("a bug without", bug(), done(), vec![CAUSE]),
        ("a bug with an empty one", bug(), no_cause, vec![CAUSE]),
        ("a bug without anything", bug(), silent(Outcome::Done), vec![SUMMARY, CAUSE]),
        ("a plan", planning(), with_document("see src/a.rs:3"), vec![]),
        ("a plan without document", planning(), done(), vec![PLAN]),
        ("a plan with an empty one", planning(), with_document(" "), vec![PLAN]),
        ("a plan without places", planning(), with_document("see there"), vec![PLACE]),
        ("an answer", answer(), with_document("src/a.rs:3"), vec![]),
        ("an answer without document", answer(), done(), vec![ANSWER]),
        ("an answer without places", answer(), with_document("yes"), vec![PLACE]),
        ("partial may lack everything", bug(), silent(Outcome::Partial), vec![]),
        ("blocked may lack everything", planning(), silent(Outcome::Blocked), vec![]),
        ("nothing to change may lack everything", bug(), silent(Outcome::NothingToChange), vec![]),
    ] {
        let life = Life::begun(draft).files(report);
        let expected = match findings.is_empty() {
            true => Action::InspectResult,
            false => rejects(&findings.join("\n"), THREE_MORE, &findings),
        };
        assert_eq!(life.next(), expected, "{name}");
    }
}

#[test]
fn borders_and_an_empty_diff() {
    const EMPTY: &str = "no file is changed: do the work, or finish with nothing_to_change or blocked and say why";
    let violations = || {
        vec![
            Violation::NotAllowed { path: "a".to_owned() },
            Violation::Protected { path: "b".to_owned(), pattern: "b".to_owned() },
            Violation::ReadOnly { path: "c".to_owned() },
            Violation::TooManyLines { n_lines: 11, limit: 10 },
            Violation::TooManyFiles { n_files: 3, limit: 2 },
        ]
    };
    let crossed = [
        "a: outside the paths this job may change",
        "b: protected by `b`",
        "c: this job is read-only, no file may change",
        "the diff has 11 changed lines, the limit is 10",
        "the diff has 3 files, the limit is 2",
    ];
    let rejects_all = || rejects(&crossed.join("\n"), THREE_MORE, &crossed);
    let change = || vec![change("src/a.rs")];
    for (name, draft, report, look, expected) in [
        ("crossed", draft(&["make"], &[], None), done(), found(change(), violations(), &[], &[]), rejects_all()),
        (
            "crossed, partial",
            Draft::default(),
            report(Outcome::Partial),
            found(change(), violations(), &[], &[]),
            rejects_all(),
        ),
        (
            "crossed, with wrong places",
            Draft::default(),
            done(),
            found(change(), violations(), &["x:1"], &["y.orig: a backup file"]),
            rejects_all(),
        ),
        (
            "left lying",
            Draft::default(),
            report(Outcome::Partial),
            found(change(), Vec::new(), &["x:1"], &["y.orig: a backup file"]),
            rejects("y.orig: a backup file", THREE_MORE, &["y.orig: a backup file"]),
        ),
        ("kept", draft(&["make"], &[], None), done(), inspected(), result_check(0)),
        (
            "nothing changed",
            draft(&["make"], &[], None),
            done(),
            inspected_empty(),
            rejects(EMPTY, THREE_MORE, &[EMPTY]),
        ),
        (
            "nothing changed, partial",
            Draft::default(),
            report(Outcome::Partial),
            inspected_empty(),
            closes(Verdict::Unverified),
        ),
        (
            "a plan changes nothing",
            planning(),
            with_document("src/a.rs:3"),
            inspected_empty(),
            closes(Verdict::Delivered),
        ),
    ] {
        assert_eq!(Life::begun(draft).files(report).then(look).next(), expected, "{name}");
    }
}

#[test]
fn what_the_result_leaves_out_is_said_once() {
    const ADVICE: &str =
        "Remove what is not in the result, or put what matters of it into plain files; else call finish again.";
    let pipe = "pipe: not in the result: not a regular file";
    let filed = |draft, outcome, look| Life::begun(draft).files(report(outcome)).then(look);
    let one = || leaving_out(&["pipe"], 1);
    let first = filed(draft(&["make"], &[], None), Outcome::Done, one());
    let told = [pipe, ADVICE];
    assert_eq!(first.next(), rejects(&told.join("\n"), THREE_MORE, &told));
    let many = [pipe, "… and 3 more paths that are not in the result", ADVICE];
    let life = filed(Draft::default(), Outcome::Partial, leaving_out(&["pipe"], 4));
    assert_eq!(life.next(), rejects(&many.join("\n"), THREE_MORE, &many));

    // It goes with what is found anyway, and is not said again, be it meant or not.
    let mut look = leaving_out(&["pipe"], 1);
    if let Event::Finish(FinishEvent::Inspected { blemishes, .. }) = &mut look {
        blemishes.push("y.orig: a backup file".to_owned());
    }
    let both = ["y.orig: a backup file", pipe, ADVICE];
    let life = filed(draft(&["make"], &[], None), Outcome::Done, look);
    assert_eq!(life.next(), rejects(&both.join("\n"), THREE_MORE, &both));
    let Action::Record(events) = life.next() else { panic!("a record") };
    let again = events.into_iter().fold(life, Life::then).files(report(Outcome::Done)).then(one());
    assert_eq!(again.next(), result_check(0));

    for (draft, outcome, look, expected) in [
        (Draft::default(), Outcome::Blocked, one(), closes(Verdict::Unverified)),
        (Draft::default(), Outcome::Done, leaving_out(&[], 0), closes(Verdict::Unverified)),
    ] {
        assert_eq!(filed(draft, outcome, look).next(), expected);
    }
}

#[test]
fn cited_places_exist() {
    let finding = ["src/a.rs:900: there is no such place", "b.py:1-9: there is no such place"];
    let expected = rejects(&finding.join("\n"), THREE_MORE, &finding);
    for (name, report) in [("done", citing(&[7])), ("partial", report(Outcome::Partial))] {
        let life = Life::begun(draft(&["make"], &[], None)).files(report);
        let life = life.then(found(vec![change("src/a.rs")], Vec::new(), &["src/a.rs:900", "b.py:1-9"], &[]));
        assert_eq!(life.next(), expected, "{name}");
    }
}

#[test]
fn cited_runs_show_what_is_claimed() {
    let begun = || Life::begun(draft(&["make"], &[], None)).edits();
    let job = || begun().calls(&["j"]).then(ran("j", 1, None));
    let both = ended("x", "ok", false, vec![run(1, Some(exited(0)))], &["src/a.rs"], 1);
    for (name, life, cited, finding) in [
        ("none cited", begun(), vec![], None),
        ("green and young", begun().runs(1, exited(0)), vec![1], None),
        ("cited twice", begun().runs(1, exited(0)), vec![1, 1], None),
        ("missing", begun(), vec![4], Some("checks cites run 4, but there was no such run")),
        ("red", begun().runs(1, exited(2)), vec![1], Some("checks cites run 1, which did not pass (exit 2)")),
        (
            "killed",
            begun().runs(1, RunEnd::Killed { signal: 9 }),
            vec![1],
            Some("checks cites run 1, which did not pass (killed by signal 9)"),
        ),
        ("still running", job(), vec![1], Some("checks cites run 1, which is still running: wait for it")),
        ("a job that ended", job().then(jobs_ended(vec![run(1, Some(exited(0)))])), vec![1], None),
        (
            "older than the last edit",
            begun().runs(1, exited(0)).edits(),
            vec![1],
            Some("checks cites run 1, but files were edited after it: run it again"),
        ),
        ("run and edit in one call", begun().calls(&["x"]).then(both), vec![1], None),
        ("no edit at all", Life::begun(draft(&["make"], &[], None)).runs(1, exited(0)), vec![1], None),
        ("run again", begun().runs(1, exited(0)).edits().runs(2, exited(0)), vec![2], None),
    ] {
        let life = life.files(citing(&cited)).then(inspected());
        let expected = finding.map_or(result_check(0), |finding| rejects(finding, THREE_MORE, &[finding]));
        assert_eq!(life.next(), expected, "{name}");
    }
    let partial = Report { checks: vec![4], ..report(Outcome::Partial) };
    begun().files(partial).then(inspected()).check(result_check(0));
}

#[test]
fn a_job_started_before_the_edit_does_not_show_it() {
    let life = Life::begun(draft(&["make"], &[], None)).calls(&["j"]).then(ran("j", 1, None)).edits();
    let life = life.then(jobs_ended(vec![run(1, Some(exited(0)))])).files(citing(&[1])).then(inspected());
    let finding = "checks cites run 1, but files were edited after it: run it again";
    life.check(rejects(finding, THREE_MORE, &[finding]));
}

fn checking(outcome: Outcome) -> Life {
    Life::begun(draft(&["make"], &["make t"], None)).edits().files(report(outcome)).then(inspected())
}

#[test]
fn every_check_runs_on_the_result() {
    let red = |command: &str, since: &str, number: u32| {
        format!(
            "the check `{command}` is red on a clean checkout of your result: 1 of 1 runs failed (exit 1, it {since} \
             the base{}); its output is log:check{number}\nline 1\nline 2",
            if since == "failed on" { " too" } else { "" }
        )
    };
    let check = |index: u32, code| checked(Phase::Result, index, ["make", "make t"][index as usize], exited(code));
    let both = [red("make", "passed on", 1), red("make t", "passed on", 2)];
    for (name, codes, expected) in [
        ("none yet", vec![], result_check(0)),
        ("one", vec![0], result_check(1)),
        ("one red: the others still run", vec![1], result_check(1)),
        ("green", vec![0, 0], closes(Verdict::Verified)),
        ("red", vec![0, 1], rejects(&both[1], THREE_MORE, &[&both[1]])),
        ("all red", vec![1, 1], rejects(&both.join("\n"), THREE_MORE, &[&both[0], &both[1]])),
    ] {
        let life = checking(Outcome::Done).all(codes.into_iter().enumerate().map(|(i, code)| check(i as u32, code)));
        assert_eq!(life.next(), expected, "{name}");
    }
    // Known red on the base.
    let base = Life::of(draft(&[], &["make t"], None)).then(prepared());
    let base = base.then(checked(Phase::Baseline, 0, "make t", exited(1))).then(briefed()).edits();
    let known = red("make t", "failed on", 1);
    let life = base.files(done()).then(inspected()).then(checked(Phase::Result, 0, "make t", exited(1)));
    life.check(rejects(&known, THREE_MORE, &[&known]));
    // A partial result is checked as well, and nothing is sent back.
    let partial = checking(Outcome::Partial);
    partial.check(result_check(0));
    partial.then(check(0, 1)).then(check(1, 0)).check(closes(Verdict::Unverified));
}

#[test]
fn the_next_report_is_checked_anew() {
    let again = checking(Outcome::Done)
        .then(checked(Phase::Result, 0, "make", exited(1)))
        .then(checked(Phase::Result, 1, "make t", exited(0)))
        .record();
    assert_eq!(again.state().checked.len(), 2);
    again.clone().check(Action::CallModel { step: 3, attempt: 1 });
    let again = again.files(done());
    again.check(Action::InspectResult);
    again.then(inspected()).check(result_check(0));
}

fn proving() -> Life {
    Life::begun(draft(&["make"], &[], Some("make t"))).edits().files(with_cause()).then(inspected())
}

fn phase(phase: Phase, end: RunEnd) -> Event {
    checked(phase, 0, "make t", end)
}

#[test]
fn the_regression_fails_on_the_old_code_and_passes_on_the_new() {
    const OLD_GREEN: &str = "`make t` passes on the old code with your new tests: they do not show the bug; a \
                             regression test must fail without the fix";
    let checked_green = || proving().then(checked(Phase::Result, 0, "make", exited(0)));
    let old = Action::RunCheck { phase: Phase::RegressionOld, index: 0 };
    let new = Action::RunCheck { phase: Phase::RegressionNew, index: 0 };
    let checked_both = || checked_green().then(phase(Phase::RegressionNew, exited(0)));
    let red = phase(Phase::RegressionOld, exited(1));
    let new_red = "`make t` fails on your result (exit 1):\nline 1\nline 2";
    for (name, life, expected) in [
        ("checks first", proving(), result_check(0)),
        ("the result", checked_green(), new),
        ("then the old code", checked_both(), old.clone()),
        ("the command is a check", proving_a_check().then(checked(Phase::Result, 0, "make t", exited(0))), old),
        (
            "old green",
            checked_both().then(phase(Phase::RegressionOld, exited(0))),
            rejects(OLD_GREEN, THREE_MORE, &[OLD_GREEN]),
        ),
        (
            "not provable",
            checked_both().then(not_provable("no new test")),
            rejects("no new test", THREE_MORE, &["no new test"]),
        ),
        ("proven", checked_both().then(red), closes(Verdict::Verified)),
        (
            "out of time on the old code",
            checked_both().then(phase(Phase::RegressionOld, RunEnd::TimedOut)),
            closes(Verdict::Verified),
        ),
        (
            "killed on the old code",
            checked_both().then(phase(Phase::RegressionOld, RunEnd::Killed { signal: 11 })),
            closes(Verdict::Verified),
        ),
        (
            "new red",
            checked_green().then(phase(Phase::RegressionNew, exited(1))),
            rejects(new_red, THREE_MORE, &[new_red]),
        ),
        (
            "a red check comes first",
            proving().then(checked(Phase::Result, 0, "make", exited(1))).record(),
            Action::CallModel { step: 3, attempt: 1 },
        ),
    ] {
        assert_eq!(life.next(), expected, "{name}");
    }
    let partial =
        Life::begun(draft(&[], &[], Some("make t"))).edits().files(report(Outcome::Partial)).then(inspected());
    partial.check(closes(Verdict::Unverified));
}

/// The regression command is one of the checks: what it shows about the result is shown once.
fn proving_a_check() -> Life {
    Life::begun(draft(&["make t"], &[], Some("make t"))).edits().files(with_cause()).then(inspected())
}

/// A command that did not get to say anything about the old code proves nothing.
#[test]
fn only_a_test_that_ran_and_failed_is_a_proof() {
    for end in [
        RunEnd::NotStarted { why: "no bash".to_owned() },
        RunEnd::Interrupted,
        RunEnd::TooMuchOutput,
        exited(126),
        exited(127),
    ] {
        let life = proving().then(checked(Phase::Result, 0, "make", exited(0)));
        let life = life.then(phase(Phase::RegressionNew, exited(0))).then(phase(Phase::RegressionOld, end.clone()));
        let finding = format!(
            "`make t` does not show the bug on the old code ({}): a regression test must run there and fail\nline 1\n\
             line 2",
            end.headline()
        );
        assert_eq!(life.next(), rejects(&finding, THREE_MORE, &[&finding]), "{end:?}");
    }
}
