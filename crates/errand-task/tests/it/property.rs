//! Any plausible outcome of any action: the task goes on or rests, money holds, calls are answered, a restart is the
//! same loop.

use crate::life::*;
use errand_task::action::Action;
use errand_task::borders::Violation;
use errand_task::contract::{Draft, DraftBudget, Mode};
use errand_task::decide::decide;
use errand_task::event::{Event, FinishEvent, ModelEvent, PersonEvent, TaskEvent, ToolEvent, WorkspaceEvent};
use errand_task::facts::{FailureKind, Phase, RunEnd, Stop};
use errand_task::id::Digest;
use errand_task::money::{Cost, Pico};
use errand_task::report::{Outcome, Report};
use errand_task::state::{Record, State};
use errand_task::text::Text;
use errand_task::verdict::{End, Verdict};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Choices made beforehand; when they are used up, everything goes well.
struct Tape<'a>(std::slice::Iter<'a, u8>);

impl Tape<'_> {
    fn pick(&mut self, n: u8) -> u8 {
        self.0.next().map_or(0, |choice| choice % n)
    }

    fn has(&self) -> bool {
        self.0.len() > 0
    }
}

fn contract(tape: &mut Tape<'_>) -> Draft {
    let mut draft = match tape.pick(5) {
        0 => draft(&["make"], &[], None),
        1 => Draft::default(),
        2 => draft(&["make"], &["make t"], Some("make t")),
        3 => draft(&[], &[], Some("make t")),
        _ => Draft { mode: Some(Mode::Plan), ..Draft::default() },
    };
    if tape.pick(4) == 3 {
        draft.setup = vec!["make deps".to_owned()];
    }
    draft.budget = DraftBudget { usd: Some(0.5), steps: Some(6), minutes: Some(45) };
    draft
}

struct World<'a> {
    tape: Tape<'a>,
    life: Life,
    state: State,
    n_calls: u32,
}

