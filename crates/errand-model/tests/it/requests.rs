//! Golden request bytes, and that a conversation only ever grows at its end.

use errand_model::anthropic::request::{prefix_digest, render, render_count};
use errand_task::conversation::{CallResult, Prompt, PromptMessage};
use errand_task::facts::{ModelSettings, Thinking};
use errand_task::id::CallId;
use serde_json::{Value, json};

const TOOLS: &str = r#"[{"name":"read","description":"Read.","input_schema":{"type":"object","z":1,"a":2}}]"#;

fn prompt(messages: Vec<PromptMessage>) -> Prompt {
    let settings = ModelSettings {
        model: "claude-sonnet-5-5".to_owned(),
        max_tokens: 32_000,
        thinking: Thinking::Unset,
        effort: None,
    };
    Prompt { settings, system: "You work alone.".to_owned(), tools: TOOLS.to_owned(), messages }
}

fn person(texts: &[&str]) -> PromptMessage {
    PromptMessage::Person { texts: texts.iter().map(|&text| text.to_owned()).collect() }
}

fn model(content: &str) -> PromptMessage {
    PromptMessage::Model { content: content.to_owned() }
}

fn result(id: &str, output: &str, is_error: bool) -> CallResult<String> {
    CallResult { call: CallId::new(id), output: output.to_owned(), is_error }
}

fn results(results: Vec<CallResult<String>>, notes: &[&str]) -> PromptMessage {
    PromptMessage::Results { results, notes: notes.iter().map(|&text| text.to_owned()).collect() }
}

