//! The life of one task as a list of events: the one place of these tests that knows the API.

use errand_task::action::Action;
use errand_task::borders::Violation;
use errand_task::contract::{Baseline, Draft, DraftCheck, DraftFullCheck};
use errand_task::decide::decide;
use errand_task::event::{
    CheckEvent, Event, FinishEvent, ModelEvent, PersonEvent, TaskEvent, ToolEvent, WorkspaceEvent,
};
use errand_task::facts::{
    Call, ChangeKind, CheckRecord, Endpoint, FailureKind, FileChange, LeftOut, ModelSettings, Phase, RequestFailure,
    RunEnd, RunRecord, SkippedPath, Source, Stop, Thinking,
};
use errand_task::id::{CallId, CommitId, CredentialId, Digest, Seq, TaskId, TreeId};
use errand_task::money::{Cost, Pico, PriceRow, Usage};
use errand_task::report::{Cause, Outcome, Report};
use errand_task::state::{Record, State};
use errand_task::text::Text;
use errand_task::verdict::{End, Verdict};

/// When every life begins.
pub const BIRTH_MS: i64 = 1_000_000;
pub const RESERVED: Pico = Pico(50_000_000_000);
pub const PRICE: Pico = Pico(10_000_000_000);

#[derive(Clone)]
pub struct Life {
    pub records: Vec<Record>,
    pub now_ms: i64,
}

pub fn id() -> TaskId {
    TaskId::new("7f3a0001")
}

/// A check that must pass, one that may fail, or the regression command.
pub fn draft(checks: &[&str], may_fail: &[&str], regression: Option<&str>) -> Draft {
    let full = |run: &&str| DraftFullCheck {
        run: (*run).to_owned(),
        repeat: None,
        baseline: Some(Baseline::MayFail),
        timeout_s: None,
    };
    let must = checks.iter().map(|&run| DraftCheck::Command(run.to_owned()));
    Draft {
        checks: must.chain(may_fail.iter().map(full).map(DraftCheck::Full)).collect(),
        regression: regression.map(str::to_owned),
        ..Draft::default()
    }
}

impl Life {
    /// Just submitted.
    pub fn of(draft: Draft) -> Self {
        let contract = draft.complete("fix the login").unwrap();
        let submitted = TaskEvent::Submitted {
            name: None,
            contract: Box::new(contract),
            source: Source {
                repository: "/home/p/repo".to_owned(),
                base_commit: CommitId::new("c0"),
                base_name: "main".to_owned(),
                n_uncommitted: 0,
                dirty: None,
            },
            endpoint: Endpoint { base_url: "http://model".to_owned(), credential: CredentialId::new("k") },
            version: "0.1.0".to_owned(),
            notices: Vec::new(),
        };
        Self { records: Vec::new(), now_ms: BIRTH_MS }.then(Event::Task(submitted))
    }

    pub fn bare() -> Self {
        Self::of(Draft::default())
    }

    /// Workspace, a green baseline and the brief are there: the model is asked next.
    pub fn begun(draft: Draft) -> Self {
        let life = Self::of(draft).then(prepared());
        let checks = life.state().contract().checks.clone();
        let base = |(index, check): (usize, &errand_task::contract::Check)| {
            checked(Phase::Baseline, index as u32, &check.run, exited(0))
        };
        life.all(checks.iter().enumerate().map(base)).then(briefed())
    }

    pub fn then(mut self, event: Event) -> Self {
        self.push(event);
        self
    }

    pub fn push(&mut self, event: Event) {
        let seq = Seq(self.records.len() as u64 + 1);
        self.records.push(Record { seq, at_ms: self.now_ms, event });
    }

    pub fn all(self, events: impl IntoIterator<Item = Event>) -> Self {
        events.into_iter().fold(self, Self::then)
    }

    /// Time goes on.
    pub fn after(mut self, ms: i64) -> Self {
        self.now_ms += ms;
        self
    }

    /// The events of a decision happen.
    pub fn record(self) -> Self {
        let Action::Record(events) = self.next() else { panic!("{:?} is nothing to record", self.next()) };
        self.all(events)
    }

    pub fn requested(self) -> Self {
        let step = self.state().n_steps + 1;
        self.then(requested(step, 1))
    }

