//! The client of errand's own daemon: HTTP over its unix socket, starting it when it is not there.

use crate::api;
use crate::failure::Failure;
use crate::home::{self, Home};
use errand_task::verdict::ExitCode;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::{Duration, Instant};

/// How long a daemon may take to answer its first call.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// How long it may take to answer that it is there.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);
/// Before another daemon is started in the place of one that found the lock taken.
const RESTART_PAUSE: Duration = Duration::from_millis(100);
const POLL: Duration = Duration::from_millis(5);

pub struct Client {
    http: reqwest::Client,
}

/// A frame of the event stream.
pub struct Frame {
    pub event: String,
    pub data: String,
}

impl Client {
    /// The daemon of this home, started if need be.
    pub async fn connect(home: &Home) -> Result<Self, Failure> {
        if let Some(client) = Self::find(home).await? {
            return Ok(client);
        }
        home.create()?;
        let start = Instant::now();
        let mut n_logged = logged(home).len();
        start_daemon(home)?;
        while start.elapsed() < START_TIMEOUT {
            if let Some(client) = Self::find(home).await? {
                return Ok(client);
            }
            // It says in its log why it cannot. That another holds the lock is no reason to give up: it is somebody
            // else's that starts, or one that was killed and is not gone yet, and then ours has to be started again.
            let said = logged(home).split_off(n_logged);
            if said.contains("errand: ") && !said.contains("already running") {
                return Err(start_failure(home, &said));
            }
            if said.contains("errand: ") {
                tokio::time::sleep(RESTART_PAUSE).await;
                if let Some(client) = Self::find(home).await? {
                    return Ok(client);
                }
                n_logged = logged(home).len();
                start_daemon(home)?;
            }
            tokio::time::sleep(POLL).await;
        }
        Err(start_failure(home, &logged(home)))
    }

    /// The daemon of this home if one answers. One that is being killed may still take connections.
    pub async fn find(home: &Home) -> Result<Option<Self>, Failure> {
        let socket = home.socket();
        if !socket.exists() {
            return Ok(None);
        }
        let client = Self::to(&socket)?;
        let answer = tokio::time::timeout(ANSWER_TIMEOUT, client.http.get(url("/v1/status")).send()).await;
        let is_there = matches!(answer, Ok(Ok(_)));
        Ok(is_there.then_some(client))
    }

    fn to(socket: &std::path::Path) -> Result<Self, Failure> {
        let http = reqwest::Client::builder()
            .unix_socket(socket)
            .no_proxy()
            .tls_certs_only([])
            .build()
            .map_err(Failure::internal)?;
        Ok(Self { http })
    }

    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        let answer = self.http.get(url(path)).send().await.map_err(lost)?;
        read(accepted(answer).await?).await
    }

    pub async fn get_bytes(&self, path: &str) -> Result<Vec<u8>, Failure> {
        let answer = self.http.get(url(path)).send().await.map_err(lost)?;
        Ok(accepted(answer).await?.bytes().await.map_err(lost)?.to_vec())
    }

    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Failure> {
        let answer = self.http.post(url(path)).json(body).send().await.map_err(lost)?;
        read(accepted(answer).await?).await
    }

    /// Opens an event stream; `frame` sees each frame and says whether to go on. Ends when the daemon ends it.
    pub async fn stream(
        &self,
        path: &str,
        mut frame: impl FnMut(Frame) -> Result<Flow, Failure>,
    ) -> Result<(), Failure> {
        let mut answer = accepted(self.http.get(url(path)).send().await.map_err(lost)?).await?;
        let mut waiting = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(lost)? {
            waiting.extend_from_slice(&chunk);
            while let Some(end) = waiting.windows(2).position(|pair| pair == b"\n\n") {
                let whole: Vec<u8> = waiting.drain(..end + 2).collect();
                if let Some(parsed) = parse(&String::from_utf8_lossy(&whole))
                    && frame(parsed)? == Flow::Stop
                {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    Continue,
    Stop,
}

/// A frame of our own server: one `event` line and one `data` line.
fn parse(frame: &str) -> Option<Frame> {
    let field = |name: &str| frame.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    Some(Frame { event: field("event")?.to_owned(), data: field("data")?.to_owned() })
}

fn url(path: &str) -> String {
    format!("http://errand{path}")
}

async fn accepted(answer: reqwest::Response) -> Result<reqwest::Response, Failure> {
    if answer.status().is_success() {
        return Ok(answer);
    }
    let status = answer.status();
    let failure: Result<api::Failure, _> = answer.json().await;
    Err(failure.map(Failure::from).unwrap_or_else(|_| Failure::internal(format!("the daemon answered {status}"))))
}

async fn read<T: DeserializeOwned>(answer: reqwest::Response) -> Result<T, Failure> {
    answer.json().await.map_err(|error| {
        Failure::internal(format!("the daemon's answer is not understood: {error}"))
            .hint("it may be another version; restart it with: errand daemon stop")
    })
}

fn lost(error: reqwest::Error) -> Failure {
    Failure::new(ExitCode::TryLater, format!("the daemon went away: {error}"))
        .hint("nothing is lost; repeat the command and it starts again")
}

/// The daemon gets the person's environment: it knows which part of it commands may see.
fn start_daemon(home: &Home) -> Result<(), Failure> {
    let program = home::own_program()?;
    let path =
        home.path().to_str().ok_or_else(|| Failure::usage("the path of the state directory is not valid UTF-8"))?;
    errand_workspace::command::spawn_daemon(
        &program,
        &["daemon", "run", "--home", path],
        &home::for_child(),
        &home.log(),
    )
    .map(drop)
    .map_err(|error| {
        Failure::new(ExitCode::EnvironmentNotReady, format!("the daemon cannot be started: {error}"))
            .hint(format!("look at {}", home.path().display()))
    })
}

fn logged(home: &Home) -> String {
    std::fs::read(home.log()).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

/// The daemon says why in its log: a sentence, then what to do.
fn start_failure(home: &Home, said: &str) -> Failure {
    let field = |mark: &str| said.lines().rev().find_map(|line| line.split_once(mark).map(|(_, rest)| rest.to_owned()));
    let why = field("errand: ").unwrap_or_else(|| "it gave no reason".to_owned());
    let hint = field("→ ").unwrap_or_else(|| format!("its log is {}", home.log().display()));
    Failure::new(ExitCode::EnvironmentNotReady, format!("the daemon did not start: {why}")).hint(hint)
}
