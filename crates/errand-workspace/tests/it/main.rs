//! The crate at its front door: real git, real files, real processes, in temporary folders.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up its case has failed")]

mod apply;
mod branch;
mod builds;
mod cloned;
mod command;
mod dirty;
mod figures;
mod files;
mod forms;
mod layers;
mod ledger;
mod poison;
mod poisons;
mod proxy;

mod rig;
mod sandbox;
mod snapshot;
mod source;
mod tls_clients;
mod toolchains;
mod trees;
mod workspace;

#[test]
fn no_test_file_is_forgotten() {
    let listed: Vec<_> = include_str!("main.rs").lines().filter_map(|line| line.strip_prefix("mod ")).collect();
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let module = name.strip_suffix(".rs").unwrap();
        assert!(module == "main" || listed.contains(&format!("{module};").as_str()), "{name} is not in main.rs");
    }
}
