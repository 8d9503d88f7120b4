//! Live delivery: one request, its answer streamed; and the two small questions, tokens and models.

use super::stream::{Assembly, StreamError};
use super::{VERSION, error_body};
use crate::client::{Client, Waited, broken, target};
use crate::endpoint::Target;
use crate::failure::SendFailure;
use crate::limits;
use crate::quote::quote;
use crate::response::{Partial, Progress, Response};
use errand_task::facts::{Endpoint, FailureKind};
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Method, RequestBuilder};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use std::collections::HashSet;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A model that an endpoint says it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedModel {
    pub id: String,
    pub name: Option<String>,
    pub context_tokens: Option<u64>,
    pub max_output_tokens: Option<u64>,
}

impl Client {
    /// Sends a body of [`render`](super::request::render) once and reads the answer to its end. Dropping the future
    /// breaks the request off; it may be billed all the same. An empty key sends none, for local servers. No call of the
    /// answer gets an id of `known_calls`, those that stand in the body.
    pub async fn send(
        &self,
        endpoint: &Endpoint,
        key: &SecretString,
        body: Vec<u8>,
        known_calls: HashSet<String>,
        progress: &mut (dyn FnMut(Progress<'_>) + Send),
    ) -> Result<Response, SendFailure> {
        let call = Call::new(self, endpoint, key, self.options.response_timeout)?;
        let request = call.post("v1/messages", body)?.header("accept", "text/event-stream");
        let response = call.answer(request).await?;
        let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if let Some(other) = content_type.filter(|kind| !kind.starts_with("text/event-stream")) {
            let text = format!("{} answered with {} in place of a stream", call.target.host, quote(other, key));
            let hint = "check the base URL: it may lead to a proxy's page or to another kind of API";
            let failure = SendFailure::new(FailureKind::NeedsPerson, text, hint);
            return Err(failure.maybe_billed(Partial::default()));
        }
        call.read_stream(response, known_calls, progress).await
    }

    /// How many input tokens the endpoint counts for a body of [`render_count`](super::request::render_count). Free; an
    /// estimate that can be a few per cent off.
    pub async fn count_tokens(
        &self,
        endpoint: &Endpoint,
        key: &SecretString,
        body: Vec<u8>,
    ) -> Result<u64, SendFailure> {
        #[derive(Deserialize)]
        struct Count {
            input_tokens: u64,
        }
        let call = Call::new(self, endpoint, key, limits::SMALL_ANSWER_TIMEOUT)?;
        let count: Count = call.small(call.post("v1/messages/count_tokens", body)?).await?;
        Ok(count.input_tokens.min(limits::COUNTED_TOKENS))
    }

    /// The models that the endpoint says it has, in its order.
    pub async fn list_models(&self, endpoint: &Endpoint, key: &SecretString) -> Result<Vec<ListedModel>, SendFailure> {
        #[derive(Deserialize)]
        struct Page {
            data: Vec<Listed>,
            has_more: Option<bool>,
            last_id: Option<String>,
        }
        #[derive(Deserialize)]
        struct Listed {
            id: String,
            display_name: Option<String>,
            max_input_tokens: Option<u64>,
            max_tokens: Option<u64>,
        }
        let mut models = Vec::new();
        let mut after: Option<String> = None;
        for _ in 0..limits::MODEL_PAGES {
            let call = Call::new(self, endpoint, key, limits::SMALL_ANSWER_TIMEOUT)?;
            let mut url = call.target.url("v1/models");
            url.query_pairs_mut().append_pair("limit", "100");
            if let Some(after) = &after {
                url.query_pairs_mut().append_pair("after_id", after);
            }
            let page: Page = call.small(call.request(Method::GET, url)?).await?;
            models.extend(page.data.into_iter().map(|model| ListedModel {
                id: model.id,
                name: model.display_name,
                context_tokens: model.max_input_tokens,
                max_output_tokens: model.max_tokens,
            }));
            after = page.last_id.filter(|_| page.has_more == Some(true));
            if after.is_none() {
                break;
            }
        }
        Ok(models)
    }
}

/// One request to one endpoint, on the clock.
struct Call<'a> {
    client: &'a Client,
    target: Target,
    key: &'a SecretString,
    started: Instant,
    limit: Duration,
}

impl<'a> Call<'a> {
    fn new(
        client: &'a Client,
        endpoint: &Endpoint,
        key: &'a SecretString,
        limit: Duration,
    ) -> Result<Self, SendFailure> {
        Ok(Self { client, target: target(&endpoint.base_url)?, key, started: Instant::now(), limit })
    }

