//! The one way in: every process that is not host git or errand itself starts in [`run`], from a [`SandboxPlan`].
//!
//! Today the plan gives a command its own session, an environment from a list, no input, one output pipe, and limits.
//! The namespaces, seccomp and Landlock walls come into `start` and read the same plan.
//!
//! A command ends when its first process ends: what is left of its session is killed then, while the process is still
//! unreaped and its number cannot be anyone else's. The pipe is read a moment longer, never until someone closes it.

use crate::beneath::{Beneath, Links};
use crate::git::find_program;
use crate::limits::{COMMAND_OUTPUT_BYTES, COMMAND_TIME, PIPE_GRACE, TERM_GRACE};
use crate::processes;
use crate::toolchains::Toolchains;
use crate::workspace::Workspace;
use crate::{paths, state_dir};
use errand_task::facts::RunEnd;
use process_wrap::std::{ChildWrapper, CommandWrap, ProcessSession};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};
use std::ffi::OsStr;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::unix::pipe;
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::Instant;

/// Runs in front of every command: private files, no core dumps. The command's words are arguments, never script.
const PRELUDE: &str = "umask 077; ulimit -c 0; exec \"$@\"";

/// What a command may use up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub wall: Duration,
    pub output_bytes: usize,
}

impl Limits {
    /// The usual output limit with this wall time.
    pub fn of(wall: Duration) -> Self {
        Self { wall, output_bytes: COMMAND_OUTPUT_BYTES }
    }

    /// The usual limits.
    pub fn usual() -> Self {
        Self::of(COMMAND_TIME)
    }
}

/// What a command can reach. There is no second variant until a proxy can grant names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    None,
}

/// Everything that decides how a command runs.
#[derive(Clone, Debug)]
pub struct SandboxPlan {
    /// The tree it works in.
    pub workspace: PathBuf,
    /// Where in the workspace it starts; the empty path is the workspace itself.
    pub dir: String,
    pub argv: Vec<String>,
    pub environment: Vec<(String, String)>,
    pub limits: Limits,
    pub network: Network,
}

impl SandboxPlan {
    /// A script for bash with `pipefail`, or for `sh` where there is no bash.
    pub fn shell(workspace: &Workspace, toolchains: &Toolchains, script: &str, limits: Limits) -> Self {
        let system = OsStr::new("/bin:/usr/bin:/usr/local/bin");
        let shell = match find_program("bash", system) {
            Some(bash) => vec![bash.to_string_lossy().into_owned(), "-o".to_owned(), "pipefail".to_owned()],
            None => vec!["/bin/sh".to_owned()],
        };
        Self {
            workspace: workspace.tree_dir(),
            dir: String::new(),
            argv: shell.into_iter().chain(["-c".to_owned(), script.to_owned()]).collect(),
            environment: toolchains.environment(&workspace.home(), &workspace.tmp()),
            limits,
            network: Network::None,
        }
    }

    /// The same plan, started in a folder of the workspace.
    pub fn in_dir(mut self, dir: &str) -> Self {
        self.dir = dir.to_owned();
        self
    }
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    pub end: RunEnd,
    pub duration: Duration,
    /// Standard output and standard error in the order they were written, up to the limit.
    pub output: Vec<u8>,
}

/// A command that was started. Dropping it kills the command.
#[derive(Debug)]
pub struct RunningCommand {
    shared: Arc<Shared>,
    done: watch::Receiver<Option<(RunEnd, Duration)>>,
}

#[derive(Debug, Default)]
struct Shared {
    output: Mutex<Vec<u8>>,
    stop: Notify,
    grown: Notify,
}

/// Starts the plan's command; must be called inside a tokio runtime. A plan that cannot be started is a command that
/// ended with [`RunEnd::NotStarted`].
pub fn run(plan: SandboxPlan) -> RunningCommand {
    let shared = Arc::new(Shared::default());
    let (tell, done) = watch::channel(None);
    match start(&plan) {
        Ok(started) => {
            let shared = Arc::clone(&shared);
            tokio::spawn(async move {
                let began = Instant::now();
                let end = supervise(started, plan.limits, &shared).await;
                tell.send_replace(Some((end, began.elapsed())));
                shared.grown.notify_waiters();
            });
        }
        Err(why) => {
            tell.send_replace(Some((RunEnd::NotStarted { why }, Duration::ZERO)));
        }
    }
    RunningCommand { shared, done }
}

