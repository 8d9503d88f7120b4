//! `finish`: the report. A well-formed one goes to the gates, which answer the call.

use crate::context::{Context, Output, Site};
use crate::input;
use crate::tool::{Effect, Tool};
use errand_task::report::{Cause, ChangeClaim, Outcome, Report, TestClaim};
use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// Bytes of the whole report.
const REPORT_BYTES: usize = 256 * 1024;

pub struct Finish;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    outcome: OutcomeWord,
    /// At most three sentences.
    summary: String,
    /// Root cause of a bug, with places as path:line of the untouched code.
    cause: Option<CauseInput>,
    changes: Option<Vec<ChangeInput>>,
    tests: Option<Vec<TestInput>>,
    /// Numbers of runs that show it works, younger than the last edit.
    checks: Option<Vec<u32>>,
    /// Leave out what the contract's checks cover.
    not_checked: Option<Vec<String>>,
    risks: Option<Vec<String>>,
    assumptions: Option<Vec<String>>,
    /// For a change over many places: those that did not fit.
    exceptions: Option<Vec<String>>,
    side_findings: Option<Vec<String>>,
    /// A plan, map or answer: Markdown with path:line references.
    document: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum OutcomeWord {
    Done,
    Partial,
    Blocked,
    NothingToChange,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CauseInput {
    text: String,
    places: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ChangeInput {
    path: String,
    what: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TestInput {
    name: String,
    proves: String,
}

impl Tool for Finish {
    fn name(&self) -> &'static str {
        "finish"
    }

    fn description(&self) -> &'static str {
        "End the job with a report. errand then looks at the diff and runs the contract's checks on a clean checkout; \
         what fails comes back as the result."
    }

    fn schema(&self) -> Value {
        input::schema::<Input>()
    }

    fn effect(&self) -> Effect {
        Effect::Finishes
    }

    fn headline(&self, input: &Value) -> String {
        input.get("outcome").and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    fn call<'a>(&'a self, _: &'a Context, site: Site<'a>) -> BoxFuture<'a, Output> {
        Box::pin(async move {
            if site.input.len() > REPORT_BYTES {
                return Output::error(format!("the report is larger than {REPORT_BYTES} bytes; shorten it"));
            }
            match input::parse::<Input>(site.input) {
                Ok(input) => Output { filed: Some(report(input)), ..Output::default() },
                Err(problem) => Output::error(problem),
            }
        })
    }
}

fn report(input: Input) -> Report {
    Report {
        outcome: match input.outcome {
            OutcomeWord::Done => Outcome::Done,
            OutcomeWord::Partial => Outcome::Partial,
            OutcomeWord::Blocked => Outcome::Blocked,
            OutcomeWord::NothingToChange => Outcome::NothingToChange,
        },
        summary: input.summary,
        cause: input.cause.map(|cause| Cause { text: cause.text, places: cause.places }),
        changes: input
            .changes
            .unwrap_or_default()
            .into_iter()
            .map(|change| ChangeClaim { path: change.path, what: change.what })
            .collect(),
        tests: input
            .tests
            .unwrap_or_default()
            .into_iter()
            .map(|test| TestClaim { name: test.name, proves: test.proves })
            .collect(),
        checks: input.checks.unwrap_or_default(),
        not_checked: input.not_checked.unwrap_or_default(),
        risks: input.risks.unwrap_or_default(),
        assumptions: input.assumptions.unwrap_or_default(),
        exceptions: input.exceptions.unwrap_or_default(),
        side_findings: input.side_findings.unwrap_or_default(),
        document: input.document,
    }
}
