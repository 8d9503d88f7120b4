//! One request to the model: render, reserve, write the intent, send, note what came.

use super::{Desk, Failed};
use crate::materials;
use errand_model::anthropic::request::{prefix_digest, render};
use errand_model::endpoint::is_local;
use errand_model::estimate::estimate_tokens;
use errand_model::failure::SendFailure;
use errand_model::response::{CallInput, Progress as ModelProgress, Response, ToolCall};
use errand_task::conversation::Message;
use errand_task::event::{Event, ModelEvent};
use errand_task::facts::{Call, FailureKind, ModelSettings, RequestFailure, Thinking};
use errand_task::id::Digest;
use errand_task::money::Pico;
use errand_task::state::State;
use errand_task::text::Text;
use errand_tools::Registry;
use secrecy::SecretString;
use std::collections::HashSet;
use std::time::Instant;

/// Fewer output tokens than this are not worth a request.
const MIN_OUTPUT_TOKENS: u32 = 4_096;
const HEADLINE_CHARACTERS: usize = 120;

impl Desk {
    pub(super) async fn call_model(&mut self, state: &State, step: u32, attempt: u32) -> Result<(), Failed> {
        let brief = state.brief.clone().ok_or_else(|| Failed::internal("a request before the brief"))?;
        let mut prompt = materials::prompt(&self.live, state, &brief, brief.settings.clone(), &mut self.texts).await?;
        let mut body = render(&prompt);
        let n_tokens = estimate_tokens(&body);
        let left = state.contract().budget.dollars - state.committed();
        let reserved = match self.reserve(&mut prompt.settings, n_tokens, left) {
            Ok(reserved) => reserved,
            Err(needed) => {
                let event = ModelEvent::Unaffordable { step, needed, left };
                self.live.note(vec![Event::Model(event)], Vec::new()).await;
                return Ok(());
            }
        };
        if prompt.settings != brief.settings {
            body = render(&prompt);
        }
        let requested = ModelEvent::Requested {
            step,
            attempt,
            request: Digest::of(&body),
            prefix: prefix_digest(&prompt),
            reserved,
        };
        self.live.intend(Event::Model(requested)).await?;
        // The first tools will need it; the model takes longer to answer than files take to be written.
        let laying_out = match &state.workspace {
            None if state.prepare_failed.is_none() => Some(self.lay_out(state).await?),
            Some(_) | None => None,
        };
        let started = Instant::now();
        let answer = self.send(state, step, body).await;
        let mut blobs = Vec::new();
        let event = match answer {
            Ok(response) => {
                let duration_ms = started.elapsed().as_millis() as u64;
                received(step, response, &self.shared.prices, &Self::registry(state), duration_ms, &mut blobs)
            }
            Err(failure) => {
                let uncertain = if failure.charge.is_uncertain() { reserved } else { Pico::ZERO };
                let text = match failure.hint.is_empty() {
                    true => failure.failure.text.clone(),
                    false => format!("{}; {}", failure.failure.text, failure.hint),
                };
                let failure = RequestFailure { text, ..failure.failure };
                ModelEvent::Failed { step, attempt, failure, uncertain }
            }
        };
        // Money was spent: this is on disk before anything else is thought about.
        self.live.record(vec![Event::Model(event)], blobs).await?;
        match laying_out {
            Some(laying_out) => self.collect(state, laying_out).await,
            None => Ok(()),
        }
    }

