//! The order of things: who speaks first and last, where system messages stand, and that every tool call is followed
//! by exactly its results, first thing in the next message. Signatures are in `thinking.rs`.

use serde_json::Value;

use crate::models::Model;
use crate::prompt::{array, blocks};
use crate::refusal::{Checked, Refusal};

pub(super) fn check_order(body: &Value, model: &Model) -> Checked {
    let messages = array(&body["messages"]);
    if messages.first().is_some_and(|first| first["role"] != "user") {
        return Err(Refusal::invalid("messages: first message must use the \"user\" role"));
    }
    system_messages(messages, model)?;
    tool_calls(messages)?;
    server_calls(messages)?;
    let mentions_tools = messages
        .iter()
        .flat_map(|message| array(&message["content"]))
        .any(|b| b["type"] == "tool_use" || b["type"] == "tool_result");
    if mentions_tools && array(&body["tools"]).is_empty() {
        return Err(Refusal::invalid("Requests which include `tool_use` or `tool_result` blocks must define tools."));
    }
    last_message(messages, model)
}

fn last_message(messages: &[Value], model: &Model) -> Checked {
    let Some(last) = messages.last().filter(|last| last["role"] == "assistant") else { return Ok(()) };
    let last_block = blocks(&last["content"]).pop().unwrap_or_default();
    if ends_in_server_tool(&last_block) {
        return Ok(());
    }
    if !model.prefill {
        return Err(Refusal::invalid(
            "This model does not support assistant message prefill. The conversation must end with a user message.",
        ));
    }
    let text = last_block["text"].as_str().unwrap_or("");
    if text.ends_with(char::is_whitespace) {
        return Err(Refusal::invalid("messages: final assistant content cannot end with trailing whitespace"));
    }
    Ok(())
}

/// A paused turn: it is continued by sending it back as it is.
fn ends_in_server_tool(block: &Value) -> bool {
    let kind = block["type"].as_str().unwrap_or("");
    kind == "server_tool_use" || (kind.ends_with("_tool_result") && kind != "tool_result")
}

fn system_messages(messages: &[Value], model: &Model) -> Checked {
    let is_system = |index: &usize| messages[*index]["role"] == "system";
    for index in (0..messages.len()).filter(is_system) {
        let refuse = |why: &str| Err(Refusal::invalid(format!("messages.{index}: role \"system\" {why}")));
        if !model.system_role {
            return refuse("is not supported for this model");
        }
        let before = index.checked_sub(1).and_then(|at| messages.get(at));
        let follows_well = before.is_some_and(|before| {
            let last = blocks(&before["content"]).pop().unwrap_or_default();
            before["role"] == "user" || (before["role"] == "assistant" && ends_in_server_tool(&last))
        });
        if !follows_well {
            return refuse("must follow a user message");
        }
        if messages.get(index + 1).is_some_and(|after| after["role"] != "assistant") {
            return refuse("must be last or be followed by an assistant message");
        }
    }
    Ok(())
}

fn tool_calls(messages: &[Value]) -> Checked {
    let mut seen: Vec<&str> = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let content = array(&message["content"]);
        let results: Vec<&str> = ids(content, "tool_result", "tool_use_id");
        let open: Vec<&str> = match index.checked_sub(1).map(|before| &messages[before]) {
            Some(before) if before["role"] == "assistant" => ids(array(&before["content"]), "tool_use", "id"),
            _ => Vec::new(),
        };
        if let Some(missing) = open.iter().find(|id| !results.contains(id)) {
            return Err(missing_result(index - 1, missing));
        }
        let n_leading = content.iter().take_while(|block| block["type"] == "tool_result").count();
        if let (Some(id), true) = (open.first(), n_leading < results.len()) {
            return Err(missing_result(index - 1, id));
        }
        for (at, id) in results.iter().enumerate() {
            if !open.contains(id) {
                return Err(Refusal::invalid(format!(
                    "messages.{index}.content.{at}: unexpected `tool_use_id` found in `tool_result` blocks: {id}. Each \
                     `tool_result` block must have a corresponding `tool_use` block in the previous message."
                )));
            }
            if results[..at].contains(id) {
                return Err(Refusal::invalid(format!(
                    "messages.{index}.content.{at}: each tool_use must have a single result. Found multiple \
                     `tool_result` blocks with id: {id}"
                )));
            }
        }
        for id in ids(content, "tool_use", "id") {
            if seen.contains(&id) {
                return Err(Refusal::invalid(format!("messages.{index}: `tool_use` ids must be unique: {id}")));
            }
            seen.push(id);
        }
    }
    match messages.last().map(|last| ids(array(&last["content"]), "tool_use", "id")) {
        Some(open) if !open.is_empty() => Err(missing_result(messages.len() - 1, open[0])),
        _ => Ok(()),
    }
}

fn missing_result(index: usize, id: &str) -> Refusal {
    Refusal::invalid(format!(
        "messages.{index}: `tool_use` ids were found without `tool_result` blocks immediately after: {id}. Each \
         `tool_use` block must have a corresponding `tool_result` block in the next message."
    ))
}

/// A server tool call is resolved in the same run of assistant messages, unless the run is the last thing said or only
/// tool results follow it.
fn server_calls(messages: &[Value]) -> Checked {
    let mut open: Vec<(usize, &Value)> = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let content = array(&message["content"]);
        let only_results = !content.is_empty() && content.iter().all(|block| block["type"] == "tool_result");
        if message["role"] != "assistant" && !only_results && !open.is_empty() {
            break;
        }
        for block in content {
            if block["type"] == "server_tool_use" {
                open.push((index, block));
            } else if block["type"].as_str().is_some_and(|kind| kind.ends_with("_tool_result")) {
                open.retain(|(_, call)| call["id"] != block["tool_use_id"]);
            }
        }
        if index + 1 == messages.len() {
            return Ok(());
        }
    }
    match open.first() {
        None => Ok(()),
        Some((index, call)) => {
            let (name, id) = (call["name"].as_str().unwrap_or(""), call["id"].as_str().unwrap_or(""));
            Err(Refusal::invalid(format!(
                "messages.{index}: `{name}` tool use with id `{id}` was found without a corresponding \
                 `{name}_tool_result` block"
            )))
        }
    }
}

fn ids<'a>(content: &'a [Value], kind: &str, field: &str) -> Vec<&'a str> {
    content.iter().filter(|block| block["type"] == kind).filter_map(|block| block[field].as_str()).collect()
}
