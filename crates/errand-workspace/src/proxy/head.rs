//! Reads the head of a CONNECT request, bounded in bytes and time, and answers what is refused.
//!
//! Nothing of a head is passed on or needed but the target, so headers are only held to be headers.

use crate::limits::PROXY_HEAD_BYTES;
use errand_task::network::shown;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

/// The answer to a CONNECT that is let through.
pub(super) const ESTABLISHED: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";

/// A request that is not let through, as the command and the journal hear of it.
#[derive(Debug)]
pub(super) struct Refusal {
    status: Status,
    /// The name it was about, if it got that far.
    pub(super) name: Option<String>,
    /// One sentence of printable ASCII.
    pub(super) why: String,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Status {
    BadRequest,
    Forbidden,
    MethodNotAllowed,
    RequestTimeout,
    HeadTooLarge,
    BadGateway,
    Busy,
}

impl Status {
    fn code(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Forbidden => 403,
            Self::MethodNotAllowed => 405,
            Self::RequestTimeout => 408,
            Self::HeadTooLarge => 431,
            Self::BadGateway => 502,
            Self::Busy => 503,
        }
    }
}

impl Refusal {
    pub(super) fn new(status: Status, why: impl Into<String>) -> Self {
        Self { status, name: None, why: why.into() }
    }

    pub(super) fn about(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The sentence also stands as the reason of the status line: it is all that many programs show of an answer.
    pub(super) fn answer(&self) -> Vec<u8> {
        let code = self.status.code();
        let why = &self.why;
        let allow = match self.status {
            Status::MethodNotAllowed => "Allow: CONNECT\r\n",
            Status::BadRequest
            | Status::Forbidden
            | Status::RequestTimeout
            | Status::HeadTooLarge
            | Status::BadGateway
            | Status::Busy => "",
        };
        let n_bytes = why.len() + 1;
        format!(
            "HTTP/1.1 {code} {why}\r\n{allow}Connection: close\r\nContent-Type: text/plain\r\n\
             Content-Length: {n_bytes}\r\n\r\n{why}\n"
        )
        .into_bytes()
    }

    /// Answers; a client that is gone misses it.
    pub(super) async fn send(&self, client: &mut UnixStream) {
        if client.write_all(&self.answer()).await.is_ok() {
            let _ = client.shutdown().await;
        }
    }
}

/// What a client asked for.
pub(super) struct Connect {
    /// As it stood there.
    pub(super) target: Vec<u8>,
    /// What the client sent after the head without waiting for the answer.
    pub(super) rest: Vec<u8>,
}

/// Reads a head and what it asks for.
pub(super) async fn read(client: &mut UnixStream, time: Duration) -> Result<Connect, Refusal> {
    let mut bytes = Vec::new();
    let head = match tokio::time::timeout(time, read_head(client, &mut bytes)).await {
        Ok(head) => head?,
        Err(_) => return Err(Refusal::new(Status::RequestTimeout, "the request took too long")),
    };
    let target = target(&head)?;
    Ok(Connect { target, rest: bytes })
}

/// The lines of the head, each with its end, without the empty one; what came after it stays in `bytes`.
async fn read_head(client: &mut UnixStream, bytes: &mut Vec<u8>) -> Result<Vec<u8>, Refusal> {
    const END: &[u8] = b"\r\n\r\n";
    loop {
        let end = bytes.windows(END.len()).position(|window| window == END);
        match end {
            Some(at) if at + END.len() <= PROXY_HEAD_BYTES => {
                let rest = bytes.split_off(at + END.len());
                let mut head = std::mem::replace(bytes, rest);
                head.truncate(at + 2);
                return Ok(head);
            }
            None if bytes.len() < PROXY_HEAD_BYTES => {}
            Some(_) | None => {
                return Err(Refusal::new(Status::HeadTooLarge, "the head of the request is larger than 8 KiB"));
            }
        }
        // A TLS hello or another protocol would never come to an empty line.
        if bytes.first().is_some_and(|first| !first.is_ascii_alphabetic()) || !read_more(client, bytes).await {
            return Err(not_http());
        }
    }
}

/// Reads what is there; `false` at the end.
pub(super) async fn read_more(client: &mut UnixStream, bytes: &mut Vec<u8>) -> bool {
    let mut buffer = [0; 4 << 10];
    let n_read = client.read(&mut buffer).await.unwrap_or(0);
    bytes.extend_from_slice(buffer.get(..n_read).unwrap_or_default());
    n_read > 0
}

fn target(head: &[u8]) -> Result<Vec<u8>, Refusal> {
    let lines: Option<Vec<&[u8]>> =
        head.split_inclusive(|&byte| byte == b'\n').map(|l| l.strip_suffix(b"\r\n")).collect();
    let lines = lines.unwrap_or_default();
    let Some((request, headers)) = lines.split_first() else { return Err(not_http()) };
    let parts: Vec<_> = request.split(|&byte| byte == b' ').collect();
    let &[method, target, version] = parts.as_slice() else { return Err(not_http()) };
    // Python before 3.12 and wget say 1.0.
    if !matches!(version, b"HTTP/1.1" | b"HTTP/1.0") || target.is_empty() || !headers.iter().all(|line| is_header(line))
    {
        return Err(not_http());
    }
    if method != b"CONNECT" {
        let why = format!("{} is not possible here, only https through CONNECT", shown(method));
        return Err(Refusal::new(Status::MethodNotAllowed, why).about(shown(&without_path(target))));
    }
    Ok(target.to_vec())
}

fn is_header(line: &[u8]) -> bool {
    let is_clean = line.iter().all(|&byte| byte == b'\t' || !byte.is_ascii_control());
    is_clean && line.iter().position(|&byte| byte == b':').is_some_and(|at| at > 0)
}

/// `http://host` of a URL: paths and queries may carry what has no place in a journal.
fn without_path(target: &[u8]) -> Vec<u8> {
    let parts: Vec<_> = target.split(|&byte| byte == b'/').take(3).collect();
    parts.join(&b'/')
}

fn not_http() -> Refusal {
    Refusal::new(Status::BadRequest, "this is a proxy for HTTP CONNECT, and the request is not one")
}
