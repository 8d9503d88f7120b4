//! Exact replacement in texts held in memory: all edits of a call or none.
//!
//! Pure. The unique match is the protection: an edit whose old text does not occur exactly as often as it says changes
//! nothing, and the answer names the closest place.

use crate::echo::{counted, cut};
use errand_task::redact;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};

/// Why an edit with the mark is not made.
const MARKED: &str = "`[redacted key]`, which stands for a key that is not shown";
/// Bytes a file may come to.
const TEXT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Pairs of equal lines that are looked at for the closest place.
const PAIRS_MAX: usize = 2_000_000;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    pub path: String,
    /// Exact text to replace, with its line breaks and indentation.
    pub old: Option<String>,
    /// What stands there instead; the whole file with create.
    pub new: Option<String>,
    /// How often old occurs (1).
    pub count: Option<usize>,
    /// Make a new file.
    pub create: Option<bool>,
    /// Remove the file.
    pub delete: Option<bool>,
}

/// Files by path; `None` is a file that does not exist.
pub type Texts = BTreeMap<String, Option<String>>;

/// The texts after all edits, or everything that stands against them.
pub fn apply(texts: &Texts, edits: &[Edit]) -> Result<Texts, Vec<String>> {
    let mut after = texts.clone();
    let mut problems = Vec::new();
    for (index, edit) in edits.iter().enumerate() {
        let current = after.get(&edit.path).cloned().flatten();
        match apply_one(current.as_deref(), edit) {
            Ok(text) => drop(after.insert(edit.path.clone(), text)),
            Err(problem) => problems.push(format!("edit {} ({}): {problem}", index + 1, cut(&edit.path))),
        }
    }
    if problems.is_empty() { Ok(after) } else { Err(problems) }
}

fn apply_one(current: Option<&str>, edit: &Edit) -> Result<Option<String>, String> {
    let is_set = |flag: Option<bool>| flag.unwrap_or(false);
    // The mark is what the model was shown in place of a key, not what the file holds.
    let n_marks = |text: &Option<String>| text.as_deref().unwrap_or_default().matches(redact::MARK).count();
    if n_marks(&edit.new) > n_marks(&edit.old) {
        return Err(format!("new holds {MARKED}; leave the lines with it as they are, outside of old and new"));
    }
    match (is_set(edit.create), is_set(edit.delete), current) {
        (true, true, _) => Err("create and delete exclude each other".to_owned()),
        (true, false, Some(_)) => {
            Err("the file exists already: edit it with old and new, or delete it in an edit before".to_owned())
        }
        (true, false, None) if edit.old.as_deref().is_some_and(|old| !old.is_empty()) => {
            Err("a new file has no old text: leave old out".to_owned())
        }
        (true, false, None) => Ok(Some(edit.new.clone().unwrap_or_default())),
        (false, true, None) => Err("there is no such file".to_owned()),
        (false, false, None) => Err("there is no such file (a new one needs \"create\": true)".to_owned()),
        (false, true, Some(_)) => Ok(None),
        (false, false, Some(text)) => replace(text, edit).map(Some),
    }
}

fn replace(text: &str, edit: &Edit) -> Result<String, String> {
    let (Some(old), Some(new)) = (&edit.old, &edit.new) else {
        return Err("old and new are both needed".to_owned());
    };
    if old.is_empty() {
        return Err("old is empty: give the text to replace".to_owned());
    }
    if old == new {
        return Err("old and new are the same".to_owned());
    }
    let ends = LineEnds::of(text);
    let (old, new) = in_ends(text, ends, old, new)?;
    let wanted = edit.count.unwrap_or(1);
    let places: Vec<_> = text.match_indices(&old).map(|(at, _)| at).collect();
    if places.is_empty() {
        if old.contains(redact::MARK) {
            return Err(format!("old holds {MARKED}; choose text without it"));
        }
        return Err(format!("old does not occur in the file. {}", closest(text, &old, ends)));
    }
    if places.len() != wanted {
        let lines: Vec<_> = places.iter().take(12).map(|&at| line_of(text, at).to_string()).collect();
        return Err(format!(
            "old occurs {} ({} {}), count says {wanted}: add surrounding lines to old, or set count to {}",
            counted(places.len(), "time"),
            if lines.len() == 1 { "line" } else { "lines" },
            lines.join(", "),
            places.len()
        ));
    }
    if text.len() + wanted.saturating_mul(new.len().saturating_sub(old.len())) > TEXT_BYTES_MAX {
        return Err(format!("the file would have more than {TEXT_BYTES_MAX} bytes"));
    }
    Ok(text.replace(&old, &new))
}

