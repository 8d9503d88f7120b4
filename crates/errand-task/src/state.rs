//! The state of a task: a fold over its events, never stored.
//!
//! [`State::apply`] is total: a journal written by this or an older version always folds. It checks nothing; the rules
//! decide, the fold only remembers. Texts stay references, so a waiting task is a few kilobytes.

use crate::borders::Violation;
use crate::contract::Contract;
use crate::conversation::{CallResult, Message};
use crate::event::{
    CheckEvent, Event, FinishEvent, ModelEvent, PersonEvent, ReviewEvent, TaskEvent, ToolEvent, WorkspaceEvent,
};
use crate::facts::{
    Call, CheckRecord, Endpoint, FileChange, LeftOut, ModelSettings, NetworkUse, Phase, RequestFailure, RunRecord,
    Source, Stop,
};
use crate::id::{CallId, Seq, TaskId, TreeId};
use crate::money::{Cost, Pico, Usage};
use crate::network;
use crate::report::Report;
use crate::text::Text;
use crate::verdict::{End, ExitCode, Status, Verdict};

/// An event with its place in the journal.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub seq: Seq,
    /// Milliseconds since the epoch, from the writer's clock; for limits and display, never for order.
    pub at_ms: i64,
    pub event: Event,
}

#[derive(Clone, Debug)]
pub struct State {
    pub id: TaskId,
    pub seq: Seq,
    /// The time the worker observed last; the only clock a rule sees.
    pub now_ms: i64,
    pub created_at_ms: i64,
    pub changed_at_ms: i64,
    pub submitted: Submitted,
    pub workspace: Option<Workspace>,
    pub prepare_failed: Option<String>,
    /// The newest state of the files that is known to be stored.
    pub snapshot: Option<TreeId>,
    /// Paths that changed since.
    pub unsaved: Vec<String>,
    /// The files before each step that may have changed them, and before each rewind, oldest first.
    pub before: Vec<Before>,
    /// The person wants the files put back, which is not done yet.
    pub rewind: Option<Rewind>,
    /// Steps before which the files were put back, oldest first.
    pub rewinds: Vec<u32>,
    pub setup: Vec<CheckRecord>,
    pub baseline: Vec<CheckRecord>,
    pub brief: Option<Brief>,
    pub conversation: Vec<Message>,
    /// Texts for the model that no request has carried yet.
    pub notes: Vec<Text>,
    /// Why the model stopped, when its last response called no tool and nobody has answered it yet.
    pub idle: Option<Stop>,
    /// Calls of the last response; empty when all their results are in the conversation.
    pub calls: Vec<OpenCall>,
    pub request: Option<OpenRequest>,
    /// Failed attempts at the current step, oldest first.
    pub failures: Vec<Failure>,
    pub runs: Vec<Run>,
    /// What commands and checks did with names outside, by name.
    pub network: Vec<NetworkUse>,
    /// Tool results so far; orders runs against edits.
    pub n_results: u32,
    /// `n_results` when a file last changed.
    pub last_edit: Option<u32>,
    /// Begun calls, tool results and ends of background commands so far: everything that may have changed the workspace.
    pub n_touches: u32,
    pub turn: Turn,
    pub finish: Option<Finish>,
    /// Checks of the last rejected report; the model may read their logs.
    pub checked: Vec<CheckRecord>,
    /// The newest inspection, kept when the turn ends: it is what `diff` shows and `apply` writes.
    pub result: Option<Inspection>,
    pub n_steps: u32,
    pub spend: Spend,
    /// What was written to the person's checkout and not taken back, oldest first.
    pub applied: Vec<Applied>,
}

