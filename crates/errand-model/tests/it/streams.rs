//! Every recorded stream, in every chunking, gives what `expected.json` says.

use crate::fixture;
use errand_model::anthropic::stream::{Assembly, StreamError};
use errand_model::prices::{Modifiers, Prices};
use errand_model::response::{CallInput, CutCall, Partial, Progress, Response};
use errand_task::facts::Stop;
use errand_task::money::{Cost, Usage};
use serde_json::{Value, json};
use std::collections::HashSet;

type Outcome = Result<Response, Box<(StreamError, Partial)>>;

fn assemble<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut assembly = Assembly::new(1 << 20, HashSet::new());
    let fed = chunks.into_iter().try_for_each(|chunk| assembly.feed(chunk, &mut |_| {}));
    fed.and_then(|()| assembly.finish(&mut |_| {})).map_err(|error| Box::new((error, assembly.partial())))
}

/// A small generator of chunk lengths; the same on every run.
struct Lengths(u64);

impl Lengths {
    fn next(&mut self) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        1 + ((self.0 >> 33) % 70) as usize
    }
}

fn random_chunks(mut bytes: &[u8], seed: u64) -> Vec<&[u8]> {
    let mut lengths = Lengths(seed);
    let mut chunks = Vec::new();
    while !bytes.is_empty() {
        let (chunk, rest) = bytes.split_at(lengths.next().min(bytes.len()));
        chunks.push(chunk);
        bytes = rest;
    }
    chunks
}

/// Our outcome in the words of `expected.json`.
fn normalised(outcome: &Outcome) -> Value {
    let prices = Prices::built_in();
    let cut = |cut: &CutCall| json!({"type": "tool_use", "id": cut.id, "name": cut.name, "input_incomplete": cut.input_so_far});
    match outcome {
        Ok(response) => {
            let mut content: Vec<Value> = serde_json::from_str(&response.content).unwrap();
            for block in content.iter_mut().filter_map(Value::as_object_mut) {
                block.retain(|name, value| name != "caller" && !(name == "citations" && value.is_null()));
            }
            content.extend(response.cut_call.as_ref().map(cut));
            let (stop, category) = match &response.stop {
                Stop::EndTurn => ("end_turn", None),
                Stop::ToolUse => ("tool_use", None),
                Stop::MaxTokens => ("max_tokens", None),
                Stop::Paused => ("pause_turn", None),
                Stop::ContextFull => ("model_context_window_exceeded", None),
                Stop::Refusal { category } => ("refusal", category.clone()),
                Stop::Other { reason } => (reason.as_str(), None),
            };
            json!({
                "model": response.model, "complete": true, "error": null, "stop_reason": stop, "content": content,
                "usage": usage(&response.usage), "cost_picodollars": amount(prices.cost_of(response)),
                "category": category, "explanation": response.stop_explanation,
            })
        }
        Err(broken) => {
            let (error, partial) = &**broken;
            let mut content: Vec<Value> = Vec::new();
            if !partial.text.is_empty() {
                content.push(json!({"type": "text", "text": partial.text}));
            }
            content.extend(partial.cut_call.as_ref().map(cut));
            let kind = match error {
                StreamError::Reported { kind, .. } => Some(kind.as_str()),
                _ => None,
            };
            json!({
                "model": partial.model, "complete": false, "error": kind, "stop_reason": null, "content": content,
                "usage": usage(&partial.usage),
                "cost_picodollars": amount(prices.cost(&partial.model, &partial.usage, partial.modifiers)),
                "category": null, "explanation": null,
            })
        }
    }
}

fn usage(usage: &Usage) -> Value {
    json!({
        "input": usage.input, "write_5m": usage.write_5m, "write_1h": usage.write_1h, "read": usage.read,
        "output": usage.output, "web_searches": usage.web_searches,
    })
}

fn amount(cost: Cost) -> i64 {
    match cost {
        Cost::Known { amount, .. } => amount.0,
        Cost::Unknown => panic!("no price"),
    }
}

