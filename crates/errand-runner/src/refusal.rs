//! Why errand does not do what it was asked, in the words of the person.

use errand_journal::StoreError;
use errand_workspace::dirty::DirtyError;
use errand_workspace::source::SourceError;

/// Why errand does not do what it was asked, in the words of the person.
#[derive(Debug)]
pub struct Refusal {
    pub kind: RefusalKind,
    pub text: String,
    pub hint: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    Usage,
    Environment,
    TryLater,
    Internal,
}

impl Refusal {
    pub fn usage(text: impl std::fmt::Display, hint: impl Into<String>) -> Self {
        Self { kind: RefusalKind::Usage, text: text.to_string(), hint: Some(hint.into()) }
    }

    pub fn internal(text: impl std::fmt::Display) -> Self {
        Self { kind: RefusalKind::Internal, text: text.to_string(), hint: None }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::NoTask(_) => Self::usage(error, "errand ls shows the tasks"),
            _ => Self::internal(error),
        }
    }
}

impl From<DirtyError> for Refusal {
    fn from(error: DirtyError) -> Self {
        match &error {
            DirtyError::TooMuch => Self::usage(error, "commit it, or have .gitignore name what the task does not need"),
            DirtyError::Io { .. } => Self {
                kind: RefusalKind::Environment,
                text: error.to_string(),
                hint: Some("look at its permissions".to_owned()),
            },
            DirtyError::Ledger(_) => Self::internal(error),
        }
    }
}

impl From<SourceError> for Refusal {
    fn from(error: SourceError) -> Self {
        let hint = match &error {
            SourceError::NotARepository(_) => {
                "go to a checkout, or make one: git init && git add -A && git commit -m start"
            }
            SourceError::NoCommits(_) => "commit first: git add -A && git commit -m start",
            SourceError::Bare(_) => "go to a checkout of it",
            SourceError::NoSuchRevision { .. } => "git log shows the commits",
            SourceError::NotFound(_) | SourceError::NotUtf8(_) => "go to another directory",
            SourceError::Foreign(_) => "go to the repository's own checkout",
            SourceError::Git(_) => "errand needs git 2.38 or newer in PATH",
            SourceError::Io { .. } => "look at its permissions",
        };
        let kind = match &error {
            SourceError::Git(_) | SourceError::Io { .. } => RefusalKind::Environment,
            SourceError::NotFound(_)
            | SourceError::NotARepository(_)
            | SourceError::Bare(_)
            | SourceError::NoCommits(_)
            | SourceError::NotUtf8(_)
            | SourceError::Foreign(_)
            | SourceError::NoSuchRevision { .. } => RefusalKind::Usage,
        };
        Refusal { kind, text: error.to_string(), hint: Some(hint.to_owned()) }
    }
}
