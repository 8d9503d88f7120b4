//! Before the first request: resting, a cut request, stop, workspace, baseline, brief; then tool calls.

use crate::life::*;
use errand_task::action::Action;
use errand_task::facts::{FailureKind, Phase, RunEnd, Stop};
use errand_task::text::Text;
use errand_task::verdict::{End, Verdict};

const NOT_RUN: &str = "not run: the turn ended before it";

fn call_model(step: u32) -> Action {
    Action::CallModel { step, attempt: 1 }
}

fn baseline(index: u32) -> Action {
    Action::RunCheck { phase: Phase::Baseline, index }
}

#[test]
fn resting() {
    let ended = Life::begun(draft(&[], &[], None)).then(completed(Verdict::Verified));
    let parked = Life::begun(draft(&[], &[], None)).then(parked("no credit", "pay"));
    for (name, life, expected) in [
        ("an ended turn", ended.clone(), Action::Rest),
        ("stop says nothing to an ended turn", ended.clone().then(stop()), Action::Rest),
        ("a cut request of an ended turn", Life::bare().requested().then(completed(Verdict::Verified)), Action::Rest),
        ("a follow-up opens a turn", ended.clone().then(says("more")), call_model(1)),
        ("resume opens a turn", ended.then(resumed()), call_model(1)),
        ("a parked turn", parked.clone(), Action::Rest),
        ("time does not wake it", parked.clone().after(1 << 40), Action::Rest),
        ("resume", parked.clone().then(resumed()), call_model(1)),
        ("an answer", parked.clone().then(says("paid")), call_model(1)),
        ("stop ends a parked one", parked.then(stop()), records([over(End::Cancelled)])),
    ] {
        assert_eq!(life.next(), expected, "{name}");
    }
}

#[test]
fn a_cut_request_may_have_been_billed() {
    let begun = Life::begun(draft(&[], &[], None));
    let cut = begun.clone().then(requested(1, 3));
    cut.check(records([interrupted(1, 3, RESERVED)]));
    let noted = cut.clone().record();
    assert_eq!((noted.state().spend.uncertain, noted.state().committed()), (RESERVED, RESERVED));
    noted.check(call_model(1));
    // Before a stop, so that the money is not forgotten.
    cut.clone().then(stop()).check(records([interrupted(1, 3, RESERVED)]));
    cut.then(stop()).record().check(records([over(End::Cancelled)]));
    begun.calls(&["a"]).then(prepared()).check(Action::CallTools);
}

#[test]
fn stop_answers_every_open_call_once() {
    let begun = || Life::begun(draft(&["make"], &[], None));
    let cancelled = || over(End::Cancelled);
    for (name, life, expected) in [
        ("before anything", Life::of(draft(&["make"], &[], None)).then(stop()), records([cancelled()])),
        ("between steps", begun().then(stop()), records([cancelled()])),
        (
            "with open calls, none of them done",
            begun().calls(&["a", "b"]).then(stop()),
            records([result("a", NOT_RUN, true), result("b", NOT_RUN, true), cancelled()]),
        ),
        ("what was done is looked at first", begun().edits().then(stop()), Action::InspectResult),
        (
            "then only the calls without a result",
            begun().calls(&["a", "b"]).then(edited("a")).then(stop()).then(inspected()),
            records([result("b", NOT_RUN, true), cancelled()]),
        ),
        (
            "in the middle of the gates",
            begun().edits().files(report(errand_task::report::Outcome::Done)).then(inspected()).then(stop()),
            records([result("f", NOT_RUN, true), cancelled()]),
        ),
        (
            "the look is stale after another result",
            begun().edits().files(report(errand_task::report::Outcome::Done)).then(inspected()).record_or_stop(),
            Action::InspectResult,
        ),
    ] {
        assert_eq!(life.next(), expected, "{name}");
    }
}

impl Life {
    /// A red check sends the report back, and then the person says stop.
    fn record_or_stop(self) -> Self {
        self.then(checked(Phase::Result, 0, "make", exited(1))).record().then(stop())
    }
}

