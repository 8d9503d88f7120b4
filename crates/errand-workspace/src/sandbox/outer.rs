//! The outer stage: our own binary, executed again as a process of one thread. It joins the view, makes the command's own
//! namespaces and forks init into them, then waits: its end is the end of everything inside.

use super::plan::SandboxPlan;
use super::sys::{self, Forked};
use super::wire::{self, Told};
use super::{init, stand, view};
use crate::state_dir;
use rustix::fs::FlockOperation;
use rustix::process::{Pid, Signal, WaitOptions};
use rustix::thread::UnshareFlags;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

/// Everything of the command runs at this out-of-memory score: it goes before anything else does.
const OOM_SCORE: &str = "1000";

pub(super) fn run() -> i32 {
    let Ok(mut daemon) = daemon_socket() else { return 1 };
    let outcome = stand(&mut daemon);
    answer(&mut daemon, outcome)
}

/// The same stage where bwrap makes the namespaces: hold the lock, start bwrap, wait. The arguments are the lock's path, how
/// many processes and threads there may be, bwrap's path and bwrap's arguments; init takes the plan from the socket.
pub(super) fn run_bwrap(mut arguments: impl Iterator<Item = OsString>) -> i32 {
    let Ok(mut daemon) = daemon_socket() else { return 1 };
    let mut stand = || {
        let (Some(lock), Some(n_tasks), Some(bwrap)) = (arguments.next(), arguments.next(), arguments.next()) else {
            return Err("bwrap's arguments are missing".to_owned());
        };
        let n_tasks = n_tasks.to_str().and_then(|text| text.parse().ok()).ok_or("bwrap's tasks are no number")?;
        let Some(_lock) = begin(&mut daemon, Path::new(&lock))? else { return Ok(()) };
        if rustix::process::geteuid().is_root() {
            view::protect_devices().map_err(|error| format!("the devices cannot be protected: {error}"))?;
            // No limit of a user binds root. In a process namespace around bwrap's own, numbers can be.
            sys::unshare(UnshareFlags::NEWPID).map_err(|error| format!("processes cannot be limited: {error}"))?;
        }
        // Its standard input, the socket, is handed on.
        let mut command = Command::new(&bwrap);
        command.args(&mut arguments).env_clear();
        match sys::fork().map_err(|error| format!("no process can be started: {error}"))? {
            Forked::Child => {
                if rustix::process::geteuid().is_root() {
                    view::limit_own_numbers(n_tasks);
                }
                let error = command.exec();
                Err(format!("{}: {error}", Path::new(&bwrap).display()))
            }
            Forked::Parent { child } => {
                await_end(child);
                Ok(())
            }
        }
    };
    let outcome = stand();
    answer(&mut daemon, outcome)
}

/// Tells the daemon of a wall that could not be built; the exit code of the stage.
fn answer(daemon: &mut UnixStream, outcome: Result<(), String>) -> i32 {
    match outcome {
        Ok(()) => 0,
        Err(why) => {
            // Without a listener there is nobody to tell.
            let _ = wire::tell(daemon, &Told::Refused { why });
            1
        }
    }
}

/// Takes the workspace's lock, for as long as the file lives. `None` when the daemon died in the meantime: it has freed the
/// lock for the next one, and nothing may begin any more.
fn begin(daemon: &mut UnixStream, lock: &Path) -> Result<Option<File>, String> {
    let held = hold(lock).map_err(|error| format!("the workspace's lock: {error}"))?;
    if is_closed(daemon) {
        return Ok(None);
    }
    fs::write("/proc/self/oom_score_adj", OOM_SCORE)
        .map_err(|error| format!("the out-of-memory score cannot be set: {error}"))?;
    Ok(Some(held))
}

/// Standard input is the socket.
pub(super) fn daemon_socket() -> io::Result<UnixStream> {
    let socket: OwnedFd = io::stdin().as_fd().try_clone_to_owned()?;
    Ok(UnixStream::from(socket))
}

fn stand(daemon: &mut UnixStream) -> Result<(), String> {
    let read = wire::read::<SandboxPlan>(daemon).map_err(|error| format!("the plan did not arrive: {error}"));
    let (plan, namespaces) = read?;
    let Some(_lock) = begin(daemon, &plan.lock)? else { return Ok(()) };
    drop_groups()?;
    // With a mount namespace: what this command changes in the view is its own.
    let flags = UnshareFlags::NEWNS
        | UnshareFlags::NEWPID
        | UnshareFlags::NEWNET
        | UnshareFlags::NEWIPC
        | UnshareFlags::NEWUTS
        | UnshareFlags::NEWCGROUP;
    let [user, mount] = namespaces.as_slice() else { return Err("the view did not arrive".to_owned()) };
    stand::join(user, mount).map_err(|error| format!("the view cannot be joined: {error}"))?;
    sys::unshare(flags).map_err(|error| format!("the command's namespaces cannot be made: {error}"))?;
    match sys::fork().map_err(|error| format!("no process can be started: {error}"))? {
        Forked::Child => {
            let code = match inside(&plan) {
                Ok(()) => init::run(&plan, daemon, init::Outer::Native),
                Err(why) => answer(daemon, Err(why)),
            };
            std::process::exit(code);
        }
        Forked::Parent { child } => {
            await_end(child);
            Ok(())
        }
    }
}

/// Only root can, and only root's groups reach further than its user. This process has one thread.
pub(super) fn drop_groups() -> Result<(), String> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    rustix::thread::set_thread_groups(&[]).map_err(|error| format!("the groups cannot be dropped: {error}"))
}

fn await_end(child: Pid) {
    while matches!(rustix::process::waitpid(Some(child), WaitOptions::empty()), Err(rustix::io::Errno::INTR)) {}
}

/// In the new namespaces, as process 1.
fn inside(plan: &SandboxPlan) -> Result<(), String> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).map_err(|error| error.to_string())?;
    rustix::system::sethostname(b"errand").map_err(|error| format!("the host's name cannot be hidden: {error}"))?;
    view::enter(plan)
}

fn hold(lock: &Path) -> io::Result<File> {
    let file = state_dir::append_file(lock)?;
    rustix::fs::flock(&file, FlockOperation::LockShared)?;
    Ok(file)
}

fn is_closed(daemon: &mut UnixStream) -> bool {
    use rustix::event::{PollFd, PollFlags, poll};
    let mut fds = [PollFd::new(&*daemon, PollFlags::IN | PollFlags::RDHUP)];
    let _ = poll(&mut fds, Some(&rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 }));
    let [fd] = &fds;
    fd.revents().intersects(PollFlags::HUP | PollFlags::RDHUP | PollFlags::ERR)
}
