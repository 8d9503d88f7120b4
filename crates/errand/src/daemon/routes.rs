//! The routes of the API. Each is a line of the table and a few lines of work; the supervisor knows the rest.

use super::{Daemon, doctor, events, view};
use crate::api;
use crate::failure::Failure;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use errand_journal::Removed;
use errand_runner::{Looked, Moves, Start, Submission, Touched};
use errand_task::event::{Event, PersonEvent};
use errand_task::id::TaskId;
use errand_task::money::Pico;
use errand_task::summary::Summary;
use errand_task::verdict::{ExitCode, Status};
use secrecy::SecretString;
use serde::Deserialize;
use std::sync::atomic::Ordering;

/// Largest body of a call, in bytes.
const BODY_BYTES_MAX: usize = 1024 * 1024;

pub fn router(daemon: Daemon) -> Router {
    Router::new()
        .route("/v1/status", get(status))
        .route("/v1/tasks", get(list).post(submit))
        .route("/v1/tasks/{id}", get(show))
        .route("/v1/tasks/{id}/events", get(stream))
        .route("/v1/tasks/{id}/diff", get(diff))
        .route("/v1/tasks/{id}/ledger", get(task_ledger))
        .route("/v1/tasks/{id}/reply", post(reply))
        .route("/v1/tasks/{id}/stop", post(stop))
        .route("/v1/tasks/{id}/resume", post(resume))
        .route("/v1/tasks/{id}/rewind", post(rewind))
        .route("/v1/tasks/{id}/remove", post(remove))
        .route("/v1/tasks/{id}/apply", post(apply))
        .route("/v1/tasks/{id}/undo", post(undo))
        .route("/v1/removed", get(removed))
        .route("/v1/removed/bring-back", post(bring_back))
        .route("/v1/disk", get(disk))
        .route("/v1/ledger", get(ledger))
        .route("/v1/doctor", get(health))
        .route("/v1/repository", post(look))
        .route("/v1/shutdown", post(shutdown))
        .layer(axum::extract::DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(daemon)
}

type Answer<T> = Result<Json<T>, Failure>;

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = match self.exit {
            ExitCode::Usage => StatusCode::BAD_REQUEST,
            ExitCode::TryLater => StatusCode::SERVICE_UNAVAILABLE,
            ExitCode::Verified
            | ExitCode::Internal
            | ExitCode::Unverified
            | ExitCode::ChecksFailed
            | ExitCode::ContractViolated
            | ExitCode::LimitReached
            | ExitCode::NeedsPerson
            | ExitCode::EnvironmentNotReady
            | ExitCode::Cancelled => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, Json(api::Failure::from(self))).into_response()
    }
}

async fn status(State(daemon): State<Daemon>) -> Json<api::Status> {
    Json(daemon.status())
}

impl Daemon {
    fn status(&self) -> api::Status {
        api::Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            home: self.home.path().display().to_string(),
            started_at: api::time(self.started_at_ms),
            working: self.supervisor.n_working(),
        }
    }

    async fn find(&self, text: &str) -> Result<Summary, Failure> {
        Ok(self.supervisor.resolve(text).await?)
    }

    /// What a call's endpoint changes about the task.
    async fn endpoint_events(&self, task: &TaskId, new: Option<api::NewEndpoint>) -> Result<Vec<Event>, Failure> {
        let Some(new) = new else { return Ok(Vec::new()) };
        let moves = if new.moves { Moves::Yes } else { Moves::No };
        Ok(self.supervisor.endpoint_events(task, &new.base_url, SecretString::from(new.key), moves).await?)
    }

    /// Writes what a person said and answers with the task's line.
    async fn tell(&self, task: &TaskId, events: Vec<Event>) -> Answer<api::Task> {
        let state = self.supervisor.tell(task, events).await?;
        Ok(Json(api::Task::of(&Summary::of(&state))))
    }
}

async fn list(State(daemon): State<Daemon>) -> Answer<Vec<api::Task>> {
    let all = daemon.supervisor.shared.store.summaries().await.map_err(Failure::internal)?;
    Ok(Json(all.iter().map(api::Task::of).collect()))
}

