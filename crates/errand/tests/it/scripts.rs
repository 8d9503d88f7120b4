//! Steps that many scenarios share, and how steps become a script.

/// Looks at the code and searches it, both at once.
pub const LOOK: &str = r#"@expect greet.sh
I look at the script and its check.
@call read
@json files = [{"path": "greet.sh"}, {"path": "check.sh"}]
@call search
@arg pattern = hell?o
"#;

/// Mends the spelling.
pub const MEND: &str = r#"@call edit
@input
{"edits": [{"path": "greet.sh", "old": "helo", "new": "hello"}]}
"#;

/// Runs the check itself; run 1.
pub const TRY: &str = r#"@call run
@arg command = sh check.sh && echo "all is well"
"#;

/// Files the report.
pub const DONE: &str = r#"@call finish
@input
{"outcome": "done", "summary": "The greeting is spelled right.",
 "cause": {"text": "A letter was missing in greet.sh:3.", "places": ["greet.sh:3"]},
 "changes": [{"path": "greet.sh", "what": "helo became hello"}]}
"#;

/// What the usual job is told.
pub const FIX: [&str; 4] = ["mend the greeting", "--check", "sh check.sh", "--may-fail"];

/// Numbered steps.
pub fn script(steps: &[&str]) -> String {
    steps.iter().enumerate().map(|(index, step)| format!("=== {}\n{step}\n", index + 1)).collect()
}

/// The whole usual job.
pub fn mended() -> String {
    script(&[LOOK, MEND, TRY, DONE])
}

/// A command that says it has begun, waits for the file `gate`, then leaves its mark.
pub const WAITS_FOR_GATE: &str = "while [ ! -f /tmp/gate ]; do sleep 0.02; done; echo open >> opened.txt";

/// A step that runs this command.
pub fn running(command: &str) -> String {
    format!("@call run\n@arg command = {command}\n")
}