#[test]
fn a_call_cut_by_stop_may_have_changed_files() {
    let cut = Life::begun(draft(&[], &[], None)).calls(&["a", "b"]).then(started("a")).then(stop());
    cut.check(Action::InspectResult);
    // Once, and nobody says that it did not run.
    let cut_off = "cut off: the turn ended while it ran; it may have changed files";
    let ended = records([result("a", cut_off, true), result("b", NOT_RUN, true), over(End::Cancelled)]);
    cut.then(inspected()).check(ended);
}

#[test]
fn a_call_cut_by_stop_in_a_later_turn_may_have_changed_files() {
    let first = Life::begun(draft(&[], &[], None)).edits().then(stop()).then(inspected()).record();
    let second = first.then(says("more")).calls(&["b"]).then(started("b")).then(stop());
    second.check(Action::InspectResult);
    let again = second.then(inspected()).then(started("c"));
    again.check(Action::InspectResult);
}

#[test]
fn a_job_that_ended_after_the_look_may_have_changed_files() {
    let seen = Life::begun(draft(&[], &[], None)).edits().then(inspected()).then(jobs_ended(vec![]));
    seen.then(stop()).check(Action::InspectResult);
}

#[test]
fn a_run_is_older_than_a_call_that_was_cut_off() {
    let ran = Life::begun(draft(&["make"], &[], None)).edits().runs(1, exited(0));
    let cut = ran.calls(&["a"]).then(started("a")).then(stop()).then(inspected()).record();
    let later = cut.then(says("more")).files(citing(&[1])).then(inspected());
    let finding = "checks cites run 1, but files were edited after it: run it again";
    later.check(rejects(finding, THREE_MORE, &[finding]));
}

#[test]
fn the_workspace_is_laid_out_when_it_is_needed() {
    let lazy = Life::bare();
    let eager = Life::of(draft(&["make"], &[], None));
    let not_ready = not_ready("no space");
    for (name, life, expected) in [
        ("without checks the brief comes first", lazy.clone(), Action::Brief),
        ("and the model is asked", lazy.clone().then(briefed()), call_model(1)),
        ("a call needs it", lazy.clone().then(briefed()).calls(&["a"]), Action::PrepareWorkspace),
        ("so does finish", lazy.clone().then(briefed()).calls(&["f"]), Action::PrepareWorkspace),
        ("once", lazy.clone().then(briefed()).calls(&["a"]).then(prepared()), Action::CallTools),
        ("with checks at once", eager.clone(), Action::PrepareWorkspace),
        ("a regression command alone does not need it yet", Life::of(draft(&[], &[], Some("t"))), Action::Brief),
        ("it cannot be", eager.clone().then(prepare_failed()), records([not_ready.clone()])),
        (
            "it cannot be, later",
            lazy.then(briefed()).calls(&["a"]).then(prepare_failed()),
            records([result("a", NOT_RUN, true), not_ready]),
        ),
        (
            "a follow-up tries again",
            eager.clone().then(prepare_failed()).record().then(says("try")),
            Action::PrepareWorkspace,
        ),
        ("stop comes first", eager.then(stop()), records([over(End::Cancelled)])),
    ] {
        assert_eq!(life.next(), expected, "{name}");
    }
}

