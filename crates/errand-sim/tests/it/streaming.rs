//! Answers as streams and in one body: both add up to the same message, and the stream has the vendor's order.

use serde_json::{Value, json};

use crate::client::{assemble, call_ids, events, go_on, hello, post, request, result, sim, with};

const BUSY: &str = "\
=== 1
@think
First look at the file, then run it. Ünïcödé too.
@text
I'll do both.
@call read_file
@arg path = src/naïve \"quoted\" 😀.rs
@json lines = [1, 20]
@call bash
@input
{\"command\": \"printf 'a\\tb\\n' 😀\", \"deep\": {\"z\": 1, \"a\": null}}
@call bash
@end
=== 2
Done.
";

fn streamed(body: Value) -> Value {
    with(body, json!({"stream": true, "thinking": {"type": "adaptive", "display": "summarized"}}))
}

#[tokio::test]
async fn a_stream_adds_up_to_the_message() {
    let sim = sim(BUSY);
    let got = post(&sim, &streamed(hello())).await;
    assert_eq!(got.headers["content-type"], "text/event-stream; charset=utf-8");
    let events = events(&got.text());
    let streamed_message = assemble(&events);
    let whole = post(&sim, &with(streamed(hello()), json!({"stream": false}))).await.json();
    // Ids come from the request, and the two requests differ by `stream`; tool ids aside, all else is the same.
    let mut expected = whole.clone();
    expected["id"] = streamed_message["id"].clone();
    for (at, id) in [2, 3, 4].into_iter().zip(call_ids(&streamed_message["content"])) {
        expected["content"][at]["id"] = json!(id);
    }
    assert_eq!(streamed_message, expected);

    let content = &whole["content"];
    assert_eq!(content[0]["thinking"], "First look at the file, then run it. Ünïcödé too.");
    assert_eq!(content[1], json!({"type": "text", "text": "I'll do both.", "citations": null}));
    assert_eq!(content[2]["input"], json!({"path": "src/naïve \"quoted\" 😀.rs", "lines": [1, 20]}));
    assert_eq!(content[3]["input"].to_string(), r#"{"command":"printf 'a\tb\n' 😀","deep":{"z":1,"a":null}}"#);
    assert_eq!((&content[4]["input"], &whole["stop_reason"]), (&json!({}), &json!("tool_use")));
    assert!(whole["usage"]["output_tokens_details"]["thinking_tokens"].as_u64().unwrap() > 10);
    for id in call_ids(content).iter().chain([whole["id"].as_str().unwrap().to_string()].iter()) {
        assert_eq!(id.rsplit('_').next().unwrap().len(), 24, "{id}");
    }
}

#[tokio::test]
async fn the_order_of_events() {
    let sim = sim(BUSY);
    let events = events(&post(&sim, &streamed(hello())).await.text());
    let names: Vec<&str> = events.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names[..3], ["message_start", "content_block_start", "ping"]);
    assert_eq!(names[names.len() - 3..], ["content_block_stop", "message_delta", "message_stop"]);
    let deltas = |index: u64| -> Vec<&Value> {
        let deltas = events.iter().filter(|(name, data)| name == "content_block_delta" && data["index"] == index);
        deltas.map(|(_, data)| &data["delta"]).collect()
    };
    let thinking: Vec<&str> = deltas(0).iter().map(|delta| delta["type"].as_str().unwrap()).collect();
    assert_eq!(thinking.iter().filter(|kind| **kind == "signature_delta").count(), 1);
    assert_eq!(thinking.last(), Some(&"signature_delta"));
    let pieces: Vec<&str> = deltas(2).iter().map(|delta| delta["partial_json"].as_str().unwrap()).collect();
    assert_eq!(pieces[0], "");
    assert!(pieces.iter().all(|piece| piece.is_ascii()), "non-ASCII characters are escaped: {pieces:?}");
    let half = |piece: &&&str| piece.ends_with('\\') || piece.rfind("\\u").is_some_and(|at| piece.len() - at < 6);
    assert!(pieces.iter().filter(half).count() > 0, "an escape is split: {pieces:?}");
    assert_eq!(deltas(4), [&json!({"type": "input_json_delta", "partial_json": ""})]);
    let message_delta = &events[events.len() - 2].1;
    let keys: Vec<&String> = message_delta["usage"].as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        [
            "input_tokens",
            "cache_creation_input_tokens",
            "cache_read_input_tokens",
            "output_tokens",
            "output_tokens_details",
            "server_tool_use"
        ]
    );
}

#[tokio::test]
async fn the_same_request_gets_the_same_bytes() {
    let sim = sim(BUSY);
    for body in [hello(), streamed(hello())] {
        let (first, second) = (post(&sim, &body).await, post(&sim, &body).await);
        assert_eq!(first.text(), second.text());
    }
    let other = crate::client::sim(BUSY);
    assert_eq!(post(&sim, &hello()).await.text(), post(&other, &hello()).await.text(), "also by another server");
}

#[tokio::test]
async fn odd_wire_forms_add_up_to_the_same() {
    let plain = sim("=== 1\n@think omitted\nHello there.\n@call bash\n@arg command = ls\n");
    let expected = assemble(&events(&post(&plain, &streamed(hello())).await.text()));
    let odd = "=== 1\n@chunk 3\n@crlf\n@two-message-deltas\n@stall 8\n@delay 1\n@think omitted\nHello there.\n@call bash\n@arg command = ls\n";
    let text = post(&sim(odd), &streamed(hello())).await.text();
    assert!(text.contains("\r\n\r\n") && text.matches("event: message_delta").count() == 2);
    assert!(text.matches("event: ping").count() > 4);
    assert_eq!(assemble(&events(&text)), expected);
}

