//! Everything is tested at the front door: a real client on loopback against a running server.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod cassettes;
mod client;
mod conversation;
mod faults;
mod parameters;
mod scripts;
mod streaming;
mod thinking;
mod usage;

/// Every file of this directory is part of the binary.
#[test]
fn no_test_file_is_forgotten() {
    let here = include_str!("main.rs");
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let module = name.trim_end_matches(".rs");
        assert!(module == "main" || here.contains(&format!("\nmod {module};")), "{name} is not listed in main.rs");
    }
}
