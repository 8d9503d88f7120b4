//! The doors: ways out that must be shut. A sandbox is believed when each was tried from inside and did not open.
//!
//! One table drives the daemon's start, `errand doctor` and the tests. The daemon plants what could be found outside
//! (files, listeners, its own process), a program inside looks for it by every way there is, and afterwards the daemon
//! looks whether its listeners heard anything.

mod probes;

use super::backend::{Backend, PROGRAM, Sandbox};
use super::plan::{Limits, Mount, SandboxPlan, What};
use super::{DOORS, wire};
use crate::command;
use crate::state_dir;
use errand_task::facts::RunEnd;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A place of the doors' view that Landlock is not told of: only the third wall shuts it.
pub(super) const UNLISTED: &str = "/run/errand/unlisted";

const TIME: Duration = Duration::from_secs(20);

/// The wall whose work it is to shut a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wall {
    /// Namespaces and the view.
    View,
    /// Capabilities and seccomp.
    Calls,
    Landlock,
    /// Descriptors, terminal, environment, limits.
    Inheritance,
}

impl Wall {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Calls => "calls",
            Self::Landlock => "landlock",
            Self::Inheritance => "inheritance",
        }
    }
}

/// A way out.
pub(super) struct Door {
    pub wall: Wall,
    pub name: &'static str,
    /// What must come of trying.
    pub expected: &'static str,
    pub way: Way,
}

/// How a door is tried.
pub(super) enum Way {
    Look(fn(&Outside) -> Found),
    /// Each of these calls must be refused by the filter itself, whatever else would refuse it.
    Calls(&'static [libc::c_long]),
    /// The kernel must seem not to have them.
    NoCalls(&'static [libc::c_long]),
}

/// What came of trying.
pub(super) enum Found {
    Shut(String),
    Open(String),
}

/// A door that was tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    pub wall: Wall,
    pub name: String,
    pub expected: String,
    pub found: String,
    pub is_shut: bool,
}

/// What is there to be found, told to the program inside.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Outside {
    /// A file in errand's state, readable by this user.
    pub file: PathBuf,
    /// A file in the machine's temporary folder.
    pub temporary_file: PathBuf,
    pub daemon_pid: i32,
    pub tcp_port: u16,
    pub udp_port: u16,
    pub abstract_socket: String,
    pub socket: PathBuf,
    /// Names that may be in the root folder.
    pub root_names: Vec<String>,
    pub environment: Vec<String>,
    /// Namespace of the daemon by kind.
    pub namespaces: BTreeMap<String, String>,
    pub host_name: String,
}

/// How many doors there are.
pub fn count() -> usize {
    // And the daemon's listeners.
    probes::DOORS.len() + 1
}

/// The program inside: tries every door and prints a line for each.
pub(super) fn try_all(argument: Option<OsString>) -> i32 {
    if let Some(code) = argument.as_deref().and_then(probes::foreign_entry) {
        return code;
    }
    let outside = argument.and_then(|argument| serde_json::from_str::<Outside>(argument.to_str()?).ok());
    let Some(outside) = outside else { return 2 };
    for door in probes::DOORS {
        let (is_shut, found) = match door.way.tried(&outside) {
            Found::Shut(found) => (true, found),
            Found::Open(found) => (false, found),
        };
        let (name, expected) = (door.name.to_owned(), door.expected.to_owned());
        let tried = Tried { wall: door.wall, name, expected, found, is_shut };
        let Ok(line) = serde_json::to_string(&tried) else { return 1 };
        // The one program of this crate whose output is its own.
        if wire::print_line(&line).is_err() {
            return 1;
        }
    }
    0
}

/// Plants, tries, listens. The error says why the sandbox could not even be built.
pub async fn prove(sandbox: &Arc<Sandbox>, backend: &Backend) -> Result<(bool, Vec<Tried>), String> {
    let planted = Planted::new(sandbox).map_err(|error| format!("the doors cannot be tried: {error}"))?;
    let plan = planted.plan(sandbox).map_err(|error| format!("the doors cannot be tried: {error}"))?;
    let running = command::launch(sandbox, backend, plan);
    let finished = running.finished().await;
    let output = String::from_utf8_lossy(&finished.output).into_owned();
    if !finished.end.is_success() {
        return Err(match finished.end {
            RunEnd::NotStarted { why } => why,
            end => format!("the doors were not all tried: {}: {}", end.headline(), output.lines().last().unwrap_or("")),
        });
    }
    let mut tried: Vec<Tried> = output.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    if tried.len() != probes::DOORS.len() {
        return Err(format!("{} of {} doors were tried", tried.len(), probes::DOORS.len()));
    }
    tried.push(planted.heard());
    let has_landlock = running.has_landlock();
    if !has_landlock {
        // A kernel without it has two walls; that is said, and it is not an open door of the other two.
        tried.retain(|door| door.wall != Wall::Landlock);
    }
    Ok((has_landlock, tried))
}