#[derive(Clone, Debug)]
pub struct Submitted {
    pub name: Option<String>,
    pub contract: Contract,
    pub source: Source,
    pub endpoint: Endpoint,
    pub notices: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct Workspace {
    pub root: String,
    pub base_tree: TreeId,
    /// Its folder is not there; it is made anew when something needs it.
    pub is_gone: bool,
}

/// What the files were before anything of a step, or of what follows it, changed them.
#[derive(Clone, Debug)]
pub struct Before {
    pub step: u32,
    pub tree: TreeId,
}

#[derive(Clone, Debug)]
pub struct Rewind {
    pub step: u32,
    pub tree: TreeId,
    pub text: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Brief {
    pub settings: ModelSettings,
    pub system: Text,
    pub tools: Text,
}

#[derive(Clone, Debug)]
pub struct OpenCall {
    pub call: Call,
    /// The intent was written: the call may have had its effect already.
    pub started: Option<Started>,
    pub result: Option<CallResult<Text>>,
}

#[derive(Clone, Debug)]
pub struct Started {
    pub snapshot: Option<TreeId>,
}

#[derive(Clone, Debug)]
pub struct OpenRequest {
    pub step: u32,
    pub attempt: u32,
    pub reserved: Pico,
}

#[derive(Clone, Debug)]
pub struct Failure {
    pub at_ms: i64,
    pub failure: RequestFailure,
}

#[derive(Clone, Debug)]
pub struct Run {
    pub record: RunRecord,
    /// `n_results` when it was first recorded: a command in the background has seen the files as they were then.
    pub order: u32,
}

/// One instruction of the person until the agent stops.
#[derive(Clone, Debug)]
pub struct Turn {
    pub number: u32,
    pub started_at_ms: i64,
    pub first_step: u32,
    pub n_rejections: u32,
    /// A report was sent back although, or because, its result leaves paths out: that is said with it, once.
    pub was_told_left_out: bool,
    /// How often the model was told that it stopped without finishing.
    pub n_nudges: u32,
    /// How often it was told that its answer was cut.
    pub n_cuts: u32,
    /// How often somebody removed its workspace.
    pub n_losses: u32,
    pub stop_requested: bool,
    pub unaffordable: Option<Unaffordable>,
    pub parked: Option<Parked>,
    /// All waiting for a person that is over.
    pub parked_ms: i64,
    pub ended: Option<Ended>,
}

/// The next request could cost more than is left.
#[derive(Clone, Copy, Debug)]
pub struct Unaffordable {
    pub needed: Pico,
    pub left: Pico,
}

#[derive(Clone, Debug)]
pub struct Parked {
    pub text: String,
    pub hint: String,
    pub at_ms: i64,
}

#[derive(Clone, Debug)]
pub struct Ended {
    pub end: End,
    pub at_ms: i64,
}

/// A filed report on its way through the gates, or the last one that went through.
#[derive(Clone, Debug)]
pub struct Finish {
    pub call: CallId,
    pub report: Report,
    pub inspected: Option<Inspection>,
    pub checks: Vec<CheckRecord>,
    pub not_provable: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Inspection {
    pub tree: TreeId,
    pub diff: Vec<FileChange>,
    pub violations: Vec<Violation>,
    pub missing_references: Vec<String>,
    pub blemishes: Vec<String>,
    pub left_out: LeftOut,
    /// The state's `n_touches` when it was made; with fewer than now it is stale.
    pub n_touches: u32,
}

#[derive(Clone, Debug)]
pub struct Applied {
    pub tree: TreeId,
    /// Names what undo needs.
    pub record: String,
}

#[derive(Clone, Debug, Default)]
pub struct Spend {
    pub settled: Pico,
    /// Reserved for requests whose end is unknown: may have been billed.
    pub uncertain: Pico,
    pub usage: Usage,
    /// Responses whose price is unknown.
    pub n_unpriced: u32,
    /// What was reserved for them: the budget counts it as gone.
    pub unpriced: Pico,
}

impl State {
    /// The fold's start; `None` when the journal does not begin with a submission.
    pub fn begin(id: TaskId, first: &Record) -> Option<Self> {
        let Event::Task(TaskEvent::Submitted { name, contract, source, endpoint, version: _, notices }) = &first.event
        else {
            return None;
        };
        Some(Self {
            id,
            seq: first.seq,
            now_ms: first.at_ms,
            created_at_ms: first.at_ms,
            changed_at_ms: first.at_ms,
            submitted: Submitted {
                name: name.clone(),
                contract: contract.as_ref().clone(),
                source: source.clone(),
                endpoint: endpoint.clone(),
                notices: notices.clone(),
            },
            workspace: None,
            prepare_failed: None,
            snapshot: None,
            unsaved: Vec::new(),
            before: Vec::new(),
            rewind: None,
            rewinds: Vec::new(),
            setup: Vec::new(),
            baseline: Vec::new(),
            brief: None,
            conversation: Vec::new(),
            notes: Vec::new(),
            idle: None,
            calls: Vec::new(),
            request: None,
            failures: Vec::new(),
            runs: Vec::new(),
            network: Vec::new(),
            n_results: 0,
            last_edit: None,
            n_touches: 0,
            turn: Turn::begin(1, first.at_ms, 0),
            finish: None,
            checked: Vec::new(),
            result: None,
            n_steps: 0,
            spend: Spend::default(),
            applied: Vec::new(),
        })
    }

