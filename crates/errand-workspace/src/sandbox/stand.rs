//! A view that stands: built once for a workspace and joined by each of its commands.
//!
//! A stage of its own makes a user and a mount namespace, builds the view in there, hands the descriptors to the daemon
//! and ends: no process lives in it. The descriptors keep it, so it goes when the workspace is closed or the daemon dies.

use super::plan::{self, Mount};
use super::sys;
use super::wire;
use super::{STAND, outer, pins, view};
use rustix::thread::{LinkNameSpaceType, UnshareFlags};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Longest time that building it may take.
const TIME: Duration = Duration::from_secs(30);

/// The stage's first byte.
const STANDS: u8 = b'+';
const FAILED: u8 = b'-';

/// A view, held by descriptors.
#[derive(Debug)]
pub(crate) struct Stand {
    user: OwnedFd,
    mount: OwnedFd,
    /// The top folder of the layered files, if the view has such.
    files: Option<OwnedFd>,
}

impl Stand {
    /// Has the stage build the view of these mounts. Blocks for some milliseconds.
    pub(super) fn build(program: &Path, mounts: Vec<Mount>) -> io::Result<(Self, Vec<Mount>)> {
        plan::make_folders(&mounts)?;
        let mounts = pins::pinned(mounts)?;
        let (length, json) = wire::encode(&mounts)?;
        let (mut ours, theirs) = UnixStream::pair()?;
        ours.set_read_timeout(Some(TIME))?;
        ours.set_write_timeout(Some(TIME))?;
        close_fds::set_fds_cloexec_threadsafe(3, &[]);
        let mut command = Command::new(program);
        command.arg(STAND).env_clear().current_dir("/").stdin(Stdio::from(OwnedFd::from(theirs)));
        let mut stage = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        // It holds its end now; ours would keep the socket open.
        drop(command);
        let built = (|| {
            wire::send_with(&ours, &length, &[])?;
            io::Write::write_all(&mut ours, &json)?;
            let mut answer = [0];
            let descriptors = wire::receive_with(&mut ours, &mut answer)?;
            let mut descriptors = descriptors.into_iter();
            match (answer[0], descriptors.next(), descriptors.next()) {
                (STANDS, Some(user), Some(mount)) => Ok(Self { user, mount, files: descriptors.next() }),
                _ => {
                    let mut why = String::new();
                    ours.read_to_string(&mut why)?;
                    Err(io::Error::other(why))
                }
            }
        })();
        if built.is_err() {
            // It may have ended by itself.
            let _ = stage.kill();
        }
        stage.wait()?;
        Ok((built?, mounts))
    }

    pub(crate) fn files(&self) -> Option<BorrowedFd<'_>> {
        self.files.as_ref().map(OwnedFd::as_fd)
    }

    /// What a command's outer stage needs to join it.
    pub(crate) fn namespaces(&self) -> [BorrowedFd<'_>; 2] {
        [self.user.as_fd(), self.mount.as_fd()]
    }
}

/// Enters the namespaces of a view that stands.
pub(super) fn join(user: &OwnedFd, mount: &OwnedFd) -> io::Result<()> {
    rustix::thread::move_into_link_name_space(user.as_fd(), Some(LinkNameSpaceType::User))?;
    Ok(rustix::thread::move_into_link_name_space(mount.as_fd(), Some(LinkNameSpaceType::Mount))?)
}

/// A user and a mount namespace in which no further user namespace can be made.
pub(super) fn make_namespaces() -> Result<(), String> {
    let failed = |what: &'static str| move |error: io::Error| format!("{what}: {error}");
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    sys::unshare(UnshareFlags::NEWUSER | UnshareFlags::NEWNS)
        .map_err(failed("this kernel or its policy does not let this user make namespaces"))?;
    let map = failed("the user namespace cannot be mapped");
    fs::write("/proc/self/setgroups", "deny").map_err(map)?;
    fs::write("/proc/self/uid_map", format!("{uid} {uid} 1")).map_err(map)?;
    fs::write("/proc/self/gid_map", format!("{gid} {gid} 1")).map_err(map)?;
    fs::write("/proc/sys/user/max_user_namespaces", "0").map_err(failed("further namespaces cannot be forbidden"))
}

/// The stage: takes the mounts from the socket, answers with descriptors or a reason.
pub(super) fn run() -> i32 {
    let Ok(mut daemon) = outer::daemon_socket() else { return 1 };
    let sent = match stand(&mut daemon) {
        Ok((user, mount, files)) => {
            let all = [Some(&user), Some(&mount), files.as_ref()].into_iter().flatten();
            wire::send_with(&daemon, &[STANDS], &all.map(|fd| fd.as_fd()).collect::<Vec<_>>())
        }
        Err(why) => io::Write::write_all(&mut daemon, &[&[FAILED], why.as_bytes()].concat()),
    };
    i32::from(sent.is_err())
}

fn stand(daemon: &mut UnixStream) -> Result<(OwnedFd, OwnedFd, Option<OwnedFd>), String> {
    let (mounts, _) =
        wire::read::<Vec<Mount>>(daemon).map_err(|error| format!("the mounts did not arrive: {error}"))?;
    outer::drop_groups()?;
    make_namespaces()?;
    let own = |kind: &str| File::open(format!("/proc/self/ns/{kind}")).map(OwnedFd::from);
    let (user, mount) = own("user")
        .and_then(|user| Ok((user, own("mnt")?)))
        .map_err(|error| format!("the namespaces cannot be held: {error}"))?;
    Ok((user, mount, view::build(&mounts)?))
}
