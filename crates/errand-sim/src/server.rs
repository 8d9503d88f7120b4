//! The running server: it accepts, captures and routes requests, and answers messages from scripts. It runs on a thread
//! and runtime of its own, so it works under any caller and dropping it closes every connection at once.
//! What is refused is in `validate.rs`, what is said in `answer.rs`, how it is sent in `delivery.rs`.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request as HttpRequest, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, Uri};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::answer::{self, Answer};
use crate::cache::{self, Cache, Plan, Scope};
use crate::catalogue;
use crate::connection::{Listener, ResetSwitch};
use crate::delivery;
use crate::record::Recorder;
use crate::refusal::{Checked, Refusal};
use crate::script::{self, Count, FaultKind, Pacing, Scripts, Step};
use crate::seal::{self, Hash};
use crate::validate::{self, Carries, Endpoint, Request};

const N_BODY_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Which API keys are let in.
#[derive(Debug, Clone)]
pub enum ApiKeys {
    /// Any key, but one must be there.
    Any,
    Only(Vec<String>),
}

/// Slowness of every answer, on top of what a script asks for.
#[derive(Debug, Clone, Copy)]
pub struct Latency {
    pub first_byte: Duration,
    pub between_frames: Duration,
}

impl Latency {
    pub fn none() -> Latency {
        Latency { first_byte: Duration::ZERO, between_frames: Duration::ZERO }
    }
}

#[derive(Debug, Clone)]
pub struct SimOptions {
    /// 0 picks a free port.
    pub port: u16,
    pub scripts: Scripts,
    pub api_keys: ApiKeys,
    pub latency: Latency,
}

