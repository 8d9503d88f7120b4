//! The model: stops, nudges, failures and waiting, limits, attempt numbers.

use crate::life::*;
use errand_task::action::Action;
use errand_task::borders::Violation;
use errand_task::contract::{Draft, DraftBudget};
use errand_task::facts::{FailureKind, Stop};
use errand_task::money::Pico;
use errand_task::verdict::{End, Limit, Verdict};

const GO_ON: &str = "You stopped without a tool call. Go on, or call finish: only finish ends the job.";
const CUT: &str = "Your answer was cut at its length limit. Go on in smaller calls.";

fn begun() -> Life {
    Life::begun(Draft::default())
}

fn model_failed(text: &str) -> Action {
    records([over(End::ModelFailed { text: text.to_owned() })])
}

#[test]
fn each_way_to_stop_without_a_call() {
    let refused = |category: &str| {
        model_failed(&format!("the model refused to go on{category}; reword the goal or choose another model"))
    };
    for (stop, expected) in [
        (Stop::EndTurn, records([nudged(GO_ON)])),
        (Stop::ToolUse, records([nudged(GO_ON)])),
        (Stop::Other { reason: "new".to_owned() }, records([nudged(GO_ON)])),
        (Stop::MaxTokens, records([nudged(CUT)])),
        (Stop::Paused, Action::CallModel { step: 2, attempt: 1 }),
        (Stop::Refusal { category: None }, refused("")),
        (Stop::Refusal { category: Some("bio".to_owned()) }, refused(" (bio)")),
        (Stop::ContextFull, model_failed("the model's context is full; hand the rest off as a smaller job")),
    ] {
        let life = begun().stops(stop.clone());
        assert_eq!(life.next(), expected, "{stop:?}");
        // What was done before is looked at first.
        let worked = begun().edits().stops(stop.clone());
        if matches!(stop, Stop::Refusal { .. } | Stop::ContextFull) {
            assert_eq!(worked.next(), Action::InspectResult, "{stop:?}");
            assert_eq!(worked.then(inspected()).next(), expected, "{stop:?}");
        }
    }
}

#[test]
fn one_nudge_a_turn() {
    let nudged_once = begun().stops(Stop::EndTurn).record();
    nudged_once.check(Action::CallModel { step: 2, attempt: 1 });
    let ended = records([completed(Verdict::Unverified)]);
    nudged_once.clone().stops(Stop::EndTurn).check(ended.clone());
    // Work in between is no excuse.
    let worked = nudged_once.clone().edits().stops(Stop::EndTurn);
    worked.check(Action::InspectResult);
    worked.clone().then(inspected()).check(ended.clone());
    // Borders hold without a report as well.
    let crossed = vec![Violation::NotAllowed { path: "src/a.rs".to_owned() }];
    let crossed = worked.then(found(vec![change("src/a.rs")], crossed, &[], &[]));
    crossed.check(records([completed(Verdict::ContractViolated)]));
    // A new turn has its own.
    let again = nudged_once.stops(Stop::EndTurn).record().then(says("more"));
    again.stops(Stop::EndTurn).check(records([nudged(GO_ON)]));
}

#[test]
fn a_cut_answer_may_happen_three_times() {
    let mut life = begun();
    for _ in 0..3 {
        life = life.stops(Stop::MaxTokens);
        life.check(records([nudged(CUT)]));
        life = life.record();
    }
    life.stops(Stop::MaxTokens).check(records([completed(Verdict::Unverified)]));
}

#[test]
fn a_cut_answer_does_not_use_up_the_nudge() {
    begun().stops(Stop::MaxTokens).record().stops(Stop::EndTurn).check(records([nudged(GO_ON)]));
    begun().stops(Stop::EndTurn).record().stops(Stop::MaxTokens).check(records([nudged(CUT)]));
}

#[test]
fn a_person_answers_an_idle_model() {
    begun().stops(Stop::EndTurn).then(says("go on")).check(Action::CallModel { step: 2, attempt: 1 });
}

