//! A place to work in: a state directory, an empty home, a repository, a scripted model, and the binary.
//!
//! Nothing of the machine's own environment reaches the binary but the list in [`Place::call`]. When a place goes, its
//! daemon and every command that runs in it go too.

use errand_sim::{ApiKeys, Latency, Script, Scripts, Sim, SimOptions};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Longest any fact is waited for. Only a failing test ever takes it.
const PATIENCE: Duration = Duration::from_secs(60);
const KEY: &str = "sk-test-0123456789";

pub struct Place {
    dir: TempDir,
    runtime: Runtime,
    pub sim: Sim,
}

/// The repository every test starts from: a script with a spelling mistake, and a check that finds it.
const FILES: [(&str, &str); 5] = [
    ("greet.sh", "#!/bin/sh\n# Says hello.\necho \"helo world\"\n"),
    (
        "check.sh",
        "#!/bin/sh\ntest \"$(sh greet.sh)\" = \"hello world\" || { echo \"greet.sh says $(sh greet.sh)\"; exit 1; }\n",
    ),
    ("README.md", "# Greetings\n\nOne script, one check.\n"),
    ("docs/rules.md", "# Rules\n\nNobody changes these.\n"),
    (".gitignore", "gate\n"),
];

impl Place {
    /// A place whose model plays this script.
    pub fn new(script: &str) -> Self {
        Self::with_keys(script, ApiKeys::Any)
    }

    pub fn with_keys(script: &str, api_keys: ApiKeys) -> Self {
        let place = Self::without_repository(script, api_keys);
        std::fs::create_dir(place.repository()).unwrap();
        place.git(&["init", "--quiet", "--initial-branch=main"]);
        FILES.iter().for_each(|(path, text)| place.write(path, text));
        place.commit("start");
        place
    }

    pub fn without_repository(script: &str, api_keys: ApiKeys) -> Self {
        let dir = tempfile::Builder::new().prefix("errand-it-").tempdir().unwrap();
        std::fs::create_dir(dir.path().join("home")).unwrap();
        let scripts = Scripts::of(parsed(script));
        let sim = Sim::start(SimOptions { port: 0, scripts, api_keys, latency: Latency::none() }).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { dir, runtime, sim }
    }

    pub fn root(&self) -> &Path {
        self.dir.path()
    }

    pub fn repository(&self) -> PathBuf {
        self.root().join("repository")
    }

    pub fn state_dir(&self) -> PathBuf {
        self.root().join("state")
    }

    /// The script from the next request on.
    pub fn play(&self, script: &str) {
        self.sim.insert_script("default", parsed(script));
    }

    /// The binary with these arguments, in the repository.
    pub fn call(&self, arguments: &[&str]) -> Call<'_> {
        let mut command = Command::new(program());
        command.args(arguments).env_clear().current_dir(if self.repository().exists() {
            self.repository()
        } else {
            self.root().to_owned()
        });
        for name in ["PATH", "CARGO_HOME", "RUSTUP_HOME"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
            .env("HOME", self.root().join("home"))
            .env("ERRAND_HOME", self.state_dir())
            .env("ANTHROPIC_BASE_URL", self.sim.base_url())
            .env("ANTHROPIC_API_KEY", KEY)
            .stdin(Stdio::null());
        Call { place: self, command }
    }

    /// Runs the binary to its end.
    pub fn errand(&self, arguments: &[&str]) -> Ran {
        self.call(arguments).ran()
    }

    /// Hands off a job and answers with its id.
    pub fn hand_off(&self, arguments: &[&str]) -> String {
        let mut all = vec!["run", "--json"];
        all.extend(arguments);
        let submitted = self.errand(&all).exits(0).json();
        submitted["id"].as_str().unwrap().to_owned()
    }

    /// Hands off a job, waits for its end and answers with its id.
    pub fn finished(&self, exit_code: i32, arguments: &[&str]) -> String {
        let id = self.hand_off(arguments);
        self.errand(&["wait", &id]).exits(exit_code);
        id
    }

    pub fn show(&self, id: &str) -> Value {
        self.errand(&["show", id, "--json"]).exits(0).json()
    }

    /// The journal, one record after the other.
    pub fn records(&self, id: &str) -> Vec<Value> {
        self.errand(&["logs", id, "--json"]).exits(0).lines()
    }

    /// Names of the events so far, as in `tool.ended`.
    pub fn kinds(&self, id: &str) -> Vec<String> {
        self.records(id).iter().map(kind).collect()
    }

    /// The bodies of the events of one kind.
    pub fn events(&self, id: &str, wanted: &str) -> Vec<Value> {
        let (subject, what) = wanted.split_once('.').unwrap();
        let body = |record: Value| record["event"][subject].get(what).cloned();
        self.records(id).into_iter().filter_map(body).collect()
    }

    /// Waits until the journal holds so many events of a kind.
    pub fn until_event(&self, id: &str, wanted: &str, n: usize) {
        until(&format!("{n} × {wanted}"), || {
            let kinds = self.kinds(id);
            let is_there = kinds.iter().filter(|kind| *kind == wanted).count() >= n;
            assert!(is_there || kinds.last().is_none_or(|last| last != "task.ended"), "it ended before {n} × {wanted}");
            is_there
        });
    }

    pub fn until_requests(&self, n: usize) {
        let arrived = async { tokio::time::timeout(PATIENCE, self.sim.wait_for_requests(n)).await };
        let outcome = self.runtime.block_on(arrived);
        assert!(outcome.is_ok(), "{} of {n} requests arrived", self.sim.requests().len());
    }

    pub fn n_requests(&self) -> usize {
        self.sim.requests().len()
    }

