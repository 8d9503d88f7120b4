//! Answers that no honest endpoint gives, byte for byte: ids that stand twice, inputs without end, streams out of order.
//!
//! Whatever arrives, the task goes on or ends with a sentence, the daemon lives, what was accepted once runs once and has
//! its one result in the next request: the simulator refuses a request where it has not.

use super::Siege;
use crate::place::Place;
use crate::scripts::{DONE, MEND, script};
use serde_json::{Value, json};

/// Plays these bytes in place of an answer.
fn raw(events: &[String]) -> String {
    format!("@raw\n{}@times 1\n", events.concat())
}

fn event(data: &Value) -> String {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap())
}

fn start() -> String {
    let usage = json!({"input_tokens": 100, "output_tokens": 1});
    event(&json!({"type": "message_start", "message": {"id": "msg_raw", "type": "message", "role": "assistant",
        "model": "claude-sonnet-5-5", "content": [], "stop_reason": null, "usage": usage}}))
}

fn opens(index: u64, block: &Value) -> String {
    event(&json!({"type": "content_block_start", "index": index, "content_block": block}))
}

fn delta(index: u64, delta: &Value) -> String {
    event(&json!({"type": "content_block_delta", "index": index, "delta": delta}))
}

fn closes(index: u64) -> String {
    event(&json!({"type": "content_block_stop", "index": index}))
}

/// A whole call.
fn call(index: u64, id: &str, name: &str, input: &str) -> String {
    let block = json!({"type": "tool_use", "id": id, "name": name, "input": {}});
    let input = json!({"type": "input_json_delta", "partial_json": input});
    opens(index, &block) + &delta(index, &input) + &closes(index)
}

fn text(index: u64, text: &str) -> String {
    let block = json!({"type": "text", "text": ""});
    opens(index, &block) + &delta(index, &json!({"type": "text_delta", "text": text})) + &closes(index)
}

fn ends() -> String {
    let reason = json!({"stop_reason": "tool_use", "stop_sequence": null});
    event(&json!({"type": "message_delta", "delta": reason, "usage": {"output_tokens": 50}})) + &stops()
}

fn stops() -> String {
    event(&json!({"type": "message_stop"}))
}

/// The input of `run` for a command that leaves a line each time it runs.
fn marks(mark: &str) -> String {
    json!({"command": format!("echo {mark} >> ran.txt")}).to_string()
}

/// Plays this answer, then looks at what ran, mends and reports. Answers with the task's id and the lines of `ran.txt`.
#[track_caller]
fn answered_by(siege: &Siege, answers: &[&[String]]) -> (String, Vec<String>) {
    let look = "@call run\n@arg command = cat ran.txt; rm -f ran.txt; true\n";
    let answers: Vec<String> = answers.iter().map(|events| raw(events)).collect();
    let steps: Vec<&str> = answers.iter().map(String::as_str).chain([look, MEND, DONE]).collect();
    siege.place.play(&script(&steps));
    let id = siege.place.finished(3, &["mend it", "--budget", "100"]);
    siege.holds(&id);
    let results = siege.results(&id);
    let output = &results[results.len() - 3];
    let ran = output.lines().filter(|line| line.starts_with("ran-")).map(str::to_owned).collect();
    memory_is_bounded(&siege.place);
    (id, ran)
}

/// What the daemon has used at most: far below what an answer may have, times what a careless reader makes of it.
#[track_caller]
fn memory_is_bounded(place: &Place) {
    let status = std::fs::read_to_string(format!("/proc/{}/status", place.daemon_pid())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak_kb: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak_kb < 600_000, "the daemon used {peak_kb} kB");
}

#[test]
fn s79_calls_with_equal_ids_run_once_each() {
    let siege = Siege::new();
    let one = [start(), call(0, "toolu_x", "run", &marks("ran-1")), call(1, "toolu_x", "run", &marks("ran-2")), ends()];
    let two =
        [start(), call(0, "toolu_x", "run", &marks("ran-3")), call(1, "toolu_x_2", "run", &marks("ran-4")), ends()];
    let (id, ran) = answered_by(&siege, &[&one, &two]);
    assert_eq!(ran, ["ran-1", "ran-2", "ran-3", "ran-4"]);
    let mut calls: Vec<_> =
        siege.place.events(&id, "tool.ended").into_iter().map(|end| end["call"].to_string()).collect();
    let n = calls.len();
    calls.sort();
    calls.dedup();
    assert_eq!(calls.len(), n, "each call has an id of its own");
}

