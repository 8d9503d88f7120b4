//! The tools at their front door: a real workspace, the registry, JSON in, text out.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up its case has failed")]

mod edit;
mod finish;
mod hostile;
mod list;
mod read;
mod rig;
mod run;
mod search;

#[test]
fn no_test_file_is_forgotten() {
    let listed: Vec<_> = include_str!("main.rs").lines().filter_map(|line| line.strip_prefix("mod ")).collect();
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let module = name.strip_suffix(".rs").unwrap();
        assert!(module == "main" || listed.contains(&format!("{module};").as_str()), "{name} is not in main.rs");
    }
}
