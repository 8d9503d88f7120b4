//! The supervisor: takes jobs, gives each unfinished task a worker, carries what people say to it.
//!
//! A task that rests has no worker and costs nothing but its rows. Speaking to it starts one. At start every task that
//! does not rest gets a worker, which is all there is to recovery.

use crate::clock::now_ms;
use crate::commands::Command;
use crate::live::Live;
use crate::private_files;
use crate::refusal::{Refusal, RefusalKind};
use crate::repository_files::RepositoryFiles;
use crate::shared::{Config, Shared};
use crate::worker::{self, Left};
use errand_journal::Batch;
use errand_model::catalog;
use errand_model::endpoint;
use errand_model::prices::Modifiers;
use errand_task::contract::Contract;
use errand_task::event::{Event, PersonEvent, TaskEvent};
use errand_task::facts::{Endpoint, Source as SourceFacts};
use errand_task::id::{Seq, TaskId};
use errand_task::redact::Redactor;
use errand_task::repository_config::Trust;
use errand_task::state::{Record, State};
use errand_task::summary::Summary;
use errand_workspace::apply;
use errand_workspace::state_dir;
use secrecy::{ExposeSecret as _, SecretString};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{mpsc, oneshot};

/// Commands that wait for one worker.
const INBOX: usize = 64;

/// A job to take.
pub struct Submission {
    pub contract: Contract,
    pub name: Option<String>,
    pub directory: PathBuf,
    pub start: Start,
    pub base_url: String,
    pub key: SecretString,
    /// What repositories may run, by the person's word.
    pub trusts: Vec<Trust>,
}

/// What of the repository a task starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    Head,
    Revision(String),
    /// The checkout as it is, with its uncommitted changes.
    Checkout,
}

impl Start {
    /// Without a revision it is HEAD.
    pub fn at(revision: Option<String>) -> Self {
        revision.map_or(Self::Head, Self::Revision)
    }

    fn revision(&self) -> Option<&str> {
        match self {
            Self::Revision(revision) => Some(revision),
            Self::Head | Self::Checkout => None,
        }
    }
}

/// What a submission comes to.
#[derive(Debug)]
pub struct Examined {
    /// The full id of the model.
    pub model: String,
    pub source: SourceFacts,
    /// The first of the uncommitted changes that the task does not see.
    pub uncommitted: Vec<String>,
    /// The person's terms, with what the repository's own files may add to them.
    pub contract: Contract,
    /// What the repository's own files asked for, and what came of it.
    pub notices: Vec<String>,
}

/// A repository as a submission finds it.
#[derive(Debug)]
pub struct Looked {
    pub source: SourceFacts,
    /// The first of the uncommitted changes that are not in the base.
    pub uncommitted: Vec<String>,
    pub files: RepositoryFiles,
}

/// A submission that may be stored: no key stands in it but the one in its place.
pub struct Received(Submission);

impl Received {
    pub fn contract(&self) -> &Contract {
        &self.0.contract
    }
}

/// What became of a submission.
#[derive(Debug)]
pub struct Accepted {
    pub id: TaskId,
    pub examined: Examined,
}

/// Whether a task may be moved to another endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moves {
    No,
    Yes,
}

pub struct Supervisor {
    pub shared: Arc<Shared>,
    workers: Mutex<HashMap<TaskId, mpsc::Sender<Command>>>,
    /// Applies of one daemon come one after another.
    pub(crate) applying: tokio::sync::Mutex<()>,
}

impl Supervisor {
    /// Starts a worker for every task that does not rest.
    pub async fn start(config: Config) -> Result<Arc<Self>, Refusal> {
        state_dir::empty_trash(&config.home).map_err(Refusal::internal)?;
        take_back_half_done(&config.home)?;
        let shared = Arc::new(Shared::new(config).map_err(Refusal::internal)?);
        let supervisor = Arc::new(Self { shared, workers: Mutex::default(), applying: tokio::sync::Mutex::new(()) });
        for summary in supervisor.shared.store.summaries().await? {
            if !summary.status.is_resting() {
                supervisor.employ(&summary.id);
            }
        }
        Ok(supervisor)
    }