    /// The fold of a whole journal.
    pub fn fold<'a>(id: TaskId, records: impl IntoIterator<Item = &'a Record>) -> Option<Self> {
        let mut records = records.into_iter();
        let mut state = Self::begin(id, records.next()?)?;
        records.for_each(|record| state.apply(record));
        Some(state)
    }

    pub fn apply(&mut self, record: &Record) {
        self.seq = record.seq;
        self.changed_at_ms = record.at_ms;
        self.now_ms = self.now_ms.max(record.at_ms);
        match &record.event {
            Event::Task(event) => self.apply_task(event, record.at_ms),
            Event::Person(event) => self.apply_person(event, record.at_ms),
            Event::Workspace(event) => self.apply_workspace(event),
            Event::Model(event) => self.apply_model(event, record.at_ms),
            Event::Tool(event) => self.apply_tool(event),
            Event::Check(event) => self.apply_check(event),
            Event::Finish(event) => self.apply_finish(event),
            Event::Review(ReviewEvent::Applied { tree, record, .. }) => {
                self.applied.push(Applied { tree: tree.clone(), record: record.clone() });
            }
            Event::Review(ReviewEvent::Branched { .. }) => {}
            Event::Review(ReviewEvent::Undone { .. }) => {
                self.applied.pop();
            }
        }
    }

    fn apply_task(&mut self, event: &TaskEvent, at_ms: i64) {
        match event {
            TaskEvent::Submitted { .. } => {}
            TaskEvent::Briefed { settings, system, tools, opening } => {
                self.brief = Some(Brief { settings: settings.clone(), system: system.clone(), tools: tools.clone() });
                self.conversation.push(Message::Person { texts: vec![opening.clone()] });
            }
            TaskEvent::Parked { text, hint } => {
                let at_ms = self.turn.parked.as_ref().map_or(at_ms, |parked| parked.at_ms);
                self.turn.parked = Some(Parked { text: text.clone(), hint: hint.clone(), at_ms });
            }
            TaskEvent::Ended { end } => self.turn.ended = Some(Ended { end: end.clone(), at_ms }),
        }
    }

