//! A server on loopback that plays prepared bytes, one reply a connection, and keeps what it was sent.

use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

pub enum Reply {
    /// These bytes, then the end of the connection.
    Bytes(Vec<u8>),
    /// These bytes, then silence until the client goes.
    Hold(Vec<u8>),
    /// The first bytes, then the second for ever.
    Endless(Vec<u8>, Vec<u8>),
    /// The connection ends without an answer.
    Hangup,
}

pub struct Server {
    pub base_url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub async fn start(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        tokio::spawn(async move {
            for reply in replies {
                let (mut stream, _) = listener.accept().await.unwrap();
                let request = read_request(&mut stream).await;
                seen.lock().unwrap().push(request);
                // The client may be gone already; that is its right.
                let _ = play(stream, reply).await;
            }
        });
        Self { base_url, requests }
    }

    /// Heads and bodies so far.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn play(mut stream: TcpStream, reply: Reply) -> std::io::Result<()> {
    match reply {
        Reply::Bytes(bytes) => {
            stream.write_all(&bytes).await?;
            stream.shutdown().await
        }
        Reply::Hold(bytes) => {
            stream.write_all(&bytes).await?;
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await.map(|_| ())
        }
        Reply::Endless(first, then) => {
            stream.write_all(&first).await?;
            loop {
                stream.write_all(&then).await?;
            }
        }
        Reply::Hangup => Ok(()),
    }
}

async fn read_request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return text;
            }
        }
        let n = stream.read(&mut buffer).await.unwrap();
        if n == 0 {
            return text;
        }
        bytes.extend_from_slice(&buffer[..n]);
    }
}

/// An answer with a length.
pub fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Reply {
    Reply::Bytes(answer_bytes(status, headers, body, body.len()))
}

/// The head of an answer of `length` bytes and `body`, which may be shorter.
pub fn answer_bytes(status: u16, headers: &[(&str, &str)], body: &str, length: usize) -> Vec<u8> {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}").into_bytes()
}

/// The head of a stream whose end is the end of the connection, and its first part.
pub fn stream_bytes(body: &str) -> Vec<u8> {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\nconnection: close\r\n\r\n";
    format!("{head}{body}").into_bytes()
}
