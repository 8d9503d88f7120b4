//! What the sections share: the program, folders on disk and in memory, repositories, and homes with a daemon in them.
//!
//! A home is a fresh state directory with an environment that has nothing of the person's. Dropping it ends its daemon
//! and deletes it.

use super::repository::Repository;
use anyhow::{Context as _, ensure};
use errand_sim::{Captured, Script, Scripts, Sim, SimOptions};
use errand_workspace::sandbox::Sandbox;
use errand_workspace::toolchains::{Added, Toolchains};
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Long enough for anything here; whoever waits longer waits for something that will not come.
const PATIENCE: Duration = Duration::from_secs(300);
/// A file system in memory, where there is one.
const MEMORY: &str = "/dev/shm";
/// Stays on a disk also where `/tmp` is memory.
const DISK: &str = "/var/tmp";

pub struct Stage {
    binary: PathBuf,
    pub n_runs: usize,
    n_files_most: usize,
    disk: TempDir,
    memory: Option<TempDir>,
    repositories: RefCell<BTreeMap<usize, Repository>>,
    n_homes: Cell<usize>,
    runtime: Runtime,
}

/// Where state lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Disk,
    /// On disk as well where no file system is in memory.
    Memory,
}

impl Stage {
    pub fn set(binary: PathBuf, n_runs: usize, n_files_most: usize, dir: Option<&Path>) -> anyhow::Result<Self> {
        let folder = |below: &Path| {
            tempfile::Builder::new().prefix("errand-bench-").tempdir_in(below).with_context(|| format!("in {below:?}"))
        };
        let disk = match dir {
            Some(dir) => folder(dir)?,
            None => folder(Path::new(DISK)).or_else(|_| folder(&std::env::temp_dir()))?,
        };
        let memory = Path::new(MEMORY).is_dir().then(|| folder(Path::new(MEMORY))).transpose()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let (repositories, n_homes) = (RefCell::default(), Cell::new(0));
        Ok(Self { binary, n_runs, n_files_most, disk, memory, repositories, n_homes, runtime })
    }

    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// The folder on disk.
    pub fn dir(&self) -> &Path {
        self.disk.path()
    }

    /// The places there are.
    pub fn places(&self) -> Vec<Place> {
        self.memory.iter().fold(vec![Place::Disk], |places, _| [places, vec![Place::Memory]].concat())
    }

    /// Those of a section's sizes of repositories that were asked for.
    pub fn sizes(&self, all: &[usize]) -> Vec<usize> {
        all.iter().copied().filter(|&n_files| n_files <= self.n_files_most).collect()
    }

    /// A sandbox for this process, with the tool chains of whoever started it; nothing is proven yet.
    pub fn sandbox(&self, state_dir: &Path) -> anyhow::Result<Arc<Sandbox>> {
        errand_workspace::state_dir::create_dir(state_dir)?;
        let path = std::env::var_os("PATH").unwrap_or_default();
        let toolchains = Toolchains::of(std::env::vars_os(), &Added::default(), state_dir)?;
        Ok(Sandbox::new(&self.binary, &path, state_dir, toolchains)?)
    }

    /// The repository of that size, made once.
    pub fn repository(&self, n_files: usize) -> anyhow::Result<Repository> {
        if let Some(known) = self.repositories.borrow().get(&n_files) {
            return Ok(known.clone());
        }
        eprintln!("making a repository of {n_files} files");
        let repository = Repository::generate(&self.dir().join(format!("repository-{n_files}")), n_files)?;
        self.repositories.borrow_mut().insert(n_files, repository.clone());
        Ok(repository)
    }

    /// A fresh home whose model is `sim`.
    pub fn home(&self, place: Place, sim: &Sim) -> anyhow::Result<Home<'_>> {
        let number = self.n_homes.get();
        self.n_homes.set(number + 1);
        let below = match (place, &self.memory) {
            (Place::Memory, Some(memory)) => memory.path(),
            (Place::Memory | Place::Disk, _) => self.disk.path(),
        };
        let dir = below.join(format!("home-{number}"));
        std::fs::create_dir(&dir)?;
        Ok(Home { stage: self, dir, base_url: sim.base_url() })
    }

    /// Returns once the simulator has received so many requests, with all of them.
    pub fn requests(&self, sim: &Sim, n_requests: usize) -> anyhow::Result<Vec<Captured>> {
        let arrived = async { tokio::time::timeout(PATIENCE, sim.wait_for_requests(n_requests)).await };
        self.runtime.block_on(arrived).with_context(|| format!("request {n_requests} did not come"))?;
        Ok(sim.requests())
    }
}

