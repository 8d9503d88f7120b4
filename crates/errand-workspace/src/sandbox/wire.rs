//! What daemon and init say to each other over their one socket.
//!
//! The daemon sends the plan (length, then JSON), later a byte an order. With the length come the descriptors of a view
//! that stands already. Init answers with one JSON value a line. The socket's end is an answer too: the other side is gone.

use rustix::io::retry_on_intr;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
};
use serde::Deserialize;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

/// Largest plan, in bytes.
const PLAN_BYTES: u32 = 1 << 20;

/// What the daemon asks of a running sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Ask every process to end.
    Terminate = b't' as isize,
    /// Kill every process.
    Kill = b'k' as isize,
}

impl Order {
    pub(crate) fn byte(self) -> u8 {
        self as u8
    }

    pub(super) fn of(byte: u8) -> Option<Self> {
        [Self::Terminate, Self::Kill].into_iter().find(|order| order.byte() == byte)
    }
}

/// What init tells the daemon; nothing follows the last three.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Told {
    /// The command runs, behind these walls.
    Started {
        has_landlock: bool,
    },
    /// A wall could not be built, or the command could not be started.
    Refused {
        why: String,
    },
    /// It was ended because it went over the limit of this name.
    OverLimit {
        limit: String,
    },
    Exited {
        code: i32,
    },
    Killed {
        signal: i32,
    },
}

/// Most descriptors that travel together.
const DESCRIPTORS: usize = 3;

/// A value as the other side reads it, after its length.
pub(crate) fn encode(value: &impl Serialize) -> io::Result<([u8; 4], Vec<u8>)> {
    let json = serde_json::to_vec(value)?;
    let length = u32::try_from(json.len()).ok().filter(|&length| length <= PLAN_BYTES);
    let length = length.ok_or_else(|| io::Error::other("the command is too long"))?;
    Ok((length.to_le_bytes(), json))
}

/// Sends a few bytes and descriptors with them; what comes next is plain writing.
pub(crate) fn send_with(socket: &UnixStream, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::other("too many descriptors"));
    }
    let mut send = || rustix::net::sendmsg(socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL);
    let n_sent = retry_on_intr(&mut send)?;
    if n_sent == bytes.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

/// Fills `bytes` from the socket and takes the descriptors that came with the first of them.
pub(super) fn receive_with(socket: &mut UnixStream, bytes: &mut [u8]) -> io::Result<Vec<OwnedFd>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC;
    let mut receive = || rustix::net::recvmsg(&*socket, &mut [IoSliceMut::new(bytes)], &mut control, flags);
    let n_read = retry_on_intr(&mut receive)?.bytes;
    if n_read == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut descriptors = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    socket.read_exact(bytes.get_mut(n_read..).unwrap_or_default())?;
    Ok(descriptors)
}

/// What [`encode`] made, and the descriptors that came with its length.
pub(super) fn read<T: DeserializeOwned>(from: &mut UnixStream) -> io::Result<(T, Vec<OwnedFd>)> {
    let mut length = [0; 4];
    let descriptors = receive_with(from, &mut length)?;
    let length = u32::from_le_bytes(length);
    if length > PLAN_BYTES {
        return Err(io::Error::other("a plan of that length is none"));
    }
    let mut json = vec![0; length as usize];
    from.read_exact(&mut json)?;
    Ok((serde_json::from_slice(&json)?, descriptors))
}

pub(super) fn tell(to: &mut impl Write, told: &Told) -> io::Result<()> {
    let mut line = serde_json::to_vec(told)?;
    line.push(b'\n');
    to.write_all(&line)
}

/// A line of the doors' program, on its own standard output.
pub(super) fn print_line(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(line.as_bytes())?;
    out.write_all(b"\n")?;
    out.flush()
}
