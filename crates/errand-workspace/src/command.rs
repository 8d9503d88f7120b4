//! The one way in: every process that is not host git or errand itself starts in [`run`], from a [`SandboxPlan`].
//!
//! A command ends when its first process ends: init tells how, and with init everything that is left of it goes. The
//! daemon holds wall time, output and disk; init holds what can be seen from inside only.

use crate::limits::{DISK_LOOK, DISK_RESERVE_BYTES, DISK_RESERVE_PART, PIPE_GRACE, TERM_GRACE};
use crate::proxy::forward::ENVIRONMENT;
use crate::proxy::{Proxy, Times};
use crate::sandbox::plan::{Limits, SandboxPlan};
use crate::sandbox::{Backend, Order, Sandbox, Stand, Standing, Told, encode, send_with};
use crate::state_dir;
use crate::toolchains::OFFLINE;
use errand_task::facts::{NetworkUse, RunEnd};
use process_wrap::std::{CommandWrap, ProcessSession};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf, pipe};
use tokio::process::Child;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    pub end: RunEnd,
    pub duration: Duration,
    /// Standard output and standard error in the order they were written, up to the limit.
    pub output: Vec<u8>,
    /// What it did with which name outside.
    pub network: Vec<NetworkUse>,
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
    network: Mutex<Vec<NetworkUse>>,
    has_begun: AtomicBool,
    has_landlock: AtomicBool,
}

/// Runs the plan's command behind the sandbox's walls; must be called inside a tokio runtime. Where the walls do not
/// stand nothing is started: that is a command that ended with [`RunEnd::NotStarted`].
pub fn run(sandbox: &Arc<Sandbox>, plan: SandboxPlan) -> RunningCommand {
    let sandbox = Arc::clone(sandbox);
    running(move |shared| async move {
        match sandbox.standing().await {
            Standing::Whole(walls) => live(&sandbox, &walls.backend, plan, &shared).await,
            Standing::Missing { why, remedy, .. } => RunEnd::NotStarted { why: format!("{why}; {remedy}") },
        }
    })
}

/// The same with a backend that is not proven yet: only the proof itself may do this.
pub(crate) fn launch(sandbox: &Arc<Sandbox>, backend: &Backend, plan: SandboxPlan) -> RunningCommand {
    let (sandbox, backend) = (Arc::clone(sandbox), backend.clone());
    running(move |shared| async move { live(&sandbox, &backend, plan, &shared).await })
}