impl World<'_> {
    fn note(&mut self, event: Event) {
        self.life.push(event);
        self.state.apply(self.life.records.last().unwrap());
    }

    fn end(&mut self) -> RunEnd {
        match self.tape.pick(8) {
            0 | 1 => exited(0),
            2 => exited(1),
            3 => RunEnd::TimedOut,
            4 => exited(127),
            5 => RunEnd::Interrupted,
            6 => RunEnd::TooMuchOutput,
            _ => RunEnd::NotStarted { why: "x".to_owned() },
        }
    }

    fn model(&mut self, step: u32, attempt: u32) {
        let reserved = Pico(i64::from(self.tape.pick(250)) * 1_000_000_000 + 1);
        let left = self.state.contract().budget.dollars - self.state.committed();
        if reserved > left {
            return self.note(unaffordable(step, reserved, left));
        }
        let (request, prefix) = (Digest::of(b"r"), Digest::of(b"p"));
        self.note(Event::Model(ModelEvent::Requested { step, attempt, request, prefix, reserved }));
        let cost = Pico(reserved.0 / (1 + i64::from(self.tape.pick(3))));
        let finishes = |n: u32| vec![format!("f{n}")];
        self.n_calls += 10;
        let n = self.n_calls;
        let call = |kind: &str, k: u32| format!("{kind}{}", n + k);
        let (ids, stop) = match self.tape.pick(12) {
            0 => (finishes(n), Stop::ToolUse),
            1 => (vec![call("a", 1)], Stop::ToolUse),
            2 => (vec![call("a", 1), call("b", 2), call("f", 3)], Stop::ToolUse),
            3 => (vec![call("f", 1), call("a", 2), call("f", 3)], Stop::MaxTokens),
            4 => (Vec::new(), Stop::EndTurn),
            5 => (Vec::new(), Stop::MaxTokens),
            6 => (Vec::new(), Stop::Paused),
            7 if self.tape.pick(2) == 1 => (vec![call("a", 1)], Stop::Refusal { category: None }),
            7 => (Vec::new(), Stop::Refusal { category: None }),
            8 => (Vec::new(), Stop::ContextFull),
            9 => return, // errand went down
            10 => {
                let kind = [FailureKind::Passing, FailureKind::NeedsPerson, FailureKind::Refused];
                let kind = kind[usize::from(self.tape.pick(3))];
                let uncertain = if self.tape.pick(2) == 0 { Pico::ZERO } else { reserved };
                return self.note(failed_of(step, attempt, kind, None, uncertain));
            }
            _ => (vec![call("a", 1), call("b", 2)], Stop::ToolUse),
        };
        let ids: Vec<_> = ids.iter().map(String::as_str).collect();
        let content = if self.tape.pick(5) == 4 && ids.is_empty() { Text::inline("[]") } else { content(step) };
        let mut received = received_of(step, content, &ids, stop, cost);
        if let Event::Model(ModelEvent::Received { cost, .. }) = &mut received
            && self.tape.pick(6) == 5
        {
            *cost = Cost::Unknown;
        }
        self.note(received);
    }

    fn report(&mut self) -> Report {
        let outcome = match self.tape.pick(5) {
            0 | 1 => Outcome::Done,
            2 => Outcome::Partial,
            3 => Outcome::Blocked,
            _ => Outcome::NothingToChange,
        };
        let checks = if self.tape.pick(4) == 3 { vec![u32::from(self.tape.pick(5))] } else { Vec::new() };
        let whole = with_document("src/a.rs:3");
        let summary = if self.tape.pick(6) == 5 { String::new() } else { "Fixed.".to_owned() };
        Report { outcome, checks, summary, cause: with_cause().cause, ..whole }
    }

    fn tools(&mut self) {
        let open: Vec<_> = self.state.calls.iter().filter(|open| open.result.is_none()).cloned().collect();
        for open in &open {
            let id = open.call.id.as_str();
            if open.call.name == "finish" {
                // A report that was filed before a crash is as well-formed after it.
                let is_filed = self.state.finish.as_ref().is_some_and(|finish| finish.call == open.call.id);
                if self.tape.pick(5) == 4 && !is_filed {
                    self.note(result(id, "ill-formed", true));
                    continue;
                }
                let report = self.report();
                self.note(filed(id, report));
                if self.tape.pick(9) == 8 {
                    return;
                }
                return self.answer_behind();
            }
            match self.tape.pick(6) {
                0 | 1 => self.note(edited(id)),
                2 => {
                    let (number, end) = (self.state.next_run(), self.end());
                    self.note(ran(id, number, Some(end)));
                }
                3 => {
                    self.note(started(id));
                    return;
                }
                4 => {
                    let number = self.state.next_run();
                    self.note(ran(id, number, None));
                }
                _ => self.note(answered(id)),
            }
        }
        let running: Vec<_> = self.state.runs.iter().filter(|run| run.record.end.is_none()).cloned().collect();
        if let Some(job) = running.first()
            && self.tape.pick(2) == 1
        {
            self.note(jobs_ended(vec![run(job.record.number, Some(exited(0)))]));
        }
    }

    /// Calls behind a filed report are answered, not performed.
    fn answer_behind(&mut self) {
        let filed = self.state.finish.as_ref().map(|finish| finish.call.clone());
        let calls = self.state.calls.clone();
        for open in calls.iter().filter(|open| open.result.is_none() && Some(&open.call.id) != filed.as_ref()) {
            self.note(result(open.call.id.as_str(), "not run: it came after finish", true));
        }
    }

    fn inspect(&mut self) {
        let violations = match self.tape.pick(5) {
            4 => vec![Violation::NotAllowed { path: "x".to_owned() }],
            _ => Vec::new(),
        };
        let missing_references: &[&str] = if self.tape.pick(6) == 5 { &["x:1"] } else { &[] };
        let diff = if self.tape.pick(4) == 3 { Vec::new() } else { vec![change("src/a.rs")] };
        let blemishes: &[&str] = if self.tape.pick(6) == 5 { &["y.orig"] } else { &[] };
        self.note(found(diff, violations, missing_references, blemishes));
    }

    fn person(&mut self) {
        let event = match self.tape.pick(40) {
            39 => says("more"),
            38 => stop(),
            37 => resumed(),
            36 => Event::Person(PersonEvent::BudgetRaised { dollars: self.state.contract().budget.dollars + PRICE }),
            35 => match self.state.before_step(1) {
                Some(tree) => rewind_requested(1, tree.as_str()),
                None => return,
            },
            _ => return,
        };
        self.note(event);
    }

    /// What needs the workspace finds it gone.
    fn is_lost(&mut self, action: &Action) -> bool {
        let is_needed = match action {
            Action::CallTools | Action::InspectResult | Action::Rewind { .. } => true,
            Action::RunCheck { phase, .. } => matches!(phase, Phase::Setup | Phase::Baseline),
            Action::Rest
            | Action::WaitUntil { .. }
            | Action::Record(_)
            | Action::PrepareWorkspace
            | Action::Brief
            | Action::CallModel { .. } => false,
        };
        let workspace = self.state.workspace.as_ref();
        assert!(!is_needed || workspace.is_some_and(|workspace| !workspace.is_gone), "{action:?} without a workspace");
        is_needed && self.tape.pick(12) == 11
    }

    fn perform(&mut self, action: Action) {
        if self.is_lost(&action) {
            return self.note(lost());
        }
        match action {
            Action::Rest => {}
            Action::WaitUntil { at_ms } => {
                assert!(at_ms > self.life.now_ms, "a wait for the past");
                self.life.now_ms = at_ms;
                self.state.observe(at_ms);
            }
            Action::Record(events) => events.into_iter().for_each(|event| self.note(event)),
            Action::PrepareWorkspace if self.tape.pick(9) == 8 => self.note(prepare_failed()),
            Action::PrepareWorkspace if self.state.workspace.is_some() => {
                let tree = self.state.snapshot.clone().unwrap();
                self.note(remade(tree.as_str()));
            }
            Action::PrepareWorkspace => self.note(prepared()),
            Action::Brief => self.note(briefed()),
            Action::RunCheck { phase: Phase::RegressionOld, .. } if self.tape.pick(4) == 3 => {
                self.note(not_provable("no new test"));
            }
            Action::RunCheck { phase, index } => {
                let end = match phase {
                    Phase::RegressionOld if !self.tape.has() => exited(1),
                    Phase::RegressionOld | Phase::Baseline | Phase::Result | Phase::RegressionNew | Phase::Setup => {
                        self.end()
                    }
                };
                self.note(checked(phase, index, "make", end));
            }
            Action::Rewind { step, tree } => {
                assert!(self.state.calls.iter().all(|open| open.result.is_some()), "open calls are lost from sight");
                self.note(rewound(step, tree.as_str()));
            }
            Action::CallModel { step, attempt } => {
                assert!(self.state.rewind.is_none(), "the model is asked before the files are put back");
                self.model(step, attempt);
            }
            Action::CallTools => self.tools(),
            Action::InspectResult => self.inspect(),
        }
    }
}