/// A simulator that plays this script without delay.
pub fn sim(script: &str) -> anyhow::Result<Sim> {
    Ok(Sim::start(SimOptions::with(Scripts::of(Script::parse(script)?)))?)
}

pub struct Home<'a> {
    stage: &'a Stage,
    dir: PathBuf,
    base_url: String,
}

/// A job that was handed off.
pub struct HandedOff {
    pub id: String,
    /// Just before `errand run` started.
    pub started_at: SystemTime,
    /// How long `errand run` took to come back.
    pub returned_after: Duration,
}

impl Home<'_> {
    /// errand's state directory.
    pub fn state(&self) -> PathBuf {
        self.dir.join("state")
    }

    pub fn hand_off(&self, repository: &Repository) -> anyhow::Result<HandedOff> {
        let mut command = self.command(&["--json", "run", "Measure what it costs.", "--budget", "1000"]);
        command.current_dir(&repository.dir);
        let started_at = SystemTime::now();
        let output = command.output().context("cannot start errand")?;
        let returned_after = started_at.elapsed()?;
        ensure!(output.status.success(), "errand run: {}", String::from_utf8_lossy(&output.stderr));
        let submitted: Value = serde_json::from_slice(&output.stdout)?;
        let id = submitted["id"].as_str().context("errand run printed no id")?.to_owned();
        Ok(HandedOff { id, started_at, returned_after })
    }

    /// Waits until the task rests, and makes sure that it ended as its script wanted.
    pub fn finish(&self, task: &HandedOff) -> anyhow::Result<()> {
        let output = self.command(&["--json", "wait", &task.id]).output()?;
        let detail: Value = serde_json::from_slice(&output.stdout)?;
        ensure!(detail["state"] == "completed", "the task ended as {}: {}", detail["state"], detail["note"]);
        Ok(())
    }

    /// Ends a task that waits for an answer, and waits until it rests.
    pub fn stop(&self, task: &HandedOff) -> anyhow::Result<()> {
        for verb in ["stop", "wait"] {
            self.command(&[verb, &task.id]).output()?;
        }
        Ok(())
    }

    /// The task's journal, one event a value.
    pub fn events(&self, task: &HandedOff) -> anyhow::Result<Vec<Value>> {
        let output = self.command(&["--json", "show", &task.id, "--events"]).output()?;
        let text = String::from_utf8(output.stdout)?;
        text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
    }

    /// Starts the daemon if it is not there; its process id.
    pub fn start_daemon(&self) -> anyhow::Result<u32> {
        let output = self.command(&["--json", "daemon", "start"]).output()?;
        ensure!(output.status.success(), "errand daemon start: {}", String::from_utf8_lossy(&output.stderr));
        let status: Value = serde_json::from_slice(&output.stdout)?;
        let pid = status["pid"].as_u64().context("errand daemon start printed no pid")?;
        Ok(u32::try_from(pid)?)
    }

    pub fn stop_daemon(&self) -> anyhow::Result<()> {
        let output = self.command(&["daemon", "stop"]).output()?;
        ensure!(output.status.success(), "errand daemon stop: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// How long the smallest verb takes: one process, one question to the daemon.
    pub fn round_trip(&self) -> anyhow::Result<Duration> {
        let mut command = self.command(&["daemon", "status"]);
        let started_at = SystemTime::now();
        let output = command.output()?;
        let took = started_at.elapsed()?;
        ensure!(output.status.success(), "errand daemon status: {}", String::from_utf8_lossy(&output.stderr));
        Ok(took)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.stage.binary);
        command.args(arguments).env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.env("HOME", &self.dir).env("ERRAND_HOME", self.state());
        command.env("ANTHROPIC_BASE_URL", &self.base_url).env("ANTHROPIC_API_KEY", "bench");
        command.stdin(Stdio::null()).current_dir(&self.dir);
        command
    }
}

impl Drop for Home<'_> {
    fn drop(&mut self) {
        // It may have been stopped already, and what stays is deleted with the stage.
        let _ = self.command(&["daemon", "stop", "--now"]).output();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}
