//! What the vendor refuses, refused here in the same order and shape: headers, then JSON shape, then the model's own
//! rules, then the conversation. Each subject is a file below; this one only puts them in order.
//! Messages follow the vendor's wording where it is documented, but clients should look at status and type only.

mod blocks;
mod caching;
mod conversation;
mod fields;
mod headers;
mod parameters;
mod thinking;
mod tools;

use serde_json::Value;

use crate::models::Model;
use crate::prompt::Prompt;
use crate::refusal::{Checked, Refusal};

pub(crate) use blocks::UNKNOWN_BLOCK;
pub(crate) use headers::{Caller, Carries, caller};
pub(crate) use thinking::is_on as thinking_is_on;

/// A request that passed everything.
#[derive(Debug)]
pub(crate) struct Request {
    pub body: Value,
    pub model: &'static Model,
    pub prompt: Prompt,
    pub caller: Caller,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Messages,
    CountTokens,
}

pub(crate) fn request(endpoint: Endpoint, caller: Caller, bytes: &[u8]) -> Checked<Request> {
    let body: Value = serde_json::from_slice(bytes)
        .map_err(|error| Refusal::invalid(format!("The request body is not valid JSON: {error}")))?;
    parameters::shape(endpoint, &body, &caller)?;
    let name = body["model"].as_str().unwrap_or("");
    let model = Model::find(name).ok_or_else(|| Refusal::not_found(format!("model: {name}")))?;
    parameters::limits(endpoint, &body, model, &caller)?;
    tools::check_tools(&body, model)?;
    blocks::check_messages(&body, &caller)?;
    conversation::check_order(&body, model)?;
    let prompt = Prompt::of(&body);
    thinking::request_rules(&body, model, &caller)?;
    thinking::history(&body, model, &prompt)?;
    caching::check_marks(&body, &prompt)?;
    let n_tokens = model.tokens(prompt.n_bytes());
    if n_tokens > model.context_tokens {
        let maximum = model.context_tokens;
        return Err(Refusal::invalid(format!("prompt is too long: {n_tokens} tokens > {maximum} maximum")));
    }
    Ok(Request { body, model, prompt, caller })
}

impl Request {
    pub fn streams(&self) -> bool {
        self.body["stream"] == true
    }

    pub fn n_tokens(&self) -> u64 {
        self.model.tokens(self.prompt.n_bytes())
    }
}
