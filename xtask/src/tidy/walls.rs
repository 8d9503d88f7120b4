//! Walls inside the code that no crate border holds: who starts processes, speaks SQL or HTTP, reads the environment,
//! prints; what the spine never names; and paths compared as strings.
//!
//! Comments, literals and test code do not count; xtask is outside all walls. One line a wall in [`WALLS`].

use super::Finding;
use crate::source::{Source, is_test_file, occurrences};
use crate::tree::{Tree, line_at};

struct Wall {
    /// Whole words that may not stand in code here, also spelled out by an import.
    words: &'static [&'static str],
    /// Beginnings of the paths the wall is about.
    inside: &'static [&'static str],
    /// Beginnings of the paths that are the gate.
    except: &'static [&'static str],
    todo: &'static str,
}

const EVERYWHERE: &[&str] = &["crates/"];

const WALLS: &[Wall] = &[
    Wall {
        words: &["dbg!", "eprint!", "eprintln!", "print!", "println!"],
        inside: EVERYWHERE,
        except: &[],
        todo: "return it or trace it; in `errand`, `screen::out` and `screen::news` say it, which make it harmless",
    },
    Wall {
        words: &["io::stderr", "io::stdout", "Stderr", "Stdout", "stdio::stderr", "stdio::stdout"],
        inside: EVERYWHERE,
        except: &[
            // The doors' program answers the daemon on its standard output, and looks whether it has a terminal.
            "crates/errand-workspace/src/sandbox/doors/probes.rs",
            "crates/errand-workspace/src/sandbox/wire.rs",
            "crates/errand/src/daemon/log.rs",
            "crates/errand/src/screen.rs",
            "crates/errand/src/terminal.rs",
        ],
        todo: "everything a person reads passes `screen`, and the log `daemon/log` (threats, rule 38)",
    },
    Wall {
        words: &[
            "env::args",
            "env::args_os",
            "env::current_dir",
            "env::current_exe",
            "env::home_dir",
            "env::remove_var",
            "env::set_current_dir",
            "env::set_var",
            "env::temp_dir",
            "env::var",
            "env::var_os",
            "env::vars",
            "env::vars_os",
            "std::env::*",
        ],
        inside: EVERYWHERE,
        except: &[
            "crates/errand/src/cli",
            "crates/errand/src/home.rs",
            "crates/errand/src/main.rs",
            "crates/errand/src/terminal.rs",
        ],
        todo: "take it as an argument: only the edge of `errand` reads the environment (home.rs, terminal.rs, cli)",
    },
    Wall {
        words: &["reqwest"],
        inside: EVERYWHERE,
        except: &["crates/errand-model/", "crates/errand/src/client"],
        todo: "go through errand-model, or through `errand`'s client of its own daemon",
    },
    Wall {
        words: &["rusqlite"],
        inside: EVERYWHERE,
        except: &["crates/errand-journal/"],
        todo: "ask the journal: it is the only one that knows the store",
    },
    Wall {
        words: &["process::Command", "process_wrap", "std::process::*", "tokio::process"],
        inside: EVERYWHERE,
        except: &["crates/errand-workspace/"],
        todo: "go through errand-workspace: every process has one way in (threats, rule 1)",
    },
    Wall {
        words: &[
            "Instant",
            "SystemTime",
            "async",
            "std::env",
            "std::fs",
            "std::net",
            "std::process",
            "std::thread",
            "tokio",
        ],
        inside: &["crates/errand-task/"],
        except: &[],
        todo: "the spine is pure: pass it in as a value, or do it in the crate that performs",
    },
];

const SQL: &[&str] = &[
    "ALTER TABLE ",
    "CREATE INDEX ",
    "CREATE TABLE ",
    "CREATE UNIQUE INDEX ",
    "DELETE FROM ",
    "DROP TABLE ",
    "INSERT INTO ",
    "INSERT OR ",
    "PRAGMA ",
    "SELECT ",
    "UPDATE ",
    "WITH RECURSIVE ",
];
const PATH_CRATES: &[&str] = &["crates/errand-tools/", "crates/errand-workspace/"];
const TEXT_NOT_PATH: &str = "// tidy: text, not a path";