#[test]
fn s79_ids_and_names_that_cannot_be_sent_back_are_answered() {
    let siege = Siege::new();
    let answer = [
        start(),
        call(0, "no id / at all\u{202e}", "run", &marks("ran-1")),
        call(1, "", "functions.run", &marks("ran-2")),
        call(2, "c", "", &marks("ran-3")),
        call(3, "d", "launch", &marks("ran-4")),
        call(4, "e", "run\u{0}", &marks("ran-5")),
        ends(),
    ];
    let (id, ran) = answered_by(&siege, &[&answer]);
    assert_eq!(ran, ["ran-1"]);
    let ended = siege.place.events(&id, "tool.ended");
    let errors: Vec<_> = ended.iter().take(5).map(|end| end["is_error"].as_bool().unwrap()).collect();
    assert_eq!(errors, [false, true, true, true, true]);
}

#[test]
fn s79_inputs_of_any_depth_are_answered() {
    let siege = Siege::new();
    let deep = |n: usize| format!("{{\"command\": {}{}}}", "[".repeat(n), "]".repeat(n));
    let depths = [99, 100, 120, 124, 125, 126, 127, 128, 10_000, 1_000_000];
    let calls = depths.iter().enumerate().map(|(index, n)| call(index as u64, &format!("c{index}"), "run", &deep(*n)));
    let in_start = json!({"type": "tool_use", "id": "s", "name": "run"}).to_string();
    let in_start = format!("{}, \"input\": {}}}", in_start.trim_end_matches('}'), deep(10_000));
    let started = format!(
        "event: content_block_start\ndata: {{\"type\": \"content_block_start\", \"index\": 90, \"content_block\": {in_start}}}\n\n"
    );
    let answer: Vec<String> = [start()].into_iter().chain(calls).chain([started, closes(90), ends()]).collect();
    let (id, ran) = answered_by(&siege, &[&answer]);
    assert!(ran.is_empty());
    let ended = siege.place.events(&id, "tool.ended");
    assert!(ended.iter().take(depths.len() + 1).all(|end| end["is_error"] == true), "{ended:#?}");
}

#[test]
fn s79_an_input_of_megabytes_is_answered() {
    let siege = Siege::new();
    let letters = "x".repeat(1_000_000);
    let long = json!({"command": format!("echo ran-1 >> ran.txt; : {letters}")}).to_string();
    let unknown = json!({"command": "echo ran-2 >> ran.txt", &letters: 1}).to_string();
    let (id, ran) =
        answered_by(&siege, &[&[start(), call(0, "a", "run", &long), call(1, "b", "run", &unknown), ends()]]);
    assert!(ran.len() <= 1, "{ran:?}");
    for end in siege.place.events(&id, "tool.ended").iter().take(2) {
        assert!(end["output"]["inline"].as_str().is_some_and(|output| output.len() < 20_000), "{end}");
    }
}

#[test]
fn s79_more_than_an_answer_may_be_is_broken_off() {
    let siege = Siege::new();
    let letters = "x".repeat(1 << 20);
    // One event without end, and an answer of many.
    let endless = [start(), format!("data: {}\n\n", letters.repeat(17))];
    let parts = (0..70).map(|_| delta(0, &json!({"type": "text_delta", "text": letters})));
    let many = [start(), opens(0, &json!({"type": "text", "text": ""}))].into_iter().chain(parts);
    let many: Vec<String> = many.chain([closes(0), ends()]).collect();
    let steps = [format!("{}{}{MEND}", raw(&endless), raw(&many)), DONE.to_owned()];
    siege.place.play(&script(&steps.each_ref().map(String::as_str)));
    let id = siege.place.finished(3, &["mend it"]);
    let texts = failures(&siege, &id);
    assert!(
        texts[0].contains("more than 16777216 bytes") && texts[1].contains("more than 67108864 bytes"),
        "{texts:?}"
    );
    memory_is_bounded(&siege.place);
    siege.holds(&id);
}

fn failures(siege: &Siege, id: &str) -> Vec<String> {
    let failed = siege.place.events(id, "model.failed");
    failed.into_iter().map(|failed| failed["failure"]["text"].as_str().unwrap().to_owned()).collect()
}