/// A turn ends with the eyes open: the last look is younger than everything that may have changed files, and the verdict
/// is no better than what was seen.
fn ends_are_seen(life: &Life) {
    let mut is_unseen = false;
    let answers = |record: &Record| matches!(&record.event, Event::Tool(ToolEvent::Ended { duration_ms: 0, .. }));
    for (n, record) in life.records.iter().enumerate() {
        match &record.event {
            Event::Finish(FinishEvent::Inspected { .. }) => is_unseen = false,
            // What a decision answers was not performed.
            Event::Tool(_) => is_unseen |= !answers(record),
            Event::Workspace(WorkspaceEvent::Rewound { .. }) => is_unseen = true,
            Event::Task(TaskEvent::Ended { end }) => {
                let state = State::fold(id(), &life.records[..=n]).unwrap();
                // One that is gone and cannot be made anew cannot be looked at.
                let is_gone = state.workspace.as_ref().is_some_and(|workspace| workspace.is_gone);
                assert!(!is_unseen || is_gone, "unseen changes at event {}", record.seq);
                if let End::Completed { verdict } = end {
                    is_honest(&state, *verdict);
                }
            }
            _ => {}
        }
    }
}

fn is_honest(state: &State, verdict: Verdict) {
    let is_crossed = state.result.as_ref().is_some_and(|result| !result.violations.is_empty());
    assert!(!is_crossed || verdict == Verdict::ContractViolated, "{verdict} over crossed borders");
    if verdict != Verdict::Verified {
        return;
    }
    let checks = &state.finish.as_ref().unwrap().checks;
    let green = |phase| checks.iter().filter(|record| record.phase == phase && record.is_green()).count();
    assert_eq!(green(Phase::Result), state.contract().checks.len());
    if state.contract().regression.is_some() {
        let old = checks.iter().find(|record| record.phase == Phase::RegressionOld).unwrap();
        assert!(matches!(old.end, RunEnd::Exited { code: 1 } | RunEnd::TimedOut), "{:?} proves nothing", old.end);
    }
}

