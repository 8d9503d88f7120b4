//! One example of every event, from which its golden is written once. A new variant is one entry in [`examples!`], and
//! this file does not compile before it is there.
//!
//! Values are made up but plausible, and every list holds each kind of thing that can stand in it. A note behind the
//! entry's `+` names a further golden of the same event, for values that cannot stand side by side.

use errand_task::borders::Violation;
use errand_task::contract::{Baseline, Budget, Check, Contract, Economy, Mode};
use errand_task::event::{
    CheckEvent, Event, FinishEvent, ModelEvent, PersonEvent, ReviewEvent, TaskEvent, ToolEvent, WorkspaceEvent,
};
use errand_task::facts::{
    Call, ChangeKind, CheckRecord, Dirty, Endpoint, FailureKind, FileChange, LeftOut, ModelSettings, Phase,
    RequestFailure, RunEnd, RunRecord, SkippedPath, Source, Stop, Thinking,
};
use errand_task::id::{CallId, CommitId, CredentialId, Digest, TreeId};
use errand_task::money::{Cost, Pico, PriceRow, Usage};
use errand_task::report::{Cause, ChangeClaim, Outcome, Report, TestClaim};
use errand_task::text::Text;
use errand_task::verdict::{End, Limit, Verdict};
use std::collections::BTreeMap;

macro_rules! examples {
    ($($subject:ident($events:ident::$variant:ident { $($fields:tt)* }),)*) => {
        fn one_of_each() -> Vec<Event> {
            vec![$(Event::$subject($events::$variant { $($fields)* })),*]
        }

        /// Does not compile while a variant has no example.
        const _: fn(&Event) = |event| match event {
            $(Event::$subject($events::$variant { .. }) => {})*
        };
    };
}

