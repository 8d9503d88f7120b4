//! The fold: what is remembered, and what the next request shows.

use crate::life::*;
use crate::model::raise;
use errand_task::action::Action;
use errand_task::contract::Draft;
use errand_task::conversation::{CallResult, Message};
use errand_task::decide::decide;
use errand_task::event::{Event, ModelEvent, PersonEvent, ReviewEvent, ToolEvent};
use errand_task::facts::{Endpoint, FailureKind, Stop};
use errand_task::id::{CallId, CommitId, CredentialId, Seq, TreeId};
use errand_task::money::{Cost, Pico, Usage};
use errand_task::report::Outcome;
use errand_task::state::State;
use errand_task::text::Text;
use errand_task::verdict::{End, Status, Verdict};

fn begun() -> Life {
    Life::begun(Draft::default())
}

fn texts(texts: &[&str]) -> Vec<Text> {
    texts.iter().map(|&text| Text::inline(text)).collect()
}

fn person(said: &[&str]) -> Message {
    Message::Person { texts: texts(said) }
}

fn model(step: u32) -> Message {
    Message::Model { content: content(step) }
}

fn results(outputs: &[(&str, &str)], notes: &[&str]) -> Message {
    let result = |&(id, output): &(&str, &str)| CallResult {
        call: CallId::new(id),
        output: Text::inline(output),
        is_error: false,
    };
    Message::Results { results: outputs.iter().map(result).collect(), notes: texts(notes) }
}

fn shows(life: &Life, expected: &[Message]) {
    assert_eq!(life.state().with_notes(), expected);
    // The request carries exactly what was shown, and nothing is left over.
    let asked = life.clone().requested().state();
    assert_eq!((asked.conversation.as_slice(), asked.notes.as_slice()), (expected, &[][..]));
}

const SAID: &str = "The person writes: also the tests";

#[test]
fn notes_travel_with_the_next_request_once() {
    let said = || says("also the tests");
    shows(&begun().then(said()), &[person(&["opening", SAID])]);
    let asked = begun().then(said()).requested();
    shows(&asked.clone().then(interrupted(1, 1, RESERVED)), &[person(&["opening", SAID])]);
    let failed = asked.then(failed(1, FailureKind::Passing, None));
    shows(&failed, &[person(&["opening", SAID])]);
    let working = begun().calls(&["a"]);
    let expected = [person(&["opening"]), model(1), results(&[("a", "ok")], &[SAID])];
    shows(&working.clone().then(said()).then(answered("a")), &expected);
    shows(&working.clone().then(answered("a")).then(said()), &expected);
    // During the request: after its results, not before them.
    shows(&begun().requested().then(said()).then(received(1, &["a"], Stop::ToolUse)).then(answered("a")), &expected);
    shows(&begun().stops(Stop::EndTurn).then(said()), &[person(&["opening"]), model(1), person(&[SAID])]);
    let both = working.then(said()).then(answered("a")).then(jobs_ended(vec![])).then(said());
    shows(&both, &[person(&["opening"]), model(1), results(&[("a", "ok")], &[SAID, "job ended", SAID])]);
}

#[test]
fn what_was_said_before_the_brief_follows_the_opening() {
    shows(&Life::bare().then(says("also the tests")).then(briefed()), &[person(&["opening", SAID])]);
}

#[test]
fn results_stand_in_call_order_in_one_message() {
    let life = begun().calls(&["a", "b", "c"]).then(edited("c")).then(answered("a"));
    shows(&life.clone().then(stop()), &[person(&["opening"]), model(1)]);
    let life = life.then(ran("b", 1, Some(exited(0))));
    shows(&life, &[person(&["opening"]), model(1), results(&[("a", "ok"), ("b", "ran"), ("c", "edited")], &[])]);
    let state = life.state();
    assert_eq!((state.n_results, state.last_edit, state.calls.len()), (3, Some(1), 0));
}

#[test]
fn refused_and_empty_responses_are_not_kept() {
    let refused = begun().stops(Stop::Refusal { category: None });
    shows(&refused, &[person(&["opening"])]);
    let reworded = refused.record().then(says("also the tests"));
    shows(&reworded, &[person(&["opening", SAID])]);
    let empty = |text: &str| begun().requested().then(received_of(1, Text::inline(text), &[], Stop::EndTurn, PRICE));
    for text in ["[]", " [] \n"] {
        let nudge = "You stopped without a tool call. Go on, or call finish: only finish ends the job.";
        shows(&empty(text).record(), &[person(&["opening", nudge])]);
    }
    // Billed all the same.
    assert_eq!(empty("[]").state().spend.settled, PRICE);
    shows(&begun().stops(Stop::Paused), &[person(&["opening"]), model(1)]);
}