async fn submit(State(daemon): State<Daemon>, Json(body): Json<api::Submit>) -> Answer<api::Submitted> {
    let other_endpoint = Some(body.base_url.clone()).filter(|base_url| !errand_model::endpoint::is_vendor(base_url));
    let submission = Submission {
        contract: body.contract,
        name: body.name.clone(),
        directory: body.directory.into(),
        start: start(body.base, body.dirty)?,
        base_url: body.base_url,
        key: SecretString::from(body.key),
        trusts: body.trusts,
    };
    let submission = daemon.supervisor.receive(submission)?;
    let (id, examined) = match body.is_dry_run {
        true => (None, daemon.supervisor.examine(&submission).await?),
        false => {
            let accepted = daemon.supervisor.submit(submission).await?;
            (Some(accepted.id), accepted.examined)
        }
    };
    let source = examined.source;
    Ok(Json(api::Submitted {
        id: id.map(|id| id.to_string()),
        name: body.name,
        state: Status::Submitted.to_string(),
        contract: api::Terms::of(&examined.contract),
        model: examined.model,
        repository: source.repository,
        base_commit: source.base_commit.to_string(),
        base_name: source.base_name,
        n_uncommitted: source.n_uncommitted,
        uncommitted: examined.uncommitted,
        dirty: source.dirty,
        other_endpoint,
        notices: examined.notices,
    }))
}

fn start(base: Option<String>, is_dirty: bool) -> Result<Start, Failure> {
    match (base, is_dirty) {
        (base, false) => Ok(Start::at(base)),
        (None, true) => Ok(Start::Checkout),
        (Some(_), true) => Err(Failure::usage("a task starts from a revision or from the checkout, not from both")
            .hint("leave out --base or --dirty")),
    }
}

async fn show(State(daemon): State<Daemon>, Path(id): Path<String>) -> Answer<api::Detail> {
    let task = daemon.find(&id).await?;
    let state = daemon.supervisor.state(&task.id).await?;
    Ok(Json(view::detail(&state)))
}

#[derive(Deserialize)]
struct StreamQuery {
    #[serde(default)]
    after: u64,
    #[serde(default)]
    follow: bool,
}

async fn stream(
    State(daemon): State<Daemon>,
    Path(id): Path<String>,
    Query(query): Query<StreamQuery>,
) -> Result<Response, Failure> {
    let task = daemon.find(&id).await?;
    let extent = if query.follow { events::Extent::UntilItRests } else { events::Extent::SoFar };
    let frames = events::frames(&daemon.supervisor, task.id, query.after, extent);
    Ok(([("content-type", "text/event-stream")], Body::from_stream(frames)).into_response())
}

async fn diff(State(daemon): State<Daemon>, Path(id): Path<String>) -> Result<Vec<u8>, Failure> {
    let task = daemon.find(&id).await?;
    Ok(daemon.supervisor.patch(&task.id).await?)
}

async fn task_ledger(State(daemon): State<Daemon>, Path(id): Path<String>) -> Answer<Vec<api::LedgerLine>> {
    let task = daemon.find(&id).await?;
    let rows = daemon.supervisor.shared.store.ledger(Some(&task.id)).await.map_err(Failure::internal)?;
    Ok(Json(rows.iter().map(view::ledger_line).collect()))
}

async fn ledger(State(daemon): State<Daemon>) -> Answer<Vec<api::LedgerLine>> {
    let rows = daemon.supervisor.shared.store.ledger(None).await.map_err(Failure::internal)?;
    Ok(Json(rows.iter().map(view::ledger_line).collect()))
}

async fn reply(
    State(daemon): State<Daemon>,
    Path(id): Path<String>,
    Json(body): Json<api::Reply>,
) -> Answer<api::Task> {
    let task = daemon.find(&id).await?;
    let mut events = daemon.endpoint_events(&task.id, body.endpoint).await?;
    events.extend(budget_raised(body.budget_usd)?);
    events.push(Event::Person(PersonEvent::Replied { text: body.text }));
    daemon.tell(&task.id, events).await
}

fn budget_raised(usd: Option<f64>) -> Result<Option<Event>, Failure> {
    let Some(usd) = usd else { return Ok(None) };
    let dollars = Pico::from_usd(usd).filter(|&dollars| dollars > Pico::ZERO).ok_or_else(|| {
        Failure::usage("the budget is not an amount above zero").hint("give dollars, as in --budget 2.00")
    })?;
    Ok(Some(Event::Person(PersonEvent::BudgetRaised { dollars })))
}

async fn rewind(
    State(daemon): State<Daemon>,
    Path(id): Path<String>,
    Json(body): Json<api::Rewind>,
) -> Answer<api::Task> {
    let task = daemon.find(&id).await?;
    let asked = daemon.supervisor.rewind_event(&task.id, body.step, body.text).await?;
    let mut events = daemon.endpoint_events(&task.id, body.endpoint).await?;
    events.extend(budget_raised(body.budget_usd)?);
    events.push(asked);
    daemon.tell(&task.id, events).await
}

