//! The shape of messages and content blocks: which types stand where, with which fields. Order and pairing of blocks
//! are in `conversation.rs`.

use serde_json::Value;

use super::fields::{CACHE_CONTROL, Field, Kind, check, extra, may, need};
use super::headers::{Caller, Version};
use super::tools::check_tool_name;
use crate::prompt::{array, canonical};
use crate::refusal::{Checked, Refusal};

/// A block of a type from the future, as `@unknown-events` sends it. It comes back whole or the request is refused.
pub(crate) const UNKNOWN_BLOCK: &str =
    r#"{"type":"future_block","note":"keep me","payload":{"zeta":1,"alpha":[true,null,"x"]}}"#;

const TYPE: Field = need("type", Kind::Text);
const TEXT: &[Field] = &[TYPE, need("text", Kind::Text), may("citations", Kind::List), CACHE_CONTROL];
const IMAGE: &[Field] = &[TYPE, need("source", Kind::Object), may("transformations", Kind::Object), CACHE_CONTROL];
const DOCUMENT: &[Field] = &[
    TYPE,
    need("source", Kind::Object),
    may("title", Kind::Text),
    may("context", Kind::Text),
    may("citations", Kind::Object),
    CACHE_CONTROL,
];
const SEARCH_RESULT: &[Field] = &[
    TYPE,
    need("source", Kind::Text),
    need("title", Kind::Text),
    need("content", Kind::List),
    may("citations", Kind::Object),
    CACHE_CONTROL,
];
const THINKING: &[Field] = &[TYPE, need("thinking", Kind::Text), need("signature", Kind::Text)];
const REDACTED: &[Field] = &[TYPE, need("data", Kind::Text)];
const TOOL_USE: &[Field] = &[
    TYPE,
    need("id", Kind::Text),
    need("name", Kind::Text),
    need("input", Kind::Object),
    may("caller", Kind::Object),
    may("toolset_name", Kind::Text),
    CACHE_CONTROL,
];
const TOOL_RESULT: &[Field] = &[
    TYPE,
    need("tool_use_id", Kind::Text),
    may("content", Kind::TextOrList),
    may("is_error", Kind::Bool),
    may("toolset_name", Kind::Text),
    CACHE_CONTROL,
];
/// The content is a list or an error object: the server's own, and not looked into.
const SERVER_RESULT: &[Field] =
    &[TYPE, need("tool_use_id", Kind::Text), need("content", Kind::Any), may("caller", Kind::Object), CACHE_CONTROL];
const FILE: &[Field] = &[TYPE, need("file_id", Kind::Text), CACHE_CONTROL];
const REFERENCE: &[Field] = &[TYPE, need("tool_name", Kind::Text), CACHE_CONTROL];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    System,
    User,
    Assistant,
    ToolResult,
}

pub(super) fn check_messages(body: &Value, caller: &Caller) -> Checked {
    let is_last = |index: usize| index + 1 == array(&body["messages"]).len();
    content("system", &body["system"], Place::System, caller)?;
    for (index, message) in array(&body["messages"]).iter().enumerate() {
        let path = format!("messages.{index}");
        let roles = Kind::OneOf(&["user", "assistant", "system"]);
        check(&path, message, &[need("role", roles), need("content", Kind::TextOrList)])?;
        let place = match message["role"].as_str() {
            Some("user") => Place::User,
            Some("assistant") => Place::Assistant,
            _ => Place::System,
        };
        let empty = message["content"] == "" || message["content"].as_array().is_some_and(Vec::is_empty);
        if empty && !(place == Place::Assistant && is_last(index)) {
            return Err(Refusal::invalid(format!(
                "{path}: all messages must have non-empty content except for the optional final assistant message"
            )));
        }
        content(&format!("{path}.content"), &message["content"], place, caller)?;
    }
    Ok(())
}

fn content(path: &str, content: &Value, place: Place, caller: &Caller) -> Checked {
    if content.as_str().is_some_and(|text| text.is_empty() && place == Place::System) {
        return Err(empty_text(path));
    }
    for (index, value) in array(content).iter().enumerate() {
        block(&format!("{path}.{index}"), value, place, caller)?;
    }
    Ok(())
}

