//! Whatever the model sends, a tool answers with a result of bounded size, and the next call works.

use crate::rig::Rig;
use std::time::{Duration, Instant};

const TOOLS: [(&str, &str); 7] = [
    ("read", r#"{"files":[{"path":"src/a.rs"}]}"#),
    ("search", r#"{"pattern":"one"}"#),
    ("list", "{}"),
    ("edit", r#"{"edits":[{"path":"src/a.rs","old":"fn one","new":"fn uno"}]}"#),
    ("run", r#"{"command":"true"}"#),
    ("wait", "{}"),
    ("finish", r#"{"outcome":"done","summary":"s"}"#),
];

/// An error that names this, and is short.
#[track_caller]
fn check(rig: &Rig, tool: &str, input: &str, named: &str) {
    let told = rig.told(tool, input);
    let shown: String = told.chars().take(400).collect();
    let sent: String = input.chars().take(100).collect();
    assert!(told.starts_with("ERROR ") && told.contains(named), "{tool} {sent}: {shown}");
    assert!(told.len() < 4_000, "{tool} {sent}: {} bytes: {shown}", told.len());
}

#[test]
fn broken_and_foreign_inputs() {
    let rig = Rig::new();
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let before = rig.snapshot();
    for (tool, input) in TOOLS {
        for (input, named) in [
            ("", "the input is not valid JSON: EOF while parsing"),
            ("{", "the input is not valid JSON: EOF while parsing"),
            ("{\"a\":\u{0}}", "the input is not valid JSON"),
            ("null", "the input must be a JSON object"),
            ("[]", "the input must be a JSON object"),
            ("\"text\"", "the input must be a JSON object"),
            (&deep, "recursion limit exceeded"),
            (r#"{"INVALID_JSON":"{\"pat"}"#, "the input was not valid JSON; send the call again"),
            (&input.replacen('{', r#"{"sandbox":false,"#, 1).replace(",}", "}"), "there is no argument `sandbox`"),
            (
                &input.replacen('{', r#"{"sandbox":false,"network":["*"],"#, 1).replace(",}", "}"),
                "there is no argument `sandbox`, there is no argument `network`",
            ),
        ] {
            check(&rig, tool, input, named);
        }
        assert!(!rig.output(tool, input).is_error || tool == "wait", "{tool}: the next call works");
    }
    assert_ne!(rig.snapshot(), before, "the last edit was one");
    assert_eq!(
        rig.told("shell", "{}"),
        "ERROR there is no tool `shell`; the tools are: read, search, list, edit, run, wait, finish"
    );
    assert!(rig.told("READ", "{}").starts_with("ERROR there is no tool"));
}

#[test]
fn numbers_for_strings_and_strings_for_numbers() {
    let rig = Rig::new();
    for (tool, input, named) in [
        ("read", r#"{"files":"src/a.rs"}"#, "expected a sequence"),
        ("read", r#"{"files":[{"path":7}]}"#, "expected a string"),
        ("read", r#"{"files":[{"path":"a","start":"1"}]}"#, "expected i64"),
        ("read", r#"{"files":[{"path":"a","lines":-1}]}"#, "expected usize"),
        ("read", r#"{"files":[{"path":"a","lines":1e99}]}"#, "expected usize"),
        ("read", r#"{"files":["a"]}"#, "expected struct"),
        ("read", r#"{"files":[{"path":"a","follow":true}]}"#, "unknown field `follow`"),
        ("read", r#"{"files":[{}]}"#, "missing field `path`"),
        ("read", r#"{"path":"a"}"#, "there is no argument `path`, `files` is missing"),
        ("search", r#"{"pattern":7}"#, "expected a string"),
        ("search", r#"{"pattern":"a","mode":"all"}"#, "unknown variant `all`"),
        ("search", r#"{"pattern":"a","paths":"src"}"#, "expected a sequence"),
        ("search", r#"{"pattern":"a","context":-1}"#, "expected usize"),
        ("list", r#"{"path":["a"]}"#, "expected a string"),
        ("list", r#"{"depth":"2"}"#, "expected usize"),
        ("edit", r#"{"edits":{"path":"a"}}"#, "expected a sequence"),
        ("edit", r#"{"edits":[{"path":"src/a.rs","old":"a","new":7}]}"#, "expected a string"),
        ("edit", r#"{"edits":[{"path":"src/a.rs","old":"a","new":"b","count":"2"}]}"#, "expected usize"),
        ("edit", r#"{"edits":[{"path":"a","create":"yes"}]}"#, "expected a boolean"),
        ("edit", r#"{"edits":[{"path":"a","force":true}]}"#, "unknown field `force`"),
        ("edit", r#"{"edits":[{"old":"a","new":"b"}]}"#, "missing field `path`"),
        ("run", r#"{"command":["ls"]}"#, "expected a string"),
        ("run", r#"{"command":"ls","timeout_s":"9"}"#, "expected u64"),
        ("run", r#"{"command":"ls","timeout_s":-1}"#, "expected u64"),
        ("run", r#"{"command":"ls","timeout_s":1.5}"#, "expected u64"),
        ("run", r#"{"command":"ls","env":{"A":"b"}}"#, "there is no argument `env`"),
        ("wait", r#"{"jobs":1}"#, "expected a sequence"),
        ("wait", r#"{"jobs":["1"]}"#, "expected u32"),
        ("wait", r#"{"jobs":[4294967296]}"#, "expected u32"),
    ] {
        check(&rig, tool, input, named);
    }
    for tool in ["read", "search", "run", "edit", "finish"] {
        check(&rig, tool, "{}", "is missing");
    }
}

/// Each argument of each tool, ten megabytes long.
#[test]
fn ten_megabytes_are_answered_shortly() {
    let rig = Rig::new();
    let long = "x".repeat(10 << 20);
    for (tool, input) in [
        ("read", format!(r#"{{"files":[{{"path":"{long}"}}]}}"#)),
        ("search", format!(r#"{{"pattern":"a","paths":["{long}"]}}"#)),
        ("list", format!(r#"{{"path":"{long}"}}"#)),
        ("edit", format!(r#"{{"edits":[{{"path":"{long}","create":true}}]}}"#)),
        ("edit", format!(r#"{{"edits":[{{"path":"src/a.rs","old":"{long}","new":"x"}}]}}"#)),
        ("finish", format!(r#"{{"outcome":"done","summary":"{long}"}}"#)),
    ] {
        let begun = Instant::now();
        check(&rig, tool, &input, "");
        assert!(begun.elapsed() < Duration::from_secs(20), "{tool}: {:?}", begun.elapsed());
    }
    for input in [format!(r#"{{"command":"{long}"}}"#), format!(r#"{{"command":"ls","dir":"{long}"}}"#)] {
        let told = rig.told("run", &input);
        assert!(told.starts_with("not started: ") && told.len() < 4_000, "{}", &told[..200]);
    }
    let pattern = format!(r#"{{"pattern":"{long}"}}"#);
    assert!(rig.told("search", &pattern).len() < 4_000);
    // What is written is the model's business: ten megabytes are a file.
    let told = rig.told("edit", &format!(r#"{{"edits":[{{"path":"big","create":true,"new":"{long}"}}]}}"#));
    assert_eq!(told, "big created, 1 lines\n");
}

#[test]
#[ignore = "bug: errors repeat the input in full"]
fn an_answer_does_not_repeat_what_was_sent() {
    let rig = Rig::new();
    let long = "x".repeat(1 << 20);
    for (what, tool, input) in [
        ("a log", "read", format!(r#"{{"files":[{{"path":"log:{long}"}}]}}"#)),
        ("an argument's name", "list", format!(r#"{{"{long}":1}}"#)),
        ("a field's name", "read", format!(r#"{{"files":[{{"path":"a","{long}":1}}]}}"#)),
        ("a variant", "search", format!(r#"{{"pattern":"a","mode":"{long}"}}"#)),
        ("a glob", "search", format!(r#"{{"pattern":"a","glob":"[{long}"}}"#)),
        ("a tool's name", long.as_str(), "{}".to_owned()),
    ] {
        let told = rig.told(tool, &input);
        assert!(told.len() < 4_000, "{what}: {} bytes", told.len());
    }
}

/// A replacement that does not fit is compared with every place of the file.
#[test]
#[ignore = "bug: replace::closest is lines of the file times lines of old"]
fn a_long_text_that_does_not_fit_is_answered_soon() {
    let rig = Rig::new();
    let lines: String = (0..20_000).map(|n| format!("let x{n} = {n};\n")).collect();
    rig.write("big.rs", lines.as_bytes());
    let old: String = (0..20_000).map(|n| format!("let y{n} = {n};\\n")).collect();
    let begun = Instant::now();
    check(&rig, "edit", &format!(r#"{{"edits":[{{"path":"big.rs","old":"{old}","new":""}}]}}"#), "old does not occur");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[test]
fn a_rewritten_file_is_answered_soon() {
    let rig = Rig::new();
    let lines = |name: &str, end: &str| (0..20_000).map(|n| format!("let {name}{n} = {n};{end}")).collect::<String>();
    rig.write("big.rs", lines("x", "\n").as_bytes());
    let new = lines("y", "\\n");
    let input =
        format!(r#"{{"edits":[{{"path":"big.rs","delete":true}},{{"path":"big.rs","create":true,"new":"{new}"}}]}}"#);
    let begun = Instant::now();
    assert!(!rig.output("edit", &input).is_error);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}
