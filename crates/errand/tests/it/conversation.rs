//! What goes back and forth between errand and the model.

use crate::golden;
use crate::place::Place;
use crate::scripts::{DONE, FIX, MEND, TRY, script};
use serde_json::Value;

#[test]
fn text_without_a_call_is_nudged_once_then_ends_unverified() {
    let place =
        Place::new(&script(&[MEND, "All done, I think.\n", "@expect You stopped without a tool call\nYes, done.\n"]));
    let id = place.finished(3, &FIX);
    assert_eq!(place.n_requests(), 3);
    golden::check("nudged", &place, &id);
}

#[test]
fn the_opening_holds_the_contract_and_what_was_measured() {
    let place = Place::new(&script(&[MEND, DONE]));
    place.write("AGENTS.md", "Write plain sh.\n");
    place.commit("instructions");
    let borders = ["--protect", "docs/**", "--allow", "*.sh", "--max-diff-lines", "20", "--max-files", "3"];
    let id = place.finished(0, &[&FIX[..], &borders].concat());
    let opening = place.sim.requests()[0].json()["messages"][0].clone();
    golden::check_text("opening", &place, &id, &text_of(&opening));
}

#[test]
fn every_call_is_answered_in_order_in_one_message() {
    let calls = r#"@call frobnicate
@arg what = everything
@call read
@arg file = greet.sh
@json count = 3
@call search
@arg pattern = helo
@call list
@call edit
@input
{"edits": [{"path": "greet.sh", "old": "helo", "new": "hello"}]}
@call run
@arg command = sh greet.sh
"#;
    let place = Place::new(&script(&[calls, DONE]));
    let id = place.finished(0, &FIX);
    let request = place.sim.requests()[1].json();
    let messages = request["messages"].as_array().unwrap();
    let asked = ids(&messages[1], "id");
    assert_eq!(messages.len(), 3, "opening, calls, all the results");
    assert_eq!(ids(&messages[2], "tool_use_id"), asked, "one result a call, in call order");
    let results: Vec<_> = messages[2]["content"].as_array().unwrap().iter().map(text_of).collect();
    for (result, parts) in results.iter().zip([
        &["there is no tool `frobnicate`", "read, search, list, edit, run, wait, finish"][..],
        &["there is no argument `file`", "there is no argument `count`", "`files` is missing"],
        &["in 1 of 5 files", "greet.sh (1)"],
        &["check.sh", "docs/"],
        &["greet.sh +1 −1"],
        &["exit 0", "hello world"],
    ]) {
        parts.iter().for_each(|part| assert!(result.contains(part), "{part} is missing in: {result}"));
    }
    golden::check("parallel_calls", &place, &id);
}

#[test]
fn thinking_goes_back_unchanged_and_the_prefix_is_cached() {
    let think = |text: &str, step: &str| format!("@think\n{text}\n{step}");
    let look = "@call read\n@json files = [{\"path\": \"greet.sh\"}]\n@call list\n";
    let steps = [
        think("First I look.\nThen I think again.", look),
        format!("@think redacted\n{}", think("I search.", "I search now.\n@call search\n@arg pattern = helo\n")),
        think("The letter is missing.", MEND),
        think("I try it.", TRY),
        format!("@think omitted\n{DONE}"),
    ];
    let place = Place::new(&script(&steps.each_ref().map(String::as_str)));
    let id = place.finished(0, &FIX);
    assert_eq!(place.n_requests(), 5, "the server refused nothing");
    let lines = place.errand(&["cost", &id, "--json"]).exits(0).json();
    let cached: Vec<_> =
        lines.as_array().unwrap().iter().map(|line| line["cache_read_tokens"].as_u64() > Some(0)).collect();
    assert_eq!(cached, [false, true, true, true, true], "{lines}");
    let text = place.errand(&["cost", &id]).exits(0).out();
    assert!(text.contains(&id) && text.contains("claude-") && text.contains(" % "), "{text}");
    golden::check("thinking", &place, &id);
}

