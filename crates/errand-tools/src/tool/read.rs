//! `read`: ranges of files, and logs of earlier commands.

use crate::context::{Context, Output, Site};
use crate::echo::{bounded, counted, cut};
use crate::input;
use crate::tool::{Effect, Tool};
use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

const RANGES_MAX: usize = 8;
const LINES: usize = 400;
const RANGE_BYTES: usize = 24_000;
/// Shared by the ranges of a call: small ones whole, the rest in equal parts.
const CALL_BYTES: usize = 64_000;
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
        "Read up to 8 file ranges, 400 lines each unless you say, at most 24 kB a range and 64 kB a call. \
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
            let mut parts = Vec::new();
            for range in &input.files {
                parts.push(text_of(context, &range.path).await.map(|text| Part::of(range, &text)));
            }
            let sizes = parts.iter().flatten().map(Part::size).collect();
            let room = room(sizes, CALL_BYTES);
            let show = |part: &Result<Part, String>| match part {
                Ok(part) => part.show(room),
                Err(problem) => format!("{problem}\n"),
            };
            let text = parts.iter().map(show).collect::<Vec<_>>().join("\n");
            Output { is_error: parts.iter().all(Result::is_err), ..Output::text(text) }
        })
    }
}

/// What each may have at most, so that all together stay within `total` and small ones need not share.
fn room(mut sizes: Vec<usize>, total: usize) -> usize {
    sizes.sort_unstable();
    let mut left = total;
    for (index, size) in sizes.iter().enumerate() {
        let share = left / (sizes.len() - index);
        if *size > share {
            return share;
        }
        left -= size;
    }
    total
}

async fn text_of(context: &Context, path: &str) -> Result<String, String> {
    if let Some(name) = path.strip_prefix("log:") {
        return context.logs.log(name).await.ok_or_else(|| format!("{}: there is no such log", cut(path)));
    }
    let read = context.files.read(path, FILE_BYTES_MAX).map_err(bounded)?;
    if read.size > FILE_BYTES_MAX {
        return Err(format!(
            "{}: {} bytes, too large to read here; look at parts of it with run",
            cut(path),
            read.size
        ));
    }
    if read.bytes.contains(&0) {
        return Err(format!("{}: binary, {}", cut(path), counted(read.size as usize, "byte")));
    }
    Ok(String::from_utf8_lossy(&read.bytes).into_owned())
}

/// The lines of one range, before it is known how many of them there is room for.
enum Part {
    /// Nothing to show but a sentence.
    Said(String),
    Lines(Lines),
}

struct Lines {
    path: String,
    /// From 0.
    first: usize,
    n_total: usize,
    /// How many lines were asked for.
    asked: Option<usize>,
    /// Numbered, up to what one range may have.
    rows: Vec<String>,
}

impl Part {
    fn of(range: &Range, text: &str) -> Self {
        let path = cut(&range.path);
        let lines: Vec<_> = text.lines().collect();
        let n_total = lines.len();
        if lines.is_empty() {
            return Self::Said(format!("{path} is empty\n"));
        }
        let first = match range.start.unwrap_or(1) {
            back if back < 0 => n_total.saturating_sub(back.unsigned_abs() as usize),
            start => usize::try_from(start).unwrap_or(1).saturating_sub(1),
        };
        if first >= n_total {
            let n_lines = counted(n_total, "line");
            return Self::Said(format!("{path} has {n_lines}; there is no line {}\n", first + 1));
        }
        let asked = range.lines.map(|n| n.max(1));
        let wanted = lines.iter().enumerate().skip(first).take(asked.unwrap_or(LINES));
        let mut n_bytes = 0;
        let mut rows = Vec::new();
        for row in wanted.map(|(index, line)| row(index + 1, line)) {
            n_bytes += row.len();
            // One more than fits, so that the part knows it was cut.
            rows.push(row);
            if n_bytes > RANGE_BYTES {
                break;
            }
        }
        Self::Lines(Lines { path, first, n_total, asked, rows })
    }