    /// The model is asked and calls these tools: `finish` when the id starts with `f`, else `run`.
    pub fn calls(self, ids: &[&str]) -> Self {
        let step = self.state().n_steps + 1;
        self.then(requested(step, 1)).then(received(step, ids, Stop::ToolUse))
    }

    /// The model is asked and stops without a call.
    pub fn stops(self, stop: Stop) -> Self {
        let step = self.state().n_steps + 1;
        self.then(requested(step, 1)).then(received(step, &[], stop))
    }

    /// One step with an edit of `src/a.rs`.
    pub fn edits(self) -> Self {
        let id = format!("e{}", self.records.len());
        self.calls(&[&id]).then(edited(&id))
    }

    /// One step with a run of this number.
    pub fn runs(self, number: u32, end: RunEnd) -> Self {
        let id = format!("r{}", self.records.len());
        self.calls(&[&id]).then(ran(&id, number, Some(end)))
    }

    /// The model calls `finish` (call `f`) with this report.
    pub fn files(self, report: Report) -> Self {
        self.calls(&["f"]).then(filed("f", report))
    }

    pub fn state(&self) -> State {
        let mut state = State::fold(id(), &self.records).unwrap();
        state.observe(self.now_ms);
        state
    }

    pub fn next(&self) -> Action {
        decide(&self.state())
    }

    #[track_caller]
    pub fn check(&self, expected: Action) {
        assert_eq!(self.next(), expected);
    }
}

pub fn prepared() -> Event {
    Event::Workspace(WorkspaceEvent::Prepared {
        root: "/w".to_owned(),
        tree: TreeId::new("t0"),
        duration_ms: 1,
        layers: Vec::new(),
        notes: Vec::new(),
    })
}

pub fn lost() -> Event {
    Event::Workspace(WorkspaceEvent::Lost)
}

/// Put away by a clean-up.
pub fn removed(tree: &str) -> Event {
    Event::Workspace(WorkspaceEvent::Removed { tree: TreeId::new(tree) })
}

pub fn remade(tree: &str) -> Event {
    let tree = TreeId::new(tree);
    Event::Workspace(WorkspaceEvent::Remade { root: "/v".to_owned(), tree, duration_ms: 1, setup_failed: None })
}

pub fn prepare_failed() -> Event {
    Event::Workspace(WorkspaceEvent::PrepareFailed { text: "no space".to_owned() })
}

pub fn briefed() -> Event {
    let settings =
        ModelSettings { model: "sonnet".to_owned(), max_tokens: 1_000, thinking: Thinking::Unset, effort: None };
    let (system, tools) = (Text::inline("system"), Text::inline("[]"));
    Event::Task(TaskEvent::Briefed { settings, system, tools, opening: Text::inline("opening") })
}

pub fn requested(step: u32, attempt: u32) -> Event {
    let (request, prefix) = (Digest::of(b"request"), Digest::of(b"prefix"));
    Event::Model(ModelEvent::Requested { step, attempt, request, prefix, reserved: RESERVED })
}

/// The content a response with these calls has.
pub fn content(step: u32) -> Text {
    Text::inline(format!("[{{\"step\":{step}}}]"))
}

pub fn received(step: u32, ids: &[&str], stop: Stop) -> Event {
    let Event::Model(event) = received_of(step, content(step), ids, stop, PRICE) else { unreachable!() };
    Event::Model(event)
}

pub fn received_of(step: u32, content: Text, ids: &[&str], stop: Stop, amount: Pico) -> Event {
    let name = |id: &str| if id.starts_with('f') { "finish" } else { "run" };
    let call = |&id: &&str| Call { id: CallId::new(id), name: name(id).to_owned(), headline: String::new() };
    Event::Model(ModelEvent::Received {
        step,
        message_id: format!("m{step}"),
        model: "sonnet".to_owned(),
        content,
        text: Text::inline(""),
        calls: ids.iter().map(call).collect(),
        stop,
        usage: usage(),
        cost: Cost::Known { amount, row: row() },
        duration_ms: 1,
    })
}

pub fn usage() -> Usage {
    Usage { input: 3, output: 5, ..Usage::default() }
}

pub fn row() -> PriceRow {
    let price = Pico(1);
    PriceRow {
        as_of: "2026-01-01".to_owned(),
        input: price,
        output: price,
        write_5m: price,
        write_1h: price,
        read: price,
        web_search: price,
    }
}

