//! Scripts: what the simulated model says, step by step, and which step answers which request.
//!
//! A step is chosen from the request alone (one more than the assistant messages in it), so a client that starts
//! again after a crash is answered as before. Only faults count attempts. The text format is read in `script/parse.rs`
//! and described in the crate's README; nothing here knows HTTP.

mod parse;

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use regex::Regex;
use serde_json::Value;

pub(crate) use parse::{escape_for_cassette, parse_answer};

/// A script that could not be read, with the line to look at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct ScriptError {
    pub line: usize,
    pub message: String,
}

/// One conversation's worth of answers. See the README for the format.
#[derive(Debug, Clone)]
pub struct Script {
    pub(crate) steps: Vec<Step>,
}

/// The scripts a server answers from, by the label in front of `/v1` in the path; no label means `default`.
#[derive(Debug, Clone, Default)]
pub struct Scripts {
    by_name: HashMap<String, Script>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Step {
    pub number: usize,
    pub title: String,
    pub when: Vec<String>,
    pub expect: Vec<String>,
    pub expect_not: Vec<String>,
    pub lets: Vec<Let>,
    pub faults: Vec<Fault>,
    pub pacing: Pacing,
    pub parts: Vec<Part>,
    pub stop: Option<Stop>,
    pub repeat: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Let {
    pub name: String,
    pub regex: Regex,
}

#[derive(Debug, Clone)]
pub(crate) struct Fault {
    pub kind: FaultKind,
    pub times: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FaultKind {
    Error {
        status: u16,
        kind: String,
        message: String,
        retry_after_s: Option<u64>,
    },
    SpendLimit,
    Cut {
        n_bytes: usize,
    },
    ErrorMidstream {
        kind: String,
        message: String,
    },
    Reset,
    Html {
        status: u16,
    },
    /// These bytes in place of the whole body: what no well-behaved server sends.
    Raw {
        body: Vec<u8>,
    },
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Pacing {
    pub delay: Duration,
    pub stall: Duration,
    pub chunk: Option<usize>,
    pub crlf: bool,
    pub unknown_events: bool,
    pub two_message_deltas: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Part {
    Text(String),
    Think(String),
    ThinkRedacted,
    Call { name: String, input: Input },
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Input {
    Fields(Vec<(String, Argument)>),
    Whole(Argument),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Argument {
    Text(String),
    Json(Value),
    /// JSON only once the `{{NAME}}`s in it are filled in.
    Template(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stop {
    Reason(String),
    Sequence(String),
    Refusal(Option<String>),
    Pause(String),
}

impl Script {
    pub fn parse(text: &str) -> Result<Script, ScriptError> {
        parse::parse_script(text)
    }

    /// The number of the last step.
    pub fn n_steps(&self) -> usize {
        self.steps.last().map_or(0, |step| step.number)
    }
}

impl Scripts {
    /// No scripts at all: every message request is answered 404.
    pub fn none() -> Scripts {
        Scripts::default()
    }

    /// One script for requests without a label.
    pub fn of(script: Script) -> Scripts {
        Scripts::none().with("default", script)
    }

    pub fn with(mut self, name: &str, script: Script) -> Scripts {
        self.insert(name, script);
        self
    }

    pub fn insert(&mut self, name: &str, script: Script) {
        self.by_name.insert(name.into(), script);
    }

    /// Every `NAME.script` file of a directory, as NAME.
    pub fn from_dir(dir: &Path) -> std::io::Result<Scripts> {
        let mut scripts = Scripts::none();
        for entry in std::fs::read_dir(dir)? {
            let path = entry?.path();
            let Some(name) = path.file_name().and_then(|n| n.to_str()).and_then(|n| n.strip_suffix(".script")) else {
                continue;
            };
            let script = Script::parse(&std::fs::read_to_string(&path)?).map_err(|error| {
                std::io::Error::new(std::io::ErrorKind::InvalidData, format!("{}: {error}", path.display()))
            })?;
            scripts.insert(name, script);
        }
        Ok(scripts)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Script> {
        self.by_name.get(name)
    }
}

/// What the agent was newly shown since its last assistant message, piece by piece, oldest first; and what before.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    pub new: Vec<String>,
    pub earlier: Vec<String>,
}

impl Shown {
    pub fn text(&self) -> String {
        self.new.join("\n")
    }
}

/// A chosen step with its variables and the fault that hits this attempt, if one does.
#[derive(Debug)]
pub(crate) struct Chosen {
    pub step: Step,
    pub vars: HashMap<String, String>,
    pub fault: Option<FaultKind>,
}

/// Picks the step for request number `number` (from 1). `attempt` counts earlier attempts at the step with this index
/// and counts the present one; it is called once, for the step that is taken. The error is a sentence for the client.
pub(crate) fn choose(
    script: &Script,
    name: &str,
    number: usize,
    shown: &Shown,
    mut attempt: impl FnMut(usize, Count) -> u32,
) -> Result<Chosen, String> {
    let n_steps = script.n_steps();
    let repeats = script.steps.last().is_some_and(|step| step.repeat);
    if number > n_steps && !repeats {
        return Err(format!("script {name:?} has {n_steps} steps, but the request asks for step {number}"));
    }
    let wanted = number.min(n_steps);
    let text = shown.text();
    for (index, step) in script.steps.iter().enumerate().filter(|(_, step)| step.number == wanted) {
        if !step.when.iter().all(|when| text.contains(when)) {
            continue;
        }
        let n_faulty: u32 = step.faults.iter().map(|fault| fault.times).sum();
        if step.says_nothing() && n_faulty > 0 && attempt(index, Count::Look) >= n_faulty {
            continue;
        }
        let vars = step.check(name, shown, &text)?;
        let fault = if n_faulty > 0 { step.fault_of_attempt(attempt(index, Count::Take)) } else { None };
        return Ok(Chosen { step: step.clone(), vars, fault });
    }
    Err(format!(
        "script {name:?} step {wanted}: no alternative fits (every @when missed, or its faults are used up); \
         the agent was shown: {}",
        excerpt(&text)
    ))
}

/// Whether asking for the number of earlier attempts also counts a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Count {
    Look,
    Take,
}

impl Step {
    fn says_nothing(&self) -> bool {
        self.parts.is_empty() && self.stop.is_none()
    }

    fn fault_of_attempt(&self, mut n_earlier: u32) -> Option<FaultKind> {
        for fault in &self.faults {
            if n_earlier < fault.times {
                return Some(fault.kind.clone());
            }
            n_earlier -= fault.times;
        }
        None
    }

    fn check(&self, script: &str, shown: &Shown, text: &str) -> Result<HashMap<String, String>, String> {
        let place = format!("script {script:?} step {} ({})", self.number, self.title);
        let miss = |what: String| Err(format!("{place}: {what}; the agent was shown: {}", excerpt(text)));
        if let Some(wanted) = self.expect.iter().find(|wanted| !text.contains(*wanted)) {
            return miss(format!("expected {wanted:?}"));
        }
        if let Some(unwanted) = self.expect_not.iter().find(|unwanted| text.contains(*unwanted)) {
            return miss(format!("did not expect {unwanted:?}"));
        }
        let mut vars = HashMap::new();
        for Let { name, regex } in &self.lets {
            let pieces = shown.new.iter().rev().chain(shown.earlier.iter().rev());
            let found = pieces.filter_map(|piece| regex.captures(piece)).find_map(|found| found.get(1));
            let Some(found) = found else { return miss(format!("nothing matches @let {name} = /{regex}/")) };
            vars.insert(name.clone(), found.as_str().to_string());
        }
        Ok(vars)
    }
}

fn excerpt(text: &str) -> String {
    text.chars().take(400).collect()
}

/// Puts the variables of a step into a text. Unknown names stay as they are: `{{…}}` is also ordinary program text.
pub(crate) fn fill(text: &str, vars: &HashMap<String, String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        let (before, from) = rest.split_at(start);
        out.push_str(before);
        let value = from.find("}}").and_then(|end| Some((vars.get(from[2..end].trim())?, end)));
        match value {
            Some((value, end)) => {
                out.push_str(value);
                rest = &from[end + 2..];
            }
            None => {
                out.push('{');
                rest = &from[1..];
            }
        }
    }
    out + rest
}
