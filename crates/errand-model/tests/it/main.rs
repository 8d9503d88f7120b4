//! The crate from outside: fixtures, golden requests, prices, and a scripted server on loopback.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails by panicking, like the test")]

mod catalog;
mod client;
mod errors;
mod prices;
mod requests;
mod server;
mod streams;

/// A fixture's text.
fn fixture(name: &str) -> String {
    let path = format!("{}/tests/fixtures/anthropic/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn no_test_file_is_forgotten() {
    let folder = format!("{}/tests/it", env!("CARGO_MANIFEST_DIR"));
    let main = include_str!("main.rs");
    for file in std::fs::read_dir(folder).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        let module = name.trim_end_matches(".rs");
        assert!(module == "main" || main.contains(&format!("mod {module};")), "{name}");
    }
}