    fn apply_workspace(&mut self, event: &WorkspaceEvent) {
        match event {
            WorkspaceEvent::Prepared { root, tree, .. } => {
                self.workspace = Some(Workspace { root: root.clone(), base_tree: tree.clone(), is_gone: false });
                self.saved(tree);
            }
            WorkspaceEvent::PrepareFailed { text } => self.prepare_failed = Some(text.clone()),
            WorkspaceEvent::Removed { tree } => {
                // Somebody may have worked in it since: the next look at the result is a new one.
                self.n_touches += u32::from(self.snapshot.as_ref() != Some(tree));
                self.saved(tree);
                self.note_gone();
            }
            WorkspaceEvent::Lost => {
                self.turn.n_losses += 1;
                self.note_gone();
            }
            WorkspaceEvent::Remade { root, tree, duration_ms: _, setup_failed } => {
                let note = remade(&self.unsaved, setup_failed.as_deref());
                self.notes.push(Text::inline(note));
                if let Some(workspace) = &mut self.workspace {
                    workspace.root.clone_from(root);
                    workspace.is_gone = false;
                }
                self.saved(tree);
            }
            WorkspaceEvent::Rewound { step, tree, changed } => self.rewound(*step, tree, changed),
        }
    }

    /// The result is one of files that are not there any more, and so is what every run has seen.
    fn rewound(&mut self, step: u32, tree: &TreeId, changed: &[String]) {
        if let Some(now) = self.snapshot.take() {
            self.before.push(Before { step: self.n_steps, tree: now });
        }
        let text = self.rewind.take().and_then(|rewind| rewind.text);
        self.notes.push(Text::inline(put_back(step, changed, text.as_deref())));
        self.rewinds.push(step);
        self.n_touches += 1;
        self.last_edit = Some(self.n_results + 1);
        self.result = None;
        self.saved(tree);
    }

    fn note_gone(&mut self) {
        if let Some(workspace) = &mut self.workspace {
            workspace.is_gone = true;
        }
    }

    fn saved(&mut self, tree: &TreeId) {
        self.snapshot = Some(tree.clone());
        self.unsaved.clear();
    }

    fn apply_person(&mut self, event: &PersonEvent, at_ms: i64) {
        match event {
            PersonEvent::StopRequested => self.turn.stop_requested = true,
            PersonEvent::BudgetRaised { dollars } => {
                self.submitted.contract.budget.dollars = *dollars;
                self.turn.unaffordable = None;
            }
            PersonEvent::EndpointChanged { endpoint } => self.submitted.endpoint = endpoint.clone(),
            PersonEvent::Replied { text } => {
                self.idle = None;
                self.notes.push(Text::inline(format!("The person writes: {text}")));
                if self.turn.ended.is_some() {
                    self.begin_turn(at_ms);
                }
                self.unpark(at_ms);
            }
            PersonEvent::Resumed => {
                if self.turn.ended.is_some() {
                    self.begin_turn(at_ms);
                }
                self.unpark(at_ms);
            }
            PersonEvent::RewindRequested { step, tree, text } => {
                self.idle = None;
                // A report on its way through the gates is one of what goes.
                self.finish = None;
                self.rewind = Some(Rewind { step: *step, tree: tree.clone(), text: text.clone() });
                if self.turn.ended.is_some() {
                    self.begin_turn(at_ms);
                }
                self.unpark(at_ms);
            }
        }
    }

    fn begin_turn(&mut self, at_ms: i64) {
        self.turn = Turn::begin(self.turn.number + 1, at_ms, self.n_steps);
        self.finish = None;
        self.prepare_failed = None;
        // A refused answer is no part of the conversation: to go on is to ask again.
        if matches!(self.idle, Some(Stop::Refusal { .. })) {
            self.idle = None;
        }
        // A setup or baseline that stopped the task is done again; one that did not stays.
        if self.brief.is_none() {
            self.setup.clear();
            self.baseline.clear();
        }
    }

    fn unpark(&mut self, at_ms: i64) {
        if let Some(parked) = self.turn.parked.take() {
            let waited_ms = at_ms.saturating_sub(parked.at_ms).max(0);
            self.turn.parked_ms = self.turn.parked_ms.saturating_add(waited_ms);
        }
        self.failures.clear();
    }

