//! Who may depend on whom. Ribs do not see each other; an external crate with an edge of its own has one home.
//!
//! Only what ships counts: dev-dependencies are free. A new line here is a decision and its own commit.

use super::Finding;
use crate::tree::{Tree, line_of};
use std::collections::BTreeMap;
use toml::{Table, Value};

/// Every crate of ours, and which of ours it may name.
const ARROWS: &[(&str, &[&str])] = &[
    (
        "errand",
        &[
            "errand-journal",
            "errand-model",
            "errand-runner",
            "errand-sim",
            "errand-task",
            "errand-tools",
            "errand-workspace",
        ],
    ),
    ("errand-index", &[]),
    ("errand-journal", &["errand-task"]),
    ("errand-model", &["errand-task"]),
    ("errand-runner", &["errand-journal", "errand-model", "errand-task", "errand-tools", "errand-workspace"]),
    ("errand-sim", &[]),
    ("errand-task", &[]),
    ("errand-tools", &["errand-index", "errand-task", "errand-workspace"]),
    ("errand-workspace", &["errand-task"]),
    // The simulator is the bench's model; the product itself is measured from outside, as a program.
    ("xtask", &["errand-sim", "errand-task", "errand-workspace"]),
];

/// External crates that only these of ours may name.
const HOMES: &[(&str, &[&str])] = &[
    ("axum", &["errand", "errand-sim"]),
    ("clap", &["errand"]),
    ("process-wrap", &["errand-workspace"]),
    ("reqwest", &["errand", "errand-model"]),
    ("rusqlite", &["errand-journal"]),
];

pub fn check(tree: &Tree) -> Vec<Finding> {
    let workspace: Table = tree.text("Cargo.toml").and_then(|text| toml::from_str(text).ok()).unwrap_or_default();
    let shared = workspace.get("workspace").and_then(|w| w.get("dependencies")).and_then(Value::as_table);
    let mut manifests = BTreeMap::new();
    let mut findings = Vec::new();
    for (path, text) in tree.files().filter(|(path, _)| is_manifest(path)) {
        match toml::from_str::<Table>(text) {
            Ok(manifest) => {
                manifests.insert(package_name(path, &manifest), (path, text, manifest));
            }
            Err(error) => findings.push(Finding::new(path, 1, error.message(), "correct the manifest")),
        }
    }
    for (name, (path, text, manifest)) in &manifests {
        let Some((_, allowed)) = ARROWS.iter().find(|(ours, _)| ours == name) else {
            let what = format!("the crate `{name}` has no line in the table of arrows");
            findings.push(Finding::new(path, 1, what, "decide what it may depend on: xtask/src/tidy/arrows.rs"));
            continue;
        };
        for (key, dependency) in dependencies(manifest, shared) {
            let is_ours = manifests.contains_key(&dependency) || ARROWS.iter().any(|(ours, _)| *ours == dependency);
            let homes = HOMES.iter().find(|(external, _)| *external == dependency).map(|(_, homes)| *homes);
            let is_allowed = if is_ours {
                allowed.contains(&dependency.as_str())
            } else {
                homes.is_none_or(|homes| homes.contains(&name.as_str()))
            };
            if !is_allowed {
                let what = format!("`{name}` may not depend on `{dependency}`");
                let todo = "move the code to where the arrow exists, or decide a new one: xtask/src/tidy/arrows.rs";
                findings.push(Finding::new(path, line_of(text, &key), what, todo));
            }
        }
    }
    findings
}

fn is_manifest(path: &str) -> bool {
    let parts: Vec<_> = path.split('/').collect();
    matches!(parts.as_slice(), ["crates", _, "Cargo.toml"] | ["xtask", "Cargo.toml"])
}

fn package_name(path: &str, manifest: &Table) -> String {
    let named = manifest.get("package").and_then(|package| package.get("name")).and_then(Value::as_str);
    named.or_else(|| path.rsplit('/').nth(1)).unwrap_or(path).to_owned()
}

/// Normal and build dependencies, on every platform: how the manifest spells them, and the package they mean.
fn dependencies(manifest: &Table, shared: Option<&Table>) -> Vec<(String, String)> {
    let platforms = manifest.get("target").and_then(Value::as_table);
    let tables = std::iter::once(manifest).chain(platforms.iter().flat_map(|t| t.values()).filter_map(Value::as_table));
    let mut found = Vec::new();
    for table in tables {
        for kind in ["dependencies", "build-dependencies"] {
            for (key, value) in table.get(kind).and_then(Value::as_table).into_iter().flatten() {
                let renamed = |value: &Value| value.get("package").and_then(Value::as_str).map(str::to_owned);
                let package = renamed(value).or_else(|| shared.and_then(|s| s.get(key)).and_then(renamed));
                found.push((key.clone(), package.unwrap_or_else(|| key.clone())));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::shown;

    fn found(manifest: &str) -> Vec<String> {
        let root = "[workspace.dependencies]\nhttp_client = { package = \"reqwest\", version = \"1\" }";
        shown(check, &[("crates/errand-tools/Cargo.toml", manifest), ("Cargo.toml", root)])
    }

    #[test]
    fn arrows_that_nobody_decided_are_found() {
        for (manifest, line, dependency) in [
            ("[package]\nname = \"errand-tools\"\n[dependencies]\nerrand-model.workspace = true", 4, "errand-model"),
            ("[dependencies]\nrusqlite = \"1\"", 2, "rusqlite"),
            ("[dependencies]\nx = { package = \"axum\", version = \"1\" }", 2, "axum"),
            ("[dependencies]\nhttp_client.workspace = true", 2, "reqwest"),
            ("[target.'cfg(unix)'.dependencies]\nerrand-journal.workspace = true", 2, "errand-journal"),
            ("[build-dependencies]\nclap = \"4\"", 2, "clap"),
        ] {
            let what =
                format!("crates/errand-tools/Cargo.toml:{line}: `errand-tools` may not depend on `{dependency}`");
            let found = found(manifest);
            assert!(found.len() == 1 && found[0].starts_with(&what), "{found:?}");
        }
        let found = shown(check, &[("crates/errand-new/Cargo.toml", "[package]\nname = \"errand-new\"")]);
        assert!(found[0].contains("no line in the table"), "{found:?}");
    }

    #[test]
    fn decided_arrows_and_dev_dependencies_pass() {
        let manifest = "[dependencies]\nerrand-task.workspace = true\nerrand-index.workspace = true\nserde = \"1\"\n\
                        [dev-dependencies]\nerrand-sim.workspace = true\nreqwest = \"1\"";
        assert!(found(manifest).is_empty());
    }

    #[test]
    fn the_tables_are_sorted() {
        assert!(ARROWS.is_sorted() && HOMES.is_sorted());
    }
}
