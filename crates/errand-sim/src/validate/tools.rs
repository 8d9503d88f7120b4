//! Tool definitions and `tool_choice`. What a conversation says about tool calls is in `conversation.rs`.

use serde_json::Value;

use super::fields::{CACHE_CONTROL, Field, Kind, check, check_with, may, need};
use crate::models::Model;
use crate::prompt::array;
use crate::refusal::{Checked, Refusal};

const CUSTOM: &[Field] = &[
    need("name", Kind::Text),
    need("input_schema", Kind::Object),
    may("description", Kind::Text),
    may("type", Kind::OneOf(&["custom"])),
    may("strict", Kind::Bool),
    may("input_examples", Kind::List),
    may("defer_loading", Kind::Bool),
    may("allowed_callers", Kind::Texts),
    may("eager_input_streaming", Kind::Bool),
    CACHE_CONTROL,
];

const BUILT_IN: &[Field] = &[
    need("type", Kind::Text),
    need("name", Kind::Text),
    may("defer_loading", Kind::Bool),
    may("allowed_callers", Kind::Texts),
    CACHE_CONTROL,
];

/// Tools with a schema of the vendor's: type, fixed name, further fields.
const BUILT_INS: &[(&str, &str, &[Field])] = &[
    ("bash_20250124", "bash", &[]),
    ("text_editor_20250124", "str_replace_editor", &[]),
    ("text_editor_20250429", "str_replace_based_edit_tool", &[]),
    ("text_editor_20250728", "str_replace_based_edit_tool", &[may("max_characters", Kind::Whole(1))]),
    ("memory_20250818", "memory", &[]),
    ("web_search_20250305", "web_search", WEB),
    ("web_search_20260209", "web_search", WEB),
    ("web_search_20260318", "web_search", WEB),
    ("web_fetch_20250910", "web_fetch", WEB),
    ("web_fetch_20260209", "web_fetch", WEB),
    ("web_fetch_20260309", "web_fetch", WEB),
    ("web_fetch_20260318", "web_fetch", WEB),
    ("code_execution_20250522", "code_execution", &[]),
    ("code_execution_20250825", "code_execution", &[]),
    ("code_execution_20260120", "code_execution", &[]),
    ("code_execution_20260521", "code_execution", &[]),
    ("tool_search_tool_bm25_20251119", "tool_search_tool_bm25", &[]),
    ("tool_search_tool_regex_20251119", "tool_search_tool_regex", &[]),
];

const WEB: &[Field] = &[
    may("max_uses", Kind::Whole(1)),
    may("allowed_domains", Kind::Texts),
    may("blocked_domains", Kind::Texts),
    may("user_location", Kind::Object),
    may("citations", Kind::Object),
    may("max_content_tokens", Kind::Whole(1)),
];

const N_STRICT_MAX: usize = 20;

pub(super) fn check_tool_name(path: &str, name: &str, n_max: usize) -> Checked {
    let fits = (1..=n_max).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    if fits {
        return Ok(());
    }
    Err(Refusal::invalid(format!("{path}: String should match pattern '^[a-zA-Z0-9_-]{{1,{n_max}}}$'")))
}

pub(super) fn check_tools(body: &Value, model: &Model) -> Checked {
    let tools = array(&body["tools"]);
    let mut names: Vec<&str> = Vec::new();
    for (index, tool) in tools.iter().enumerate() {
        let path = format!("tools.{index}");
        check_one(&path, tool)?;
        let name = tool["name"].as_str().unwrap_or("");
        if names.contains(&name) {
            return Err(
                Refusal::invalid(format!("tools: Tool names must be unique: {name}")).with_code("tool_name_conflict")
            );
        }
        names.push(name);
    }
    if !tools.is_empty() && tools.iter().all(|tool| tool["defer_loading"] == true) {
        return Err(Refusal::invalid("All tools have defer_loading: true. At least one must be visible."));
    }
    if tools.iter().filter(|tool| tool["strict"] == true).count() > N_STRICT_MAX {
        return Err(Refusal::invalid(format!("tools: at most {N_STRICT_MAX} strict tools are allowed")));
    }
    choice(body, model, &names)
}

fn check_one(path: &str, tool: &Value) -> Checked {
    let kind = tool["type"].as_str().unwrap_or("custom");
    if kind != "custom" {
        let known = BUILT_INS.iter().find(|(known, _, _)| *known == kind);
        let (_, name, more) =
            known.ok_or_else(|| Refusal::invalid(format!("{path}.type: Input tag '{kind}' is not a known tool")))?;
        check_with(path, tool, &[BUILT_IN, more])?;
        if tool["name"] != *name {
            return Err(Refusal::invalid(format!("{path}.name: Input should be '{name}'")));
        }
        return Ok(());
    }
    check(path, tool, CUSTOM)?;
    check_tool_name(&format!("{path}.name"), tool["name"].as_str().unwrap_or(""), 64)?;
    let schema = &tool["input_schema"];
    match schema["type"].as_str() {
        Some("object") => {}
        None => return Err(Refusal::invalid(format!("{path}.input_schema.type: Field required"))),
        Some(_) => return Err(Refusal::invalid(format!("{path}.input_schema.type: Input should be 'object'"))),
    }
    if tool["strict"] == true && !closed(schema) {
        return Err(Refusal::invalid(format!(
            "{path}.input_schema: strict tools need additionalProperties: false on every object"
        )));
    }
    let examples = array(&tool["input_examples"]);
    let required: Vec<&str> = array(&schema["required"]).iter().filter_map(Value::as_str).collect();
    if examples.iter().any(|example| !example.is_object() || required.iter().any(|name| example.get(name).is_none())) {
        return Err(Refusal::invalid(format!("{path}.input_examples: an example does not match the input_schema")));
    }
    Ok(())
}

fn closed(schema: &Value) -> bool {
    match schema {
        Value::Object(fields) => {
            (schema["type"] != "object" || schema["additionalProperties"] == false) && fields.values().all(closed)
        }
        Value::Array(items) => items.iter().all(closed),
        _ => true,
    }
}

fn choice(body: &Value, model: &Model, names: &[&str]) -> Checked {
    let choice = &body["tool_choice"];
    if choice.is_null() {
        return Ok(());
    }
    let serial = may("disable_parallel_tool_use", Kind::Bool);
    let kind = choice["type"].as_str().unwrap_or("");
    let fields: &[Field] = match kind {
        "tool" => &[need("type", Kind::Text), need("name", Kind::Text), serial],
        "none" => &[need("type", Kind::Text)],
        _ => &[need("type", Kind::OneOf(&["auto", "any", "tool", "none"])), serial],
    };
    check("tool_choice", choice, fields)?;
    if names.is_empty() {
        return Err(Refusal::invalid("tool_choice: may only be specified while providing tools"));
    }
    if let Some(name) = choice["name"].as_str()
        && !names.contains(&name)
    {
        return Err(Refusal::invalid(format!("tool_choice: Tool '{name}' not found in provided tools")));
    }
    if kind != "any" && kind != "tool" {
        return Ok(());
    }
    if !model.forced_tool_choice {
        return Err(Refusal::invalid(format!("tool_choice: type \"{kind}\" is not supported for this model.")));
    }
    if body["thinking"]["type"] == "enabled" {
        return Err(Refusal::invalid("Thinking may not be enabled when tool_choice forces tool use."));
    }
    Ok(())
}
