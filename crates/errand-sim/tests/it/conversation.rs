//! The shape and order of messages and blocks: for each rule a conversation that is refused and one that is not.

use serde_json::{Value, json};

use crate::client::{post, request, result, sim, with};

/// Answers every conversation, however long.
const ANY: &str = "=== any\nok\n@repeat\n";

async fn check(model: &str, cases: Vec<(&str, Value, u16)>) {
    let sim = sim(ANY);
    for (what, messages, status) in cases {
        let got = post(&sim, &with(request(messages), json!({"model": model}))).await;
        assert_eq!(got.status, status, "{what} → {}", got.text());
        if status != 200 {
            assert_eq!(got.error().1, "invalid_request_error", "{what}");
        }
    }
}

fn user(content: Value) -> Value {
    json!({"role": "user", "content": content})
}

fn assistant(content: Value) -> Value {
    json!({"role": "assistant", "content": content})
}

fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

fn call(id: &str) -> Value {
    json!({"type": "tool_use", "id": id, "name": "bash", "input": {}})
}

#[tokio::test]
async fn roles_and_order() {
    let system = |text: &str| json!({"role": "system", "content": text});
    let cases = vec![
        ("first is the assistant", json!([assistant(json!("a")), user(json!("b"))]), 400),
        ("unknown role", json!([{"role": "robot", "content": "a"}]), 400),
        ("extra field", json!([{"role": "user", "content": "a", "name": "x"}]), 400),
        ("two users in a row", json!([user(json!("a")), user(json!("b"))]), 200),
        (
            "two assistants in a row",
            json!([user(json!("a")), assistant(json!("b")), assistant(json!("c")), user(json!("d"))]),
            200,
        ),
        ("prefill", json!([user(json!("a")), assistant(json!("b"))]), 400),
        ("empty content", json!([user(json!([]))]), 400),
        ("empty string", json!([user(json!(""))]), 400),
        ("empty assistant in the middle", json!([user(json!("a")), assistant(json!([])), user(json!("b"))]), 400),
        ("empty text block", json!([user(json!([text("")]))]), 400),
        ("system last", json!([user(json!("a")), system("s")]), 200),
        ("system first", json!([system("s"), user(json!("a"))]), 400),
        ("system before a user", json!([user(json!("a")), system("s"), user(json!("b"))]), 400),
        (
            "system before an assistant",
            json!([user(json!("a")), system("s"), assistant(json!("b")), user(json!("c"))]),
            200,
        ),
        ("system after an assistant", json!([user(json!("a")), assistant(json!("b")), system("s")]), 400),
    ];
    check("claude-sonnet-5-5", cases).await;
    check("claude-sonnet-5", vec![("system on a model without it", json!([user(json!("a")), system("s")]), 400)]).await;
    let prefill = vec![
        ("prefill", json!([user(json!("a")), assistant(json!("b"))]), 200),
        ("prefill with trailing space", json!([user(json!("a")), assistant(json!("b "))]), 400),
    ];
    check("claude-haiku-4-5", prefill).await;
}

