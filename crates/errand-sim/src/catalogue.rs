//! `GET /v1/models` and `/v1/models/{id}`: the capability table in the vendor's shape, with its paging. Read only.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use crate::models::{MODELS, Model, Thinking};
use crate::refusal::{Checked, Refusal};

pub(crate) fn one(id: &str) -> Checked<Value> {
    Model::find(id).map(model_info).ok_or_else(|| Refusal::not_found(format!("model: {id}")))
}

pub(crate) fn list(query: &HashMap<String, String>) -> Checked<Value> {
    for key in query.keys() {
        if !["limit", "after_id", "before_id", "lifecycle"].contains(&key.as_str()) {
            return Err(Refusal::invalid(format!("{key}: Extra inputs are not permitted")));
        }
    }
    let limit = match query.get("limit") {
        None => 20,
        Some(text) => text
            .parse::<usize>()
            .ok()
            .filter(|limit| (1..=1000).contains(limit))
            .ok_or_else(|| Refusal::invalid("limit: Input should be between 1 and 1000"))?,
    };
    let lifecycle = query.get("lifecycle").map(String::as_str);
    if lifecycle.is_some_and(|wanted| !["active", "deprecated", "retired"].contains(&wanted)) {
        return Err(Refusal::invalid("lifecycle: Input should be 'active', 'deprecated' or 'retired'"));
    }
    let all: Vec<&Model> = MODELS.iter().filter(|model| lifecycle.is_none_or(|l| l == model.lifecycle)).collect();
    let position = |id: &String| {
        all.iter().position(|model| model.id == id).ok_or_else(|| Refusal::invalid(format!("unknown model id {id}")))
    };
    let (page, has_more) = match (query.get("after_id"), query.get("before_id")) {
        (Some(_), Some(_)) => return Err(Refusal::invalid("only one of after_id and before_id may be given")),
        (None, Some(id)) => {
            let end = position(id)?;
            let start = end.saturating_sub(limit);
            (&all[start..end], start > 0)
        }
        (after, None) => {
            let start = after.map(position).transpose()?.map_or(0, |at| at + 1);
            let end = (start + limit).min(all.len());
            (&all[start..end], end < all.len())
        }
    };
    Ok(json!({
        "data": page.iter().map(|model| model_info(model)).collect::<Vec<_>>(),
        "has_more": has_more,
        "first_id": page.first().map(|model| model.id),
        "last_id": page.last().map(|model| model.id),
    }))
}

fn model_info(model: &Model) -> Value {
    let yes = json!({"supported": true});
    json!({
        "type": "model",
        "id": model.id,
        "display_name": model.display_name,
        "created_at": model.created_at,
        "lifecycle": model.lifecycle,
        "deprecated_at": (model.lifecycle != "active").then_some(model.created_at),
        "retires_at": model.retires_at,
        "line": model.line,
        "max_input_tokens": model.context_tokens,
        "max_tokens": model.max_output_tokens,
        "capabilities": {
            "batch": yes,
            "citations": yes,
            "code_execution": yes,
            "context_management": {
                "supported": true,
                "clear_thinking_20251015": yes,
                "clear_tool_uses_20250919": yes,
                "compact_20260112": {"supported": model.compaction},
            },
            "effort": supported_set(
                !model.efforts.is_empty(),
                ["low", "medium", "high", "xhigh", "max"].map(|effort| (effort, model.efforts.contains(&effort))),
            ),
            "image_input": yes,
            "pdf_input": yes,
            "server_tools": {"supported": true, "web_search": yes, "code_execution": yes},
            "structured_outputs": yes,
            "thinking": {
                "supported": true,
                "types": Thinking::ALL
                    .map(|kind| (kind.name().to_string(), json!({"supported": model.thinking.contains(&kind)})))
                    .into_iter()
                    .collect::<Map<_, _>>(),
            },
        },
    })
}

fn supported_set(supported: bool, members: [(&str, bool); 5]) -> Value {
    let mut object = Map::from_iter([("supported".to_string(), Value::Bool(supported))]);
    object.extend(members.map(|(name, supported)| (name.to_string(), json!({"supported": supported}))));
    Value::Object(object)
}
