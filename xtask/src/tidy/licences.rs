//! Every package that is compiled here has a licence that `deny.toml` allows, and `syn`, `rustls`, `reqwest` come once.
//!
//! The same policy as `cargo deny check licenses`, for machines without cargo-deny; `deny.toml` is the only list, also of second majors that are tolerated.
//! Packages of other platforms are not looked at: they may not even be downloaded.

use super::Finding;
use crate::tree::{Tree, line_of};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

const POLICY: &str = "deny.toml";
const LOCK: &str = "Cargo.lock";
/// A second major of these doubles build time or brings a second TLS stack.
const ONCE: &[&str] = &["reqwest", "rustls", "syn"];

#[derive(Deserialize)]
struct Policy {
    licenses: Licences,
    #[serde(default)]
    bans: Bans,
}

#[derive(Deserialize)]
struct Licences {
    allow: BTreeSet<String>,
    #[serde(default)]
    exceptions: Vec<Exception>,
}

#[derive(Deserialize)]
struct Exception {
    #[serde(rename = "crate")]
    package: String,
    allow: BTreeSet<String>,
}

#[derive(Default, Deserialize)]
struct Bans {
    #[serde(default)]
    skip: Vec<Skip>,
}

/// A second major that is tolerated.
#[derive(Deserialize)]
struct Skip {
    /// `name@major`.
    #[serde(rename = "crate")]
    package: String,
    reason: String,
}

/// What `cargo metadata` says, as far as it matters here.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_members: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
}

pub fn check(tree: &Tree) -> Vec<Finding> {
    match resolved(&tree.root) {
        Ok(metadata) => find(tree, &metadata),
        Err(error) => {
            let todo = "see what `cargo metadata` says";
            vec![Finding::new(LOCK, 1, format!("the dependencies cannot be read: {error}"), todo)]
        }
    }
}

/// The packages of this platform.
fn resolved(root: &Path) -> anyhow::Result<Metadata> {
    let run = |program: &str, arguments: &[&str]| -> anyhow::Result<String> {
        let output = Command::new(program).current_dir(root).args(arguments).output()?;
        let news = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "{}", news.lines().next().unwrap_or("no reason given"));
        Ok(String::from_utf8(output.stdout)?)
    };
    let version = run("rustc", &["-vV"])?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let arguments = ["metadata", "--format-version", "1", "--filter-platform", host];
    // A clone that was only built may lack packages that the build left out; then the registry is asked.
    let offline = [arguments.as_slice(), &["--offline"]].concat();
    let answer = run(&cargo, &offline).or_else(|_| run(&cargo, &arguments))?;
    Ok(serde_json::from_str(&answer)?)
}

fn find(tree: &Tree, metadata: &Metadata) -> Vec<Finding> {
    let text = tree.text(POLICY).unwrap_or_default();
    let policy: Policy = match toml::from_str(text) {
        Ok(policy) => policy,
        Err(error) => return vec![Finding::new(POLICY, 1, error.message(), "give [licenses] with `allow`")],
    };
    let lock = tree.text(LOCK).unwrap_or_default();
    let mut findings = Vec::new();
    let mut versions: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for package in metadata.packages.iter().filter(|package| !metadata.workspace_members.contains(&package.id)) {
        let Package { name, version, .. } = package;
        let line = line_of(lock, &format!("name = \"{name}\"\nversion = \"{version}\""));
        let exceptions = policy.licenses.exceptions.iter().filter(|exception| exception.package == *name);
        let allowed = policy.licenses.allow.iter().chain(exceptions.flat_map(|exception| &exception.allow));
        let allowed: BTreeSet<&str> = allowed.map(String::as_str).collect();
        let what = match package.license.as_deref().map(|expression| (expression, is_allowed(expression, &allowed))) {
            Some((_, Ok(true))) => None,
            Some((expression, Ok(false))) => Some(format!("{name} {version} is `{expression}`, which is not allowed")),
            Some((expression, Err(error))) => Some(format!("{name} {version} is `{expression}`: {error}")),
            None => Some(format!("{name} {version} names no licence")),
        };
        findings
            .extend(what.map(|what| Finding::new(LOCK, line, what, "leave it out, or add an exception to deny.toml")));
        versions.entry(name).or_default().insert(major(version));
    }
    for (name, majors) in versions.iter().filter(|(name, _)| ONCE.contains(*name)) {
        let is_skipped = |major: &str| policy.bans.skip.iter().any(|skip| skip.package == format!("{name}@{major}"));
        let majors: Vec<_> = majors.iter().map(String::as_str).filter(|major| !is_skipped(major)).collect();
        if majors.len() > 1 {
            let what = format!("{name} is here {} times: {}", majors.len(), majors.join(", "));
            let oldest = majors.first().copied().unwrap_or_default();
            let todo =
                format!("see `cargo tree -i {name}@{oldest}`; a reason to keep it goes to [bans] skip in {POLICY}");
            findings.push(Finding::new(LOCK, line_of(lock, &format!("name = \"{name}\"")), what, todo));
        }
    }
    findings.extend(exceptions_without_use(text, &policy, metadata));
    findings
}