/// Before each request, every call of the responses before it has exactly one result.
fn calls_are_answered(records: &[Record]) {
    let mut results: BTreeMap<&str, u32> = BTreeMap::new();
    for record in records {
        match &record.event {
            // Calls of a refused answer are nobody's.
            Event::Model(ModelEvent::Received { stop: Stop::Refusal { .. }, .. }) => {}
            Event::Model(ModelEvent::Received { calls, .. }) => {
                results.extend(calls.iter().map(|call| (call.id.as_str(), 0)));
            }
            Event::Tool(ToolEvent::Ended { call, .. }) => *results.entry(call.as_str()).or_insert(100) += 1,
            Event::Model(ModelEvent::Requested { .. }) | Event::Task(TaskEvent::Ended { .. }) => {
                assert!(results.values().all(|&n| n == 1), "{results:?} at event {}", record.seq);
            }
            _ => {}
        }
    }
}

/// Reads the journal from its stored form and goes on from there.
fn restarted(life: &Life) -> Action {
    let reread = |record: &Record| {
        let json = serde_json::to_string(&record.event).unwrap();
        Record { seq: record.seq, at_ms: record.at_ms, event: serde_json::from_str(&json).unwrap() }
    };
    let records: Vec<_> = life.records.iter().map(reread).collect();
    let mut state = State::fold(id(), &records).unwrap();
    state.observe(life.now_ms);
    decide(&state)
}

fn lives(choices: &[u8]) {
    let mut tape = Tape(choices.iter());
    let life = Life::of(contract(&mut tape));
    let mut world = World { tape, state: life.state(), life, n_calls: 0 };
    let most = choices.len() + 60;
    for n_actions in 0.. {
        assert!(n_actions < most, "it does not rest within {most} actions");
        let action = decide(&world.state);
        assert_eq!(decide(&world.state), action, "the same state, another decision");
        assert_eq!(restarted(&world.life), action, "after a restart, another decision");
        let budget = world.state.contract().budget.dollars;
        assert!(world.state.committed() <= budget, "{:?} of {budget}", world.state.spend);
        if action == Action::Rest && !world.tape.has() {
            break;
        }
        world.perform(action);
        world.person();
    }
    calls_are_answered(&world.life.records);
    ends_are_seen(&world.life);
    assert!(world.state.status().is_resting());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_outcome_leads_to_rest(choices in proptest::collection::vec(any::<u8>(), 0..160)) {
        lives(&choices);
    }
}
