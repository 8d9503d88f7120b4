//! Names a contract can grant: one host, one port, spelled in exactly one way.
//!
//! The same parser reads the contract and what a command asks the proxy for, so that no spelling means one thing here
//! and another there. Nothing is repaired or lower-cased: what is odd is refused, with what to write instead. Addresses
//! are no names; to which address a name leads is looked at where it is resolved.

use crate::facts::NetworkUse;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// The port of a name that says none.
pub const USUAL_PORT: u16 = 443;
/// Most names one contract grants.
pub const NAMES_MAX: usize = 64;
/// Longest host, as DNS has it.
const HOST_BYTES: usize = 253;
/// Longest part of a host between two dots, as DNS has it.
const LABEL_BYTES: usize = 63;
/// How much of a refused name is shown.
const SHOWN_BYTES: usize = 100;

/// A host and a port that may be reached.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name {
    host: String,
    port: u16,
}

impl Name {
    pub fn host(&self) -> &str {
        &self.host
    }

    pub fn port(&self) -> u16 {
        self.port
    }
}

/// What is wrong with a name; its text goes after the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadName {
    #[error("is empty")]
    Empty,
    #[error("is a URL, not a host")]
    Url,
    #[error("has a wildcard")]
    Wildcard,
    #[error("is an address, not a name")]
    Address,
    #[error("has upper case letters")]
    UpperCase,
    #[error("has letters outside ASCII")]
    NotAscii,
    #[error("has characters that no host name has")]
    OddCharacter,
    #[error("has no dot")]
    NoDot,
    #[error("ends in a dot")]
    TrailingDot,
    #[error("has nothing between two dots")]
    EmptyLabel,
    #[error("has a part longer than 63 characters")]
    LongLabel,
    #[error("has a part that begins or ends with a hyphen")]
    Hyphen,
    #[error("is longer than 253 characters")]
    TooLong,
    #[error("has a port that is not a number from 1 to 65535")]
    Port,
}

impl BadName {
    /// What to write instead.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Wildcard => "there are none; name every host, as in registry.example",
            Self::Address => "only names can be granted, as in registry.example",
            Self::NotAscii => "write its xn-- form",
            Self::Port => "write host:port, as in registry.example:443",
            Self::Empty
            | Self::Url
            | Self::UpperCase
            | Self::OddCharacter
            | Self::NoDot
            | Self::TrailingDot
            | Self::EmptyLabel
            | Self::LongLabel
            | Self::Hyphen
            | Self::TooLong => "write the full host in lower case, as in registry.example",
        }
    }
}

impl FromStr for Name {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        if text.contains("://") {
            return Err(BadName::Url);
        }
        if text.starts_with('[') || text.bytes().filter(|&byte| byte == b':').count() > 1 {
            return Err(BadName::Address);
        }
        let (host, port) = match text.split_once(':') {
            Some((host, port)) => (host, parse_port(port)?),
            None => (text, USUAL_PORT),
        };
        check_host(host)?;
        Ok(Self { host: host.to_owned(), port })
    }
}

fn parse_port(text: &str) -> Result<u16, BadName> {
    // `u16::from_str` alone would take `+443` and `0443`.
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    if is_plain { text.parse().map_err(|_| BadName::Port) } else { Err(BadName::Port) }
}

fn check_host(host: &str) -> Result<(), BadName> {
    check_characters(host)?;
    if host.len() > HOST_BYTES {
        return Err(BadName::TooLong);
    }
    if host.ends_with('.') {
        return Err(BadName::TrailingDot);
    }
    for label in host.split('.') {
        if label.is_empty() {
            return Err(BadName::EmptyLabel);
        }
        if label.len() > LABEL_BYTES {
            return Err(BadName::LongLabel);
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Err(BadName::Hyphen);
        }
    }
    // Resolvers read `127.1`, `0x7f.1` and `2130706433` as addresses: what ends in a number is never a name.
    if host.rsplit('.').next().is_some_and(is_number) {
        return Err(BadName::Address);
    }
    // A name without a dot means whatever the resolver's search list says. `localhost` is refused by its address.
    if !host.contains('.') && host != "localhost" { Err(BadName::NoDot) } else { Ok(()) }
}

fn check_characters(host: &str) -> Result<(), BadName> {
    if host.is_empty() {
        return Err(BadName::Empty);
    }
    if host.contains('*') {
        return Err(BadName::Wildcard);
    }
    if !host.is_ascii() {
        return Err(BadName::NotAscii);
    }
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(BadName::UpperCase);
    }
    let is_usual = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
    if host.bytes().all(is_usual) { Ok(()) } else { Err(BadName::OddCharacter) }
}

fn is_number(label: &str) -> bool {
    match label.strip_prefix("0x") {
        Some(hex) => hex.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => label.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

impl TryFrom<String> for Name {
    type Error = BadName;

    fn try_from(text: String) -> Result<Self, BadName> {
        text.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.to_string()
    }
}

/// As a contract writes it: without the usual port.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            USUAL_PORT => f.write_str(&self.host),
            port => write!(f, "{}:{port}", self.host),
        }
    }
}

/// A name that may be anything, fit for a sentence: printable ASCII, at most 100 characters.
pub fn shown(name: &[u8]) -> String {
    name.escape_ascii().take(SHOWN_BYTES).map(char::from).collect()
}

/// The names of a contract, which were checked when it was completed.
pub fn names(texts: &[String]) -> Result<Vec<Name>, BadName> {
    texts.iter().map(|text| text.parse()).collect()
}