/// `n` calls and their results.
fn round(round: usize, n: usize) -> [PromptMessage; 2] {
    let calls: Vec<String> = (0..n)
        .map(|i| format!(r#"{{"type":"tool_use","id":"t{round}_{i}","name":"read","input":{{"path": "x"}}}}"#))
        .collect();
    let answers = (0..n).map(|i| result(&format!("t{round}_{i}"), "text", false)).collect();
    [model(&format!("[{}]", calls.join(","))), results(answers, &[])]
}

fn text(prompt: &Prompt) -> String {
    String::from_utf8(render(prompt)).unwrap()
}

/// Role and block of every block, without cache marks.
fn blocks(prompt: &Prompt) -> Vec<(String, Value)> {
    let body: Value = serde_json::from_slice(&render(prompt)).unwrap();
    let mut blocks = Vec::new();
    for message in body["messages"].as_array().unwrap() {
        for block in message["content"].as_array().unwrap() {
            let mut block = block.clone();
            block.as_object_mut().unwrap().remove("cache_control");
            blocks.push((message["role"].as_str().unwrap().to_owned(), block));
        }
    }
    blocks
}

/// `message.block ttl` of every mark, and `system`.
fn marks(prompt: &Prompt) -> Vec<String> {
    let body: Value = serde_json::from_slice(&render(prompt)).unwrap();
    let ttl = |block: &Value| {
        let mark = block.get("cache_control")?;
        assert_eq!(mark["type"], "ephemeral");
        Some(mark.get("ttl").map_or("5m", |ttl| ttl.as_str().unwrap()).to_owned())
    };
    let mut marks = Vec::new();
    for block in body["system"].as_array().into_iter().flatten() {
        marks.extend(ttl(block).map(|ttl| format!("system {ttl}")));
    }
    for (i, message) in body["messages"].as_array().unwrap().iter().enumerate() {
        for (j, block) in message["content"].as_array().unwrap().iter().enumerate() {
            marks.extend(ttl(block).map(|ttl| format!("{i}.{j} {ttl}")));
        }
    }
    marks
}

#[test]
fn first_turn_byte_for_byte() {
    let prompt = prompt(vec![person(&["The \"goal\".\n", "", "  \n"]), person(&["Notes of the repository."])]);
    let expected = concat!(
        r#"{"model":"claude-sonnet-5-5","max_tokens":32000,"stream":true,"#,
        r#""system":[{"type":"text","text":"You work alone.","cache_control":{"type":"ephemeral","ttl":"1h"}}],"#,
        r#""tools":[{"name":"read","description":"Read.","input_schema":{"type":"object","z":1,"a":2}}],"#,
        r#""messages":[{"role":"user","content":[{"type":"text","text":"The \"goal\".\n"},"#,
        r#"{"type":"text","text":"Notes of the repository.","cache_control":{"type":"ephemeral","ttl":"1h"}}]}]}"#
    );
    assert_eq!(text(&prompt), expected);
    assert_eq!(render(&prompt), render(&prompt.clone()));
    let count = String::from_utf8(render_count(&prompt)).unwrap();
    assert_eq!(count, expected.replace(r#""max_tokens":32000,"stream":true,"#, ""));
}

#[test]
fn tool_results_byte_for_byte() {
    let content = r#"[{"type":"thinking","thinking":"","signature":"S=="}, {"type":"tool_use","id":"t1","name":"read","input":{"b": 1.0,"a":"\u006d"}}]"#;
    let results = results(
        vec![
            result("t1", "one\ntwo", false),
            result("t2", " \n", false),
            result("t3", "", true),
            result("t4", "no such file", true),
        ],
        &["Budget left: $1.", ""],
    );
    let prompt = prompt(vec![person(&["Go."]), model(content), results]);
    let messages = [
        r#"[{"role":"user","content":[{"type":"text","text":"Go.","cache_control":{"type":"ephemeral","ttl":"1h"}}]},"#,
        r#"{"role":"assistant","content":"#,
        content,
        r#"},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":"one\ntwo"},"#,
        r#"{"type":"tool_result","tool_use_id":"t2"},"#,
        r#"{"type":"tool_result","tool_use_id":"t3","content":"(no output)","is_error":true},"#,
        r#"{"type":"tool_result","tool_use_id":"t4","content":"no such file","is_error":true},"#,
        r#"{"type":"text","text":"Budget left: $1.","cache_control":{"type":"ephemeral"}}]}]"#,
    ]
    .concat();
    let body = text(&prompt);
    let (_, found) = body.split_once(",\"messages\":").unwrap();
    assert_eq!(found, messages + "}");
}

#[test]
fn settings_are_sent_only_when_set() {
    for (thinking, effort, expected) in [
        (Thinking::Unset, None, json!([null, null])),
        (Thinking::Adaptive, Some("low"), json!([{"type": "adaptive"}, {"effort": "low"}])),
        (Thinking::Budget { tokens: 8000 }, None, json!([{"type": "enabled", "budget_tokens": 8000}, null])),
    ] {
        let mut prompt = prompt(vec![person(&["Go."])]);
        prompt.settings.thinking = thinking;
        prompt.settings.effort = effort.map(str::to_owned);
        let body: Value = serde_json::from_slice(&render(&prompt)).unwrap();
        assert_eq!(json!([body["thinking"], body["output_config"]]), expected);
    }
    let mut bare = prompt(vec![person(&["Go."])]);
    bare.system = " ".to_owned();
    bare.tools = "[]".to_owned();
    let body: Value = serde_json::from_slice(&render(&bare)).unwrap();
    let names: Vec<_> = body.as_object().unwrap().keys().collect();
    assert_eq!(names, ["model", "max_tokens", "stream", "messages"]);
}

#[test]
fn messages_without_content_are_left_out_and_their_neighbours_joined() {
    let [calls, answers] = round(0, 1);
    let prompt = prompt(vec![
        person(&["Go."]),
        model("[]"),
        person(&[" "]),
        person(&["On."]),
        calls,
        answers,
        model(" [ ] "),
        person(&["And?"]),
    ]);
    let shape: Vec<String> = blocks(&prompt)
        .iter()
        .map(|(role, block)| format!("{role} {}", block.get("text").unwrap_or(&block["type"])))
        .collect();
    assert_eq!(
        shape,
        ["user \"Go.\"", "user \"On.\"", "assistant \"tool_use\"", "user \"tool_result\"", "user \"And?\""]
    );
    let body: Value = serde_json::from_slice(&render(&prompt)).unwrap();
    let roles: Vec<_> = body["messages"].as_array().unwrap().iter().map(|message| message["role"].clone()).collect();
    assert_eq!(roles, ["user", "assistant", "user"]);
}

#[test]
fn marks_stay_within_reach_and_within_four() {
    let mut messages = vec![person(&["Go.", "Notes."])];
    assert_eq!(marks(&prompt(messages.clone())), ["system 1h", "0.1 1h"]);
    messages.extend(round(0, 2));
    assert_eq!(marks(&prompt(messages.clone())), ["system 1h", "0.1 1h", "2.1 5m"]);
    messages.extend(round(1, 7));
    assert_eq!(marks(&prompt(messages.clone())), ["system 1h", "0.1 1h", "4.6 5m"]);
    messages.extend(round(2, 8));
    assert_eq!(marks(&prompt(messages.clone())), ["system 1h", "0.1 1h", "4.6 5m", "6.7 5m"]);
    messages.extend(round(3, 1));
    assert_eq!(marks(&prompt(messages)), ["system 1h", "0.1 1h", "8.0 5m"]);
}

#[test]
fn a_conversation_only_grows_at_its_end() {
    let mut history = vec![person(&["Go.", "Notes."])];
    let steps: Vec<Vec<PromptMessage>> = vec![
        round(0, 3).to_vec(),
        round(1, 20).to_vec(),
        // The person speaks while a failed request waits to be tried again.
        vec![person(&["Mind the tests."])],
        vec![model("[]"), person(&["You said nothing."])],
        vec![model(r#"[{"type":"future","x":[1, 2]}]"#), person(&["", "More."])],
        round(2, 1).to_vec(),
    ];
    for step in steps {
        let before = prompt(history.clone());
        history.extend(step);
        let after = prompt(history.clone());
        assert!(blocks(&after).starts_with(&blocks(&before)));
        assert!(marks(&after).len() <= 4);
        assert_eq!(prefix_digest(&before), prefix_digest(&after));
        let without_marks = |prompt: &Prompt| {
            let bare = text(prompt)
                .replace(r#","cache_control":{"type":"ephemeral","ttl":"1h"}"#, "")
                .replace(r#","cache_control":{"type":"ephemeral"}"#, "");
            bare.strip_suffix("]}]}").unwrap().to_owned()
        };
        assert!(without_marks(&after).starts_with(&without_marks(&before)));
    }
}

#[test]
fn the_prefix_digest_is_of_system_and_tools() {
    let one = prompt(vec![person(&["Go."])]);
    let mut other = one.clone();
    other.system.push('!');
    assert_ne!(prefix_digest(&one), prefix_digest(&other));
    let mut other = one.clone();
    other.tools = TOOLS.replace("Read.", "Read!");
    assert_ne!(prefix_digest(&one), prefix_digest(&other));
}