examples! {
    Task(TaskEvent::Submitted {
        name: Some("login".to_owned()),
        contract: Box::new(contract()),
        source: source(),
        endpoint: Endpoint {
            base_url: "https://model.example".to_owned(),
            credential: CredentialId::new("anthropic-default"),
        },
        version: "0.1.0".to_owned(),
        notices: Vec::new(),
    }),
    Task(TaskEvent::Briefed {
        settings: settings(Thinking::Adaptive),
        system: Text::inline("You are handed a job."),
        tools: stored("tools"),
        opening: stored("opening"),
    }),
    Task(TaskEvent::Parked {
        text: "the key was refused".to_owned(),
        hint: "set ANTHROPIC_API_KEY and run: errand resume 7f3a0c12".to_owned(),
    }),
    Task(TaskEvent::Ended { end: End::Completed { verdict: Verdict::Verified } }),
    Person(PersonEvent::Replied { text: "keep the old name".to_owned() }),
    Person(PersonEvent::StopRequested {}),
    Person(PersonEvent::BudgetRaised { dollars: Pico(5_000_000_000_000) }),
    Person(PersonEvent::EndpointChanged {
        endpoint: Endpoint {
            base_url: "http://127.0.0.1:8080".to_owned(),
            credential: CredentialId::new("0123456789abcdef"),
        },
    }),
    Person(PersonEvent::Resumed {}),
    Person(PersonEvent::RewindRequested {
        step: 3,
        tree: tree("last"),
        text: Some("use the other parser".to_owned()),
    }),
    Workspace(WorkspaceEvent::Prepared {
        root: "/home/user/shop".to_owned(),
        tree: tree("base"),
        duration_ms: 412, layers: Vec::new(), notes: Vec::new()
    }),
    Workspace(WorkspaceEvent::PrepareFailed { text: "the base commit is gone".to_owned() }),
    Workspace(WorkspaceEvent::Removed { tree: tree("last") }),
    Workspace(WorkspaceEvent::Lost {}),
    Workspace(WorkspaceEvent::Remade {
        root: "/home/user/shop".to_owned(),
        tree: tree("last"),
        duration_ms: 412,
        setup_failed: Some("`npm ci` (exit 1)".to_owned()),
    }),
    Workspace(WorkspaceEvent::Rewound {
        step: 3,
        tree: tree("last"),
        changed: vec!["src/cart.rs".to_owned()],
    }),
    Model(ModelEvent::Requested {
        step: 3,
        attempt: 1,
        request: Digest::of(b"request"),
        prefix: Digest::of(b"prefix"),
        reserved: Pico(61_000_000_000),
    }),
    Model(ModelEvent::Received {
        step: 3,
        message_id: "msg_01".to_owned(),
        model: "claude-sonnet-4-5".to_owned(),
        content: stored("content"),
        text: Text::inline("The test shows it."),
        calls: vec![Call {
            id: CallId::new("toolu_01"),
            name: "run".to_owned(),
            headline: "run `cargo test login`".to_owned(),
        }],
        stop: Stop::ToolUse,
        usage: Usage { input: 12, write_5m: 340, write_1h: 56, read: 7_800, output: 910, web_searches: 1 },
        cost: Cost::Known { amount: Pico(18_321_000_000), row: prices() },
        duration_ms: 9_120,
    }),
    Model(ModelEvent::Failed {
        step: 3,
        attempt: 1,
        failure: failure(FailureKind::Passing, Some(529), Some(2_000)),
        uncertain: Pico(1_000_000),
    }),
    Model(ModelEvent::Unaffordable { step: 9, needed: Pico(80_000_000_000), left: Pico(12_000_000_000) }),
    Model(ModelEvent::Interrupted { step: 4, attempt: 2, uncertain: Pico(61_000_000_000) }),
    Tool(ToolEvent::Started { call: CallId::new("toolu_01"), snapshot: Some(tree("snapshot")) }),
    Tool(ToolEvent::Ended {
        call: CallId::new("toolu_01"),
        output: Text::inline("exit 1 · 12.4 s · 812 lines · log 1"),
        is_error: false,
        runs: every_run_end(),
        changed: vec!["src/login.rs".to_owned()],
        duration_ms: 12_410,
    }),
    Tool(ToolEvent::JobsEnded {
        output: Text::inline("job 3 ended: exit 0"),
        runs: Vec::new(),
        changed: vec!["src/login.rs".to_owned()],
    }),
    Check(CheckEvent::Started { phase: Phase::Baseline, index: 0, command: "cargo test".to_owned() }),
    Check(CheckEvent::Ended { record: check_record(Phase::Result) }),
    Check(CheckEvent::RegressionNotProvable { text: "no test file is new".to_owned() }),
    Finish(FinishEvent::Filed { call: CallId::new("toolu_09"), report: Box::new(report()) }),
    Finish(FinishEvent::Inspected {
        tree: tree("result"),
        diff: every_file_change(),
        violations: every_violation(),
        missing_references: vec!["src/gone.rs:7".to_owned()],
        blemishes: vec!["src/login.rs.orig: a file that looks left behind; remove it".to_owned()],
        left_out: LeftOut::default(),
    }),
    Finish(FinishEvent::Rejected { findings: vec!["run 2 is older than the last edit".to_owned()] }),
    Finish(FinishEvent::Nudged { text: "finish or go on".to_owned() }),
    Review(ReviewEvent::Applied {
        tree: tree("result"),
        record: "apply-1".to_owned(),
        files: vec!["src/login.rs".to_owned()],
    }),
    Review(ReviewEvent::Branched {
        tree: tree("result"),
        branch: "fix-login".to_owned(),
        commit: CommitId::new("1".repeat(40)),
    }),
    Review(ReviewEvent::Undone { tree: tree("result"), files: vec!["src/login.rs".to_owned()] }),
}

/// Every example by the name of its golden.
pub fn all() -> BTreeMap<String, Event> {
    let one_of_each = one_of_each().into_iter().map(|event| (event.kind().to_owned(), event));
    let further = further().into_iter().map(|(note, event)| (format!("{}+{note}", event.kind()), event));
    one_of_each.chain(further).collect()
}