/// Adds what a command did to what others did, name by name.
pub fn add_up(all: &mut Vec<NetworkUse>, more: &[NetworkUse]) {
    for more in more {
        match all.iter_mut().find(|known| known.name == more.name) {
            Some(known) => {
                known.n_connections = known.n_connections.saturating_add(more.n_connections);
                known.sent_bytes = known.sent_bytes.saturating_add(more.sent_bytes);
                known.received_bytes = known.received_bytes.saturating_add(more.received_bytes);
                known.n_refused = known.n_refused.saturating_add(more.n_refused);
                if more.refused.is_some() {
                    known.refused.clone_from(&more.refused);
                }
            }
            None => all.push(more.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_can_be_granted() {
        let longest = format!("{0}.{0}.{0}.{1}", "a".repeat(63), "b".repeat(61));
        assert_eq!(longest.len(), HOST_BYTES);
        for (text, host, port) in [
            ("registry.example", "registry.example", 443),
            ("registry.example:443", "registry.example", 443),
            ("a.b:1", "a.b", 1),
            ("a.b:65535", "a.b", 65535),
            ("xn--bcher-kva.example:8443", "xn--bcher-kva.example", 8443),
            ("1.2.3.4.example", "1.2.3.4.example", 443),
            ("0x7f.0xfg", "0x7f.0xfg", 443),
            ("a--b.c1", "a--b.c1", 443),
            ("localhost", "localhost", 443),
            ("localhost:3000", "localhost", 3000),
            (&longest, &longest, 443),
        ] {
            let name: Name = text.parse().unwrap();
            assert_eq!((name.host(), name.port()), (host, port));
            assert_eq!(name.to_string().parse(), Ok(name.clone()), "it reads what it writes");
            let json = serde_json::to_string(&name).unwrap();
            assert_eq!(json, format!("\"{name}\""));
            assert_eq!(serde_json::from_str::<Name>(&json).unwrap(), name);
        }
        assert_eq!("a.b:443".parse::<Name>().unwrap().to_string(), "a.b");
    }

    #[test]
    fn names_that_cannot() {
        let long_label = format!("{}.example", "a".repeat(64));
        let too_long = format!("{0}.{0}.{0}.{1}", "a".repeat(63), "b".repeat(62));
        for (text, why) in [
            ("", BadName::Empty),
            (":443", BadName::Empty),
            ("https://example.org", BadName::Url),
            ("*", BadName::Wildcard),
            ("*.example.org", BadName::Wildcard),
            ("example.*", BadName::Wildcard),
            ("127.0.0.1", BadName::Address),
            ("127.0.0.1:443", BadName::Address),
            ("127.1", BadName::Address),
            ("0177.0.0.01", BadName::Address),
            ("2130706433", BadName::Address),
            ("0x7f000001", BadName::Address),
            ("0x7f.1", BadName::Address),
            ("1.0x7f", BadName::Address),
            ("a.0x", BadName::Address),
            ("example.123", BadName::Address),
            ("::1", BadName::Address),
            ("[::1]", BadName::Address),
            ("[::1]:443", BadName::Address),
            ("::ffff:127.0.0.1", BadName::Address),
            ("a.b:443:443", BadName::Address),
            ("Example.org", BadName::UpperCase),
            ("bücher.example", BadName::NotAscii),
            ("example。org", BadName::NotAscii),
            ("exаmple.org", BadName::NotAscii),
            ("user@example.org", BadName::OddCharacter),
            ("example.org/", BadName::OddCharacter),
            ("example.org%2e", BadName::OddCharacter),
            ("example.org\0", BadName::OddCharacter),
            ("example.org\n", BadName::OddCharacter),
            ("\texample.org", BadName::OddCharacter),
            (" example.org", BadName::OddCharacter),
            ("a_b.example", BadName::OddCharacter),
            ("a\\b.example", BadName::OddCharacter),
            ("a?b.example", BadName::OddCharacter),
            ("a#b.example", BadName::OddCharacter),
            ("\u{7f}a.example", BadName::OddCharacter),
            ("intranet", BadName::NoDot),
            ("example.org.", BadName::TrailingDot),
            ("localhost.", BadName::TrailingDot),
            (".", BadName::TrailingDot),
            (".example.org", BadName::EmptyLabel),
            ("example..org", BadName::EmptyLabel),
            (&long_label, BadName::LongLabel),
            ("-a.example", BadName::Hyphen),
            ("a-.example", BadName::Hyphen),
            (&too_long, BadName::TooLong),
            ("example.org:", BadName::Port),
            ("example.org:0", BadName::Port),
            ("example.org:00", BadName::Port),
            ("example.org:0443", BadName::Port),
            ("example.org:+443", BadName::Port),
            ("example.org:-1", BadName::Port),
            ("example.org:65536", BadName::Port),
            ("example.org: 443", BadName::Port),
            ("example.org:443 ", BadName::Port),
            ("example.org:https", BadName::Port),
            ("example.org:٤٤٣", BadName::Port),
            ("http:80", BadName::NoDot),
        ] {
            assert_eq!(text.parse::<Name>(), Err(why), "{text:?}");
            assert!(serde_json::from_value::<Name>(text.into()).is_err());
        }
    }

    #[test]
    fn anything_can_be_shown() {
        assert_eq!(shown(b"a\0\x1b[2J\xff"), "a\\x00\\x1b[2J\\xff");
        assert_eq!(shown(&[b'a'; 1000]).len(), SHOWN_BYTES);
    }
}
