//! The HTTP side that all dialects share: who may be spoken to, how long, and what a broken connection means.
//!
//! One attempt, nothing is repeated here. A key goes to its own endpoint only: redirects are not followed, plain http
//! is spoken with this machine alone, and a proxy from the environment is used for everything but this machine.

use crate::endpoint::Target;
use crate::failure::SendFailure;
use crate::limits;
use crate::quote::quote;
use crate::response::Partial;
use errand_task::facts::FailureKind;
use reqwest::redirect;
use secrecy::SecretString;
use std::error::Error as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;

/// How the client behaves; [`ClientOptions::standard`] has the figures of [`limits`].
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// PEM certificates to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// The longest time without a byte.
    pub silence_timeout: Duration,
    /// The longest time of a whole response.
    pub response_timeout: Duration,
    pub max_response_bytes: u64,
    pub max_event_bytes: usize,
}

impl ClientOptions {
    pub fn standard() -> Self {
        Self {
            ca_file: None,
            silence_timeout: limits::SILENCE_TIMEOUT,
            response_timeout: limits::RESPONSE_TIMEOUT,
            max_response_bytes: limits::RESPONSE_BYTES,
            max_event_bytes: limits::EVENT_BYTES,
        }
    }
}

/// Why there is no client.
#[derive(Debug, Error)]
pub enum ClientError {
    #[error("cannot read the certificates in {path}: {source}", path = path.display())]
    CaFile { path: PathBuf, source: std::io::Error },
    #[error("{path} holds no PEM certificate", path = path.display())]
    NoCertificate { path: PathBuf },
    #[error("cannot set up TLS: {0}")]
    Tls(String),
}

/// The client of all endpoints; one for the whole process, so that connections are shared.
#[derive(Debug)]
pub struct Client {
    /// Never through a proxy, and `localhost` is this machine whatever the resolver says.
    loopback: reqwest::Client,
    outside: reqwest::Client,
    pub(crate) options: ClientOptions,
}

impl Client {
    /// Reads the proxy variables of the environment and the certificates once.
    pub fn new(options: ClientOptions) -> Result<Self, ClientError> {
        let certificates = options.ca_file.as_deref().map(certificates).transpose()?.unwrap_or_default();
        let builder = || {
            reqwest::Client::builder()
                .user_agent(concat!("errand/", env!("CARGO_PKG_VERSION")))
                .redirect(redirect::Policy::none())
                .referer(false)
                // A compressed stream may be held back until a block of it is full, and it hides its size.
                .no_gzip()
                .connect_timeout(limits::CONNECT_TIMEOUT)
                .read_timeout(options.silence_timeout)
                .tls_certs_merge(certificates.clone())
        };
        let build =
            |builder: reqwest::ClientBuilder| builder.build().map_err(|error| ClientError::Tls(innermost(&error)));
        let localhost = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        let localhost = localhost.map(|address| SocketAddr::new(address, 0));
        Ok(Self {
            loopback: build(builder().no_proxy().resolve_to_addrs("localhost", &localhost))?,
            outside: build(builder())?,
            options,
        })
    }

    pub(crate) fn http(&self, target: &Target) -> &reqwest::Client {
        if target.is_loopback { &self.loopback } else { &self.outside }
    }
}

fn certificates(path: &Path) -> Result<Vec<reqwest::Certificate>, ClientError> {
    let pem = std::fs::read(path).map_err(|source| ClientError::CaFile { path: path.to_owned(), source })?;
    match reqwest::Certificate::from_pem_bundle(&pem) {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) | Err(_) => Err(ClientError::NoCertificate { path: path.to_owned() }),
    }
}

/// The target of `base_url`, or why it is none.
pub(crate) fn target(base_url: &str) -> Result<Target, SendFailure> {
    Target::parse(base_url).map_err(|reason| {
        let text = format!("the endpoint's base URL cannot be used: {reason}");
        SendFailure::new(
            FailureKind::NeedsPerson,
            text,
            "give it as https://host, or http://127.0.0.1:port for a local server",
        )
    })
}

/// What a request that got no answer, or no whole one, failed of. Only one that never connected is surely not billed.
pub(crate) fn broken(
    error: &reqwest::Error,
    host: &str,
    waited: Waited<'_>,
    key: &SecretString,
    partial: Partial,
) -> SendFailure {
    let text = if error.is_connect() {
        let reason = if error.is_timeout() { "it takes too long".to_owned() } else { innermost(error) };
        format!("cannot connect to {host}: {}", quote(&reason, key))
    } else if error.is_timeout() && waited.elapsed >= waited.limit {
        format!("{host} did not finish within {} s", waited.limit.as_secs())
    } else if error.is_timeout() {
        format!("{host} sent nothing for {} s", waited.options.silence_timeout.as_secs())
    } else {
        format!("the connection to {host} broke: {}", quote(&innermost(error), key))
    };
    if error.is_builder() {
        let hint = "check the key of this endpoint: it holds characters that cannot be sent";
        return SendFailure::new(FailureKind::NeedsPerson, format!("the request to {host} cannot be made"), hint);
    }
    let failure = SendFailure::new(
        FailureKind::Passing,
        text,
        "check the network, the base URL and the trusted certificates if it stays so",
    );
    if error.is_connect() { failure } else { failure.maybe_billed(partial) }
}

/// How long a request has taken, and how long it may.
#[derive(Clone, Copy)]
pub(crate) struct Waited<'a> {
    pub elapsed: Duration,
    pub limit: Duration,
    pub options: &'a ClientOptions,
}

/// The deepest reason: what the layers above add is the URL and that a request failed.
fn innermost(error: &reqwest::Error) -> String {
    let mut deepest: &dyn std::error::Error = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    if error.source().is_none() { "no reason is given".to_owned() } else { deepest.to_string() }
}