    /// Takes keys out of the goal. Anywhere else one is refused, because there the mark would not do what the key does:
    /// a check would run with it, a path would name another file.
    pub fn receive(&self, mut submission: Submission) -> Result<Received, Refusal> {
        let own = Redactor::of([submission.key.expose_secret()]);
        let known = self.shared.secrets.redactor();
        let goal = std::mem::take(&mut submission.contract.goal);
        let contract = serde_json::to_string(&submission.contract).map_err(Refusal::internal)?;
        let directory = submission.directory.to_string_lossy();
        let terms = [
            Some(contract.as_str()),
            submission.name.as_deref(),
            submission.start.revision(),
            Some(&submission.base_url),
            Some(&directory),
        ];
        if terms.into_iter().flatten().any(|term| own.finds(term) || known.finds(term)) {
            return Err(Refusal::usage(
                "the model key stands in the contract, the address or a path, which would be stored and shown",
                "take it out; the endpoint gets it in the header, and commands do not need it",
            ));
        }
        submission.contract.goal = known.hide(own.hide(goal));
        Ok(Received(submission))
    }

    /// Looks at a job without taking it.
    pub async fn examine(&self, Received(submission): &Received) -> Result<Examined, Refusal> {
        let model = self.model(submission)?;
        let names = self.shared.store.summaries().await?;
        if let Some(name) = &submission.name {
            check_name(name, &names)?;
        }
        let Looked { source, uncommitted, files } = self.look(&submission.directory, submission.start.clone()).await?;
        let mut contract = submission.contract.clone();
        let mut notices = files.apply(&mut contract, &source.repository, &submission.trusts);
        if !contract.include.is_empty() {
            let (shared, facts, patterns) =
                (Arc::clone(&self.shared), source.clone(), std::mem::take(&mut contract.include));
            let find = move || private_files::find(&shared, &facts, &patterns);
            let (found, told) = tokio::task::spawn_blocking(find).await.map_err(Refusal::internal)??;
            // What is shown is what is copied: names, not patterns that may stand for others by then.
            contract.include = found;
            notices.extend(told);
        }
        Ok(Examined { model, source, uncommitted, contract, notices })
    }

    /// The repository at `directory`, its base, and what the base's own files ask for.
    pub async fn look(&self, directory: &Path, start: Start) -> Result<Looked, Refusal> {
        let (shared, directory) = (Arc::clone(&self.shared), directory.to_owned());
        let look = move || {
            let (source, uncommitted) = shared.source_facts(&directory, &start)?;
            let files = shared.repository_files(&source)?;
            Ok(Looked { source, uncommitted, files })
        };
        tokio::task::spawn_blocking(look).await.map_err(Refusal::internal)?
    }

    /// Takes a job. When this returns, it is on disk and will be done.
    pub async fn submit(self: &Arc<Self>, received: Received) -> Result<Accepted, Refusal> {
        let examined = self.examine(&received).await?;
        let Received(submission) = received;
        let credential = self.shared.credentials.keep(submission.key).map_err(Refusal::internal)?;
        let event = Event::Task(TaskEvent::Submitted {
            name: submission.name,
            contract: Box::new(examined.contract.clone()),
            source: examined.source.clone(),
            endpoint: Endpoint { base_url: submission.base_url, credential },
            version: self.shared.version.clone(),
            notices: examined.notices.clone(),
        });
        let (id, at_ms) = (self.new_id().await?, now_ms());
        let first = Record { seq: Seq(1), at_ms, event: event.clone() };
        let state = State::begin(id.clone(), &first).ok_or_else(|| Refusal::internal("a submission did not fold"))?;
        let batch = Batch { events: vec![event], blobs: Vec::new(), summary: Summary::of(&state), at_ms };
        self.shared.store.append(&id, Seq(0), batch).await?;
        self.employ_with(&id, Some(Live::with(Arc::clone(&self.shared.store), self.shared.secrets.clone(), state)));
        Ok(Accepted { id, examined })
    }