/// An exception has a comment with its reason above it, a skip has its reason in it, and both a package they are about.
fn exceptions_without_use(text: &str, policy: &Policy, metadata: &Metadata) -> Vec<Finding> {
    let mut findings = Vec::new();
    for Exception { package, .. } in &policy.licenses.exceptions {
        let line = line_of(text, &format!("crate = \"{package}\""));
        let has_reason = line >= 2 && text.lines().nth(line - 2).is_some_and(|above| above.trim().starts_with('#'));
        if !has_reason {
            let what = format!("the exception for {package} gives no reason");
            findings.push(Finding::new(POLICY, line, what, "say why in a comment on the line above"));
        }
        if !metadata.packages.iter().any(|known| known.name == *package) {
            findings.push(Finding::new(POLICY, line, format!("{package} is not a dependency"), "remove the exception"));
        }
    }
    for Skip { package, reason } in &policy.bans.skip {
        let is_here = |known: &Package| *package == format!("{}@{}", known.name, major(&known.version));
        let line = line_of(text, &format!("crate = \"{package}\""));
        if reason.trim().is_empty() {
            findings.push(Finding::new(POLICY, line, format!("{package} is skipped without a reason"), "say why"));
        }
        if !metadata.packages.iter().any(is_here) {
            findings.push(Finding::new(POLICY, line, format!("{package} is not here any more"), "remove the line"));
        }
    }
    findings
}

/// What cargo treats as one compatible line: `1`, `0.9`, `0.0.3`.
fn major(version: &str) -> String {
    let parts: Vec<&str> = version.split(['.', '-', '+']).take(3).collect();
    let n_kept = 1 + parts.iter().take_while(|part| **part == "0").count();
    parts.into_iter().take(n_kept).collect::<Vec<_>>().join(".")
}

