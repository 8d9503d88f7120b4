//! Small records that events carry: where the task comes from, what a command did, what changed.

use crate::id::{CallId, CommitId, CredentialId, TreeId};
use crate::text::Text;
use serde::{Deserialize, Serialize};

/// The repository and the commit the task starts from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Absolute path of the person's checkout.
    pub repository: String,
    pub base_commit: CommitId,
    /// What the person called the base: a branch, a tag, or the commit itself.
    pub base_name: String,
    /// Files with uncommitted changes at submission; they are not part of the base.
    pub n_uncommitted: u32,
    /// The base is the checkout as it was, with its uncommitted changes; absent means it is a commit of the person's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dirty: Option<Dirty>,
}

/// What a base holds beyond the person's commit. The base commit is one of errand's own then, its parent is `head`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dirty {
    pub head: CommitId,
    /// Files that differ from it.
    pub n_changed: u32,
    /// The first of them.
    pub changed: Vec<String>,
    /// The first of what could not be stored, each with the reason.
    pub left_out: Vec<String>,
    pub n_left_out: u32,
}

/// Where the model is reached. The key is elsewhere; endpoint and key travel as one pair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    pub base_url: String,
    pub credential: CredentialId,
}

/// Everything about the model that shapes a request, fixed when the task is briefed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelSettings {
    pub model: String,
    pub max_tokens: u32,
    pub thinking: Thinking,
    pub effort: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Thinking {
    /// The model decides when to think; nothing or `adaptive` is sent.
    Adaptive,
    /// A fixed number of thinking tokens.
    Budget { tokens: u32 },
    /// The parameter is not sent.
    Unset,
}

/// One tool call of a response, as the fold needs it; the whole input is in the response's content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    pub id: CallId,
    pub name: String,
    /// What the call is about in at most 120 characters, for people.
    pub headline: String,
}

/// Why the model stopped, in our words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    EndTurn,
    ToolUse,
    MaxTokens,
    Paused,
    ContextFull,
    Refusal {
        category: Option<String>,
    },
    /// A reason this version does not know; treated like the end of a turn.
    Other {
        reason: String,
    },
}

/// Why a request brought no response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestFailure {
    pub kind: FailureKind,
    /// One sentence for a person, without secrets.
    pub text: String,
    pub http_status: Option<u16>,
    /// How long the endpoint asked us to wait.
    pub retry_after_ms: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// Passing: overload, rate limit, server error, a cut connection.
    Passing,
    /// A person must act: key, credit, permission, spend limit, unknown model.
    NeedsPerson,
    /// The request itself is refused; repeating it cannot help.
    Refused,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunEnd {
    Exited {
        code: i32,
    },
    Killed {
        signal: i32,
    },
    TimedOut,
    /// Stopped because the output limit was reached.
    TooMuchOutput,
    /// Ended because it went over a limit of the sandbox.
    OverLimit {
        /// The limit, as in "2048 processes and threads".
        limit: String,
    },
    /// errand or the machine went down while it ran.
    Interrupted,
    /// It was never started.
    NotStarted {
        why: String,
    },
}

/// Exit codes by which a shell says that there is no such command, or that it cannot be executed.
const NO_COMMAND: [i32; 2] = [126, 127];

impl RunEnd {
    pub fn is_success(&self) -> bool {
        *self == Self::Exited { code: 0 }
    }

    /// The shell found no such command, or none it could execute.
    pub fn is_no_command(&self) -> bool {
        self.exit_code().is_some_and(|code| NO_COMMAND.contains(&code))
    }

    pub fn exit_code(&self) -> Option<i32> {
        match self {
            Self::Exited { code } => Some(*code),
            Self::Killed { .. }
            | Self::TimedOut
            | Self::TooMuchOutput
            | Self::OverLimit { .. }
            | Self::Interrupted
            | Self::NotStarted { .. } => None,
        }
    }

