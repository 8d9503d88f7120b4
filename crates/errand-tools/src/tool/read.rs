//! `read`: ranges of files, and logs of earlier commands.

use crate::context::{Context, Output, Site};
use crate::input;
use crate::tool::{Effect, Tool};
use errand_workspace::files::FileError;
use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

const RANGES_MAX: usize = 8;
const LINES: usize = 400;
const RANGE_BYTES: usize = 24_000;
const CALL_BYTES: usize = 48_000;
const LINE_CHARACTERS: usize = 500;
/// Files larger than this are read by `run` with the usual programs.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

pub struct Read;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    files: Vec<Range>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Range {
    path: String,
    /// First line (1); negative counts from the end.
    start: Option<i64>,
    lines: Option<usize>,
}

impl Tool for Read {
    fn name(&self) -> &'static str {
        "read"
    }

    fn description(&self) -> &'static str {
        "Read up to 8 file ranges in one call, 400 lines each unless you say, at most 24 kB a range and 48 kB a call. \
         path may also be log:7, the whole output of run 7. Lines come as `120│text`; the number and │ are not part of the file."
    }

    fn schema(&self) -> Value {
        input::schema::<Input>()
    }

    fn effect(&self) -> Effect {
        Effect::Reads
    }

    fn headline(&self, input: &Value) -> String {
        let files = input.get("files").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let range = |file: &Value| {
            let path = file.get("path")?.as_str()?;
            let start = file.get("start").and_then(Value::as_i64);
            Some(start.map_or_else(|| path.to_owned(), |start| format!("{path}:{start}")))
        };
        files.iter().filter_map(range).collect::<Vec<_>>().join(" ")
    }

    fn call<'a>(&'a self, context: &'a Context, site: Site<'a>) -> BoxFuture<'a, Output> {
        Box::pin(async move {
            let input: Input = match input::parse(site.input) {
                Ok(input) => input,
                Err(problem) => return Output::error(problem),
            };
            if input.files.is_empty() || input.files.len() > RANGES_MAX {
                return Output::error(format!(
                    "files takes 1 to {RANGES_MAX} ranges, this call has {}",
                    input.files.len()
                ));
            }
            let mut out = String::new();
            let mut n_failed = 0;
            for range in &input.files {
                if !out.is_empty() {
                    out.push('\n');
                }
                let room = CALL_BYTES.saturating_sub(out.len()).min(RANGE_BYTES);
                if room < 200 {
                    out.push_str(&format!("{}: not read, this call is full; read it in the next\n", range.path));
                    continue;
                }
                match text_of(context, &range.path).await {
                    Ok(text) => out.push_str(&show(range, &text, room)),
                    Err(problem) => {
                        n_failed += 1;
                        out.push_str(&format!("{problem}\n"));
                    }
                }
            }
            Output { is_error: n_failed == input.files.len(), ..Output::text(out) }
        })
    }
}

async fn text_of(context: &Context, path: &str) -> Result<String, String> {
    if let Some(name) = path.strip_prefix("log:") {
        return context.logs.log(name).await.ok_or_else(|| format!("{path}: there is no such log"));
    }
    let read = context.files.read(path, FILE_BYTES_MAX).map_err(|error| match error {
        FileError::Refused(refusal) => refusal.to_string(),
        FileError::Io { .. } => error.to_string(),
    })?;
    if read.size > FILE_BYTES_MAX {
        return Err(format!("{path}: {} bytes, too large to read here; look at parts of it with run", read.size));
    }
    if read.bytes.contains(&0) {
        return Err(format!("{path}: binary, {} bytes", read.size));
    }
    Ok(String::from_utf8_lossy(&read.bytes).into_owned())
}

fn show(range: &Range, text: &str, room: usize) -> String {
    let lines: Vec<_> = text.lines().collect();
    if lines.is_empty() {
        return format!("{} is empty\n", range.path);
    }
    let first = match range.start.unwrap_or(1) {
        back if back < 0 => lines.len().saturating_sub(back.unsigned_abs() as usize),
        start => usize::try_from(start).unwrap_or(1).saturating_sub(1),
    };
    if first >= lines.len() {
        return format!("{} has {} lines; there is no line {}\n", range.path, lines.len(), first + 1);
    }
    let mut body = String::new();
    let mut last = first;
    for line in lines.iter().skip(first).take(range.lines.unwrap_or(LINES).max(1)) {
        let mut kept: String = line.chars().take(LINE_CHARACTERS).collect();
        if kept.len() < line.len() {
            kept.push_str(&format!("… ({} characters)", line.chars().count()));
        }
        let numbered = format!("{}│{kept}\n", last + 1);
        if body.len() + numbered.len() > room {
            break;
        }
        body.push_str(&numbered);
        last += 1;
    }
    // A range that ended where it was asked to end needs no word about the rest.
    let is_as_asked = range.lines.is_some_and(|n| last == first + n.max(1));
    let more = match lines.len() - last {
        n if n > 0 && !is_as_asked => format!("… {n} more lines, from {}\n", last + 1),
        _ => String::new(),
    };
    let head = match (first, last == lines.len()) {
        (0, true) => format!("{} {} lines", range.path, lines.len()),
        _ => format!("{} {}-{last} of {}", range.path, first + 1, lines.len()),
    };
    format!("{head}\n{body}{more}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(start: Option<i64>, lines: Option<usize>, text: &str, expected: &str) {
        let range = Range { path: "a".into(), start, lines };
        assert_eq!(show(&range, text, 1_000), expected);
    }

    #[test]
    fn ranges() {
        check(None, None, "x\ny\n", "a 2 lines\n1│x\n2│y\n");
        check(Some(2), Some(1), "x\ny\nz\n", "a 2-2 of 3\n2│y\n");
        check(Some(-1), None, "x\ny\nz\n", "a 3-3 of 3\n3│z\n");
        check(Some(9), None, "x\n", "a has 1 lines; there is no line 9\n");
        check(None, None, "", "a is empty\n");
    }

    #[test]
    fn a_full_range_says_where_to_go_on() {
        let text = "0123456789\n".repeat(200);
        let shown = show(&Range { path: "a".into(), start: None, lines: None }, &text, 151);
        assert!(shown.ends_with("10│0123456789\n… 190 more lines, from 11\n"), "{shown}");
    }
}