pub fn check(tree: &Tree) -> Vec<Finding> {
    let is_walled = |path: &str| path.starts_with("crates/") && path.ends_with(".rs") && !is_test_file(path);
    let mut findings = Vec::new();
    for (path, text) in tree.files().filter(|(path, _)| is_walled(path)) {
        let source = Source::of(text);
        findings.extend(WALLS.iter().filter(|wall| wall.stands_before(path)).flat_map(|wall| wall.find(path, &source)));
        findings.extend(sql(path, text, &source));
        findings.extend(environment_at_build(path, text, &source));
        findings.extend(paths_as_strings(path, text, &source));
    }
    findings
}

impl Wall {
    fn stands_before(&self, path: &str) -> bool {
        let begins = |starts: &[&str]| starts.iter().any(|start| path.starts_with(start));
        begins(self.inside) && !begins(self.except)
    }

    /// At most one finding a line.
    fn find(&self, path: &str, source: &Source) -> Vec<Finding> {
        let mut hits: Vec<(usize, &str)> = self
            .words
            .iter()
            .flat_map(|word| source.lines_naming(word).into_iter().map(|line| (line, *word)))
            .collect();
        hits.sort_unstable();
        hits.dedup_by_key(|(line, _)| *line);
        hits.into_iter().map(|(line, word)| Finding::new(path, line, format!("`{word}` here"), self.todo)).collect()
    }
}

/// Literals that begin like a statement.
fn sql(path: &str, text: &str, source: &Source) -> Vec<Finding> {
    if path.starts_with("crates/errand-journal/") {
        return Vec::new();
    }
    let statements = source.literals.iter().filter(|literal| {
        let start = literal.text.trim_start();
        SQL.iter().any(|begin| start.starts_with(begin))
    });
    statements
        .map(|literal| {
            let todo = "give the journal a function that answers the question";
            Finding::new(path, line_at(text, literal.offset), "SQL outside errand-journal", todo)
        })
        .collect()
}

/// `env!` and `option_env!` may ask for what cargo sets and nothing else.
fn environment_at_build(path: &str, text: &str, source: &Source) -> Vec<Finding> {
    let asked = ["env!(", "option_env!("].into_iter().flat_map(|call| {
        occurrences(&source.code, call)
            .into_iter()
            .filter_map(|offset| source.literals.iter().find(|literal| literal.offset > offset))
    });
    asked
        .filter(|literal| !literal.text.starts_with("CARGO_"))
        .map(|literal| {
            let what = format!("`{}` is read from the environment of the build", literal.text);
            Finding::new(path, line_at(text, literal.offset), what, "use what cargo sets (CARGO_…) or nothing")
        })
        .collect()
}

