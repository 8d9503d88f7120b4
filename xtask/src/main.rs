//! Chores of this repository: `cargo xtask VERB`. Without a verb it lists them.
//!
//! One line a verb in [`VERBS`], one file a verb. Nothing here is part of the program people install.

mod bench;
mod source;
mod tidy;
mod tree;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

struct Verb {
    name: &'static str,
    about: &'static str,
    run: fn(root: &Path, arguments: &[String]) -> anyhow::Result<ExitCode>,
}

const VERBS: &[Verb] = &[
    Verb {
        name: "bench",
        about: "ratios against a floor of the same run; `bench SECTION…`, --runs N, --json, --binary PATH, --dir DIR",
        run: bench::run,
    },
    Verb {
        name: "tidy",
        about: "the architecture checks; `tidy NAME…` runs only these, UPDATE_EXPECT=1 writes missing goldens",
        run: tidy::run,
    },
];

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((name, rest)) = arguments.split_first() else {
        println!("{}", overview());
        return Ok(ExitCode::SUCCESS);
    };
    let Some(verb) = VERBS.iter().find(|verb| verb.name == name.as_str()) else {
        eprintln!("`{name}` is not a verb\n{}", overview());
        return Ok(ExitCode::from(2));
    };
    (verb.run)(&root(), rest)
}

fn overview() -> String {
    let lines = VERBS.iter().map(|verb| format!("  {:8} {}", verb.name, verb.about));
    std::iter::once("cargo xtask VERB".to_owned()).chain(lines).collect::<Vec<_>>().join("\n")
}

/// The repository. `cargo run` says where it is; the place at build time stands in when the binary is started by hand.
fn root() -> PathBuf {
    let manifest = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned());
    Path::new(&manifest).parent().map_or_else(PathBuf::new, Path::to_path_buf)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_is_listed_once_in_order() {
        let names: Vec<_> = VERBS.iter().map(|verb| verb.name).collect();
        assert!(names.is_sorted(), "{names:?}");
        for name in names {
            assert_eq!(overview().matches(&format!("\n  {name} ")).count(), 1, "{name}");
        }
    }
}
