//! The inner end of the way out: programs know a proxy by a TCP address, and the daemon's is a unix socket.
//!
//! It runs inside the sandbox, next to what it serves, and decides nothing: whoever goes round it finds the same proxy.
//! Plain threads, because the process it runs in has no runtime.

use crate::limits::{FORWARD_CONNECTIONS, FORWARD_STACK_BYTES, PROXY_COPY_BYTES};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Where programs in the sandbox find it.
pub const LISTEN: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 3128);

const PROXY_URL: &str = "http://127.0.0.1:3128";
/// Servers of the command's own, as test suites start them.
const NO_PROXY: &str = "localhost,127.0.0.1,::1";

/// What a command with granted names has in its environment besides the usual. curl, git, cargo, npm, pip, uv and go
/// need no more. Plain http goes to the proxy too, which says why it is refused; without it the error would be about DNS.
pub const ENVIRONMENT: [(&str, &str); 6] = [
    ("HTTPS_PROXY", PROXY_URL),
    ("HTTP_PROXY", PROXY_URL),
    ("NO_PROXY", NO_PROXY),
    ("http_proxy", PROXY_URL),
    ("https_proxy", PROXY_URL),
    ("no_proxy", NO_PROXY),
];

/// After an accept or a thread that failed, as for want of descriptors or memory.
const PAUSE: Duration = Duration::from_millis(10);

/// Serves what `listener` accepts with connections to `socket`, for as long as the process lives.
pub fn forward(listener: &TcpListener, socket: PathBuf) -> ! {
    let socket: Arc<Path> = socket.into();
    let slots = Arc::new(Slots::default());
    loop {
        let slot = Slots::take(&slots);
        let started = listener.accept().and_then(|(client, _)| {
            let socket = Arc::clone(&socket);
            let serve = move || {
                // A connection that fails is closed, which is all its client can be told.
                let _ = serve(&client, &socket);
                drop(slot);
            };
            small_thread().spawn(serve)
        });
        if started.is_err() {
            std::thread::sleep(PAUSE);
        }
    }
}

fn small_thread() -> std::thread::Builder {
    std::thread::Builder::new().name("forward".to_owned()).stack_size(FORWARD_STACK_BYTES)
}

fn serve(client: &TcpStream, socket: &Path) -> io::Result<()> {
    let proxy = UnixStream::connect(socket)?;
    let (client_up, proxy_up) = (client.try_clone()?, proxy.try_clone()?);
    let up = small_thread().spawn(move || {
        copy(&client_up, &proxy_up);
        let _ = proxy_up.shutdown(Shutdown::Write);
    })?;
    copy(&proxy, client);
    // Only this direction has ended; the other ends when the client, which hears of it now, or the proxy closes.
    let _ = client.shutdown(Shutdown::Write);
    let _ = up.join();
    Ok(())
}

/// Copies to the end, or until either side fails.
fn copy(mut from: impl Read, mut to: impl Write) {
    let mut buffer = vec![0; PROXY_COPY_BYTES];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return,
            Ok(n_read) => {
                if to.write_all(buffer.get(..n_read).unwrap_or_default()).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// How many connections there are.
#[derive(Default)]
struct Slots {
    n_taken: Mutex<usize>,
    freed: Condvar,
}

struct Slot(Arc<Slots>);

impl Slots {
    /// Waits for one; what is not accepted waits in the kernel meanwhile.
    fn take(slots: &Arc<Self>) -> Slot {
        let n_taken = slots.n_taken.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = |n_taken: &mut usize| *n_taken >= FORWARD_CONNECTIONS;
        let mut n_taken = slots.freed.wait_while(n_taken, is_full).unwrap_or_else(PoisonError::into_inner);
        *n_taken += 1;
        Slot(Arc::clone(slots))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        *self.0.n_taken.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.freed.notify_one();
    }
}