    fn size(&self) -> usize {
        match self {
            Self::Said(text) => text.len(),
            Self::Lines(lines) => lines.rows.iter().map(String::len).sum::<usize>().min(RANGE_BYTES),
        }
    }

    fn show(&self, room: usize) -> String {
        match self {
            Self::Said(text) => text.clone(),
            Self::Lines(lines) => lines.show(room.min(RANGE_BYTES)),
        }
    }
}

impl Lines {
    fn show(&self, room: usize) -> String {
        let Self { path, first, n_total, .. } = self;
        let mut n_bytes = 0;
        let fits = |row: &&String| {
            n_bytes += row.len();
            n_bytes <= room
        };
        let shown: Vec<_> = self.rows.iter().take_while(fits).map(String::as_str).collect();
        if shown.is_empty() {
            return format!("{path}: not read, this call is full; read it in the next\n");
        }
        let last = first + shown.len();
        let is_cut = shown.len() < self.rows.len();
        let why = match self.asked {
            Some(asked) if is_cut => {
                let asked = first.saturating_add(asked).min(*n_total);
                format!(" (cut at {} kB; asked to {asked})", room / 1_000)
            }
            None if is_cut => format!(" (cut at {} kB)", room / 1_000),
            Some(_) | None => String::new(),
        };
        // A range that ended where it was asked to end needs no word about the rest.
        let more = match n_total - last {
            n if n > 0 && (is_cut || self.asked.is_none()) => {
                format!("… {}, from {}\n", counted(n, "more line"), last + 1)
            }
            _ => String::new(),
        };
        let head = match (*first, last == *n_total) {
            (0, true) => format!("{path} {}", counted(*n_total, "line")),
            _ => format!("{path} {}-{last} of {n_total}{why}", first + 1),
        };
        format!("{head}\n{}{more}", shown.concat())
    }
}

fn row(number: usize, line: &str) -> String {
    match line.char_indices().nth(LINE_CHARACTERS) {
        Some((end, _)) => {
            let kept = line.get(..end).unwrap_or_default();
            format!("{number}│{kept}… ({} characters)\n", line.chars().count())
        }
        None => format!("{number}│{line}\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(start: Option<i64>, lines: Option<usize>, text: &str, expected: &str) {
        assert_eq!(Part::of(&Range { path: "a".into(), start, lines }, text).show(1_000), expected);
    }

    #[test]
    fn ranges() {
        check(None, None, "x\ny\n", "a 2 lines\n1│x\n2│y\n");
        check(Some(2), Some(1), "x\ny\nz\n", "a 2-2 of 3\n2│y\n");
        check(Some(-1), None, "x\ny\nz\n", "a 3-3 of 3\n3│z\n");
        check(Some(9), None, "x\n", "a has 1 line; there is no line 9\n");
        check(None, None, "", "a is empty\n");
    }

    #[test]
    fn a_cut_range_says_why_and_where_to_go_on() {
        let text = "0123456789abc\n".repeat(2_000);
        let rows: String = (1..=53).map(|n| format!("{n}│0123456789abc\n")).collect();
        let cut = |why: &str| format!("a 1-53 of 2000 ({why})\n{rows}… 1947 more lines, from 54\n");
        check(None, Some(500), &text, &cut("cut at 1 kB; asked to 500"));
        check(None, Some(5_000), &text, &cut("cut at 1 kB; asked to 2000"));
        check(None, None, &text, &cut("cut at 1 kB"));
        check(None, None, &"ä".repeat(1_000), "a: not read, this call is full; read it in the next\n");
    }

    #[test]
    fn small_parts_are_whole_and_large_ones_share() {
        for (sizes, expected) in [
            (vec![], 100),
            (vec![100], 100),
            (vec![10, 20, 30], 100),
            (vec![80, 10, 80], 45),
            (vec![50, 50, 50, 50], 25),
        ] {
            assert_eq!(room(sizes.clone(), 100), expected, "{sizes:?}");
        }
    }
}
