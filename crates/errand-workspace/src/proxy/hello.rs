//! Reads the server name out of a TLS ClientHello, strictly: what is not as RFC 8446 has it is refused.
//!
//! It looks at bytes a command chose, so every length is checked and nothing is guessed. It verifies no more than the
//! name; the certificate is between the command and the server.

use crate::limits::PROXY_HELLO_BYTES;
use errand_task::network::shown;
use std::cmp::Ordering;

const HANDSHAKE_RECORD: u8 = 22;
const RECORD_BYTES: usize = 16 << 10;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;
const ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d;
const HOST_NAME: u8 = 0;

/// What the first bytes of a connection are so far.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Hello {
    /// A ClientHello for this host, complete.
    Good,
    /// Its beginning; read on.
    Part,
    Bad(String),
}

/// Whether `bytes` begin with a ClientHello that names exactly `host`.
pub(super) fn check(bytes: &[u8], host: &str) -> Hello {
    let message = match message(bytes) {
        Message::Whole(message) => message,
        Message::Part if bytes.len() < PROXY_HELLO_BYTES => return Hello::Part,
        Message::Part | Message::TooLarge => return Hello::Bad("its TLS hello is larger than 16 KiB".to_owned()),
        Message::NotTls => return Hello::Bad("it does not begin with a TLS hello".to_owned()),
    };
    let Some(names) = Names::of(&message) else {
        return Hello::Bad("its TLS hello is malformed".to_owned());
    };
    if names.is_hidden {
        return Hello::Bad("its TLS hello hides the server name (ECH)".to_owned());
    }
    match names.host {
        None => Hello::Bad("its TLS hello names no server".to_owned()),
        Some(name) if name == host.as_bytes() => Hello::Good,
        Some(name) => Hello::Bad(format!("its TLS hello is for `{}`", shown(name))),
    }
}

enum Message {
    /// The body of the ClientHello.
    Whole(Vec<u8>),
    Part,
    TooLarge,
    NotTls,
}

/// Puts the first handshake message together from its records.
fn message(bytes: &[u8]) -> Message {
    let mut rest = bytes;
    let mut handshake = Vec::new();
    loop {
        match handshake.get(..4) {
            Some(&[CLIENT_HELLO, high, middle, low]) => {
                let n_message = 4 + u32::from_be_bytes([0, high, middle, low]) as usize;
                if n_message > PROXY_HELLO_BYTES {
                    return Message::TooLarge;
                }
                match handshake.len().cmp(&n_message) {
                    Ordering::Less => {}
                    Ordering::Equal => return Message::Whole(handshake.split_off(4)),
                    // Nothing may share the last record with the hello.
                    Ordering::Greater => return Message::NotTls,
                }
            }
            Some(_) => return Message::NotTls,
            None => {}
        }
        match rest {
            [HANDSHAKE_RECORD, 3, 0..=4, high, low, after @ ..] => {
                let n_fragment = usize::from(u16::from_be_bytes([*high, *low]));
                if n_fragment == 0 || n_fragment > RECORD_BYTES {
                    return Message::NotTls;
                }
                let Some((fragment, next)) = after.split_at_checked(n_fragment) else { return Message::Part };
                handshake.extend_from_slice(fragment);
                rest = next;
            }
            [] | [HANDSHAKE_RECORD] | [HANDSHAKE_RECORD, 3] | [HANDSHAKE_RECORD, 3, 0..=4] => return Message::Part,
            [HANDSHAKE_RECORD, 3, 0..=4, _] => return Message::Part,
            _ => return Message::NotTls,
        }
    }
}

struct Names<'a> {
    host: Option<&'a [u8]>,
    is_hidden: bool,
}

impl<'a> Names<'a> {
    /// Nothing when the body is not a well-formed ClientHello.
    fn of(body: &'a [u8]) -> Option<Self> {
        let mut hello = Reader(body);
        let [3, _] = hello.take(2)? else { return None };
        let _random = hello.take(32)?;
        let session = hello.short_list()?;
        let suites = hello.long_list()?;
        let compressions = hello.short_list()?;
        if session.len() > 32 || suites.is_empty() || !suites.len().is_multiple_of(2) || compressions.is_empty() {
            return None;
        }
        let mut names = Self { host: None, is_hidden: false };
        if hello.0.is_empty() {
            return Some(names);
        }
        let mut extensions = Reader(hello.long_list()?);
        while !extensions.0.is_empty() {
            let kind = extensions.number()?;
            let content = extensions.long_list()?;
            match kind {
                SERVER_NAME if names.host.is_some() => return None,
                SERVER_NAME => names.host = Some(only_host(content)?),
                ENCRYPTED_CLIENT_HELLO => names.is_hidden = true,
                _ => {}
            }
        }
        hello.0.is_empty().then_some(names)
    }
}

/// The one entry of a server name list.
fn only_host(content: &[u8]) -> Option<&[u8]> {
    let mut content = Reader(content);
    let mut list = Reader(content.long_list()?);
    let [HOST_NAME] = list.take(1)? else { return None };
    let host = list.long_list()?;
    (content.0.is_empty() && list.0.is_empty() && !host.is_empty()).then_some(host)
}

/// What has not been read yet.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, n_bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n_bytes)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u16> {
        let bytes = self.take(2)?;
        Some(u16::from_be_bytes(bytes.try_into().ok()?))
    }

    /// Bytes after a length of one byte.
    fn short_list(&mut self) -> Option<&'a [u8]> {
        let [n_bytes] = self.take(1)? else { return None };
        self.take(usize::from(*n_bytes))
    }

    /// Bytes after a length of two bytes.
    fn long_list(&mut self) -> Option<&'a [u8]> {
        let n_bytes = self.number()?;
        self.take(usize::from(n_bytes))
    }
}
