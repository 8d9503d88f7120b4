//! Thinking: what a model lets a request ask for, and that thinking blocks come back as they were sent. The server
//! remembers nothing; signatures and `tool_use` ids carry the proof (see `seal.rs`). A message that held thinking but no
//! tool call carries no such id, so dropping its thinking goes unnoticed.

use serde_json::Value;

use super::fields::{Field, Kind, check, extra, may, need};
use super::headers::Caller;
use crate::models::{Model, Thinking};
use crate::prompt::{Prompt, array, is_thinking, thinking_hash};
use crate::refusal::{Checked, Refusal};
use crate::seal::{self, Seal};

const BUDGET_MIN: u64 = 1024;

pub(super) fn request_rules(body: &Value, model: &Model, caller: &Caller) -> Checked {
    let thinking = &body["thinking"];
    if thinking.is_null() {
        return Ok(());
    }
    let name = thinking["type"].as_str().unwrap_or("");
    let kind = Thinking::from_name(name).ok_or_else(|| {
        Refusal::invalid("thinking.type: Input should be one of 'adaptive', 'between_tools', 'disabled', 'enabled'")
    })?;
    shape(thinking, kind, caller)?;
    if !model.thinking.contains(&kind) {
        return Err(Refusal::invalid(match kind {
            Thinking::Adaptive => "adaptive thinking is not supported on this model".to_string(),
            _ => format!(
                "\"thinking.type.{name}\" is not supported for this model. Use \"thinking.type.{}\" and \
                 \"output_config.effort\" to control thinking behavior.",
                model.thinking.first().map_or("adaptive", |first| first.name())
            ),
        }));
    }
    if kind == Thinking::Enabled {
        budget(body, caller)?;
    }
    let effort = body["output_config"]["effort"].as_str().unwrap_or(model.default_effort);
    if kind == Thinking::Disabled && model.efforts_needing_thinking.contains(&effort) {
        return Err(Refusal::invalid(format!("thinking cannot be disabled with effort \"{effort}\" on this model")));
    }
    Ok(())
}

fn shape(thinking: &Value, kind: Thinking, caller: &Caller) -> Checked {
    let display = may("display", Kind::OneOf(&["summarized", "omitted", "updates"]));
    if thinking["display"] == "updates" && !caller.has_beta("thinking-display-updates-2026-08-18") {
        return Err(Refusal::invalid("thinking.display: Input should be one of 'summarized', 'omitted'"));
    }
    if thinking.get("block_binding").is_some() && !caller.has_beta("thinking-binding-controls-2026-08-01") {
        return Err(extra("thinking.block_binding"));
    }
    let binding = may("block_binding", Kind::Object);
    let fields: &[Field] = match kind {
        Thinking::Adaptive => &[need("type", Kind::Text), display, binding],
        Thinking::Enabled => {
            &[need("type", Kind::Text), need("budget_tokens", Kind::Whole(BUDGET_MIN)), display, binding]
        }
        Thinking::Disabled | Thinking::BetweenTools => &[need("type", Kind::Text)],
    };
    check("thinking", thinking, fields)
}

fn budget(body: &Value, caller: &Caller) -> Checked {
    let budget = body["thinking"]["budget_tokens"].as_u64().unwrap_or(0);
    let interleaved = caller.has_beta("interleaved-thinking-2025-05-14");
    // count_tokens has no max_tokens to compare with.
    match body["max_tokens"].as_u64() {
        Some(max_tokens) if budget >= max_tokens && !interleaved => {
            Err(Refusal::invalid("`max_tokens` must be greater than `thinking.budget_tokens`"))
        }
        _ => Ok(()),
    }
}

/// Whether this request's answer may hold thinking.
pub(crate) fn is_on(body: &Value, model: &Model) -> bool {
    match body["thinking"]["type"].as_str() {
        None => model.thinks_by_default,
        Some(kind) => kind != "disabled",
    }
}

pub(super) fn history(body: &Value, model: &Model, prompt: &Prompt) -> Checked {
    let messages = array(&body["messages"]);
    let latest = messages.iter().rposition(|message| message["role"] == "assistant");
    for (index, message) in messages.iter().enumerate().filter(|(_, message)| message["role"] == "assistant") {
        let content = array(&message["content"]);
        for (at, block) in content.iter().enumerate().filter(|(_, block)| is_thinking(block)) {
            let path = format!("messages.{index}.content.{at}");
            signature(&path, block, latest == Some(index), model, prompt)?;
        }
        if latest == Some(index) && is_on(body, model) {
            unchanged(index, content, model)?;
        }
    }
    Ok(())
}

fn signature(path: &str, block: &Value, is_latest: bool, model: &Model, prompt: &Prompt) -> Checked {
    let field = |name: &str| block[name].as_str().unwrap_or("");
    let signature = if block["type"] == "thinking" { field("signature") } else { field("data") };
    let invalid = |more: &str| Refusal::invalid(format!("{path}: Invalid `signature` in `thinking` block{more}"));
    match seal::examine(signature, model.id, prompt.before(path), field("thinking")) {
        Seal::Intact | Seal::OtherModel => Ok(()),
        Seal::OtherConversation if !model.binds_thinking => Ok(()),
        Seal::OtherConversation => Err(invalid(". The block is bound to a different conversation.")),
        Seal::OtherText if is_latest => Err(modified(path)),
        Seal::OtherText | Seal::Broken => Err(invalid("")),
    }
}

/// Each `tool_use` id says which thinking blocks stood before it in its message.
fn unchanged(index: usize, content: &[Value], model: &Model) -> Checked {
    for (at, block) in content.iter().enumerate().filter(|(_, block)| block["type"] == "tool_use") {
        let id = block["id"].as_str().unwrap_or("");
        if seal::tool_id_contradicts(id, model.id, thinking_hash(&content[..at])) {
            return Err(modified(&format!("messages.{index}")));
        }
    }
    Ok(())
}

fn modified(path: &str) -> Refusal {
    Refusal::invalid(format!(
        "{path}: `thinking` or `redacted_thinking` blocks in the latest assistant message cannot be modified. These \
         blocks must remain as they were in the original response."
    ))
}
