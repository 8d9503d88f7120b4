//! What of a command's output the model is shown: the ends, the folded middle, and the lines that name a failure.
//!
//! Every cut says what is missing and where it is.

use crate::echo::counted;
use crate::warnings;
use errand_task::facts::RunEnd;

/// Lines kept from the start and the end.
const LINES: (usize, usize) = (20, 80);
/// The same where everything went well.
const LINES_OF_SUCCESS: (usize, usize) = (10, 40);
/// Bytes of an excerpt, roughly; single lines are cut at [`LINE_CHARACTERS`].
const EXCERPT_BYTES: usize = 10_000;
const LINE_CHARACTERS: usize = 500;
/// Lines from the middle that look like failures.
const FAILURE_LINES: usize = 20;
/// The same line at least this often in a row is folded.
const FOLD_FROM: usize = 3;
/// Lines of a red check that go back to the model.
const CHECK_LINES: usize = 30;

/// Output of a command for the model; `end` is how it ended if it did, `log` names where the whole of it is.
pub fn run_excerpt(output: &str, end: Option<&RunEnd>, log: &str) -> String {
    let (n_head, n_tail) = if end.is_some_and(RunEnd::is_success) { LINES_OF_SUCCESS } else { LINES };
    let lines = fold(&without_warnings(output, log));
    let n_bytes: usize = lines.iter().map(|line| line.text.len() + 1).sum();
    if lines.len() <= n_head + n_tail && n_bytes <= EXCERPT_BYTES {
        return join(&lines);
    }
    let (n_head, n_tail) = fitting(&lines, n_head, n_tail);
    let middle = lines.get(n_head..lines.len() - n_tail).unwrap_or_default();
    let mut out = join(lines.get(..n_head).unwrap_or_default());
    let failures: Vec<_> = middle.iter().filter(|line| looks_like_failure(&line.text)).take(FAILURE_LINES).collect();
    if let (Some(first), Some(last)) = (middle.first(), middle.last()) {
        out.push_str(&format!("… lines {}–{} are in {log}", first.number, last.last_number()));
        out.push_str(if failures.is_empty() { "\n" } else { "; those that look like failures:\n" });
    }
    for line in failures {
        out.push_str(&format!("{:>6}│{}\n", line.number, line.text));
    }
    if !middle.is_empty() {
        out.push_str("…\n");
    }
    out.push_str(&join(lines.get(lines.len() - n_tail..).unwrap_or_default()));
    out
}

/// Output of a red check for the model: its last lines, with lines before them that look like failures.
pub fn check_excerpt(output: &str) -> String {
    let lines = fold(&numbered(output));
    let n_skipped = lines.len().saturating_sub(CHECK_LINES);
    let early = lines.iter().take(n_skipped).filter(|line| looks_like_failure(&line.text)).take(8);
    let early: String = early.map(|line| format!("{}\n", line.text)).collect();
    let cut = if n_skipped == 0 { String::new() } else { format!("… {} before these\n", counted(n_skipped, "line")) };
    format!("{early}{cut}{}", join(lines.get(n_skipped..).unwrap_or_default()))
}

struct Folded {
    /// 1-based in the whole output.
    number: usize,
    n_same: usize,
    text: String,
}

impl Folded {
    fn last_number(&self) -> usize {
        self.number + self.n_same - 1
    }
}

/// Lines with their numbers in the whole output.
type Numbered<'a> = Vec<(usize, std::borrow::Cow<'a, str>)>;

fn numbered(output: &str) -> Numbered<'_> {
    output.lines().enumerate().map(|(index, line)| (index + 1, line.into())).collect()
}

/// Many warnings of a compiler are one line, where the first of them was.
fn without_warnings<'a>(output: &'a str, log: &str) -> Numbered<'a> {
    let lines: Vec<_> = output.lines().collect();
    let Some(found) = warnings::find(&lines) else { return numbered(output) };
    let mut note = Some(format!("… {} warnings folded, they are in {log}", found.n_warnings));
    let mut left = Vec::new();
    for ((index, line), is_part) in lines.into_iter().enumerate().zip(found.is_part) {
        if !is_part {
            left.push((index + 1, line.into()));
        } else if let Some(note) = note.take() {
            left.push((index + 1, note.into()));
        }
    }
    left
}

