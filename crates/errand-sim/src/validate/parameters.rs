//! Top-level fields: which exist (by version and beta), their shape, and the limits the model sets on them.
//! Messages, tools and thinking have files of their own.

use serde_json::Value;

use super::fields::{CACHE_CONTROL, Field, Kind, check_with, extra, may, need};
use super::headers::{Caller, Version};
use super::{Endpoint, fields};
use crate::models::Model;
use crate::prompt::array;
use crate::refusal::{Checked, Refusal};

const N_MESSAGES_MAX: usize = 100_000;

/// What both endpoints take.
const PROMPT: &[Field] = &[
    need("model", Kind::Text),
    need("messages", Kind::List),
    may("system", Kind::TextOrList),
    may("tools", Kind::List),
    may("tool_choice", Kind::Object),
    may("thinking", Kind::Object),
    may("output_config", Kind::Object),
    may("speed", Kind::OneOf(&["standard", "fast"])),
    CACHE_CONTROL,
];

const MESSAGES_ONLY: &[Field] = &[
    need("max_tokens", Kind::Whole(0)),
    may("stream", Kind::Bool),
    may("stop_sequences", Kind::Texts),
    may("metadata", Kind::Fields(&[may("user_id", Kind::Text)])),
    may("service_tier", Kind::OneOf(&["auto", "standard_only"])),
    may("inference_geo", Kind::OneOf(&["global", "us"])),
    may("container", Kind::TextOrObject),
    may("diagnostics", Kind::Fields(&[may("previous_message_id", Kind::Text)])),
];

const SAMPLING: &[Field] =
    &[may("temperature", Kind::Number), may("top_p", Kind::Number), may("top_k", Kind::Whole(0))];

/// Fields that exist only under a beta header.
const BETA: &[(&str, &[&str], Field)] = &[
    (
        "context_management",
        &["context-management-2025-06-27", "compact-2026-01-12"],
        may("context_management", Kind::Object),
    ),
    ("compaction", &["compact-2026-09-04"], may("compaction", Kind::Object)),
    ("mcp_servers", &["mcp-client-2025-11-20", "mcp-client-2026-09-15"], may("mcp_servers", Kind::List)),
    ("fallbacks", &["server-side-fallback-2026-07-01"], may("fallbacks", Kind::TextOrList)),
    ("fallback_credit_token", &["fallback-credit-2026-07-01"], may("fallback_credit_token", Kind::Text)),
    ("thread", &["message-threads-2026-08-12"], may("thread", Kind::Object)),
    ("output_format", &["structured-outputs-2025-11-13"], may("output_format", Kind::Object)),
];

const FORMAT: Field =
    may("format", Kind::Fields(&[need("type", Kind::OneOf(&["json_schema"])), need("schema", Kind::Object)]));
const EFFORT: Field = may("effort", Kind::OneOf(&["low", "medium", "high", "xhigh", "max"]));
const TASK_BUDGET: Field = may(
    "task_budget",
    Kind::Fields(&[
        need("type", Kind::OneOf(&["tokens"])),
        need("total", Kind::Whole(20_000)),
        may("remaining", Kind::Whole(0)),
    ]),
);

pub(super) fn shape(endpoint: Endpoint, body: &Value, caller: &Caller) -> Checked {
    let allowed = BETA.iter().filter(|(_, betas, _)| betas.iter().any(|beta| caller.has_beta(beta)));
    let beta: Vec<Field> = allowed.map(|(_, _, field)| *field).collect();
    let sampling: &[Field] = if caller.version == Version::Of2023 { SAMPLING } else { &[] };
    match endpoint {
        Endpoint::Messages => check_with("", body, &[PROMPT, MESSAGES_ONLY, sampling, &beta])?,
        Endpoint::CountTokens => check_with("", body, &[PROMPT, &beta])?,
    }
    let config = &body["output_config"];
    if config.is_object() {
        if config.get("task_budget").is_some() && !caller.has_beta("task-budgets-2026-03-13") {
            return Err(extra("output_config.task_budget"));
        }
        fields::check("output_config", config, &[EFFORT, FORMAT, TASK_BUDGET])?;
    }
    let n_messages = array(&body["messages"]).len();
    match n_messages {
        0 => Err(Refusal::invalid("messages: at least one message is required")),
        1..=N_MESSAGES_MAX => Ok(()),
        _ => Err(Refusal::invalid(format!("messages: at most {N_MESSAGES_MAX} messages are allowed"))),
    }
}

pub(super) fn limits(endpoint: Endpoint, body: &Value, model: &Model, caller: &Caller) -> Checked {
    sampling(body, model)?;
    if let Some(effort) = body["output_config"]["effort"].as_str() {
        if model.efforts.is_empty() {
            return Err(Refusal::invalid("This model does not support the effort parameter."));
        }
        if !model.efforts.contains(&effort) {
            return Err(Refusal::invalid(format!("output_config.effort: {effort:?} is not supported for this model")));
        }
    }
    if body["speed"] == "fast" && !caller.has_beta("fast-mode-2026-02-01") {
        return Err(Refusal::invalid("speed: fast mode needs the fast-mode beta"));
    }
    if array(&body["stop_sequences"]).iter().any(|sequence| sequence.as_str().is_some_and(|s| s.trim().is_empty())) {
        return Err(Refusal::invalid("stop_sequences: each stop sequence must contain non-whitespace"));
    }
    if endpoint == Endpoint::CountTokens {
        return Ok(());
    }
    let max_tokens = body["max_tokens"].as_u64().unwrap_or(0);
    let (id, maximum) = (model.id, model.max_output_tokens);
    if max_tokens > maximum {
        return Err(Refusal::invalid(format!(
            "max_tokens: {max_tokens} > {maximum}, which is the maximum allowed number of output tokens for {id}"
        )));
    }
    if max_tokens == 0 { prewarm(body) } else { Ok(()) }
}

/// `max_tokens: 0` only warms the cache and goes with nothing that shapes an answer.
fn prewarm(body: &Value) -> Checked {
    let choice = &body["tool_choice"]["type"];
    let conflicts = [
        ("stream", body["stream"] == true),
        ("thinking.enabled", body["thinking"]["type"] == "enabled"),
        ("output_config.format", body["output_config"]["format"].is_object()),
        ("a forced tool_choice", choice == "any" || choice == "tool"),
    ];
    match conflicts.iter().find(|(_, present)| *present) {
        Some((what, _)) => Err(Refusal::invalid(format!("max_tokens: 0 cannot be combined with {what}"))),
        None => Ok(()),
    }
}

/// Under the older version, models after 4.6 take only values that change nothing.
fn sampling(body: &Value, model: &Model) -> Checked {
    let value = |name: &str| body.get(name).filter(|value| !value.is_null());
    for (name, least) in [("temperature", 0.0), ("top_p", 0.0)] {
        if value(name).and_then(Value::as_f64).is_some_and(|number| !(least..=1.0).contains(&number)) {
            return Err(Refusal::invalid(format!("{name}: Input should be between 0 and 1")));
        }
    }
    if model.free_sampling {
        return Ok(());
    }
    let temperature_bends = value("temperature").is_some_and(|number| number.as_f64() != Some(1.0));
    let top_p_bends = value("top_p").is_some_and(|number| number.as_f64().is_some_and(|p| p < 0.99));
    for (name, bends) in
        [("temperature", temperature_bends), ("top_p", top_p_bends), ("top_k", value("top_k").is_some())]
    {
        if bends {
            return Err(Refusal::invalid(format!("{name}: sampling parameters are not supported for this model")));
        }
    }
    Ok(())
}
