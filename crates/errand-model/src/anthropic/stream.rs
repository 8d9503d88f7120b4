//! A streamed response, from bytes in any chunking to one [`Response`].
//!
//! Without I/O: feed what arrived, finish at the end. A stream is complete only when its last event says so; the end of
//! the bytes does not. Events, blocks, deltas and stop reasons from the future are skipped or kept, never an error.

use super::block::{Added, Block, Delta, Kind, Names};
use super::usage::{Report, Tally};
use crate::limits;
use crate::response::{CutCall, Partial, Progress, Response, ToolCall};
use crate::sse;
use errand_task::facts::Stop;
use errand_task::id::CallId;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use thiserror::Error;

/// Why a stream gave no response.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StreamError {
    /// The endpoint reported an error in the middle, in its own words: redact before showing.
    #[error("{kind}: {message}")]
    Reported { kind: String, message: String, code: Option<String> },
    #[error("the response ends in the middle")]
    Cut,
    #[error("one event of the response has more than {limit} bytes")]
    EventTooLarge { limit: usize },
    #[error("the response breaks the protocol: {what}")]
    Malformed { what: &'static str },
}

impl StreamError {
    pub(super) const fn malformed(what: &'static str) -> Self {
        Self::Malformed { what }
    }
}

/// The response so far.
pub struct Assembly {
    parser: sse::Parser,
    max_event_bytes: usize,
    /// Ids of calls that the conversation holds already.
    known_calls: HashSet<String>,
    message: Message,
}

impl Assembly {
    pub fn new(max_event_bytes: usize, known_calls: HashSet<String>) -> Self {
        let parser = sse::Parser::new(max_event_bytes);
        Self { parser, max_event_bytes, known_calls, message: Message::default() }
    }