#[test]
fn a_request_only_adds_to_the_one_before() {
    let place = Place::new(&crate::scripts::mended());
    place.finished(0, &FIX);
    let requests: Vec<_> = place.sim.requests().iter().map(|request| request.json()).collect();
    for pair in requests.windows(2) {
        assert_eq!((&pair[0]["system"], &pair[0]["tools"]), (&pair[1]["system"], &pair[1]["tools"]));
        let (before, after) = (unmarked(&pair[0]["messages"]), unmarked(&pair[1]["messages"]));
        let (before, after) = (before.as_array().unwrap(), after.as_array().unwrap());
        assert_eq!(&after[..before.len()], &before[..]);
    }
}

#[test]
fn a_call_cut_at_the_length_limit_is_not_run() {
    let cut = "I begin.\n@call run\n@arg command = touch never.txt; echo and a long tail of more words for this command\n@stop max_tokens\n";
    let mend = format!("@expect cut at its length limit\n{MEND}");
    let place = Place::new(&script(&[cut, &mend, DONE]));
    let id = place.finished(0, &FIX);
    assert_eq!(place.show(&id)["diff"]["files"].as_array().map(Vec::len), Some(1));
    assert!(place.show(&id)["commands"].as_array().unwrap().is_empty());
    golden::check("cut_at_max_tokens", &place, &id);
}

#[test]
fn a_paused_answer_is_taken_up_again() {
    let place = Place::new(&script(&["I am thinking about it.\n@pause how to spell hello\n", MEND, DONE]));
    place.finished(0, &FIX);
}

#[test]
fn calls_beside_a_finish_are_answered_too() {
    let both = format!("{MEND}{DONE}@call run\n@arg command = touch late.txt\n");
    let place = Place::new(&script(&[&both]));
    let id = place.finished(0, &FIX);
    let ended = place.events(&id, "tool.ended");
    assert_eq!(ended.len(), 3, "every call has its one result");
    assert_eq!(place.show(&id)["diff"]["files"].as_array().map(Vec::len), Some(1));
    golden::check("finish_beside_others", &place, &id);
}

#[test]
fn the_key_is_in_the_header_and_nowhere_else() {
    let place =
        Place::new(&script(&["@call run\n@arg command = env; cat /proc/self/environ | tr '\\0' '\\n'\n", MEND, DONE]));
    let id = place.finished(0, &FIX);
    let key = "sk-test-0123456789";
    for request in place.sim.requests() {
        assert_eq!(request.header("x-api-key"), Some(key));
        assert!(!String::from_utf8_lossy(&request.body).contains(key));
    }
    let told = place.errand(&["logs", &id, "--json"]).out() + &place.errand(&["show", &id, "--json"]).out();
    assert!(!told.contains(key));
    for file in ["daemon.log", "journal.sqlite", "journal.sqlite-wal"] {
        let bytes = std::fs::read(place.state_dir().join(file)).unwrap_or_default();
        assert!(!bytes.windows(key.len()).any(|window| window == key.as_bytes()), "{file}");
    }
}

fn ids(message: &Value, field: &str) -> Vec<String> {
    let blocks = message["content"].as_array().unwrap();
    blocks.iter().filter_map(|block| block[field].as_str().map(str::to_owned)).collect()
}

fn text_of(block: &Value) -> String {
    match &block["content"] {
        Value::String(text) => text.clone(),
        blocks => blocks.as_array().unwrap().iter().filter_map(|block| block["text"].as_str()).collect(),
    }
}

/// Without cache marks, which move on with the conversation.
fn unmarked(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter(|(key, _)| *key != "cache_control")
            .map(|(key, value)| (key.clone(), unmarked(value)))
            .collect(),
        Value::Array(items) => items.iter().map(unmarked).collect(),
        other => other.clone(),
    }
}
