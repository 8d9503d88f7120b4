//! What the model has been shown and has said, in the shape every dialect is rendered from.
//!
//! [`Message`] refers to texts; [`Prompt`] has them all in hand. Rendering a prompt to request bytes is the dialect's
//! work and uses nothing else, so the same events give the same bytes.

use crate::facts::ModelSettings;
use crate::id::CallId;
use crate::text::Text;

/// One message of a conversation, by reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Texts of errand or of the person.
    Person { texts: Vec<Text> },
    /// The content of a response: a JSON array, byte for byte as it was received.
    Model { content: Text },
    /// One result for each call of the message before, in call order, then further texts.
    Results { results: Vec<CallResult<Text>>, notes: Vec<Text> },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallResult<T> {
    pub call: CallId,
    pub output: T,
    pub is_error: bool,
}

/// Everything one request says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    pub settings: ModelSettings,
    pub system: String,
    /// Tool definitions, a JSON array of `{name, description, input_schema}`.
    pub tools: String,
    pub messages: Vec<PromptMessage>,
}

/// [`Message`] with its texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PromptMessage {
    Person { texts: Vec<String> },
    Model { content: String },
    Results { results: Vec<CallResult<String>>, notes: Vec<String> },
}