    /// Takes the next bytes. After an error only [`Assembly::partial`] makes sense.
    pub fn feed(&mut self, bytes: &[u8], progress: &mut dyn FnMut(Progress<'_>)) -> Result<(), StreamError> {
        let mut events = Vec::new();
        let read = self.parser.feed(bytes, &mut events);
        self.message.apply_all(&events, progress)?;
        if self.is_complete() {
            return Ok(());
        }
        read.map_err(|sse::TooLarge| StreamError::EventTooLarge { limit: self.max_event_bytes })
    }

    /// Whether the last event has arrived; what follows it is ignored.
    pub fn is_complete(&self) -> bool {
        self.message.is_complete
    }

    /// The response, at the end of the bytes.
    pub fn finish(&mut self, progress: &mut dyn FnMut(Progress<'_>)) -> Result<Response, StreamError> {
        let mut events = Vec::new();
        self.parser.finish(&mut events);
        match self.message.apply_all(&events, progress) {
            // What a cut left of an event is no event.
            Ok(()) | Err(StreamError::Malformed { .. }) if !self.is_complete() => Err(StreamError::Cut),
            Ok(()) => self.message.response(self.known_calls.clone()),
            Err(error) => Err(error),
        }
    }

    /// What has arrived, when the rest will not.
    pub fn partial(&self) -> Partial {
        let blocks = self.message.blocks.values();
        let texts = blocks.filter(|block| block.kind == Kind::Text).filter_map(|block| block.text().ok());
        let last = self.message.blocks.values().next_back();
        Partial {
            model: self.message.model.clone(),
            usage: self.message.tally.usage(),
            modifiers: self.message.tally.modifiers,
            text: join(texts),
            cut_call: last.filter(|block| block.kind == Kind::ToolUse && block.is_open).and_then(cut_call),
        }
    }
}

#[derive(Default)]
struct Message {
    is_started: bool,
    is_complete: bool,
    id: String,
    model: String,
    blocks: BTreeMap<u64, Block>,
    stop_reason: Option<String>,
    stop_details: StopDetails,
    tally: Tally,
    is_usage_final: bool,
}

#[derive(Default, Deserialize)]
struct StopDetails {
    category: Option<String>,
    explanation: Option<String>,
}

const KNOWN_EVENTS: [&str; 8] = [
    "content_block_delta",
    "content_block_start",
    "content_block_stop",
    "error",
    "message_delta",
    "message_start",
    "message_stop",
    "ping",
];

impl Message {
    fn apply_all(&mut self, events: &[sse::Event], progress: &mut dyn FnMut(Progress<'_>)) -> Result<(), StreamError> {
        events.iter().try_for_each(|event| self.apply(event, progress))
    }

    fn apply(&mut self, event: &sse::Event, progress: &mut dyn FnMut(Progress<'_>)) -> Result<(), StreamError> {
        #[derive(Deserialize)]
        struct Typed<'a> {
            #[serde(rename = "type", borrow)]
            kind: Cow<'a, str>,
        }
        if self.is_complete {
            return Ok(());
        }
        // A server that imitates the API may leave the name out; the data has it too.
        let kind = match event.name.as_str() {
            "" | "message" => parse::<Typed<'_>>(&event.data)?.kind,
            name => Cow::from(name),
        };
        if !KNOWN_EVENTS.contains(&&*kind) || kind == "ping" {
            return Ok(());
        }
        if kind != "error" && (kind == "message_start") == self.is_started {
            return Err(StreamError::malformed("message_start is missing or stands twice"));
        }
        match &*kind {
            "message_start" => self.start(&event.data, progress),
            "content_block_start" => self.start_block(&event.data, progress),
            "content_block_delta" => self.grow_block(&event.data, progress),
            "content_block_stop" => self.stop_block(&event.data),
            "message_delta" => self.update(&event.data),
            "error" => Err(reported(&event.data)),
            _ => {
                // Its content says nothing, but it must be whole.
                parse::<IgnoredAny>(&event.data)?;
                self.is_complete = true;
                Ok(())
            }
        }
    }

    fn start(&mut self, data: &[u8], progress: &mut dyn FnMut(Progress<'_>)) -> Result<(), StreamError> {
        #[derive(Deserialize)]
        struct Event {
            message: Start,
        }
        #[derive(Deserialize)]
        struct Start {
            #[serde(default)]
            id: String,
            #[serde(default)]
            model: String,
            usage: Option<Report>,
        }
        let Event { message } = parse(data)?;
        self.is_started = true;
        self.id = short(&message.id);
        self.model = short(&message.model);
        if let Some(report) = message.usage {
            self.tally.apply(report);
        }
        progress(Progress::Started);
        Ok(())
    }

    fn start_block(&mut self, data: &[u8], progress: &mut dyn FnMut(Progress<'_>)) -> Result<(), StreamError> {
        #[derive(Deserialize)]
        struct Event<'a> {
            index: u64,
            #[serde(borrow)]
            content_block: &'a RawValue,
        }
        let Event { index, content_block } = parse(data)?;
        let block = Block::start(content_block)?;
        if block.kind == Kind::ToolUse {
            let (Some(_), Some(name)) = (block.string("id"), block.string("name")) else {
                return Err(StreamError::malformed("a tool call without a usable id or name"));
            };
            progress(Progress::Call { name: &name });
        }
        if self.blocks.len() >= limits::BLOCKS {
            return Err(StreamError::malformed("too many content blocks"));
        }
        match self.blocks.insert(index, block) {
            Some(_) => Err(StreamError::malformed("two content blocks with one index")),
            None => Ok(()),
        }
    }

    fn grow_block(&mut self, data: &[u8], progress: &mut dyn FnMut(Progress<'_>)) -> Result<(), StreamError> {
        #[derive(Deserialize)]
        struct Event<'a> {
            index: u64,
            #[serde(borrow)]
            delta: Delta<'a>,
        }
        let Event { index, delta } = parse(data)?;
        match self.block(index)?.apply(&delta)? {
            Added::Text(text) if !text.is_empty() => progress(Progress::Text(&text)),
            Added::Thinking(text) if !text.is_empty() => progress(Progress::Thinking(&text)),
            Added::Text(_) | Added::Thinking(_) | Added::Nothing => {}
        }
        Ok(())
    }

    fn stop_block(&mut self, data: &[u8]) -> Result<(), StreamError> {
        #[derive(Deserialize)]
        struct Event {
            index: u64,
        }
        let Event { index } = parse(data)?;
        self.block(index)?.is_open = false;
        Ok(())
    }

    fn update(&mut self, data: &[u8]) -> Result<(), StreamError> {
        #[derive(Deserialize)]
        struct Event {
            delta: Option<Delta>,
            usage: Option<Report>,
        }
        #[derive(Deserialize)]
        struct Delta {
            stop_reason: Option<String>,
            stop_details: Option<StopDetails>,
        }
        let Event { delta, usage } = parse(data)?;
        if let Some(report) = usage {
            self.is_usage_final |= report.output_tokens.is_some();
            self.tally.apply(report);
        }
        if let Some(delta) = delta {
            self.stop_reason = delta.stop_reason.or(self.stop_reason.take());
            if let Some(details) = delta.stop_details {
                self.stop_details = details;
            }
        }
        Ok(())
    }

    fn block(&mut self, index: u64) -> Result<&mut Block, StreamError> {
        let open = self.blocks.get_mut(&index).filter(|block| block.is_open);
        open.ok_or(StreamError::malformed("an event for a content block that is not open"))
    }

    fn response(&self, mut ids: HashSet<String>) -> Result<Response, StreamError> {
        let stop = self.stop();
        let mut blocks: Vec<&Block> = self.blocks.values().collect();
        let is_cut = match stop {
            Stop::MaxTokens | Stop::ContextFull | Stop::Refusal { .. } => true,
            Stop::EndTurn | Stop::ToolUse | Stop::Paused | Stop::Other { .. } => false,
        };
        let cut = if is_cut { drop_cut_end(&mut blocks) } else { None };
        let mut calls: Vec<ToolCall> = Vec::new();
        let mut content = Vec::new();
        let mut texts = Vec::new();
        for block in blocks {
            match block.kind {
                Kind::Text => {
                    let text = block.text()?;
                    // An empty text block is refused when it is sent back.
                    if text.is_empty() {
                        continue;
                    }
                    texts.push(text);
                    content.push(block.json(None)?);
                }
                Kind::ToolUse => {
                    let id = new_id(&sendable(&block.string("id").unwrap_or_default()), &mut ids);
                    let name = sendable(&block.string("name").unwrap_or_default());
                    content.push(block.json(Some(Names { id: &id, name: &name }))?);
                    calls.push(ToolCall { id: CallId::new(id), name, input: block.input()? });
                }
                Kind::Thinking | Kind::Other => content.push(block.json(None)?),
            }
        }
        Ok(Response {
            id: self.id.clone(),
            model: self.model.clone(),
            content: format!("[{}]", content.join(",")),
            text: join(texts.into_iter()),
            calls,
            cut_call: cut.and_then(cut_call),
            stop,
            stop_explanation: self.stop_details.explanation.clone(),
            usage: self.tally.usage(),
            is_usage_final: self.is_usage_final,
            modifiers: self.tally.modifiers,
        })
    }

    fn stop(&self) -> Stop {
        match self.stop_reason.as_deref() {
            Some("end_turn") => Stop::EndTurn,
            Some("tool_use") => Stop::ToolUse,
            Some("max_tokens") => Stop::MaxTokens,
            Some("pause_turn") => Stop::Paused,
            Some("model_context_window_exceeded") => Stop::ContextFull,
            Some("refusal") => Stop::Refusal { category: self.stop_details.category.as_deref().map(short) },
            Some(reason) => Stop::Other { reason: short(reason) },
            None => Stop::Other { reason: "none given".to_owned() },
        }
    }
}

/// Takes away what the end of the output cut: a last call, and thinking that then stands last, which leads to nothing
/// and may lack its signature. Gives the call.
fn drop_cut_end<'a>(blocks: &mut Vec<&'a Block>) -> Option<&'a Block> {
    let cut = blocks.pop_if(|block| block.kind == Kind::ToolUse);
    while blocks.pop_if(|block| block.kind == Kind::Thinking).is_some() {}
    cut
}

fn cut_call(block: &Block) -> Option<CutCall> {
    let (id, name) = (block.string("id")?, block.string("name")?);
    Some(CutCall { id: CallId::new(id), name, input_so_far: block.input_so_far() })
}

/// An id or a name as it can be sent back. One that was changed is no tool's name: those have none of these characters.
fn sendable(text: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let text: String = text.chars().take(limits::SENT_NAME_CHARS).map(allowed).collect();
    if text.is_empty() { "_".to_owned() } else { text }
}

/// `id`, or one made from it when it was there before: an id must not stand twice in a request.
fn new_id(id: &str, before: &mut HashSet<String>) -> String {
    // From the number of ids on, so that ten thousand equal ones take ten thousand tries and not their square.
    let numbered = (before.len() + 1..).map(|n| format!("{id}_{n}"));
    let new = std::iter::once(id.to_owned()).chain(numbered).find(|id| !before.contains(id)).unwrap_or_default();
    before.insert(new.clone());
    new
}

fn reported(data: &[u8]) -> StreamError {
    match super::error_body::ErrorBody::parse(data) {
        Some(body) => StreamError::Reported { kind: body.kind, message: body.message, code: body.code },
        None => StreamError::malformed("an error event that does not say what happened"),
    }
}

fn parse<'a, T: Deserialize<'a>>(data: &'a [u8]) -> Result<T, StreamError> {
    serde_json::from_slice(data).map_err(|_| StreamError::malformed("an event of an unknown form"))
}

fn join(texts: impl Iterator<Item = String>) -> String {
    texts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n\n")
}

fn short(name: &str) -> String {
    name.chars().take(limits::NAME_CHARS).collect()
}