    /// The full id of the model; refused when it or its price is not known.
    fn model(&self, submission: &Submission) -> Result<String, Refusal> {
        if let Some(problem) = endpoint::problem(&submission.base_url) {
            return Err(Refusal::usage(
                // Without the URL itself: it may hold a password.
                format!("the endpoint cannot be used: {problem}"),
                "give it as https://host, or as http://127.0.0.1:port for a server on this machine",
            ));
        }
        let name = &submission.contract.model;
        let settings = catalog::resolve_for(name, &submission.base_url).map_err(|unknown| {
            let near = unknown.suggestions.join(", ");
            Refusal::usage(
                &unknown,
                format!(
                    "models: sonnet, opus, haiku, or a full id{}{near}",
                    if near.is_empty() { "" } else { "; near: " }
                ),
            )
        })?;
        if self.shared.prices.row(&settings.model, 0, Modifiers::default()).is_none()
            && !endpoint::is_local(&submission.base_url)
        {
            return Err(Refusal::usage(
                format!("the price of {} is not known, so the budget cannot be held", settings.model),
                "choose a model with a known price",
            ));
        }
        Ok(settings.model)
    }

    async fn new_id(&self) -> Result<TaskId, Refusal> {
        let known = self.shared.store.summaries().await?;
        loop {
            let id = TaskId::new(uuid::Uuid::new_v4().simple().to_string().chars().take(8).collect::<String>());
            if known.iter().all(|summary| summary.id != id) {
                return Ok(id);
            }
        }
    }

    /// The task a person means: an id, a unique prefix of one, or a name.
    pub async fn resolve(&self, text: &str) -> Result<Summary, Refusal> {
        let all = self.shared.store.summaries().await?;
        if let Some(task) = meant(text, &all)? {
            return Ok(task);
        }
        let removed: Vec<_> = self.shared.store.removed().await?.into_iter().map(|removed| removed.summary).collect();
        Err(match meant(text, &removed) {
            Ok(Some(task)) => Refusal::usage(
                format!("task {} was removed", task.id),
                format!("bring it back with: errand undo rm {}", task.id),
            ),
            Ok(None) | Err(_) => Refusal::usage(format!("there is no task `{text}`"), "errand ls shows the tasks"),
        })
    }

    /// Writes into a task's journal through its worker, starting one if it rests. Answers with the state after.
    pub async fn tell(self: &Arc<Self>, task: &TaskId, events: Vec<Event>) -> Result<State, Refusal> {
        if self.shared.is_draining.load(Ordering::Relaxed) {
            return Err(draining());
        }
        // A worker that just ended takes no more commands; the next one does.
        for _ in 0..8 {
            let inbox = self.employ(task);
            let (reply, answer) = oneshot::channel();
            if inbox.send(Command { events: events.clone(), reply }).await.is_err() {
                tokio::task::yield_now().await;
                continue;
            }
            match answer.await {
                Ok(state) => return Ok(state?),
                Err(_) => tokio::task::yield_now().await,
            }
        }
        Err(Refusal {
            kind: RefusalKind::TryLater,
            text: format!("task {task} does not listen"),
            hint: Some("try again".to_owned()),
        })
    }

    /// What has to be written so that the task uses this endpoint and key from now on; nothing when it does already.
    /// Without `moves` only a new key for the endpoint it has is taken.
    pub async fn endpoint_events(
        &self,
        task: &TaskId,
        base_url: &str,
        key: SecretString,
        moves: Moves,
    ) -> Result<Vec<Event>, Refusal> {
        let current = self.state(task).await?.submitted.endpoint;
        if current.base_url != base_url && moves == Moves::No {
            return Ok(Vec::new());
        }
        if let Some(problem) = endpoint::problem(base_url) {
            return Err(Refusal::usage(format!("the endpoint cannot be used: {problem}"), "give it as https://host"));
        }
        let credential = self.shared.credentials.keep(key).map_err(Refusal::internal)?;
        let endpoint = Endpoint { base_url: base_url.to_owned(), credential };
        if endpoint == current {
            return Ok(Vec::new());
        }
        Ok(vec![Event::Person(PersonEvent::EndpointChanged { endpoint })])
    }

