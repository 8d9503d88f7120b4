//! The figures in `usage`: prompt sizes by model and what the simulated cache reads and writes.

use std::time::Duration;

use errand_sim::Sim;
use serde_json::{Value, json};

use crate::client::{hello, post, post_to, sim, with};

const SCRIPT: &str = "=== any\nok\n@repeat\n";

/// Uncached, read, written for 5 minutes, written for an hour.
async fn usage(sim: &Sim, body: &Value) -> [u64; 4] {
    let usage = post(sim, body).await.json()["usage"].clone();
    let figure = |value: &Value| value.as_u64().unwrap();
    let written = &usage["cache_creation"];
    let [five, hour] = [figure(&written["ephemeral_5m_input_tokens"]), figure(&written["ephemeral_1h_input_tokens"])];
    assert_eq!(figure(&usage["cache_creation_input_tokens"]), five + hour);
    [figure(&usage["input_tokens"]), figure(&usage["cache_read_input_tokens"]), five, hour]
}

fn text(bytes: usize, ttl: Option<&str>) -> Value {
    let mut block = json!({"type": "text", "text": "x".repeat(bytes)});
    if let Some(ttl) = ttl {
        block["cache_control"] = json!({"type": "ephemeral", "ttl": ttl});
    }
    block
}

/// No tools; a system block marked for an hour and a user block marked for five minutes.
fn marked(system_bytes: usize, user_bytes: usize) -> Value {
    with(
        hello(),
        json!({"tools": null, "system": [text(system_bytes, Some("1h"))],
            "messages": [{"role": "user", "content": [text(user_bytes, Some("5m"))]}]}),
    )
}

#[tokio::test]
async fn tokens_are_bytes_over_three_and_a_half() {
    let sim = sim(SCRIPT);
    // A text block of n bytes is n + 25 bytes of canonical JSON, the system block of hello() 34.
    let body = with(
        hello(),
        json!({"tools": null, "system": null, "messages": [{"role": "user", "content": "x".repeat(3475)}]}),
    );
    assert_eq!(usage(&sim, &with(body.clone(), json!({"model": "claude-haiku-4-5"}))).await, [1000, 0, 0, 0]);
    assert_eq!(usage(&sim, &body).await, [1300, 0, 0, 0]);
}

#[tokio::test]
async fn writing_reading_and_expiring() {
    let sim = sim(SCRIPT);
    let body = marked(3475, 6975);
    assert_eq!(usage(&sim, &body).await, [0, 0, 2600, 1300]);
    assert_eq!(usage(&sim, &body).await, [0, 3900, 0, 0]);
    // Reading renewed the entry; four minutes later it is still there.
    sim.advance_clock(Duration::from_secs(240));
    assert_eq!(usage(&sim, &body).await, [0, 3900, 0, 0]);
    sim.advance_clock(Duration::from_secs(301));
    assert_eq!(usage(&sim, &body).await, [0, 1300, 2600, 0]);
    sim.advance_clock(Duration::from_secs(3601));
    assert_eq!(usage(&sim, &body).await, [0, 0, 2600, 1300]);
}

#[tokio::test]
async fn what_is_shared_and_what_is_not() {
    let sim = sim(SCRIPT);
    let body = marked(3475, 6975);
    usage(&sim, &body).await;
    let other_question = with(body.clone(), json!({"messages": [{"role": "user", "content": "hm"}]}));
    assert_eq!(usage(&sim, &other_question).await[1], 1300, "the system part is shared");
    assert_eq!(usage(&sim, &with(body.clone(), json!({"output_config": {"effort": "low"}}))).await[1], 1300);
    assert_eq!(
        usage(&sim, &with(body.clone(), json!({"output_config": {"effort": "high"}}))).await[1],
        3900,
        "the default"
    );
    assert_eq!(usage(&sim, &with(body.clone(), json!({"model": "claude-opus-5-5"}))).await[1], 0, "another model");
    let headers = [("x-api-key", "key-2"), ("anthropic-version", "2026-10-21"), ("content-type", "application/json")];
    let got = post_to(format!("{}/v1/messages", sim.base_url()), &headers, body.to_string().into()).await.unwrap();
    assert_eq!(got.json()["usage"]["cache_read_input_tokens"], 0, "another key");
}

#[tokio::test]
async fn too_short_a_prefix_is_not_cached() {
    let sim = sim(SCRIPT);
    let short = marked(1000, 100);
    assert_eq!(usage(&sim, &short).await, usage(&sim, &short).await);
    assert_eq!(usage(&sim, &short).await[1..], [0, 0, 0]);
}

#[tokio::test]
async fn looking_back_twenty_positions() {
    let sim = sim(SCRIPT);
    let body = |n_more: usize| {
        let mut content = vec![text(6975, None)];
        content.extend((0..n_more).map(|_| text(10, None)));
        content.last_mut().unwrap()["cache_control"] = json!({"type": "ephemeral"});
        with(hello(), json!({"tools": null, "system": null, "messages": [{"role": "user", "content": content}]}))
    };
    assert_eq!(usage(&sim, &body(0)).await, [0, 0, 2600, 0]);
    assert_eq!(usage(&sim, &body(20)).await[1], 0, "the entry lies one too far back");
    let sim = crate::client::sim(SCRIPT);
    usage(&sim, &body(0)).await;
    assert_eq!(usage(&sim, &body(19)).await[1], 2600);
}

#[tokio::test]
async fn the_automatic_breakpoint_and_warming() {
    let sim = sim(SCRIPT);
    let body = with(
        hello(),
        json!({"tools": null, "system": null, "cache_control": {"type": "ephemeral", "ttl": "1h"},
            "messages": [{"role": "user", "content": "x".repeat(3475)}]}),
    );
    let warm = with(body.clone(), json!({"max_tokens": 0}));
    assert_eq!(usage(&sim, &warm).await, [0, 0, 0, 1300]);
    assert_eq!(usage(&sim, &body).await, [0, 1300, 0, 0]);
}

#[tokio::test]
async fn a_failed_request_writes_nothing() {
    let sim = sim("=== 1\n@error 529 overloaded_error Overloaded\nok\n");
    let body = marked(3475, 6975);
    assert_eq!(post(&sim, &body).await.status, 529);
    assert_eq!(usage(&sim, &body).await, [0, 0, 2600, 1300]);
}