/// `starts_with` on a path compares letters where it should walk a directory handle.
fn paths_as_strings(path: &str, text: &str, source: &Source) -> Vec<Finding> {
    if !PATH_CRATES.iter().any(|start| path.starts_with(start)) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    let mut line_before = "";
    for (index, (code, line)) in source.code.lines().zip(text.lines()).enumerate() {
        let is_about_paths = code.contains(".starts_with(") && code.to_ascii_lowercase().contains("path");
        let is_text = line.contains(TEXT_NOT_PATH) || line_before.trim() == TEXT_NOT_PATH;
        if is_about_paths && !is_text {
            let todo = format!("resolve below the directory handle (threats, rule 13), or mark it `{TEXT_NOT_PATH}`");
            findings.push(Finding::new(path, index + 1, "`starts_with` on a path", todo));
        }
        line_before = line;
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::shown;

    #[test]
    fn what_climbs_a_wall_is_found() {
        for (path, line) in [
            ("crates/errand-runner/src/a.rs", "std::process::Command::new(\"git\");"),
            ("crates/errand/src/daemon.rs", "use std::process::{self, Command};"),
            ("crates/errand-tools/src/a.rs", "use std::process; fn f() { process::Command::new(x) }"),
            ("crates/errand-tools/src/a.rs", "use std::process::*;"),
            ("crates/errand-runner/src/a.rs", "use tokio::{process::Command, task};"),
            ("crates/errand-runner/src/a.rs", "use process_wrap::std::*;"),
            ("crates/errand/src/daemon.rs", "let c: rusqlite::Connection;"),
            ("crates/errand/src/daemon.rs", "reqwest::get(x)"),
            ("crates/errand-model/src/a.rs", "std::env::var(\"KEY\")"),
            ("crates/errand-model/src/a.rs", "use std::env::var;"),
            ("crates/errand/src/daemon.rs", "use std::env; fn f() { env::var_os(x) }"),
            ("crates/errand-model/src/a.rs", "env!(\"USER\")"),
            ("crates/errand-model/src/a.rs", "option_env!(\"USER\")"),
            ("crates/errand-sim/src/a.rs", "println!(\"x\")"),
            ("crates/errand-sim/src/a.rs", "dbg!(x)"),
            ("crates/errand/src/cli/run.rs", "println!(\"x\")"),
            ("crates/errand/src/cli/run.rs", "std::io::stdout().write_all(x)"),
            ("crates/errand/src/show.rs", "use std::io::{self, Write}; fn f() { write!(io::stderr(), x) }"),
            ("crates/errand-task/src/a.rs", "std::fs::read(x)"),
            ("crates/errand-task/src/a.rs", "use std::{fmt, thread};"),
            ("crates/errand-task/src/a.rs", "use std::time::{Duration, SystemTime};"),
            ("crates/errand-task/src/a.rs", "pub async fn a() {}"),
            ("crates/errand-runner/src/a.rs", "store.ask(\"SELECT 1 FROM x\")"),
            ("crates/errand-runner/src/a.rs", "store.ask(r#\"  INSERT INTO x\"#)"),
            ("crates/errand-workspace/src/a.rs", "if path.starts_with(root) {"),
            ("crates/errand-tools/src/a.rs", "file.starts_with(Path::new(x))"),
        ] {
            let found = shown(check, &[(path, &format!("//! x\n{line}\n"))]);
            assert!(found.len() == 1 && found[0].starts_with(&format!("{path}:2: ")), "{line}: {found:?}");
        }
    }

    #[test]
    fn gates_tests_and_words_in_text_pass() {
        for (path, text) in [
            ("crates/errand-workspace/src/a.rs", "use std::process::Command;"),
            ("crates/errand-model/src/a.rs", "use std::process::{ExitCode, exit};"),
            ("crates/errand/src/client.rs", "reqwest::get(x)"),
            ("crates/errand/src/client/a.rs", "reqwest::get(x)"),
            ("crates/errand/src/cli/run.rs", "std::env::var(x)"),
            ("crates/errand/src/screen.rs", "io::stdout().lock()"),
            ("crates/errand-journal/src/a.rs", "rusqlite::params![]; \"SELECT 1\""),
            ("crates/errand-workspace/src/a.rs", "std::env::split_paths(x)"),
            ("crates/errand-model/src/a.rs", "env!(\"CARGO_PKG_VERSION\")"),
            ("crates/errand-model/src/a.rs", "// println! std::env::var\nlet x = \"reqwest::get, we SELECT one\";"),
            ("crates/errand-model/src/a.rs", "#[cfg(test)]\nmod tests { fn a() { std::env::temp_dir(); dbg!(1); } }"),
            ("crates/errand-model/tests/it/main.rs", "std::process::Command::new(x)"),
            ("crates/errand-task/src/a.rs", "use std::time::Duration; struct Instantly; fn asynchronous() {}"),
            ("crates/errand-workspace/src/a.rs", "text.starts_with(\"path\")"),
            ("crates/errand-workspace/src/a.rs", "path.starts_with('-') // tidy: text, not a path"),
            ("crates/errand-workspace/src/a.rs", "// tidy: text, not a path\nif path.starts_with('-') {"),
            ("crates/errand-task/src/a.rs", "path.starts_with(x)"),
            ("xtask/src/a.rs", "std::process::Command::new(x); std::env::var(x)"),
        ] {
            assert_eq!(shown(check, &[(path, text)]), Vec::<String>::new(), "{text}");
        }
    }
}
