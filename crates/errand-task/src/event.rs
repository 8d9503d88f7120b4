//! Everything that can have happened to a task. Past tense, stored for ever, never edited.
//!
//! Stored formats outlive code: a new field is optional with a meaning for "absent", a new meaning is a new variant,
//! nothing is renamed or used again. A golden of every variant stays in the repository.
//!
//! An older errand reads what a newer one wrote: a field it does not know is ignored, a variant it does not know is an
//! error. So what may be ignored is a field, what must not be is a variant. The contract is the exception: a term that is
//! not known is an error there, as ignoring it would drop a border.

use crate::borders::Violation;
use crate::contract::Contract;
use crate::facts::{
    Call, CheckRecord, Endpoint, FileChange, LeftOut, ModelSettings, Phase, RequestFailure, RunRecord, Source, Stop,
};
use crate::id::{CallId, CommitId, Digest, TreeId};
use crate::money::{Cost, Pico, Usage};
use crate::report::Report;
use crate::text::Text;
use crate::verdict::End;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    Task(TaskEvent),
    Person(PersonEvent),
    Workspace(WorkspaceEvent),
    Model(ModelEvent),
    Tool(ToolEvent),
    Check(CheckEvent),
    Finish(FinishEvent),
    Review(ReviewEvent),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskEvent {
    /// The first event of every task.
    Submitted {
        name: Option<String>,
        contract: Box<Contract>,
        source: Source,
        endpoint: Endpoint,
        /// Version of errand that accepted it.
        version: String,
        /// What files of the repository asked for, and what came of it, for people. Absent means nothing.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        notices: Vec<String>,
    },
    /// What the model is told at the start is fixed: the same bytes for the whole life of the task.
    Briefed { settings: ModelSettings, system: Text, tools: Text, opening: Text },
    /// Nothing more can happen until a person acts.
    Parked { text: String, hint: String },
    /// The turn is over.
    Ended { end: End },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PersonEvent {
    /// An answer, a direction while it works, or a follow-up on a result, which opens a new turn.
    Replied {
        text: String,
    },
    StopRequested,
    /// The budget of the whole task is now this.
    BudgetRaised {
        dollars: Pico,
    },
    /// From now on the task talks to this endpoint, with this key.
    EndpointChanged {
        endpoint: Endpoint,
    },
    /// Go on with a parked or failed turn.
    Resumed,
    /// The files shall be put back to `tree`, what they were before this step, and the agent go on from there.
    RewindRequested {
        step: u32,
        tree: TreeId,
        /// What the agent should know or do; absent means nothing is said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkspaceEvent {
    Prepared {
        root: String,
        tree: TreeId,
        duration_ms: u64,
        /// Dependency folders of the person's checkout that lie over the base, by path.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        layers: Vec<String>,
        /// What the person should know of it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        notes: Vec<String>,
    },
    PrepareFailed {
        text: String,
    },
    /// A clean-up removes the folder; its files are stored as `tree` before it does. Made anew when something needs it.
    Removed {
        tree: TreeId,
    },
    /// The folder is not there any more, and it was not errand that removed it.
    Lost,
    /// Made anew from the last snapshot, with the setup commands that had run.
    Remade {
        root: String,
        tree: TreeId,
        duration_ms: u64,
        /// The setup command that failed this time, and how; absent means none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        setup_failed: Option<String>,
    },
    /// The files were put back to `tree`, as they were before a step, at a person's word.
    Rewound {
        step: u32,
        tree: TreeId,
        /// Paths that were put back.
        changed: Vec<String>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "events live a moment on their way to and from the journal")]
pub enum ModelEvent {
    /// Intent: written before the request is sent.
    Requested {
        step: u32,
        attempt: u32,
        request: Digest,
        /// System and tools alone; a change of it within a task would lose the cache.
        prefix: Digest,
        reserved: Pico,
    },
    Received {
        step: u32,
        message_id: String,
        model: String,
        content: Text,
        /// The text blocks, for people.
        text: Text,
        calls: Vec<Call>,
        stop: Stop,
        usage: Usage,
        cost: Cost,
        duration_ms: u64,
    },
    /// The attempt brought no response.
    Failed { step: u32, attempt: u32, failure: RequestFailure, uncertain: Pico },
    /// The worst case of the request does not fit into what is left of the budget; nothing was sent.
    Unaffordable { step: u32, needed: Pico, left: Pico },
    /// errand went down, or was told to stop, between the request and its response.
    Interrupted { step: u32, attempt: u32, uncertain: Pico },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolEvent {
    /// Intent: the workspace is `snapshot` before the call changes anything.
    Started { call: CallId, snapshot: Option<TreeId> },
    /// The one result of a call.
    Ended {
        call: CallId,
        output: Text,
        is_error: bool,
        /// Commands that started or ended with this call.
        runs: Vec<RunRecord>,
        /// Paths the call changed.
        changed: Vec<String>,
        duration_ms: u64,
    },
    /// Commands in the background that ended beside the calls of this step; the text goes with their results.
    JobsEnded {
        output: Text,
        runs: Vec<RunRecord>,
        /// Paths that changed while they ran.
        #[serde(default)]
        changed: Vec<String>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckEvent {
    Started {
        phase: Phase,
        index: u32,
        command: String,
    },
    Ended {
        record: CheckRecord,
    },
    /// Why the regression proof could not be made.
    RegressionNotProvable {
        text: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishEvent {
    /// The model called `finish` with a well-formed report.
    Filed { call: CallId, report: Box<Report> },
    /// The result as a tree, its diff against the base, the borders it crosses, the cited places that do not exist, and
    /// what was left lying in it: conflict markers, backup files.
    Inspected {
        tree: TreeId,
        diff: Vec<FileChange>,
        violations: Vec<Violation>,
        missing_references: Vec<String>,
        /// Absent means none.
        #[serde(default)]
        blemishes: Vec<String>,
        /// Absent means nothing.
        #[serde(default, skip_serializing_if = "LeftOut::is_nothing")]
        left_out: LeftOut,
    },
    /// A gate did not let it through; the findings went back to the model as the result of its call.
    Rejected { findings: Vec<String> },
    /// The model stopped without finishing and was told so.
    Nudged { text: String },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewEvent {
    /// Written to the person's checkout; `record` names what undo needs.
    Applied { tree: TreeId, record: String, files: Vec<String> },
    /// Made a branch of the person's repository; the checkout is as it was.
    Branched { tree: TreeId, branch: String, commit: CommitId },
    /// The last apply was taken back.
    Undone { tree: TreeId, files: Vec<String> },
}

/// Every variant by its stored name, for the goldens.
impl Event {
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Task(TaskEvent::Submitted { .. }) => "task.submitted",
            Self::Task(TaskEvent::Briefed { .. }) => "task.briefed",
            Self::Task(TaskEvent::Parked { .. }) => "task.parked",
            Self::Task(TaskEvent::Ended { .. }) => "task.ended",
            Self::Person(PersonEvent::Replied { .. }) => "person.replied",
            Self::Person(PersonEvent::StopRequested) => "person.stop_requested",
            Self::Person(PersonEvent::BudgetRaised { .. }) => "person.budget_raised",
            Self::Person(PersonEvent::EndpointChanged { .. }) => "person.endpoint_changed",
            Self::Person(PersonEvent::Resumed) => "person.resumed",
            Self::Person(PersonEvent::RewindRequested { .. }) => "person.rewind_requested",
            Self::Workspace(WorkspaceEvent::Prepared { .. }) => "workspace.prepared",
            Self::Workspace(WorkspaceEvent::PrepareFailed { .. }) => "workspace.prepare_failed",
            Self::Workspace(WorkspaceEvent::Removed { .. }) => "workspace.removed",
            Self::Workspace(WorkspaceEvent::Lost) => "workspace.lost",
            Self::Workspace(WorkspaceEvent::Remade { .. }) => "workspace.remade",
            Self::Workspace(WorkspaceEvent::Rewound { .. }) => "workspace.rewound",
            Self::Model(ModelEvent::Requested { .. }) => "model.requested",
            Self::Model(ModelEvent::Received { .. }) => "model.received",
            Self::Model(ModelEvent::Failed { .. }) => "model.failed",
            Self::Model(ModelEvent::Unaffordable { .. }) => "model.unaffordable",
            Self::Model(ModelEvent::Interrupted { .. }) => "model.interrupted",
            Self::Tool(ToolEvent::Started { .. }) => "tool.started",
            Self::Tool(ToolEvent::Ended { .. }) => "tool.ended",
            Self::Tool(ToolEvent::JobsEnded { .. }) => "tool.jobs_ended",
            Self::Check(CheckEvent::Started { .. }) => "check.started",
            Self::Check(CheckEvent::Ended { .. }) => "check.ended",
            Self::Check(CheckEvent::RegressionNotProvable { .. }) => "check.regression_not_provable",
            Self::Finish(FinishEvent::Filed { .. }) => "finish.filed",
            Self::Finish(FinishEvent::Inspected { .. }) => "finish.inspected",
            Self::Finish(FinishEvent::Rejected { .. }) => "finish.rejected",
            Self::Finish(FinishEvent::Nudged { .. }) => "finish.nudged",
            Self::Review(ReviewEvent::Applied { .. }) => "review.applied",
            Self::Review(ReviewEvent::Branched { .. }) => "review.branched",
            Self::Review(ReviewEvent::Undone { .. }) => "review.undone",
        }
    }
}
