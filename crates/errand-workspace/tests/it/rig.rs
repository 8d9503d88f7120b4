//! A repository of the person's, a state folder, and short ways to the things under test.

use errand_task::id::TreeId;
use errand_workspace::git::Git;
use errand_workspace::ledger::Ledger;
use errand_workspace::sandbox::Sandbox;
use errand_workspace::source::Source;
use errand_workspace::toolchains::{Added, Toolchains};
use errand_workspace::workspace::{Form, Ground, Workspace};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

pub struct Rig {
    pub dir: tempfile::TempDir,
    pub git: Git,
}

/// The PATH of the tests, as the binary would hand it in.
pub fn search_path() -> std::ffi::OsString {
    std::env::var_os("PATH").unwrap()
}

/// The program that can be the stages of a sandbox: an example of this crate, built with its tests.
pub fn launcher() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let launcher = tests.parent().unwrap().parent().unwrap().join("examples/launcher");
    assert!(launcher.exists(), "build it with: cargo build -p errand-workspace --example launcher");
    launcher
}

/// A sandbox with the person's environment given.
pub fn sandbox_of(person: &[(&str, &str)], state_dir: &Path) -> Arc<Sandbox> {
    errand_workspace::state_dir::create_dir(state_dir).unwrap();
    let person = person.iter().map(|(name, value)| (name.into(), value.into()));
    let toolchains = Toolchains::of(person, &Added::default(), state_dir).unwrap();
    Sandbox::new(&launcher(), &search_path(), state_dir, toolchains).unwrap()
}

impl Rig {
    /// An empty repository.
    pub fn empty() -> Self {
        Self::with_format("sha1")
    }

    pub fn with_format(format: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("repo")).unwrap();
        let rig = Self { dir, git: Git::find(&search_path()).unwrap() };
        rig.run_git(&["init", "-q", "-b", "main", &format!("--object-format={format}")]);
        rig
    }

    /// A repository with these files committed.
    pub fn with(files: &[(&str, &str)]) -> Self {
        let rig = Self::empty();
        for (path, text) in files {
            rig.write(path, text);
        }
        rig.commit("first");
        rig
    }

    pub fn repo(&self) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join("repo")
    }

    /// A sandbox that knows of the person nothing but PATH.
    pub fn sandbox(&self) -> Arc<Sandbox> {
        sandbox_of(&[("PATH", search_path().to_str().unwrap())], &self.state())
    }

    pub fn state(&self) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join("state")
    }

    pub fn write(&self, path: &str, text: &str) {
        put(&self.repo().join(path), text.as_bytes());
    }

    pub fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.repo().join(path)).unwrap()
    }

    /// Git as the person runs it.
    pub fn run_git(&self, args: &[&str]) -> String {
        run_git_in(&self.repo(), args)
    }

    pub fn commit(&self, message: &str) {
        self.run_git(&["add", "-A", "-f"]);
        self.run_git(&["commit", "-q", "--allow-empty", "-m", message]);
    }

    pub fn source(&self) -> Source {
        Source::open(&self.git, &self.repo()).unwrap()
    }

    /// The ledger with HEAD in it, and HEAD's tree.
    pub fn ledger(&self) -> (Arc<Ledger>, TreeId) {
        let source = self.source();
        let ledger = Arc::new(Ledger::open_or_create(&self.git, &self.state(), &source).unwrap());
        ledger.bring_base(&source, &source.head().commit).unwrap();
        let tree = ledger.tree_of(&source.head().commit).unwrap();
        (ledger, tree)
    }

    pub fn workspace(&self) -> Workspace {
        self.workspace_as(Form::Layered)
    }

    pub fn workspace_as(&self, form: Form) -> Workspace {
        let (ground, tree) = self.ground();
        Workspace::create_as(form, &self.sandbox(), &ground, &tree, &self.state().join("workspaces/one")).unwrap()
    }

    /// HEAD, to make workspaces on, and its tree.
    pub fn ground(&self) -> (Ground, TreeId) {
        let (ledger, tree) = self.ledger();
        (Ground::of(&ledger, &self.source().head().commit), tree)
    }
}

pub fn run_git_in(dir: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .current_dir(dir)
        .args(["-c", "user.name=person", "-c", "user.email=person@example.org"])
        .args(args)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Writes a file with the folders above it.
pub fn put(path: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

pub fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

pub fn bytes_path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

/// Every path below `dir` with type, permissions and content, for whole comparisons.
pub fn manifest(dir: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    let mut todo = vec![dir.to_owned()];
    while let Some(path) = todo.pop() {
        let metadata = std::fs::symlink_metadata(&path).unwrap();
        let content = if metadata.is_dir() {
            todo.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            String::new()
        } else if metadata.is_symlink() {
            format!("{:?}", std::fs::read_link(&path).unwrap())
        } else if !metadata.is_file() {
            // Reading a FIFO would wait for a writer.
            format!("{:?}", metadata.file_type())
        } else {
            format!("{:?}", String::from_utf8_lossy(&std::fs::read(&path).unwrap()))
        };
        let relative = path.strip_prefix(dir).unwrap().display().to_string();
        lines.push(format!("{relative} {:o} {content}", metadata.permissions().mode()));
    }
    lines.sort();
    lines
}
