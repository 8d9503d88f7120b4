//! A file is a subject: at 800 lines the machine asks whether it is two.
//!
//! Larger ones that are tolerated stand in `xtask/ratchet.toml` with their size; a listed file only shrinks, and its
//! number with it. Tables, fixtures and generated files are exempt by their place.

use super::Finding;
use crate::tree::{Tree, line_of};
use std::collections::BTreeMap;

const LIMIT: usize = 800;
const RATCHET: &str = "xtask/ratchet.toml";
const SOURCE_ENDINGS: &[&str] = &[".css", ".html", ".js", ".py", ".rs", ".sh", ".ts", ".tsx"];
const EXEMPT_FOLDERS: &[&str] = &["/cassettes/", "/dist/", "/fixtures/", "/generated/", "/goldens/"];

pub fn check(tree: &Tree) -> Vec<Finding> {
    let text = tree.text(RATCHET).unwrap_or_default();
    let ratchet: BTreeMap<String, usize> = match toml::from_str(text) {
        Ok(ratchet) => ratchet,
        Err(error) => return vec![Finding::new(RATCHET, 1, error.to_string(), "write lines like \"path\" = 900")],
    };
    let mut findings = Vec::new();
    for (path, text) in tree.files().filter(|(path, _)| is_counted(path)) {
        let n_lines = text.lines().count();
        let finding = match ratchet.get(path) {
            None if n_lines > LIMIT => {
                let todo = "split it where the subjects part; a table goes to a file of data";
                Finding::new(path, LIMIT + 1, format!("{n_lines} lines, more than {LIMIT}"), todo)
            }
            Some(&listed) if n_lines > LIMIT && n_lines > listed => {
                let what = format!("grew to {n_lines} lines, {RATCHET} allows {listed}");
                Finding::new(path, listed + 1, what, "a listed file only shrinks: move something out")
            }
            None | Some(_) => continue,
        };
        findings.push(finding);
    }
    for (path, &listed) in &ratchet {
        let n_lines = tree.text(path).filter(|_| is_counted(path)).map_or(0, |text| text.lines().count());
        if n_lines <= LIMIT {
            let what = format!("`{path}` needs no entry any more");
            findings.push(Finding::new(RATCHET, line_of(text, path), what, "remove the line"));
        } else if n_lines < listed {
            let what = format!("`{path}` has {n_lines} lines, the entry says {listed}");
            findings.push(Finding::new(RATCHET, line_of(text, path), what, format!("lower it to {n_lines}")));
        }
    }
    findings
}

fn is_counted(path: &str) -> bool {
    let is_source = SOURCE_ENDINGS.iter().any(|ending| path.ends_with(ending));
    is_source && !EXEMPT_FOLDERS.iter().any(|folder| path.contains(folder))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::shown;

    fn found(n_lines: usize, ratchet: &str) -> Vec<String> {
        shown(check, &[("crates/a/src/b.rs", &"x\n".repeat(n_lines)), (RATCHET, ratchet)])
    }

    #[test]
    fn large_grown_and_stale_are_found() {
        for (n_lines, ratchet, start) in [
            (801, "", "crates/a/src/b.rs:801: 801 lines"),
            (901, "\"crates/a/src/b.rs\" = 900", "crates/a/src/b.rs:901: grew to 901 lines"),
            (850, "# why\n\"crates/a/src/b.rs\" = 900", "xtask/ratchet.toml:2: `crates/a/src/b.rs` has 850 lines"),
            (800, "\"crates/a/src/b.rs\" = 900", "xtask/ratchet.toml:1: `crates/a/src/b.rs` needs no entry"),
            (1, "\"gone.rs\" = 900", "xtask/ratchet.toml:1: `gone.rs` needs no entry"),
            (1, "nonsense", "xtask/ratchet.toml:1: "),
        ] {
            let found = found(n_lines, ratchet);
            assert!(found.len() == 1 && found[0].starts_with(start), "{found:?}");
        }
    }

    #[test]
    fn small_listed_and_exempt_files_pass() {
        assert!(found(800, "").is_empty());
        assert!(found(900, "\"crates/a/src/b.rs\" = 900").is_empty());
        let long = "x\n".repeat(2_000);
        assert!(shown(check, &[("a/tests/fixtures/x.rs", long.as_str()), ("Cargo.lock", long.as_str())]).is_empty());
    }
}
