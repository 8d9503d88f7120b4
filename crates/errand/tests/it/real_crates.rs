//! Recorded jobs on published crates: the recording plays through the real daemon, tools and checks, and ends as it did.
//!
//! The crate is fetched by its exact version. Where the registry cannot be reached the test says so on standard error, in
//! a way that no test runner hides, and proves nothing.

use crate::place::Place;
use errand_sim::ApiKeys;
use serde_json::Value;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

struct Job {
    folder: &'static str,
    name: &'static str,
    version: &'static str,
    /// Parts of the manifest that go: benchmarks with heavy dependencies.
    without: &'static [&'static str],
    verdict: &'static str,
    /// Files of the result.
    changed: &'static [&'static str],
}

#[test]
fn repeats_that_match_empty() {
    play(&Job {
        folder: "repeat-empty",
        name: "fancy-regex",
        version: "0.14.0",
        without: &["[[bench]]", "[dev-dependencies.criterion]"],
        verdict: "verified",
        changed: &["src/vm.rs", "tests/finding.rs", "tests/oniguruma/test_utf8_ignore.c"],
    });
}

#[test]
fn backward_search_over_a_filtered_graph() {
    play(&Job {
        folder: "filtered-reversed",
        name: "petgraph",
        version: "0.6.2",
        without: &[],
        verdict: "verified",
        changed: &["src/visit/filter.rs", "tests/filtered_reversed.rs"],
    });
}

#[test]
fn a_map_of_every_decision_to_leave_a_file_out() {
    play(&Job {
        folder: "map-of-exclusions",
        name: "ignore",
        version: "0.4.23",
        without: &[],
        verdict: "delivered",
        changed: &[],
    });
}

#[test]
fn one_change_across_many_files() {
    play(&Job {
        folder: "extern-crate",
        name: "petgraph",
        version: "0.6.3",
        without: &[],
        verdict: "verified",
        changed: &[
            "benches/bellman_ford.rs",
            "benches/dijkstra.rs",
            "benches/feedback_arc_set.rs",
            "benches/floyd_warshall.rs",
            "benches/iso.rs",
            "benches/k_shortest_path.rs",
            "benches/matching.rs",
            "benches/matrix_graph.rs",
            "benches/ograph.rs",
            "benches/serialize.rs",
            "benches/stable_graph.rs",
            "benches/unionfind.rs",
            "src/graph_impl/serialization.rs",
            "src/graph_impl/stable_graph/serialization.rs",
            "src/lib.rs",
            "src/quickcheck.rs",
            "tests/graph.rs",
            "tests/graphmap.rs",
            "tests/iso.rs",
            "tests/list.rs",
            "tests/quickcheck.rs",
            "tests/stable_graph.rs",
            "tests/unionfind.rs",
        ],
    });
}

fn play(job: &Job) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/jobs").join(job.folder);
    let script = std::fs::read_to_string(folder.join("recorded.script")).unwrap();
    let place = Place::without_repository(&script, ApiKeys::Any);
    if let Err(why) = fetch(&place, job, &folder) {
        let mut stderr = std::io::stderr().lock();
        writeln!(stderr, "\n!!! NOT RUN: {} needs {} {} from the registry: {why}\n", job.folder, job.name, job.version)
            .unwrap();
        return;
    }
    let contract = folder.join("job.md");
    let call = place.call(&["run", "--wait", "--json", "-f", contract.to_str().unwrap(), "--minutes", "60"]);
    let output = with_cargo(call.into_command()).output().unwrap();
    let detail: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(detail["verdict"], job.verdict, "{detail:#}");
    assert_eq!(output.status.code(), Some(0));
    let files = detail["diff"]["files"].as_array().unwrap();
    let paths: Vec<_> = files.iter().map(|file| file["path"].as_str().unwrap()).collect();
    assert_eq!(paths, job.changed);
    let checks = detail["checks"].as_array().unwrap();
    let red_on_old = checks.iter().find(|check| check["phase"] == "regression_old");
    assert!(red_on_old.is_none_or(|check| check["passed"] == false), "{checks:#?}");
}

/// Makes the repository: the published sources, our lock file, one commit.
fn fetch(place: &Place, job: &Job, folder: &Path) -> Result<(), String> {
    let throwaway = place.root().join("throwaway");
    std::fs::create_dir_all(throwaway.join("src")).unwrap();
    std::fs::write(throwaway.join("src/lib.rs"), "").unwrap();
    let manifest = format!(
        "[package]\nname = \"throwaway\"\nversion = \"0.0.0\"\nedition = \"2021\"\n[dependencies]\n{} = \"={}\"\n",
        job.name, job.version
    );
    std::fs::write(throwaway.join("Cargo.toml"), manifest).unwrap();
    cargo_fetch(&throwaway, &[])?;
    let sources = cargo_home().join("registry/src");
    let version = format!("{}-{}", job.name, job.version);
    let found = std::fs::read_dir(&sources).map_err(|error| error.to_string())?;
    let source = found.flatten().map(|entry| entry.path().join(&version)).find(|path| path.is_dir());
    let source = source.ok_or_else(|| format!("{version} is not among the fetched sources"))?;

    copy(&source, &place.repository());
    for left in [".cargo-ok", ".cargo_vcs_info.json", "Cargo.toml.orig", "Cargo.lock", ".travis.yml"] {
        let _ = std::fs::remove_file(place.repository().join(left));
    }
    let _ = std::fs::remove_dir_all(place.repository().join(".github"));
    if !job.without.is_empty() {
        std::fs::remove_dir_all(place.repository().join("benches")).unwrap();
    }
    let manifest = without_sections(&place.read("Cargo.toml"), job.without);
    place.write("Cargo.toml", &manifest);
    place.write("Cargo.lock", &std::fs::read_to_string(folder.join("Cargo.lock")).unwrap());
    place.write(".gitignore", "/target\n");
    cargo_fetch(&place.repository(), &["--locked"])?;
    place.git(&["init", "--quiet", "--initial-branch=main"]);
    place.git(&["add", "--all", "--force", "."]);
    place.git(&["commit", "--quiet", "-m", "Import"]);
    Ok(())
}

/// A section goes from its head to the next empty line.
fn without_sections(manifest: &str, heads: &[&str]) -> String {
    let sections =
        manifest.split("\n\n").filter(|section| !heads.iter().any(|head| section.trim_start().starts_with(head)));
    sections.collect::<Vec<_>>().join("\n\n")
}

fn cargo_fetch(dir: &Path, arguments: &[&str]) -> Result<(), String> {
    let mut command = with_cargo(Command::new("cargo"));
    command.args(["fetch", "--quiet"]).args(arguments).current_dir(dir).stdin(Stdio::null());
    let output = command.output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(()) } else { Err(said.lines().next().unwrap_or("cargo fetch failed").to_owned()) }
}

/// Cargo and its tool chain are the person's, wherever HOME is.
fn with_cargo(mut command: Command) -> Command {
    command.env("CARGO_HOME", cargo_home()).env("RUSTUP_HOME", below_home("RUSTUP_HOME", ".rustup"));
    command.env_remove("CARGO_TARGET_DIR");
    command
}

fn cargo_home() -> PathBuf {
    below_home("CARGO_HOME", ".cargo")
}

fn below_home(variable: &str, folder: &str) -> PathBuf {
    std::env::var_os(variable)
        .map(PathBuf::from)
        .unwrap_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap()).join(folder))
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::write(&target, std::fs::read(entry.path()).unwrap()).unwrap();
        }
    }
}