    async fn send(&self, state: &State, step: u32, body: Vec<u8>) -> Result<Response, SendFailure> {
        let endpoint = &state.submitted.endpoint;
        let key = match self.shared.credentials.find(&endpoint.credential) {
            Some(key) => key,
            // A server on this machine needs no real one.
            None if is_local(&endpoint.base_url) => SecretString::from("local"),
            None => return Err(no_key(&endpoint.base_url)),
        };
        let progress = self.shared.progress(&state.id);
        let spent = state.spend.settled;
        progress.say(format!("step {step} · waiting for the model · {spent} so far"));
        let mut told = Told::default();
        let mut watch = |news: ModelProgress<'_>| {
            if let Some(what) = told.news(news) {
                progress.say(format!("step {step} · {what} · {spent} so far"));
            }
        };
        self.shared.client.send(endpoint, &key, body, known_calls(state), &mut watch).await
    }

    /// The worst case of the request; shortens the output to what is affordable. The error is what would be needed.
    fn reserve(&self, settings: &mut ModelSettings, n_tokens: u64, left: Pico) -> Result<Pico, Pico> {
        let worst = |max_tokens: u32| self.shared.prices.worst_case(&settings.model, n_tokens, u64::from(max_tokens));
        // A model without a price is one on this machine: it costs nothing. Others were refused at submission.
        let Some(full) = worst(settings.max_tokens) else { return Ok(Pico::ZERO) };
        if full <= left {
            return Ok(full);
        }
        let least = match settings.thinking {
            Thinking::Budget { tokens } => tokens + MIN_OUTPUT_TOKENS,
            Thinking::Adaptive | Thinking::Unset => MIN_OUTPUT_TOKENS,
        };
        let halves = std::iter::successors(Some(settings.max_tokens / 2), |n| Some(n / 2)).take_while(|&n| n > least);
        for affordable in halves.chain([least]) {
            if let Some(reserved) = worst(affordable).filter(|&reserved| reserved <= left) {
                settings.max_tokens = affordable;
                return Ok(reserved);
            }
        }
        Err(worst(least.min(settings.max_tokens)).unwrap_or(full))
    }
}

/// Every call that stands in the conversation has its result there.
fn known_calls(state: &State) -> HashSet<String> {
    let results = state.conversation.iter().flat_map(|message| match message {
        Message::Results { results, .. } => results.as_slice(),
        Message::Person { .. } | Message::Model { .. } => &[],
    });
    results.map(|result| result.call.to_string()).collect()
}

fn received(
    step: u32,
    response: Response,
    prices: &errand_model::prices::Prices,
    registry: &Registry,
    duration_ms: u64,
    blobs: &mut Vec<errand_task::text::Blob>,
) -> ModelEvent {
    ModelEvent::Received {
        step,
        cost: prices.cost_of(&response),
        message_id: response.id,
        model: response.model,
        content: Text::store(response.content, blobs),
        text: Text::store(response.text, blobs),
        calls: response.calls.iter().map(|call| described(call, registry)).collect(),
        stop: response.stop,
        usage: response.usage,
        duration_ms,
    }
}

fn described(call: &ToolCall, registry: &Registry) -> Call {
    let input = match &call.input {
        CallInput::Json(text) => serde_json::from_str(text).unwrap_or_default(),
        CallInput::Invalid(_) => serde_json::Value::Null,
    };
    let headline = registry.find(&call.name).map(|tool| tool.headline(&input)).unwrap_or_default();
    let headline = headline.chars().take(HEADLINE_CHARACTERS).collect();
    Call { id: call.id.clone(), name: call.name.clone(), headline }
}

fn no_key(base_url: &str) -> SendFailure {
    SendFailure {
        failure: RequestFailure {
            kind: FailureKind::NeedsPerson,
            text: format!("the key for {base_url} is not kept any more"),
            http_status: None,
            retry_after_ms: None,
        },
        hint: "set the key and say: errand resume --new-endpoint".to_owned(),
        charge: errand_model::failure::Charge::None,
        request_id: None,
    }
}

/// What a watcher was told of a running response.
#[derive(Default)]
struct Told {
    n_text: usize,
    n_thinking: usize,
}

impl Told {
    /// A new line for watchers, when there is something to say.
    fn news(&mut self, news: ModelProgress<'_>) -> Option<String> {
        match news {
            ModelProgress::Started => Some("the model answers".to_owned()),
            ModelProgress::Thinking(text) => {
                self.n_thinking += text.len();
                Some(format!("thinking, {} characters", self.n_thinking))
            }
            ModelProgress::Text(text) => {
                self.n_text += text.len();
                Some(format!("writing, {} characters", self.n_text))
            }
            ModelProgress::Call { name } => Some(format!("calls {name}")),
            ModelProgress::Received { .. } => None,
        }
    }
}
