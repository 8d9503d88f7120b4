//! The one place that runs the `git` program on the host.
//!
//! The environment is emptied and rebuilt, everything of git that can start another program is switched off, output and
//! time are bounded. Only typed helpers of this crate call it; no argument list comes from outside.

use crate::limits::{GIT_ERROR_BYTES, GIT_OUTPUT_BYTES, GIT_READ_TIME};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags, Signal};
use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// Oldest git that has everything used here.
const OLDEST: (u32, u32) = (2, 38);

/// Rule 20 of the threat model: nothing in a repository's configuration may start a program or change what we read.
const SETTINGS: [&str; 16] = [
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.symlinks=true",
    "core.protectHFS=true",
    "core.protectNTFS=true",
    "core.alternateRefsCommand=:",
    "protocol.allow=never",
    "submodule.recurse=false",
    "diff.ignoreSubmodules=all",
    "safe.bareRepository=explicit",
    "gc.auto=0",
    "maintenance.auto=false",
    "commit.gpgSign=false",
    "log.showSignature=false",
    "fetch.writeCommitGraph=false",
    "core.commitGraph=false",
];

const ENVIRONMENT: [(&str, &str); 14] = [
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("GIT_CONFIG_SYSTEM", "/dev/null"),
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_ATTR_NOSYSTEM", "1"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_NO_LAZY_FETCH", "1"),
    ("GIT_NO_REPLACE_OBJECTS", "1"),
    ("GIT_OPTIONAL_LOCKS", "0"),
    ("GIT_ALLOW_PROTOCOL", "none"),
    ("GIT_PAGER", "cat"),
    ("GIT_EDITOR", ":"),
    ("GIT_ASKPASS", "/bin/false"),
    ("GIT_SSH_COMMAND", "/bin/false"),
    ("LC_ALL", "C"),
];

