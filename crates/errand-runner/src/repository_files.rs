//! What files of a repository ask errand to do, read from the base's tree in the ledger and never from the checkout.
//!
//! Two files are read, `.errand/config.toml` and `.worktreeinclude`; others that configure agents are only named, so that nobody wonders why they
//! have no effect. Files that configure shells and tools (`.env`, `.envrc`, `.tool-versions`) are neither.

mod named;

use errand_task::contract::Contract;
use errand_task::id::{Digest, TreeId};
use errand_task::repository_config::{self, NamedFile, PATH, RepositoryConfig, Runs, Sound, Trust, WORKTREE_INCLUDE};
use errand_workspace::layers;
use errand_workspace::ledger::{Ledger, LedgerError};
use errand_workspace::trees::{EntryMode, Node, TreeEntry};
use std::sync::Arc;

/// Largest file read, in bytes.
const CONFIG_BYTES: u64 = 64 * 1024;
/// Files that commands may name, in all.
const NAMED_FILES: usize = 500;
/// Ignored files that are listed by name.
const IGNORED_SHOWN: usize = 6;
/// Configure agents, and are not ours to follow.
const FOREIGN: [&str; 4] = [".claude/settings.json", ".claude/settings.local.json", ".mcp.json", "errand.toml"];
/// Ours, and only one file in it means anything.
const OWN_FOLDER: &str = ".errand";

/// What the base's files ask for.
#[derive(Clone, Debug)]
pub struct RepositoryFiles {
    /// The file's terms; `None` when there is no such file, else why it cannot be taken.
    config: Option<Result<Sound, String>>,
    pub runs: Runs,
    /// Why `.worktreeinclude` cannot be taken, when that is so.
    worktree_problem: Option<String>,
    /// Present, and without any effect.
    pub ignored: Vec<String>,
}

impl RepositoryFiles {
    /// Reads them from a tree of the ledger.
    pub fn of(ledger: &Ledger, tree: &TreeId) -> Result<Self, LedgerError> {
        let own = match ledger.entry_at(tree, OWN_FOLDER.as_bytes())? {
            Some(Node::Folder { id }) => ledger.list_tree(&id.tree_id())?,
            Some(Node::Entry { .. }) | None => Arc::default(),
        };
        let path_of = |entry: &TreeEntry| format!("{OWN_FOLDER}/{}", entry.shown());
        let mut ignored: Vec<_> = own.iter().map(path_of).filter(|path| path != PATH).collect();
        for path in FOREIGN.into_iter().chain([OWN_FOLDER]) {
            if let Some(Node::Entry { .. }) = ledger.entry_at(tree, path.as_bytes())? {
                ignored.push(path.to_owned());
            }
        }
        ignored.sort();
        let (config, mut runs) = match own.iter().find(|entry| path_of(entry) == PATH) {
            None => (None, Runs::default()),
            Some(entry) => match sound(ledger, entry, tree)? {
                Ok((sound, runs)) => (Some(Ok(sound)), runs),
                Err(problem) => (Some(Err(problem)), Runs::default()),
            },
        };
        let worktree = repository_config::sound_patterns(layers::patterns_of_base(ledger, tree)?);
        let worktree_problem = worktree.as_ref().err().cloned();
        runs.worktree_include = worktree.unwrap_or_default();
        Ok(Self { config, runs, worktree_problem, ignored })
    }

    /// Why the configuration cannot be taken, when that is so.
    pub fn problem(&self) -> Option<&str> {
        self.config.as_ref().and_then(|config| config.as_ref().err()).map(String::as_str)
    }

    /// Applies to the contract what may be applied; answers with what the person should know of it.
    pub fn apply(&self, contract: &mut Contract, repository: &str, trusts: &[Trust]) -> Vec<String> {
        let mut notices = Vec::new();
        match &self.config {
            None => {}
            Some(Err(problem)) => notices.push(repository_config::refused(PATH, problem)),
            Some(Ok(sound)) => notices.extend(sound.narrow(contract)),
        }
        notices
            .extend(self.worktree_problem.iter().map(|problem| repository_config::refused(WORKTREE_INCLUDE, problem)));
        notices.extend(self.apply_runs(contract, repository, trusts));
        notices.extend(self.ignored_notice());
        notices
    }

    fn apply_runs(&self, contract: &mut Contract, repository: &str, trusts: &[Trust]) -> Vec<String> {
        if self.runs.is_empty() || contract.mode.is_read_only() {
            return Vec::new();
        }
        if !is_trusted(&self.runs.digest(), repository, trusts) {
            return self.runs.untrusted();
        }
        let sound = self.config.as_ref().and_then(|config| config.as_ref().ok());
        let commands = sound.and_then(|sound| sound.add_runs(contract));
        commands.into_iter().chain(self.runs.add_files(contract)).collect()
    }