#[test]
fn a_workspace_that_is_gone_is_made_anew_when_it_is_needed() {
    let lazy = Life::bare().then(briefed());
    let working = lazy.clone().calls(&["a"]).then(prepared());
    let ended = working.clone().then(edited("a")).then(inspected()).then(over(End::Cancelled));
    let lost_again = |n: usize| (0..n).fold(working.clone(), |life, _| life.then(lost()).then(remade("t0")));
    let gone_too_often = not_ready("its workspace was removed 4 times while it worked");
    for (name, life, expected) in [
        ("a call needs it", working.clone().then(lost()), Action::PrepareWorkspace),
        ("and then goes on", working.clone().then(lost()).then(remade("t0")), Action::CallTools),
        (
            "the first check of all needs it",
            Life::of(draft(&["make"], &[], None)).then(prepared()).then(lost()),
            Action::PrepareWorkspace,
        ),
        ("the model does not", working.clone().then(edited("a")).then(lost()), call_model(2)),
        (
            "what was done is looked at before a stop",
            working.clone().then(edited("a")).then(lost()).then(stop()),
            Action::PrepareWorkspace,
        ),
        ("nor does a task that rests", ended.clone().then(removed("t1")), Action::Rest),
        ("a follow-up asks first", ended.clone().then(removed("t1")).then(says("more")), call_model(2)),
        ("and makes it then", ended.then(removed("t1")).then(says("more")).calls(&["b"]), Action::PrepareWorkspace),
        ("not for ever", lost_again(3).then(lost()), records([result("a", NOT_RUN, true), gone_too_often])),
    ] {
        assert_eq!(life.next(), expected, "{name}");
    }
}

#[test]
fn the_model_is_told_what_a_workspace_made_anew_may_lack() {
    let working = Life::bare().then(briefed()).calls(&["a"]).then(prepared()).then(edited("a"));
    let note = |life: Life| match life.state().notes.as_slice() {
        [Text::Inline(note)] => note.clone(),
        notes => panic!("{notes:?}"),
    };
    let told = note(working.clone().then(lost()).then(remade("t0")));
    assert!(told.contains("made anew from its last snapshot") && told.contains("look at them: src/a.rs."), "{told}");
    let told = note(working.then(inspected()).then(removed("t1")).then(remade("t1")));
    assert!(!told.contains("src/a.rs"), "what is in the snapshot is not missing: {told}");
}

#[test]
fn the_baseline_runs_before_a_cent_is_spent() {
    let cannot = |command: &str, why: &str| {
        records([not_ready(&format!(
            "the check `{command}` cannot run here ({why}); correct it or install what it needs"
        ))])
    };
    let red = |how: &str| {
        let text = format!(
            "the check `make` already fails on the base ({how}); if that is what this job is about, say so with \
             --may-fail or `baseline: may-fail`"
        );
        records([not_ready(&text)])
    };
    let not_started = || RunEnd::NotStarted { why: "no bash".to_owned() };
    let never = records([not_ready("the check `make` cannot run here (no bash)")]);
    // `make` must pass, `test` may fail.
    for (name, ends, expected) in [
        ("the first", vec![], baseline(0)),
        ("green", vec![exited(0)], baseline(1)),
        ("all green", vec![exited(0), exited(0)], Action::Brief),
        ("red and must pass", vec![exited(2)], red("exit 2")),
        ("out of time", vec![RunEnd::TimedOut], red("timed out")),
        ("killed", vec![RunEnd::Killed { signal: 9 }], red("killed by signal 9")),
        ("too much", vec![RunEnd::TooMuchOutput], red("stopped: too much output")),
        ("cut", vec![RunEnd::Interrupted], red("interrupted")),
        ("no such command", vec![exited(127)], cannot("make", "exit 127")),
        ("not executable", vec![exited(126)], cannot("make", "exit 126")),
        ("never started", vec![not_started()], never),
        ("red and may fail", vec![exited(0), exited(1)], Action::Brief),
        ("out of time and may fail", vec![exited(0), RunEnd::TimedOut], Action::Brief),
        ("may fail, but no such command", vec![exited(0), exited(127)], cannot("test", "exit 127")),
        ("may fail, but not executable", vec![exited(0), exited(126)], cannot("test", "exit 126")),
    ] {
        let event = |(index, end)| checked(Phase::Baseline, index as u32, ["make", "test"][index], end);
        let life = Life::of(draft(&["make"], &["test"], None)).then(prepared());
        let life = life.all(ends.into_iter().enumerate().map(event));
        assert_eq!(life.next(), expected, "{name}");
    }
}

fn set_up(commands: &[&str]) -> Life {
    let setup = commands.iter().map(|&command| command.to_owned()).collect();
    Life::of(errand_task::contract::Draft { setup, ..draft(&["make"], &[], None) })
}