/// Values that cannot stand beside the ones above, with the note that names their golden.
fn further() -> Vec<(&'static str, Event)> {
    let text = || "why it is so".to_owned();
    let ended = |end| Event::Task(TaskEvent::Ended { end });
    let verdict = |verdict| ended(End::Completed { verdict });
    let limit = |limit| ended(End::LimitReached { limit, text: text() });
    let briefed = |thinking| {
        let (system, tools, opening) = (stored("system"), stored("tools"), stored("opening"));
        Event::Task(TaskEvent::Briefed { settings: settings(thinking), system, tools, opening })
    };
    let failed = |kind| {
        let failure = failure(kind, None, None);
        Event::Model(ModelEvent::Failed { step: 1, attempt: 1, failure, uncertain: Pico::ZERO })
    };
    let check_ended = |phase| Event::Check(CheckEvent::Ended { record: check_record(phase) });
    let filed = |outcome| {
        let report = Box::new(Report { outcome, ..bare_report() });
        Event::Finish(FinishEvent::Filed { call: CallId::new("toolu_09"), report })
    };
    vec![
        (
            "bare",
            Event::Task(TaskEvent::Submitted {
                name: None,
                contract: Box::new(bare_contract(Mode::Plan)),
                source: source(),
                endpoint: Endpoint { base_url: "http://127.0.0.1:1".to_owned(), credential: CredentialId::new("demo") },
                version: "0.1.0".to_owned(),
                notices: Vec::new(),
            }),
        ),
        (
            "answer",
            Event::Task(TaskEvent::Submitted {
                name: None,
                contract: Box::new(bare_contract(Mode::Answer)),
                source: source(),
                endpoint: Endpoint { base_url: "http://127.0.0.1:1".to_owned(), credential: CredentialId::new("demo") },
                version: "0.1.0".to_owned(),
                notices: Vec::new(),
            }),
        ),
        (
            "setup",
            Event::Task(TaskEvent::Submitted {
                name: None,
                contract: Box::new(Contract {
                    setup: vec!["npm ci".to_owned()],
                    setup_network: vec!["registry.example".to_owned()],
                    ..bare_contract(Mode::Change)
                }),
                source: source(),
                endpoint: Endpoint { base_url: "http://127.0.0.1:1".to_owned(), credential: CredentialId::new("demo") },
                version: "0.1.0".to_owned(),
                notices: vec!["ignored: .mcp.json (errand starts nothing from it)".to_owned()],
            }),
        ),
        (
            "layers",
            Event::Workspace(WorkspaceEvent::Prepared {
                root: "/home/user/.local/state/errand/workspaces/0a1b2c3d".to_owned(),
                tree: tree("base"),
                duration_ms: 9,
                layers: vec!["node_modules".to_owned()],
                notes: vec!["`target` is not used: it holds more than 2048 MiB".to_owned()],
            }),
        ),
        (
            "left_out",
            Event::Finish(FinishEvent::Inspected {
                tree: tree("result"),
                diff: Vec::new(),
                violations: Vec::new(),
                missing_references: Vec::new(),
                blemishes: Vec::new(),
                left_out: LeftOut {
                    skipped: vec![SkippedPath { path: "inner/.git".to_owned(), why: "a nested repository".to_owned() }],
                    n_skipped: 31,
                    n_ignored: 2,
                },
            }),
        ),
        (
            "include",
            Event::Task(TaskEvent::Submitted {
                name: None,
                contract: Box::new(Contract { include: vec![".env".to_owned()], ..bare_contract(Mode::Change) }),
                source: source(),
                endpoint: Endpoint { base_url: "http://127.0.0.1:1".to_owned(), credential: CredentialId::new("demo") },
                version: "0.1.0".to_owned(),
                notices: vec!["ignored: .mcp.json (errand starts nothing from it)".to_owned()],
            }),
        ),
        (
            "dependencies",
            Event::Task(TaskEvent::Submitted {
                name: None,
                contract: Box::new(Contract {
                    dependencies: vec!["tools/lib".to_owned()],
                    ..bare_contract(Mode::Change)
                }),
                source: source(),
                endpoint: Endpoint { base_url: "http://127.0.0.1:1".to_owned(), credential: CredentialId::new("demo") },
                version: "0.1.0".to_owned(),
                notices: Vec::new(),
            }),
        ),
        (
            "dirty",
            Event::Task(TaskEvent::Submitted {
                name: None,
                contract: Box::new(bare_contract(Mode::Change)),
                source: dirty_source(),
                endpoint: Endpoint { base_url: "http://127.0.0.1:1".to_owned(), credential: CredentialId::new("demo") },
                version: "0.1.0".to_owned(),
                notices: Vec::new(),
            }),
        ),
        ("thinking_budget", briefed(Thinking::Budget { tokens: 4_096 })),
        ("thinking_unset", briefed(Thinking::Unset)),
        ("delivered", verdict(Verdict::Delivered)),
        ("unverified", verdict(Verdict::Unverified)),
        ("checks_failed", verdict(Verdict::ChecksFailed)),
        ("contract_violated", verdict(Verdict::ContractViolated)),
        ("dollars", limit(Limit::Dollars)),
        ("steps", limit(Limit::Steps)),
        ("minutes", limit(Limit::Minutes)),
        ("environment_not_ready", ended(End::EnvironmentNotReady { text: text() })),
        ("model_failed", ended(End::ModelFailed { text: text() })),
        ("internal", ended(End::Internal { text: text() })),
        ("cancelled", ended(End::Cancelled)),
        ("end_turn", received(Stop::EndTurn)),
        ("max_tokens", received(Stop::MaxTokens)),
        ("paused", received(Stop::Paused)),
        ("context_full", received(Stop::ContextFull)),
        ("refusal", received(Stop::Refusal { category: Some("cyber".to_owned()) })),
        ("refusal_bare", received(Stop::Refusal { category: None })),
        ("other_stop", received(Stop::Other { reason: "new_reason".to_owned() })),
        ("needs_person", failed(FailureKind::NeedsPerson)),
        ("refused", failed(FailureKind::Refused)),
        ("no_snapshot", Event::Tool(ToolEvent::Started { call: CallId::new("toolu_02"), snapshot: None })),
        ("baseline", check_ended(Phase::Baseline)),
        ("regression_old", check_ended(Phase::RegressionOld)),
        ("regression_new", check_ended(Phase::RegressionNew)),
        ("setup", check_ended(Phase::Setup)),
        ("partial", filed(Outcome::Partial)),
        ("blocked", filed(Outcome::Blocked)),
        ("nothing_to_change", filed(Outcome::NothingToChange)),
    ]
}

