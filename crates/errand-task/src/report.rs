//! What the model says about its work when it finishes. Everything in here is a claim.

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Done,
    Partial,
    Blocked,
    NothingToChange,
}

impl Outcome {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Partial => "partial",
            Self::Blocked => "blocked",
            Self::NothingToChange => "nothing_to_change",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    pub text: String,
    /// Places as `path:line`.
    pub places: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeClaim {
    pub path: String,
    pub what: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestClaim {
    pub name: String,
    pub proves: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    pub outcome: Outcome,
    pub summary: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    #[serde(default)]
    pub changes: Vec<ChangeClaim>,
    #[serde(default)]
    pub tests: Vec<TestClaim>,
    /// Numbers of runs that show it.
    #[serde(default)]
    pub checks: Vec<u32>,
    #[serde(default)]
    pub not_checked: Vec<String>,
    #[serde(default)]
    pub risks: Vec<String>,
    #[serde(default)]
    pub assumptions: Vec<String>,
    /// Places that did not fit a repetitive change.
    #[serde(default)]
    pub exceptions: Vec<String>,
    #[serde(default)]
    pub side_findings: Vec<String>,
    /// The plan, map or answer itself, in Markdown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
}

impl Report {
    /// Every `path:line` or `path:line-line` the report cites, in order, without repeats.
    pub fn references(&self) -> Vec<Reference> {
        let places = self.cause.iter().flat_map(|cause| cause.places.iter().map(String::as_str));
        let texts = self.cause.iter().map(|cause| cause.text.as_str()).chain([self.summary.as_str()]);
        let mut found: Vec<Reference> = Vec::new();
        for text in places.chain(texts).chain(self.document.as_deref()) {
            for reference in text.split(|c: char| c.is_whitespace() || "`()[]{}<>,;\"'|*".contains(c)) {
                if let Some(reference) = Reference::parse(reference)
                    && !found.contains(&reference)
                {
                    found.push(reference);
                }
            }
        }
        found
    }
}

/// A place in a file, 1-based.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    pub path: String,
    pub line: u32,
    pub end_line: u32,
}

impl Reference {
    /// `src/a.rs:12`, `src/a.rs:12-20`, `Makefile:3`; not `http://x:80`, `a::b`, `12:30`, `localhost:8080`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim_end_matches(['.', ':', '!', '?']);
        let (path, lines) = text.split_once(':')?;
        // `a.rs:12:5` names a column as well.
        let lines = lines.split(':').next()?;
        let (line, end_line) = lines.split_once(['-', '–']).unwrap_or((lines, lines));
        let (line, end_line) = (line.parse().ok()?, end_line.trim_start_matches('L').parse().ok()?);
        let is_path =
            path.contains(['.', '/']) || path.chars().next().is_some_and(|c| c.is_ascii_uppercase()) && path.len() > 3;
        let is_plausible = is_path && !path.contains("//") && path.chars().any(|c| c.is_alphabetic());
        (is_plausible && line >= 1 && end_line >= line).then(|| Self { path: path.to_owned(), line, end_line })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_found_in_prose() {
        for (text, expected) in [
            ("src/a.rs:12", Some(("src/a.rs", 12, 12))),
            ("src/a.rs:12-20.", Some(("src/a.rs", 12, 20))),
            ("a.py:7:", Some(("a.py", 7, 7))),
            ("a.rs:12:5", Some(("a.rs", 12, 12))),
            ("Makefile:3", Some(("Makefile", 3, 3))),
            ("http://x:80", None),
            ("std::mem", None),
            ("12:30", None),
            ("localhost:8080", None),
            ("a.rs:0", None),
            ("a.rs:9-3", None),
        ] {
            let parsed = Reference::parse(text).map(|r| (r.path, r.line, r.end_line));
            assert_eq!(parsed, expected.map(|(path, line, end)| (path.to_owned(), line, end)), "{text}");
        }
    }
}