pub fn failed(attempt: u32, kind: FailureKind, retry_after_ms: Option<u64>) -> Event {
    failed_of(1, attempt, kind, retry_after_ms, Pico::ZERO)
}

pub fn failed_of(step: u32, attempt: u32, kind: FailureKind, retry_after_ms: Option<u64>, uncertain: Pico) -> Event {
    let failure = RequestFailure { kind, text: "overloaded".to_owned(), http_status: Some(529), retry_after_ms };
    Event::Model(ModelEvent::Failed { step, attempt, failure, uncertain })
}

pub fn interrupted(step: u32, attempt: u32, uncertain: Pico) -> Event {
    Event::Model(ModelEvent::Interrupted { step, attempt, uncertain })
}

pub fn unaffordable(step: u32, needed: Pico, left: Pico) -> Event {
    Event::Model(ModelEvent::Unaffordable { step, needed, left })
}

pub fn started(id: &str) -> Event {
    Event::Tool(ToolEvent::Started { call: CallId::new(id), snapshot: Some(TreeId::new("t0")) })
}

/// The one result of a call.
pub fn result(id: &str, text: &str, is_error: bool) -> Event {
    ended(id, text, is_error, Vec::new(), &[], 0)
}

/// A result of a tool that ran.
pub fn answered(id: &str) -> Event {
    ended(id, "ok", false, Vec::new(), &[], 7)
}

pub fn edited(id: &str) -> Event {
    ended(id, "edited", false, Vec::new(), &["src/a.rs"], 7)
}

pub fn ran(id: &str, number: u32, end: Option<RunEnd>) -> Event {
    ended(id, "ran", false, vec![run(number, end)], &[], 7)
}

pub fn ended(id: &str, text: &str, is_error: bool, runs: Vec<RunRecord>, changed: &[&str], duration_ms: u64) -> Event {
    let changed = changed.iter().map(|&path| path.to_owned()).collect();
    let output = Text::inline(text);
    Event::Tool(ToolEvent::Ended { call: CallId::new(id), output, is_error, runs, changed, duration_ms })
}

pub fn run(number: u32, end: Option<RunEnd>) -> RunRecord {
    RunRecord {
        number,
        command: "make".to_owned(),
        end,
        duration_ms: 5,
        n_lines: 1,
        log: Text::inline("log"),
        network: Vec::new(),
    }
}

pub fn jobs_ended(runs: Vec<RunRecord>) -> Event {
    Event::Tool(ToolEvent::JobsEnded { output: Text::inline("job ended"), runs, changed: Vec::new() })
}

pub fn exited(code: i32) -> RunEnd {
    RunEnd::Exited { code }
}

pub fn checked(phase: Phase, index: u32, command: &str, end: RunEnd) -> Event {
    let record = CheckRecord {
        phase,
        index,
        command: command.to_owned(),
        tree: TreeId::new("t1"),
        n_runs: 1,
        n_failed: u32::from(!end.is_success()),
        end,
        duration_ms: 9,
        log: Text::inline("log"),
        excerpt: "line 1\nline 2\n".to_owned(),
        totals: None,
        network: Vec::new(),
    };
    Event::Check(CheckEvent::Ended { record })
}

pub fn not_provable(text: &str) -> Event {
    Event::Check(CheckEvent::RegressionNotProvable { text: text.to_owned() })
}

pub fn filed(id: &str, report: Report) -> Event {
    Event::Finish(FinishEvent::Filed { call: CallId::new(id), report: Box::new(report) })
}

/// A result with one changed file and nothing against it.
pub fn inspected() -> Event {
    found(vec![change("src/a.rs")], Vec::new(), &[], &[])
}

pub fn inspected_empty() -> Event {
    found(Vec::new(), Vec::new(), &[], &[])
}

/// What an inspection found: the diff, crossed borders, places that do not exist, what was left lying.
pub fn found(diff: Vec<FileChange>, violations: Vec<Violation>, missing: &[&str], blemishes: &[&str]) -> Event {
    let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
    Event::Finish(FinishEvent::Inspected {
        tree: TreeId::new("t1"),
        diff,
        violations,
        missing_references: owned(missing),
        blemishes: owned(blemishes),
        left_out: LeftOut::default(),
    })
}