fn contract() -> Contract {
    Contract {
        mode: Mode::Change,
        goal: "fix the failing login test".to_owned(),
        checks: vec![check("cargo test login", Baseline::MayFail), check("cargo test", Baseline::MustPass)],
        regression: Some("cargo test login".to_owned()),
        allow: vec!["src/**".to_owned()],
        protect: vec!["src/api.rs".to_owned()],
        max_diff_lines: Some(200),
        max_files: Some(8),
        network: Vec::new(),
        budget: Budget { dollars: Pico(2_000_000_000_000), steps: 80, minutes: 45 },
        model: "sonnet".to_owned(),
        economy: Economy::Live,
        setup: Vec::new(),
        setup_network: Vec::new(),
        include: Vec::new(),
        dependencies: Vec::new(),
    }
}

fn bare_contract(mode: Mode) -> Contract {
    Contract {
        mode,
        goal: "where is the login?".to_owned(),
        checks: Vec::new(),
        regression: None,
        allow: Vec::new(),
        protect: Vec::new(),
        max_diff_lines: None,
        max_files: None,
        network: Vec::new(),
        budget: Budget { dollars: Pico(2_000_000_000_000), steps: 80, minutes: 45 },
        model: "sonnet".to_owned(),
        economy: Economy::Auto,
        setup: Vec::new(),
        setup_network: Vec::new(),
        include: Vec::new(),
        dependencies: Vec::new(),
    }
}

fn check(run: &str, baseline: Baseline) -> Check {
    Check { run: run.to_owned(), repeat: 3, baseline, timeout_s: 600 }
}

fn source() -> Source {
    Source {
        repository: "/home/user/shop".to_owned(),
        base_commit: CommitId::new("a94a8fe5ccb19ba61c4c0873d391e987982fbbd3"),
        base_name: "main".to_owned(),
        n_uncommitted: 2,
        dirty: None,
    }
}

fn dirty_source() -> Source {
    let dirty = Dirty {
        head: CommitId::new("b6589fc6ab0dc82cf12099d1c2d40ab994e8410c"),
        n_changed: 2,
        changed: vec!["README.md".to_owned(), "src/new.rs".to_owned()],
        left_out: vec!["core.dump (too large)".to_owned()],
        n_left_out: 1,
    };
    Source { n_uncommitted: 0, dirty: Some(dirty), ..source() }
}

fn settings(thinking: Thinking) -> ModelSettings {
    let effort = (thinking == Thinking::Adaptive).then(|| "high".to_owned());
    ModelSettings { model: "claude-sonnet-4-5".to_owned(), max_tokens: 32_000, thinking, effort }
}