/// The same line in a row is one.
fn fold(lines: &Numbered<'_>) -> Vec<Folded> {
    let mut folded: Vec<Folded> = Vec::new();
    for (number, line) in lines {
        let text = shorten(line);
        match folded.last_mut() {
            Some(last) if last.text == text => last.n_same += 1,
            _ => folded.push(Folded { number: *number, n_same: 1, text }),
        }
    }
    folded
}

/// A progress line that was overwritten shows only its last state.
fn shorten(line: &str) -> String {
    let line = line.trim_end_matches('\r');
    let line = line.rsplit('\r').next().unwrap_or(line);
    let mut text: String = line.chars().take(LINE_CHARACTERS).collect();
    if text.len() < line.len() {
        text.push_str(&format!("… ({} characters)", line.chars().count()));
    }
    text
}

fn join(lines: &[Folded]) -> String {
    let mut out = String::new();
    for line in lines {
        if line.n_same >= FOLD_FROM {
            out.push_str(&format!("{}  (×{})\n", line.text, line.n_same));
        } else {
            (0..line.n_same).for_each(|_| {
                out.push_str(&line.text);
                out.push('\n');
            });
        }
    }
    out
}

/// How many lines of the head and the tail fit, the tail being worth more.
fn fitting(lines: &[Folded], n_head: usize, n_tail: usize) -> (usize, usize) {
    let mut n_left = EXCERPT_BYTES;
    let mut fits = |line: &Folded| {
        let size = line.text.len() + 1;
        let is_fitting = size <= n_left;
        n_left = n_left.saturating_sub(size);
        is_fitting
    };
    let n_tail = lines.iter().rev().take(n_tail).take_while(|line| fits(line)).count();
    let n_head = lines.iter().take(n_head.min(lines.len() - n_tail)).take_while(|line| fits(line)).count();
    (n_head, n_tail)
}

fn looks_like_failure(line: &str) -> bool {
    let text = line.trim_start();
    let starts = ["error", "Error", "ERROR", "FAIL", "--- FAIL", "E   ", "fatal", "panic:", "not ok", "✕", "×"];
    let holds = ["FAILED", "panicked at", "AssertionError", "Traceback", ": error", "Segmentation fault"];
    starts.iter().any(|start| text.starts_with(start)) || holds.iter().any(|part| text.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RED: Option<&RunEnd> = Some(&RunEnd::Exited { code: 1 });
    const GREEN: Option<&RunEnd> = Some(&RunEnd::Exited { code: 0 });

    #[test]
    fn short_output_is_whole_and_repeats_fold() {
        assert_eq!(run_excerpt("a\nb\nb\nb\nb\nc\r\n", RED, "log:1"), "a\nb  (×4)\nc\n");
        assert_eq!(run_excerpt("10%\r50%\r100%\nok", GREEN, "log:1"), "100%\nok\n");
    }

    #[test]
    fn the_middle_names_its_failures_and_its_place() {
        let mut output: String = (1..=300).map(|n| format!("line {n}\n")).collect();
        output = output.replace("line 150\n", "test auth ... FAILED\n");
        for end in [RED, None] {
            let shown = run_excerpt(&output, end, "log:7");
            assert!(shown.starts_with("line 1\n"));
            assert!(shown.contains("line 20\n… lines 21–220 are in log:7; those that look like failures:\n"));
            assert!(shown.contains("   150│test auth ... FAILED\n…\nline 221\n"));
            assert!(shown.ends_with("line 300\n"));
        }
        let shown = run_excerpt(&output, GREEN, "log:7");
        assert!(shown.contains("line 10\n… lines 11–260 are in log:7; those that look like failures:\n"), "{shown}");
    }

    #[test]
    fn wide_output_stays_within_its_bytes() {
        let output: String = (0..200).map(|n| format!("{n}{}\n", "x".repeat(2_000))).collect();
        let shown = run_excerpt(&output, RED, "log:1");
        assert!(shown.len() < EXCERPT_BYTES + 2_000, "{}", shown.len());
    }

    #[test]
    fn warnings_are_one_line_and_errors_stay() {
        let warning = "warning: unused\n --> a.rs:1:1\n  |\n\n";
        let output = format!("start\n{}error: no\n --> a.rs:9:1\n", warning.repeat(43));
        let expected = "start\n… 43 warnings folded, they are in log:7\nerror: no\n --> a.rs:9:1\n";
        assert_eq!(run_excerpt(&output, RED, "log:7"), expected);
        assert_eq!(run_excerpt(&warning.repeat(2), RED, "log:7"), warning.repeat(2));
    }
}
