//! The binary from outside: a real daemon, real git, a scripted model, and what a person sees of it.
//!
//! One file per subject. `place.rs` is the only one that knows how to start things, `golden.rs` the only one that knows
//! what of a journal differs from run to run.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails by panicking, like the test")]

mod golden;
mod place;
#[path = "../../../errand-workspace/tests/it/poisons.rs"]
mod poisons;
mod scripts;

mod attacks;
mod bad_input;
mod baseline;
mod borders;
mod changes;
mod clean_up;
mod conversation;
mod crashes;
mod dirty;
mod faults;
mod follow_up;
mod jobs;
mod limits;
mod odd_contents;
mod poisoned;
mod private_files;
mod questions;
mod real_crates;
mod regression;
mod rewind;
mod secrets;
mod settings;
mod several;
mod starting;
mod stopping;
mod trust;
mod verbs;
mod workspaces;

#[test]
fn no_test_file_is_forgotten() {
    let folder = format!("{}/tests/it", env!("CARGO_MANIFEST_DIR"));
    let main = include_str!("main.rs");
    for file in std::fs::read_dir(folder).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        let Some(module) = name.strip_suffix(".rs") else { continue };
        assert!(module == "main" || main.contains(&format!("mod {module};")), "{name}");
    }
}

#[test]
fn no_golden_is_forgotten() {
    let folder = format!("{}/tests/it", env!("CARGO_MANIFEST_DIR"));
    let files = |path: String| std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    let sources: String = files(folder.clone()).filter_map(|path| std::fs::read_to_string(path).ok()).collect();
    for golden in files(format!("{folder}/goldens")) {
        let name = golden.file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(sources.contains(&format!("\"{name}\"")), "no test compares with {name}");
    }
}
