//! One content block growing from its start and its deltas, kept so that it can be sent back as it came.
//!
//! Fields stay raw JSON in the order they arrived. Text that comes in pieces is joined in its escaped form and never
//! decoded for the echo; that keeps the server's own spelling, and it joins a surrogate pair cut between two events.

use super::stream::StreamError;
use crate::limits;
use crate::response::CallInput;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

pub(super) struct Block {
    pub kind: Kind,
    fields: Vec<(String, Box<RawValue>)>,
    /// What deltas have appended, escaped and without quotes.
    grown: Option<(&'static str, String)>,
    signature: Option<Box<RawValue>>,
    citations: Vec<Box<RawValue>>,
    pub is_open: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Thinking,
    ToolUse,
    /// Kept for the echo.
    Other,
}

#[derive(Deserialize)]
pub(super) struct Delta<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    thinking: Option<&'a RawValue>,
    #[serde(borrow)]
    partial_json: Option<&'a RawValue>,
    #[serde(borrow)]
    signature: Option<&'a RawValue>,
    #[serde(borrow)]
    citation: Option<&'a RawValue>,
}

/// What a call is called when it is sent back; differs from what came where that could not be sent.
pub(super) struct Names<'a> {
    pub id: &'a str,
    pub name: &'a str,
}

/// What a delta added, for watchers.
pub(super) enum Added {
    Text(String),
    Thinking(String),
    Nothing,
}

impl Block {
    pub fn start(raw: &RawValue) -> Result<Self, StreamError> {
        let malformed = || StreamError::malformed("a content block that is not an object with a type");
        let Fields(fields) = serde_json::from_str(raw.get()).map_err(|_| malformed())?;
        let mut block =
            Self { kind: Kind::Other, fields, grown: None, signature: None, citations: Vec::new(), is_open: true };
        block.kind = match block.string("type").ok_or_else(malformed)?.as_str() {
            "text" => Kind::Text,
            "thinking" | "redacted_thinking" => Kind::Thinking,
            "tool_use" => Kind::ToolUse,
            _ => Kind::Other,
        };
        // The input of a call may be anything: it is answered.
        let is_answered = |name: &str| block.kind == Kind::ToolUse && name == "input";
        let mut sent_back = block.fields.iter().filter(|(name, _)| !is_answered(name));
        if sent_back.any(|(_, raw)| is_too_deep(raw.get())) {
            return Err(StreamError::malformed("a content block that is nested too deep"));
        }
        Ok(block)
    }

    pub fn apply(&mut self, delta: &Delta<'_>) -> Result<Added, StreamError> {
        let needed = |field: Option<_>| field.ok_or(StreamError::malformed("a delta without its value"));
        match &*delta.kind {
            "text_delta" => Ok(Added::Text(self.grow("text", needed(delta.text)?)?)),
            "thinking_delta" => Ok(Added::Thinking(self.grow("thinking", needed(delta.thinking)?)?)),
            "input_json_delta" => {
                self.grow("input", needed(delta.partial_json)?)?;
                Ok(Added::Nothing)
            }
            "signature_delta" => {
                let signature = needed(delta.signature)?;
                inside_quotes(signature.get()).ok_or(StreamError::malformed("a signature that is not a string"))?;
                self.signature = Some(signature.to_owned());
                Ok(Added::Nothing)
            }
            "citations_delta" => {
                let citation = needed(delta.citation)?;
                if is_too_deep(citation.get()) {
                    return Err(StreamError::malformed("a citation that is nested too deep"));
                }
                self.citations.push(citation.to_owned());
                Ok(Added::Nothing)
            }
            _ => Ok(Added::Nothing),
        }
    }

    /// Appends a JSON string to a field; gives what was added, as far as it can be shown by itself.
    fn grow(&mut self, field: &'static str, raw: &RawValue) -> Result<String, StreamError> {
        let escaped = inside_quotes(raw.get()).ok_or(StreamError::malformed("a delta that is not a string"))?;
        let (grown_field, grown) = self.grown.take().unwrap_or_else(|| {
            // Text may stand in the start already; an input there is `{}`, which the deltas replace.
            let start = self.field(field).filter(|_| field != "input").and_then(|raw| inside_quotes(raw.get()));
            (field, start.unwrap_or_default().to_owned())
        });
        if grown_field != field {
            return Err(StreamError::malformed("one block with deltas of two kinds"));
        }
        self.grown = Some((field, grown + escaped));
        Ok(serde_json::from_str(raw.get()).unwrap_or_default())
    }

    /// The whole text of a text block.
    pub fn text(&self) -> Result<String, StreamError> {
        match &self.grown {
            Some((_, escaped)) => decode(escaped),
            None => Ok(self.string("text").unwrap_or_default()),
        }
    }

