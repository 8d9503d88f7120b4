//! What a repository's own file may say about every job in it, and what a person's yes to it is bound to.
//!
//! Such a file is the repository's word, not the person's. So it can narrow a contract and nothing else: it has no key
//! for paths to allow, money, models or names that a job may reach. What it would run is apart, and so is what it would take
//! out of the person's checkout: setup commands, checks, private files and dependency folders take effect only when the
//! person said yes to exactly these, and to the files that commands name.

use crate::contract::{Contract, Draft, DraftCheck, Mode, Problem, joined, tighter};
use crate::id::Digest;
use serde::{Deserialize, Serialize};

/// Where it stands in the base.
pub const PATH: &str = ".errand/config.toml";
/// Names, at the top of a repository, the private files to copy into each new checkout; other tools read it too.
pub const WORKTREE_INCLUDE: &str = ".worktreeinclude";
/// Bytes of all commands together: beyond that it is a program, and belongs into a file.
const COMMAND_BYTES: usize = 16 * 1024;
/// Characters of a notice; `errand trust` shows the whole.
const NOTICE_CHARACTERS: usize = 600;

/// The file as it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RepositoryConfig {
    pub protect: Vec<String>,
    pub max_diff_lines: Option<u32>,
    pub max_files: Option<u32>,
    pub setup: SetupTable,
    pub checks: ChecksTable,
    pub workspace: WorkspaceTable,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SetupTable {
    pub run: Vec<String>,
    pub network: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChecksTable {
    pub run: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WorkspaceTable {
    /// Patterns for private files.
    pub include: Vec<String>,
    /// Paths of folders.
    pub dependencies: Vec<String>,
}

/// What the repository's files would run, and take out of the person's checkout. This, byte for byte, is what a yes is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runs {
    pub setup: Vec<String>,
    /// Names the setup commands may reach.
    pub network: Vec<String>,
    pub checks: Vec<String>,
    /// Files of the base that the commands name, by path.
    pub files: Vec<NamedFile>,
    // A yes to commands alone has the digest it had before there was more to say yes to.
    /// Patterns of the configuration, for private files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<String>,
    /// Patterns of `.worktreeinclude`, for private files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub worktree_include: Vec<String>,
    /// Folders of the checkout that a build needs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedFile {
    pub path: String,
    /// As git writes it: `100644` or `100755`.
    pub mode: String,
    pub blob: String,
    /// Of the file's bytes. The blob's id may be of a weaker kind.
    pub sha256: Digest,
}

/// A person's yes: for the repository at this path, to what has this digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trust {
    pub repository: String,
    pub digest: Digest,
}

/// A file that can be taken as it is: the contract it would make alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sound(Contract);

impl RepositoryConfig {
    /// The file's terms, by the rules every contract is held against; the error is the first thing wrong with it.
    pub fn sound(self) -> Result<Sound, String> {
        let n_bytes: usize = self.setup.run.iter().chain(&self.checks.run).map(String::len).sum();
        if n_bytes > COMMAND_BYTES {
            return Err("its commands are longer than 16 KiB together, put them into a script".to_owned());
        }
        let draft = Draft {
            protect: self.protect,
            max_diff_lines: self.max_diff_lines,
            max_files: self.max_files,
            setup: self.setup.run,
            setup_network: self.setup.network,
            checks: self.checks.run.into_iter().map(DraftCheck::Command).collect(),
            include: self.workspace.include,
            dependencies: self.workspace.dependencies,
            ..Draft::default()
        };
        complete(draft).map(Sound)
    }
}

/// The patterns of a `.worktreeinclude`, held against the same rules.
pub fn sound_patterns(patterns: Vec<String>) -> Result<Vec<String>, String> {
    complete(Draft { include: patterns, ..Draft::default() }).map(|contract| contract.include)
}

fn complete(draft: Draft) -> Result<Contract, String> {
    let first = |problems: Vec<Problem>| problems.into_iter().next().map(|problem| problem.text).unwrap_or_default();
    draft.complete("any job in this repository").map_err(first)
}

impl Sound {
    /// What it would run and take, without the files the commands name.
    pub fn runs(&self) -> Runs {
        Runs {
            setup: self.0.setup.clone(),
            network: self.0.setup_network.clone(),
            checks: self.0.checks.iter().map(|check| check.run.clone()).collect(),
            include: self.0.include.clone(),
            dependencies: self.0.dependencies.clone(),
            ..Runs::default()
        }
    }