    fn apply_model(&mut self, event: &ModelEvent, at_ms: i64) {
        match event {
            ModelEvent::Requested { step, attempt, reserved, .. } => {
                self.request = Some(OpenRequest { step: *step, attempt: *attempt, reserved: *reserved });
                self.idle = None;
                self.carry_notes();
            }
            ModelEvent::Received { step, content, calls, stop, usage, cost, .. } => {
                let reserved = self.request.take().map_or(Pico::ZERO, |request| request.reserved);
                self.failures.clear();
                self.n_steps = *step;
                self.spend.usage += *usage;
                match cost {
                    Cost::Known { amount, row: _ } => self.spend.settled += *amount,
                    Cost::Unknown => {
                        self.spend.n_unpriced += 1;
                        self.spend.unpriced += reserved;
                    }
                }
                // A refused or empty turn is not part of what is sent again, and so are its calls.
                let is_kept = !matches!(stop, Stop::Refusal { .. }) && !is_empty_content(content);
                let calls = if is_kept { calls.as_slice() } else { &[] };
                if is_kept {
                    self.conversation.push(Message::Model { content: content.clone() });
                }
                self.idle = calls.is_empty().then(|| stop.clone());
                let open = |call: &Call| OpenCall { call: call.clone(), started: None, result: None };
                self.calls = calls.iter().map(open).collect();
            }
            ModelEvent::Failed { failure, uncertain, .. } => {
                self.request = None;
                self.spend.uncertain += *uncertain;
                self.failures.push(Failure { at_ms, failure: failure.clone() });
            }
            ModelEvent::Unaffordable { needed, left, .. } => {
                self.turn.unaffordable = Some(Unaffordable { needed: *needed, left: *left });
            }
            ModelEvent::Interrupted { uncertain, .. } => {
                self.request = None;
                self.spend.uncertain += *uncertain;
            }
        }
    }

    /// The request carries the notes: they become part of what was said.
    fn carry_notes(&mut self) {
        self.conversation = self.with_notes();
        self.notes.clear();
    }

    /// The conversation as the next request shows it.
    pub fn with_notes(&self) -> Vec<Message> {
        let mut conversation = self.conversation.clone();
        if self.notes.is_empty() {
            return conversation;
        }
        match conversation.last_mut() {
            Some(Message::Person { texts }) => texts.extend(self.notes.iter().cloned()),
            Some(Message::Results { notes, .. }) => notes.extend(self.notes.iter().cloned()),
            Some(Message::Model { .. }) | None => conversation.push(Message::Person { texts: self.notes.clone() }),
        }
        conversation
    }

    fn apply_tool(&mut self, event: &ToolEvent) {
        self.n_touches += 1;
        match event {
            ToolEvent::Started { call, snapshot } => {
                if let Some(snapshot) = snapshot {
                    self.saved(snapshot);
                    if self.before.last().is_none_or(|before| before.step < self.n_steps) {
                        self.before.push(Before { step: self.n_steps, tree: snapshot.clone() });
                    }
                }
                if let Some(open) = self.calls.iter_mut().find(|open| open.call.id == *call) {
                    open.started = Some(Started { snapshot: snapshot.clone() });
                }
            }
            ToolEvent::Ended { call, output, is_error, runs, changed, duration_ms: _ } => {
                self.n_results += 1;
                self.unsaved.extend(changed.iter().cloned());
                if !changed.is_empty() {
                    self.last_edit = Some(self.n_results);
                }
                for record in runs {
                    self.remember_run(record);
                }
                if let Some(open) = self.calls.iter_mut().find(|open| open.call.id == *call) {
                    open.result = Some(CallResult { call: call.clone(), output: output.clone(), is_error: *is_error });
                }
                self.close_calls();
            }
            ToolEvent::JobsEnded { output, runs, changed } => {
                self.unsaved.extend(changed.iter().cloned());
                if !changed.is_empty() {
                    // Some time while they ran: every run that is there by now may be older.
                    self.last_edit = Some(self.n_results + 1);
                }
                runs.iter().for_each(|record| self.remember_run(record));
                self.notes.push(output.clone());
            }
        }
    }