#[test]
fn a_refusal_with_calls_runs_nothing() {
    let life = begun().requested().then(received(1, &["a"], Stop::Refusal { category: None }));
    life.check(model_failed("the model refused to go on; reword the goal or choose another model"));
    assert!(life.state().calls.is_empty());
}

#[test]
fn a_refused_turn_that_is_resumed_asks_again() {
    let refused = begun().stops(Stop::Refusal { category: None }).record();
    refused.then(resumed()).check(Action::CallModel { step: 2, attempt: 1 });
    // A full context stays full.
    let full = begun().stops(Stop::ContextFull).record();
    full.then(resumed()).check(model_failed("the model's context is full; hand the rest off as a smaller job"));
}

#[test]
fn what_each_failure_leads_to() {
    let parks = |text: &str, hint: &str| records([parked(text, hint)]);
    for (kind, retry_after_ms, expected) in [
        (FailureKind::NeedsPerson, None, parks("overloaded", "mend that, then: errand resume 7f3a0001")),
        (FailureKind::NeedsPerson, Some(5), parks("overloaded", "mend that, then: errand resume 7f3a0001")),
        (FailureKind::Refused, None, model_failed("overloaded")),
        (
            FailureKind::Passing,
            Some(300_001),
            parks("the model did not answer: overloaded", "look at the endpoint, then: errand resume 7f3a0001"),
        ),
        (FailureKind::Passing, Some(300_000), Action::WaitUntil { at_ms: BIRTH_MS + 300_000 }),
        (FailureKind::Passing, Some(20_000), Action::WaitUntil { at_ms: BIRTH_MS + 20_000 }),
    ] {
        let life = begun().requested().then(failed(1, kind, retry_after_ms));
        assert_eq!(life.next(), expected, "{kind:?} {retry_after_ms:?}");
    }
    let worked = begun().edits().requested().then(failed_of(2, 1, FailureKind::Refused, None, Pico::ZERO));
    worked.check(Action::InspectResult);
}

/// The life after so many failures of the first step, each asked again when its wait was over, and the waits.
fn failing(n_failures: u32) -> (Life, Vec<i64>) {
    let (mut life, mut waits) = (begun(), Vec::new());
    for attempt in 1..=n_failures {
        life.check(Action::CallModel { step: 1, attempt });
        life = life.then(requested(1, attempt)).then(failed(attempt, FailureKind::Passing, None));
        if let Action::WaitUntil { at_ms } = life.next() {
            waits.push(at_ms - life.now_ms);
            // Not a moment earlier.
            life.clone().after(at_ms - life.now_ms - 1).check(Action::WaitUntil { at_ms });
            life.now_ms = at_ms;
        }
    }
    (life, waits)
}

#[test]
fn waits_double_up_to_a_minute_and_ten_attempts_are_the_end() {
    let (life, waits) = failing(10);
    let ceilings = [500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000];
    assert_eq!(waits.len(), ceilings.len());
    for (wait, ceiling) in waits.into_iter().zip(ceilings) {
        assert!((ceiling / 2..=ceiling).contains(&wait), "{wait} of {ceiling}");
    }
    let text = "the model did not answer in 10 attempts: overloaded";
    life.check(records([parked(text, "look at the endpoint, then: errand resume 7f3a0001")]));
    // Resumed, it counts from the start.
    life.record().then(resumed()).check(Action::CallModel { step: 1, attempt: 1 });
}

#[test]
fn a_response_forgets_the_failures_before_it() {
    let (life, _) = failing(3);
    let life = life.then(requested(1, 4)).then(received(1, &["a"], Stop::ToolUse)).then(answered("a"));
    life.check(Action::CallModel { step: 2, attempt: 1 });
}

#[test]
fn fifteen_minutes_of_waiting_are_the_end() {
    let patient = Draft { budget: DraftBudget { minutes: Some(600), ..DraftBudget::default() }, ..Draft::default() };
    for (gap_ms, is_parked) in [(15 * 60_000, false), (15 * 60_000 + 1, true)] {
        let life = Life::begun(patient.clone()).requested().then(failed(1, FailureKind::Passing, None));
        let life = life.after(gap_ms).then(requested(1, 2)).then(failed(2, FailureKind::Passing, None));
        assert_eq!(matches!(life.next(), Action::Record(_)), is_parked, "{gap_ms}");
    }
}

