//! Headers, endpoints and parameters: for each rule a request that is refused and one that is not.

use errand_sim::{ApiKeys, Script, Scripts, Sim, SimOptions};
use serde_json::{Value, json};

use crate::client::{HEADERS, MODEL, get, hello, post, post_to, post_with, sim, tool, with};

const OK: &str = "=== hi\nhi\n";

async fn check(cases: Vec<(Value, u16)>) {
    let sim = sim(OK);
    for (fields, status) in cases {
        let got = post(&sim, &with(hello(), fields.clone())).await;
        assert_eq!(got.status, status, "{fields} → {}", got.text());
        if status != 200 {
            let kind = if status == 404 { "not_found_error" } else { "invalid_request_error" };
            assert_eq!(got.error().1, kind, "{fields}");
        }
    }
}

#[tokio::test]
async fn headers() {
    let options = SimOptions {
        api_keys: ApiKeys::Only(vec!["key-1".into()]),
        ..SimOptions::with(Scripts::of(Script::parse(OK).unwrap()))
    };
    let sim = Sim::start(options).unwrap();
    let [key, version, json] = HEADERS;
    let bearer = ("authorization", "Bearer key-1");
    let cases = [
        (vec![key, version, json], 200, ""),
        (vec![bearer, version, json], 200, ""),
        (vec![key, ("anthropic-version", "2023-06-01"), json], 200, ""),
        (vec![key, version, ("content-type", "application/json; charset=utf-8")], 200, ""),
        (vec![key, version, json, ("anthropic-beta", "task-budgets-2026-03-13, compact-2026-01-12")], 200, ""),
        (vec![version, json], 401, "authentication_error"),
        (vec![("x-api-key", "wrong"), version, json], 401, "authentication_error"),
        (vec![key, json], 400, "invalid_request_error"),
        (vec![key, ("anthropic-version", "2031-01-01"), json], 400, "invalid_request_error"),
        (vec![key, version, json, ("anthropic-beta", "made-up-2026-01-01")], 400, "invalid_request_error"),
        (vec![key, version, ("content-type", "text/plain")], 400, "invalid_request_error"),
    ];
    for (headers, status, kind) in cases {
        let got =
            post_to(format!("{}/v1/messages", sim.base_url()), &headers, hello().to_string().into()).await.unwrap();
        let found = got.json()["error"]["type"].as_str().unwrap_or("").to_string();
        assert_eq!((got.status, found.as_str()), (status, kind), "{headers:?}");
        let id = got.headers["request-id"].to_str().unwrap().to_string();
        assert!(id.starts_with("req_01") && id.len() == 28, "{id}");
        assert!(got.headers.contains_key("anthropic-ratelimit-input-tokens-remaining"));
        if status != 200 {
            assert_eq!(got.json()["request_id"], id);
        }
    }
}

#[tokio::test]
async fn body_and_top_level_fields() {
    check(vec![
        (json!({}), 200),
        (json!({"surprise": 1}), 400),
        (json!({"metadata": {"user_id": "u"}}), 200),
        (json!({"metadata": {"user": "u"}}), 400),
        (json!({"model": null}), 400),
        (json!({"model": "claude-nope-1"}), 404),
        (json!({"messages": null}), 400),
        (json!({"messages": []}), 400),
        (json!({"stream": "yes"}), 400),
        (json!({"service_tier": "auto"}), 200),
        (json!({"service_tier": "gold"}), 400),
        (json!({"stop_sequences": ["END"]}), 200),
        (json!({"stop_sequences": [" \n"]}), 400),
        (json!({"diagnostics": {"previous_message_id": null}}), 200),
        (json!({"system": [{"type": "text", "text": "x"}]}), 200),
        (json!({"system": [{"type": "text", "text": ""}]}), 400),
        (json!({"system": [{"type": "image", "source": {}}]}), 400),
        (json!({"max_tokens": null}), 400),
        (json!({"max_tokens": -1}), 400),
        (json!({"max_tokens": 128_000}), 200),
        (json!({"max_tokens": 128_001}), 400),
        (json!({"model": "claude-haiku-4-5", "max_tokens": 64_001}), 400),
        (json!({"temperature": 1.0}), 400),
        (json!({"top_k": 5}), 400),
        (json!({"speed": "fast"}), 400),
        (json!({"context_management": {"edits": []}}), 400),
    ])
    .await;
    let sim = sim(OK);
    let url = format!("{}/v1/messages", sim.base_url());
    let got = post_to(url.clone(), &HEADERS, b"{\"model\":".to_vec()).await.unwrap();
    assert_eq!((got.status, got.error().1.as_str()), (400, "invalid_request_error"));
    let got = post_to(url, &HEADERS, vec![b' '; 32 * 1024 * 1024 + 1]).await.unwrap();
    assert_eq!((got.status, got.error().1.as_str()), (413, "request_too_large"));
}