    /// A job is recorded twice, when it goes to the background and when it ends: how it ended counts, and when it began.
    fn remember_run(&mut self, record: &RunRecord) {
        network::add_up(&mut self.network, &record.network);
        match self.runs.iter_mut().find(|known| known.record.number == record.number) {
            Some(known) => known.record = record.clone(),
            None => self.runs.push(Run { record: record.clone(), order: self.n_results }),
        }
    }

    /// When every call has its result they move into the conversation together.
    fn close_calls(&mut self) {
        let is_answered = self.calls.iter().all(|open| open.result.is_some());
        if is_answered && !self.calls.is_empty() {
            let results = self.calls.drain(..).filter_map(|open| open.result).collect();
            self.conversation.push(Message::Results { results, notes: Vec::new() });
        }
    }

    fn apply_check(&mut self, event: &CheckEvent) {
        match event {
            CheckEvent::Started { .. } => {}
            CheckEvent::Ended { record } => {
                network::add_up(&mut self.network, &record.network);
                match (record.phase, &mut self.finish) {
                    (Phase::Setup, _) => self.setup.push(record.clone()),
                    (Phase::Baseline, _) => self.baseline.push(record.clone()),
                    (Phase::Result | Phase::RegressionOld | Phase::RegressionNew, Some(finish)) => {
                        finish.checks.push(record.clone());
                    }
                    (Phase::Result | Phase::RegressionOld | Phase::RegressionNew, None) => {}
                }
            }
            CheckEvent::RegressionNotProvable { text } => {
                if let Some(finish) = &mut self.finish {
                    finish.not_provable = Some(text.clone());
                }
            }
        }
    }

    fn apply_finish(&mut self, event: &FinishEvent) {
        match event {
            FinishEvent::Filed { call, report } => {
                self.finish = Some(Finish {
                    call: call.clone(),
                    report: report.as_ref().clone(),
                    inspected: None,
                    checks: Vec::new(),
                    not_provable: None,
                });
            }
            FinishEvent::Inspected { tree, diff, violations, missing_references, blemishes, left_out } => {
                let inspection = Inspection {
                    tree: tree.clone(),
                    diff: diff.clone(),
                    violations: violations.clone(),
                    missing_references: missing_references.clone(),
                    blemishes: blemishes.clone(),
                    left_out: left_out.clone(),
                    n_touches: self.n_touches,
                };
                // A begun call without a result was cut off, and may have edited: its result comes next.
                if self.calls.iter().any(|open| open.started.is_some() && open.result.is_none()) {
                    self.last_edit = Some(self.n_results + 1);
                }
                if let Some(finish) = &mut self.finish {
                    finish.inspected = Some(inspection.clone());
                }
                self.saved(tree);
                self.result = Some(inspection);
            }
            FinishEvent::Rejected { .. } => {
                self.turn.n_rejections += 1;
                let finish = self.finish.take();
                let seen = finish.as_ref().and_then(|finish| finish.inspected.as_ref());
                self.turn.was_told_left_out |= seen.is_some_and(|seen| seen.left_out.n_skipped > 0);
                self.checked = finish.map(|finish| finish.checks).unwrap_or_default();
            }
            FinishEvent::Nudged { text } => {
                match self.idle.take() {
                    Some(Stop::MaxTokens) => self.turn.n_cuts += 1,
                    Some(
                        Stop::EndTurn
                        | Stop::ToolUse
                        | Stop::Paused
                        | Stop::ContextFull
                        | Stop::Refusal { .. }
                        | Stop::Other { .. },
                    )
                    | None => self.turn.n_nudges += 1,
                }
                self.notes.push(Text::inline(text.clone()));
            }
        }
    }

    /// The worker tells the time before it asks for a decision.
    pub fn observe(&mut self, now_ms: i64) {
        self.now_ms = self.now_ms.max(now_ms);
    }

    pub fn contract(&self) -> &Contract {
        &self.submitted.contract
    }