#[test]
fn a_crash_while_waiting_changes_nothing() {
    let (life, _) = failing(4);
    let cut = life.then(requested(1, 5));
    cut.check(records([interrupted(1, 5, RESERVED)]));
    cut.record().check(Action::CallModel { step: 1, attempt: 5 });
}

fn limited(steps: u32, minutes: u32) -> Life {
    let budget = DraftBudget { usd: Some(1.0), steps: Some(steps), minutes: Some(minutes) };
    Life::begun(Draft { budget, ..Draft::default() })
}

fn reached(limit: Limit, text: &str) -> Action {
    records([over(End::LimitReached { limit, text: text.to_owned() })])
}

#[test]
fn steps_are_counted_by_turn() {
    let steps = reached(Limit::Steps, "all 2 steps are used");
    let one = limited(2, 5).edits();
    one.check(Action::CallModel { step: 2, attempt: 1 });
    let two = one.edits();
    two.check(Action::InspectResult);
    let ended = two.then(inspected());
    ended.check(steps.clone());
    let more = ended.record().then(says("go on"));
    more.check(Action::CallModel { step: 3, attempt: 1 });
    more.edits().edits().then(inspected()).check(steps);
    limited(1, 5).edits().then(inspected()).check(reached(Limit::Steps, "the one step is used"));
    // Not in the middle of a step or of the gates.
    let last = limited(2, 5).edits().calls(&["a"]);
    last.check(Action::CallTools);
    limited(1, 5).files(report(errand_task::report::Outcome::Done)).check(Action::InspectResult);
}

#[test]
fn minutes_are_counted_by_turn() {
    let minutes = reached(Limit::Minutes, "all 5 minutes are used");
    let ask = |step| Action::CallModel { step, attempt: 1 };
    limited(2, 5).after(299_999).check(ask(1));
    let late = limited(2, 5).after(300_000);
    late.check(minutes.clone());
    let more = late.record().after(10_000_000).then(says("go on"));
    more.check(ask(1));
    more.after(300_000).check(minutes);
}

#[test]
fn the_time_a_task_was_parked_is_not_its_own() {
    let waiting = limited(2, 5).requested().then(failed(1, FailureKind::NeedsPerson, None)).record();
    let ask = Action::CallModel { step: 1, attempt: 1 };
    let once = waiting.after(3_600_000).then(resumed());
    once.check(ask.clone());
    // What it worked before and after counts together.
    let again = once.after(200_000).then(parked("no credit", "pay")).after(3_600_000).then(says("paid"));
    again.clone().after(99_999).check(ask);
    again.after(100_000).check(reached(Limit::Minutes, "all 5 minutes are used"));
}

#[test]
fn dollars() {
    let short = limited(2, 5).then(unaffordable(1, Pico(2_000_000_000_000), Pico(1_000_000_000_000)));
    let text = "the next request could cost $2.00 and $1.00 of the budget of $1.00 are left; raise it with: errand \
                reply 7f3a0001 --budget USD \"go on\"";
    short.check(reached(Limit::Dollars, text));
    let raised = short.record().then(raise(3.0));
    raised.check(Action::Rest);
    raised.then(says("go on")).check(Action::CallModel { step: 1, attempt: 1 });
    // Dollars are named before steps and minutes.
    let all = limited(1, 5).edits().then(inspected()).after(1 << 40).then(unaffordable(2, Pico(5), Pico(4)));
    assert!(matches!(all.next(), Action::Record(events) if format!("{events:?}").contains("Dollars")));
}

#[test]
fn a_budget_raised_in_time_counts() {
    let short = limited(2, 5).then(unaffordable(1, Pico(2_000_000_000_000), Pico(1_000_000_000_000)));
    short.then(raise(3.0)).check(Action::CallModel { step: 1, attempt: 1 });
}

pub fn raise(usd: f64) -> errand_task::event::Event {
    let dollars = Pico::from_usd(usd).unwrap();
    errand_task::event::Event::Person(errand_task::event::PersonEvent::BudgetRaised { dollars })
}
