//! ARCHITECTURE.md is the map: it names every crate and every top folder, and nothing that is not there.
//!
//! Names count inside backticks, or as the first word of a line in a fenced block (a drawn tree).

use super::Finding;
use crate::tree::Tree;

const MAP: &str = "ARCHITECTURE.md";

pub fn check(tree: &Tree) -> Vec<Finding> {
    let Some(text) = tree.text(MAP) else {
        return vec![Finding::new(MAP, 1, "there is no map", "write it: each crate and each top folder in a line")];
    };
    let names = names(text);
    let is_named = |wanted: &str| names.iter().any(|(_, name)| name.trim_end_matches('/') == wanted);
    let mut findings = Vec::new();
    for name in tree.folders_in("crates") {
        if !is_named(&format!("crates/{name}")) {
            let what = format!("the crate `crates/{name}` is not on the map");
            findings.push(Finding::new(MAP, 1, what, "say in a line what it is for"));
        }
    }
    for name in tree.folders_in("") {
        // Naming one crate names the folder of crates.
        if name != "crates" && !is_named(name) {
            let what = format!("the folder `{name}/` is not on the map");
            findings.push(Finding::new(MAP, 1, what, "say in a line what it is for"));
        }
    }
    for (line, name) in &names {
        let is_place = name.starts_with("crates/") || name.ends_with('/') && !name.starts_with('/');
        let is_pattern = name.contains(['*', '<', '{', '…', '$', '~', ':']);
        if is_place && !is_pattern && !tree.has(name) {
            let what = format!("`{name}` is on the map and not in the tree");
            findings.push(Finding::new(MAP, *line, what, "remove it or correct its name"));
        }
    }
    findings
}

/// Every name with its line.
fn names(text: &str) -> Vec<(usize, &str)> {
    let mut names = Vec::new();
    let mut is_fenced = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            is_fenced = !is_fenced;
        } else if is_fenced {
            names.extend(line.split_whitespace().next().map(|name| (index + 1, name)));
        } else {
            let inside = line.split('`').skip(1).step_by(2);
            names.extend(inside.filter(|name| !name.contains(' ')).map(|name| (index + 1, name)));
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::shown;

    fn found(map: &str) -> Vec<String> {
        shown(check, &[(MAP, map), ("crates/a/src/lib.rs", ""), (".ci/run", ""), ("docs/x.md", "")])
    }

    #[test]
    fn gaps_and_leftovers_are_found() {
        assert_eq!(shown(check, &[("README.md", "")]).len(), 1, "no map");
        let found = found("# Map\n`crates/a` is x\n`crates/gone` was\n`gone/`, `docs`\n");
        assert_eq!(
            found,
            [
                "ARCHITECTURE.md:1: the folder `.ci/` is not on the map; say in a line what it is for",
                "ARCHITECTURE.md:3: `crates/gone` is on the map and not in the tree; remove it or correct its name",
                "ARCHITECTURE.md:4: `gone/` is on the map and not in the tree; remove it or correct its name",
            ]
        );
        assert_eq!(self::found("crates/a without backticks, `.ci/`, `docs/`").len(), 1);
    }

    #[test]
    fn a_true_map_passes() {
        assert!(
            found("`.ci/` `docs`\n```text\ncrates/a   what\ncargo xtask tidy\n```\n`crates/*/src/lib.rs`").is_empty()
        );
    }
}