    /// A string field of the block's start, at most [`limits::NAME_CHARS`] long.
    pub fn string(&self, name: &str) -> Option<String> {
        let text: String = serde_json::from_str(self.field(name)?.get()).ok()?;
        (name == "text" || text.chars().count() <= limits::NAME_CHARS).then_some(text)
    }

    /// The beginning of an input that was cut, as the model wrote it.
    pub fn input_so_far(&self) -> String {
        self.grown.as_ref().and_then(|(_, escaped)| decode(escaped).ok()).unwrap_or_default()
    }

    pub fn input(&self) -> Result<CallInput, StreamError> {
        let text = match &self.grown {
            Some((_, escaped)) => decode(escaped)?,
            None => String::new(),
        };
        let text = if text.trim().is_empty() {
            // Everything may stand in the start; an input of nothing is an empty object.
            self.field("input").map_or("{}", RawValue::get).to_owned()
        } else {
            text
        };
        // A full parse: it also refuses what only looks like JSON, such as half a surrogate pair.
        match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&text) {
            Ok(_) if !is_too_deep(&text) => Ok(CallInput::Json(text)),
            Ok(_) | Err(_) => Ok(CallInput::Invalid(text)),
        }
    }

    /// The block as JSON, a call with these names.
    pub fn json(&self, names: Option<Names<'_>>) -> Result<String, StreamError> {
        let mut replaced: Vec<(&str, String)> = Vec::new();
        if let Some((field @ ("text" | "thinking"), escaped)) = &self.grown {
            replaced.push((field, format!("\"{escaped}\"")));
        }
        if self.kind == Kind::ToolUse || matches!(self.grown, Some(("input", _))) {
            let input = match self.input()? {
                CallInput::Json(text) => text,
                CallInput::Invalid(text) => format!("{{\"INVALID_JSON\":{}}}", serde_json::Value::from(text)),
            };
            replaced.push(("input", input));
        }
        if let Some(signature) = &self.signature {
            replaced.push(("signature", signature.get().to_owned()));
        }
        if !self.citations.is_empty() {
            replaced.push(("citations", self.all_citations()));
        }
        for (field, own) in names.iter().flat_map(|names| [("id", names.id), ("name", names.name)]) {
            // What can stay keeps the spelling it came with.
            if self.string(field).as_deref() != Some(own) {
                replaced.push((field, serde_json::Value::from(own).to_string()));
            }
        }
        let kept = self.fields.iter().map(|(name, raw)| {
            let at = replaced.iter().position(|(field, _)| field == name);
            (name.clone(), at.map_or_else(|| raw.get().to_owned(), |at| replaced.swap_remove(at).1))
        });
        let mut members: Vec<(String, String)> = kept.collect();
        members.extend(replaced.into_iter().map(|(name, json)| (name.to_owned(), json)));
        let members: Vec<_> =
            members.iter().map(|(name, json)| format!("{}:{json}", serde_json::Value::from(name.as_str()))).collect();
        Ok(format!("{{{}}}", members.join(",")))
    }

    fn all_citations(&self) -> String {
        let start = self.field("citations").and_then(|raw| serde_json::from_str::<Vec<Box<RawValue>>>(raw.get()).ok());
        let all: Vec<_> = start.iter().flatten().chain(&self.citations).map(|raw| raw.get()).collect();
        format!("[{}]", all.join(","))
    }

    fn field(&self, name: &str) -> Option<&RawValue> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, raw)| &**raw)
    }
}

/// Whether JSON that is valid is nested deeper than may go back in a request.
fn is_too_deep(json: &str) -> bool {
    let (mut depth, mut is_in_string, mut is_escaped) = (0_usize, false, false);
    for byte in json.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => is_in_string = !is_in_string,
            b'{' | b'[' if !is_in_string => depth += 1,
            b'}' | b']' if !is_in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > limits::DEPTH {
            return true;
        }
    }
    false
}

fn inside_quotes(json: &str) -> Option<&str> {
    json.strip_prefix('"')?.strip_suffix('"')
}

fn decode(escaped: &str) -> Result<String, StreamError> {
    serde_json::from_str(&format!("\"{escaped}\"")).map_err(|_| StreamError::malformed("text that is not Unicode"))
}

/// The members of a JSON object in their order, each name once.
struct Fields(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields: Vec<(String, Box<RawValue>)> = Vec::new();
                while let Some((name, raw)) = map.next_entry::<String, Box<RawValue>>()? {
                    if fields.iter().any(|(before, _)| *before == name) {
                        return Err(serde::de::Error::custom("a name stands twice"));
                    }
                    fields.push((name, raw));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Members)
    }
}