#[tokio::test]
async fn tool_calls_and_results() {
    let a = || user(json!("a"));
    let two = || assistant(json!([call("t1"), call("t2")]));
    let after = |content: Value| json!([a(), two(), user(content)]);
    let cases = vec![
        ("both results", after(json!([result("t1", "x"), result("t2", "y")])), 200),
        ("any order, text after", after(json!([result("t2", "y"), result("t1", "x"), text("go on")])), 200),
        (
            "no content, an error",
            after(
                json!([{"type": "tool_result", "tool_use_id": "t1"}, with(result("t2", "x"), json!({"is_error": true}))]),
            ),
            200,
        ),
        ("one missing", after(json!([result("t1", "x")])), 400),
        ("none", after(json!("never mind")), 400),
        ("text first", after(json!([text("see"), result("t1", "x"), result("t2", "y")])), 400),
        ("text between", after(json!([result("t1", "x"), text("and"), result("t2", "y")])), 400),
        ("twice", after(json!([result("t1", "x"), result("t1", "x"), result("t2", "y")])), 400),
        ("unknown id", after(json!([result("t1", "x"), result("t2", "y"), result("t3", "z")])), 400),
        (
            "spread over two messages",
            json!([a(), two(), user(json!([result("t1", "x")])), user(json!([result("t2", "y")]))]),
            400,
        ),
        ("result without a call", json!([user(json!([result("t1", "x")]))]), 400),
        ("call at the end", json!([a(), assistant(json!([call("t1")]))]), 400),
        (
            "system in between",
            json!([a(), two(), {"role": "system", "content": "s"}, user(json!([result("t1", "x"), result("t2", "y")]))]),
            400,
        ),
        (
            "an id used twice",
            json!([
                a(),
                assistant(json!([call("t1")])),
                user(json!([result("t1", "x")])),
                assistant(json!([call("t1")])),
                user(json!([result("t1", "x")]))
            ]),
            400,
        ),
        ("bad id", json!([a(), assistant(json!([call("t 1")])), user(json!([result("t 1", "x")]))]), 400),
        (
            "input is not an object",
            json!([
                a(),
                assistant(json!([with(call("t1"), json!({"input": "ls"}))])),
                user(json!([result("t1", "x")]))
            ]),
            400,
        ),
        (
            "empty text in a result",
            after(json!([{"type": "tool_result", "tool_use_id": "t1", "content": [text("")]}, result("t2", "y")])),
            400,
        ),
    ];
    check("claude-sonnet-5-5", cases).await;
    let sim = sim(ANY);
    let history = json!([a(), assistant(json!([call("t1")])), user(json!([result("t1", "x")]))]);
    let got = post(&sim, &with(request(history), json!({"tools": null}))).await;
    assert_eq!(got.status, 400, "tools are gone");
}

#[tokio::test]
async fn blocks_in_their_places() {
    let png = json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}});
    let bmp = json!({"type": "image", "source": {"type": "base64", "media_type": "image/bmp", "data": "AAAA"}});
    let pdf =
        json!({"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA"}});
    let cited = json!({"type": "text", "text": "x", "citations": [{"type": "char_location"}]});
    let in_result = |block: &Value| {
        json!([
            user(json!("a")),
            assistant(json!([call("t1")])),
            user(json!([{"type": "tool_result", "tool_use_id": "t1", "content": [block]}]))
        ])
    };
    let said = |block: &Value| json!([user(json!("a")), assistant(json!([block])), user(json!("b"))]);
    let search = |id: &str| json!({"type": "web_search_tool_result", "tool_use_id": id, "content": []});
    let server = json!({"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}});
    let cases = vec![
        ("image", json!([user(json!([png]))]), 200),
        ("image of a strange type", json!([user(json!([bmp]))]), 400),
        ("image without data", json!([user(json!([{"type": "image", "source": {"type": "base64"}}]))]), 400),
        ("image in a result", in_result(&png), 200),
        ("image in the answer", said(&png), 400),
        ("document", json!([user(json!([pdf]))]), 200),
        ("document in the answer", said(&pdf), 400),
        ("citations of the user", json!([user(json!([cited]))]), 400),
        ("citations of the assistant", said(&cited), 200),
        ("nothing cited", json!([user(json!([{"type": "text", "text": "x", "citations": null}]))]), 200),
        ("extra field", json!([user(json!([{"type": "text", "text": "x", "colour": 1}]))]), 400),
        ("unknown block", json!([user(json!([{"type": "hologram"}]))]), 400),
        ("no type", json!([user(json!([{"text": "x"}]))]), 400),
        ("thinking of the user", json!([user(json!([{"type": "thinking", "thinking": "", "signature": "s"}]))]), 400),
        ("call of the user", json!([user(json!([call("t1")]))]), 400),
        ("result in the answer", said(&result("t1", "x")), 400),
        ("tool result in a result", in_result(&result("t1", "x")), 400),
        (
            "server tool resolved",
            json!([user(json!("a")), assistant(json!([server, search("srvtoolu_1")])), user(json!("b"))]),
            200,
        ),
        ("server tool unresolved", said(&server), 400),
        ("server tool paused", json!([user(json!("a")), assistant(json!([server]))]), 200),
    ];
    check("claude-sonnet-5-5", cases).await;
}

#[tokio::test]
async fn a_prompt_larger_than_the_window() {
    let sim = sim(ANY);
    let body =
        |n_bytes: usize| with(request(json!([user(json!("x".repeat(n_bytes)))])), json!({"model": "claude-haiku-4-5"}));
    assert_eq!(post(&sim, &body(600_000)).await.status, 200);
    let got = post(&sim, &body(800_000)).await;
    assert_eq!(got.status, 400);
    assert!(got.error().2.starts_with("prompt is too long: "), "{:?}", got.error());
}
