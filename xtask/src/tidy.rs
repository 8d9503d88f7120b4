//! `cargo xtask tidy`: what the compiler cannot hold. One file a check, one line a check in [`CHECKS`].
//!
//! A check is a function from the repository's files to findings. It reports, it never repairs; the one exception is
//! that `UPDATE_EXPECT=1` writes goldens that are missing. A finding says where, what, and what to do about it.

mod arrows;
mod docs;
mod goldens;
mod heads;
mod licences;
mod lists;
mod map;
mod names;
mod sizes;
mod walls;
mod words;

use crate::tree::Tree;
use std::fmt;
use std::path::Path;
use std::process::ExitCode;

type Check = fn(&Tree) -> Vec<Finding>;

const CHECKS: &[(&str, Check)] = &[
    ("arrows", arrows::check),
    ("docs", docs::check),
    ("goldens", goldens::check),
    ("heads", heads::check),
    ("licences", licences::check),
    ("lists", lists::check),
    ("map", map::check),
    ("names", names::check),
    ("sizes", sizes::check),
    ("walls", walls::check),
    ("words", words::check),
];

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    path: String,
    line: usize,
    what: String,
    todo: String,
}

impl Finding {
    fn new(path: &str, line: usize, what: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, what: what.into(), todo: todo.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}; {}", self.path, self.line, self.what, self.todo)
    }
}

pub fn run(root: &Path, wanted: &[String]) -> anyhow::Result<ExitCode> {
    if let Some(unknown) = wanted.iter().find(|name| !CHECKS.iter().any(|(known, _)| known == name)) {
        let known: Vec<_> = CHECKS.iter().map(|(name, _)| *name).collect();
        eprintln!("`{unknown}` is not a check; there are: {}", known.join(" "));
        return Ok(ExitCode::from(2));
    }
    let tree = Tree::read(root)?;
    let chosen: Vec<_> =
        CHECKS.iter().filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|w| w == name)).collect();
    let mut findings: Vec<_> = chosen.iter().flat_map(|(_, check)| check(&tree)).collect();
    findings.sort();
    for finding in &findings {
        println!("{finding}");
    }
    println!("tidy: {} checks, {} findings", chosen.len(), findings.len());
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Findings of `check` on a small tree, as people see them.
#[cfg(test)]
fn shown(check: impl Fn(&Tree) -> Vec<Finding>, files: &[(&str, &str)]) -> Vec<String> {
    let mut findings = check(&Tree::of(files));
    findings.sort();
    findings.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_are_sorted_and_complete() {
        assert!(CHECKS.is_sorted_by(|(a, _), (b, _)| a < b));
        let tree = Tree::read(&crate::root()).unwrap();
        let files: Vec<_> = tree.files_in("xtask/src/tidy").into_iter().collect();
        let listed: Vec<_> = CHECKS.iter().map(|(name, _)| format!("{name}.rs")).collect();
        assert_eq!(files, listed);
    }

    #[test]
    fn a_finding_says_where_what_and_what_to_do() {
        assert_eq!(Finding::new("a.rs", 3, "too long", "cut it").to_string(), "a.rs:3: too long; cut it");
    }
}