#[test]
fn a_result_nobody_asked_for_adds_no_message() {
    let life = begun().calls(&["a"]).then(answered("a")).then(answered("a")).then(answered("z"));
    shows(&life, &[person(&["opening"]), model(1), results(&[("a", "ok")], &[])]);
}

#[test]
fn a_job_is_recorded_twice_and_the_end_counts() {
    let job = begun().calls(&["a"]).then(ran("a", 1, None)).runs(2, exited(1));
    let ended = job.clone().then(jobs_ended(vec![run(1, Some(exited(0)))])).state();
    let numbers =
        |state: &State| state.runs.iter().map(|run| (run.record.number, run.record.headline())).collect::<Vec<_>>();
    assert_eq!(numbers(&job.state()), [(1, "still running".to_owned()), (2, "exit 1".to_owned())]);
    assert_eq!(numbers(&ended), [(1, "exit 0".to_owned()), (2, "exit 1".to_owned())]);
    assert_eq!((job.state().next_run(), ended.next_run(), begun().state().next_run()), (3, 3, 1));
}

#[test]
fn turns_begin_with_an_answer_to_an_ended_one() {
    let turns = |life: &Life| (life.state().turn.number, life.state().status());
    let ended = begun().edits().files(report(Outcome::Blocked)).then(inspected()).record();
    assert_eq!(turns(&begun().then(says("x"))), (1, Status::Working));
    assert_eq!(turns(&ended), (1, Status::Completed));
    assert_eq!(turns(&ended.clone().then(raise(9.0))), (1, Status::Completed));
    assert_eq!(turns(&ended.clone().then(resumed())), (2, Status::Working));
    let more = ended.clone().after(500).then(says("x")).after(500).then(says("y"));
    assert_eq!(turns(&more), (2, Status::Working));
    let state = more.state();
    assert_eq!((state.turn.started_at_ms, state.turn.first_step), (BIRTH_MS + 500, 2));
    assert!(state.finish.is_none() && state.result.is_some(), "the last result is still shown");
    assert_eq!(turns(&begun().then(parked("no credit", "pay"))), (1, Status::InputRequired));
    assert_eq!(turns(&begun().then(parked("no credit", "pay")).then(says("x"))), (1, Status::Working));
    assert_eq!(turns(&Life::bare()), (1, Status::Submitted));
}

#[test]
fn ends_are_told_by_status_verdict_and_exit_code() {
    let text = || "why".to_owned();
    let limit = errand_task::verdict::Limit::Steps;
    let mut told = Vec::new();
    for end in [
        End::Completed { verdict: Verdict::Verified },
        End::Completed { verdict: Verdict::Delivered },
        End::Completed { verdict: Verdict::Unverified },
        End::Completed { verdict: Verdict::ChecksFailed },
        End::Completed { verdict: Verdict::ContractViolated },
        End::LimitReached { limit, text: text() },
        End::EnvironmentNotReady { text: text() },
        End::ModelFailed { text: text() },
        End::Internal { text: text() },
        End::Cancelled,
    ] {
        let state = begun().then(over(end)).state();
        let verdict = state.verdict().map_or("-", Verdict::as_str);
        told.push(format!("{} {verdict} {}", state.status(), state.exit_code().unwrap().code()));
    }
    assert_eq!(
        told,
        [
            "completed verified 0",
            "completed delivered 0",
            "completed unverified 3",
            "completed checks_failed 4",
            "completed contract_violated 5",
            "failed - 6",
            "failed - 8",
            "failed - 1",
            "failed - 1",
            "cancelled - 130",
        ]
    );
    assert_eq!(begun().state().exit_code(), None);
    assert_eq!(begun().then(parked("a", "b")).state().exit_code().unwrap().code(), 7);
}

#[test]
fn money_is_settled_uncertain_or_reserved() {
    let usage = Usage { input: 6, output: 10, ..Usage::default() };
    let two = begun().edits().edits().requested();
    let state = two.state();
    assert_eq!((state.spend.settled, state.spend.usage), (PRICE + PRICE, usage));
    assert_eq!(state.committed(), PRICE + PRICE + RESERVED);
    let failed = two.then(failed_of(3, 1, FailureKind::Passing, None, RESERVED));
    let cut = failed.requested().record();
    assert_eq!(cut.state().spend.uncertain, RESERVED + RESERVED);
    assert_eq!(cut.state().committed(), PRICE + PRICE + RESERVED + RESERVED);
}

