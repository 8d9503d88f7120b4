//! What the proxy needs of the network: resolve a name, connect to an address, know our own addresses.
//!
//! Tests put another network behind it. It decides nothing: which name and which address is allowed is the proxy's.

use rustix::io::Errno;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::pin::Pin;
use tokio::net::TcpStream;

pub type Answer<'a, T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send + 'a>>;

pub trait Outside: std::fmt::Debug + Send + Sync {
    /// All addresses of exactly this host.
    fn resolve<'a>(&'a self, host: &'a str) -> Answer<'a, Vec<IpAddr>>;

    fn connect(&self, address: SocketAddr) -> Answer<'_, TcpStream>;

    /// Whether the address is one of this machine's.
    fn is_own(&self, address: IpAddr) -> bool;
}

/// The network of this machine.
#[derive(Clone, Copy, Debug)]
pub struct System;

impl Outside for System {
    fn resolve<'a>(&'a self, host: &'a str) -> Answer<'a, Vec<IpAddr>> {
        Box::pin(async move {
            // With a dot at the end the resolver's search list cannot make another name of it.
            let found = tokio::net::lookup_host((format!("{host}."), 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }

    fn connect(&self, address: SocketAddr) -> Answer<'_, TcpStream> {
        Box::pin(TcpStream::connect(address))
    }

    /// Asks the kernel, which binds to nothing but own addresses, and so knows those of interfaces that came up a
    /// moment ago. Nothing is sent. An answer that is not clear counts as own.
    fn is_own(&self, address: IpAddr) -> bool {
        match UdpSocket::bind((address, 0)) {
            Ok(_) => true,
            Err(error) => {
                let is_without_family = error.raw_os_error() == Some(Errno::AFNOSUPPORT.raw_os_error());
                error.kind() != io::ErrorKind::AddrNotAvailable && !is_without_family
            }
        }
    }
}