    /// Makes the contract narrower where the file says so; answers with what it did.
    pub fn narrow(&self, contract: &mut Contract) -> Option<String> {
        contract.protect = joined(std::mem::take(&mut contract.protect), self.0.protect.clone());
        contract.max_diff_lines = tighter(contract.max_diff_lines, self.0.max_diff_lines);
        contract.max_files = tighter(contract.max_files, self.0.max_files);
        let said = [
            (!self.0.protect.is_empty()).then(|| format!("protects {}", self.0.protect.join("  "))),
            self.0.max_diff_lines.map(|n| format!("at most {n} changed lines")),
            self.0.max_files.map(|n| format!("at most {n} files")),
        ];
        let said: Vec<_> = said.into_iter().flatten().collect();
        (!said.is_empty()).then(|| notice(&format!("narrowed by {PATH}: {}", said.join("; "))))
    }

    /// Adds what it runs, which the person said yes to. Where the person gave commands of the same kind, those stand
    /// alone. A job that changes nothing takes none of it.
    pub fn add_runs(&self, contract: &mut Contract) -> Option<String> {
        if contract.mode != Mode::Change {
            return None;
        }
        let mut said = Vec::new();
        if contract.setup.is_empty() && !self.0.setup.is_empty() {
            contract.setup.clone_from(&self.0.setup);
            contract.setup_network.clone_from(&self.0.setup_network);
            said.push("setup");
        }
        if contract.checks.is_empty() && !self.0.checks.is_empty() {
            contract.checks.clone_from(&self.0.checks);
            said.push("checks");
        }
        (!said.is_empty()).then(|| format!("trusted: {} from {PATH}", said.join(" and ")))
    }
}

impl Runs {
    pub fn is_empty(&self) -> bool {
        !self.has_commands()
            && self.include.is_empty()
            && self.worktree_include.is_empty()
            && self.dependencies.is_empty()
    }

    pub fn has_commands(&self) -> bool {
        !self.setup.is_empty() || !self.checks.is_empty()
    }

    /// Adds what it takes out of the checkout, which the person said yes to. A job that changes nothing takes none of it.
    pub fn add_files(&self, contract: &mut Contract) -> Option<String> {
        if contract.mode != Mode::Change {
            return None;
        }
        for named in [&self.include, &self.worktree_include] {
            contract.include = joined(std::mem::take(&mut contract.include), named.clone());
        }
        contract.dependencies = joined(std::mem::take(&mut contract.dependencies), self.dependencies.clone());
        let said: Vec<_> =
            self.files_named().into_iter().map(|(path, what, _)| format!("{what} that {path} names")).collect();
        (!said.is_empty()).then(|| notice(&format!("trusted: {}", said.join(", "))))
    }

    /// The file that names something of the checkout, what that is, and the names.
    fn files_named(&self) -> Vec<(&'static str, &'static str, &[String])> {
        let all = [
            (PATH, "private files", self.include.as_slice()),
            (WORKTREE_INCLUDE, "private files", &self.worktree_include),
            (PATH, "dependency folders", &self.dependencies),
        ];
        all.into_iter().filter(|(_, _, names)| !names.is_empty()).collect()
    }

    /// Any change of a command, a name or a named file is another digest.
    pub fn digest(&self) -> Digest {
        // Lists of texts: writing them as JSON cannot fail, and no two values are written alike.
        let canonical = serde_json::json!({ "errand_runs": 1, "runs": self });
        Digest::of(canonical.to_string().as_bytes())
    }

    /// That these have no effect.
    pub fn untrusted(&self) -> Vec<String> {
        let named = |(path, what, names): (_, _, &[String])| {
            notice(&format!(
                "not trusted: {path} would copy in {what} of your checkout: {} (errand trust)",
                names.join("  ")
            ))
        };
        let commands = self.has_commands().then(|| self.untrusted_commands());
        commands.into_iter().chain(self.files_named().into_iter().map(named)).collect()
    }

