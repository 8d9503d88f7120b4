//! Thinking: when it appears, and that it comes back as it was sent or the request is refused.

use errand_sim::Sim;
use serde_json::{Value, json};

use crate::client::{MODEL, call_ids, go_on, hello, post, result, sim, with};

const SCRIPT: &str = "=== 1\n@think\nhmm\n@call bash\n@arg command = ls\n=== 2\n@think\nmore\n@call bash\n@repeat\n";

/// A first exchange with shown thinking and the request that answers its call.
async fn after_one_call(sim: &Sim, model: &str) -> (Value, Value) {
    let body = with(hello(), json!({"model": model, "thinking": {"type": "adaptive", "display": "summarized"}}));
    let content = post(sim, &body).await.json()["content"].clone();
    let ids = call_ids(&content);
    (body.clone(), go_on(body, &content, json!([result(&ids[0], "a.rs")])))
}

async fn outcome(sim: &Sim, body: &Value) -> String {
    let got = post(sim, body).await;
    if got.status == 200 { "ok".into() } else { got.error().2 }
}

#[tokio::test]
async fn when_it_is_shown() {
    let sim = sim("=== 1\n@think\nhmm\n@text\nhi\n");
    let thinking = async |fields: Value| {
        let message = post(&sim, &with(hello(), fields)).await.json();
        let block = message["content"][0].clone();
        if block["type"] == "thinking" { Some(block["thinking"].as_str().unwrap().to_string()) } else { None }
    };
    let on = |display: &str| json!({"type": "adaptive", "display": display});
    let cases = [
        (json!({}), Some("")),
        (json!({"thinking": on("summarized")}), Some("hmm")),
        (json!({"thinking": on("omitted")}), Some("")),
        (json!({"thinking": {"type": "between_tools"}}), Some("hmm")),
        (json!({"model": "claude-opus-4-8"}), None),
        (json!({"model": "claude-opus-5", "thinking": {"type": "disabled"}}), None),
        (json!({"model": "claude-sonnet-4-6", "thinking": {"type": "adaptive"}}), Some("hmm")),
    ];
    for (fields, expected) in cases {
        assert_eq!(thinking(fields.clone()).await.as_deref(), expected, "{fields}");
    }
}

#[tokio::test]
async fn it_must_come_back_untouched() {
    let sim = sim(SCRIPT);
    let (_, body) = after_one_call(&sim, MODEL).await;
    assert_eq!(outcome(&sim, &body).await, "ok");
    let edit = |change: &dyn Fn(&mut Vec<Value>)| {
        let mut body = body.clone();
        change(body["messages"][1]["content"].as_array_mut().unwrap());
        body
    };
    let modified = "blocks in the latest assistant message cannot be modified";
    let cases: Vec<(&str, Value, &str)> = vec![
        (
            "dropped",
            edit(&|content| {
                content.remove(0);
            }),
            modified,
        ),
        ("text edited", edit(&|content| content[0]["thinking"] = json!("other")), modified),
        ("signature invented", edit(&|content| content[0]["signature"] = json!("c2ln")), "Invalid `signature`"),
        ("signature emptied", edit(&|content| content[0]["signature"] = json!("")), "Invalid `signature`"),
        ("moved behind the call", edit(&|content| content.reverse()), "messages.1"),
        ("doubled", edit(&|content| content.insert(0, content[0].clone())), "Invalid `signature`"),
        (
            "marked for the cache",
            edit(&|content| content[0]["cache_control"] = json!({"type": "ephemeral"})),
            "Extra inputs are not permitted",
        ),
        (
            "text added before",
            edit(&|content| content.insert(0, json!({"type": "text", "text": "x"}))),
            "bound to a different conversation",
        ),
    ];
    for (what, body, fragment) in cases {
        let message = outcome(&sim, &body).await;
        assert!(message.contains(fragment), "{what}: {message}");
    }
}

#[tokio::test]
async fn it_is_bound_to_the_conversation_before_it() {
    let sim = sim(SCRIPT);
    let (_, body) = after_one_call(&sim, MODEL).await;
    let bound = "bound to a different conversation";
    let mut reordered = body.clone();
    reordered["tools"].as_array_mut().unwrap().reverse();
    let mut marked = body.clone();
    marked["messages"][0]["content"] =
        json!([{"type": "text", "text": "hello", "cache_control": {"type": "ephemeral", "ttl": "5m"}}]);
    let mut bare = body.clone();
    bare["messages"][1]["content"][1].as_object_mut().unwrap().remove("caller");
    let mut rewritten = body.clone();
    rewritten["messages"][0]["content"] = json!("hello again");
    let cases = [
        ("system changed", with(body.clone(), json!({"system": "Be long."})), bound),
        ("tools reordered", reordered, bound),
        ("first message rewritten", rewritten, bound),
        ("cache mark moved and string made a block", marked, "ok"),
        ("defaults left out", bare, "ok"),
        ("another model, thinking kept", with(body.clone(), json!({"model": "claude-opus-5-5"})), "ok"),
    ];
    for (what, body, fragment) in cases {
        let message = outcome(&sim, &body).await;
        assert!(message.contains(fragment), "{what}: {message}");
    }
    // Older models sign without binding.
    let (_, body) = after_one_call(&sim, "claude-opus-4-8").await;
    assert_eq!(outcome(&sim, &with(body, json!({"system": "Be long."}))).await, "ok");
}

#[tokio::test]
async fn another_model_may_go_on_without_it() {
    let sim = sim(SCRIPT);
    let (_, mut body) = after_one_call(&sim, MODEL).await;
    body["messages"][1]["content"].as_array_mut().unwrap().remove(0);
    assert_eq!(outcome(&sim, &with(body, json!({"model": "claude-opus-5-5"}))).await, "ok");
}

#[tokio::test]
async fn earlier_turns_may_lose_it_but_not_keep_it_changed() {
    let sim = sim(SCRIPT);
    let (_, body) = after_one_call(&sim, MODEL).await;
    let content = post(&sim, &body).await.json()["content"].clone();
    let ids = call_ids(&content);
    let later = go_on(body, &content, json!([result(&ids[0], "b.rs")]));
    assert_eq!(outcome(&sim, &later).await, "ok");
    let mut edited = later.clone();
    edited["messages"][1]["content"][0]["thinking"] = json!("other");
    assert!(outcome(&sim, &edited).await.contains("Invalid `signature`"));
    let mut dropped = later.clone();
    dropped["messages"][1]["content"].as_array_mut().unwrap().remove(0);
    assert!(
        outcome(&sim, &dropped).await.contains("messages.3.content.0: Invalid `signature`"),
        "the later one is bound"
    );
    dropped["messages"][3]["content"].as_array_mut().unwrap().remove(0);
    assert!(outcome(&sim, &dropped).await.contains("latest assistant message cannot be modified"));
}

#[tokio::test]
async fn redacted_thinking_comes_back_whole() {
    let sim = sim("=== 1\n@think redacted\n@call bash\n=== 2\nok\n");
    let content = post(&sim, &hello()).await.json()["content"].clone();
    assert_eq!(content[0]["type"], "redacted_thinking");
    let next = go_on(hello(), &content, json!([result(&call_ids(&content)[0], "x")]));
    assert_eq!(outcome(&sim, &next).await, "ok");
    let mut changed = next;
    changed["messages"][1]["content"][0]["data"] = json!("c2ln");
    assert!(outcome(&sim, &changed).await.contains("Invalid `signature`"));
}