/// What the daemon set up outside; everything goes with it.
struct Planted {
    dir: PathBuf,
    outside: Outside,
    tcp: TcpListener,
    udp: UdpSocket,
    sockets: Vec<UnixListener>,
}

impl Planted {
    fn new(sandbox: &Sandbox) -> io::Result<Self> {
        let above = state_dir::folder(&sandbox.state_dir, "sandbox")?;
        let dir = state_dir::folder(&above, &state_dir::temporary_name())?;
        for name in ["home", "tmp"] {
            state_dir::folder(&dir, name)?;
        }
        std::fs::write(dir.join("canary"), "canary")?;
        std::fs::write(dir.join("unlisted"), "unlisted")?;
        let temporary_file = PathBuf::from("/tmp").join(format!("errand-{}", state_dir::temporary_name()));
        state_dir::create_file(&temporary_file)?;
        let (tcp, udp) = (TcpListener::bind(("127.0.0.1", 0))?, UdpSocket::bind(("127.0.0.1", 0))?);
        tcp.set_nonblocking(true)?;
        udp.set_nonblocking(true)?;
        let abstract_socket = format!("errand-doors-{}", state_dir::temporary_name());
        // A socket's path is short; the folder is named through its handle.
        let handle = std::fs::File::open(&dir)?;
        let bound = format!("/proc/self/fd/{}/socket", std::os::fd::AsRawFd::as_raw_fd(&handle));
        let sockets = vec![
            UnixListener::bind(bound)?,
            UnixListener::bind_addr(&SocketAddr::from_abstract_name(&abstract_socket)?)?,
        ];
        for socket in &sockets {
            socket.set_nonblocking(true)?;
        }
        let namespaces = probes::namespaces();
        let outside = Outside {
            file: dir.join("canary"),
            temporary_file,
            daemon_pid: i32::try_from(std::process::id()).unwrap_or(i32::MAX),
            tcp_port: tcp.local_addr()?.port(),
            udp_port: udp.local_addr()?.port(),
            abstract_socket,
            socket: dir.join("socket"),
            root_names: Vec::new(),
            environment: vec!["PATH".to_owned()],
            namespaces,
            host_name: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        };
        Ok(Self { dir, outside, tcp, udp, sockets })
    }

    fn plan(&self, sandbox: &Sandbox) -> io::Result<SandboxPlan> {
        let mut mounts = sandbox.system.clone();
        mounts.extend([
            Mount::new("/home/errand", What::Writable(self.dir.join("home"))),
            Mount::new("/tmp", What::Writable(self.dir.join("tmp"))),
            Mount::new(PROGRAM, What::ReadOnly(sandbox.program_file.clone())),
            Mount::new(UNLISTED, What::ReadOnly(self.dir.join("unlisted"))),
        ]);
        mounts.sort_by(|a, b| a.at.cmp(&b.at));
        let mut outside = self.outside.clone();
        let top =
            |mount: &Mount| mount.at.components().nth(1).map(|part| part.as_os_str().to_string_lossy().into_owned());
        outside.root_names = mounts.iter().filter_map(top).chain(["proc".to_owned(), "dev".to_owned()]).collect();
        Ok(SandboxPlan {
            mounts,
            dir: PathBuf::from("/home/errand"),
            argv: vec![PROGRAM.to_owned(), DOORS.to_owned(), serde_json::to_string(&outside)?],
            environment: vec![("PATH".to_owned(), "/usr/bin:/bin".to_owned())],
            limits: Limits::of(TIME),
            network: Vec::new(),
            way: None,
            stand: None,
            lock: self.dir.join("lock"),
            storage: self.dir.clone(),
        })
    }

    /// The listeners must have stayed silent.
    fn heard(&self) -> Tried {
        let mut who = Vec::new();
        if self.tcp.accept().is_ok() {
            who.push("TCP");
        }
        if self.udp.recv(&mut [0]).is_ok() {
            who.push("UDP");
        }
        if self.sockets.iter().any(|socket| socket.accept().is_ok()) {
            who.push("a unix socket");
        }
        Tried {
            wall: Wall::View,
            name: "listeners outside".to_owned(),
            expected: "hear nothing".to_owned(),
            found: if who.is_empty() { "silent".to_owned() } else { format!("heard by {}", who.join(", ")) },
            is_shut: who.is_empty(),
        }
    }
}

impl Drop for Planted {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.outside.temporary_file);
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// A path that stands for itself in a message.
pub(super) fn shown(path: &Path) -> String {
    path.display().to_string()
}