/// Each of these answers breaks the protocol: nothing of it runs, it is asked for again, and it counts as maybe billed.
#[test]
fn s79_streams_that_break_the_protocol_are_asked_for_again() {
    let siege = Siege::new();
    let run = || call(0, "a", "run", &marks("ran-x"));
    let unnamed = |name: Value| opens(0, &json!({"type": "tool_use", "id": "a", "name": name, "input": {}}));
    let text_block = json!({"type": "text", "text": ""});
    let broken: Vec<(&str, Vec<String>)> = vec![
        (
            "invalid UTF-8 in a text",
            vec![start(), text(0, "a").replace("\"text\":\"a\"", "\"text\":\"\\xff\\xfe\""), ends()],
        ),
        ("invalid UTF-8 in an input", vec![start(), run().replace("ran.txt", "ran\\xc3\\x28.txt"), ends()]),
        ("a name that is no string", vec![start(), unnamed(json!(7)), closes(0), ends()]),
        ("no name", vec![start(), unnamed(json!(null)), closes(0), ends()]),
        ("an index that repeats", vec![start(), run(), run(), ends()]),
        ("an index that was never opened", vec![start(), run(), closes(7), ends()]),
        (
            "a delta behind the stop",
            vec![start(), run(), delta(0, &json!({"type": "input_json_delta", "partial_json": " "})), ends()],
        ),
        ("a negative index", vec![start(), opens(0, &text_block).replace("\"index\":0", "\"index\":-1"), ends()]),
        ("two starts", vec![start(), run(), start(), ends()]),
        ("no start", vec![run(), ends()]),
        ("no end", vec![start(), run()]),
        ("an end that is cut", vec![start(), run(), "event: message_stop\ndata: {\"type\":".to_owned()]),
        ("NUL bytes", vec![start(), "data: \\x00\\x00\n\n".to_owned(), ends()]),
    ];
    for (number, chunk) in broken.chunks(3).enumerate() {
        let faults: String = chunk.iter().map(|(_, events)| raw(events)).collect();
        let look = "@call run\n@arg command = cat ran.txt\n";
        siege.place.play(&script(&[&format!("{faults}{MEND}"), look, DONE]));
        // Faults count the attempts at a prompt.
        let id = siege.place.finished(3, &[&format!("mend it, {number}")]);
        let failed = siege.place.events(&id, "model.failed");
        let names: Vec<_> = chunk.iter().map(|(name, _)| *name).collect();
        assert_eq!(failed.len(), chunk.len(), "{names:?}: {failed:#?}");
        assert!(failed.iter().all(|failed| failed["uncertain"] != 0), "{names:?}: {failed:#?}");
        let results = siege.results(&id);
        assert!(results[1].contains("No such file"), "{names:?}: {results:?}");
        siege.holds(&id);
    }
    memory_is_bounded(&siege.place);
}

#[test]
fn s79_odd_streams_that_say_all_that_is_needed_are_taken() {
    let siege = Siege::new();
    let reason = json!({"stop_reason": "tool_use", "stop_sequence": null});
    let without_usage = event(&json!({"type": "message_delta", "delta": reason})) + &stops();
    let open_text = opens(3, &json!({"type": "text", "text": ""}));
    let jumps = [
        start(),
        call(u64::MAX, "late", "run", &marks("ran-2")),
        call(2, "early", "run", &marks("ran-1")),
        open_text,
        delta(3, &json!({"type": "text_delta", "text": "This never stops."})),
        without_usage,
        // Behind the end nothing is read.
        call(9, "behind", "run", &marks("ran-behind")),
        ends(),
    ];
    // Its input is whole and so is the message: only its own end is missing.
    let never_stops = [start(), call(0, "open", "run", &marks("ran-3")).replace(&closes(0), ""), ends()];
    let never_whole = [start(), call(0, "cut", "run", "{\"command\": \"echo ran-4").replace(&closes(0), ""), ends()];
    let (id, ran) = answered_by(&siege, &[&jumps, &never_stops, &never_whole]);
    assert_eq!(ran, ["ran-1", "ran-2", "ran-3"]);
    let shown = siege.place.show(&id);
    assert_eq!(shown["cost"]["unpriced_responses"], 1, "what it cost is not known: {}", shown["cost"]);
}