impl SimOptions {
    /// Any port, any key, no delays.
    pub fn with(scripts: Scripts) -> SimOptions {
        SimOptions { port: 0, scripts, api_keys: ApiKeys::Any, latency: Latency::none() }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum SimError {
    #[error("cannot listen on 127.0.0.1:{port}: {source}")]
    Listen { port: u16, source: std::io::Error },
    #[error("cannot start the server thread: {0}")]
    Thread(std::io::Error),
    #[error("cannot use the directory {dir}: {source}")]
    Directory { dir: String, source: std::io::Error },
}

/// A request as it arrived and the status it was answered with.
#[derive(Debug, Clone)]
pub struct Captured {
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Names in lower case, in the order they came.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// None while it is being answered, and for ever if the connection was reset instead.
    pub status: Option<u16>,
    pub at: SystemTime,
}

impl Captured {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; null if it is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// A running server. Dropping it stops it.
#[derive(Debug)]
pub struct Sim {
    address: SocketAddr,
    app: Arc<App>,
    runtime: Option<Runtime>,
}

impl Sim {
    pub fn start(options: SimOptions) -> Result<Sim, SimError> {
        let SimOptions { port, scripts, api_keys, latency } = options;
        Sim::serve(port, App::new(scripts, api_keys, latency, None))
    }

    pub(crate) fn serve(port: u16, app: App) -> Result<Sim, SimError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("errand-sim")
            .enable_all()
            .build()
            .map_err(SimError::Thread)?;
        let refused = |source| SimError::Listen { port, source };
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(refused)?;
        listener.set_nonblocking(true).map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let listener = {
            let _inside = runtime.enter();
            Listener(tokio::net::TcpListener::from_std(listener).map_err(refused)?)
        };
        let app = Arc::new(app);
        let router = Router::new().fallback(handle).with_state(app.clone());
        let service = router.into_make_service_with_connect_info::<ResetSwitch>();
        runtime.spawn(axum::serve(listener, service).into_future());
        Ok(Sim { address, app, runtime: Some(runtime) })
    }

    /// `http://127.0.0.1:PORT`; add `/LABEL` for the script of that name.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Everything received so far, in the order it came.
    pub fn requests(&self) -> Vec<Captured> {
        lock(&self.app.captured).clone()
    }

    /// Returns once that many requests have arrived.
    pub async fn wait_for_requests(&self, n_requests: usize) {
        let mut arrived = self.app.arrived.subscribe();
        // The sender lives as long as self, so waiting cannot fail.
        let _ = arrived.wait_for(|n_arrived| *n_arrived >= n_requests).await;
    }

    /// Returns once that many requests wait for an answer or were answered in record mode.
    pub async fn wait_for_parked(&self, n_parked: usize) {
        if let Some(recorder) = &self.app.recorder {
            recorder.wait_for_parked(n_parked).await;
        }
    }

    /// Adds or replaces a script while the server runs.
    pub fn insert_script(&self, name: &str, script: crate::Script) {
        lock(&self.app.scripts).insert(name, script);
    }

    /// Moves the clock that cache entries expire by.
    pub fn advance_clock(&self, by: Duration) {
        *lock(&self.app.clock_offset) += by;
    }

    /// Stops and waits until the port is free again.
    pub async fn shutdown(mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Waiting for a runtime to end blocks, so it happens on a thread made for it.
            let _ = tokio::task::spawn_blocking(move || runtime.shutdown_timeout(Duration::from_secs(5))).await;
        }
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[derive(Debug)]
pub(crate) struct App {
    scripts: Mutex<Scripts>,
    api_keys: ApiKeys,
    pub latency: Latency,
    cache: Mutex<Cache>,
    clock_offset: Mutex<Duration>,
    /// Earlier attempts, by script, index of the step and prompt.
    attempts: Mutex<HashMap<(String, usize, Hash), u32>>,
    captured: Mutex<Vec<Captured>>,
    arrived: watch::Sender<usize>,
    recorder: Option<Recorder>,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl App {
    pub fn new(scripts: Scripts, api_keys: ApiKeys, latency: Latency, recorder: Option<Recorder>) -> App {
        App {
            scripts: Mutex::new(scripts),
            api_keys,
            latency,
            cache: Mutex::default(),
            clock_offset: Mutex::default(),
            attempts: Mutex::default(),
            captured: Mutex::default(),
            arrived: watch::Sender::new(0),
            recorder,
        }
    }

    pub fn recorder(&self) -> Option<&Recorder> {
        self.recorder.as_ref()
    }

    pub fn plan_cache(&self, request: &Request) -> Plan {
        let now = SystemTime::now() + *lock(&self.clock_offset);
        let scope = Scope { key: &request.caller.key, model: request.model, body: &request.body };
        let marks = cache::marks(&request.prompt, &request.body);
        lock(&self.cache).plan(&request.prompt, &marks, &scope, now)
    }

    pub fn commit_cache(&self, plan: &Plan) {
        lock(&self.cache).commit(plan);
    }

    fn capture(&self, method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> usize {
        let headers = headers.iter();
        let headers = headers.map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()));
        let captured = Captured {
            method: method.to_string(),
            path: uri.path_and_query().map_or_else(|| uri.path(), |path| path.as_str()).to_string(),
            headers: headers.collect(),
            body: body.to_vec(),
            status: None,
            at: SystemTime::now(),
        };
        let index = {
            let mut all = lock(&self.captured);
            all.push(captured);
            all.len() - 1
        };
        self.arrived.send_replace(index + 1);
        index
    }
}

/// A message request with everything needed to answer it.
pub(crate) struct Asked {
    pub label: String,
    pub request: Request,
    /// Derived from label and body: the source of all ids in the answer.
    pub own: Hash,
    pub request_id: String,
}

/// What becomes of a request that was not refused.
enum Outcome {
    Response(Response<Body>),
    Reset,
}

async fn handle(
    State(app): State<Arc<App>>,
    ConnectInfo(reset): ConnectInfo<ResetSwitch>,
    http: HttpRequest,
) -> Response<Body> {
    let (parts, body) = http.into_parts();
    let bytes = collect(body).await;
    let captured = app.capture(&parts.method, &parts.uri, &parts.headers, bytes.as_deref().unwrap_or_default());
    let request_id =
        seal::plain_id("req_", Hash::of(&[bytes.as_deref().unwrap_or_default(), &(captured as u64).to_be_bytes()]));
    let outcome = match bytes {
        Some(bytes) => route(&app, &parts.method, &parts.uri, &parts.headers, &bytes, &request_id).await,
        None => Err(Refusal::new(413, "request_too_large", "Request exceeds the maximum size")),
    };
    let mut response = match outcome {
        Ok(Outcome::Response(response)) => response,
        Ok(Outcome::Reset) => {
            reset.pull();
            return Response::new(Body::empty());
        }
        Err(refusal) => refusal.into_response(&request_id),
    };
    common_headers(response.headers_mut(), &request_id, captured);
    if let Some(captured) = lock(&app.captured).get_mut(captured) {
        captured.status = Some(response.status().as_u16());
    }
    response
}

/// The body, or None if it is too large. The rest of a large one is read and forgotten, so that the client gets to
/// read the answer.
async fn collect(body: Body) -> Option<Vec<u8>> {
    let mut stream = body.into_data_stream();
    let (mut bytes, mut n_bytes) = (Vec::new(), 0);
    while let Some(Ok(part)) = stream.next().await {
        n_bytes += part.len();
        if n_bytes <= N_BODY_BYTES_MAX {
            bytes.extend_from_slice(&part);
        }
    }
    (n_bytes <= N_BODY_BYTES_MAX).then_some(bytes)
}

fn common_headers(headers: &mut HeaderMap, request_id: &str, n_earlier: usize) {
    let mut put = |name: String, value: String| {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    };
    put("request-id".into(), request_id.into());
    put("anthropic-organization-id".into(), "00000000-0000-4000-8000-000000000000".into());
    let resets_at = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(60);
    for (what, limit) in
        [("requests", 4000), ("tokens", 2_400_000), ("input-tokens", 2_000_000), ("output-tokens", 400_000)]
    {
        let remaining = if what == "requests" { limit - 1 - (n_earlier as u64 % limit) } else { limit };
        put(format!("anthropic-ratelimit-{what}-limit"), limit.to_string());
        put(format!("anthropic-ratelimit-{what}-remaining"), remaining.to_string());
        put(format!("anthropic-ratelimit-{what}-reset"), format!("{resets_at:.0}"));
    }
}

async fn route(
    app: &Arc<App>,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    bytes: &[u8],
    request_id: &str,
) -> Checked<Outcome> {
    let nowhere = || Refusal::not_found("Not found");
    let (label, rest) = uri.path().split_once("/v1/").ok_or_else(nowhere)?;
    let label = match label.trim_matches('/') {
        "" => "default",
        label => label,
    };
    let caller = |carries| validate::caller(headers, &app.api_keys, carries);
    match (method.as_str(), rest) {
        ("POST", "messages") => {
            let request = validate::request(Endpoint::Messages, caller(Carries::Json)?, bytes)?;
            let own = Hash::of(&[label.as_bytes(), bytes]);
            let asked = Asked { label: label.into(), request, own, request_id: request_id.into() };
            message(app, asked).await
        }
        ("POST", "messages/count_tokens") => {
            let request = validate::request(Endpoint::CountTokens, caller(Carries::Json)?, bytes)?;
            Ok(value(&json!({"input_tokens": request.n_tokens()})))
        }
        ("GET", "models") => {
            caller(Carries::Nothing)?;
            let query = axum::extract::Query::try_from_uri(uri).map_or_else(|_| HashMap::new(), |query| query.0);
            Ok(value(&catalogue::list(&query)?))
        }
        ("GET", _) => {
            let id = rest.strip_prefix("models/").ok_or_else(nowhere)?;
            caller(Carries::Nothing)?;
            Ok(value(&catalogue::one(id)?))
        }
        _ => Err(nowhere()),
    }
}

fn value(value: &Value) -> Outcome {
    Outcome::Response(delivery::json(Body::from(value.to_string())))
}

async fn message(app: &Arc<App>, asked: Asked) -> Checked<Outcome> {
    if asked.request.body["max_tokens"] == 0 {
        let plan = app.plan_cache(&asked.request);
        app.commit_cache(&plan);
        return Ok(value(&Answer::prewarm(&asked.request, asked.own, plan.usage).message()));
    }
    if let Some(recorder) = &app.recorder {
        return recorder.answer(app, asked).await.map(Outcome::Response);
    }
    let chosen = choose(app, &asked)?;
    deliver(app, &asked, &chosen.step, &chosen.vars, chosen.fault.as_ref()).await
}

fn choose(app: &App, asked: &Asked) -> Checked<script::Chosen> {
    let label = &asked.label;
    let script = lock(&app.scripts).get(label).cloned();
    let script = script.ok_or_else(|| Refusal::not_found(format!("no script named {label:?}")))?;
    let body = &asked.request.body;
    let attempt = |index: usize, count: Count| {
        let mut attempts = lock(&app.attempts);
        let n_earlier = attempts.entry((label.clone(), index, asked.request.prompt.end())).or_insert(0);
        if count == Count::Take {
            *n_earlier += 1;
            return *n_earlier - 1;
        }
        *n_earlier
    };
    script::choose(&script, label, answer::step_number(body), &answer::shown(body), attempt).map_err(Refusal::invalid)
}

async fn deliver(
    app: &App,
    asked: &Asked,
    step: &Step,
    vars: &HashMap<String, String>,
    fault: Option<&FaultKind>,
) -> Checked<Outcome> {
    let plan = app.plan_cache(&asked.request);
    tokio::time::sleep(app.latency.first_byte + step.pacing.delay).await;
    if let Some(outcome) = fault_instead(asked, fault)? {
        return Ok(outcome);
    }
    let answer = Answer::of(step, vars, &asked.request, asked.own, plan.usage)
        .map_err(|error| Refusal::invalid(format!("script {:?} step {}: {error}", asked.label, step.number)))?;
    app.commit_cache(&plan);
    Ok(Outcome::Response(response(app, asked, &answer, &step.pacing, fault)))
}

fn response(app: &App, asked: &Asked, answer: &Answer, pacing: &Pacing, fault: Option<&FaultKind>) -> Response<Body> {
    if asked.request.streams() {
        let pieces = delivery::streamed(answer, pacing, &app.latency, fault, &asked.request_id);
        return delivery::event_stream(delivery::body_of(pieces));
    }
    delivery::json(delivery::body_of(delivery::whole(answer, pacing, fault)))
}

/// The faults that take the place of an answer; the others happen within one.
fn fault_instead(asked: &Asked, fault: Option<&FaultKind>) -> Checked<Option<Outcome>> {
    match fault {
        Some(FaultKind::Reset) => Ok(Some(Outcome::Reset)),
        Some(FaultKind::Html { status }) => Ok(Some(Outcome::Response(delivery::html(*status)))),
        Some(fault) => match refusal_of(fault, asked.request.streams()) {
            Some(refusal) => Err(refusal),
            None => Ok(None),
        },
        None => Ok(None),
    }
}

pub(crate) fn refusal_of(fault: &FaultKind, streams: bool) -> Option<Refusal> {
    match fault {
        FaultKind::Error { status, kind, message, retry_after_s } => {
            Some(Refusal { retry_after_s: *retry_after_s, ..Refusal::new(*status, kind, message.clone()) })
        }
        FaultKind::SpendLimit => {
            let message = "You have reached your API usage limits: your organization has crossed its monthly API usage \
                           threshold.";
            Some(Refusal::new(429, "rate_limit_error", message).with_code("enforced_spend_limit_reached"))
        }
        FaultKind::ErrorMidstream { kind, message } if !streams => {
            Some(Refusal::new(status_of(kind), kind, message.clone()))
        }
        FaultKind::ErrorMidstream { .. }
        | FaultKind::Cut { .. }
        | FaultKind::Reset
        | FaultKind::Html { .. }
        | FaultKind::Raw { .. } => None,
    }
}

fn status_of(kind: &str) -> u16 {
    match kind {
        "overloaded_error" => 529,
        "rate_limit_error" => 429,
        "timeout_error" => 504,
        "invalid_request_error" => 400,
        _ => 500,
    }
}
