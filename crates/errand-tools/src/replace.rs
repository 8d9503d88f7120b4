//! Exact replacement in texts held in memory: all edits of a call or none.
//!
//! Pure. The unique match is the protection: an edit whose old text does not occur exactly as often as it says changes
//! nothing, and the answer names the closest place.

use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

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
            Err(problem) => problems.push(format!("edit {} ({}): {problem}", index + 1, edit.path)),
        }
    }
    if problems.is_empty() { Ok(after) } else { Err(problems) }
}

fn apply_one(current: Option<&str>, edit: &Edit) -> Result<Option<String>, String> {
    let is_set = |flag: Option<bool>| flag.unwrap_or(false);
    match (is_set(edit.create), is_set(edit.delete), current) {
        (true, true, _) => Err("create and delete exclude each other".to_owned()),
        (true, false, Some(_)) => {
            Err("the file exists already: edit it with old and new, or delete it in an edit before".to_owned())
        }
        (true, false, None) if edit.old.as_deref().is_some_and(|old| !old.is_empty()) => {
            Err("a new file has no old text: leave old out".to_owned())
        }
        (true, false, None) => Ok(Some(edit.new.clone().unwrap_or_default())),
        (false, true, None) | (false, false, None) => {
            Err("there is no such file (a new one needs \"create\": true)".to_owned())
        }
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
    // A file with Windows line ends is edited in its own line ends.
    let is_crlf = text.contains("\r\n") && !old.contains("\r\n");
    let convert = |part: &str| if is_crlf { part.replace('\n', "\r\n") } else { part.to_owned() };
    let (old, new) = (convert(old), convert(new));
    let wanted = edit.count.unwrap_or(1);
    let places: Vec<_> = text.match_indices(&old).map(|(at, _)| line_of(text, at)).collect();
    if places.len() == wanted && wanted > 0 {
        return Ok(text.replace(&old, &new));
    }
    if places.is_empty() {
        return Err(format!("old does not occur in the file. {}", closest(text, &old)));
    }
    let lines: Vec<_> = places.iter().take(12).map(ToString::to_string).collect();
    Err(format!(
        "old occurs {} times (lines {}), count says {wanted}: add surrounding lines to old, or set count to {}",
        places.len(),
        lines.join(", "),
        places.len()
    ))
}

fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes().iter().take(at).filter(|&&byte| byte == b'\n').count() + 1
}

/// Where most lines of `old` stand in order, and the first line that differs.
fn closest(text: &str, old: &str) -> String {
    let (have, want): (Vec<_>, Vec<_>) = (text.lines().collect(), old.lines().collect());
    let alike = |a: &str, b: &str| a.trim() == b.trim();
    let score = |start: usize| {
        want.iter()
            .zip(have.iter().skip(start))
            .filter(|(want, have)| !want.trim().is_empty() && alike(want, have))
            .count()
    };
    let best =
        (0..have.len()).map(|start| (score(start), start)).max_by_key(|&(score, start)| (score, usize::MAX - start));
    let Some((1.., start)) = best else {
        return "No line of it is there; read the file again.".to_owned();
    };
    let pairs = want.iter().zip(have.iter().skip(start)).enumerate();
    let different = pairs.into_iter().find(|(_, (want, have))| want != have);
    match different {
        Some((offset, (want, have))) => format!(
            "Closest is line {}; line {} differs:\n  file: {}\n  old:  {}",
            start + 1,
            start + offset + 1,
            visible(have),
            visible(want)
        ),
        None => format!("Closest is line {}, where the file ends before old does.", start + 1),
    }
}

/// Tabs shown, so that a difference in indentation can be seen.
fn visible(line: &str) -> String {
    let shown: String = line.chars().take(200).collect();
    shown.replace('\t', "→")
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
        check("a\r\nb\r\nc\r\n", &[edit("a", "a\nb", "x\ny")], Ok("x\r\ny\r\nc\r\n"));
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