    /// What has to be written so that the task's files are put back to before `step`; refused while it works, and when
    /// there is nothing to put back.
    pub async fn rewind_event(&self, task: &TaskId, step: u32, text: Option<String>) -> Result<Event, Refusal> {
        let state = self.state(task).await?;
        if !state.status().is_resting() {
            return Err(Refusal::usage(
                format!("task {task} is working"),
                format!("stop it first: errand stop {task}"),
            ));
        }
        if !(1..=state.n_steps).contains(&step) {
            return Err(Refusal::usage(
                format!("task {task} has no step {step}, it has {} steps", state.n_steps),
                format!("errand logs {task} shows them"),
            ));
        }
        let tree = state.before_step(step).cloned().ok_or_else(|| {
            Refusal::usage(
                format!("no file was changed in step {step} or after it"),
                format!("name an earlier step, or go on with: errand reply {task} \"…\""),
            )
        })?;
        Ok(Event::Person(PersonEvent::RewindRequested { step, tree, text }))
    }

    /// A task's state from its journal.
    pub async fn state(&self, task: &TaskId) -> Result<State, Refusal> {
        let records = self.shared.store.records(task, Seq(0)).await?;
        State::fold(task.clone(), &records)
            .ok_or_else(|| Refusal::internal(format!("the journal of task {task} does not begin with a submission")))
    }

    pub fn n_working(&self) -> usize {
        self.lock().len()
    }

