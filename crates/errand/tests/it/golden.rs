//! Journals as stable text: what differs from run to run is named by order of appearance or left out, the rest is whole.

use crate::place::{Place, kind};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Command;

/// Fields that measure time, size or the outer world.
const LEFT_OUT: [&str; 7] = ["duration_ms", "n_bytes", "content", "usage", "credential", "version", "message_id"];
/// What the model is told at the start: a subject of its own, compared once.
const TOLD: [&str; 3] = ["system", "tools", "opening"];
/// Amounts: nothing or something is what counts.
const MONEY: [&str; 5] = ["reserved", "uncertain", "needed", "left", "cost"];

/// Compares the journal of a task with `goldens/NAME.txt`; `UPDATE_EXPECT=1` writes it instead.
#[track_caller]
pub fn check(name: &str, place: &Place, id: &str) {
    compare(name, place, &transcript(place, id));
}

/// Compares a text that names this task with `goldens/NAME.txt` in the same way.
#[track_caller]
pub fn check_text(name: &str, place: &Place, id: &str, text: &str) {
    compare(name, place, &Names::of(place, id).text(text.to_owned()));
}

#[track_caller]
fn compare(name: &str, place: &Place, transcript: &str) {
    let path = PathBuf::from(format!("{}/tests/it/goldens/{name}.txt", env!("CARGO_MANIFEST_DIR")));
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, transcript).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    if expected != transcript {
        let found = place.root().join("transcript.txt");
        std::fs::write(&found, transcript).unwrap();
        let expected = if path.exists() { path.as_os_str() } else { "/dev/null".as_ref() };
        let diff = Command::new("git").args(["diff", "--no-index", "--no-color"]).arg(expected).arg(&found).output();
        let diff = String::from_utf8_lossy(&diff.unwrap().stdout).into_owned();
        panic!("this is not {name}.txt (bless with UPDATE_EXPECT=1, and read the diff):\n{diff}");
    }
}

/// The journal, an event a line.
fn transcript(place: &Place, id: &str) -> String {
    let mut names = Names::of(place, id);
    let mut out = String::new();
    for record in place.records(id) {
        let body = record["event"].as_object().and_then(|event| event.values().next());
        // A variant without fields is its name alone.
        let body = body.and_then(Value::as_object).and_then(|body| body.values().next()).cloned();
        let body = body.map(|body| names.value(body).to_string()).unwrap_or_default();
        out.push_str(&format!("{:>3} {} {body}\n", record["seq"], kind(&record)));
    }
    out
}

/// Names given by order of appearance, so that what is equal stays equal.
struct Names {
    outer: Vec<(String, &'static str)>,
    known: HashMap<String, String>,
    n_by_kind: HashMap<&'static str, usize>,
}

impl Names {
    fn of(place: &Place, id: &str) -> Self {
        let root = place.root().canonicalize().unwrap().to_str().unwrap().to_owned();
        let url = place.sim.base_url();
        let host = url.trim_start_matches("http://").to_owned();
        let outer = vec![(root, "$PLACE"), (url.clone(), "$SIM"), (host, "$HOST"), (id.to_owned(), "$TASK")];
        Self { outer, known: HashMap::new(), n_by_kind: HashMap::new() }
    }

    fn value(&mut self, value: Value) -> Value {
        match value {
            Value::Object(fields) => {
                let field = |(key, value): (String, Value)| {
                    let value = match key.as_str() {
                        key if LEFT_OUT.contains(&key) || TOLD.contains(&key) => Value::from("…"),
                        key if MONEY.contains(&key) => amount(&value),
                        // The name of what undo needs; the record of a check is an object.
                        "record" if value.is_string() => Value::from("…"),
                        _ => self.value(value),
                    };
                    (key, value)
                };
                Value::Object(fields.into_iter().map(field).collect::<Map<_, _>>())
            }
            Value::Array(items) => Value::Array(items.into_iter().map(|item| self.value(item)).collect()),
            Value::String(text) => Value::String(self.text(text)),
            Value::Null | Value::Bool(_) | Value::Number(_) => value,
        }
    }

    fn text(&mut self, mut text: String) -> String {
        for (found, name) in &self.outer {
            text = text.replace(found, name);
        }
        let mut out = String::new();
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let n_word = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(n_word);
            out.push_str(&self.word(word));
            let n_between = after.find(is_word).unwrap_or(after.len());
            out.push_str(&after[..n_between]);
            rest = &after[n_between..];
        }
        without_measures(&out)
    }

    fn word(&mut self, word: &str) -> String {
        let is_hex = word.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        let kind = match word.len() {
            40 if is_hex => "object",
            64 if is_hex => "digest",
            _ if word.starts_with("toolu_") => "call",
            _ => return word.to_owned(),
        };
        let n = self.n_by_kind.entry(kind).or_default();
        let name = self.known.entry(word.to_owned()).or_insert_with(|| {
            *n += 1;
            format!("{kind}{n}")
        });
        name.clone()
    }
}

fn amount(value: &Value) -> Value {
    let is_nothing = value.as_i64() == Some(0);
    Value::from(if is_nothing { "nothing" } else { "something" })
}

/// `12.4 s` and `$0.1455` without their numbers: what was measured, not what somebody asked for in whole seconds and cents.
fn without_measures(text: &str) -> String {
    let words: Vec<_> = text.split(' ').collect();
    let is_number = |word: &str| word.contains('.') && word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let is_unit = |word: &&str| ["s", "ms"].contains(&word.trim_end_matches([',', ';', '\n']));
    let is_amount =
        |word: &str| word.strip_prefix('$').is_some_and(|rest| is_number(rest) && rest.len() == "0.1455".len());
    let shown = words.iter().enumerate().map(|(index, &word)| match word {
        word if is_number(word) && words.get(index + 1).is_some_and(is_unit) => "N",
        word if is_amount(word) => "$N",
        word => word,
    });
    shown.collect::<Vec<_>>().join(" ")
}
