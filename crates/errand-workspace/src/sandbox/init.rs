//! Process 1 of the sandbox: gives up what it could do, starts the command, reaps, holds the limits, listens to the
//! daemon. When it ends, the kernel ends everything in here.

use super::backend::PROXY;
use super::plan::SandboxPlan;
use super::view::TASKS_SPARE;
use super::wire::{self, Order, Told};
use super::{landlocked, outer, seccomp, sys};
use crate::limits::{COMMAND_DESCRIPTORS, LIMITS_LOOK};
use crate::proxy::forward::{LISTEN, forward};
use rustix::io::Errno;
use rustix::process::{Pid, Resource, Rlimit, Signal, WaitOptions};
use rustix::thread::{CapabilitySet, CapabilitySets};
use std::io::{self, Read as _};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

/// Which stage made the namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outer {
    Native,
    Bwrap,
}

const SMALL_STACK: usize = 128 << 10;

/// Init as a program of its own, when bwrap made the namespaces.
pub(super) fn run_in_bwrap() -> i32 {
    let Ok(mut daemon) = outer::daemon_socket() else { return 1 };
    match wire::read(&mut daemon) {
        Ok((plan, _)) => run(&plan, &mut daemon, Outer::Bwrap),
        Err(error) => {
            let _ = wire::tell(&mut daemon, &Told::Refused { why: format!("the plan did not arrive: {error}") });
            1
        }
    }
}

pub(super) fn run(plan: &SandboxPlan, daemon: &mut UnixStream, made_by: Outer) -> i32 {
    let told = match start(plan, daemon, made_by) {
        Ok((command, over)) => {
            let end = reap_until(command);
            // What the watcher found is why it was killed.
            over.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or(end)
        }
        Err(why) => Told::Refused { why },
    };
    // A daemon that is gone needs no answer.
    let _ = wire::tell(daemon, &told);
    0
}

/// The limit that was reached, once one was.
type Over = Arc<Mutex<Option<Told>>>;

fn start(plan: &SandboxPlan, daemon: &mut UnixStream, made_by: Outer) -> Result<(Pid, Over), String> {
    let said = |what: &'static str| move |error: Errno| format!("{what}: {error}");
    // Fails for the first process of a session only, which has no terminal then.
    let _ = rustix::process::setsid();
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
        .map_err(said("init's memory cannot be closed"))?;
    if made_by == Outer::Native {
        loopback_up().map_err(said("the loopback cannot be switched on"))?;
    }
    let listener = match plan.network.is_empty() {
        true => None,
        false => Some(TcpListener::bind(LISTEN).map_err(|error| format!("the way to the proxy: {error}"))?),
    };
    limit_resources(plan)?;
    give_up_capabilities(made_by)?;
    let has_landlock =
        landlocked::apply(plan).map_err(|error| format!("the Landlock wall cannot be built: {error}"))?;
    seccomp::apply().map_err(|error| format!("the seccomp wall cannot be built: {error}"))?;
    rustix::process::chdir(&plan.dir).map_err(|error| format!("`{}`: {error}", plan.dir.display()))?;

    let (program, arguments) = plan.argv.split_first().ok_or("no command was given")?;
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(plan.environment.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).process_group(0);
    close_fds::set_fds_cloexec_threadsafe(3, &[]);
    let over = Over::default();
    let orders = daemon.try_clone().map_err(|error| error.to_string())?;
    if let Some(listener) = listener {
        thread("forward", move || forward(&listener, PathBuf::from(PROXY)))?;
    }
    // Started before the command, so that no moment of it is unwatched.
    thread("orders", move || obey(orders))?;
    let child = command.spawn().map_err(|error| format!("`{program}`: {error}"))?;
    // It may send init what it likes: nothing of it arrives. Not before, because a program starts with its parent's mask.
    sys::block_signals();
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or("the command has no number")?;
    let (limits, seen) = (plan.limits, Arc::clone(&over));
    if let Err(why) = thread("limits", move || watch(limits.tasks, limits.memory_bytes, &seen)) {
        sys::signal_everyone(Signal::KILL);
        return Err(why);
    }
    wire::tell(daemon, &Told::Started { has_landlock }).map_err(|error| error.to_string())?;
    Ok((pid, over))
}

