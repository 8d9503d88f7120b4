//! What a model answered, in words that hold for every dialect.

use crate::prices::Modifiers;
use errand_task::facts::Stop;
use errand_task::id::CallId;
use errand_task::money::Usage;

/// One complete response.
///
/// Invariant: `calls` are exactly the tool calls in `content`, in order, with different ids. So a history stays valid
/// when each of them gets one result, whatever `stop` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The endpoint's id of it.
    pub id: String,
    /// The model that answered; may differ from the one asked for.
    pub model: String,
    /// JSON array of content blocks to send back in the next request byte for byte. May be `[]`.
    pub content: String,
    /// All text blocks, for people.
    pub text: String,
    pub calls: Vec<ToolCall>,
    /// A last call that the end of the output cut. It is not in `content` and must never run.
    pub cut_call: Option<CutCall>,
    pub stop: Stop,
    /// The endpoint's own words about a refusal.
    pub stop_explanation: Option<String>,
    pub usage: Usage,
    /// The end of the answer said how much was put out. Without that the price is not known.
    pub is_usage_final: bool,
    /// What else decides the price.
    pub modifiers: Modifiers,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolCall {
    pub id: CallId,
    pub name: String,
    pub input: CallInput,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallInput {
    /// A JSON object, as the model wrote it.
    Json(String),
    /// Not a JSON object: the raw text. The call must be answered with an error.
    Invalid(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutCall {
    pub id: CallId,
    pub name: String,
    /// The beginning of a JSON text.
    pub input_so_far: String,
}

/// What a broken stream had brought. The usage is a lower bound of what may be billed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Partial {
    /// Empty when not even the start of the response arrived.
    pub model: String,
    pub usage: Usage,
    pub modifiers: Modifiers,
    pub text: String,
    pub cut_call: Option<CutCall>,
}

/// News of a running response for watchers: never stored, never needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress<'a> {
    Started,
    Text(&'a str),
    Thinking(&'a str),
    /// The model began to write a call of this tool.
    Call {
        name: &'a str,
    },
    /// All bytes of the response so far.
    Received {
        n_bytes: u64,
    },
}