/// Whether an SPDX expression (or the older `A/B`) can be satisfied with the allowed licences.
fn is_allowed(expression: &str, allowed: &BTreeSet<&str>) -> anyhow::Result<bool> {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    let answer = any_of(&mut words, allowed)?;
    match words.next() {
        None => Ok(answer),
        Some(word) => anyhow::bail!("`{word}` is one word too many"),
    }
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any_of(words: &mut Words, allowed: &BTreeSet<&str>) -> anyhow::Result<bool> {
    let mut answer = all_of(words, allowed)?;
    while words.next_if_eq(&"OR").is_some() {
        answer |= all_of(words, allowed)?;
    }
    Ok(answer)
}

fn all_of(words: &mut Words, allowed: &BTreeSet<&str>) -> anyhow::Result<bool> {
    let mut answer = one(words, allowed)?;
    while words.next_if_eq(&"AND").is_some() {
        answer &= one(words, allowed)?;
    }
    Ok(answer)
}

fn one(words: &mut Words, allowed: &BTreeSet<&str>) -> anyhow::Result<bool> {
    match words.next() {
        Some("(") => {
            let answer = any_of(words, allowed)?;
            anyhow::ensure!(words.next() == Some(")"), "a bracket is not closed");
            Ok(answer)
        }
        Some(word @ (")" | "AND" | "OR" | "WITH")) => anyhow::bail!("`{word}` where a licence should stand"),
        Some(name) if words.next_if_eq(&"WITH").is_some() => {
            let exception = words.next().ok_or_else(|| anyhow::anyhow!("WITH what?"))?;
            // Permission without the exception's extra freedom is permission all the same.
            Ok(allowed.contains(name) || allowed.contains(format!("{name} WITH {exception}").as_str()))
        }
        Some(name) => Ok(allowed.contains(name)),
        None => anyhow::bail!("it ends where a licence should stand"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::shown;

    #[test]
    fn expressions() {
        let allowed = BTreeSet::from(["MIT", "Apache-2.0", "ISC", "GPL-2.0-only WITH Classpath-exception-2.0"]);
        for (expression, expected) in [
            ("MIT", Some(true)),
            ("GPL-3.0-only", Some(false)),
            ("GPL-3.0-only OR MIT", Some(true)),
            ("GPL-3.0-only/MIT", Some(true)),
            ("Unlicense / MIT", Some(true)),
            ("MIT AND GPL-3.0-only", Some(false)),
            ("MIT AND ISC", Some(true)),
            ("(MIT OR X) AND (Y OR ISC)", Some(true)),
            ("MIT OR X AND Y", Some(true)),
            ("(MIT OR X) AND Y", Some(false)),
            ("Apache-2.0 WITH LLVM-exception", Some(true)),
            ("GPL-2.0-only WITH Classpath-exception-2.0", Some(true)),
            ("GPL-2.0-only WITH Font-exception-2.0", Some(false)),
            ("", None),
            ("MIT OR", None),
            ("(MIT", None),
            ("MIT ISC", None),
        ] {
            assert_eq!(is_allowed(expression, &allowed).ok(), expected, "{expression}");
        }
    }

    #[test]
    fn majors_as_cargo_sees_them() {
        for (version, expected) in [("1.2.3", "1"), ("0.23.4", "0.23"), ("0.0.3", "0.0.3"), ("2.0.0-rc.1", "2")] {
            assert_eq!(major(version), expected);
        }
    }

    fn found(policy: &str, packages: &[(&str, &str, Option<&str>)]) -> Vec<String> {
        let packages = packages.iter().map(|(name, version, license)| Package {
            id: format!("{name}@{version}"),
            name: (*name).to_owned(),
            version: (*version).to_owned(),
            license: license.map(str::to_owned),
        });
        let metadata =
            Metadata { packages: packages.collect(), workspace_members: BTreeSet::from(["ours@1.0.0".to_owned()]) };
        shown(|tree| find(tree, &metadata), &[(POLICY, policy), (LOCK, "\nname = \"b\"\nversion = \"1.0.0\"\n")])
    }

    const MIT_ONLY: &str = "[licenses]\nallow = [\"MIT\"]\n";

    #[test]
    fn bad_licences_and_doubles_are_found() {
        let bad = [("b", "1.0.0", Some("GPL-3.0-only")), ("c", "1.0.0", None), ("d", "1.0.0", Some("MIT AND"))];
        let found_bad = found(MIT_ONLY, &bad);
        assert_eq!(found_bad.len(), 3, "{found_bad:?}");
        assert!(found_bad[2].starts_with("Cargo.lock:2: b 1.0.0 is `GPL-3.0-only`"), "{found_bad:?}");
        assert_eq!(found(MIT_ONLY, &[("syn", "1.0.0", Some("MIT")), ("syn", "2.0.0", Some("MIT"))]).len(), 1);
        assert_eq!(found("", &[]).len(), 1, "no policy is a finding, not a pass");
        let stale = format!("{MIT_ONLY}exceptions = [{{ crate = \"gone\", allow = [\"ISC\"] }}]");
        assert_eq!(found(&stale, &[]).len(), 2, "no reason and no such package");
        let skipped = format!("{MIT_ONLY}[bans]\nskip = [{{ crate = \"syn@1\", reason = \"\" }}]");
        assert_eq!(found(&skipped, &[]).len(), 2, "no reason and no such package");
    }

    #[test]
    fn allowed_packages_pass() {
        let policy = format!("{MIT_ONLY}exceptions = [\n# Reason.\n{{ crate = \"b\", allow = [\"ISC\"] }}\n]");
        let packages = [
            ("ours", "1.0.0", None),
            ("b", "1.0.0", Some("ISC")),
            ("syn", "2.0.0", Some("MIT")),
            ("syn", "2.1.0", Some("MIT")),
            ("other", "1.0.0", Some("MIT")),
            ("other", "2.0.0", Some("MIT")),
        ];
        assert_eq!(found(&policy, &packages), Vec::<String>::new());
        let skipped = format!("{MIT_ONLY}[bans]\nskip = [{{ crate = \"syn@1\", reason = \"x wants it\" }}]");
        let two = [("syn", "1.0.0", Some("MIT")), ("syn", "2.0.0", Some("MIT"))];
        assert_eq!(found(&skipped, &two), Vec::<String>::new());
    }

    #[test]
    fn this_repository_can_be_read() {
        assert!(resolved(&crate::root()).unwrap().packages.len() > 10);
    }
}