#[tokio::test]
async fn unknown_events_and_blocks() {
    let sim = sim("=== 1\n@unknown-events\n@think omitted\n@call bash\n=== 2\nfine\n");
    let text = post(&sim, &streamed(hello())).await.text();
    assert!(text.starts_with(": keep-alive comment\n\nevent: future_event\n"));
    let message = assemble(&events(&text));
    assert_eq!(message["content"][0]["type"], "future_block");
    let ids = call_ids(&message["content"]);
    let next = go_on(streamed(hello()), &message["content"], json!([result(&ids[0], "x")]));
    assert_eq!(post(&sim, &next).await.status, 200, "the unknown block comes back whole");
    for changed in [
        json!({"type": "future_block"}),
        json!({"type": "future_block", "note": "keep me", "payload": {"alpha": [true, null, "x"], "zeta": 1}}),
    ] {
        let mut content = message["content"].clone();
        content[0] = changed;
        let next = go_on(streamed(hello()), &content, json!([result(&ids[0], "x")]));
        assert_eq!(post(&sim, &next).await.status, 400, "changed or re-ordered");
    }
}

#[tokio::test]
async fn stop_reasons() {
    let message = async |script: &str| post(&sim(script), &hello()).await.json();
    let stop = |message: &Value| {
        (message["stop_reason"].clone(), message["stop_sequence"].clone(), message["stop_details"].clone())
    };
    let refused = json!({"type": "refusal", "category": "cyber", "explanation": "Declined by the script."});
    let cases = [
        ("=== 1\nhi\n", (json!("end_turn"), json!(null), json!(null))),
        ("=== 1\n@call bash\n", (json!("tool_use"), json!(null), json!(null))),
        ("=== 1\n@stop end_turn\n", (json!("end_turn"), json!(null), json!(null))),
        ("=== 1\nhi\n@stop max_tokens\n", (json!("max_tokens"), json!(null), json!(null))),
        ("=== 1\nhi\n@stop stop_sequence END\n", (json!("stop_sequence"), json!("END"), json!(null))),
        (
            "=== 1\nhi\n@stop model_context_window_exceeded\n",
            (json!("model_context_window_exceeded"), json!(null), json!(null)),
        ),
        ("=== 1\n@refusal cyber\n", (json!("refusal"), json!(null), refused)),
    ];
    for (script, expected) in cases {
        assert_eq!(stop(&message(script).await), expected, "{script}");
    }
    assert_eq!(message("=== 1\n@stop end_turn\n").await["content"], json!([]));
}

#[tokio::test]
async fn max_tokens_cuts_a_call_in_the_middle() {
    let script = "=== 1\n@call bash\n@arg path = out.txt\n@arg text\nline one\nline two\n@stop max_tokens\n";
    let body = streamed(hello());
    let message = assemble(&events(&post(&sim(script), &body).await.text()));
    assert_eq!(message["stop_reason"], "max_tokens");
    let input = message["content"][0]["input"].as_str().expect("the input is not JSON");
    assert!(input.starts_with("{\"path\": \"out.txt\"") && serde_json::from_str::<Value>(input).is_err(), "{input}");

    // The same happens when the request leaves too little room.
    let small = with(streamed(hello()), json!({"max_tokens": 5}));
    let message =
        assemble(&events(&post(&sim("=== 1\nOne two three four five six seven.\n@call bash\n"), &small).await.text()));
    assert_eq!(message["stop_reason"], "max_tokens");
    assert_eq!(
        (message["content"].as_array().unwrap().len(), message["usage"]["output_tokens"].as_u64()),
        (1, Some(5))
    );
}

#[tokio::test]
async fn a_paused_turn_goes_on() {
    let sim = sim("=== 1\nSearching.\n@pause rust news\n=== 2\nFound it.\n");
    let message = post(&sim, &hello()).await.json();
    assert_eq!((&message["stop_reason"], &message["content"][1]["name"]), (&json!("pause_turn"), &json!("web_search")));
    assert_eq!(message["usage"]["server_tool_use"]["web_search_requests"], 1);
    let mut body = hello();
    body["messages"].as_array_mut().unwrap().push(json!({"role": "assistant", "content": message["content"]}));
    let second = post(&sim, &body).await.json();
    let kinds: Vec<&Value> = second["content"].as_array().unwrap().iter().map(|block| &block["type"]).collect();
    assert_eq!(kinds, ["web_search_tool_result", "text"]);
    assert_eq!(second["content"][0]["tool_use_id"], message["content"][1]["id"]);
    let messages = body["messages"].as_array_mut().unwrap();
    messages.push(json!({"role": "assistant", "content": second["content"]}));
    messages.push(json!({"role": "user", "content": "thanks"}));
    assert_eq!(post(&sim, &body).await.error().2, "script \"default\" has 2 steps, but the request asks for step 3");
}

#[tokio::test]
async fn long_texts_come_in_a_bounded_number_of_frames() {
    let script = format!("=== 1\n{}\n@call bash\n@arg text = {}\n", "wörd ".repeat(20_000), "x".repeat(200_000));
    let body =
        with(request(json!([{"role": "user", "content": "go"}])), json!({"stream": true, "max_tokens": 128_000}));
    let events = events(&post(&sim(&script), &body).await.text());
    assert!(events.len() < 1000, "{}", events.len());
    let message = assemble(&events);
    assert_eq!(message["content"][1]["input"]["text"].as_str().unwrap().len(), 200_000);
}
