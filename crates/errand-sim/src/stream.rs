//! An answer as server-sent events, in the vendor's order, split where clients find it hardest: tool input inside
//! escapes and surrogate pairs, thinking ended by one signature, pings in between. Which bytes leave when is in
//! `delivery.rs`.

use std::io;

use serde_json::ser::{CompactFormatter, Formatter, Serializer};
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::script::Pacing;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame {
    Event { name: String, data: String },
    Comment(String),
}

impl Frame {
    pub fn event(data: Value) -> Frame {
        Frame::Event { name: data["type"].as_str().unwrap_or("").to_string(), data: data.to_string() }
    }

    pub fn ping() -> Frame {
        Frame::event(json!({"type": "ping"}))
    }

    pub fn render(&self, crlf: bool) -> Vec<u8> {
        let end = if crlf { "\r\n" } else { "\n" };
        match self {
            Frame::Event { name, data } => format!("event: {name}{end}data: {data}{end}{end}"),
            Frame::Comment(text) => format!(": {text}{end}{end}"),
        }
        .into_bytes()
    }

    fn is_content(&self) -> bool {
        matches!(self, Frame::Event { name, .. } if name == "content_block_delta")
    }
}

/// What comes before the content: a client sees it at once even when the model takes its time.
pub(crate) fn opening(answer: &Answer, pacing: &Pacing) -> Vec<Frame> {
    let mut frames = Vec::new();
    if pacing.unknown_events {
        frames.push(Frame::Comment("keep-alive comment".into()));
        frames.push(Frame::event(json!({"type": "future_event", "x": 1})));
    }
    frames.push(Frame::event(json!({"type": "message_start", "message": answer.started()})));
    frames
}

/// The content and the end.
pub(crate) fn rest(answer: &Answer, pacing: &Pacing) -> Vec<Frame> {
    let mut frames = Vec::new();
    for (index, block) in answer.content.iter().enumerate() {
        if index > 1 {
            frames.push(Frame::ping());
        }
        let cut = answer.cut_call && index + 1 == answer.content.len();
        let (start, deltas) = start_and_deltas(block, cut);
        frames.push(Frame::event(json!({"type": "content_block_start", "index": index, "content_block": start})));
        if index == 0 {
            frames.push(Frame::ping());
        }
        let deltas = deltas.into_iter();
        frames.extend(
            deltas.map(|delta| Frame::event(json!({"type": "content_block_delta", "index": index, "delta": delta}))),
        );
        frames.push(Frame::event(json!({"type": "content_block_stop", "index": index})));
    }
    if pacing.unknown_events {
        frames.push(Frame::event(json!({"type": "future_event", "usage": {"output_tokens": 999}})));
    }
    let (delta, usage) = answer.ended();
    if pacing.two_message_deltas {
        let nothing = json!({"stop_reason": null, "stop_sequence": null});
        let so_far = json!({"output_tokens": usage["output_tokens"].as_u64().unwrap_or(0) / 2});
        frames.push(Frame::event(json!({"type": "message_delta", "delta": nothing, "usage": so_far})));
    }
    frames.push(Frame::event(json!({"type": "message_delta", "delta": delta, "usage": usage})));
    frames.push(Frame::event(json!({"type": "message_stop"})));
    frames
}

/// The frames up to the middle of the content, for a stream that ends in an error there.
pub(crate) fn first_half(frames: Vec<Frame>) -> Vec<Frame> {
    let n_deltas = frames.iter().filter(|frame| frame.is_content()).count();
    let mut n_seen = 0;
    frames
        .into_iter()
        .take_while(|frame| {
            let within = n_seen < n_deltas.div_ceil(2);
            n_seen += usize::from(frame.is_content());
            within
        })
        .collect()
}

fn start_and_deltas(block: &Value, cut: bool) -> (Value, Vec<Value>) {
    let mut start = block.clone();
    match block["type"].as_str() {
        Some("text") => {
            start["text"] = json!("");
            let pieces = split_text(block["text"].as_str().unwrap_or(""));
            (start, pieces.into_iter().map(|text| json!({"type": "text_delta", "text": text})).collect())
        }
        Some("thinking") => {
            start["thinking"] = json!("");
            start["signature"] = json!("");
            let pieces = split_text(block["thinking"].as_str().unwrap_or(""));
            let mut deltas: Vec<Value> =
                pieces.into_iter().map(|text| json!({"type": "thinking_delta", "thinking": text})).collect();
            deltas.push(json!({"type": "signature_delta", "signature": block["signature"]}));
            (start, deltas)
        }
        Some("tool_use" | "server_tool_use") => {
            start["input"] = json!({});
            let mut text = model_json(&block["input"]);
            if cut {
                text.truncate(text.len() / 2);
            }
            let pieces = std::iter::once("").chain(split_json(&text));
            (start, pieces.map(|piece| json!({"type": "input_json_delta", "partial_json": piece})).collect())
        }
        _ => (start, Vec::new()),
    }
}

/// Pieces of 5 to 23 characters; long texts get longer pieces, to stay near a hundred frames.
fn split_text(text: &str) -> Vec<&str> {
    const SIZES: [usize; 5] = [5, 14, 9, 23, 7];
    let mut ends: Vec<usize> = text.char_indices().map(|(at, _)| at).skip(1).collect();
    ends.push(text.len());
    let factor = 1 + ends.len() / 1000;
    let (mut start, mut n_chars, mut pieces) = (0, 0, Vec::new());
    for size in SIZES.iter().cycle() {
        n_chars = (n_chars + size * factor).min(ends.len());
        let end = ends[n_chars - 1];
        if end > start {
            pieces.push(&text[start..end]);
        }
        start = end;
        if n_chars == ends.len() {
            return pieces;
        }
    }
    pieces
}

/// Pieces of any length from 1. A piece that holds an escape ends within it, as long as that does not make too many.
/// The text is ASCII.
fn split_json(text: &str) -> Vec<&str> {
    const SIZES: [usize; 6] = [9, 4, 17, 1, 11, 6];
    const N_INSIDE_ESCAPES: usize = 200;
    if text == "{}" {
        return Vec::new();
    }
    let factor = 1 + text.len() / 1000;
    let (mut start, mut pieces) = (0, Vec::new());
    for size in SIZES.iter().cycle() {
        if start >= text.len() {
            break;
        }
        let mut end = (start + size * factor).min(text.len());
        let escape = text[start..end].find('\\').filter(|_| pieces.len() < N_INSIDE_ESCAPES);
        if let Some(at) = escape {
            end = (start + at + 1 + pieces.len() % 4).min(text.len());
        }
        pieces.push(&text[start..end]);
        start = end;
    }
    pieces
}

/// JSON as a model writes it: a space after `:` and `,`, and everything outside ASCII escaped.
fn model_json(value: &Value) -> String {
    let mut bytes = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut bytes, ModelFormatter(CompactFormatter));
    match serde::Serialize::serialize(value, &mut serializer) {
        Ok(()) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(_) => value.to_string(),
    }
}

struct ModelFormatter(CompactFormatter);

impl Formatter for ModelFormatter {
    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut units = [0; 2];
        for character in fragment.chars() {
            if character.is_ascii() {
                self.0.write_string_fragment(writer, character.encode_utf8(&mut [0; 4]))?;
                continue;
            }
            for unit in character.encode_utf16(&mut units) {
                write!(writer, "\\u{unit:04x}")?;
            }
        }
        Ok(())
    }
}