/// An entry of `expected.json` in the same words.
fn expected(entry: &Value) -> Value {
    let mut usage = entry["usage"].clone();
    let searches = usage.get("web_searches").cloned().unwrap_or(json!(0));
    usage["web_searches"] = searches;
    json!({
        "model": entry["model"], "complete": entry["complete"], "error": entry["error"],
        "stop_reason": entry["stop_reason"], "content": entry["content"], "usage": usage,
        "cost_picodollars": entry["cost_picodollars"],
        "category": entry["stop_details"]["category"], "explanation": entry["stop_details"]["explanation"],
    })
}

#[test]
fn every_recorded_stream_in_every_chunking() {
    let golden: serde_json::Map<String, Value> = serde_json::from_str(&fixture("expected.json")).unwrap();
    assert_eq!(golden.len(), 12);
    for (name, entry) in &golden {
        let text = fixture(name);
        let whole = assemble([text.as_bytes()]);
        assert_eq!(normalised(&whole), expected(entry), "{name}");
        for text in [text.clone(), text.replace('\n', "\r\n"), text.replace('\n', "\r")] {
            assert_eq!(assemble(text.as_bytes().chunks(1)), whole, "{name} byte by byte");
            for seed in 0..20 {
                assert_eq!(assemble(random_chunks(text.as_bytes(), seed)), whole, "{name} seed {seed}");
            }
        }
    }
}

#[test]
fn a_stream_cut_anywhere_is_a_failure() {
    for name in ["stream-parallel-tools.sse", "stream-thinking-text.sse"] {
        let text = fixture(name);
        let complete = text.rfind("\"message_stop\"}").unwrap() + "\"message_stop\"}".len();
        for end in 0..complete {
            let (error, _) = *assemble([&text.as_bytes()[..end]]).unwrap_err();
            assert_eq!(error, StreamError::Cut, "{name} {end}");
        }
        assert!(assemble([&text.as_bytes()[..complete]]).is_ok(), "{name}");
    }
}

#[test]
fn watchers_hear_of_text_thinking_and_calls() {
    let news = |name: &str| {
        let mut news = Vec::new();
        let mut assembly = Assembly::new(1 << 20, HashSet::new());
        let mut note = |progress: Progress<'_>| news.push(format!("{progress:?}"));
        assembly.feed(fixture(name).as_bytes(), &mut note).unwrap();
        news
    };
    assert_eq!(
        news("stream-parallel-tools.sse"),
        [
            "Started",
            "Text(\"I'll read both files.\")",
            "Call { name: \"read_file\" }",
            "Call { name: \"read_file\" }",
            "Call { name: \"list_dir\" }"
        ]
    );
    assert_eq!(
        news("stream-thinking-text.sse"),
        [
            "Started",
            "Thinking(\"The test sorts by mtime,\")",
            "Thinking(\" so two files written in the same second tie.\")",
            "Thinking(\"\\nA stable key is needed.\")",
            "Text(\"The flake comes from \")",
            "Text(\"ties in mtime.\")"
        ]
    );
}

/// A stream of these events, without event names, as some servers send them.
fn events(events: &[Value]) -> String {
    events.iter().map(|event| format!("data: {event}\n\n")).collect()
}

fn start() -> Value {
    json!({"type": "message_start", "message": {"id": "m", "model": "local", "usage": {"input_tokens": 1}}})
}

fn tool(index: u64, id: &str, parts: &[&str]) -> Vec<Value> {
    let block = json!({"type": "tool_use", "id": id, "name": "read", "input": {}});
    let mut events = vec![json!({"type": "content_block_start", "index": index, "content_block": block})];
    events.extend(parts.iter().map(|part| {
        json!({"type": "content_block_delta", "index": index, "delta": {"type": "input_json_delta", "partial_json": part}})
    }));
    events.push(json!({"type": "content_block_stop", "index": index}));
    events
}

fn end(reason: &str) -> Vec<Value> {
    vec![json!({"type": "message_delta", "delta": {"stop_reason": reason}}), json!({"type": "message_stop"})]
}

fn response(body: Vec<Vec<Value>>, reason: &str) -> Outcome {
    let all: Vec<Value> = [vec![start()], body.concat(), end(reason)].concat();
    assemble([events(&all).as_bytes()])
}