    /// `exit 0`, `killed by signal 9`, `timed out`…
    pub fn headline(&self) -> String {
        match self {
            Self::Exited { code } => format!("exit {code}"),
            Self::Killed { signal } => format!("killed by signal {signal}"),
            Self::TimedOut => "timed out".to_owned(),
            Self::TooMuchOutput => "stopped: too much output".to_owned(),
            Self::OverLimit { limit } => format!("stopped: it used more than {limit}"),
            Self::Interrupted => "interrupted".to_owned(),
            Self::NotStarted { why } => format!("not started: {why}"),
        }
    }
}

/// A command the model ran. Numbers count from 1 within a task and never repeat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRecord {
    pub number: u32,
    pub command: String,
    /// Absent while it goes on in the background.
    pub end: Option<RunEnd>,
    pub duration_ms: u64,
    pub n_lines: u64,
    pub log: Text,
    /// What it did with names outside; absent means nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub network: Vec<NetworkUse>,
}

impl RunRecord {
    pub fn is_success(&self) -> bool {
        self.end.as_ref().is_some_and(RunEnd::is_success)
    }

    /// How it ended, or that it has not.
    pub fn headline(&self) -> String {
        self.end.as_ref().map_or_else(|| "still running".to_owned(), RunEnd::headline)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// On the untouched base, before the first request.
    Baseline,
    /// On a clean checkout of base and result.
    Result,
    /// The regression command on the base with only the new tests added: it must fail.
    RegressionOld,
    /// The regression command on the result: it must pass.
    RegressionNew,
    /// A setup command in the fresh workspace, before the baseline: it must pass.
    Setup,
}

/// What errand found when it ran a check itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckRecord {
    pub phase: Phase,
    /// Position in the contract's checks, or in its setup commands; 0 for the regression command.
    pub index: u32,
    pub command: String,
    /// The tree it ran on.
    pub tree: TreeId,
    pub n_runs: u32,
    pub n_failed: u32,
    /// Of the first run that failed, else of the last run.
    pub end: RunEnd,
    /// All runs together.
    pub duration_ms: u64,
    /// Output of the run that `end` is about.
    pub log: Text,
    /// What of it the model is shown when the check is red.
    pub excerpt: String,
    /// What a known test runner counted, as `231 passed, 2 ignored`; absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub totals: Option<String>,
    /// What its runs did with names outside; absent means nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub network: Vec<NetworkUse>,
}

impl CheckRecord {
    /// Every run of it exited with 0.
    pub fn is_green(&self) -> bool {
        self.n_runs > 0 && self.n_failed == 0
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    Added,
    Modified,
    Deleted,
    /// Only the executable bit or the file's type changed.
    Mode,
}

/// One changed file of a result. Bytes of the name that are not UTF-8 stand as `\xNN`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileChange {
    pub path: String,
    pub kind: ChangeKind,
    pub added: u32,
    pub removed: u32,
    pub is_binary: bool,
}

/// What of the workspace is not in the result, because a snapshot holds regular files and links only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// The first of the paths that nothing ignores.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<SkippedPath>,
    pub n_skipped: u64,
    /// Files and folders that the base's ignore rules name; a folder counts once.
    pub n_ignored: u64,
}

impl LeftOut {
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Paths that are skipped and not named.
    pub fn n_unnamed(&self) -> u64 {
        self.n_skipped.saturating_sub(self.skipped.len() as u64)
    }
}

/// Bytes of the name that are not UTF-8 stand as `\xNN`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkippedPath {
    pub path: String,
    /// As in "not a regular file".
    pub why: String,
}

/// What commands of a task did with one name outside, granted or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkUse {
    /// As a contract writes it: `host`, or `host:port`. Of a target that is no name what was asked for, cut to 100
    /// characters, with odd bytes spelled out.
    pub name: String,
    /// How many connections were let through.
    pub n_connections: u32,
    pub sent_bytes: u64,
    pub received_bytes: u64,
    /// How many attempts were not let through, for whatever reason.
    pub n_refused: u32,
    /// Why the last of them was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}