#[derive(Clone, Copy, PartialEq)]
enum LineEnds {
    Unix,
    Windows,
    Mixed,
}

impl LineEnds {
    fn of(text: &str) -> Self {
        let n_windows = text.matches("\r\n").count();
        match text.matches('\n').count() - n_windows {
            _ if n_windows == 0 => Self::Unix,
            0 => Self::Windows,
            _ => Self::Mixed,
        }
    }
}

/// Old and new in the line ends of the file, which reading it does not show. Where the file mixes them, those in which
/// old is there.
fn in_ends(text: &str, ends: LineEnds, old: &str, new: &str) -> Result<(String, String), String> {
    let unix = |part: &str| part.replace("\r\n", "\n");
    let windows = |part: &str| unix(part).replace('\n', "\r\n");
    match ends {
        LineEnds::Unix => Ok((unix(old), unix(new))),
        LineEnds::Windows => Ok((windows(old), windows(new))),
        LineEnds::Mixed if !old.contains('\n') => Ok((old.to_owned(), new.to_owned())),
        LineEnds::Mixed => {
            let is_there = |part: &str| text.contains(part);
            match (is_there(&unix(old)), is_there(&windows(old)), is_there(old)) {
                (true, true, _) => {
                    Err("the file mixes \\r\\n and \\n line ends, and old occurs with both: edit line by line"
                        .to_owned())
                }
                (true, false, _) => Ok((unix(old), unix(new))),
                (false, true, _) => Ok((windows(old), windows(new))),
                (false, false, true) => Ok((old.to_owned(), new.to_owned())),
                (false, false, false) => Ok((unix(old), unix(new))),
            }
        }
    }
}

fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes().iter().take(at).filter(|&&byte| byte == b'\n').count() + 1
}

/// Where most lines of `old` stand in order, and the first line that differs.
fn closest(text: &str, old: &str, ends: LineEnds) -> String {
    let (have, want): (Vec<_>, Vec<_>) = (text.lines().collect(), old.lines().collect());
    let mut offsets: HashMap<&str, Vec<usize>> = HashMap::new();
    for (offset, line) in want.iter().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        offsets.entry(line.trim()).or_default().push(offset);
    }
    // Each line that is also in old speaks for the places where old would then begin.
    let mut scores = vec![0_usize; have.len()];
    let mut n_pairs = 0;
    for (at, line) in have.iter().enumerate() {
        let offsets = offsets.get(line.trim()).map(Vec::as_slice).unwrap_or_default();
        n_pairs += offsets.len();
        if n_pairs > PAIRS_MAX {
            return "No close place was looked for, the file is large.".to_owned();
        }
        for offset in offsets {
            if let Some(score) = at.checked_sub(*offset).and_then(|start| scores.get_mut(start)) {
                *score += 1;
            }
        }
    }
    let best = scores.iter().enumerate().max_by_key(|&(start, score)| (score, usize::MAX - start));
    let Some((start, 1..)) = best else {
        return "No line of it is there; read the file again.".to_owned();
    };
    let mut pairs = want.iter().zip(have.iter().skip(start)).enumerate();
    match pairs.find(|(_, (want, have))| want != have) {
        Some((offset, (want, have))) => format!(
            "Closest is line {}; line {} differs:\n  file: {}\n  old:  {}",
            start + 1,
            start + offset + 1,
            visible(have),
            visible(want)
        ),
        None if ends == LineEnds::Mixed => {
            format!(
                "Closest is line {}, but the file mixes \\r\\n and \\n line ends there: edit line by line.",
                start + 1
            )
        }
        None => format!("Closest is line {}, where the file ends before old does.", start + 1),
    }
}

