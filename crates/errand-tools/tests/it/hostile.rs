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
            (r#"{"INVALID_JSON":"{\"pat"}"#, "the input was not valid JSON, or nested too deep; send the call again"),
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
        ("read", r#"{"files":"src/a.rs"}"#, "files: must be an array, is the string `src/a.rs`"),
        ("read", r#"{"files":[{"path":7}]}"#, "files[0].path: must be a string, is the number 7"),
        ("read", r#"{"files":[{"path":null}]}"#, "files[0].path: must be a string, is null"),
        (
            "read",
            r#"{"files":[{"path":"a"},{"path":"a","start":"1"}]}"#,
            "files[1].start: must be a whole number, is the string `1`",
        ),
        (
            "read",
            r#"{"files":[{"path":"a","lines":-1}]}"#,
            "files[0].lines: must be a whole number, not negative, is the number -1",
        ),
        ("read", r#"{"files":[{"path":"a","lines":1e99}]}"#, "files[0].lines: must be a whole number"),
        ("read", r#"{"files":["a"]}"#, "files[0]: must be an object, is the string `a`"),
        (
            "read",
            r#"{"files":[{"path":"a","follow":true}]}"#,
            "there is no argument `files[0].follow` (there are path, start, lines)",
        ),
        ("read", r#"{"files":[{}]}"#, "`files[0].path` is missing"),
        ("read", r#"{"path":"a"}"#, "there is no argument `path`, `files` is missing"),
        ("search", r#"{"pattern":7}"#, "pattern: must be a string"),
        ("search", r#"{"pattern":"a","mode":"all"}"#, "mode: must be one of lines, files, count, is the string `all`"),
        ("search", r#"{"pattern":"a","paths":"src"}"#, "paths: must be an array"),
        ("search", r#"{"pattern":"a","context":-1}"#, "context: must be a whole number, not negative"),
        ("list", r#"{"path":["a"]}"#, "path: must be a string, is an array"),
        ("list", r#"{"depth":"2"}"#, "depth: must be a whole number"),
        ("edit", r#"{"edits":{"path":"a"}}"#, "edits: must be an array, is an object"),
        ("edit", r#"{"edits":[{"path":"src/a.rs","old":"a","new":7}]}"#, "edits[0].new: must be a string"),
        (
            "edit",
            r#"{"edits":[{"path":"src/a.rs","old":"a","new":"b","count":"2"},{"create":"yes","force":true}]}"#,
            "edits[0].count: must be a whole number, not negative, is the string `2`, there is no argument `edits[1].force` (there are path, old, new, count, create, delete), `edits[1].path` is missing, edits[1].create: must be true or false, is the string `yes`; the arguments are: edits",
        ),
        ("run", r#"{"command":["ls"]}"#, "command: must be a string, is an array"),
        ("run", r#"{"command":"ls","timeout_s":"9"}"#, "timeout_s: must be a whole number, not negative"),
        ("run", r#"{"command":"ls","timeout_s":-1}"#, "timeout_s: must be a whole number, not negative"),
        (
            "run",
            r#"{"command":"ls","timeout_s":1.5}"#,
            "timeout_s: must be a whole number, not negative, is the number 1.5",
        ),
        ("run", r#"{"command":"ls","env":{"A":"b"}}"#, "there is no argument `env`"),
        ("wait", r#"{"jobs":1}"#, "jobs: must be an array, is the number 1"),
        ("wait", r#"{"jobs":["1"]}"#, "jobs[0]: must be a whole number from 0"),
        ("wait", r#"{"jobs":[4294967296]}"#, "jobs[0]: must be a whole number from 0 to 4294967295"),
    ] {
        check(&rig, tool, input, named);
    }
    let many = [r#"{"path":1}"#; 100].join(",");
    check(
        &rig,
        "read",
        &format!(r#"{{"files":[{many}]}}"#),
        "files[19].path: must be a string, is the number 1, and 80 more;",
    );
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
    check(&rig, "run", &format!(r#"{{"command":"ls","dir":"{long}"}}"#), "longer than a file system takes");
    let told = rig.told("run", &format!(r#"{{"command":"{long}"}}"#));
    assert!(told.starts_with("not started: ") && told.len() < 4_000, "{}", &told[..200]);
    let pattern = format!(r#"{{"pattern":"{long}"}}"#);
    assert!(rig.told("search", &pattern).len() < 4_000);
    // What is written is the model's business: ten megabytes are a file.
    let told = rig.told("edit", &format!(r#"{{"edits":[{{"path":"big","create":true,"new":"{long}"}}]}}"#));
    assert_eq!(told, "big created, 1 line\n");
}

#[test]
fn an_answer_does_not_repeat_what_was_sent() {
    let rig = Rig::new();
    let long = "x".repeat(1 << 20);
    let path = "long/".repeat(800);
    for (what, tool, input) in [
        ("a log", "read", format!(r#"{{"files":[{{"path":"log:{long}"}}]}}"#)),
        ("an argument's name", "list", format!(r#"{{"{long}":1}}"#)),
        ("a field's name", "read", format!(r#"{{"files":[{{"path":"a","{long}":1}}]}}"#)),
        ("a variant", "search", format!(r#"{{"pattern":"a","mode":"{long}"}}"#)),
        ("a glob", "search", format!(r#"{{"pattern":"a","glob":"[{long}"}}"#)),
        ("a tool's name", long.as_str(), "{}".to_owned()),
        ("a pattern", "search", format!(r#"{{"pattern":"(?P<{long}"}}"#)),
        ("a path", "edit", format!(r#"{{"edits":[{{"path":"{path}","old":"a","new":"b"}}]}}"#)),
        ("a folder", "run", format!(r#"{{"command":"ls","dir":"../{path}"}}"#)),
    ] {
        let told = rig.told(tool, &input);
        assert!(told.len() < 1_000, "{what}: {} bytes", told.len());
    }
}

/// A replacement that does not fit is compared with every place of the file.
#[test]
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