    fn ignored_notice(&self) -> Option<String> {
        let shown = self.ignored.iter().take(IGNORED_SHOWN).cloned().collect::<Vec<_>>().join(", ");
        match self.ignored.len() {
            0 => None,
            1 => Some(format!("ignored: {shown} (errand starts nothing from it)")),
            n if n <= IGNORED_SHOWN => Some(format!("ignored: {shown} (errand starts nothing from them)")),
            n => Some(format!("ignored: {shown} and {} more (errand starts nothing from them)", n - IGNORED_SHOWN)),
        }
    }
}

/// Whether the person said yes to exactly this, in exactly this repository.
fn is_trusted(digest: &Digest, repository: &str, trusts: &[Trust]) -> bool {
    trusts.iter().any(|trust| trust.repository == repository && trust.digest == *digest)
}

/// The terms of the file and what it would run; the inner error is what is wrong with the file.
fn sound(ledger: &Ledger, entry: &TreeEntry, tree: &TreeId) -> Result<Result<(Sound, Runs), String>, LedgerError> {
    if !entry.mode.is_file() {
        return Ok(Err("not a regular file".to_owned()));
    }
    if entry.size > CONFIG_BYTES {
        return Ok(Err("larger than 64 KiB".to_owned()));
    }
    let bytes = ledger.read_blob(&entry.id)?;
    let Ok(text) = String::from_utf8(bytes) else { return Ok(Err("not UTF-8 text".to_owned())) };
    let sound = match parse(&text) {
        Ok(sound) => sound,
        Err(problem) => return Ok(Err(problem)),
    };
    let mut runs = sound.runs();
    if !runs.has_commands() {
        return Ok(Ok((sound, runs)));
    }
    let commands: Vec<&str> = runs.setup.iter().chain(&runs.checks).map(String::as_str).collect();
    let entries = ledger.list_tree(tree)?;
    let named = match named::files(&commands, &entries) {
        Ok(named) if named.len() <= NAMED_FILES => named,
        Ok(_) => return Ok(Err(format!("its commands name more than {NAMED_FILES} files"))),
        Err(problem) => return Ok(Err(problem)),
    };
    for entry in named {
        let bytes = match ledger.read_blob(&entry.id) {
            Err(LedgerError::TooLarge { .. }) => {
                return Ok(Err(format!("its commands name `{}`, which is too large to read", entry.shown())));
            }
            other => other?,
        };
        runs.files.push(named_file(entry, &bytes));
    }
    Ok(Ok((sound, runs)))
}

fn named_file(entry: &TreeEntry, bytes: &[u8]) -> NamedFile {
    let mode = match entry.mode {
        EntryMode::Executable => EntryMode::Executable,
        EntryMode::Regular | EntryMode::Link | EntryMode::Submodule => EntryMode::Regular,
    };
    NamedFile {
        path: entry.shown(),
        mode: mode.as_str().to_owned(),
        blob: entry.id.to_string(),
        sha256: Digest::of(bytes),
    }
}

fn parse(text: &str) -> Result<Sound, String> {
    let config: RepositoryConfig = toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        format!("line {line}: {}", error.message().lines().collect::<Vec<_>>().join(" "))
    })?;
    config.sound()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_known_keys_are_read() {
        for (text, part) in [
            ("allow = [\"**\"]", "line 1: unknown field `allow`"),
            ("protect = []\nsandbox = \"off\"", "line 2: unknown field `sandbox`"),
            ("network = [\"a.example\"]", "unknown field `network`"),
            ("[setup]\nrun = []\nenv = \"x\"", "line 3: unknown field `env`"),
            ("[checks]\nrun = \"make\"", "invalid type"),
            ("max_files = -1", "line 1: invalid value"),
            ("[workspace]\ninclude = []\npaths = []", "line 3: unknown field `paths`"),
            ("[workspace]\ndependencies = [\"/etc\"]", "`/etc` is not a dependency folder"),
            ("protect = [", "line 1: "),
            ("[setup]\nrun = [\"\"]", "a setup command is empty"),
        ] {
            let problem = parse(text).unwrap_err();
            assert!(problem.contains(part) && !problem.contains('\n'), "{text:?}: {problem}");
        }
        assert!(parse("").unwrap().runs().is_empty());
    }
}