#[derive(Debug, Error)]
pub enum GitError {
    #[error("no git program was found in PATH")]
    Missing,
    #[error("git {found} is too old, errand needs {}.{} or newer", OLDEST.0, OLDEST.1)]
    TooOld { found: String },
    #[error("git {what} failed: {stderr}")]
    Failed { what: &'static str, stderr: String },
    #[error("git {what} took longer than {} seconds", limit.as_secs())]
    TimedOut { what: &'static str, limit: Duration },
    #[error("git {what} printed more than {GIT_OUTPUT_BYTES} bytes")]
    TooMuchOutput { what: &'static str },
    #[error("git {what} printed something unexpected")]
    Garbled { what: &'static str },
    #[error("git {what} could not run: {source}")]
    Io { what: &'static str, source: io::Error },
}

/// The git program, found once.
#[derive(Clone, Debug)]
pub struct Git {
    inner: Arc<Program>,
}

#[derive(Debug)]
struct Program {
    path: PathBuf,
    /// Where git itself looks for `sh` and its own programs.
    search: OsString,
}

impl Git {
    /// Looks through the absolute folders of `search_path` (the person's PATH) and asks the program for its version.
    pub fn find(search_path: &OsStr) -> Result<Self, GitError> {
        let path = find_program("git", search_path).ok_or(GitError::Missing)?;
        let mut search = OsString::from("/usr/bin:/bin");
        if let Some(dir) = path.parent() {
            search.push(":");
            search.push(dir);
        }
        let git = Self { inner: Arc::new(Program { path, search }) };
        let mut call = git.bare_call("version");
        call.command.arg("version");
        let text = String::from_utf8_lossy(&call.output()?).into_owned();
        let version = text.split_whitespace().nth(2).unwrap_or_default().to_owned();
        let mut numbers = version.split('.').map(|part| part.parse().unwrap_or(0));
        if (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) < OLDEST {
            return Err(GitError::TooOld { found: version });
        }
        Ok(git)
    }

    /// The program that was found.
    pub fn program(&self) -> &Path {
        &self.inner.path
    }

    /// The value of a setting in one of the person's own settings files.
    pub(crate) fn setting(&self, file: &Path, name: &str) -> Option<String> {
        let mut call = self.bare_call("config");
        call.command.args(["config", "--file"]).arg(file).args(["--get", name]);
        let value = String::from_utf8(call.output().ok()?).ok()?;
        Some(value.trim_end_matches('\n').to_owned()).filter(|value| !value.is_empty())
    }

    /// A call on one git directory; the caller adds subcommand and arguments.
    pub(crate) fn call(&self, what: &'static str, git_dir: &Path) -> Call {
        let mut call = self.bare_call(what);
        let mut dir = OsString::from("--git-dir=");
        dir.push(git_dir);
        call.command.arg(dir).args(["--no-pager", "--literal-pathspecs"]);
        for setting in SETTINGS {
            call.command.args(["-c", setting]);
        }
        call
    }

    fn bare_call(&self, what: &'static str) -> Call {
        let mut command = Command::new(&self.inner.path);
        command.env_clear().envs(ENVIRONMENT).env("PATH", &self.inner.search).current_dir("/");
        // Its own group, so that the helpers git starts end with it.
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Call { what, command, limit: GIT_READ_TIME }
    }
}

/// The first executable file of that name in the absolute folders of `search_path`.
pub(crate) fn find_program(name: &str, search_path: &OsStr) -> Option<PathBuf> {
    std::env::split_paths(search_path).filter(|dir| dir.is_absolute()).map(|dir| dir.join(name)).find(|path| {
        let access = rustix::fs::Access::EXEC_OK;
        path.is_file() && rustix::fs::accessat(rustix::fs::CWD, path, access, rustix::fs::AtFlags::empty()).is_ok()
    })
}

/// One run of git that is being put together.
pub(crate) struct Call {
    pub what: &'static str,
    pub command: Command,
    pub limit: Duration,
}

impl Call {
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.command.args(args);
        self
    }

    /// What it printed; an error when it did not exit with 0.
    pub fn output(mut self) -> Result<Vec<u8>, GitError> {
        let what = self.what;
        let (status, stdout, stderr) = self.finish()?;
        if status.success() { Ok(stdout) } else { Err(failed(what, &status, &stderr)) }
    }

    /// Its exit code and what it printed, for the few calls where other codes are answers.
    pub fn code_and_output(mut self) -> Result<(i32, Vec<u8>), GitError> {
        let what = self.what;
        let (status, stdout, stderr) = self.finish()?;
        match status.code() {
            Some(code) => Ok((code, stdout)),
            None => Err(failed(what, &status, &stderr)),
        }
    }

    fn finish(&mut self) -> Result<(ExitStatus, Vec<u8>, Vec<u8>), GitError> {
        let what = self.what;
        let io = |source| GitError::Io { what, source };
        let mut child = self.command.spawn().map_err(io)?;
        let out = read_aside(child.stdout.take(), GIT_OUTPUT_BYTES);
        let err = read_aside(child.stderr.take(), GIT_ERROR_BYTES);
        let in_time = wait_for(&child, self.limit).map_err(io)?;
        if !in_time {
            kill_group(&child);
        }
        let status = child.wait().map_err(io)?;
        if !in_time {
            return Err(GitError::TimedOut { what, limit: self.limit });
        }
        let stdout = out.join().unwrap_or_default();
        let stderr = err.join().unwrap_or_default();
        if stdout.len() as u64 > GIT_OUTPUT_BYTES {
            return Err(GitError::TooMuchOutput { what });
        }
        Ok((status, stdout, stderr))
    }
}

/// Reads a pipe on its own thread up to one byte over `limit`; past that the pipe closes and git ends on the broken pipe.
fn read_aside<R: Read + Send + 'static>(pipe: Option<R>, limit: u64) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(pipe) = pipe {
            // What arrived before an error is still worth showing.
            let _ = pipe.take(limit + 1).read_to_end(&mut bytes);
        }
        bytes
    })
}

fn wait_for(child: &Child, limit: Duration) -> io::Result<bool> {
    let Some(pid) = pid_of(child) else { return Ok(true) };
    let handle = rustix::process::pidfd_open(pid, PidfdFlags::empty())?;
    let timeout = Timespec { tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX), tv_nsec: 0 };
    loop {
        match rustix::event::poll(&mut [PollFd::new(&handle, PollFlags::IN)], Some(&timeout)) {
            Ok(n_ready) => return Ok(n_ready > 0),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn kill_group(child: &Child) {
    if let Some(pid) = pid_of(child) {
        // It may have ended by itself in this moment.
        let _ = rustix::process::kill_process_group(pid, Signal::KILL);
    }
}

fn pid_of(child: &Child) -> Option<Pid> {
    i32::try_from(child.id()).ok().and_then(Pid::from_raw)
}

fn failed(what: &'static str, status: &ExitStatus, stderr: &[u8]) -> GitError {
    let text = String::from_utf8_lossy(stderr);
    let line = text.lines().find(|line| !line.trim().is_empty()).map(str::trim);
    GitError::Failed { what, stderr: line.map_or_else(|| status.to_string(), str::to_owned) }
}
