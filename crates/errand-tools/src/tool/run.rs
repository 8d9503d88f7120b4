//! `run`: a command in the workspace. At its time limit it is not killed; it goes on as a job.

use crate::context::{Context, Output, RunDone, Site};
use crate::excerpt::run_excerpt;
use crate::input;
use crate::jobs::Job;
use crate::tool::{Effect, Tool};
use errand_task::facts::FileChange;
use errand_task::id::TreeId;
use errand_workspace::command::{self, Limits, SandboxPlan};
use errand_workspace::diff::diff;
use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;
use std::time::{Duration, Instant};

const TIMEOUT_S: u64 = 120;
const TIMEOUT_MAX_S: u64 = 1_800;
/// A job ends after this even when nobody waits for it.
const JOB_TIME: Duration = Duration::from_secs(2 * 3600);
/// Changed files named in the head line.
const CHANGED_NAMED: usize = 6;

pub struct Run;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// For bash, with pipefail.
    command: String,
    /// Seconds until it becomes a job (120, at most 1800).
    timeout_s: Option<u64>,
    /// Start it as a job at once.
    background: Option<bool>,
    /// Folder to run in.
    dir: Option<String>,
}

impl Tool for Run {
    fn name(&self) -> &'static str {
        "run"
    }

    fn description(&self) -> &'static str {
        "Run a command in the workspace (no network, no input). Shows the first 20 and last 80 lines; all of it is in \
         log:N. At its time limit it goes on as a job: use wait, not sleep."
    }

    fn schema(&self) -> Value {
        input::schema::<Input>()
    }

    fn effect(&self) -> Effect {
        Effect::Changes
    }

    fn headline(&self, input: &Value) -> String {
        input.get("command").and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    fn call<'a>(&'a self, context: &'a Context, site: Site<'a>) -> BoxFuture<'a, Output> {
        Box::pin(async move {
            let input: Input = match input::parse(site.input) {
                Ok(input) => input,
                Err(problem) => return Output::error(problem),
            };
            if input.command.trim().is_empty() || input.command.contains('\0') {
                return Output::error("the command is empty or holds a NUL byte");
            }
            run(context, input, site.before).await
        })
    }
}

async fn run(context: &Context, input: Input, before: Option<&TreeId>) -> Output {
    let plan = SandboxPlan::shell(&context.workspace, &context.toolchains, &input.command, Limits::of(JOB_TIME))
        .in_dir(input.dir.as_deref().unwrap_or(""));
    let job = Arc::new(Job {
        number: context.jobs.next_number(),
        command: input.command.clone(),
        running: command::run(plan),
        started: Instant::now(),
    });
    let number = job.number;
    let patience = match input.background.unwrap_or(false) {
        true => Duration::ZERO,
        false => Duration::from_secs(input.timeout_s.unwrap_or(TIMEOUT_S).clamp(1, TIMEOUT_MAX_S)),
    };
    let Ok(finished) = tokio::time::timeout(patience, job.running.finished()).await else {
        let so_far = String::from_utf8_lossy(&job.running.output_so_far()).into_owned();
        let done = RunDone {
            number,
            command: input.command,
            end: None,
            duration_ms: job.started.elapsed().as_millis() as u64,
            log: String::new(),
        };
        context.jobs.add(job);
        let text = format!(
            "still running after {} s: it goes on as job {number}; wait for it, or do something else meanwhile\n{}",
            patience.as_secs(),
            run_excerpt(&so_far, &format!("log:{number}"))
        );
        return Output { runs: vec![done], ..Output::text(text) };
    };
    let done = job.done(&finished);
    let changes = changes(context, before).await;
    let head = head(&done, &changes);
    let text = format!("{head}\n{}", run_excerpt(&done.log, &format!("log:{number}")));
    let changed = changes.unwrap_or_default().into_iter().map(|change| change.path).collect();
    Output { runs: vec![done], changed, ..Output::text(text) }
}

/// `exit 1 · 12.4 s · 812 lines · log:7 · changed: a.py +3 −1`
fn head(done: &RunDone, changes: &Result<Vec<FileChange>, String>) -> String {
    let end = done.end.as_ref().map(errand_task::facts::RunEnd::headline).unwrap_or_default();
    let mut head = format!(
        "{end} · {:.1} s · {} lines · log:{}",
        done.duration_ms as f64 / 1_000.0,
        done.log.lines().count(),
        done.number
    );
    match changes {
        Err(problem) => head.push_str(&format!(" · what changed is unknown: {problem}")),
        Ok(changes) if changes.is_empty() => {}
        Ok(changes) => {
            let name = |change: &FileChange| format!("{} +{} −{}", change.path, change.added, change.removed);
            let names: Vec<_> = changes.iter().take(CHANGED_NAMED).map(name).collect();
            head.push_str(&format!(" · changed: {}", names.join(", ")));
            if changes.len() > CHANGED_NAMED {
                head.push_str(&format!(" and {} more files", changes.len() - CHANGED_NAMED));
            }
        }
    }
    head
}

async fn changes(context: &Context, before: Option<&TreeId>) -> Result<Vec<FileChange>, String> {
    let Some(before) = before.cloned() else { return Ok(Vec::new()) };
    let workspace = Arc::clone(&context.workspace);
    let look = move || {
        let after = workspace.snapshot().map_err(|error| error.to_string())?;
        diff(workspace.ledger(), &before, &after.tree).map_err(|error| error.to_string())
    };
    tokio::task::spawn_blocking(look).await.map_err(|error| error.to_string())?
}