/// Tabs shown, so that a difference in indentation can be seen.
fn visible(line: &str) -> String {
    cut(line).replace('\t', "→")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(path: &str, old: &str, new: &str) -> Edit {
        Edit {
            path: path.into(),
            old: Some(old.into()),
            new: Some(new.into()),
            count: None,
            create: None,
            delete: None,
        }
    }

    fn check(text: &str, edits: &[Edit], expected: Result<&str, &str>) {
        let texts = Texts::from([("a".to_owned(), Some(text.to_owned()))]);
        let found = apply(&texts, edits).map(|after| after.get("a").cloned().flatten().unwrap_or_default());
        let found = found.map_err(|problems| problems.join("\n"));
        assert_eq!(found.as_deref().map_err(String::as_str), expected);
    }

    #[test]
    fn edits_build_on_each_other() {
        check("one two", &[edit("a", "one", "1"), edit("a", "1 two", "done")], Ok("done"));
    }

    #[test]
    fn counts_are_exact() {
        check(
            "x\nx\n",
            &[edit("a", "x", "y")],
            Err(
                "edit 1 (a): old occurs 2 times (lines 1, 2), count says 1: add surrounding lines to old, or set count to 2",
            ),
        );
        check("x\nx\n", &[Edit { count: Some(2), ..edit("a", "x", "y") }], Ok("y\ny\n"));
    }

    #[test]
    fn the_closest_place_is_named() {
        check(
            "fn a() {\n\tone();\n}\n",
            &[edit("a", "fn a() {\n    one();\n}", "")],
            Err(
                "edit 1 (a): old does not occur in the file. Closest is line 1; line 2 differs:\n  file: →one();\n  old:      one();",
            ),
        );
    }

    #[test]
    fn windows_line_ends_stay() {
        let text = "a\r\nb\r\nc\r\n";
        for (old, new) in [("a\nb", "x\ny"), ("a\r\nb", "x\ny"), ("a\nb", "x\r\ny"), ("a\r\nb", "x\r\ny")] {
            check(text, &[edit("a", old, new)], Ok("x\r\ny\r\nc\r\n"));
            check("a\nb\nc\n", &[edit("a", old, new)], Ok("x\ny\nc\n"));
        }
    }

    #[test]
    fn mixed_line_ends_are_told() {
        let text = "a\r\nb\nc\na\nb\r\n";
        check(text, &[edit("a", "b\nc", "x\r\ny")], Ok("a\r\nx\ny\na\nb\r\n"));
        check(text, &[edit("a", "a\r\nb\nc", "x")], Ok("x\na\nb\r\n"));
        check(
            text,
            &[edit("a", "a\nb", "x")],
            Err("edit 1 (a): the file mixes \\r\\n and \\n line ends, and old occurs with both: edit line by line"),
        );
        check(
            text,
            &[edit("a", "a\nb\nc\n", "x")],
            Err(
                "edit 1 (a): old does not occur in the file. Closest is line 1, but the file mixes \\r\\n and \\n line ends there: edit line by line.",
            ),
        );
    }

    #[test]
    fn work_is_bounded() {
        let found = closest(&"}\n".repeat(3_000), &"}\n".repeat(3_001), LineEnds::Unix);
        assert_eq!(found, "No close place was looked for, the file is large.");
        let much = Edit { count: Some(1 << 20), ..edit("a", "x", &"y".repeat(100)) };
        check(&"x".repeat(1 << 20), &[much], Err("edit 1 (a): the file would have more than 67108864 bytes"));
    }

    #[test]
    fn all_or_nothing_and_all_problems_at_once() {
        let create = Edit { create: Some(true), old: None, ..edit("a", "", "new") };
        let missing = edit("b", "x", "y");
        let texts = Texts::from([("a".to_owned(), Some("one".to_owned())), ("b".to_owned(), None)]);
        let problems = apply(&texts, &[create, missing]).unwrap_err();
        assert_eq!(problems.len(), 2);
    }
}