    fn post(&self, path: &str, body: Vec<u8>) -> Result<RequestBuilder, SendFailure> {
        if body.len() > limits::REQUEST_BYTES {
            let text = format!("the request has {} bytes, more than {}", body.len(), limits::REQUEST_BYTES);
            let hint = "the conversation is too large for the endpoint: start a smaller task";
            return Err(SendFailure::new(FailureKind::Refused, text, hint));
        }
        let request = self.request(Method::POST, self.target.url(path))?;
        Ok(request.header(CONTENT_TYPE, "application/json").body(body))
    }

    fn request(&self, method: Method, url: reqwest::Url) -> Result<RequestBuilder, SendFailure> {
        let request = self.client.http(&self.target).request(method, url);
        let request = request.timeout(self.limit).header("anthropic-version", VERSION);
        let key = self.key.expose_secret();
        if key.is_empty() {
            return Ok(request);
        }
        let mut value = HeaderValue::from_str(key).map_err(|_| {
            let text = format!("the key of {} holds characters that cannot be sent", self.target.host);
            SendFailure::new(FailureKind::NeedsPerson, text, "store the key again, without line ends or blanks")
        })?;
        value.set_sensitive(true);
        Ok(request.header("x-api-key", value))
    }

    /// The answer, if it is no error.
    async fn answer(&self, request: RequestBuilder) -> Result<reqwest::Response, SendFailure> {
        let mut response = request.send().await.map_err(|error| self.broken(&error, Partial::default()))?;
        let status = response.status().as_u16();
        if (200..300).contains(&status) {
            return Ok(response);
        }
        // Its words are welcome but not needed.
        let mut body = Vec::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            let room = (limits::ERROR_BYTES as usize).saturating_sub(body.len());
            body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
            if body.len() >= limits::ERROR_BYTES as usize {
                break;
            }
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Err(error_body::of_answer(status, response.headers(), &body, &self.target.host, self.key, now))
    }

    async fn read_stream(
        &self,
        mut response: reqwest::Response,
        known_calls: HashSet<String>,
        progress: &mut (dyn FnMut(Progress<'_>) + Send),
    ) -> Result<Response, SendFailure> {
        let options = &self.client.options;
        let mut assembly = Assembly::new(options.max_event_bytes, known_calls);
        let mut n_bytes: u64 = 0;
        while !assembly.is_complete() {
            let chunk = response.chunk().await.map_err(|error| self.broken(&error, assembly.partial()))?;
            let Some(chunk) = chunk else { break };
            n_bytes += chunk.len() as u64;
            if n_bytes > options.max_response_bytes {
                let text =
                    format!("the response of {} has more than {} bytes", self.target.host, options.max_response_bytes);
                let failure = SendFailure::new(FailureKind::Passing, text, "look at the endpoint if it stays so");
                return Err(failure.maybe_billed(assembly.partial()));
            }
            assembly.feed(&chunk, progress).map_err(|error| self.stream_failure(&error, assembly.partial()))?;
            progress(Progress::Received { n_bytes });
        }
        assembly.finish(progress).map_err(|error| self.stream_failure(&error, assembly.partial()))
    }

    /// The whole of a small answer.
    async fn small<T: serde::de::DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, SendFailure> {
        let mut response = self.answer(request).await?;
        let mut body = Vec::new();
        // Neither of the small questions costs anything.
        let free = |failure: SendFailure| SendFailure { charge: crate::failure::Charge::None, ..failure };
        while let Some(chunk) = response.chunk().await.map_err(|error| free(self.broken(&error, Partial::default())))? {
            body.extend_from_slice(&chunk);
            if body.len() as u64 > limits::SMALL_ANSWER_BYTES {
                break;
            }
        }
        serde_json::from_slice(&body).map_err(|_| {
            let text = format!("{} gave an answer of an unknown form", self.target.host);
            SendFailure::new(FailureKind::NeedsPerson, text, "check the base URL of the endpoint")
        })
    }

    fn broken(&self, error: &reqwest::Error, partial: Partial) -> SendFailure {
        let waited = Waited { elapsed: self.started.elapsed(), limit: self.limit, options: &self.client.options };
        broken(error, &self.target.host, waited, self.key, partial)
    }

    fn stream_failure(&self, error: &StreamError, partial: Partial) -> SendFailure {
        let host = &self.target.host;
        let failure = match error {
            StreamError::Reported { kind, message, code } => {
                error_body::of_event(kind, message, code.as_deref(), host, self.key)
            }
            StreamError::Cut | StreamError::EventTooLarge { .. } | StreamError::Malformed { .. } => {
                let hint = "nothing to do if it happens once; look at the endpoint if it stays so";
                SendFailure::new(FailureKind::Passing, format!("{host}: {error}"), hint)
            }
        };
        failure.maybe_billed(partial)
    }
}