    fn untrusted_commands(&self) -> String {
        let mut parts = self.setup.clone();
        if !self.network.is_empty() {
            parts.push(format!("(reaching {})", self.network.join(", ")));
        }
        parts.extend(self.checks.iter().cloned());
        notice(&format!("not trusted: {PATH} would run: {} (errand trust)", parts.join("; ").replace("; (", " (")))
    }
}

/// That the file as a whole has no effect.
pub fn refused(path: &str, problem: &str) -> String {
    notice(&format!("refused: {path}: {problem}; nothing of it applies"))
}

fn notice(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(NOTICE_CHARACTERS) {
        Some((end, _)) => format!("{}… (errand trust shows the whole)", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> RepositoryConfig {
        RepositoryConfig {
            protect: vec!["docs/**".to_owned()],
            max_diff_lines: Some(150),
            max_files: None,
            setup: SetupTable { run: vec!["npm ci".to_owned()], network: vec!["registry.example".to_owned()] },
            checks: ChecksTable { run: vec!["npm test".to_owned()] },
            workspace: WorkspaceTable::default(),
        }
    }

    fn contract(draft: Draft) -> Contract {
        draft.complete("fix it").unwrap()
    }

    #[test]
    fn it_narrows_and_never_widens() {
        let sound = config().sound().unwrap();
        for (given, kept) in [(None, 150), (Some(20), 20), (Some(900), 150)] {
            let draft = Draft { max_diff_lines: given, protect: vec!["src/**".to_owned()], ..Draft::default() };
            let mut narrowed = contract(draft);
            let said = sound.narrow(&mut narrowed);
            assert_eq!(narrowed.max_diff_lines, Some(kept));
            assert_eq!(narrowed.protect, ["src/**", "docs/**"]);
            assert!(narrowed.setup.is_empty() && narrowed.checks.is_empty(), "nothing runs");
            assert_eq!(
                said.as_deref(),
                Some("narrowed by .errand/config.toml: protects docs/**; at most 150 changed lines")
            );
        }
    }

    #[test]
    fn what_it_runs_gives_way_to_what_the_person_gave() {
        let sound = config().sound().unwrap();
        let mut bare = contract(Draft::default());
        assert_eq!(sound.add_runs(&mut bare).as_deref(), Some("trusted: setup and checks from .errand/config.toml"));
        assert_eq!((bare.setup.len(), bare.setup_network.len(), bare.checks.len()), (1, 1, 1));
        let checks = vec![DraftCheck::Command("make".to_owned())];
        let setup = vec!["make deps".to_owned()];
        let own = contract(Draft { checks, setup, ..Draft::default() });
        let mut kept = own.clone();
        assert_eq!(sound.add_runs(&mut kept), None);
        assert_eq!(kept, own, "not even the names its setup reaches");
        let mut plan = contract(Draft { mode: Some(Mode::Plan), ..Draft::default() });
        assert_eq!(sound.add_runs(&mut plan), None);
        assert!(plan.setup.is_empty() && plan.checks.is_empty());
    }

    #[test]
    fn a_yes_is_about_every_part() {
        let file = |mode: &str, bytes: &[u8]| NamedFile {
            path: "setup.sh".to_owned(),
            mode: mode.to_owned(),
            blob: "b".to_owned(),
            sha256: Digest::of(bytes),
        };
        let runs = |setup: &[&str], network: &[&str], checks: &[&str], files: Vec<NamedFile>| {
            let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
            Runs { setup: owned(setup), network: owned(network), checks: owned(checks), files, ..Runs::default() }
        };
        let names = || vec![".env".to_owned()];
        let all = [
            Runs { include: names(), ..Runs::default() },
            Runs { worktree_include: names(), ..Runs::default() },
            Runs { dependencies: names(), ..Runs::default() },
            Runs { include: [names(), names()].concat(), ..Runs::default() },
            runs(&["sh setup.sh"], &[], &[], vec![file("100644", b"1")]),
            runs(&["sh setup.sh"], &[], &[], vec![file("100644", b"2")]),
            runs(&["sh setup.sh"], &[], &[], vec![file("100755", b"1")]),
            runs(&["sh setup.sh"], &["a.example"], &[], vec![file("100644", b"1")]),
            runs(&[], &[], &["sh setup.sh"], vec![file("100644", b"1")]),
            runs(&["sh", "setup.sh"], &[], &[], vec![file("100644", b"1")]),
            runs(&["sh setup.sh"], &[], &[], Vec::new()),
        ];
        let digests: std::collections::BTreeSet<_> = all.iter().map(|runs| runs.digest().to_string()).collect();
        assert_eq!(digests.len(), all.len());
        assert_eq!(all[0].digest(), all[0].clone().digest());
    }

    #[test]
    fn a_yes_from_before_there_were_files_to_take_still_counts() {
        // Of {"errand_runs":1,"runs":{"setup":["npm ci"],"network":["registry.example"],"checks":["npm test"],"files":[]}}
        let before = "7b7174660b172e1c7327d8aacb14fad4ad93e64aafac7734e85e3ca1ef25fa8d";
        let runs = config().sound().unwrap().runs();
        assert_eq!(runs.digest().as_str(), before);
        assert_ne!(Runs { worktree_include: vec![".env".to_owned()], ..runs }.digest().as_str(), before);
    }

    #[test]
    fn what_it_takes_adds_to_what_the_person_gave() {
        let workspace = WorkspaceTable { include: vec![".env".to_owned()], dependencies: vec!["tools/lib".to_owned()] };
        let mut runs = RepositoryConfig { workspace, ..config() }.sound().unwrap().runs();
        runs.worktree_include = vec!["/secrets/*".to_owned(), ".env".to_owned()];
        let mut given = contract(Draft { include: vec![".env.test".to_owned()], ..Draft::default() });
        let said = runs.add_files(&mut given).unwrap();
        assert_eq!(
            said,
            "trusted: private files that .errand/config.toml names, private files that .worktreeinclude names, dependency \
             folders that .errand/config.toml names"
        );
        assert_eq!(given.include, [".env.test", ".env", "/secrets/*"]);
        assert_eq!(given.dependencies, ["tools/lib"]);
        let mut plan = contract(Draft { mode: Some(Mode::Plan), ..Draft::default() });
        assert_eq!(runs.add_files(&mut plan), None);
        assert!(plan.include.is_empty() && plan.dependencies.is_empty());
        assert_eq!(Runs::default().add_files(&mut given), None);
    }

    #[test]
    fn mistakes_are_named() {
        let says = |config: RepositoryConfig| config.sound().unwrap_err();
        let broken = |protect: &str| RepositoryConfig { protect: vec![protect.to_owned()], ..config() };
        assert_eq!(says(broken("../x")), "`../x` is not a path pattern");
        let none = RepositoryConfig { max_files: Some(0), ..config() };
        assert_eq!(says(none), "a limit of zero lines or files forbids every change");
        let network = SetupTable { run: Vec::new(), network: vec!["a.example".to_owned()] };
        assert!(says(RepositoryConfig { setup: network, ..config() }).contains("there are none"));
        let long = ChecksTable { run: vec!["x".repeat(20_000)] };
        assert!(says(RepositoryConfig { checks: long, ..config() }).contains("16 KiB"));
        let workspace = WorkspaceTable { dependencies: vec!["../x".to_owned()], ..WorkspaceTable::default() };
        assert_eq!(says(RepositoryConfig { workspace, ..config() }), "`../x` is not a dependency folder");
        assert_eq!(sound_patterns(vec!["a".to_owned(); 65]).unwrap_err(), "`include` has more than 64 patterns");
    }

    #[test]
    fn notices_are_one_line() {
        let runs = config().sound().unwrap().runs();
        assert_eq!(
            runs.untrusted(),
            ["not trusted: .errand/config.toml would run: npm ci (reaching registry.example); npm test (errand trust)"]
        );
        let names = || vec![".env".to_owned(), "/local/*".to_owned()];
        let files = Runs { worktree_include: names(), dependencies: vec!["lib".to_owned()], ..Runs::default() };
        assert_eq!(
            files.untrusted(),
            [
                "not trusted: .worktreeinclude would copy in private files of your checkout: .env /local/* (errand trust)",
                "not trusted: .errand/config.toml would copy in dependency folders of your checkout: lib (errand trust)",
            ]
        );
        let long = Runs { setup: vec!["a\nb ".repeat(999)], include: vec!["x\n".repeat(999)], ..Runs::default() };
        assert_eq!(long.untrusted().len(), 2);
        for line in long.untrusted() {
            assert!(!line.contains('\n') && line.chars().count() < 700, "{line}");
        }
    }
}