/// A result with one changed file that leaves these paths out.
pub fn leaving_out(paths: &[&str], n_skipped: u64) -> Event {
    let mut event = inspected();
    if let Event::Finish(FinishEvent::Inspected { left_out, .. }) = &mut event {
        let skipped = |&path: &&str| SkippedPath { path: path.to_owned(), why: "not a regular file".to_owned() };
        *left_out = LeftOut { skipped: paths.iter().map(skipped).collect(), n_skipped, n_ignored: 1 };
    }
    event
}

pub fn change(path: &str) -> FileChange {
    FileChange { path: path.to_owned(), kind: ChangeKind::Modified, added: 1, removed: 1, is_binary: false }
}

pub fn rejected(findings: &[&str]) -> Event {
    let findings = findings.iter().map(|&finding| finding.to_owned()).collect();
    Event::Finish(FinishEvent::Rejected { findings })
}

pub fn nudged(text: &str) -> Event {
    Event::Finish(FinishEvent::Nudged { text: text.to_owned() })
}

pub fn rewind_requested(step: u32, tree: &str) -> Event {
    Event::Person(PersonEvent::RewindRequested { step, tree: TreeId::new(tree), text: Some("another way".to_owned()) })
}

pub fn rewound(step: u32, tree: &str) -> Event {
    let changed = vec!["src/a.rs".to_owned()];
    Event::Workspace(WorkspaceEvent::Rewound { step, tree: TreeId::new(tree), changed })
}

pub fn says(text: &str) -> Event {
    Event::Person(PersonEvent::Replied { text: text.to_owned() })
}

pub fn stop() -> Event {
    Event::Person(PersonEvent::StopRequested)
}

pub fn resumed() -> Event {
    Event::Person(PersonEvent::Resumed)
}

pub fn parked(text: &str, hint: &str) -> Event {
    Event::Task(TaskEvent::Parked { text: text.to_owned(), hint: hint.to_owned() })
}

pub fn over(end: End) -> Event {
    Event::Task(TaskEvent::Ended { end })
}

pub fn completed(verdict: Verdict) -> Event {
    over(End::Completed { verdict })
}

pub fn not_ready(text: &str) -> Event {
    over(End::EnvironmentNotReady { text: text.to_owned() })
}

/// The whole decision is these events.
pub fn records<const N: usize>(events: [Event; N]) -> Action {
    Action::Record(events.into())
}

/// What ends the job whose report call `f` filed.
pub fn closes(verdict: Verdict) -> Action {
    let text = match verdict {
        Verdict::Verified => "the job is over: its checks are green and its borders are kept",
        Verdict::Delivered => "the job is over: the document is delivered",
        Verdict::Unverified => "the job is over: the result is not verified",
        Verdict::ChecksFailed => "the job is over: its checks are red",
        Verdict::ContractViolated => "the job is over: the result crosses its borders",
    };
    records([result("f", text, false), completed(verdict)])
}

/// What sends the report of call `f` back.
pub fn rejects(lines: &str, closing: &str, findings: &[&str]) -> Action {
    records([result("f", &format!("not accepted:\n{lines}\n{closing}"), true), rejected(findings)])
}

pub const THREE_MORE: &str = "Mend this and call finish again (3 more finishes are looked at).";
pub const LAST: &str = "This was the last round: the next finish ends the job, whatever it finds.";

/// A report with a summary and nothing else.
pub fn report(outcome: Outcome) -> Report {
    Report {
        outcome,
        summary: "Fixed.".to_owned(),
        cause: None,
        changes: Vec::new(),
        tests: Vec::new(),
        checks: Vec::new(),
        not_checked: Vec::new(),
        risks: Vec::new(),
        assumptions: Vec::new(),
        exceptions: Vec::new(),
        side_findings: Vec::new(),
        document: None,
    }
}

pub fn with_cause() -> Report {
    let cause = Cause { text: "off by one".to_owned(), places: vec!["src/a.rs:3".to_owned()] };
    Report { cause: Some(cause), ..report(Outcome::Done) }
}

pub fn citing(runs: &[u32]) -> Report {
    Report { checks: runs.to_vec(), ..report(Outcome::Done) }
}

pub fn with_document(text: &str) -> Report {
    Report { document: Some(text.to_owned()), ..report(Outcome::Done) }
}