#[test]
fn what_has_no_price_counts_as_gone() {
    let unpriced = |step| match received(step, &[], Stop::Paused) {
        Event::Model(ModelEvent::Received {
            step,
            message_id,
            model,
            content,
            text,
            calls,
            stop,
            usage,
            duration_ms,
            ..
        }) => Event::Model(ModelEvent::Received {
            step,
            message_id,
            model,
            content,
            text,
            calls,
            stop,
            usage,
            cost: Cost::Unknown,
            duration_ms,
        }),
        other => other,
    };
    let state = begun().then(requested(1, 1)).then(unpriced(1)).state();
    assert_eq!((state.spend.settled, state.spend.uncertain, state.spend.n_unpriced), (Pico::ZERO, Pico::ZERO, 1));
    assert_eq!(state.committed(), RESERVED);
}

#[test]
fn a_raised_budget_is_the_contracts() {
    let dollars = |life: &Life| life.state().contract().budget.dollars;
    assert_eq!(dollars(&begun()), Pico(2_000_000_000_000));
    assert_eq!(dollars(&begun().then(raise(3.5))), Pico(3_500_000_000_000));
}

#[test]
fn a_task_can_be_moved_to_another_endpoint() {
    let endpoint = Endpoint { base_url: "http://other".to_owned(), credential: CredentialId::new("k2") };
    let life = begun().then(Event::Person(PersonEvent::EndpointChanged { endpoint: endpoint.clone() }));
    assert_eq!(life.state().submitted.endpoint, endpoint);
    shows(&life, &[person(&["opening"])]);
    // It wakes nothing by itself.
    let parked = begun().then(parked("no credit", "pay"));
    let moved = parked.then(Event::Person(PersonEvent::EndpointChanged { endpoint }));
    moved.check(errand_task::action::Action::Rest);
}

#[test]
fn an_endpoint_that_counts_without_end_does_not_break_the_fold() {
    let huge = Usage { input: u64::MAX, ..Usage::default() };
    let hostile = |step| match received(step, &[], Stop::Paused) {
        Event::Model(ModelEvent::Received {
            step,
            message_id,
            model,
            content,
            text,
            calls,
            stop,
            cost,
            duration_ms,
            ..
        }) => Event::Model(ModelEvent::Received {
            step,
            message_id,
            model,
            content,
            text,
            calls,
            stop,
            usage: huge,
            cost,
            duration_ms,
        }),
        other => other,
    };
    let life = begun().then(requested(1, 1)).then(hostile(1)).then(requested(2, 1)).then(hostile(2));
    assert_eq!(life.state().spend.usage.input, u64::MAX);
}

fn applied(tree: &str) -> Event {
    let files = vec!["src/a.rs".to_owned()];
    Event::Review(ReviewEvent::Applied { tree: TreeId::new(tree), record: format!("undo-{tree}"), files })
}

#[test]
fn apply_and_undo() {
    let undone = |tree: &str| Event::Review(ReviewEvent::Undone { tree: TreeId::new(tree), files: Vec::new() });
    let branched = Event::Review(ReviewEvent::Branched {
        tree: TreeId::new("t1"),
        branch: "b".to_owned(),
        commit: CommitId::new("c1"),
    });
    let shown = |life: &Life| life.state().applied().map(|applied| format!("{} {}", applied.tree, applied.record));
    let ended = begun().then(completed(Verdict::Verified));
    for (events, expected) in [
        (vec![], None),
        (vec![applied("t1")], Some("t1 undo-t1")),
        (vec![applied("t1"), applied("t2")], Some("t2 undo-t2")),
        (vec![applied("t1"), undone("t1")], None),
        (vec![branched], None),
    ] {
        let life = ended.clone().all(events.clone());
        assert_eq!(shown(&life).as_deref(), expected, "{events:?}");
        life.check(errand_task::action::Action::Rest);
    }
}

#[test]
fn undo_takes_back_the_last_of_two() {
    let undone = Event::Review(ReviewEvent::Undone { tree: TreeId::new("t2"), files: Vec::new() });
    let life = begun().then(applied("t1")).then(applied("t2")).then(undone);
    assert_eq!(life.state().applied().map(|applied| applied.tree.clone()), Some(TreeId::new("t1")));
}

