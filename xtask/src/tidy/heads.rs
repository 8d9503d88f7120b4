//! Every source file begins with what it is for: `//!` on its first line.

use super::Finding;
use crate::tree::Tree;

pub fn check(tree: &Tree) -> Vec<Finding> {
    let is_source = |path: &str| {
        let in_crate = path.starts_with("crates/") && path.contains("/src/");
        (in_crate || path.starts_with("xtask/src/")) && path.ends_with(".rs")
    };
    tree.files()
        .filter(|(path, text)| is_source(path) && !text.starts_with("//!"))
        .map(|(path, _)| {
            let todo = "begin with two to six lines of `//!`: what it is for and what it deliberately does not do";
            Finding::new(path, 1, "the file does not say what it is for", todo)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::shown;

    #[test]
    fn a_file_without_a_head_is_found() {
        let found = shown(check, &[("crates/a/src/b.rs", "use x;\n//! late\n"), ("xtask/src/main.rs", "fn main() {}")]);
        assert_eq!(found.len(), 2);
        assert!(found[0].starts_with("crates/a/src/b.rs:1: "), "{found:?}");
    }

    #[test]
    fn heads_and_other_files_pass() {
        let files =
            [("crates/a/src/b.rs", "//! What for.\n"), ("crates/a/tests/it/main.rs", ""), ("crates/a/src/x.sql", "")];
        assert!(shown(check, &files).is_empty());
    }
}