fn prices() -> PriceRow {
    PriceRow {
        as_of: "2026-11-22".to_owned(),
        input: Pico(3_000_000),
        output: Pico(15_000_000),
        write_5m: Pico(3_750_000),
        write_1h: Pico(6_000_000),
        read: Pico(300_000),
        web_search: Pico(10_000_000_000),
    }
}

/// A response without calls, of a model whose price is not known.
fn received(stop: Stop) -> Event {
    Event::Model(ModelEvent::Received {
        step: 1,
        message_id: "msg_02".to_owned(),
        model: "local".to_owned(),
        content: Text::inline("[]"),
        text: Text::inline(""),
        calls: Vec::new(),
        stop,
        usage: Usage::default(),
        cost: Cost::Unknown,
        duration_ms: 0,
    })
}

fn failure(kind: FailureKind, http_status: Option<u16>, retry_after_ms: Option<u64>) -> RequestFailure {
    RequestFailure { kind, text: "the endpoint is overloaded".to_owned(), http_status, retry_after_ms }
}

fn every_run_end() -> Vec<RunRecord> {
    let ends = [
        RunEnd::Exited { code: 1 },
        RunEnd::Killed { signal: 9 },
        RunEnd::TimedOut,
        RunEnd::TooMuchOutput,
        RunEnd::Interrupted,
        RunEnd::NotStarted { why: "no such program".to_owned() },
    ];
    // The last one goes on in the background.
    let ends = ends.into_iter().map(Some).chain([None]);
    let record = |(number, end)| RunRecord {
        network: Vec::new(),
        number,
        command: "cargo test login".to_owned(),
        end,
        duration_ms: 12_400,
        n_lines: 812,
        log: stored("log"),
    };
    (1..).zip(ends).map(record).collect()
}

fn check_record(phase: Phase) -> CheckRecord {
    CheckRecord {
        network: Vec::new(),
        phase,
        index: 0,
        command: "cargo test".to_owned(),
        tree: tree("result"),
        n_runs: 3,
        n_failed: 1,
        end: RunEnd::Exited { code: 101 },
        duration_ms: 31_000,
        log: stored("log"),
        excerpt: "test login::expired ... FAILED".to_owned(),
        totals: Some("11 passed, 1 failed".to_owned()),
    }
}

fn every_file_change() -> Vec<FileChange> {
    [ChangeKind::Added, ChangeKind::Modified, ChangeKind::Deleted, ChangeKind::Mode]
        .into_iter()
        .map(|kind| FileChange { path: "src/login.rs".to_owned(), kind, added: 4, removed: 2, is_binary: false })
        .collect()
}

fn every_violation() -> Vec<Violation> {
    let path = || "src/api.rs".to_owned();
    vec![
        Violation::ReadOnly { path: path() },
        Violation::NotAllowed { path: path() },
        Violation::Protected { path: path(), pattern: "src/api.rs".to_owned() },
        Violation::TooManyLines { n_lines: 240, limit: 200 },
        Violation::TooManyFiles { n_files: 9, limit: 8 },
    ]
}

fn report() -> Report {
    let texts = |text: &str| vec![text.to_owned()];
    Report {
        outcome: Outcome::Done,
        summary: "The expiry compared seconds with milliseconds.".to_owned(),
        cause: Some(Cause { text: "mixed units".to_owned(), places: texts("src/login.rs:41") }),
        changes: vec![ChangeClaim { path: "src/login.rs".to_owned(), what: "compares milliseconds".to_owned() }],
        tests: vec![TestClaim { name: "login::expired".to_owned(), proves: "an old token is refused".to_owned() }],
        checks: vec![1, 2],
        not_checked: texts("the web page"),
        risks: texts("tokens stored before today"),
        assumptions: texts("clocks agree to a second"),
        exceptions: texts("src/legacy_login.rs keeps seconds"),
        side_findings: texts("src/session.rs:9 never closes"),
        document: Some("# Plan".to_owned()),
    }
}

fn bare_report() -> Report {
    Report {
        outcome: Outcome::Done,
        summary: "Nothing else to say.".to_owned(),
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

fn stored(text: &str) -> Text {
    Text::Stored { digest: Digest::of(text.as_bytes()), n_bytes: 2_048 }
}

/// A tree id that looks like one.
fn tree(text: &str) -> TreeId {
    TreeId::new(Digest::of(text.as_bytes()).as_str().get(..40).unwrap_or_default())
}