#[test]
fn a_journal_begins_with_a_submission() {
    assert!(State::fold(id(), &[]).is_none());
    let life = begun();
    assert!(State::fold(id(), &life.records[1..]).is_none());
    let state = life.after(70).then(says("x")).state();
    assert_eq!((state.seq, state.created_at_ms, state.changed_at_ms), (Seq(4), BIRTH_MS, BIRTH_MS + 70));
}

/// Three steps: one that edits, one that only reads, one that runs a command; then it stops.
fn three_steps() -> Life {
    let at = |tree: &str, id: &str| {
        Event::Tool(ToolEvent::Started { call: CallId::new(id), snapshot: Some(TreeId::new(tree)) })
    };
    let life = begun().calls(&["a"]).then(at("t1", "a")).then(edited("a"));
    let life =
        life.calls(&["b"]).then(answered("b")).calls(&["c"]).then(at("t3", "c")).then(ran("c", 1, Some(exited(0))));
    life.then(stop()).then(inspected()).then(over(End::Cancelled))
}

#[test]
fn a_step_is_known_by_the_first_snapshot_from_it_on() {
    let before = |life: &Life| {
        let state = life.state();
        [1, 2, 3, 4].map(|step| state.before_step(step).map(ToString::to_string))
    };
    let life = three_steps();
    let some = |tree: &str| Some(tree.to_owned());
    assert_eq!(before(&life), [some("t1"), some("t3"), some("t3"), None]);
    // What was there before a rewind is what the last step left.
    let end = life.state().snapshot.unwrap().to_string();
    let back = life.then(rewind_requested(3, "t3")).then(rewound(3, "t3"));
    assert_eq!(before(&back), [some("t1"), some("t3"), some("t3"), None]);
    let reads = begun().calls(&["a"]).then(started("a")).then(edited("a")).calls(&["b"]).then(answered("b"));
    let reads = reads.then(stop()).then(inspected()).then(over(End::Cancelled));
    let back = reads.then(rewind_requested(1, "t0")).then(rewound(1, "t0"));
    assert_eq!(before(&back)[..3], [some("t0"), Some(end), None]);
}

#[test]
fn a_rewind_is_done_before_the_model_is_asked_and_told_to_it() {
    let asked = three_steps().then(rewind_requested(2, "t3"));
    assert_eq!(asked.state().status(), Status::Working);
    let rewind = Action::Rewind { step: 2, tree: TreeId::new("t3") };
    assert_eq!(decide(&asked.state()), rewind.clone());
    // A stop before it is done does not forget it.
    let later = asked.clone().then(stop()).then(over(End::Cancelled)).then(resumed());
    assert_eq!(decide(&later.state()), rewind);
    let back = asked.clone().then(rewound(2, "t3"));
    let state = back.state();
    assert!(state.result.is_none() && state.rewind.is_none(), "the old result is not there any more");
    assert_eq!((state.rewinds.as_slice(), state.snapshot), (&[2][..], Some(TreeId::new("t3"))));
    assert!(matches!(decide(&back.state()), Action::CallModel { step: 4, .. }));
    let Some(Message::Results { notes, .. }) = back.state().with_notes().pop() else { panic!("no results") };
    assert_eq!(
        notes,
        texts(&["The person put the files back to what they were before your step 2. Undone: src/a.rs. What the \
                 repository ignores, HOME and /tmp are as you left them. Read before you edit. The person writes: \
                 another way"])
    );
    // The end is looked at anew, and what a run has seen is no evidence any more.
    assert_eq!(decide(&back.clone().then(stop()).state()), Action::InspectResult);
    assert!(back.state().last_edit.unwrap() > back.state().runs[0].order);
}

#[test]
fn a_rewind_answers_the_calls_that_a_fault_left_open() {
    let broken = begun().calls(&["a", "b"]).then(started("a")).then(over(End::Internal { text: "a fault".to_owned() }));
    let asked = broken.then(rewind_requested(1, "t0"));
    let Action::Record(events) = decide(&asked.state()) else { panic!("{:?}", decide(&asked.state())) };
    let told: Vec<_> = events
        .iter()
        .map(|event| match event {
            Event::Tool(ToolEvent::Ended { call, is_error: true, .. }) => call.to_string(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(told, ["a", "b"]);
    let answered = events.into_iter().fold(asked, Life::then);
    assert_eq!(decide(&answered.state()), Action::InspectResult);
}