impl RunningCommand {
    /// Waits for the end. May be asked again.
    pub async fn finished(&self) -> Finished {
        let mut done = self.done.clone();
        let ended = match done.wait_for(Option::is_some).await {
            Ok(ended) => ended.clone(),
            Err(_) => None,
        };
        // Without an answer the runtime went down and took the command with it.
        let (end, duration) = ended.unwrap_or((RunEnd::Interrupted, Duration::ZERO));
        Finished { end, duration, output: self.output_so_far() }
    }

    /// The end, if it is there.
    pub fn end(&self) -> Option<RunEnd> {
        self.done.borrow().as_ref().map(|(end, _)| end.clone())
    }

    /// What it printed up to now.
    pub fn output_so_far(&self) -> Vec<u8> {
        self.output_since(0)
    }

    /// What it printed after the first `n_bytes`.
    pub fn output_since(&self, n_bytes: usize) -> Vec<u8> {
        let output = self.shared.output.lock().unwrap_or_else(PoisonError::into_inner);
        output.get(n_bytes..).unwrap_or_default().to_vec()
    }

    /// Returns when there is output after the first `n_bytes`, or it has ended.
    pub async fn grown_past(&self, n_bytes: usize) {
        loop {
            let grown = self.shared.grown.notified();
            tokio::pin!(grown);
            grown.as_mut().enable();
            let n_now = self.shared.output.lock().unwrap_or_else(PoisonError::into_inner).len();
            if n_now > n_bytes || self.end().is_some() {
                return;
            }
            grown.await;
        }
    }

    /// Ends it: politely first, for good two seconds later. The end is [`RunEnd::Interrupted`].
    pub fn stop(&self) {
        self.shared.stop.notify_one();
    }
}

impl Drop for RunningCommand {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A process that was started and not reaped. Dropping it kills its session and reaps it.
struct Started {
    pid: Pid,
    child: Box<dyn ChildWrapper>,
    exit: oneshot::Receiver<()>,
    output: pipe::Receiver,
    is_reaped: bool,
}

impl Started {
    fn signal(&self, signal: Signal) {
        processes::signal_session(self.pid, signal);
    }

    /// Kills what is left of the session, then reaps; call it only when the process has exited.
    fn reap(&mut self) -> io::Result<ExitStatus> {
        self.signal(Signal::KILL);
        self.is_reaped = true;
        self.child.wait()
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if !self.is_reaped {
            // Killed, so the wait inside is short; nobody is left to tell about an error.
            let _ = self.reap();
        }
    }
}

fn start(plan: &SandboxPlan) -> Result<Started, String> {
    let workspace = Beneath::open(&plan.workspace).map_err(|error| format!("the workspace: {error}"))?;
    let dir = paths::normalize(&plan.dir).map_err(|error| error.to_string())?;
    let dir = workspace.folder(dir.as_bytes(), Links::Follow).map_err(|error| format!("`{}`: {error}", plan.dir))?;
    let io = |error: io::Error| error.to_string();
    let (read_end, write_end) = io::pipe().map_err(io)?;
    let output = pipe::Receiver::from_owned_fd(read_end.into()).map_err(io)?;
    close_fds::set_fds_cloexec_threadsafe(3, &[]);
    let mut command = CommandWrap::with_new("/bin/sh", |command: &mut Command| {
        command.args(["-c", PRELUDE, "sh"]).args(&plan.argv);
        command.env_clear().envs(plan.environment.iter().map(|(name, value)| (name, value)));
        // By its handle: the folder that was checked is the folder it starts in.
        command.current_dir(format!("/proc/self/fd/{}", dir.as_raw_fd())).stdin(Stdio::null());
    });
    let both = write_end.try_clone().map_err(io)?;
    command.command_mut().stdout(write_end).stderr(both);
    let child = command.wrap(ProcessSession).spawn().map_err(io)?.into_inner();
    // The command holds the writing ends now; ours would keep the pipe open.
    drop(command);
    watch_exit(child, output)
}

/// A thread of its own waits for the exit without reaping: tokio's own way to watch a process reaps it.
fn watch_exit(mut child: Box<dyn ChildWrapper>, output: pipe::Receiver) -> Result<Started, String> {
    let (tell, exit) = oneshot::channel();
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let watched = pid.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData)).and_then(|pid| {
        let thread = std::thread::Builder::new().name(format!("wait-{}", pid.as_raw_nonzero())).stack_size(64 << 10);
        thread.spawn(move || {
            wait_unreaped(pid);
            // Nobody listens any more when the runtime went down.
            let _ = tell.send(());
        })?;
        Ok(pid)
    });
    match watched {
        Ok(pid) => Ok(Started { pid, child, exit, output, is_reaped: false }),
        Err(error) => {
            // It must not run unwatched.
            let _ = child.kill();
            Err(error.to_string())
        }
    }
}