    /// Lets running actions finish and keeps every worker from beginning another.
    pub async fn drain(&self) {
        self.shared.is_draining.store(true, Ordering::Relaxed);
        while self.n_working() > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    /// The inbox of the task's worker, which is started if there is none.
    fn employ(self: &Arc<Self>, task: &TaskId) -> mpsc::Sender<Command> {
        self.employ_with(task, None)
    }

    /// The seat of the task's worker, for someone who must not meet one: what people say waits in the answered inbox.
    /// `None` when a worker has it.
    pub(crate) fn take_seat(&self, task: &TaskId) -> Option<mpsc::Receiver<Command>> {
        let mut workers = self.lock();
        if workers.get(task).is_some_and(|inbox| !inbox.is_closed()) {
            return None;
        }
        let (inbox, commands) = mpsc::channel(INBOX);
        workers.insert(task.clone(), inbox);
        Some(commands)
    }

    /// Gives the seat back; to a worker when somebody spoke meanwhile.
    pub(crate) fn leave_seat(self: Arc<Self>, live: Live, mut commands: mpsc::Receiver<Command>) {
        let task = live.id.clone();
        if !self.dismiss(&task, &mut commands) {
            tokio::spawn(self.work(task, Some(live), commands));
        }
    }

    fn employ_with(self: &Arc<Self>, task: &TaskId, live: Option<Live>) -> mpsc::Sender<Command> {
        let mut workers = self.lock();
        if let Some(inbox) = workers.get(task).filter(|inbox| !inbox.is_closed()) {
            return inbox.clone();
        }
        let (inbox, commands) = mpsc::channel(INBOX);
        workers.insert(task.clone(), inbox.clone());
        tokio::spawn(Arc::clone(self).work(task.clone(), live, commands));
        inbox
    }

    async fn work(self: Arc<Self>, task: TaskId, live: Option<Live>, mut commands: mpsc::Receiver<Command>) {
        let loaded = match live {
            Some(live) => Ok(live),
            None => Live::load(Arc::clone(&self.shared.store), self.shared.secrets.clone(), task.clone()).await,
        };
        match loaded {
            Err(error) => tracing::error!(%task, %error, "the task cannot be loaded"),
            Ok(live) => {
                let live = Arc::new(live);
                loop {
                    match worker::run(&self.shared, &live, &mut commands).await {
                        // Somebody may have spoken in the moment between: then the same worker goes on.
                        Left::Resting if self.dismiss(&task, &mut commands) => break,
                        Left::Resting => {}
                        Left::Broken(why) => {
                            tracing::error!(%task, %why, "the worker has ended");
                            break;
                        }
                    }
                }
            }
        }
        drop(commands);
        self.lock().retain(|id, inbox| *id != task || !inbox.is_closed());
        self.shared.forget_progress(&task);
        self.clear_checks(&task).await;
        self.forget_keys().await;
    }

    /// Closes the inbox; `false` when something is in it.
    fn dismiss(&self, task: &TaskId, commands: &mut mpsc::Receiver<Command>) -> bool {
        let mut workers = self.lock();
        if !commands.is_empty() {
            return false;
        }
        commands.close();
        workers.remove(task);
        true
    }

    /// Clean checkouts have served when the worker rests; what was found in them is in the journal.
    async fn clear_checks(&self, task: &TaskId) {
        let (home, dir) = (self.shared.home.clone(), self.shared.home.join("checks").join(task.as_str()));
        let clear = move || state_dir::discard(&home, &dir);
        if let Ok(Err(error)) = tokio::task::spawn_blocking(clear).await {
            tracing::warn!(%task, %error, "the clean checkouts could not be removed");
        }
    }

    /// Keys are kept only while an unfinished task needs them.
    async fn forget_keys(&self) {
        let Ok(summaries) = self.shared.store.summaries().await else { return };
        let mut needed = Vec::new();
        for summary in summaries.iter().filter(|summary| summary.ended_at_ms.is_none()) {
            match self.state(&summary.id).await {
                Ok(state) => needed.push(state.submitted.endpoint.credential),
                // Better a key too long than one too short.
                Err(_) => return,
            }
        }
        self.shared.credentials.retain(&needed);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<TaskId, mpsc::Sender<Command>>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task a person means: an id, a name, or a unique start of an id.
pub(crate) fn meant(text: &str, tasks: &[Summary]) -> Result<Option<Summary>, Refusal> {
    let by_id = || tasks.iter().find(|task| task.id.as_str() == text);
    let by_name = || tasks.iter().find(|task| task.name.as_deref() == Some(text));
    if let Some(task) = by_id().or_else(by_name) {
        return Ok(Some(task.clone()));
    }
    let mut near = tasks.iter().filter(|task| text.len() >= 2 && task.id.as_str().starts_with(text));
    match (near.next(), near.next()) {
        (Some(_), Some(_)) => {
            Err(Refusal::usage(format!("`{text}` is the start of several task ids"), "give more of it"))
        }
        (found, _) => Ok(found.cloned()),
    }
}

/// A name can stand where an id can, so it must not look like one, and be there once.
fn check_name(name: &str, tasks: &[Summary]) -> Result<(), Refusal> {
    let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if name.is_empty() || name.len() > 40 || !is_plain {
        return Err(Refusal::usage(
            format!("`{name}` cannot be a task name"),
            "use up to 40 letters, digits, -, _ and .",
        ));
    }
    if name == "rm" {
        return Err(Refusal::usage("`rm` is a word of errand undo", "choose another name"));
    }
    if name.len() <= 8 && name.chars().all(|c| c.is_ascii_hexdigit()) {
        return Err(Refusal::usage(format!("`{name}` looks like a task id"), "choose another name"));
    }
    if tasks.iter().any(|task| task.name.as_deref() == Some(name)) {
        return Err(Refusal::usage(format!("there is a task named `{name}` already"), "choose another name"));
    }
    Ok(())
}

/// An apply that a crash cut is taken back: the person was not told that it was done.
fn take_back_half_done(home: &Path) -> Result<(), Refusal> {
    for record in apply::unfinished(home).map_err(Refusal::internal)? {
        let undone = apply::finish_backwards(home, &record).map_err(Refusal::internal)?;
        tracing::warn!(%record, ?undone, "an apply was cut by a crash and is taken back");
    }
    Ok(())
}

fn draining() -> Refusal {
    let text = "the daemon is stopping".to_owned();
    Refusal { kind: RefusalKind::TryLater, text, hint: Some("repeat the command; it starts again".to_owned()) }
}