    pub fn status(&self) -> Status {
        match (&self.turn.ended, &self.turn.parked) {
            (Some(ended), _) => ended.end.status(),
            // Being stopped, it waits for nobody any more.
            (None, Some(_)) if !self.turn.stop_requested => Status::InputRequired,
            (None, None) if self.seq == Seq(1) => Status::Submitted,
            (None, _) => Status::Working,
        }
    }

    pub fn verdict(&self) -> Option<Verdict> {
        self.turn.ended.as_ref().and_then(|ended| ended.end.verdict())
    }

    /// The exit code of a verb that waited for this task; `None` while it works.
    pub fn exit_code(&self) -> Option<ExitCode> {
        match (&self.turn.ended, &self.turn.parked) {
            (Some(ended), _) => Some(ended.end.exit_code()),
            (None, Some(_)) if !self.turn.stop_requested => Some(ExitCode::NeedsPerson),
            (None, _) => None,
        }
    }

    /// Money that is gone or may be gone, with what the open request could still cost.
    pub fn committed(&self) -> Pico {
        let reserved = self.request.as_ref().map_or(Pico::ZERO, |request| request.reserved);
        self.spend.settled + self.spend.uncertain + self.spend.unpriced + reserved
    }

    /// What stands in the person's checkout: the newest apply that was not taken back.
    pub fn applied(&self) -> Option<&Applied> {
        self.applied.last()
    }

    /// The files as they were before a step; `None` when nothing has changed them since.
    pub fn before_step(&self, step: u32) -> Option<&TreeId> {
        self.before.iter().find(|before| before.step >= step).map(|before| &before.tree)
    }

    /// The next number for a command the model runs.
    pub fn next_run(&self) -> u32 {
        self.runs.iter().map(|run| run.record.number).max().unwrap_or(0).saturating_add(1)
    }
}

impl Turn {
    fn begin(number: u32, started_at_ms: i64, first_step: u32) -> Self {
        Self {
            number,
            started_at_ms,
            first_step,
            n_rejections: 0,
            was_told_left_out: false,
            n_nudges: 0,
            n_cuts: 0,
            n_losses: 0,
            stop_requested: false,
            unaffordable: None,
            parked: None,
            parked_ms: 0,
            ended: None,
        }
    }
}

/// What the model is told about a workspace that was made anew.
fn remade(unsaved: &[String], setup_failed: Option<&str>) -> String {
    let mut text = String::from(
        "Your workspace was removed and is made anew from its last snapshot. Files that the repository ignores, and what \
         commands left in HOME and /tmp, are gone.",
    );
    if !unsaved.is_empty() {
        let mut paths = unsaved.to_vec();
        paths.sort();
        paths.dedup();
        text.push_str(&format!(" The last changes of these files may be missing, look at them: {}.", paths.join(", ")));
    }
    if let Some(failed) = setup_failed {
        text.push_str(&format!(" This time setup failed: {failed}"));
    }
    text
}

/// Most paths the model is told of those that were put back.
const PATHS_TOLD: usize = 40;

/// What the model is told about files that were put back.
fn put_back(step: u32, changed: &[String], said: Option<&str>) -> String {
    let mut text = format!("The person put the files back to what they were before your step {step}.");
    match changed.split_at_checked(PATHS_TOLD) {
        _ if changed.is_empty() => text.push_str(" They are the same as now."),
        Some((told, rest)) if !rest.is_empty() => {
            text.push_str(&format!(" Undone: {} and {} more.", told.join(", "), rest.len()));
        }
        Some(_) | None => text.push_str(&format!(" Undone: {}.", changed.join(", "))),
    }
    text.push_str(" What the repository ignores, HOME and /tmp are as you left them. Read before you edit.");
    if let Some(said) = said {
        text.push_str(&format!(" The person writes: {said}"));
    }
    text
}

fn is_empty_content(content: &Text) -> bool {
    matches!(content, Text::Inline(text) if text.trim() == "[]")
}
