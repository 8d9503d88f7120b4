//! From a scripted step and a request to the message the vendor would send: blocks with ids and signatures, a stop
//! reason, and usage. Everything is derived from the request, so the same request gets the same message.
//! How it travels (one JSON body or a stream) is not decided here.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::cache::InputUsage;
use crate::prompt::{after_assistant_block, array, blocks, thinking_hash};
use crate::script::{Input, Part, Shown, Step, Stop};
use crate::seal::{self, Hash};
use crate::validate::{Request, UNKNOWN_BLOCK, thinking_is_on};

/// Tokens counted for thinking whose text the script does not give.
const UNSEEN_THINKING_BYTES: u64 = 112;

#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub id: String,
    model: &'static str,
    pub content: Vec<Value>,
    /// The last block is a tool call whose input ends in the middle.
    pub cut_call: bool,
    stop: StopFields,
    input: InputUsage,
    output: OutputUsage,
    /// The usage fields that only echo the request.
    speed: String,
    geo: String,
}

#[derive(Debug, Clone)]
struct StopFields {
    reason: String,
    sequence: Option<String>,
    details: Value,
}

#[derive(Debug, Clone, Copy, Default)]
struct OutputUsage {
    n_tokens: u64,
    n_thinking_tokens: u64,
    n_searches: u64,
}

impl Answer {
    /// The error is a sentence about the script.
    pub fn of(
        step: &Step,
        vars: &HashMap<String, String>,
        request: &Request,
        own: Hash,
        input: InputUsage,
    ) -> Result<Answer, String> {
        let mut writer = Writer::new(request, own);
        if step.pacing.unknown_events {
            writer.push(serde_json::from_str(UNKNOWN_BLOCK).unwrap_or_default(), 0);
        }
        for part in &step.parts {
            writer.part(part, vars)?;
        }
        let mut stop = StopFields { reason: "end_turn".into(), sequence: None, details: Value::Null };
        match &step.stop {
            None if writer.content.iter().any(|block| block["type"] == "tool_use") => stop.reason = "tool_use".into(),
            None => {}
            Some(Stop::Reason(reason)) => stop.reason.clone_from(reason),
            Some(Stop::Sequence(sequence)) => {
                stop.reason = "stop_sequence".into();
                stop.sequence = Some(sequence.clone());
            }
            Some(Stop::Refusal(category)) => {
                stop.reason = "refusal".into();
                stop.details =
                    json!({"type": "refusal", "category": category, "explanation": "Declined by the script."});
            }
            Some(Stop::Pause(query)) => {
                stop.reason = "pause_turn".into();
                writer.server_call(query);
            }
        }
        if writer.limit(request.body["max_tokens"].as_u64().unwrap_or(u64::MAX)) {
            stop.reason = "max_tokens".into();
        }
        let cut_call =
            stop.reason == "max_tokens" && writer.content.last().is_some_and(|block| block["type"] == "tool_use");
        Ok(writer.finish(stop, cut_call, input))
    }

    /// The answer to `max_tokens: 0`, which only warms the cache.
    pub fn prewarm(request: &Request, own: Hash, input: InputUsage) -> Answer {
        let stop = StopFields { reason: "max_tokens".into(), sequence: None, details: Value::Null };
        let mut answer = Writer::new(request, own).finish(stop, false, input);
        answer.content.clear();
        answer
    }

    /// The whole message, as a request without `stream` is answered.
    pub fn message(&self) -> Value {
        let mut content = self.content.clone();
        if self.cut_call
            && let Some(last) = content.last_mut()
        {
            last["input"] = json!({});
        }
        self.envelope(json!(content), &self.stop, self.usage(self.output))
    }

    /// The message of `message_start`: nothing said yet, input figures final.
    pub fn started(&self) -> Value {
        let stop = StopFields { reason: String::new(), sequence: None, details: Value::Null };
        let mut message =
            self.envelope(json!([]), &stop, self.usage(OutputUsage { n_tokens: 1, ..Default::default() }));
        message["stop_reason"] = Value::Null;
        message
    }

    /// The `delta` and `usage` of `message_delta`.
    pub fn ended(&self) -> (Value, Value) {
        let delta = json!({
            "stop_reason": self.stop.reason,
            "stop_sequence": self.stop.sequence,
            "stop_details": self.stop.details,
            "container": null,
        });
        let mut usage = self.usage(self.output);
        if let Some(fields) = usage.as_object_mut() {
            fields.retain(|name, _| {
                !["cache_creation", "service_tier", "inference_geo", "speed"].contains(&name.as_str())
            });
        }
        (delta, usage)
    }