#[test]
fn setup_comes_before_everything_that_rests_on_it() {
    let setup = |index| Action::RunCheck { phase: Phase::Setup, index };
    let ran = |index, command, end| checked(Phase::Setup, index, command, end);
    let not_ready = |text: &str| records([over(End::EnvironmentNotReady { text: text.to_owned() })]);
    let life = || set_up(&["npm ci", "make deps"]);
    let ready = || life().then(prepared());
    let green = || ready().then(ran(0, "npm ci", exited(0))).then(ran(1, "make deps", exited(0)));
    let red = || ready().then(ran(0, "npm ci", exited(1)));
    for (name, life, expected) in [
        ("a workspace first", life(), Action::PrepareWorkspace),
        ("also when there is nothing else to run", set_up_alone(), Action::PrepareWorkspace),
        ("in order", ready(), setup(0)),
        ("all of them", ready().then(ran(0, "npm ci", exited(0))), setup(1)),
        ("then the baseline", green(), baseline(0)),
        (
            "a red one ends it",
            red(),
            not_ready("the setup command `npm ci` failed in the workspace (exit 1):\nline 1\nline 2"),
        ),
        ("and is run again on resume", red().record().then(resumed()), setup(0)),
        (
            "a green one is not",
            green().then(briefed()).then(completed(Verdict::Verified)).then(says("more")),
            call_model(1),
        ),
    ] {
        assert_eq!(life.next(), expected, "{name}");
    }
}

fn set_up_alone() -> Life {
    Life::of(errand_task::contract::Draft { setup: vec!["npm ci".to_owned()], ..draft(&[], &[], None) })
}

#[test]
fn a_baseline_is_measured_again_only_when_it_stopped_the_task() {
    let red = Life::of(draft(&["make"], &[], None)).then(prepared());
    let red = red.then(checked(Phase::Baseline, 0, "make", exited(1))).record();
    red.check(Action::Rest);
    red.then(says("it is installed now")).check(baseline(0));
    let green = Life::begun(draft(&["make"], &[], None)).then(completed(Verdict::Verified));
    green.then(says("more")).check(call_model(1));
}

#[test]
fn what_was_said_early_does_not_replace_the_brief() {
    let life = Life::bare().then(says("hurry"));
    life.check(Action::Brief);
    life.then(briefed()).check(call_model(1));
}

#[test]
fn open_calls_are_performed_before_anything_else_is_asked() {
    let begun = || Life::begun(draft(&["make"], &[], None));
    let done = report(errand_task::report::Outcome::Done);
    for (name, life, expected) in [
        ("a call", begun().calls(&["a"]), Action::CallTools),
        ("one of two", begun().calls(&["a", "b"]).then(answered("a")), Action::CallTools),
        ("started is not answered", begun().calls(&["a"]).then(started("a")), Action::CallTools),
        ("all of them", begun().calls(&["a", "b"]).then(answered("b")).then(answered("a")), call_model(2)),
        ("finish is a call until it is filed", begun().calls(&["f"]), Action::CallTools),
        ("a filed report waits for the gates", begun().files(done.clone()), Action::InspectResult),
        ("but not with other calls open", begun().calls(&["a", "f"]).then(filed("f", done)), Action::CallTools),
        ("an ill-formed report was answered", begun().calls(&["f"]).then(result("f", "no", true)), call_model(2)),
        ("out of time meanwhile", begun().calls(&["a"]).after(1 << 40), Action::CallTools),
        (
            "calls beside a length limit",
            begun().requested().then(received(1, &["a"], Stop::MaxTokens)),
            Action::CallTools,
        ),
    ] {
        assert_eq!(life.next(), expected, "{name}");
    }
}

#[test]
fn a_failure_keeps_its_brief() {
    let life = Life::begun(draft(&[], &[], None)).requested().then(failed(1, FailureKind::Passing, None));
    assert!(matches!(life.next(), Action::WaitUntil { .. }));
}
