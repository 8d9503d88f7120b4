//! Ends what a command leaves behind: members of its session, and after a crash everything that carries a workspace's
//! TMPDIR.
//!
//! A process that both leaves the session and drops the variable escapes this; the sandbox's process namespace will not
//! let it. Processes are signalled through a handle that is opened first and checked second, so no number is recycled
//! in between.

use rustix::process::{Pid, PidfdFlags, Signal};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// Sends `signal` to the process group `leader` and to every process of its session. The caller has not reaped the
/// leader yet: its number, and with it the session's, cannot belong to anyone else.
pub(crate) fn signal_session(leader: Pid, signal: Signal) {
    // It may have no members left.
    let _ = rustix::process::kill_process_group(leader, signal);
    let is_member = |pid| pid != leader && session_of(pid) == Some(leader.as_raw_nonzero().get());
    // After the final signal, one that was forked between two looks must not get away.
    let n_looks = if signal == Signal::KILL { 5 } else { 1 };
    for _ in 0..n_looks {
        if signal_where(signal, is_member) == 0 {
            return;
        }
    }
}

/// From `/proc`: `getsid` of rustix takes a session outside our process namespace, which reads as 0, for a bug.
fn session_of(pid: Pid) -> Option<i32> {
    let stat = std::fs::read(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    // The name in parentheses may hold anything; after it come state, parent, group, session.
    let after_name = stat.get(stat.iter().rposition(|&byte| byte == b')')? + 1..)?;
    String::from_utf8_lossy(after_name).split_whitespace().nth(3)?.parse().ok()
}

/// Kills every process whose TMPDIR is `tmp`.
pub(crate) fn end_those_of(tmp: &Path) {
    let wanted = [b"TMPDIR=", tmp.as_os_str().as_bytes()].concat();
    let carries = |pid: Pid| {
        std::fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero()))
            .is_ok_and(|environment| environment.split(|&byte| byte == 0).any(|variable| variable == wanted))
    };
    // A fork between two looks would get away, so look until nothing is found.
    for _ in 0..10 {
        if signal_where(Signal::KILL, carries) == 0 {
            return;
        }
    }
}

/// Signals each process that `is_meant` picks; returns how many there were.
fn signal_where(signal: Signal, is_meant: impl Fn(Pid) -> bool) -> usize {
    let own = std::process::id();
    let mut n_signalled = 0;
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let number = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok());
        let Some(pid) = number.filter(|&number| number.unsigned_abs() != own).and_then(Pid::from_raw) else { continue };
        if !is_meant(pid) {
            continue;
        }
        if let Ok(handle) = rustix::process::pidfd_open(pid, PidfdFlags::empty())
            && is_meant(pid)
            && rustix::process::pidfd_send_signal(&handle, signal).is_ok()
        {
            n_signalled += 1;
        }
    }
    n_signalled
}
