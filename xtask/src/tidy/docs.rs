//! Commands that README and docs name exist: `cargo xtask VERB` and `just RECIPE`.

use super::Finding;
use crate::VERBS;
use crate::tree::Tree;

pub fn check(tree: &Tree) -> Vec<Finding> {
    let justfile = tree.text("justfile").unwrap_or_default();
    let recipes: Vec<&str> = justfile
        .lines()
        .filter(|line| line.starts_with(|c: char| c.is_ascii_alphanumeric()) && !line.contains(":="))
        .filter_map(|line| line.split_once(':').and_then(|(head, _)| head.split_whitespace().next()))
        .collect();
    let verbs: Vec<&str> = VERBS.iter().map(|verb| verb.name).collect();
    let is_doc = |path: &str| path.ends_with(".md") && (path.starts_with("docs/") || !path.contains('/'));
    let mut findings = Vec::new();
    for (path, text) in tree.files().filter(|(path, _)| is_doc(path)) {
        let mut is_fenced = false;
        for (index, line) in text.lines().enumerate() {
            if line.trim_start().starts_with("```") {
                is_fenced = !is_fenced;
                continue;
            }
            let pieces: Vec<&str> = if is_fenced { vec![line] } else { line.split('`').skip(1).step_by(2).collect() };
            for piece in pieces {
                let command = piece.trim().trim_start_matches("$ ");
                for (start, known) in [("cargo xtask ", &verbs), ("just ", &recipes)] {
                    let name = command.strip_prefix(start).and_then(|rest| rest.split_whitespace().next());
                    let is_name = |name: &&str| name.chars().all(|c| c.is_ascii_lowercase() || c == '-');
                    if let Some(name) = name.filter(is_name).filter(|name| !known.contains(name)) {
                        let what = format!("`{start}{name}` does not exist");
                        findings.push(Finding::new(path, index + 1, what, "correct the page or add the command"));
                    }
                }
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::shown;

    fn found(text: &str) -> Vec<String> {
        shown(check, &[("docs/a.md", text), ("justfile", "x := \"1\"\n\ncheck: fmt\n    cargo fmt\nfmt *args:\n")])
    }

    #[test]
    fn commands_that_do_not_exist_are_found() {
        for text in ["run `just chekc` first", "`cargo xtask tydi`", "```sh\n$ just x\n```"] {
            assert_eq!(found(text).len(), 1, "{text}");
        }
    }

    #[test]
    fn commands_that_exist_and_prose_pass() {
        for text in ["`just check`, `just fmt --check`", "just words", "`cargo xtask tidy`", "`cargo xtask VERB`"] {
            assert!(found(text).is_empty(), "{text}");
        }
    }
}