    fn envelope(&self, content: Value, stop: &StopFields, usage: Value) -> Value {
        json!({
            "id": self.id,
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": content,
            "stop_reason": stop.reason,
            "stop_sequence": stop.sequence,
            "stop_details": stop.details,
            "container": null,
            "diagnostics": null,
            "usage": usage,
        })
    }

    fn usage(&self, output: OutputUsage) -> Value {
        let mut usage = self.input.to_json();
        usage["output_tokens"] = json!(output.n_tokens);
        usage["output_tokens_details"] = match output.n_thinking_tokens {
            0 => Value::Null,
            n_tokens => json!({"thinking_tokens": n_tokens}),
        };
        usage["server_tool_use"] = match output.n_searches {
            0 => Value::Null,
            n_searches => json!({"web_search_requests": n_searches, "web_fetch_requests": 0}),
        };
        usage["service_tier"] = json!("standard");
        usage["inference_geo"] = json!(self.geo);
        usage["speed"] = json!(self.speed);
        usage
    }
}

/// Appends blocks one after the other: each signature depends on everything before it.
struct Writer<'a> {
    request: &'a Request,
    own: Hash,
    before: Hash,
    content: Vec<Value>,
    /// Bytes generated for each block; thinking counts in full even when it is not shown.
    sizes: Vec<u64>,
    thinks: bool,
    shows_thinking: bool,
    n_searches: u64,
}