#[test]
fn inputs_are_kept_as_written_or_marked_invalid() {
    let valid = |text: &str| CallInput::Json(text.to_owned());
    let invalid = |text: &str| CallInput::Invalid(text.to_owned());
    let deep = "{\"a\":".repeat(10_000);
    let nested = |n: usize| format!("{{\"[{{\\\"\":{}{}}}", "[".repeat(n), "]".repeat(n));
    for (parts, input, echo) in [
        (&["{\"b\": 1.0,", " \"a\" : 1e2}"][..], valid("{\"b\": 1.0, \"a\" : 1e2}"), "{\"b\": 1.0, \"a\" : 1e2}"),
        (&["{\"s\":\"\\ud83d", "\\ude00\"}"], valid("{\"s\":\"\\ud83d\\ude00\"}"), "{\"s\":\"\\ud83d\\ude00\"}"),
        (&["  ", ""], valid("{}"), "{}"),
        (&["{\"a\":"], invalid("{\"a\":"), "{\"INVALID_JSON\":\"{\\\"a\\\":\"}"),
        (&["[1]"], invalid("[1]"), "{\"INVALID_JSON\":\"[1]\"}"),
        (
            &["{\"s\":\"\\ud83d\"}"],
            invalid("{\"s\":\"\\ud83d\"}"),
            "{\"INVALID_JSON\":\"{\\\"s\\\":\\\"\\\\ud83d\\\"}\"}",
        ),
        (&[&nested(99)], valid(&nested(99)), &nested(99)),
        (&[&nested(100)], invalid(&nested(100)), &format!("{{\"INVALID_JSON\":{}}}", json!(nested(100)))),
        (&[&deep], invalid(&deep), &format!("{{\"INVALID_JSON\":{}}}", json!(deep))),
    ] {
        let response = response(vec![tool(0, "t1", parts)], "tool_use").unwrap();
        assert_eq!(response.calls.len(), 1);
        assert_eq!(response.calls[0].input, input);
        let block = format!("[{{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"read\",\"input\":{echo}}}]");
        assert_eq!(response.content, block);
    }
}

#[test]
fn content_is_kept_whole_for_the_echo() {
    let raw = concat!(
        "data: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"model\":\"local\"}}\n\n",
        "data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"thinking\",\"thinking\":\"\"}}\n\n",
        "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"h\\u006d\"}}\n\n",
        "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"signature_delta\",\"signature\":\"old\"}}\n\n",
        "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"signature_delta\",\"signature\":\"S==\"}}\n\n",
        "data: {\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"z\":1.50,\"type\":\"future\",\"a\":{\"n\":12345678901234567890123}}}\n\n",
        "data: {\"type\":\"content_block_start\",\"index\":2,\"content_block\":{\"type\":\"text\",\"text\":\"\",\"citations\":null}}\n\n",
        "data: {\"type\":\"content_block_delta\",\"index\":2,\"delta\":{\"type\":\"text_delta\",\"text\":\"a\\ud83d\"}}\n\n",
        "data: {\"type\":\"content_block_delta\",\"index\":2,\"delta\":{\"type\":\"text_delta\",\"text\":\"\\ude00b\"}}\n\n",
        "data: {\"type\":\"content_block_delta\",\"index\":2,\"delta\":{\"type\":\"citations_delta\",\"citation\":{\"c\":1}}}\n\n",
        "data: {\"type\":\"content_block_delta\",\"index\":2,\"delta\":{\"type\":\"future_delta\",\"x\":1}}\n\n",
        "data: {\"type\":\"content_block_start\",\"index\":3,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
        "data: {\"type\":\"content_block_start\",\"index\":4,\"content_block\":{\"type\":\"text\",\"text\":\"whole\"}}\n\n",
        "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"new_reason\"}}\n\n",
        "data: {\"type\":\"message_stop\"}\n\n",
        "data: not read any more\n\n",
    );
    let response = assemble([raw.as_bytes()]).unwrap();
    assert_eq!(
        response.content,
        concat!(
            "[{\"type\":\"thinking\",\"thinking\":\"h\\u006d\",\"signature\":\"S==\"},",
            "{\"z\":1.50,\"type\":\"future\",\"a\":{\"n\":12345678901234567890123}},",
            "{\"type\":\"text\",\"text\":\"a\\ud83d\\ude00b\",\"citations\":[{\"c\":1}]},",
            "{\"type\":\"text\",\"text\":\"whole\"}]"
        )
    );
    assert_eq!(response.text, "a😀b\n\nwhole");
    assert_eq!(response.stop, Stop::Other { reason: "new_reason".to_owned() });
}

