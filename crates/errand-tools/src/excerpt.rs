//! What of a command's output the model is shown: the ends, the folded middle, and the lines that name a failure.
//!
//! Every cut says what is missing and where it is.

/// Lines kept from the start and the end.
const HEAD_LINES: usize = 20;
const TAIL_LINES: usize = 80;
/// Bytes of an excerpt, roughly; single lines are cut at [`LINE_CHARACTERS`].
const EXCERPT_BYTES: usize = 10_000;
const LINE_CHARACTERS: usize = 500;
/// Lines from the middle that look like failures.
const FAILURE_LINES: usize = 20;
/// The same line at least this often in a row is folded.
const FOLD_FROM: usize = 3;
/// Lines of a red check that go back to the model.
const CHECK_LINES: usize = 30;

/// Output of a command for the model; `log` names where the whole of it is.
pub fn run_excerpt(output: &str, log: &str) -> String {
    let lines = fold(output);
    if lines.len() <= HEAD_LINES + TAIL_LINES && output.len() <= EXCERPT_BYTES {
        return join(&lines);
    }
    let (n_head, n_tail) = fitting(&lines, HEAD_LINES, TAIL_LINES);
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
    let lines = fold(output);
    let n_skipped = lines.len().saturating_sub(CHECK_LINES);
    let early = lines.iter().take(n_skipped).filter(|line| looks_like_failure(&line.text)).take(8);
    let early: String = early.map(|line| format!("{}\n", line.text)).collect();
    format!("{early}{}", join(lines.get(n_skipped..).unwrap_or_default()))
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

fn fold(output: &str) -> Vec<Folded> {
    let mut folded: Vec<Folded> = Vec::new();
    for (index, line) in output.lines().enumerate() {
        let text = shorten(line);
        match folded.last_mut() {
            Some(last) if last.text == text => last.n_same += 1,
            _ => folded.push(Folded { number: index + 1, n_same: 1, text }),
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

    #[test]
    fn short_output_is_whole_and_repeats_fold() {
        assert_eq!(run_excerpt("a\nb\nb\nb\nb\nc\r\n", "log:1"), "a\nb  (×4)\nc\n");
        assert_eq!(run_excerpt("10%\r50%\r100%\nok", "log:1"), "100%\nok\n");
    }

    #[test]
    fn the_middle_names_its_failures_and_its_place() {
        let mut output: String = (1..=300).map(|n| format!("line {n}\n")).collect();
        output = output.replace("line 150\n", "test auth ... FAILED\n");
        let shown = run_excerpt(&output, "log:7");
        assert!(shown.starts_with("line 1\n"));
        assert!(shown.contains("line 20\n… lines 21–220 are in log:7; those that look like failures:\n"));
        assert!(shown.contains("   150│test auth ... FAILED\n…\nline 221\n"));
        assert!(shown.ends_with("line 300\n"));
    }

    #[test]
    fn wide_output_stays_within_its_bytes() {
        let output: String = (0..200).map(|n| format!("{n}{}\n", "x".repeat(2_000))).collect();
        let shown = run_excerpt(&output, "log:1");
        assert!(shown.len() < EXCERPT_BYTES + 2_000, "{}", shown.len());
    }
}