impl<'a> Writer<'a> {
    fn new(request: &'a Request, own: Hash) -> Writer<'a> {
        let body = &request.body;
        let shows_thinking = match body["thinking"]["display"].as_str() {
            Some(display) => display != "omitted",
            // Progress notes are what this mode is for, so they are shown.
            None => !request.model.omits_thinking || body["thinking"]["type"] == "between_tools",
        };
        let mut writer = Writer {
            request,
            own,
            before: request.prompt.end(),
            content: Vec::new(),
            sizes: Vec::new(),
            thinks: thinking_is_on(body, request.model),
            shows_thinking,
            n_searches: 0,
        };
        writer.resume();
        writer
    }

    fn push(&mut self, block: Value, n_bytes: u64) {
        self.before = after_assistant_block(self.before, &block);
        self.content.push(block);
        self.sizes.push(n_bytes);
    }

    fn own(&self) -> Hash {
        self.own.then(&[&(self.content.len() as u64).to_be_bytes()])
    }

    fn part(&mut self, part: &Part, vars: &HashMap<String, String>) -> Result<(), String> {
        let fill = |text: &str| crate::script::fill(text, vars);
        match part {
            Part::Text(text) => {
                let text = fill(text);
                let n_bytes = text.len() as u64;
                self.push(json!({"type": "text", "text": text, "citations": null}), n_bytes);
            }
            // A model that was told not to think does not.
            Part::Think(_) | Part::ThinkRedacted if !self.thinks => {}
            Part::Think(text) => {
                let text = fill(text);
                let n_bytes = if text.is_empty() { UNSEEN_THINKING_BYTES } else { text.len() as u64 };
                let shown = if self.shows_thinking { text } else { String::new() };
                let signature = seal::sign(self.request.model.id, self.before, &shown);
                self.push(json!({"type": "thinking", "thinking": shown, "signature": signature}), n_bytes);
            }
            Part::ThinkRedacted => {
                let data = seal::sign(self.request.model.id, self.before, "");
                self.push(json!({"type": "redacted_thinking", "data": data}), UNSEEN_THINKING_BYTES);
            }
            Part::Call { name, input } => {
                let input = resolve(input, vars).map_err(|error| format!("@call {name}: {error}"))?;
                let n_bytes = (name.len() + input.to_string().len()) as u64;
                let id = seal::tool_id(self.own(), self.request.model.id, thinking_hash(&self.content));
                let block =
                    json!({"type": "tool_use", "id": id, "name": name, "input": input, "caller": {"type": "direct"}});
                self.push(block, n_bytes);
            }
        }
        Ok(())
    }

    fn server_call(&mut self, query: &str) {
        let id = seal::plain_id("srvtoolu_", self.own());
        self.n_searches += 1;
        let block = json!({"type": "server_tool_use", "id": id, "name": "web_search", "input": {"query": query},
            "caller": {"type": "direct"}});
        self.push(block, query.len() as u64);
    }

    /// A paused turn sent back goes on with the result of its server tool call.
    fn resume(&mut self) {
        let last = array(&self.request.body["messages"]).last().cloned().unwrap_or_default();
        let last_block = blocks(&last["content"]).pop().unwrap_or_default();
        if last["role"] != "assistant" || last_block["type"] != "server_tool_use" {
            return;
        }
        let name = last_block["name"].as_str().unwrap_or("web_search");
        let found = json!([{"type": "web_search_result", "url": "https://example.com/", "title": "Example",
            "encrypted_content": "c2Nyc2ltdWxhdGVk", "page_age": null}]);
        let block = json!({"type": format!("{name}_tool_result"), "tool_use_id": last_block["id"], "content": found});
        self.push(block, 0);
    }

    /// Cuts the answer where `max_tokens` is reached and says whether it was.
    fn limit(&mut self, max_tokens: u64) -> bool {
        let model = self.request.model;
        let fits = |n_bytes: u64| model.tokens(n_bytes) <= max_tokens;
        let mut n_before = 0;
        for (at, size) in self.sizes.clone().into_iter().enumerate() {
            if fits(n_before + size) {
                n_before += size;
                continue;
            }
            let room = (0..=size).rev().find(|n_bytes| fits(n_before + n_bytes)).unwrap_or(0);
            self.content.truncate(at + 1);
            self.sizes.truncate(at + 1);
            self.sizes[at] = room;
            let block = &mut self.content[at];
            let text = block["text"].as_str().unwrap_or("");
            let kept: String = text.char_indices().take_while(|(at, _)| (*at as u64) < room).map(|(_, c)| c).collect();
            if block["type"] != "text" {
                return true;
            }
            if kept.is_empty() {
                self.content.pop();
                self.sizes.pop();
            } else {
                block["text"] = json!(kept);
            }
            return true;
        }
        false
    }

    fn finish(self, stop: StopFields, cut_call: bool, input: InputUsage) -> Answer {
        let Request { model, body, .. } = self.request;
        let mut n_bytes: u64 = self.sizes.iter().sum();
        if cut_call {
            n_bytes -= self.sizes.last().copied().unwrap_or(0) / 2;
        }
        let pairs = self.content.iter().zip(&self.sizes);
        let thinking = pairs.filter(|(block, _)| crate::prompt::is_thinking(block)).map(|(_, size)| size).sum();
        let text = |name: &str, default: &str| body[name].as_str().unwrap_or(default).to_string();
        Answer {
            id: seal::plain_id("msg_", self.own),
            model: model.id,
            cut_call,
            stop,
            input,
            output: OutputUsage {
                n_tokens: model.tokens(n_bytes),
                n_thinking_tokens: model.tokens(thinking),
                n_searches: self.n_searches,
            },
            speed: text("speed", "standard"),
            geo: text("inference_geo", "global"),
            content: self.content,
        }
    }
}

fn resolve(input: &Input, vars: &HashMap<String, String>) -> Result<Value, String> {
    match input {
        Input::Fields(fields) => fields
            .iter()
            .map(|(key, value)| Ok((key.clone(), value.resolve(vars)?)))
            .collect::<Result<serde_json::Map<_, _>, String>>()
            .map(Value::Object),
        Input::Whole(whole) => {
            let value = whole.resolve(vars)?;
            if value.is_object() { Ok(value) } else { Err("@input must be a JSON object".into()) }
        }
    }
}

/// What the agent was newly shown since its last assistant message, and what before.
pub(crate) fn shown(body: &Value) -> Shown {
    let messages = array(&body["messages"]);
    let start = messages.iter().rposition(|message| message["role"] == "assistant").map_or(0, |at| at + 1);
    let texts = |messages: &[Value]| -> Vec<String> {
        let said = messages.iter().filter(|message| message["role"] != "assistant");
        said.flat_map(|message| blocks(&message["content"])).map(|block| block_text(&block)).collect()
    };
    Shown { new: texts(&messages[start..]), earlier: texts(&messages[..start]) }
}

pub(crate) fn block_text(block: &Value) -> String {
    match block["type"].as_str() {
        Some("text") => block["text"].as_str().unwrap_or("").to_string(),
        Some("tool_result") => blocks(&block["content"]).iter().map(block_text).collect::<Vec<_>>().join("\n"),
        Some(kind) => format!("[{kind}]"),
        None => String::new(),
    }
}

/// The number of the step a request asks for.
pub(crate) fn step_number(body: &Value) -> usize {
    array(&body["messages"]).iter().filter(|message| message["role"] == "assistant").count() + 1
}