#[test]
fn what_the_end_cut_is_neither_run_nor_sent_back() {
    let think = |index: u64| {
        let block = json!({"type": "thinking", "thinking": "", "signature": ""});
        vec![json!({"type": "content_block_start", "index": index, "content_block": block})]
    };
    let whole = "{\"path\":\"a\"}";
    for (body, reason, n_calls, cut) in [
        // Even whole JSON may lack what was still to come.
        (vec![tool(0, "t1", &[whole]), tool(1, "t2", &[whole])], "max_tokens", 1, Some("t2")),
        (vec![tool(0, "t1", &[whole]), tool(1, "t2", &["{\"pa"])], "model_context_window_exceeded", 1, Some("t2")),
        (vec![think(0), tool(1, "t1", &["{"])], "max_tokens", 0, Some("t1")),
        (vec![tool(0, "t1", &[whole]), think(1)], "max_tokens", 1, None),
        (vec![tool(0, "t1", &[whole]), tool(1, "t2", &[whole])], "tool_use", 2, None),
    ] {
        let response = response(body, reason).unwrap();
        let blocks: Vec<Value> = serde_json::from_str(&response.content).unwrap();
        assert_eq!((response.calls.len(), blocks.len()), (n_calls, n_calls), "{reason}");
        assert_eq!(response.cut_call.as_ref().map(|cut| cut.id.as_str()), cut, "{reason}");
    }
}

#[test]
fn equal_ids_become_different_ones() {
    let body = vec![tool(0, "t", &["{}"]), tool(1, "t", &["{}"]), tool(2, "t_2", &["{}"])];
    let response = response(body, "tool_use").unwrap();
    let ids: Vec<_> = response.calls.iter().map(|call| call.id.as_str()).collect();
    assert_eq!(ids, ["t", "t_2", "t_2_3"]);
    for id in ids {
        assert!(response.content.contains(&format!("\"id\":\"{id}\"")), "{}", response.content);
    }
}

#[test]
fn an_id_of_the_conversation_is_not_taken_again() {
    let known: HashSet<String> = ["t", "t_4"].map(str::to_owned).into();
    let mut assembly = Assembly::new(1 << 20, known);
    let all = [vec![start()], tool(0, "t", &["{}"]), tool(1, "t", &["{}"]), end("tool_use")].concat();
    assembly.feed(events(&all).as_bytes(), &mut |_| {}).unwrap();
    let response = assembly.finish(&mut |_| {}).unwrap();
    let ids: Vec<_> = response.calls.iter().map(|call| call.id.as_str()).collect();
    assert_eq!(ids, ["t_3", "t_5"]);
}

#[test]
fn ten_thousand_equal_ids_are_told_apart_at_once() {
    let began = std::time::Instant::now();
    let response = response((0..9_999).map(|index| tool(index, "t", &["{}"])).collect(), "tool_use").unwrap();
    let ids: HashSet<_> = response.calls.iter().map(|call| call.id.as_str()).collect();
    assert_eq!(ids.len(), 9_999);
    assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
}

#[test]
fn ids_and_names_that_no_request_may_carry_are_spelled_so_that_it_may() {
    let call = |index: u64, id: &str, name: &str| {
        let block = json!({"type": "tool_use", "id": id, "name": name, "input": {}});
        vec![
            json!({"type": "content_block_start", "index": index, "content_block": block}),
            json!({"type": "content_block_stop", "index": index}),
        ]
    };
    let long = "n".repeat(250);
    let body = vec![call(0, "a b/ü", "functions.run"), call(1, "", ""), call(2, "ok-1", &long), call(3, "", "run")];
    let response = response(body, "tool_use").unwrap();
    let calls: Vec<_> = response.calls.iter().map(|call| (call.id.as_str(), call.name.as_str())).collect();
    assert_eq!(calls, [("a_b__", "functions_run"), ("_", "_"), ("ok-1", &long[..190]), ("__4", "run")]);
    let content: Vec<Value> = serde_json::from_str(&response.content).unwrap();
    let sent: Vec<_> = content.iter().map(|b| (b["id"].as_str().unwrap(), b["name"].as_str().unwrap())).collect();
    assert_eq!(sent, calls);
}