#[tokio::test]
async fn beta_fields_need_their_header() {
    let sim = sim(OK);
    let cases = [
        (json!({"context_management": {"edits": []}}), "context-management-2025-06-27"),
        (json!({"output_config": {"task_budget": {"type": "tokens", "total": 20_000}}}), "task-budgets-2026-03-13"),
        (json!({"speed": "fast"}), "fast-mode-2026-02-01"),
    ];
    for (fields, beta) in cases {
        let body = with(hello(), fields);
        assert_eq!(post(&sim, &body).await.status, 400, "{beta}");
        assert_eq!(post_with(&sim, &[("anthropic-beta", beta)], &body).await.status, 200, "{beta}");
    }
}

#[tokio::test]
async fn sampling_under_the_older_version() {
    let sim = sim(OK);
    let old = [("x-api-key", "k"), ("anthropic-version", "2023-06-01"), ("content-type", "application/json")];
    let cases = [
        (json!({"temperature": 1.0}), 200),
        (json!({"temperature": 0.2}), 400),
        (json!({"top_p": 0.99}), 200),
        (json!({"top_p": 0.5}), 400),
        (json!({"top_k": 5}), 400),
        (json!({"model": "claude-sonnet-4-6", "temperature": 0.2, "top_k": 5}), 200),
        (json!({"model": "claude-sonnet-4-6", "temperature": 1.2}), 400),
    ];
    for (fields, status) in cases {
        let body = with(hello(), fields.clone()).to_string().into_bytes();
        let got = post_to(format!("{}/v1/messages", sim.base_url()), &old, body).await.unwrap();
        assert_eq!(got.status, status, "{fields} → {}", got.text());
    }
}