async fn stop(State(daemon): State<Daemon>, Path(id): Path<String>) -> Answer<api::Task> {
    let task = daemon.find(&id).await?;
    if task.ended_at_ms.is_some() {
        return Ok(Json(api::Task::of(&task)));
    }
    daemon.tell(&task.id, vec![Event::Person(PersonEvent::StopRequested)]).await
}

async fn resume(
    State(daemon): State<Daemon>,
    Path(id): Path<String>,
    Json(body): Json<api::Resume>,
) -> Answer<api::Task> {
    let task = daemon.find(&id).await?;
    let mut events = daemon.endpoint_events(&task.id, body.endpoint).await?;
    events.push(Event::Person(PersonEvent::Resumed));
    match task.status {
        Status::InputRequired | Status::Failed | Status::Cancelled => daemon.tell(&task.id, events).await,
        Status::Submitted | Status::Working => Ok(Json(api::Task::of(&task))),
        Status::Completed => Err(Failure::usage(format!("task {} is finished", task.id))
            .hint(format!("follow up with: errand reply {} \"…\"", task.id))),
    }
}

async fn remove(State(daemon): State<Daemon>, Path(id): Path<String>) -> Answer<api::Task> {
    let task = daemon.find(&id).await?;
    daemon.supervisor.remove(&task.id).await?;
    Ok(Json(api::Task::of(&task)))
}

async fn removed(State(daemon): State<Daemon>) -> Answer<Vec<api::Removed>> {
    let all = daemon.supervisor.shared.store.removed().await.map_err(Failure::internal)?;
    let line = |removed: &Removed| api::Removed {
        task: api::Task::of(&removed.summary),
        removed_at: api::time(removed.at_ms),
    };
    Ok(Json(all.iter().map(line).collect()))
}

async fn bring_back(State(daemon): State<Daemon>, Json(body): Json<api::BringBack>) -> Answer<api::Task> {
    let task = daemon.supervisor.bring_back(body.task.as_deref()).await?;
    Ok(Json(api::Task::of(&task)))
}

async fn disk(State(daemon): State<Daemon>) -> Answer<api::Disk> {
    Ok(Json(view::disk(&daemon.supervisor.disk().await?)))
}

async fn apply(
    State(daemon): State<Daemon>,
    Path(id): Path<String>,
    Json(body): Json<api::Apply>,
) -> Answer<api::Applied> {
    let task = daemon.find(&id).await?;
    let seen = body.tree.as_deref();
    let touched = match &body.branch {
        Some(name) => daemon.supervisor.branch(&task.id, name, seen).await?,
        None => daemon.supervisor.apply(&task.id, seen).await?,
    };
    Ok(Json(applied(touched)))
}

async fn undo(State(daemon): State<Daemon>, Path(id): Path<String>) -> Answer<api::Applied> {
    let task = daemon.find(&id).await?;
    Ok(Json(applied(daemon.supervisor.undo(&task.id).await?)))
}

fn applied(touched: Touched) -> api::Applied {
    api::Applied { target: touched.target, files: touched.files, skipped: touched.skipped }
}

/// What the files of a repository would run; whether that is trusted, the person's own file says.
async fn look(State(daemon): State<Daemon>, Json(body): Json<api::Look>) -> Answer<api::Repository> {
    let Looked { source, files, .. } = daemon.supervisor.look(body.directory.as_ref(), Start::at(body.base)).await?;
    let sha256 = (!files.runs.is_empty()).then(|| files.runs.digest());
    Ok(Json(api::Repository {
        repository: source.repository,
        base_commit: source.base_commit.to_string(),
        base_name: source.base_name,
        problem: files.problem().map(str::to_owned),
        setup: files.runs.setup,
        network: files.runs.network,
        checks: files.runs.checks,
        files: files.runs.files,
        include: files.runs.include,
        worktree_include: files.runs.worktree_include,
        dependencies: files.runs.dependencies,
        sha256,
        ignored: files.ignored,
        trusted: false,
    }))
}

async fn health(State(daemon): State<Daemon>) -> Json<api::Health> {
    Json(doctor::look(&daemon.supervisor, &daemon.home, &daemon.settings).await)
}

async fn shutdown(State(daemon): State<Daemon>, Json(is_now): Json<bool>) -> Json<api::Status> {
    let status = daemon.status();
    daemon.supervisor.shared.is_draining.store(true, Ordering::Relaxed);
    tokio::spawn(async move {
        if !is_now {
            daemon.supervisor.drain().await;
        }
        daemon.end.notify_one();
    });
    Json(status)
}
