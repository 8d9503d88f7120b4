//! A workspace with a few files and the tools over it: the one place of these tests that knows the API.

use errand_task::borders::Borders;
use errand_task::contract::{Draft, Mode};
use errand_tools::{Context, Effect, Jobs, Logs, Output, Registry, Room, Site};
use errand_workspace::git::Git;
use errand_workspace::ledger::Ledger;
use errand_workspace::sandbox::Sandbox;
use errand_workspace::source::Source;
use errand_workspace::toolchains::{Added, Toolchains};
use errand_workspace::workspace::{Ground, Workspace};
use futures_util::future::BoxFuture;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

pub struct Rig {
    /// Removed when the rig is dropped.
    _dir: tempfile::TempDir,
    pub context: Context,
    pub runtime: tokio::runtime::Runtime,
}

struct TwoLogs;

impl Logs for TwoLogs {
    fn log<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Option<String>> {
        Box::pin(async move {
            match name {
                "7" => Some("first\nsecond\nthird\n".to_owned()),
                "check1" => Some("red\n".to_owned()),
                _ => None,
            }
        })
    }
}

/// The shell commands that lay out the repository of every test.
const REPOSITORY: &str = r#"
    mkdir -p src/deep docs target
    printf 'fn one() {}\nfn two() {}\n\nfn three() {\n\tone();\n}\n' > src/a.rs
    printf 'def one():\n    pass' > src/b.py
    printf 'one\n' > src/deep/c.rs
    seq 1 1000 | sed 's/^/line /' > docs/long.txt
    printf 'a\r\nb\r\nc\r\n' > crlf.txt
    printf 'one\0two\n' > data.bin
    printf 'caf\351\n' > latin.txt
    : > empty.txt
    printf '#!/bin/sh\n' > tool.sh; chmod 755 tool.sh
    printf 'target/\n*.log\n' > .gitignore
    ln -s src/a.rs link; ln -s src folder; ln -s /etc/hostname out; ln -s .. up; ln -s nowhere dangling
    git init -q -b main && git add -A && git -c user.name=p -c user.email=p@x commit -qm first
"#;

/// A sandbox for a person with PATH and these variables.
fn sandbox(state_dir: &Path, more: &[(&str, &str)]) -> Arc<Sandbox> {
    let tests = std::env::current_exe().unwrap();
    let launcher = tests.parent().unwrap().parent().unwrap().join("examples/launcher");
    assert!(launcher.exists(), "build it with: cargo build -p errand-workspace --example launcher");
    errand_workspace::state_dir::create_dir(state_dir).unwrap();
    let person = more.iter().map(|(name, value)| (name.into(), value.into())).chain([("PATH".into(), search_path())]);
    let toolchains = Toolchains::of(person, &Added::default(), state_dir).unwrap();
    Sandbox::new(&launcher, &search_path(), state_dir, toolchains).unwrap()
}

impl Rig {
    pub fn new() -> Self {
        Self::with(Draft::default())
    }

    pub fn with(draft: Draft) -> Self {
        Self::of_person(draft, &[])
    }

    /// For a person with these variables.
    pub fn of_person(draft: Draft, variables: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().canonicalize().unwrap();
        let repo = top.join("repo");
        std::fs::create_dir(&repo).unwrap();
        let mut make = Command::new("sh");
        make.args(["-ec", REPOSITORY]).current_dir(&repo);
        make.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        assert!(make.status().unwrap().success());
        let git = Git::find(&search_path()).unwrap();
        let source = Source::open(&git, &repo).unwrap();
        let ledger = Arc::new(Ledger::open_or_create(&git, &top.join("state"), &source).unwrap());
        let commit = source.head().commit.clone();
        ledger.bring_base(&source, &commit).unwrap();
        let base = ledger.tree_of(&commit).unwrap();
        let sandbox = sandbox(&top.join("state"), variables);
        let place = top.join("state/workspaces/one");
        let workspace = Workspace::create(&sandbox, &Ground::of(&ledger, &commit), &base, &place).unwrap();
        let context = Context {
            files: workspace.files().unwrap(),
            workspace: Arc::new(workspace),
            sandbox,
            network: Vec::new(),
            max_diff_lines: draft.max_diff_lines,
            borders: Borders::of(&draft.complete("goal").unwrap()).unwrap(),
            room: Arc::new(Room::of(1 << 30)),
            jobs: Jobs::new(1),
            logs: Arc::new(TwoLogs),
            known: errand_tools::KnownTree::default(),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        Self { _dir: dir, context, runtime }
    }

    /// Performs a call as the runner does, with the snapshot before it where it may change something.
    pub fn output(&self, tool: &str, input: &str) -> Output {
        let registry = Registry::of(Mode::Change);
        let Some(tool) = registry.find(tool) else { return registry.unknown(tool) };
        let before = (tool.effect() == Effect::Changes).then(|| self.context.workspace.snapshot().unwrap().tree);
        self.runtime.block_on(tool.call(&self.context, Site { input, before: before.as_ref() }))
    }

    /// What the model is told; an error is marked, times are not shown.
    pub fn told(&self, tool: &str, input: &str) -> String {
        let output = self.output(tool, input);
        let text = without_times(&output.text);
        if output.is_error { format!("ERROR {text}") } else { text }
    }

    #[track_caller]
    pub fn check(&self, tool: &str, input: &str, expected: &str) {
        assert_eq!(self.told(tool, input), expected, "{tool} {}", input.chars().take(300).collect::<String>());
    }

    pub fn tree(&self) -> PathBuf {
        self.context.workspace.tree_dir()
    }

    pub fn read(&self, path: &str) -> String {
        String::from_utf8_lossy(&std::fs::read(self.tree().join(path)).unwrap()).into_owned()
    }

    pub fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.tree().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    pub fn link(&self, target: &Path, path: &str) {
        symlink(target, self.tree().join(path)).unwrap();
    }

    /// The tree as it is now, by its content.
    pub fn snapshot(&self) -> String {
        self.context.workspace.snapshot().unwrap().tree.to_string()
    }
}

pub fn search_path() -> std::ffi::OsString {
    std::env::var_os("PATH").unwrap()
}

/// `12.3 s` as `T s`.
fn without_times(text: &str) -> String {
    let mut words = Vec::new();
    for word in text.split(' ') {
        let is_time = word.split_once('.').is_some_and(|(whole, part)| {
            part.len() == 1 && whole.chars().chain(part.chars()).all(|c| c.is_ascii_digit()) && !whole.is_empty()
        });
        words.push(if is_time { "T" } else { word });
    }
    words.join(" ")
}
