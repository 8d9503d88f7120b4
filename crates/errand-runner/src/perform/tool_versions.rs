//! Versions of the tools a repository's manifests name: measured once in the daemon's life, told to every model.

use super::Failed;
use crate::shared::Shared;
use errand_workspace::command;
use errand_workspace::sandbox::plan::Limits;
use errand_workspace::state_dir;
use errand_workspace::trees::TreeEntry;
use std::time::Duration;

/// A manifest at the top of the tree, and what tells the version of its tool.
const PROBES: [(&str, &str); 9] = [
    ("Cargo.toml", "rustc --version"),
    ("package.json", "node --version"),
    ("tsconfig.json", "npx --no-install tsc --version"),
    ("pyproject.toml", "python3 --version"),
    ("setup.py", "python3 --version"),
    ("go.mod", "go version"),
    ("pom.xml", "mvn -version"),
    ("Gemfile", "ruby --version"),
    ("CMakeLists.txt", "cmake --version"),
];
const TIMEOUT: Duration = Duration::from_secs(10);

/// The first line of each probe that fits the tree and answers, in the table's order.
pub async fn measure(shared: &Shared, entries: &[TreeEntry]) -> Result<Vec<String>, Failed> {
    let mut versions: Vec<String> = Vec::new();
    for (manifest, command) in PROBES {
        if !entries.iter().any(|entry| entry.path.as_slice() == manifest.as_bytes()) {
            continue;
        }
        let known = shared.tool_versions.lock().await.get(command).cloned();
        let version = match known {
            Some(version) => version,
            None => {
                let version = probe(shared, command).await?;
                shared.tool_versions.lock().await.insert(command, version.clone());
                version
            }
        };
        if let Some(version) = version.filter(|version| !versions.contains(version)) {
            versions.push(version);
        }
    }
    Ok(versions)
}

async fn probe(shared: &Shared, script: &str) -> Result<Option<String>, Failed> {
    let dir = shared.home.join("probe");
    state_dir::create_dir(&dir).map_err(Failed::internal)?;
    let plan = shared.sandbox.bare_shell(&dir, script, Limits::of(TIMEOUT));
    let finished = command::run(&shared.sandbox, plan).finished().await;
    let text = String::from_utf8_lossy(&finished.output).into_owned();
    let line = text.lines().next().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned);
    Ok(line.filter(|_| finished.end.is_success()))
}