#[tokio::test]
async fn effort_and_thinking_by_model() {
    let case = |model: &str, fields: Value, status: u16| (with(fields, json!({"model": model})), status);
    let thinking = |kind: &str| json!({"thinking": {"type": kind}});
    let effort = |effort: &str| json!({"output_config": {"effort": effort}});
    let budget = |budget: u64, max_tokens: u64| json!({"max_tokens": max_tokens, "thinking": {"type": "enabled", "budget_tokens": budget}});
    check(vec![
        case(MODEL, thinking("adaptive"), 200),
        case(MODEL, json!({"thinking": {"type": "adaptive", "display": "summarized"}}), 200),
        case(MODEL, json!({"thinking": {"type": "adaptive", "display": "loud"}}), 400),
        case(MODEL, json!({"thinking": {"type": "adaptive", "budget_tokens": 2000}}), 400),
        case(MODEL, thinking("between_tools"), 200),
        case(MODEL, thinking("disabled"), 400),
        case(MODEL, thinking("sometimes"), 400),
        case(MODEL, budget(1024, 2000), 400),
        case("claude-opus-5-5", thinking("between_tools"), 400),
        case("claude-opus-5-5", thinking("disabled"), 400),
        case("claude-haiku-5-5", thinking("disabled"), 200),
        case("claude-opus-5", thinking("disabled"), 200),
        case("claude-opus-5", json!({"thinking": {"type": "disabled"}, "output_config": {"effort": "max"}}), 400),
        case("claude-haiku-4-5", thinking("adaptive"), 400),
        case("claude-haiku-4-5", budget(1024, 2000), 200),
        case("claude-haiku-4-5", budget(1023, 2000), 400),
        case("claude-haiku-4-5", budget(2000, 2000), 400),
        case("claude-sonnet-4-6", budget(1024, 2000), 200),
        case("claude-haiku-4-5", effort("low"), 400),
        case("claude-opus-4-5", effort("high"), 200),
        case("claude-opus-4-5", effort("xhigh"), 400),
        case("claude-sonnet-4-6", effort("max"), 200),
        case("claude-sonnet-4-6", effort("xhigh"), 400),
        case(MODEL, effort("xhigh"), 200),
        case(MODEL, effort("enormous"), 400),
        case(MODEL, json!({"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}}), 200),
        case(MODEL, json!({"output_config": {"format": {"type": "xml", "schema": {}}}}), 400),
    ])
    .await;
}

#[tokio::test]
async fn tools() {
    let tools = |tools: Value| json!({"tools": tools});
    let custom = |fields: Value| json!({"tools": [with(tool("t"), fields)]});
    let choice = |choice: Value| json!({"tool_choice": choice});
    let haiku = |choice: Value| json!({"tool_choice": choice, "model": "claude-haiku-5-5"});
    let strict = |closed: Value| custom(json!({"strict": true, "input_schema": closed}));
    check(vec![
        (tools(json!([tool("a-Z_9")])), 200),
        (tools(json!([tool("a b")])), 400),
        (tools(json!([tool("")])), 400),
        (tools(json!([tool(&"x".repeat(65))])), 400),
        (tools(json!([tool("a"), tool("a")])), 400),
        (custom(json!({"input_schema": null})), 400),
        (custom(json!({"input_schema": {"type": "array"}})), 400),
        (custom(json!({"input_schema": {}})), 400),
        (custom(json!({"colour": "red"})), 400),
        (custom(json!({"type": "custom", "defer_loading": false})), 200),
        (custom(json!({"defer_loading": true})), 400),
        (tools(json!([tool("a"), with(tool("b"), json!({"defer_loading": true}))])), 200),
        (strict(json!({"type": "object", "additionalProperties": false})), 200),
        (strict(json!({"type": "object"})), 400),
        (custom(json!({"input_examples": [{"a": 1}]})), 200),
        (custom(json!({"input_examples": ["a"]})), 400),
        (tools(json!([{"type": "bash_20250124", "name": "bash"}])), 200),
        (tools(json!([{"type": "bash_20250124", "name": "shell"}])), 400),
        (tools(json!([{"type": "bash_20990101", "name": "bash"}])), 400),
        (
            tools(
                json!([{"type": "text_editor_20250728", "name": "str_replace_based_edit_tool", "max_characters": 9}]),
            ),
            200,
        ),
        (choice(json!({"type": "auto", "disable_parallel_tool_use": true})), 200),
        (choice(json!({"type": "none"})), 200),
        (choice(json!({"type": "sometimes"})), 400),
        (choice(json!({"type": "any"})), 400),
        (haiku(json!({"type": "any"})), 200),
        (haiku(json!({"type": "tool", "name": "bash"})), 200),
        (haiku(json!({"type": "tool", "name": "absent"})), 400),
        (json!({"tools": null, "tool_choice": {"type": "auto"}}), 400),
        (
            json!({"model": "claude-haiku-4-5", "max_tokens": 3000, "tool_choice": {"type": "any"},
                "thinking": {"type": "enabled", "budget_tokens": 2000}}),
            400,
        ),
    ])
    .await;
    let sim = sim(OK);
    let got = post(&sim, &with(hello(), tools(json!([tool("a"), tool("a")])))).await;
    assert_eq!(got.json()["error"]["details"], json!({"error_code": "tool_name_conflict"}));
}

#[tokio::test]
async fn cache_marks() {
    let mark = |ttl: &str| json!({"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": ttl}});
    let marks = |ttls: &[&str]| json!({"system": ttls.iter().map(|ttl| mark(ttl)).collect::<Vec<_>>()});
    let auto =
        |ttl: &str, ttls: &[&str]| with(marks(ttls), json!({"cache_control": {"type": "ephemeral", "ttl": ttl}}));
    let user = |block: Value| json!({"messages": [{"role": "user", "content": [block]}]});
    check(vec![
        (marks(&["1h", "1h", "5m", "5m"]), 200),
        (marks(&["5m", "5m", "5m", "5m", "5m"]), 400),
        (marks(&["5m", "1h"]), 400),
        (marks(&["2h"]), 400),
        (auto("5m", &["5m", "5m", "5m"]), 200),
        (auto("5m", &["5m", "5m", "5m", "5m"]), 400),
        (auto("1h", &["5m"]), 400),
        (with(user(mark("5m")), json!({"cache_control": {"type": "ephemeral", "ttl": "5m"}})), 200),
        (with(user(mark("5m")), json!({"cache_control": {"type": "ephemeral", "ttl": "1h"}})), 400),
        (user(json!({"type": "text", "text": "", "cache_control": {"type": "ephemeral"}})), 400),
        (user(json!({"type": "text", "text": "x", "cache_control": {"type": "forever"}})), 400),
    ])
    .await;
}

#[tokio::test]
async fn warming_the_cache() {
    let zero = |more: Value| with(json!({"max_tokens": 0}), more);
    let haiku = |more: Value| zero(with(json!({"model": "claude-haiku-4-5"}), more));
    check(vec![
        (zero(json!({})), 200),
        (zero(json!({"stream": true})), 400),
        (haiku(json!({"tool_choice": {"type": "any"}})), 400),
        (haiku(json!({"thinking": {"type": "enabled", "budget_tokens": 1024}})), 400),
        (zero(json!({"output_config": {"format": {"type": "json_schema", "schema": {}}}})), 400),
    ])
    .await;
    let sim = sim(OK);
    let message = post(&sim, &with(hello(), zero(json!({})))).await.json();
    let said = (&message["content"], &message["stop_reason"], &message["usage"]["output_tokens"]);
    assert_eq!(said, (&json!([]), &json!("max_tokens"), &json!(0)));
}

#[tokio::test]
async fn other_endpoints() {
    let sim = sim(OK);
    let count = format!("{}/v1/messages/count_tokens", sim.base_url());
    let body = with(hello(), json!({"max_tokens": null}));
    let got = post_to(count.clone(), &HEADERS, body.to_string().into()).await.unwrap();
    let n_tokens = post(&sim, &hello()).await.json()["usage"]["input_tokens"].clone();
    assert_eq!(got.json(), json!({"input_tokens": n_tokens}));
    let got = post_to(count, &HEADERS, hello().to_string().into()).await.unwrap();
    assert_eq!(got.status, 400, "count_tokens takes no max_tokens");

    for path in ["/", "/v1/complete", "/v1/messages/x", "/v2/messages"] {
        assert_eq!(get(&sim, path).await.error().1, "not_found_error", "{path}");
    }
    let got =
        post_to(format!("{}/nope/v1/messages", sim.base_url()), &HEADERS, hello().to_string().into()).await.unwrap();
    assert_eq!(got.error(), (404, "not_found_error".into(), "no script named \"nope\"".into()));
}

#[tokio::test]
async fn models() {
    let sim = sim(OK);
    let ids = |page: &Value| -> Vec<String> {
        page["data"].as_array().unwrap().iter().map(|m| m["id"].as_str().unwrap().to_string()).collect()
    };
    let first = get(&sim, "/v1/models?limit=3").await.json();
    let second = get(&sim, &format!("/label/v1/models?limit=3&after_id={}", ids(&first)[2])).await.json();
    let back = get(&sim, &format!("/v1/models?limit=3&before_id={}", ids(&second)[0])).await.json();
    assert_eq!(ids(&first), ["claude-fable-5-2", "claude-mythos-5-2", "claude-haiku-5-5"]);
    assert_eq!(ids(&second), ["claude-sonnet-5-5", "claude-opus-5-5", "claude-fable-5-1"]);
    assert_eq!((first["has_more"].clone(), ids(&back)), (json!(true), ids(&first)));
    assert_eq!(ids(&get(&sim, "/v1/models?lifecycle=deprecated").await.json()), ["claude-sonnet-4-5-20250929"]);
    for bad in ["limit=0", "limit=x", "lifecycle=new", "after_id=nope", "page=2"] {
        assert_eq!(get(&sim, &format!("/v1/models?{bad}")).await.status, 400, "{bad}");
    }
    let model = get(&sim, "/v1/models/claude-haiku-4-5").await.json();
    assert_eq!(model["id"], "claude-haiku-4-5-20251001");
    assert_eq!(
        model["capabilities"]["thinking"]["types"],
        json!({"adaptive": {"supported": false}, "between_tools": {"supported": false},
            "disabled": {"supported": true}, "enabled": {"supported": true}})
    );
    assert_eq!(get(&sim, "/v1/models/claude-nope").await.status, 404);
}