#[test]
fn without_figures_at_its_end_the_price_of_an_answer_is_not_known() {
    let start = json!({"type": "message_start",
        "message": {"id": "m", "model": "claude-sonnet-5-5", "usage": {"input_tokens": 9, "output_tokens": 1}}});
    let delta = |usage: Value| json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage});
    let prices = Prices::built_in();
    for (usage, is_known) in
        [(json!({"output_tokens": 5}), true), (json!({"input_tokens": 9}), false), (json!(null), false)]
    {
        let all = [start.clone(), delta(usage), json!({"type": "message_stop"})];
        let response = assemble([events(&all).as_bytes()]).unwrap();
        assert_eq!(prices.cost_of(&response) != Cost::Unknown, is_known, "{response:?}");
    }
}

#[test]
fn writes_without_a_lifetime_count_at_the_dearer_one() {
    let report = json!({"input_tokens": 5, "cache_creation_input_tokens": 70, "output_tokens": 1, "cache_creation": null,
        "inference_geo": "us", "service_tier": "batch"});
    let start = json!({"type": "message_start", "message": {"id": "m", "model": "local", "usage": report}});
    let huge =
        json!({"type": "message_delta", "delta": {}, "usage": {"output_tokens": u64::MAX, "input_tokens": null}});
    let all = [vec![start, huge], end("end_turn")].concat();
    let response = assemble([events(&all).as_bytes()]).unwrap();
    let expected = Usage { input: 5, write_1h: 70, output: 1_000_000_000, ..Usage::default() };
    assert_eq!(response.usage, expected);
    assert_ne!(response.modifiers, Modifiers::default());
}

#[test]
fn hostile_events_fail_without_panic() {
    let block =
        |index: i64, block: Value| json!({"type": "content_block_start", "index": index, "content_block": block});
    let delta = |index: u64, delta: Value| json!({"type": "content_block_delta", "index": index, "delta": delta});
    let text = json!({"type": "text", "text": ""});
    let deep = (0..101).fold(json!(1), |inner, _| json!([inner]));
    let raw = |line: &str| format!("{}{line}\n\n", events(&[start()]));
    for stream in [
        events(&[start(), start()]),
        events(&[block(0, text.clone())]),
        events(&[start(), block(-1, text.clone())]),
        events(&[start(), block(0, text.clone()), block(0, text.clone())]),
        events(&[start(), block(0, json!([]))]),
        events(&[start(), block(0, json!({"type": "future", "x": deep.clone()}))]),
        events(&[start(), block(0, json!({"type": "tool_use", "id": "a", "name": "x", "caller": deep}))]),
        events(&[start(), block(0, text.clone()), delta(0, json!({"type": "citations_delta", "citation": deep}))]),
        events(&[start(), block(0, text.clone()), delta(0, json!({"type": "signature_delta", "signature": [1]}))]),
        events(&[start(), block(0, json!({"type": "tool_use", "name": "x"}))]),
        events(&[start(), block(0, json!({"type": "tool_use", "id": "x".repeat(300), "name": "x"}))]),
        events(&[start(), delta(7, json!({"type": "text_delta", "text": "x"}))]),
        events(&[start(), block(0, text.clone()), delta(0, json!({"type": "text_delta"}))]),
        events(&[start(), block(0, text.clone()), delta(0, json!({"type": "text_delta", "text": 7}))]),
        raw(
            "data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"type\":\"x\"}}",
        ),
        raw("data: <html>"),
        raw("event: message_delta\ndata: {\"usage\":{\"output_tokens\":-1}}"),
        raw("event: error\ndata: oops"),
    ] {
        let (error, _) = *assemble([stream.as_bytes()]).unwrap_err();
        assert!(matches!(error, StreamError::Malformed { .. }), "{error:?}: {stream}");
    }
    // Half a surrogate pair that stays alone cannot be sent back.
    let lone = concat!(
        "data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
        "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"\\ud83d\"}}"
    );
    let stream = raw(lone) + &events(&end("end_turn"));
    assert!(matches!(assemble([stream.as_bytes()]).unwrap_err().0, StreamError::Malformed { .. }));
}
