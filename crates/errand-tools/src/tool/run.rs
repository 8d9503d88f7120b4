//! `run`: a command in the workspace. At its time limit it is not killed; it goes on as a job.

use crate::context::{Context, Output, RunDone, Site};
use crate::echo::{bounded, counted};
use crate::excerpt::run_excerpt;
use crate::input;
use crate::jobs::Job;
use crate::room;
use crate::tool::{Effect, Tool};
use errand_task::facts::{FileChange, RunEnd};
use errand_task::id::TreeId;
use errand_task::redact;
use errand_workspace::command::{self, Finished};
use errand_workspace::sandbox::plan::Limits;
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
    dir: Option<String>,
}

impl Tool for Run {
    fn name(&self) -> &'static str {
        "run"
    }

    fn description(&self) -> &'static str {
        "Run a command in the workspace: no network but granted names, no input, no terminal; /tmp is private scratch. Shows the first \
         and last lines; all of it is in log:N. At its time limit it goes on as a job: use wait, not sleep."
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
            // The mark is what the model was shown in place of a key: written by a command it would be damage.
            if input.command.contains(redact::MARK) {
                return Output::error(
                    "not run: the command holds `[redacted key]`, which stands for a key that is not shown; name the file \
                     or the place by a pattern instead",
                );
            }
            run(context, input, site.before).await
        })
    }
}

async fn run(context: &Context, input: Input, before: Option<&TreeId>) -> Output {
    let dir = match context.files.normalize(input.dir.as_deref().unwrap_or_default()) {
        Ok(dir) => dir,
        Err(refusal) => return Output::error(bounded(refusal)),
    };
    if let Err(error) = context.workspace.check_folder(&dir) {
        return Output::error(bounded(format!("not started: `{dir}`: {error}")));
    }
    if !room::only_deletes(&input.command) {
        let (room, dir) = (Arc::clone(&context.room), context.workspace.dir().to_owned());
        match tokio::task::spawn_blocking(move || room.refusal(&dir)).await {
            Ok(None) => {}
            Ok(Some(refusal)) => return Output::error(refusal),
            Err(error) => return Output::error(format!("not started: {error}")),
        }
    }
    let plan = context
        .sandbox
        .shell(&context.workspace, &input.command, Limits::of(JOB_TIME))
        .reaching(context.network.clone());
    let plan = match plan.in_dir(&dir) {
        Ok(plan) => plan,
        Err(bad) => return Output::error(bounded(bad)),
    };
    let job = Arc::new(Job {
        number: context.jobs.next_number(),
        command: input.command,
        running: command::run(&context.sandbox, plan),
        started: Instant::now(),
        before: before.cloned(),
    });
    // At hand from the start: a turn that is broken off while it runs still learns how it ended.
    context.jobs.add(Arc::clone(&job));
    let patience = Duration::from_secs(input.timeout_s.unwrap_or(TIMEOUT_S).clamp(1, TIMEOUT_MAX_S));
    let mut is_background = input.background.unwrap_or(false);
    if is_background {
        // One that is refused is no job.
        let _ = tokio::time::timeout(patience, job.running.begun()).await;
        is_background = !matches!(job.running.end(), Some(RunEnd::NotStarted { .. }));
    }
    let finished = match is_background {
        true => None,
        false => tokio::time::timeout(patience, job.running.finished()).await.ok(),
    };
    let Some(finished) = finished else {
        let (number, so_far) = (job.number, job.excerpt_so_far());
        let how = match is_background {
            true => format!("started as job {number}"),
            false => format!("still running after {} s: it goes on as job {number}", patience.as_secs()),
        };
        let done = RunDone {
            number,
            command: job.command.clone(),
            end: None,
            duration_ms: job.started.elapsed().as_millis() as u64,
            log: String::new(),
            network: Vec::new(),
        };
        let text = format!("{how}; wait for it, or do something else meanwhile\n{so_far}");
        return Output { runs: vec![done], ..Output::text(text) };
    };
    context.jobs.remove(job.number);
    ended(context, &job, &finished).await
}

/// How a command ended, what it printed and what changed since it was started.
pub async fn ended(context: &Context, job: &Job, finished: &Finished) -> Output {
    let changes = match &job.before {
        Some(before) => context.changes_since(before).await,
        None => Ok(Vec::new()),
    };
    let done = job.done(finished);
    let excerpt = run_excerpt(&done.log, done.end.as_ref(), &format!("log:{}", done.number));
    let text = format!("{}\n{excerpt}", head(&done, &changes));
    let changed = changes.unwrap_or_default().into_iter().map(|change| change.path).collect();
    Output { runs: vec![done], changed, ..Output::text(text) }
}

/// `exit 1 · 12.4 s · 812 lines · log:7 · changed: a.py +3 −1`
fn head(done: &RunDone, changes: &Result<Vec<FileChange>, String>) -> String {
    let end = done.end.as_ref().map(RunEnd::headline).unwrap_or_default();
    let mut head = format!(
        "{end} · {:.1} s · {} · log:{}",
        done.duration_ms as f64 / 1_000.0,
        counted(done.log.lines().count(), "line"),
        done.number
    );
    match changes {
        Err(problem) => head.push_str(&format!(" · what changed is unknown: {}", bounded(problem))),
        Ok(changes) if changes.is_empty() => {}
        Ok(changes) => {
            let name = |change: &FileChange| format!("{} +{} −{}", change.path, change.added, change.removed);
            let names: Vec<_> = changes.iter().take(CHANGED_NAMED).map(name).collect();
            head.push_str(&format!(" · changed: {}", names.join(", ")));
            if changes.len() > CHANGED_NAMED {
                head.push_str(&format!(" and {}", counted(changes.len() - CHANGED_NAMED, "more file")));
            }
        }
    }
    head
}
