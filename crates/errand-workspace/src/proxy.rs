//! The way out for commands without a network: a CONNECT proxy on a unix socket, for the names the contract grants.
//!
//! A request is refused at the first of these steps it does not pass, and every refusal is counted with its reason:
//!
//! ```text
//! CONNECT host:port ─▶ a name, spelled right ─▶ granted ─▶ resolved once ─▶ every address public ─▶ connected
//!                   ─▶ 200 ─▶ a TLS hello for exactly this host ─▶ bytes both ways, counted
//! ```
//!
//! Not a byte goes out before the hello was read. What is inside TLS is between the command and the server: a granted
//! host that serves other people's content reaches all of it.

mod address;
pub mod forward;
mod head;
mod hello;
pub mod outside;
mod tally;

use crate::limits::{
    PROXY_ADDRESSES_TRIED, PROXY_CLIENT_TIME, PROXY_CONNECTIONS, PROXY_COPY_BYTES, PROXY_IDLE_TIME, PROXY_OUTSIDE_TIME,
};
use errand_task::facts::NetworkUse;
use errand_task::network::{self, Name};
use head::{Connect, ESTABLISHED, Refusal, Status};
use hello::Hello;
use outside::Outside;
use std::fs::{File, Permissions};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tally::Tally;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

/// After an accept that failed, as for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long the proxy waits for whom.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// For the client's head, and again for its hello.
    pub client: Duration,
    /// For a lookup, and for each attempt to connect.
    pub outside: Duration,
    /// For any byte on an open connection.
    pub idle: Duration,
}

impl Times {
    pub fn usual() -> Self {
        Self { client: PROXY_CLIENT_TIME, outside: PROXY_OUTSIDE_TIME, idle: PROXY_IDLE_TIME }
    }
}

/// A listening proxy. Dropping it closes its socket and all its connections.
#[derive(Debug)]
pub struct Proxy {
    socket: PathBuf,
    tally: Arc<Tally>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Listens at `socket`, in a folder that is the owner's alone. A socket that is there is of a daemon that died.
    /// Must be called inside a tokio runtime.
    pub fn start(socket: &Path, grants: Vec<Name>, outside: Arc<dyn Outside>, times: Times) -> io::Result<Self> {
        let dir = socket.parent().ok_or(io::ErrorKind::InvalidInput)?;
        if std::fs::symlink_metadata(dir)?.permissions().mode() & 0o077 != 0 {
            return Err(io::Error::other(format!("{} is open to others", dir.display())));
        }
        if std::fs::symlink_metadata(socket).is_ok_and(|metadata| metadata.file_type().is_socket()) {
            std::fs::remove_file(socket)?;
        }
        // A socket's address is short; the folder is named through its handle.
        let (handle, name) = (File::open(dir)?, socket.file_name().ok_or(io::ErrorKind::InvalidInput)?);
        let address = Path::new("/proc/self/fd").join(handle.as_raw_fd().to_string()).join(name);
        let listener = UnixListener::bind(address)?;
        std::fs::set_permissions(socket, Permissions::from_mode(0o600))?;
        let tally = Arc::new(Tally::of(&grants));
        let gate = Arc::new(Gate { grants, outside, times, tally: Arc::clone(&tally) });
        let accepting = tokio::spawn(accept(listener, gate));
        Ok(Self { socket: socket.to_owned(), tally, accepting })
    }

    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// What was done with which name up to now: granted names in their order, then others as they were asked for.
    pub fn used(&self) -> Vec<NetworkUse> {
        self.tally.used()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // The connections belong to the task that accepts and end with it.
        self.accepting.abort();
        let _ = std::fs::remove_file(&self.socket);
    }
}

/// Everything a connection is judged by.
struct Gate {
    grants: Vec<Name>,
    outside: Arc<dyn Outside>,
    times: Times,
    tally: Arc<Tally>,
}

async fn accept(listener: UnixListener, gate: Arc<Gate>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            // Ended connections first, so that the count below is right.
            biased;
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((client, _)) if connections.len() < PROXY_CONNECTIONS => {
                    connections.spawn(serve(client, Arc::clone(&gate)));
                }
                Ok((client, _)) => {
                    let refusal = Refusal::new(Status::Busy, format!("{PROXY_CONNECTIONS} connections are open already"));
                    // Without waiting: a new socket has room for it.
                    let _ = client.try_write(&refusal.answer());
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
        }
    }
}

async fn serve(mut client: UnixStream, gate: Arc<Gate>) {
    match open(&mut client, &gate).await {
        Ok(tunnel) => tunnel.run(client, &gate).await,
        Err(refusal) => {
            if let Some(name) = &refusal.name {
                gate.tally.refused(name, &refusal.why);
            }
            refusal.send(&mut client).await;
        }
    }
}

/// A connection to a granted name, not yet used.
struct Tunnel {
    name: Name,
    server: TcpStream,
    /// What the client sent so far.
    first: Vec<u8>,
}

/// All that comes before the answer.
async fn open(client: &mut UnixStream, gate: &Gate) -> Result<Tunnel, Refusal> {
    let Connect { target, rest } = head::read(client, gate.times.client).await?;
    let name = gate.granted(&target)?;
    let refuse = |status: Status, why: String| Refusal::new(status, why).about(name.to_string());
    let addresses = gate.public_addresses(name).await.map_err(|(status, why)| refuse(status, why))?;
    let server = gate.connect(name, &addresses).await.map_err(|why| refuse(Status::BadGateway, why))?;
    Ok(Tunnel { name: name.clone(), server, first: rest })
}