fn thread(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), String> {
    let built = std::thread::Builder::new().name(name.to_owned()).stack_size(SMALL_STACK).spawn(|| {
        sys::block_signals();
        work();
    });
    built.map(drop).map_err(|error| format!("init cannot start a thread: {error}"))
}

/// Reaps whoever ends until the command has.
fn reap_until(command: Pid) -> Told {
    loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == command => {
                return match (status.exit_status(), status.terminating_signal()) {
                    (Some(code), _) => Told::Exited { code },
                    (None, signal) => Told::Killed { signal: signal.unwrap_or(0) },
                };
            }
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Told::Refused { why: format!("the command was lost: {error}") },
        }
    }
}

fn obey(mut daemon: UnixStream) {
    let mut byte = [0];
    loop {
        match daemon.read(&mut byte) {
            Ok(1) => match Order::of(byte[0]) {
                Some(Order::Terminate) => sys::signal_everyone(Signal::TERM),
                Some(Order::Kill) => sys::signal_everyone(Signal::KILL),
                None => {}
            },
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // The daemon is gone, and so is everything of its tasks.
            Ok(_) | Err(_) => std::process::exit(0),
        }
    }
}

/// Counts tasks and memory of everything in here, and ends it all when there is too much.
fn watch(n_tasks_max: u32, memory_bytes_max: u64, over: &Over) {
    let page = rustix::param::page_size() as u64;
    // Memory that belongs to no process, as files in memory do, is told for the whole machine only.
    let shared_at_start = shared_bytes();
    loop {
        std::thread::sleep(LIMITS_LOOK);
        // Thousands that try to fork and cannot leave init no time to count them: they are stopped first.
        let (counted, is_full) = match count(Patience::UntilFull) {
            Some(counted) => (counted, false),
            None => {
                sys::signal_everyone(Signal::STOP);
                (count(Patience::Endless).unwrap_or_default(), true)
            }
        };
        let shared = shared_bytes();
        let n_shared = shared.unwrap_or(0).saturating_sub(shared_at_start.unwrap_or(0));
        let limit = if counted.is_blind || shared.is_none() {
            "what init can still count".to_owned()
        } else if counted.n_tasks > n_tasks_max {
            format!("{n_tasks_max} processes and threads")
        } else if is_full {
            "the processes and threads that the kernel gives it".to_owned()
        } else if counted.n_pages.saturating_mul(page).saturating_add(n_shared) > memory_bytes_max {
            format!("{} MiB of memory", memory_bytes_max >> 20)
        } else {
            continue;
        };
        over.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(Told::OverLimit { limit });
        sys::signal_everyone(Signal::KILL);
    }
}

#[derive(Default)]
struct Counted {
    n_tasks: u32,
    n_pages: u64,
    is_blind: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Patience {
    /// Nothing is counted any more when the kernel gives no further thread.
    UntilFull,
    Endless,
}

/// So many processes are counted before it is asked again whether there is room for more.
const COUNTED_AT_ONCE: usize = 64;

fn count(patience: Patience) -> Option<Counted> {
    let entries = std::fs::read_dir("/proc");
    let mut counted = Counted { is_blind: entries.is_err(), ..Counted::default() };
    let pids = entries.into_iter().flatten().flatten().map(|entry| entry.file_name());
    for (n_before, name) in
        pids.filter(|name| name.to_str().is_some_and(|name| name.parse::<u32>().is_ok())).enumerate()
    {
        if patience == Patience::UntilFull && n_before % COUNTED_AT_ONCE == 0 && is_full() {
            return None;
        }
        let Some(pid) = name.to_str().filter(|name| *name != "1") else { continue };
        counted.n_tasks = counted.n_tasks.saturating_add(n_threads(pid));
        counted.n_pages = counted.n_pages.saturating_add(n_own_pages(pid));
    }
    Some(counted)
}

/// Whether not one more thread can be started: the kernel's own bound is reached.
fn is_full() -> bool {
    std::thread::Builder::new().stack_size(SMALL_STACK).spawn(|| {}).is_err()
}

fn n_threads(pid: &str) -> u32 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name in parentheses may hold anything; the number of threads is the 18th word after it.
    let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    after_name.split(' ').nth(17).and_then(|word| word.parse().ok()).unwrap_or(1)
}

