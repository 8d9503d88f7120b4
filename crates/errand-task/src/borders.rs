//! Which paths may change and how much: asked at each write and once more about the whole result.
//!
//! Paths are relative to the repository, with `/` between the parts, exactly as the diff names them.

use crate::contract::{Contract, Mode};
use crate::facts::FileChange;
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use serde::{Deserialize, Serialize};
use std::fmt;
use thiserror::Error;

#[derive(Debug, Error)]
#[error("`{pattern}` is not a path pattern")]
pub struct BadPattern {
    pattern: String,
}

/// One border that a write or a result crosses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Violation {
    ReadOnly { path: String },
    NotAllowed { path: String },
    Protected { path: String, pattern: String },
    TooManyLines { n_lines: u32, limit: u32 },
    TooManyFiles { n_files: u32, limit: u32 },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReadOnly { path } => write!(f, "{path}: this job is read-only, no file may change"),
            Self::NotAllowed { path } => write!(f, "{path}: outside the paths this job may change"),
            Self::Protected { path, pattern } => write!(f, "{path}: protected by `{pattern}`"),
            Self::TooManyLines { n_lines, limit } => {
                write!(f, "the diff has {n_lines} changed lines, the limit is {limit}")
            }
            Self::TooManyFiles { n_files, limit } => write!(f, "the diff has {n_files} files, the limit is {limit}"),
        }
    }
}

/// The borders of one contract, ready to be asked.
pub struct Borders {
    mode: Mode,
    allow: Option<GlobSet>,
    protect: GlobSet,
    protect_patterns: Vec<String>,
    max_diff_lines: Option<u32>,
    max_files: Option<u32>,
}

impl Borders {
    pub fn of(contract: &Contract) -> Result<Self, BadPattern> {
        Ok(Self {
            mode: contract.mode,
            allow: if contract.allow.is_empty() { None } else { Some(globs(&contract.allow)?) },
            protect: globs(&contract.protect)?,
            protect_patterns: contract.protect.clone(),
            max_diff_lines: contract.max_diff_lines,
            max_files: contract.max_files,
        })
    }

    /// Whether `path` may be written at all.
    pub fn check_path(&self, path: &str) -> Result<(), Violation> {
        let path_owned = || path.to_owned();
        if self.mode.is_read_only() {
            return Err(Violation::ReadOnly { path: path_owned() });
        }
        let matched = self.protect.matches(path);
        if let Some(pattern) = matched.first().and_then(|&i| self.protect_patterns.get(i / GLOBS_A_PATTERN)) {
            return Err(Violation::Protected { path: path_owned(), pattern: pattern.clone() });
        }
        match &self.allow {
            Some(allow) if !allow.is_match(path) => Err(Violation::NotAllowed { path: path_owned() }),
            Some(_) | None => Ok(()),
        }
    }

    /// Every border the whole result crosses.
    pub fn check_result(&self, changes: &[FileChange]) -> Vec<Violation> {
        let mut violations: Vec<_> = changes.iter().filter_map(|change| self.check_path(&change.path).err()).collect();
        let lines = changes.iter().flat_map(|change| [change.added, change.removed]);
        let n_lines = lines.fold(0, u32::saturating_add);
        if let Some(limit) = self.max_diff_lines.filter(|&limit| n_lines > limit) {
            violations.push(Violation::TooManyLines { n_lines, limit });
        }
        let n_files = u32::try_from(changes.len()).unwrap_or(u32::MAX);
        if let Some(limit) = self.max_files.filter(|&limit| n_files > limit) {
            violations.push(Violation::TooManyFiles { n_files, limit });
        }
        violations
    }
}

/// A pattern names files, or a folder with everything below it: two globs, as a comma means something between braces.
const GLOBS_A_PATTERN: usize = 2;

fn globs(patterns: &[String]) -> Result<GlobSet, BadPattern> {
    let bad = |pattern: &str| BadPattern { pattern: pattern.to_owned() };
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let trimmed = pattern.trim_start_matches("./").trim_end_matches('/');
        if trimmed.split('/').any(|part| ["", ".", ".."].contains(&part)) {
            return Err(bad(pattern));
        }
        for glob in [trimmed.to_owned(), format!("{trimmed}/**")] {
            set.add(GlobBuilder::new(&glob).literal_separator(true).build().map_err(|_| bad(pattern))?);
        }
    }
    set.build().map_err(|_| bad(&patterns.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Draft;

    fn borders(allow: &[&str], protect: &[&str]) -> Borders {
        let owned = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect();
        let draft = Draft {
            allow: owned(allow),
            protect: owned(protect),
            max_diff_lines: Some(10),
            max_files: Some(2),
            ..Draft::default()
        };
        Borders::of(&draft.complete("goal").unwrap()).unwrap()
    }

    #[test]
    fn paths_inside_and_outside() {
        let borders = borders(&["src/auth/**", "tests"], &["src/auth/api.rs", "**/Cargo.lock"]);
        for (path, inside) in [
            ("src/auth/login.rs", true),
            ("tests/login.rs", true),
            ("tests/deep/er.rs", true),
            ("testsuite/x.rs", false),
            ("src/auth/api.rs", false),
            ("src/auth/Cargo.lock", false),
            ("src/authority.rs", false),
            ("README.md", false),
        ] {
            assert_eq!(borders.check_path(path).is_ok(), inside, "{path}");
        }
    }

    #[test]
    fn each_pattern_protects_what_it_names() {
        let borders = borders(&[], &["a,b.txt", "./docs", "{x,y}/z"]);
        for (path, pattern) in [
            ("a,b.txt", Some("a,b.txt")),
            ("docs/deep/a.md", Some("./docs")),
            ("x/z/a.rs", Some("{x,y}/z")),
            ("a", None),
            ("b.txt", None),
        ] {
            let protected = |pattern: &str| Violation::Protected { path: path.to_owned(), pattern: pattern.to_owned() };
            assert_eq!(borders.check_path(path).err(), pattern.map(protected), "{path}");
        }
    }

    #[test]
    fn a_pattern_that_can_match_nothing_is_refused() {
        for pattern in ["", "/", "/etc", "..", "src/../x", "src/./x", "src//x", ".", "./", "src/["] {
            assert!(globs(&[pattern.to_owned()]).is_err(), "{pattern}");
        }
    }

    fn change(path: &str, added: u32, removed: u32) -> FileChange {
        FileChange { path: path.into(), kind: crate::facts::ChangeKind::Modified, added, removed, is_binary: false }
    }

    #[test]
    fn sizes_count_lines_on_both_sides() {
        let found = borders(&[], &[]).check_result(&[change("a", 4, 4), change("b", 3, 0), change("c", 0, 0)]);
        assert_eq!(
            found,
            [Violation::TooManyLines { n_lines: 11, limit: 10 }, Violation::TooManyFiles { n_files: 3, limit: 2 }]
        );
        let endless = borders(&[], &[]).check_result(&[change("a", u32::MAX, 1), change("b", u32::MAX, 0)]);
        assert_eq!(endless, [Violation::TooManyLines { n_lines: u32::MAX, limit: 10 }]);
    }
}