impl Gate {
    fn granted(&self, target: &[u8]) -> Result<&Name, Refusal> {
        let refuse = |name: String, why: String| {
            let why = format!("`{name}` {why}");
            Err(Refusal::new(Status::Forbidden, why).about(name))
        };
        let asked = match std::str::from_utf8(target).map(str::parse::<Name>) {
            Ok(Ok(name)) => name,
            Ok(Err(error)) => return refuse(network::shown(target), error.to_string()),
            Err(_) => return refuse(network::shown(target), "is no name".to_owned()),
        };
        if !target.contains(&b':') {
            return refuse(network::shown(target), "was asked for without a port".to_owned());
        }
        match self.grants.iter().find(|name| **name == asked) {
            Some(name) => Ok(name),
            None => refuse(
                network::shown(asked.to_string().as_bytes()),
                "is not granted to this job; its contract must list it under `network`".to_owned(),
            ),
        }
    }

    /// Resolves, once: what is checked here is what is connected to.
    async fn public_addresses(&self, name: &Name) -> Result<Vec<IpAddr>, (Status, String)> {
        let unresolved = |why: String| (Status::BadGateway, format!("`{name}` cannot be resolved: {why}"));
        let addresses = match timeout(self.times.outside, self.outside.resolve(name.host())).await {
            Ok(Ok(addresses)) if addresses.is_empty() => return Err(unresolved("it has no address".to_owned())),
            Ok(Ok(addresses)) => addresses,
            Ok(Err(error)) => return Err(unresolved(network::shown(error.to_string().as_bytes()))),
            Err(_) => return Err(unresolved("it took too long".to_owned())),
        };
        // One bad answer refuses the name: it would be a matter of luck otherwise.
        for &address in &addresses {
            if let Some(fault) = address::fault(address, |address| self.outside.is_own(address)) {
                return Err((Status::Forbidden, format!("`{name}` leads to {address}, which {fault}")));
            }
        }
        Ok(addresses)
    }

    async fn connect(&self, name: &Name, addresses: &[IpAddr]) -> Result<TcpStream, String> {
        let mut last = String::new();
        for &address in addresses.iter().take(PROXY_ADDRESSES_TRIED) {
            match timeout(self.times.outside, self.outside.connect(SocketAddr::new(address, name.port()))).await {
                Ok(Ok(server)) => return Ok(server),
                Ok(Err(error)) => last = network::shown(error.to_string().as_bytes()),
                Err(_) => last = "it took too long".to_owned(),
            }
        }
        Err(format!("`{name}` cannot be reached: {last}"))
    }
}

impl Tunnel {
    /// All that comes after the answer: once it says 200, a refusal is a closed connection.
    async fn run(self, mut client: UnixStream, gate: &Gate) {
        let Self { name, mut server, mut first } = self;
        let key = name.to_string();
        if client.write_all(ESTABLISHED).await.is_err() {
            return;
        }
        let hello = timeout(gate.times.client, read_hello(&mut client, &mut first, name.host())).await;
        if let Err(why) = hello.unwrap_or_else(|_| Err("its TLS hello took too long".to_owned())) {
            gate.tally.refused(&key, &format!("a connection to `{name}` was closed: {why}"));
            return;
        }
        gate.tally.connected(&key);
        let moved = Notify::new();
        let sent = |n_bytes| {
            gate.tally.sent(&key, n_bytes);
            moved.notify_one();
        };
        let received = |n_bytes| {
            gate.tally.received(&key, n_bytes);
            moved.notify_one();
        };
        let (client_reads, client_writes) = client.split();
        let (server_reads, mut server_writes) = server.split();
        let both = async {
            write_counted(&mut server_writes, &first, &sent).await?;
            tokio::try_join!(copy(client_reads, server_writes, &sent), copy(server_reads, client_writes, &received),)
        };
        tokio::select! {
            // However it ended, both sides close now.
            _ = both => {}
            () = idle(&moved, gate.times.idle) => {}
        }
    }
}

/// Reads until `first` holds a hello for `host`, or why it does not.
async fn read_hello(client: &mut UnixStream, first: &mut Vec<u8>, host: &str) -> Result<(), String> {
    loop {
        match hello::check(first, host) {
            Hello::Good => return Ok(()),
            Hello::Bad(why) => return Err(why),
            Hello::Part if head::read_more(client, first).await => {}
            Hello::Part => return Err("it ended before its TLS hello was complete".to_owned()),
        }
    }
}

/// Copies to the end and hands the end on.
async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    count: impl Fn(usize),
) -> io::Result<()> {
    let mut buffer = vec![0; PROXY_COPY_BYTES];
    loop {
        let n_read = from.read(&mut buffer).await?;
        if n_read == 0 {
            return to.shutdown().await;
        }
        write_counted(&mut to, buffer.get(..n_read).unwrap_or_default(), &count).await?;
    }
}

/// Counts what was written as it is written: a connection may be dropped between two writes.
async fn write_counted(to: &mut (impl AsyncWrite + Unpin), mut bytes: &[u8], count: impl Fn(usize)) -> io::Result<()> {
    while !bytes.is_empty() {
        let n_written = to.write(bytes).await?;
        if n_written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        count(n_written);
        bytes = bytes.get(n_written..).unwrap_or_default();
    }
    Ok(())
}

/// Returns when nothing moved for so long.
async fn idle(moved: &Notify, time: Duration) {
    while timeout(time, moved.notified()).await.is_ok() {}
}
