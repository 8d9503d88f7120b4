//! How every failure reaches the person: one sentence, what to do, the right exit code.

use crate::api;
use errand_task::verdict::ExitCode;
use std::fmt;

#[derive(Debug)]
pub struct Failure {
    pub text: String,
    pub hint: Option<String>,
    pub exit: ExitCode,
}

impl Failure {
    pub fn new(exit: ExitCode, text: impl fmt::Display) -> Self {
        Self { text: text.to_string(), hint: None, exit }
    }

    /// The person asked for something that cannot be meant.
    pub fn usage(text: impl fmt::Display) -> Self {
        Self::new(ExitCode::Usage, text)
    }

    /// errand could not do its job.
    pub fn internal(text: impl fmt::Display) -> Self {
        Self::new(ExitCode::Internal, text)
    }

    pub fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }
}

impl From<Failure> for api::Failure {
    fn from(failure: Failure) -> Self {
        Self { text: failure.text, hint: failure.hint, exit_code: failure.exit.code() }
    }
}

impl api::Failure {
    pub fn exit(&self) -> ExitCode {
        let known = [
            ExitCode::Verified,
            ExitCode::Usage,
            ExitCode::Unverified,
            ExitCode::ChecksFailed,
            ExitCode::ContractViolated,
            ExitCode::LimitReached,
            ExitCode::NeedsPerson,
            ExitCode::EnvironmentNotReady,
            ExitCode::TryLater,
            ExitCode::Cancelled,
        ];
        known.into_iter().find(|exit| exit.code() == self.exit_code).unwrap_or(ExitCode::Internal)
    }
}

impl From<api::Failure> for Failure {
    fn from(failure: api::Failure) -> Self {
        let exit = failure.exit();
        Self { text: failure.text, hint: failure.hint, exit }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::internal(error)
    }
}
