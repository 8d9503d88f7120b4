//! Where a base URL leads and whether a key may go there.

use reqwest::Url;

/// The vendor's own host.
const VENDOR_HOST: &str = "api.anthropic.com";

/// A checked base URL.
#[derive(Debug)]
pub(crate) struct Target {
    base: Url,
    /// `host` or `host:port`, for sentences.
    pub host: String,
    pub is_loopback: bool,
}

impl Target {
    /// The error is the reason why the base URL cannot be used.
    pub fn parse(base_url: &str) -> Result<Self, &'static str> {
        let base = Url::parse(base_url.trim()).map_err(|_| "it is not a URL")?;
        if !base.username().is_empty() || base.password().is_some() {
            return Err("it holds a user name or password");
        }
        if base.query().is_some() || base.fragment().is_some() {
            return Err("it has a query or fragment");
        }
        let name = base.host_str().ok_or("it names no host")?.to_owned();
        let is_loopback = is_loopback(&name);
        match base.scheme() {
            "https" => {}
            "http" if is_loopback => {}
            "http" => return Err("it is plain http, which would show the key to the network"),
            _ => return Err("it is neither https nor http"),
        }
        let host = base.port().map_or_else(|| name.clone(), |port| format!("{name}:{port}"));
        Ok(Self { base, host, is_loopback })
    }

    /// The URL of `path`, such as `v1/messages`. A base that already ends in `/v1` is understood.
    pub fn url(&self, path: &str) -> Url {
        let root = self.base.path().trim_end_matches('/');
        let root = root.strip_suffix("/v1").unwrap_or(root);
        let mut url = self.base.clone();
        url.set_path(&format!("{root}/{path}"));
        url
    }
}

/// Why a key may not go to this base URL; `None` when it may.
pub fn problem(base_url: &str) -> Option<&'static str> {
    Target::parse(base_url).err()
}

/// Whether this is an endpoint on this machine.
pub fn is_local(base_url: &str) -> bool {
    Target::parse(base_url).is_ok_and(|target| target.is_loopback)
}

/// Whether this is the endpoint of the vendor itself; a base URL that cannot be read counts as one.
pub fn is_vendor(base_url: &str) -> bool {
    Target::parse(base_url).map_or(true, |target| target.base.host_str() == Some(VENDOR_HOST))
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        for (base_url, expected) in [
            ("https://api.anthropic.com", Ok(("api.anthropic.com", "https://api.anthropic.com/v1/messages"))),
            ("https://gw.example:8443/llm/", Ok(("gw.example:8443", "https://gw.example:8443/llm/v1/messages"))),
            ("https://gw.example/v1", Ok(("gw.example", "https://gw.example/v1/messages"))),
            ("http://127.0.0.1:8080", Ok(("127.0.0.1:8080", "http://127.0.0.1:8080/v1/messages"))),
            ("http://[::1]:8080", Ok(("[::1]:8080", "http://[::1]:8080/v1/messages"))),
            ("http://localhost/", Ok(("localhost", "http://localhost/v1/messages"))),
            ("http://localhost.example", Err("it is plain http, which would show the key to the network")),
            ("http://192.168.1.2:11434", Err("it is plain http, which would show the key to the network")),
            ("https://me:secret@gw.example", Err("it holds a user name or password")),
            ("https://gw.example?key=1", Err("it has a query or fragment")),
            ("ftp://gw.example", Err("it is neither https nor http")),
            ("api.anthropic.com", Err("it is not a URL")),
        ] {
            let found =
                Target::parse(base_url).map(|target| (target.host.clone(), target.url("v1/messages").to_string()));
            assert_eq!(found, expected.map(|(a, b)| (a.to_owned(), b.to_owned())), "{base_url}");
        }
    }
}
