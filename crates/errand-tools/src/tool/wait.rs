//! `wait`: until a job ends, without spending requests.

use crate::context::{Context, Output, Site};
use crate::input;
use crate::tool::{Effect, Tool, run};
use futures_util::future::{BoxFuture, select_all};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

const TIMEOUT_S: u64 = 300;
const TIMEOUT_MAX_S: u64 = 1_800;

pub struct Wait;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// Numbers of jobs; all when left out.
    jobs: Option<Vec<u32>>,
    /// Seconds (300, at most 1800).
    timeout_s: Option<u64>,
}

impl Tool for Wait {
    fn name(&self) -> &'static str {
        "wait"
    }

    fn description(&self) -> &'static str {
        "Wait until one of the jobs ends, and get its result."
    }

    fn schema(&self) -> Value {
        input::schema::<Input>()
    }

    fn effect(&self) -> Effect {
        Effect::Changes
    }

    fn headline(&self, _: &Value) -> String {
        "for jobs".to_owned()
    }

    fn call<'a>(&'a self, context: &'a Context, site: Site<'a>) -> BoxFuture<'a, Output> {
        Box::pin(async move {
            let input: Input = match input::parse(site.input) {
                Ok(input) => input,
                Err(problem) => return Output::error(problem),
            };
            let jobs = context.jobs.select(input.jobs.as_deref().unwrap_or_default());
            if jobs.is_empty() {
                return Output::error("no such job is running; results of ended ones are in their log:N");
            }
            let patience = Duration::from_secs(input.timeout_s.unwrap_or(TIMEOUT_S).clamp(1, TIMEOUT_MAX_S));
            let first = select_all(jobs.iter().map(|job| Box::pin(job.running.finished())));
            if tokio::time::timeout(patience, first).await.is_err() {
                let numbers: Vec<_> = jobs.iter().map(|job| job.number.to_string()).collect();
                let tails: String = jobs.iter().map(|job| job.excerpt_so_far()).collect();
                let text = format!("still running after {} s: {}\n{tails}", patience.as_secs(), numbers.join(", "));
                return Output::text(text);
            }
            ended(context).await
        })
    }
}

/// Reports every job that has ended since; also called after other tools.
pub async fn ended(context: &Context) -> Output {
    let mut output = Output::default();
    for job in context.jobs.take_ended() {
        let finished = job.running.finished().await;
        let ended = run::ended(context, &job, &finished).await;
        output.text.push_str(&format!("job {} ended: {}", job.number, ended.text));
        output.runs.extend(ended.runs);
        output.changed.extend(ended.changed);
    }
    output.changed.sort();
    output.changed.dedup();
    output
}