fn empty_text(path: &str) -> Refusal {
    Refusal::invalid(format!("{path}: text content blocks must be non-empty"))
}

fn block(path: &str, block: &Value, place: Place, caller: &Caller) -> Checked {
    use Place::{Assistant, ToolResult, User};
    let kind = block["type"].as_str().ok_or_else(|| Refusal::invalid(format!("{path}.type: Field required")))?;
    let newer = caller.version == Version::Of2026;
    match (kind, place) {
        ("text", _) => text(path, block, place, newer),
        ("image", User | ToolResult) => {
            check(path, block, IMAGE)?;
            source(path, block, &["base64", "url", "file"])
        }
        ("document", User | ToolResult) => {
            check(path, block, DOCUMENT)?;
            source(path, block, &["base64", "text", "content", "url", "file"])
        }
        ("document", Assistant) if !newer => check(path, block, DOCUMENT),
        ("search_result", User | ToolResult) => check(path, block, SEARCH_RESULT),
        ("tool_reference", ToolResult) => check(path, block, REFERENCE),
        ("container_upload", User | Assistant) => check(path, block, FILE),
        ("tool_result", User) => {
            check(path, block, TOOL_RESULT)?;
            content(&format!("{path}.content"), &block["content"], ToolResult, caller)
        }
        ("thinking", Assistant) => check(path, block, THINKING),
        ("redacted_thinking", Assistant) => check(path, block, REDACTED),
        ("tool_use" | "server_tool_use", Assistant) => {
            check(path, block, TOOL_USE)?;
            check_tool_name(&format!("{path}.name"), block["name"].as_str().unwrap_or(""), 200)?;
            check_tool_name(&format!("{path}.id"), block["id"].as_str().unwrap_or(""), 200)
        }
        (
            "web_search_tool_result"
            | "web_fetch_tool_result"
            | "code_execution_tool_result"
            | "bash_code_execution_tool_result"
            | "text_editor_code_execution_tool_result"
            | "tool_search_tool_result",
            Assistant,
        ) => check(path, block, SERVER_RESULT),
        ("future_block", Assistant) => {
            let sent: Value = serde_json::from_str(UNKNOWN_BLOCK).unwrap_or_default();
            // As text, because the order of keys counts.
            let (sent, came) = (canonical(&sent).to_string(), canonical(block).to_string());
            if sent == came {
                return Ok(());
            }
            Err(Refusal::invalid(format!("{path}: the block differs from the one that was sent")))
        }
        _ => Err(Refusal::invalid(format!("{path}.type: Input tag '{kind}' is not allowed here"))),
    }
}

fn text(path: &str, block: &Value, place: Place, newer: bool) -> Checked {
    check(path, block, TEXT)?;
    let text = block["text"].as_str().unwrap_or("");
    if text.is_empty() && !block["cache_control"].is_null() {
        return Err(Refusal::invalid(format!("{path}: cache_control cannot be set for empty text blocks")));
    }
    if text.is_empty() {
        return Err(empty_text(path));
    }
    let cites = !array(&block["citations"]).is_empty();
    if cites && place != Place::Assistant && newer {
        return Err(extra(&format!("{path}.citations")));
    }
    Ok(())
}

fn source(path: &str, block: &Value, kinds: &[&str]) -> Checked {
    let source = &block["source"];
    let field = |name: &str| source[name].as_str().filter(|text| !text.is_empty()).is_some();
    let complete = match source["type"].as_str() {
        Some(kind) if !kinds.contains(&kind) => false,
        Some("base64" | "text") => field("media_type") && field("data"),
        Some("url") => field("url"),
        Some("file") => field("file_id"),
        Some("content") => source["content"].is_array() || source["content"].is_string(),
        _ => false,
    };
    let media = source["media_type"].as_str().unwrap_or("");
    let media_fits = match (block["type"].as_str(), source["type"].as_str()) {
        (Some("image"), Some("base64")) => ["image/jpeg", "image/png", "image/gif", "image/webp"].contains(&media),
        (Some("document"), Some("base64")) => media == "application/pdf",
        (Some("document"), Some("text")) => media == "text/plain",
        _ => true,
    };
    if complete && media_fits {
        return Ok(());
    }
    Err(Refusal::invalid(format!("{path}.source: Input should be a complete source of a supported type")))
}