    /// Lets a command go on that waits for the file `/tmp/gate`.
    pub fn open_gate(&self, id: &str) {
        std::fs::write(self.workspace(id).join("tmp/gate"), "").unwrap();
    }

    pub fn workspace(&self, id: &str) -> PathBuf {
        PathBuf::from(self.show(id)["workspace"].as_str().unwrap())
    }

    /// The files that differ from the base in the task's workspace.
    pub fn changed(&self, id: &str) -> PathBuf {
        let files = self.workspace(id).join("files");
        let upper = files.join("upper/tree");
        if upper.exists() { upper } else { files.join("tree") }
    }

    /// Git in the repository; answers with its output.
    pub fn git(&self, arguments: &[&str]) -> String {
        let output = self.git_command(arguments).output().unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub fn git_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=A Person", "-c", "user.email=person@example.org", "-c", "core.quotePath=true"]);
        command.args(arguments).current_dir(self.repository()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", self.root().join("home"));
        command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_AUTHOR_DATE", "2026-01-02T03:04:05Z");
        command.env("GIT_COMMITTER_DATE", "2026-01-02T03:04:05Z").stdin(Stdio::null());
        command
    }

    pub fn commit(&self, message: &str) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "-m", message]);
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.repository().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.repository().join(path)).unwrap()
    }

    /// Every file below the repository with its bytes, `.git` included.
    pub fn everything(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        collect(&self.repository(), &mut found);
        found
    }

    pub fn daemon_pid(&self) -> i32 {
        let status = self.errand(&["daemon", "status", "--json"]).exits(0).json();
        i32::try_from(status["pid"].as_i64().unwrap()).unwrap()
    }

    /// Kills the daemon as a power cut would.
    pub fn kill_daemon(&self) {
        let pid = self.daemon_pid();
        kill(pid);
        until("the daemon's end", || !is_running(pid));
    }

    /// Processes that work below this place: commands of tasks, and what is left of them.
    pub fn commands_running(&self) -> Vec<(i32, String)> {
        let root = self.root().canonicalize().unwrap();
        let entries = std::fs::read_dir("/proc").unwrap().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        let inside = pids.filter(|pid| {
            let folder = std::fs::read_link(format!("/proc/{pid}/cwd"));
            folder.is_ok_and(|folder| folder.starts_with(&root)) && is_running(*pid)
        });
        inside.map(|pid| (pid, command_line(pid))).filter(|(_, line)| !line.contains(" daemon run ")).collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.state_dir().join("daemon.log")).unwrap_or_default();
            eprintln!("--- daemon.log\n{log}---");
        }
        let output = |arguments: &[&str]| self.call(arguments).command.output().ok();
        let status: Value = output(&["daemon", "status", "--json"])
            .and_then(|output| serde_json::from_slice(&output.stdout).ok())
            .unwrap_or_default();
        output(&["daemon", "stop", "--now"]);
        if let Some(pid) = status["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok())
            && command_line(pid).contains(" daemon run ")
        {
            kill(pid);
        }
        self.commands_running().iter().for_each(|(pid, _)| kill(*pid));
    }
}

/// The binary about to run.
pub struct Call<'a> {
    place: &'a Place,
    command: Command,
}

impl Call<'_> {
    pub fn dir(mut self, path: &Path) -> Self {
        self.command.current_dir(path);
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// The prepared command itself.
    pub fn into_command(self) -> Command {
        self.command
    }

    pub fn ran(self) -> Ran {
        let called = format!("{:?}", self.command.get_args().collect::<Vec<_>>());
        let mut command = tokio::process::Command::from(self.command);
        command.kill_on_drop(true).stdout(Stdio::piped()).stderr(Stdio::piped());
        let ending = async { tokio::time::timeout(PATIENCE, command.output()).await };
        let output = self.place.runtime.block_on(ending);
        let output = output.unwrap_or_else(|_| panic!("errand {called} does not end")).unwrap();
        Ran { called, output }
    }
}

/// The binary at its end.
pub struct Ran {
    called: String,
    pub output: Output,
}

impl Ran {
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        let (out, err) = (self.out(), self.err());
        assert_eq!(
            self.output.status.code(),
            Some(code),
            "errand {}\n--- stdout\n{out}--- stderr\n{err}---",
            self.called
        );
        self
    }

    pub fn out(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    pub fn err(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        let lines = self.lines();
        assert_eq!(lines.len(), 1, "errand {} prints one JSON value, not: {}", self.called, self.out());
        lines.into_iter().next().unwrap()
    }

    #[track_caller]
    pub fn lines(&self) -> Vec<Value> {
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.out().lines().map(parse).collect()
    }
}

/// The name of a record's event.
pub fn kind(record: &Value) -> String {
    let event: errand_task::event::Event = serde_json::from_value(record["event"].clone()).unwrap();
    event.kind().to_owned()
}

/// Asks again and again until it is so.
#[track_caller]
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The binary under test: another one when `ERRAND_UNDER_TEST` names it, as where the built one cannot be reached.
pub fn program() -> PathBuf {
    std::env::var_os("ERRAND_UNDER_TEST").map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_errand")), PathBuf::from)
}

fn parsed(script: &str) -> Script {
    Script::parse(script).unwrap_or_else(|error| panic!("{error} in\n{script}"))
}

fn collect(folder: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let kind = path.symlink_metadata().unwrap().file_type();
        if kind.is_dir() {
            collect(&path, found);
        } else if kind.is_file() {
            found.insert(path.clone(), std::fs::read(&path).unwrap());
        } else {
            found.insert(path, Vec::new());
        }
    }
}

pub fn kill(pid: i32) {
    if let Some(pid) = rustix::process::Pid::from_raw(pid) {
        // It may have ended by itself.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

/// Whether it is there and no zombie.
pub fn is_running(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

fn command_line(pid: i32) -> String {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ")
}
