//! The prompt as one sequence of positions: tools, then system, then message blocks, each with its canonical bytes.
//! Signatures and the cache both hang on the running hash over this sequence, so it exists once.
//!
//! Canonical means: `cache_control` removed, a string content equal to one text block, nulls and defaults left out
//! (the vendor sends `citations: null` and the client need not). Key order counts. Nothing is validated here.

use serde_json::{Value, json};

use crate::seal::Hash;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ttl {
    FiveMinutes,
    OneHour,
}

impl Ttl {
    pub fn of_mark(mark: &Value) -> Ttl {
        if mark["ttl"] == "1h" { Ttl::OneHour } else { Ttl::FiveMinutes }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    Tools,
    System,
    Message,
}

#[derive(Debug)]
pub(crate) struct Position {
    pub section: Section,
    /// `messages.3.content.1`, as the vendor writes it.
    pub path: String,
    pub kind: String,
    pub n_bytes: u64,
    pub mark: Option<Ttl>,
    /// The hash of everything up to and including this position.
    pub upto: Hash,
}

#[derive(Debug)]
pub(crate) struct Prompt {
    pub positions: Vec<Position>,
}

impl Prompt {
    pub fn of(body: &Value) -> Prompt {
        let mut prompt = Prompt { positions: Vec::new() };
        for (index, tool) in array(&body["tools"]).iter().enumerate() {
            prompt.push(Section::Tools, format!("tools.{index}"), "tool", tool);
        }
        for (index, block) in blocks(&body["system"]).iter().enumerate() {
            prompt.push(Section::System, format!("system.{index}"), "prompt", block);
        }
        for (index, message) in array(&body["messages"]).iter().enumerate() {
            let role = message["role"].as_str().unwrap_or("");
            for (at, block) in blocks(&message["content"]).iter().enumerate() {
                prompt.push(Section::Message, format!("messages.{index}.content.{at}"), role, block);
            }
        }
        prompt
    }

    pub fn end(&self) -> Hash {
        self.positions.last().map_or(Hash::START, |position| position.upto)
    }

    /// The hash of everything before the position with this path.
    pub fn before(&self, path: &str) -> Hash {
        let at = self.positions.iter().position(|position| position.path == path).unwrap_or(0);
        if at == 0 { Hash::START } else { self.positions[at - 1].upto }
    }

    pub fn n_bytes(&self) -> u64 {
        self.positions.iter().map(|position| position.n_bytes).sum()
    }

    fn push(&mut self, section: Section, path: String, role: &str, block: &Value) {
        let bytes = canonical(block).to_string();
        self.positions.push(Position {
            section,
            path,
            kind: block["type"].as_str().unwrap_or("").into(),
            n_bytes: billed_bytes(block, &bytes),
            mark: mark(block),
            upto: self.end().then(&[role.as_bytes(), bytes.as_bytes()]),
        });
    }
}

/// The hash after one more assistant block.
pub(crate) fn after_assistant_block(before: Hash, block: &Value) -> Hash {
    before.then(&[b"assistant", canonical(block).to_string().as_bytes()])
}

/// The hash of the thinking blocks of one assistant message, in order.
pub(crate) fn thinking_hash<'a>(content: impl IntoIterator<Item = &'a Value>) -> Hash {
    content.into_iter().filter(|block| is_thinking(block)).fold(Hash::START, |hash, block| {
        let field = |name: &str| block[name].as_str().unwrap_or("").as_bytes().to_vec();
        hash.then(&[&field("thinking"), &field("signature"), &field("data")])
    })
}

pub(crate) fn is_thinking(block: &Value) -> bool {
    block["type"] == "thinking" || block["type"] == "redacted_thinking"
}

pub(crate) fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A content as blocks: a string is one text block.
pub(crate) fn blocks(content: &Value) -> Vec<Value> {
    match content {
        Value::String(text) => vec![json!({"type": "text", "text": text})],
        Value::Array(blocks) => blocks.clone(),
        _ => Vec::new(),
    }
}

pub(crate) fn canonical(block: &Value) -> Value {
    let Value::Object(fields) = block else { return block.clone() };
    let mut out = serde_json::Map::new();
    for (name, value) in fields {
        let default = match name.as_str() {
            "cache_control" => true,
            "citations" => value.is_null() || value.as_array().is_some_and(Vec::is_empty),
            "caller" => value["type"] == "direct",
            "is_error" => *value == Value::Bool(false),
            _ => value.is_null(),
        };
        if default {
            continue;
        }
        let value = match (name.as_str(), &block["type"]) {
            ("content", kind) if kind == "tool_result" => blocks(value).iter().map(canonical).collect(),
            _ => value.clone(),
        };
        out.insert(name.clone(), value);
    }
    Value::Object(out)
}

/// A mark on the block, or on a block inside a tool result, which counts for the result.
fn mark(block: &Value) -> Option<Ttl> {
    let own = block.get("cache_control").filter(|mark| !mark.is_null());
    let inner = || array(&block["content"]).iter().rev().find_map(|inner| inner.get("cache_control"));
    own.or_else(inner).filter(|mark| !mark.is_null()).map(Ttl::of_mark)
}

/// Images and documents cost by their size on screen, not by the length of their base64; a flat figure stands for it.
fn billed_bytes(block: &Value, canonical: &str) -> u64 {
    const FLAT_BYTES: u64 = 5250;
    let data_bytes = |block: &Value| block["source"]["data"].as_str().map(|data| data.len() as u64);
    let all: Vec<u64> = std::iter::once(block).chain(array(&block["content"])).filter_map(data_bytes).collect();
    (canonical.len() as u64 + all.len() as u64 * FLAT_BYTES).saturating_sub(all.iter().sum())
}