/// Memory of the machine that is shared or a file's in memory.
fn shared_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Shmem:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|n_kib| n_kib << 10)
}

/// Resident pages that are no file's.
fn n_own_pages(pid: &str) -> u64 {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    let mut words = statm.split(' ').skip(1).map(|word| word.parse::<u64>().unwrap_or(0));
    let (resident, shared) = (words.next().unwrap_or(0), words.next().unwrap_or(0));
    resident.saturating_sub(shared)
}

fn limit_resources(plan: &SandboxPlan) -> Result<(), String> {
    let hard = |value: u64| Rlimit { current: Some(value), maximum: Some(value) };
    let descriptors = rustix::process::getrlimit(Resource::Nofile).maximum.unwrap_or(COMMAND_DESCRIPTORS);
    for (name, resource, limit) in [
        ("core files", Resource::Core, hard(0)),
        ("file size", Resource::Fsize, hard(plan.limits.file_bytes)),
        ("open files", Resource::Nofile, hard(descriptors.min(COMMAND_DESCRIPTORS))),
        ("processes", Resource::Nproc, hard(u64::from(plan.limits.tasks + TASKS_SPARE))),
    ] {
        rustix::process::setrlimit(resource, limit).map_err(|error| format!("the limit of {name}: {error}"))?;
    }
    Ok(())
}

/// All five sets, and the way back.
fn give_up_capabilities(made_by: Outer) -> Result<(), String> {
    rustix::thread::set_no_new_privs(true).map_err(|error| format!("no_new_privs: {error}"))?;
    let _ = rustix::thread::clear_ambient_capability_set();
    for number in 0..64 {
        match rustix::thread::remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(1 << number)) {
            Ok(()) => {}
            // The last one the kernel has.
            Err(Errno::INVAL) => break,
            // Without capabilities of its own, as under bwrap, nothing can be given up; what counts is looked at below.
            Err(Errno::PERM) if made_by == Outer::Bwrap => break,
            Err(error) => return Err(format!("the bounding set: {error}")),
        }
    }
    let none = CapabilitySet::empty();
    let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
    rustix::thread::set_capabilities(None, sets).map_err(|error| format!("capabilities: {error}"))?;
    match rustix::thread::capabilities(None) {
        Ok(left) if left == sets => Ok(()),
        Ok(_) => Err("capabilities are left".to_owned()),
        Err(error) => Err(format!("capabilities: {error}")),
    }
}

/// Switches `lo` on by one message to the kernel.
fn loopback_up() -> Result<(), Errno> {
    use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType};
    const NEW_LINK: u16 = 16;
    const WITH_ANSWER: u16 = 0x5; // NLM_F_REQUEST | NLM_F_ACK
    const UP: u32 = 1;
    let socket = rustix::net::socket(AddressFamily::NETLINK, SocketType::RAW, None)?;
    let mut message = Vec::with_capacity(32);
    message.extend(32_u32.to_ne_bytes()); // length
    message.extend(NEW_LINK.to_ne_bytes());
    message.extend(WITH_ANSWER.to_ne_bytes());
    message.extend([0; 8]); // sequence, port
    message.extend([0; 4]); // family, padding, type
    message.extend(1_u32.to_ne_bytes()); // the first interface is the loopback
    message.extend(UP.to_ne_bytes());
    message.extend(UP.to_ne_bytes()); // which flags change
    rustix::net::send(&socket, &message, SendFlags::empty())?;
    let mut answer = [0_u8; 256];
    let (n_read, _) = rustix::net::recv(&socket, &mut answer, RecvFlags::empty())?;
    // An error message of number 0 is the acknowledgement.
    let code = answer.get(16..20.min(n_read)).and_then(|bytes| bytes.try_into().ok()).map(i32::from_ne_bytes);
    match code {
        Some(0) => Ok(()),
        Some(number) => Err(Errno::from_raw_os_error(-number)),
        None => Err(Errno::PROTO),
    }
}
