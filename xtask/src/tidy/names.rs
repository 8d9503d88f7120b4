//! Names of files and folders that say nothing, and `mod.rs` files with logic in them.

use super::Finding;
use crate::tree::Tree;

const EMPTY_NAMES: &[&str] = &["common", "helpers", "legacy", "manager", "misc", "utils", "v2"];
const MOD_RS_LINES: usize = 40;

pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.files().filter(|(path, _)| !path.contains("/fixtures/")) {
        let stems = path.split('/').map(|part| part.split_once('.').map_or(part, |(stem, _)| stem));
        for name in stems.filter(|stem| EMPTY_NAMES.contains(&stem.to_ascii_lowercase().as_str())) {
            let todo = "name it after its subject, or move its parts to the subjects they belong to";
            findings.push(Finding::new(path, 1, format!("`{name}` says nothing about what is inside"), todo));
        }
        let n_lines = text.lines().count();
        if path.ends_with("/mod.rs") && n_lines > MOD_RS_LINES {
            let what = format!("a mod.rs of {n_lines} lines, more than {MOD_RS_LINES}");
            findings.push(Finding::new(
                path,
                MOD_RS_LINES + 1,
                what,
                "keep the list here and move the logic to named files",
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::shown;

    #[test]
    fn empty_names_are_found() {
        let long = "x\n".repeat(41);
        for path in ["crates/a/src/utils.rs", "crates/a/src/common/b.rs", "docs/v2.md", "Legacy/x", "a/helpers.test.ts"]
        {
            assert_eq!(shown(check, &[(path, "")]).len(), 1, "{path}");
        }
        let found = shown(check, &[("crates/a/src/b/mod.rs", &long)]);
        assert!(found[0].starts_with("crates/a/src/b/mod.rs:41: a mod.rs of 41 lines"), "{found:?}");
    }

    #[test]
    fn names_with_a_meaning_pass() {
        let short = "x\n".repeat(40);
        let files =
            [("crates/a/src/b/mod.rs", short.as_str()), ("docs/utilsation.md", ""), ("a/tests/fixtures/utils.py", "")];
        assert!(shown(check, &files).is_empty());
    }
}
