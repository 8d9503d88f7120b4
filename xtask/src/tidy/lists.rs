//! Many of a kind: each file stands in its list, and no source file is one that nobody compiles.
//!
//! A folder that does not exist yet is no finding. Order is not looked at: rules are asked in their own order, and
//! rustfmt sorts modules.

use super::Finding;
use crate::source::{Source, occurrences, with_tests};
use crate::tree::Tree;

/// A folder whose files also stand by name in a list, beyond their `mod` line.
struct Kind {
    folder: &'static str,
    list: &'static str,
    /// What a line of the list says, with `{}` for the file's name.
    entry: &'static str,
    /// Files in the folder that are not of the kind.
    except: &'static [&'static str],
}

const KINDS: &[Kind] = &[
    Kind {
        folder: "crates/errand-task/src/rules",
        list: "crates/errand-task/src/rules.rs",
        entry: "{}::rule",
        except: &["ending"],
    },
    Kind {
        folder: "crates/errand-tools/src/tool",
        list: "crates/errand-tools/src/registry.rs",
        entry: "{}::",
        except: &[],
    },
];

pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, _) in tree.files().filter(|(path, _)| path.ends_with(".rs")) {
        let parts: Vec<&str> = path.split('/').collect();
        match parts.as_slice() {
            ["crates", _, "tests", _] => {
                let todo = "move it to tests/it/ and name it in main.rs: each further test binary links 60 to 100 MB";
                findings.push(Finding::new(path, 1, "a second integration binary", todo));
            }
            ["crates", _, "src", "bin", ..] => {}
            ["crates", _, "src", inside @ ..]
            | ["crates", _, "tests", "it", inside @ ..]
            | ["xtask", "src", inside @ ..] => {
                findings.extend(orphan(tree, path, inside.len()));
            }
            _ => {}
        }
    }
    findings.extend(KINDS.iter().flat_map(|kind| missing_entries(tree, kind)));
    findings
}

/// A finding when the parent of the module at `path`, `depth` below the crate's root file, does not name it.
fn orphan(tree: &Tree, path: &str, depth: usize) -> Option<Finding> {
    let (folder, file) = path.rsplit_once('/')?;
    let is_root = depth == 1 && matches!(file, "lib.rs" | "main.rs");
    if is_root {
        return None;
    }
    let (holder, name) = if file == "mod.rs" { folder.rsplit_once('/')? } else { (folder, file.strip_suffix(".rs")?) };
    let is_top = depth == if file == "mod.rs" { 2 } else { 1 };
    let parents = if is_top {
        [format!("{holder}/lib.rs"), format!("{holder}/main.rs")]
    } else {
        [format!("{holder}.rs"), format!("{holder}/mod.rs")]
    };
    let is_named = parents.iter().filter_map(|parent| tree.text(parent)).any(|text| {
        let code = with_tests(text);
        !occurrences(&code, &format!("mod {name};")).is_empty() || text.contains(&format!("/{file}\"]"))
    });
    let what = format!("nobody compiles this file: no `mod {name};`");
    (!is_named).then(|| Finding::new(path, 1, what, format!("name it in {} or delete it", parents.join(" or "))))
}

fn missing_entries(tree: &Tree, kind: &Kind) -> Vec<Finding> {
    let Kind { folder, list, entry, except } = kind;
    let code = Source::of(tree.text(list).unwrap_or_default()).code;
    let names = tree.files_in(folder).into_iter().filter_map(|file| file.strip_suffix(".rs"));
    let of_the_kind = names.filter(|name| *name != "mod" && !except.contains(name));
    let missing = of_the_kind.filter_map(|name| {
        let wanted = entry.replace("{}", name);
        let is_listed = !occurrences(&code, &wanted).is_empty();
        let path = format!("{folder}/{name}.rs");
        let todo = format!("add its line to {list} or delete the file");
        (!is_listed).then(|| Finding::new(&path, 1, format!("`{wanted}` stands in no list"), todo))
    });
    missing.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::shown;

    const RULE: &str = "crates/errand-task/src/rules/a.rs";
    const RULES: &str = "crates/errand-task/src/rules.rs";
    const ROOT: (&str, &str) = ("crates/errand-task/src/lib.rs", "mod rules;");

    #[test]
    fn forgotten_files_are_found() {
        for (files, n_findings) in [
            (vec![(RULE, ""), (RULES, "mod a;\n// a::rule\nconst RULES: &[Rule] = &[];"), ROOT], 1),
            (vec![(RULE, ""), (RULES, "// mod a;\n"), ROOT], 2),
            (vec![("crates/x/tests/it/a.rs", ""), ("crates/x/tests/it/main.rs", "mod b;")], 1),
            (vec![("crates/x/tests/a.rs", "")], 1),
            (vec![("crates/errand/src/cli/run.rs", ""), ("crates/errand/src/cli.rs", "mod show;")], 2),
            (vec![("crates/x/src/a/mod.rs", ""), ("crates/x/src/lib.rs", "mod ab;")], 1),
            (
                vec![
                    ("crates/errand-tools/src/tool/read.rs", ""),
                    ("crates/errand-tools/src/lib.rs", "mod registry; mod tool;"),
                    ("crates/errand-tools/src/registry.rs", "use tool::read;"),
                    ("crates/errand-tools/src/tool/mod.rs", "mod read;"),
                ],
                1,
            ),
        ] {
            assert_eq!(shown(check, &files).len(), n_findings, "{files:?}");
        }
    }

    #[test]
    fn listed_files_pass() {
        let ending = ("crates/errand-task/src/rules/ending.rs", "");
        for files in [
            vec![(RULE, ""), ending, (RULES, "mod a;\nmod ending;\nconst RULES: &[Rule] = &[a::rule];"), ROOT],
            vec![
                ("crates/x/tests/it/main.rs", "mod a;\nmod b;"),
                ("crates/x/tests/it/a.rs", ""),
                ("crates/x/tests/it/b/mod.rs", ""),
            ],
            vec![
                ("crates/x/src/main.rs", "pub mod a;"),
                ("crates/x/src/a.rs", "#[cfg(test)]\nmod tests;"),
                ("crates/x/src/a/tests.rs", ""),
            ],
            vec![("crates/x/src/lib.rs", "#[path = \"gen/b.rs\"]\nmod a;"), ("crates/x/src/bin/y.rs", "")],
        ] {
            assert!(shown(check, &files).is_empty(), "{files:?}");
        }
    }
}