fn running<Life: Future<Output = RunEnd> + Send>(
    life: impl FnOnce(Arc<Shared>) -> Life + Send + 'static,
) -> RunningCommand {
    let shared = Arc::new(Shared::default());
    let (tell, done) = watch::channel(None);
    let of_life = Arc::clone(&shared);
    tokio::spawn(async move {
        let began = Instant::now();
        let end = life(Arc::clone(&of_life)).await;
        tell.send_replace(Some((end, began.elapsed())));
        of_life.grown.notify_waiters();
    });
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
        Finished { end, duration, output: self.output_so_far(), network: self.network() }
    }

    /// The end, if it is there.
    pub fn end(&self) -> Option<RunEnd> {
        self.done.borrow().as_ref().map(|(end, _)| end.clone())
    }

    /// Waits until it runs, or has ended without: after that [`Self::end`] tells a command that was refused.
    pub async fn begun(&self) {
        loop {
            let news = self.shared.grown.notified();
            tokio::pin!(news);
            news.as_mut().enable();
            if self.shared.has_begun.load(Ordering::Relaxed) || self.end().is_some() {
                return;
            }
            news.await;
        }
    }

    /// Whether the third wall stood when it started.
    pub(crate) fn has_landlock(&self) -> bool {
        self.shared.has_landlock.load(Ordering::Relaxed)
    }

    /// What it did with names outside; complete when it has ended.
    pub fn network(&self) -> Vec<NetworkUse> {
        self.shared.network.lock().unwrap_or_else(PoisonError::into_inner).clone()
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

/// A sandbox that was started. When it is dropped its socket closes, and init ends everything.
struct Started {
    outer: Child,
    /// What init tells, a JSON line each.
    told: BufReader<OwnedReadHalf>,
    orders: OwnedWriteHalf,
    output: pipe::Receiver,
}

async fn live(sandbox: &Arc<Sandbox>, backend: &Backend, plan: SandboxPlan, shared: &Shared) -> RunEnd {
    let (limits, disk) = (plan.limits, Disk::of(&plan));
    let (plan, way_out) = match WayOut::open(sandbox, plan) {
        Ok(opened) => opened,
        Err(error) => return RunEnd::NotStarted { why: format!("the way to the granted names: {error}") },
    };
    let end = match start(sandbox, backend, plan).await {
        Ok(started) => supervise(started, limits, disk, shared).await,
        Err(error) => RunEnd::NotStarted { why: error.to_string() },
    };
    if let Some(way_out) = way_out {
        *shared.network.lock().unwrap_or_else(PoisonError::into_inner) = way_out.proxy.used();
    }
    end
}

/// The proxy of one command, in a folder of its own that goes with it.
struct WayOut {
    proxy: Proxy,
    dir: PathBuf,
}

impl WayOut {
    /// A plan that grants names gets its proxy; one that grants none has no way out at all.
    fn open(sandbox: &Sandbox, mut plan: SandboxPlan) -> io::Result<(SandboxPlan, Option<Self>)> {
        if plan.network.is_empty() {
            return Ok((plan, None));
        }
        let ways = plan.ways().ok_or(io::ErrorKind::InvalidInput)?;
        let name = state_dir::temporary_name();
        let dir = state_dir::folder(ways, &name)?;
        let proxy = Proxy::start(&dir.join("proxy"), plan.network.clone(), sandbox.outside(), Times::usual())?;
        plan.environment.retain(|(name, _)| !OFFLINE.iter().any(|(offline, _)| offline == name));
        plan.environment.extend(ENVIRONMENT.map(|(name, value)| (name.to_owned(), value.to_owned())));
        plan.way = Some(name);
        Ok((plan, Some(Self { proxy, dir })))
    }
}

impl Drop for WayOut {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// Starts the outer stage and hands it the plan.
async fn start(sandbox: &Arc<Sandbox>, backend: &Backend, plan: SandboxPlan) -> io::Result<Started> {
    let (of_plan, backend) = (Arc::clone(sandbox), backend.clone());
    let (plan, arguments) = tokio::task::spawn_blocking(move || of_plan.outer(&backend, plan)).await??;
    let (length, json) = encode(&plan)?;
    let (read_end, write_end) = io::pipe()?;
    let output = pipe::Receiver::from_owned_fd(read_end.into())?;
    let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
    let view = plan.stand();
    send_with(&ours, &length, &view.map(Stand::namespaces).into_iter().flatten().collect::<Vec<_>>())?;
    ours.set_nonblocking(true)?;
    let (told, mut orders) = UnixStream::from_std(ours)?.into_split();
    close_fds::set_fds_cloexec_threadsafe(3, &[]);
    let mut command = tokio::process::Command::new(&sandbox.program);
    command.args(arguments).env_clear().current_dir("/").stdin(Stdio::from(OwnedFd::from(theirs)));
    command.stdout(write_end.try_clone()?).stderr(write_end);
    let outer = command.spawn()?;
    // The stage holds its ends now; ours would keep the pipe open.
    drop(command);
    // One that refuses early may not read all of it; what it says counts.
    let _ = orders.write_all(&json).await;
    Ok(Started { outer, told: BufReader::new(told), orders, output })
}

/// Reads, watches and limits until init has told the end; says how it ended when everything of it is gone.
async fn supervise(mut started: Started, limits: Limits, mut disk: Disk, shared: &Shared) -> RunEnd {
    let deadline = Instant::now() + limits.wall;
    let mut disk_look = tokio::time::interval(DISK_LOOK);
    let mut ended_by_us = None;
    let mut kill_at = None;
    let mut is_kill_ordered = false;
    let mut is_open = true;
    let mut told = Vec::new();
    let last = loop {
        let until = kill_at.unwrap_or(deadline);
        let reason = tokio::select! {
            line = started.told.read_until(b'\n', &mut told) => match heard(line, &mut told) {
                Heard::Nothing => break None,
                Heard::Started { has_landlock } => {
                    shared.has_landlock.store(has_landlock, Ordering::Relaxed);
                    shared.has_begun.store(true, Ordering::Relaxed);
                    shared.grown.notify_waiters();
                    None
                }
                Heard::End(end) => break Some(end),
            },
            readable = started.output.readable(), if is_open => {
                is_open = readable.is_ok() && read_some(&started.output, limits.output_bytes, shared);
                let is_full = n_bytes(shared) >= limits.output_bytes;
                (is_full && ended_by_us.is_none()).then_some(RunEnd::TooMuchOutput)
            }
            _ = disk_look.tick(), if ended_by_us.is_none() => disk.over().await.map(|limit| RunEnd::OverLimit { limit }),
            () = tokio::time::sleep_until(until) => match ended_by_us {
                None => Some(RunEnd::TimedOut),
                // The last resort, when not even init answers any more.
                Some(_) if is_kill_ordered || started.order(Order::Kill).await.is_err() => {
                    let _ = started.outer.start_kill();
                    break None;
                }
                Some(_) => {
                    is_kill_ordered = true;
                    kill_at = Some(Instant::now() + TERM_GRACE);
                    None
                }
            },
            () = shared.stop.notified() => ended_by_us.is_none().then_some(RunEnd::Interrupted),
        };
        if let Some(reason) = reason {
            // A disk that fills up or output that floods leaves no time to be polite.
            let order = match reason {
                RunEnd::OverLimit { .. } | RunEnd::TooMuchOutput => Order::Kill,
                _ => Order::Terminate,
            };
            ended_by_us = Some(reason);
            let _ = started.order(order).await;
            kill_at = Some(Instant::now() + TERM_GRACE);
        }
    };
    drop(started.orders);
    // Everything is dead when the outer stage has ended: it waits for init, and the kernel for all that init held.
    if tokio::time::timeout(TERM_GRACE, started.outer.wait()).await.is_err() {
        let _ = started.outer.kill().await;
    }
    let _ = tokio::time::timeout(PIPE_GRACE, drain(&started.output, limits.output_bytes, shared)).await;
    ended_by_us.or(last).unwrap_or(RunEnd::Killed { signal: 9 })
}

impl Started {
    async fn order(&mut self, order: Order) -> io::Result<()> {
        self.orders.write_all(&[order.byte()]).await
    }
}

/// A line of init's.
enum Heard {
    Started {
        has_landlock: bool,
    },
    End(RunEnd),
    /// Init is gone without a word.
    Nothing,
}

fn heard(line: io::Result<usize>, told: &mut Vec<u8>) -> Heard {
    let parsed = match line {
        Ok(n_read) if n_read > 0 => serde_json::from_slice(told),
        Ok(_) | Err(_) => return Heard::Nothing,
    };
    told.clear();
    match parsed {
        Ok(Told::Started { has_landlock }) => Heard::Started { has_landlock },
        Ok(Told::Refused { why }) => Heard::End(RunEnd::NotStarted { why }),
        Ok(Told::OverLimit { limit }) => Heard::End(RunEnd::OverLimit { limit }),
        Ok(Told::Exited { code }) => Heard::End(RunEnd::Exited { code }),
        Ok(Told::Killed { signal }) => Heard::End(RunEnd::Killed { signal }),
        Err(_) => Heard::Nothing,
    }
}

/// The disk a command writes to. Others write there too, so when its free space has shrunk by more than the command may
/// use, the command's own folders are measured before it is blamed.
struct Disk {
    storage: PathBuf,
    folders: Vec<PathBuf>,
    at_start: Free,
    may_use_bytes: u64,
    may_use_files: u64,
}

/// What is left of a file system, and how large it is.
#[derive(Clone, Copy, Default)]
struct Free {
    bytes: u64,
    bytes_total: u64,
    /// Files there are: some file systems derive the number of free ones from their free bytes.
    n_files: u64,
}

impl Disk {
    fn of(plan: &SandboxPlan) -> Self {
        let at_start = free(&plan.storage).unwrap_or_default();
        let (may_use_bytes, may_use_files) = (plan.limits.disk_bytes, plan.limits.disk_files);
        Self { storage: plan.storage.clone(), folders: plan.written_folders(), at_start, may_use_bytes, may_use_files }
    }

    /// The limit that was reached.
    async fn over(&mut self) -> Option<String> {
        let now = free(&self.storage)?;
        let reserve = DISK_RESERVE_BYTES.min(now.bytes_total / DISK_RESERVE_PART);
        let used = self.at_start.bytes.saturating_sub(now.bytes);
        if now.bytes < reserve && used > 0 {
            return Some("the last of the disk's free space".to_owned());
        }
        let n_new = now.n_files.saturating_sub(self.at_start.n_files);
        if used <= self.may_use_bytes && n_new <= self.may_use_files {
            return None;
        }
        let folders = self.folders.clone();
        let measure =
            move || folders.iter().map(|folder| held_below(folder)).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
        // What cannot be measured is blamed on the command.
        let (bytes, n_files) = tokio::task::spawn_blocking(measure).await.unwrap_or((u64::MAX, u64::MAX));
        if bytes > self.may_use_bytes {
            return Some(format!("{} MiB of disk", self.may_use_bytes >> 20));
        }
        if n_files > self.may_use_files {
            return Some(format!("{} new files", self.may_use_files));
        }
        // It was somebody else.
        self.at_start = now;
        None
    }
}

/// What the files below a folder take on the disk, and how many there are. What cannot be looked at counts as nothing.
fn held_below(folder: &Path) -> (u64, u64) {
    let (mut bytes, mut n_files) = (0_u64, 0_u64);
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            n_files += 1;
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => folders.push(entry.path()),
                Ok(metadata) => bytes = bytes.saturating_add(metadata.blocks().saturating_mul(512)),
                Err(_) => {}
            }
        }
    }
    (bytes, n_files)
}

fn free(path: &Path) -> Option<Free> {
    let found = rustix::fs::statvfs(path).ok()?;
    let in_bytes = |n_blocks: u64| n_blocks.saturating_mul(found.f_frsize);
    let n_files = found.f_files.saturating_sub(found.f_ffree);
    Some(Free { bytes: in_bytes(found.f_bavail), bytes_total: in_bytes(found.f_blocks), n_files })
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
