//! How a task stands and how it ended, and the exit code that tells a shell.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Where a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Submitted,
    Working,
    InputRequired,
    Completed,
    Failed,
    Cancelled,
}

impl Status {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Submitted => "submitted",
            Self::Working => "working",
            Self::InputRequired => "input_required",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing more happens until a person acts.
    pub fn is_resting(self) -> bool {
        match self {
            Self::Submitted | Self::Working => false,
            Self::InputRequired | Self::Completed | Self::Failed | Self::Cancelled => true,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What errand itself found about a completed task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// All checks green and the contract kept.
    Verified,
    /// A plan or an answer, its references checked; there is nothing to run.
    Delivered,
    /// Finished, but no check was given, or the agent says the work is partial or blocked.
    Unverified,
    ChecksFailed,
    ContractViolated,
}

impl Verdict {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Delivered => "delivered",
            Self::Unverified => "unverified",
            Self::ChecksFailed => "checks_failed",
            Self::ContractViolated => "contract_violated",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How a turn of a task ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    Completed {
        verdict: Verdict,
    },
    /// A limit of the contract was reached before the work was done.
    LimitReached {
        limit: Limit,
        text: String,
    },
    /// The workspace, its setup or a baseline check was not ready; nothing was spent on the model.
    EnvironmentNotReady {
        text: String,
    },
    /// The model or its endpoint refused for good.
    ModelFailed {
        text: String,
    },
    /// errand could not do its job.
    Internal {
        text: String,
    },
    Cancelled,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    Dollars,
    Steps,
    Minutes,
}

impl Limit {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dollars => "dollars",
            Self::Steps => "steps",
            Self::Minutes => "minutes",
        }
    }
}

impl End {
    pub fn status(&self) -> Status {
        match self {
            Self::Completed { .. } => Status::Completed,
            Self::Cancelled => Status::Cancelled,
            Self::LimitReached { .. }
            | Self::EnvironmentNotReady { .. }
            | Self::ModelFailed { .. }
            | Self::Internal { .. } => Status::Failed,
        }
    }

    pub fn verdict(&self) -> Option<Verdict> {
        match self {
            Self::Completed { verdict } => Some(*verdict),
            Self::LimitReached { .. }
            | Self::EnvironmentNotReady { .. }
            | Self::ModelFailed { .. }
            | Self::Internal { .. }
            | Self::Cancelled => None,
        }
    }

    /// One sentence for a person; empty where the verdict says it all.
    pub fn text(&self) -> &str {
        match self {
            Self::Completed { .. } => "",
            Self::Cancelled => "stopped by a person",
            Self::LimitReached { text, .. }
            | Self::EnvironmentNotReady { text }
            | Self::ModelFailed { text }
            | Self::Internal { text } => text,
        }
    }

    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Completed { verdict: Verdict::Verified | Verdict::Delivered } => ExitCode::Verified,
            Self::Completed { verdict: Verdict::Unverified } => ExitCode::Unverified,
            Self::Completed { verdict: Verdict::ChecksFailed } => ExitCode::ChecksFailed,
            Self::Completed { verdict: Verdict::ContractViolated } => ExitCode::ContractViolated,
            Self::LimitReached { .. } => ExitCode::LimitReached,
            Self::EnvironmentNotReady { .. } => ExitCode::EnvironmentNotReady,
            Self::ModelFailed { .. } | Self::Internal { .. } => ExitCode::Internal,
            Self::Cancelled => ExitCode::Cancelled,
        }
    }
}

/// Exit codes of every verb that reports on a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitCode {
    Verified = 0,
    Internal = 1,
    Usage = 2,
    Unverified = 3,
    ChecksFailed = 4,
    ContractViolated = 5,
    LimitReached = 6,
    NeedsPerson = 7,
    EnvironmentNotReady = 8,
    TryLater = 75,
    Cancelled = 130,
}

impl ExitCode {
    pub fn code(self) -> u8 {
        self as u8
    }
}