fn wait_unreaped(pid: Pid) {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while matches!(rustix::process::waitid(WaitId::Pid(pid), options), Err(rustix::io::Errno::INTR)) {}
}

/// Reads, watches and limits until the process has exited; then cleans up and says how it ended.
async fn supervise(mut started: Started, limits: Limits, shared: &Shared) -> RunEnd {
    let deadline = Instant::now() + limits.wall;
    let mut ended_by_us = None;
    let mut kill_at = None;
    let mut is_open = true;
    loop {
        let until = kill_at.unwrap_or(deadline);
        let reason = tokio::select! {
            _ = &mut started.exit => break,
            readable = started.output.readable(), if is_open => {
                is_open = readable.is_ok() && read_some(&started.output, limits.output_bytes, shared);
                let is_full = n_bytes(shared) >= limits.output_bytes;
                (is_full && ended_by_us.is_none()).then_some(RunEnd::TooMuchOutput)
            }
            () = tokio::time::sleep_until(until) => match ended_by_us {
                None => Some(RunEnd::TimedOut),
                Some(_) => {
                    started.signal(Signal::KILL);
                    kill_at = Some(Instant::now() + TERM_GRACE);
                    None
                }
            },
            () = shared.stop.notified() => ended_by_us.is_none().then_some(RunEnd::Interrupted),
        };
        if let Some(reason) = reason {
            ended_by_us = Some(reason);
            started.signal(Signal::TERM);
            kill_at = Some(Instant::now() + TERM_GRACE);
        }
    }
    let status = started.reap();
    let _ = tokio::time::timeout(PIPE_GRACE, drain(&started.output, limits.output_bytes, shared)).await;
    match (ended_by_us, status) {
        (Some(reason), _) => reason,
        (None, Ok(status)) => end_of(status),
        (None, Err(error)) => RunEnd::NotStarted { why: error.to_string() },
    }
}

fn end_of(status: ExitStatus) -> RunEnd {
    match (status.code(), status.signal()) {
        (Some(code), _) => RunEnd::Exited { code },
        (None, signal) => RunEnd::Killed { signal: signal.unwrap_or(0) },
    }
}

async fn drain(output: &pipe::Receiver, limit: usize, shared: &Shared) {
    while output.readable().await.is_ok() && read_some(output, limit, shared) {}
}

/// Takes what is in the pipe, throws away what is over the limit; `false` when the pipe has ended.
fn read_some(output: &pipe::Receiver, limit: usize, shared: &Shared) -> bool {
    let mut buffer = [0; 16 << 10];
    match output.try_read(&mut buffer) {
        Ok(0) => false,
        Ok(n_read) => {
            let mut kept = shared.output.lock().unwrap_or_else(PoisonError::into_inner);
            let n_room = limit.saturating_sub(kept.len()).min(n_read);
            kept.extend_from_slice(buffer.get(..n_room).unwrap_or_default());
            drop(kept);
            shared.grown.notify_waiters();
            true
        }
        Err(error) => matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted),
    }
}

fn n_bytes(shared: &Shared) -> usize {
    shared.output.lock().unwrap_or_else(PoisonError::into_inner).len()
}

/// Starts errand's own binary in a session of its own, without terminal or input, writing to `log`. Returns its number;
/// the caller does not wait for it.
pub fn spawn_daemon(exe: &Path, args: &[&str], environment: &[(String, String)], log: &Path) -> io::Result<u32> {
    let out = state_dir::append_file(log)?;
    let err = out.try_clone()?;
    close_fds::set_fds_cloexec_threadsafe(3, &[]);
    let mut command = CommandWrap::with_new(exe, |command: &mut Command| {
        command.args(args).env_clear().envs(environment.iter().map(|(name, value)| (name, value)));
        command.current_dir("/").stdin(Stdio::null()).stdout(out).stderr(err);
    });
    Ok(command.wrap(ProcessSession).spawn()?.id())
}
