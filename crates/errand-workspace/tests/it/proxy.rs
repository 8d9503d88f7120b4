//! The proxy on its real socket, with a real server behind an outside that is not the internet: names resolve to what
//! the case says, and every address that is connected to is the test's own server.

use crate::rig::{launcher, search_path};
use errand_task::facts::NetworkUse;
use errand_workspace::command::run;
use errand_workspace::limits::{FORWARD_CONNECTIONS, PROXY_CONNECTIONS, PROXY_HEAD_BYTES, PROXY_REFUSED_NAMES};
use errand_workspace::proxy::forward::{self, forward};
use errand_workspace::proxy::outside::{Answer, Outside, System};
use errand_workspace::proxy::{Proxy, Times};
use errand_workspace::sandbox::Sandbox;
use errand_workspace::sandbox::plan::Limits;
use errand_workspace::toolchains::{Added, Toolchains};
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::mpsc;

const HOST: &str = "registry.example";
const PUBLIC: &str = "8.8.8.8";
const PONG: &[u8] = b"pong!";
const SHORT: Duration = Duration::from_millis(50);

/// The network behind the proxy.
#[derive(Debug)]
struct Fake {
    /// Answers of a host, one a lookup; the last one stays.
    answers: Mutex<BTreeMap<String, VecDeque<Vec<IpAddr>>>>,
    own: Vec<IpAddr>,
    server: SocketAddr,
    connected: Mutex<Vec<SocketAddr>>,
}

impl Outside for Fake {
    fn resolve<'a>(&'a self, host: &'a str) -> Answer<'a, Vec<IpAddr>> {
        let mut answers = self.answers.lock().unwrap();
        let answer = match answers.get_mut(host) {
            Some(left) if left.len() > 1 => Ok(left.pop_front().unwrap()),
            Some(left) => Ok(left.front().unwrap().clone()),
            None => Err(io::Error::other("no such host")),
        };
        Box::pin(std::future::ready(answer))
    }

    fn connect(&self, address: SocketAddr) -> Answer<'_, TcpStream> {
        self.connected.lock().unwrap().push(address);
        Box::pin(async move {
            match address.ip().to_string().as_str() {
                "9.9.9.9" => Err(io::ErrorKind::ConnectionRefused.into()),
                _ => TcpStream::connect(self.server).await,
            }
        })
    }

    fn is_own(&self, address: IpAddr) -> bool {
        self.own.contains(&address)
    }
}

struct Case {
    proxy: Proxy,
    outside: Arc<Fake>,
    /// All that one connection to the server brought, when it ends.
    arrived: mpsc::UnboundedReceiver<Vec<u8>>,
    dir: tempfile::TempDir,
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

impl Case {
    /// One granted host with a public address.
    async fn usual() -> Self {
        Self::with(&[HOST], &[(HOST, &[&[PUBLIC]])], Times::usual()).await
    }

    async fn with(grants: &[&str], answers: &[(&str, &[&[&str]])], times: Times) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let lookups = |all: &[&[&str]]| all.iter().map(|one| one.iter().map(|text| ip(text)).collect()).collect();
        let outside = Arc::new(Fake {
            answers: Mutex::new(answers.iter().map(|(host, all)| ((*host).to_owned(), lookups(all))).collect()),
            own: vec![ip("1.2.3.4"), ip("2a00::1")],
            server: listener.local_addr().unwrap(),
            connected: Mutex::default(),
        });
        let (tell, arrived) = mpsc::unbounded_channel();
        tokio::spawn(serve(listener, tell));
        let private = std::fs::Permissions::from_mode(0o700);
        let dir = tempfile::Builder::new().permissions(private).tempdir().unwrap();
        let grants = grants.iter().map(|name| name.parse().unwrap()).collect();
        let proxy = Proxy::start(&dir.path().join("proxy"), grants, Arc::<Fake>::clone(&outside), times).unwrap();
        Self { proxy, outside, arrived, dir }
    }

    async fn client(&self) -> UnixStream {
        UnixStream::connect(self.proxy.socket()).await.unwrap()
    }

    /// A client that was told 200.
    async fn connected(&self, target: &str) -> UnixStream {
        let mut client = self.client().await;
        let answer = ask(&mut client, target).await;
        assert_eq!(answer, "HTTP/1.1 200 Connection established\r\n\r\n");
        client
    }

    /// The whole answer to these bytes.
    async fn answer(&self, request: &[u8]) -> String {
        let mut client = self.client().await;
        // A head that is too large is not read to its end.
        let _ = client.write_all(request).await;
        rest_of(&mut client).await
    }

    /// The status line for a target, or `200`.
    async fn status(&self, target: &str) -> String {
        let mut client = self.client().await;
        let answer = ask(&mut client, target).await;
        let line = answer.lines().next().unwrap().strip_prefix("HTTP/1.1 ").unwrap();
        line.strip_suffix(" Connection established").unwrap_or(line).to_owned()
    }

    fn connected_to(&self) -> Vec<String> {
        self.outside.connected.lock().unwrap().iter().map(ToString::to_string).collect()
    }

    fn refused(&self) -> Vec<(String, u32, String)> {
        let used = self.proxy.used().into_iter();
        used.filter_map(|line| Some((line.name, line.n_refused, line.refused?))).collect()
    }
}

/// Answers the first bytes of a connection, and tells all of them when it ends.
async fn serve(listener: TcpListener, tell: mpsc::UnboundedSender<Vec<u8>>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let tell = tell.clone();
        tokio::spawn(async move {
            let mut all = Vec::new();
            if stream.read_buf(&mut all).await.unwrap_or(0) > 0 && stream.write_all(PONG).await.is_ok() {
                let _ = stream.read_to_end(&mut all).await;
            }
            let _ = tell.send(all);
        });
    }
}

/// Sends a CONNECT and reads the head of its answer.
async fn ask(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), target: &str) -> String {
    stream.write_all(format!("CONNECT {target} HTTP/1.1\r\nHost: any\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(answer).unwrap()
}

/// Reads to the end, however it comes.
async fn rest_of(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

/// No test waits for ever.
async fn in_time<T>(test: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), test).await.unwrap()
}

fn prefixed(n_bytes_of_length: usize, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    [&length[length.len() - n_bytes_of_length..], content].concat()
}

fn extension(kind: u16, content: &[u8]) -> Vec<u8> {
    [kind.to_be_bytes().to_vec(), prefixed(2, content)].concat()
}

fn server_name(host: &str) -> Vec<u8> {
    extension(0, &prefixed(2, &[vec![0], prefixed(2, host.as_bytes())].concat()))
}

/// A handshake message that is a ClientHello with these extensions.
fn hello(extensions: &[Vec<u8>]) -> Vec<u8> {
    let body = [
        vec![3, 3],
        vec![7; 32],
        prefixed(1, &[9; 32]),
        prefixed(2, &[0x13, 0x01, 0x13, 0x02]),
        prefixed(1, &[0]),
        prefixed(2, &extensions.concat()),
    ];
    [vec![1], prefixed(3, &body.concat())].concat()
}

fn record(fragment: &[u8]) -> Vec<u8> {
    [vec![22, 3, 1], prefixed(2, fragment)].concat()
}

fn hello_for(host: &str) -> Vec<u8> {
    let versions = extension(43, &[2, 3, 4]);
    record(&hello(&[extension(10, &[0, 2, 0, 29]), server_name(host), versions]))
}

#[tokio::test]
async fn a_granted_name_is_reached_and_its_bytes_are_counted() {
    in_time(async {
        let mut case = Case::usual().await;
        assert_eq!(std::fs::metadata(case.proxy.socket()).unwrap().permissions().mode() & 0o777, 0o600);
        let mut client = case.connected("registry.example:443").await;
        client.write_all(&hello_for(HOST)).await.unwrap();
        let mut pong = vec![0; PONG.len()];
        client.read_exact(&mut pong).await.unwrap();
        assert_eq!(pong, PONG);
        client.write_all(b"more").await.unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(rest_of(&mut client).await, "");
        let sent = [hello_for(HOST), b"more".to_vec()].concat();
        assert_eq!(case.arrived.recv().await.unwrap(), sent);
        assert_eq!(case.connected_to(), ["8.8.8.8:443"]);
        let expected = NetworkUse {
            name: HOST.to_owned(),
            n_connections: 1,
            sent_bytes: sent.len() as u64,
            received_bytes: PONG.len() as u64,
            n_refused: 0,
            refused: None,
        };
        assert_eq!(case.proxy.used(), [expected]);
    })
    .await;
}

#[tokio::test]
async fn a_client_need_not_wait_for_the_answer() {
    in_time(async {
        let mut case = Case::usual().await;
        let mut client = case.client().await;
        // As Python before 3.12 asks.
        let request = [b"CONNECT registry.example:443 HTTP/1.0\r\n\r\n", hello_for(HOST).as_slice(), b"early"].concat();
        client.write_all(&request).await.unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(rest_of(&mut client).await, "HTTP/1.1 200 Connection established\r\n\r\npong!");
        assert_eq!(case.arrived.recv().await.unwrap(), [hello_for(HOST).as_slice(), b"early"].concat());
    })
    .await;
}

#[tokio::test]
async fn a_hello_may_come_in_pieces() {
    in_time(async {
        let mut case = Case::usual().await;
        let message = hello(&[extension(21, &[0; 9000]), server_name(HOST)]);
        let records: Vec<u8> = message.chunks(1000).flat_map(record).collect();
        let small: Vec<u8> = hello(&[server_name(HOST)]).chunks(1).flat_map(record).collect();
        for bytes in [records, small] {
            let mut client = case.connected("registry.example:443").await;
            for piece in bytes.chunks(77) {
                client.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
            client.shutdown().await.unwrap();
            assert_eq!(rest_of(&mut client).await, "pong!");
            assert_eq!(case.arrived.recv().await.unwrap(), bytes);
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_no_hello_for_the_host_never_leaves() {
    let entries = |content: &[u8]| extension(0, &prefixed(2, content));
    let one = [vec![0], prefixed(2, HOST.as_bytes())].concat();
    let good = hello(&[server_name(HOST)]);
    let malformed = "its TLS hello is malformed";
    let not_tls = "it does not begin with a TLS hello";
    let too_large = "its TLS hello is larger than 16 KiB";
    let cases = [
        (hello_for("other.example"), "its TLS hello is for `other.example`"),
        (hello_for("REGISTRY.example"), "its TLS hello is for `REGISTRY.example`"),
        (hello_for("registry.example."), "its TLS hello is for `registry.example.`"),
        (hello_for("registry.example\0.other.example"), "its TLS hello is for `registry.example\\x00.other.example`"),
        (record(&hello(&[extension(43, &[2, 3, 4])])), "its TLS hello names no server"),
        (record(&hello(&[])), "its TLS hello names no server"),
        (
            record(&hello(&[server_name(HOST), extension(0xfe0d, &[0; 40])])),
            "its TLS hello hides the server name (ECH)",
        ),
        (record(&hello(&[server_name(HOST), server_name("other.example")])), malformed),
        (record(&hello(&[server_name(""), server_name(HOST)])), malformed),
        (record(&hello(&[entries(&[one.clone(), one.clone()].concat())])), malformed),
        (record(&hello(&[entries(&[vec![1], prefixed(2, HOST.as_bytes())].concat())])), malformed),
        (record(&hello(&[extension(0, &[prefixed(2, &one), vec![0]].concat())])), malformed),
        (record(&hello(&[vec![0, 0, 0xff, 0xff]])), malformed),
        (record(&[vec![1], prefixed(3, &[3, 3])].concat()), malformed),
        (record(&[vec![1], prefixed(3, &[good.get(4..).unwrap(), &[0]].concat())].concat()), malformed),
        (record(&[good.as_slice(), &[20, 0, 0, 0]].concat()), not_tls),
        (record(&[2, 0, 0, 1, 0]), not_tls),
        (record(&[]), not_tls),
        ([vec![22, 3, 1], vec![0x40, 0x01]].concat(), not_tls),
        ([vec![22, 2, 1], prefixed(2, &good)].concat(), not_tls),
        ([vec![23, 3, 3], prefixed(2, &good)].concat(), not_tls),
        (vec![0x80, 0x2e, 1, 3, 1], not_tls),
        (b"GET / HTTP/1.1\r\nHost: registry.example\r\n\r\n".to_vec(), not_tls),
        (b"SSH-2.0-x\r\n".to_vec(), not_tls),
        (record(&[1, 0, 0x40, 0]), too_large),
        (record(&[1, 0xff, 0xff, 0xff]), too_large),
        ([record(&[1, 0, 0x3f, 0xf0]), record(&[0; 16000]), record(&[0]).repeat(70)].concat(), too_large),
        (hello_for(HOST).get(..40).unwrap().to_vec(), "it ended before its TLS hello was complete"),
        (Vec::new(), "it ended before its TLS hello was complete"),
    ];
    in_time(async {
        let mut case = Case::usual().await;
        for (n, (bytes, why)) in cases.iter().enumerate() {
            let mut client = case.connected("registry.example:443").await;
            let _ = client.write_all(bytes).await;
            let _ = client.shutdown().await;
            assert_eq!(rest_of(&mut client).await, "");
            assert_eq!(case.arrived.recv().await.unwrap(), b"", "{why}");
            let sentence = format!("a connection to `registry.example` was closed: {why}");
            assert_eq!(case.refused(), [(HOST.to_owned(), n as u32 + 1, sentence)]);
        }
        assert_eq!(case.proxy.used().first().unwrap().n_connections, 0);
    })
    .await;
}

#[tokio::test]
async fn only_granted_targets_spelled_right_are_asked_for() {
    let not_granted = "is not granted to this job; its contract must list it under `network`";
    let odd = "has characters that no host name has";
    let address = "is an address, not a name";
    let cases = [
        ("other.example:443", "other.example", not_granted),
        ("registry.example:80", "registry.example:80", not_granted),
        ("a.registry.example:443", "a.registry.example", not_granted),
        ("registry.example.evil.example:443", "registry.example.evil.example", not_granted),
        ("localhost:443", "localhost", not_granted),
        ("registry.example", "registry.example", "was asked for without a port"),
        ("Registry.example:443", "Registry.example:443", "has upper case letters"),
        ("registry.example.:443", "registry.example.:443", "ends in a dot"),
        ("registry.example:0443", "registry.example:0443", "has a port that is not a number from 1 to 65535"),
        ("registry.example:+443", "registry.example:+443", "has a port that is not a number from 1 to 65535"),
        ("registry.example:", "registry.example:", "has a port that is not a number from 1 to 65535"),
        ("127.0.0.1:443", "127.0.0.1:443", address),
        ("8.8.8.8:443", "8.8.8.8:443", address),
        ("2130706433:443", "2130706433:443", address),
        ("0x7f.1:443", "0x7f.1:443", address),
        ("[::1]:443", "[::1]:443", address),
        ("[::ffff:127.0.0.1]:443", "[::ffff:127.0.0.1]:443", address),
        ("registry.example:443@other.example:443", "registry.example:443@other.example:443", address),
        ("u@registry.example:443", "u@registry.example:443", odd),
        ("registry.example\0:443", "registry.example\\x00:443", odd),
        ("registry.example\t:443", "registry.example\\t:443", odd),
        ("registry.example\n:443", "", ""),
        ("registry%2eexample:443", "registry%2eexample:443", odd),
        ("/etc/passwd:443", "/etc/passwd:443", odd),
        ("https://registry.example:443", "https://registry.example:443", "is a URL, not a host"),
        ("*:443", "*:443", "has a wildcard"),
        (":443", ":443", "is empty"),
        ("régistry.example:443", "r\\xc3\\xa9gistry.example:443", "has letters outside ASCII"),
    ];
    in_time(async {
        for (target, name, why) in cases {
            let case = Case::with(&[HOST], &[], Times::usual()).await;
            let status = case.status(target).await;
            if name.is_empty() {
                assert!(status.starts_with("400 "), "{status}");
                assert_eq!(case.proxy.used(), []);
            } else {
                assert_eq!(status, format!("403 `{name}` {why}"));
                assert_eq!(case.refused(), [(name.to_owned(), 1, format!("`{name}` {why}"))]);
            }
            assert_eq!(case.connected_to(), [""; 0]);
        }
        let case = Case::with(&[HOST, "registry.example:8443"], &[(HOST, &[&[PUBLIC]])], Times::usual()).await;
        assert_eq!(case.status("registry.example:8443").await, "200");
        let nothing = Case::with(&[], &[(HOST, &[&[PUBLIC]])], Times::usual()).await;
        assert_eq!(nothing.status("registry.example:443").await, format!("403 `registry.example` {not_granted}"));
    })
    .await;
}

#[tokio::test]
async fn names_that_are_not_granted_are_counted_within_bounds() {
    in_time(async {
        let case = Case::usual().await;
        for n in 0..PROXY_REFUSED_NAMES + 5 {
            case.status(&format!("a{n}.example:443")).await;
        }
        case.status("a0.example:443").await;
        case.status(&format!("{}:443", "x".repeat(4000))).await;
        let used = case.proxy.used();
        assert_eq!(used.len(), PROXY_REFUSED_NAMES + 1);
        let first = used.first().unwrap();
        assert_eq!((first.name.as_str(), first.n_refused), ("a0.example", 2));
        let last = used.last().unwrap();
        assert_eq!((last.name.as_str(), last.n_refused), ("(further names)", 6));
        assert!(last.refused.as_ref().unwrap().len() < 200);
    })
    .await;
}

#[tokio::test]
async fn only_connect_is_spoken() {
    in_time(async {
        let case = Case::usual().await;
        let big = format!("CONNECT registry.example:443 HTTP/1.1\r\nA: {}\r\n\r\n", "a".repeat(PROXY_HEAD_BYTES));
        let endless = "CONNECT ".to_owned() + &"a".repeat(PROXY_HEAD_BYTES * 20);
        for (request, code) in [
            ("GET http://registry.example/secret?q HTTP/1.1\r\nHost: registry.example\r\n\r\n", "405"),
            ("POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\nx", "405"),
            ("connect registry.example:443 HTTP/1.1\r\n\r\n", "405"),
            ("CONNECT registry.example:443 HTTP/2\r\n\r\n", "400"),
            ("CONNECT registry.example:443\r\n\r\n", "400"),
            ("CONNECT  registry.example:443 HTTP/1.1\r\n\r\n", "400"),
            ("CONNECT registry.example:443 HTTP/1.1 \r\n\r\n", "400"),
            ("CONNECT registry.example:443 HTTP/1.1\nHost: x\r\n\r\n", "400"),
            ("CONNECT registry.example:443 HTTP/1.1\r\nno header\r\n\r\n", "400"),
            ("CONNECT registry.example:443 HTTP/1.1\r\nA: \0\r\n\r\n", "400"),
            ("CONNECT registry.example:443 HTTP/1.1\r\nA: \r\r\n\r\n", "400"),
            ("\r\n\r\n", "400"),
            ("\u{16}\u{3}\u{1}", "400"),
            ("\u{5}\u{1}\0", "400"),
            (&big, "431"),
            (&endless, "431"),
        ] {
            let answer = case.answer(request.as_bytes()).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {code} ")), "{request:?}: {answer}");
            assert_eq!(answer.contains("\r\nAllow: CONNECT\r\n"), code == "405", "{answer}");
        }
        let refused: Vec<_> = case.refused().into_iter().map(|(name, n_times, _)| (name, n_times)).collect();
        let expected = [("http://registry.example", 1), ("/", 1), ("registry.example:443", 1)];
        assert_eq!(refused, expected.map(|(name, n_times)| (name.to_owned(), n_times)));
        assert_eq!(case.connected_to(), [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn who_is_slow_is_not_waited_for() {
    in_time(async {
        let times = Times { client: SHORT, ..Times::usual() };
        let mut case = Case::with(&[HOST], &[(HOST, &[&[PUBLIC]])], times).await;
        let mut client = case.client().await;
        client.write_all(b"CONNECT registry.example:443 HTTP/1.1\r\n").await.unwrap();
        assert!(rest_of(&mut client).await.starts_with("HTTP/1.1 408 the request took too long\r\n"));
        let mut client = case.connected("registry.example:443").await;
        client.write_all(hello_for(HOST).get(..20).unwrap()).await.unwrap();
        assert_eq!(rest_of(&mut client).await, "");
        assert_eq!(case.arrived.recv().await.unwrap(), b"");
        let why = "a connection to `registry.example` was closed: its TLS hello took too long";
        assert_eq!(case.refused(), [(HOST.to_owned(), 1, why.to_owned())]);

        let times = Times { idle: SHORT, ..Times::usual() };
        let mut case = Case::with(&[HOST], &[(HOST, &[&[PUBLIC]])], times).await;
        let mut client = case.connected("registry.example:443").await;
        client.write_all(&hello_for(HOST)).await.unwrap();
        assert_eq!(rest_of(&mut client).await, "pong!");
        assert_eq!(case.arrived.recv().await.unwrap(), hello_for(HOST));
    })
    .await;
}

#[tokio::test]
async fn names_lead_to_public_addresses_or_nowhere() {
    let public = [
        PUBLIC,
        "1.1.1.1",
        "100.63.255.255",
        "100.128.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2606:4700::1111",
        "2a00::2",
        "2001:4860:4860::8888",
        "2620:fe::fe",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
    ];
    let refused = [
        ("0.0.0.0", "means this machine"),
        ("0.1.2.3", "means this machine"),
        ("10.0.0.1", "is private"),
        ("100.64.0.1", "is private"),
        ("100.127.255.255", "is private"),
        ("127.0.0.1", "is loopback"),
        ("127.255.0.1", "is loopback"),
        ("168.63.129.16", "is a metadata service"),
        ("169.254.169.254", "is a metadata service"),
        ("169.254.0.1", "is link-local"),
        ("172.16.0.1", "is private"),
        ("172.31.255.255", "is private"),
        ("192.0.0.192", "is reserved"),
        ("192.0.2.1", "is for documentation"),
        ("192.88.99.1", "is reserved"),
        ("192.168.1.1", "is private"),
        ("198.18.0.1", "is for benchmarks"),
        ("198.19.255.255", "is for benchmarks"),
        ("198.51.100.1", "is for documentation"),
        ("203.0.113.1", "is for documentation"),
        ("224.0.0.1", "is multicast"),
        ("239.255.255.255", "is multicast"),
        ("240.0.0.1", "is reserved"),
        ("255.255.255.255", "is broadcast"),
        ("1.2.3.4", "is this machine's own"),
        ("::", "means this machine"),
        ("::1", "is loopback"),
        ("::127.0.0.1", "is reserved"),
        ("::8.8.8.8", "is reserved"),
        ("::ffff:127.0.0.1", "is loopback"),
        ("::ffff:10.0.0.1", "is private"),
        ("::ffff:169.254.169.254", "is a metadata service"),
        ("::ffff:1.2.3.4", "is this machine's own"),
        ("::ffff:0:127.0.0.1", "is reserved"),
        ("64:ff9b::127.0.0.1", "is loopback"),
        ("64:ff9b::192.168.0.1", "is private"),
        ("64:ff9b::1.2.3.4", "is this machine's own"),
        ("64:ff9b:1::1", "is private"),
        ("100::1", "is reserved"),
        ("2001::1", "is reserved"),
        ("2001:10::1", "is reserved"),
        ("2001:db8::1", "is for documentation"),
        ("2002:7f00:1::", "is reserved"),
        ("2002:808:808::", "is reserved"),
        ("3fff::1", "is for documentation"),
        ("4000::1", "is reserved"),
        ("5f00::1", "is reserved"),
        ("fc00::1", "is private"),
        ("fd00:ec2::254", "is a metadata service"),
        ("fd12::1", "is private"),
        ("fe80::1", "is link-local"),
        ("fec0::1", "is private"),
        ("ff02::1", "is multicast"),
        ("2a00::1", "is this machine's own"),
    ];
    in_time(async {
        for address in public {
            let case = Case::with(&[HOST], &[(HOST, &[&[address]])], Times::usual()).await;
            assert_eq!(case.status("registry.example:443").await, "200", "{address}");
            assert_eq!(case.connected_to(), [SocketAddr::new(ip(address), 443).to_string()]);
        }
        for (address, fault) in refused {
            let shown = ip(address);
            let why = format!("`registry.example` leads to {shown}, which {fault}");
            let lookups: [&[&str]; 3] = [&[address], &[PUBLIC, address], &[address, PUBLIC]];
            for answers in lookups {
                let case = Case::with(&[HOST], &[(HOST, &[answers])], Times::usual()).await;
                assert_eq!(case.status("registry.example:443").await, format!("403 {why}"));
                assert_eq!(case.connected_to(), [""; 0]);
                assert_eq!(case.refused(), [(HOST.to_owned(), 1, why.clone())]);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_name_is_resolved_once_a_connection() {
    in_time(async {
        let answers: [&[&str]; 2] = [&[PUBLIC], &["127.0.0.1"]];
        let case = Case::with(&[HOST], &[(HOST, &answers)], Times::usual()).await;
        assert_eq!(case.status("registry.example:443").await, "200");
        assert_eq!(case.connected_to(), ["8.8.8.8:443"]);
        let second = case.status("registry.example:443").await;
        assert_eq!(second, "403 `registry.example` leads to 127.0.0.1, which is loopback");
        assert_eq!(case.connected_to(), ["8.8.8.8:443"]);
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_reached_is_said() {
    in_time(async {
        let lookups: [&[&str]; 1] = [&["9.9.9.9"]];
        let case = Case::with(&[HOST], &[(HOST, &lookups)], Times::usual()).await;
        assert_eq!(
            case.status("registry.example:443").await,
            "502 `registry.example` cannot be reached: connection refused"
        );
        let both: [&[&str]; 1] = [&["9.9.9.9", PUBLIC]];
        let case = Case::with(&[HOST], &[(HOST, &both)], Times::usual()).await;
        assert_eq!(case.status("registry.example:443").await, "200");
        assert_eq!(case.connected_to(), ["9.9.9.9:443", "8.8.8.8:443"]);
        let none: [&[&str]; 1] = [&[]];
        let case = Case::with(&[HOST, "gone.example"], &[(HOST, &none)], Times::usual()).await;
        let unresolved = "cannot be resolved";
        assert_eq!(
            case.status("registry.example:443").await,
            format!("502 `registry.example` {unresolved}: it has no address")
        );
        assert_eq!(case.status("gone.example:443").await, format!("502 `gone.example` {unresolved}: no such host"));
    })
    .await;
}

#[tokio::test]
async fn so_many_connections_and_no_more() {
    in_time(async {
        let case = Case::usual().await;
        let mut clients = Vec::new();
        for _ in 0..PROXY_CONNECTIONS {
            clients.push(case.connected("registry.example:443").await);
        }
        let answer = case.answer(b"").await;
        assert!(answer.starts_with("HTTP/1.1 503 64 connections are open already\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\n64 connections are open already\n"), "{answer}");
        clients.pop();
        // The place is free as soon as the proxy has heard of the end.
        loop {
            let mut client = case.client().await;
            let request = format!("CONNECT {HOST}:443 HTTP/1.1\r\n\r\n");
            let mut first = [0; 12];
            if client.write_all(request.as_bytes()).await.is_ok()
                && client.read_exact(&mut first).await.is_ok()
                && first.ends_with(b"200")
            {
                break;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_dropped_proxy_is_gone_with_its_connections() {
    in_time(async {
        let mut case = Case::usual().await;
        let mut waiting = case.connected("registry.example:443").await;
        let mut open = case.connected("registry.example:443").await;
        open.write_all(&hello_for(HOST)).await.unwrap();
        let mut pong = vec![0; PONG.len()];
        open.read_exact(&mut pong).await.unwrap();
        let socket = case.proxy.socket().to_owned();
        drop(case.proxy);
        assert_eq!(rest_of(&mut open).await, "");
        assert_eq!(rest_of(&mut waiting).await, "");
        let mut arrived = [case.arrived.recv().await.unwrap(), case.arrived.recv().await.unwrap()];
        arrived.sort();
        assert_eq!(arrived, [Vec::new(), hello_for(HOST)]);
        assert!(!socket.exists());
        assert!(UnixStream::connect(&socket).await.is_err());
    })
    .await;
}

#[tokio::test]
async fn its_socket_is_the_owners_alone() {
    let case = Case::usual().await;
    let dir = case.dir.path().to_owned();
    let start =
        |name: &str| Proxy::start(&dir.join(name), Vec::new(), Arc::<Fake>::clone(&case.outside), Times::usual());
    // What a daemon that died left behind.
    drop(std::os::unix::net::UnixListener::bind(dir.join("left")).unwrap());
    assert!(start("left").is_ok());
    std::fs::write(dir.join("file"), "x").unwrap();
    assert_eq!(start("file").unwrap_err().kind(), io::ErrorKind::AddrInUse);
    std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o755)).unwrap();
    assert!(start("open").unwrap_err().to_string().ends_with(" is open to others"));
}

#[tokio::test]
async fn the_forwarder_brings_tcp_to_the_socket() {
    in_time(async {
        let mut case = Case::usual().await;
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let socket = case.proxy.socket().to_owned();
        std::thread::spawn(move || forward(&listener, socket));
        for _ in 0..3 {
            let mut client = TcpStream::connect(address).await.unwrap();
            assert!(ask(&mut client, "registry.example:443").await.starts_with("HTTP/1.1 200 "));
            let large = vec![b'x'; 1 << 20];
            client.write_all(&hello_for(HOST)).await.unwrap();
            client.write_all(&large).await.unwrap();
            client.shutdown().await.unwrap();
            assert_eq!(rest_of(&mut client).await, "pong!");
            assert_eq!(case.arrived.recv().await.unwrap(), [hello_for(HOST), large].concat());
        }
        let mut client = TcpStream::connect(address).await.unwrap();
        assert!(ask(&mut client, "other.example:443").await.starts_with("HTTP/1.1 403 "));
        drop(case.proxy);
        let mut client = TcpStream::connect(address).await.unwrap();
        assert_eq!(rest_of(&mut client).await, "");
    })
    .await;
}

#[tokio::test]
async fn who_finds_the_forwarder_full_waits() {
    in_time(async {
        let case = Case::usual().await;
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let socket = case.proxy.socket().to_owned();
        std::thread::spawn(move || forward(&listener, socket));
        let mut clients = Vec::new();
        for _ in 0..FORWARD_CONNECTIONS {
            let mut client = TcpStream::connect(address).await.unwrap();
            assert!(ask(&mut client, "registry.example:443").await.starts_with("HTTP/1.1 200 "));
            clients.push(client);
        }
        let mut late = TcpStream::connect(address).await.unwrap();
        clients.pop();
        // Let in at once, the proxy would have told it 503.
        assert!(ask(&mut late, "registry.example:443").await.starts_with("HTTP/1.1 200 "));
    })
    .await;
}

#[test]
fn programs_are_told_where_the_forwarder_listens() {
    for (name, value) in forward::ENVIRONMENT {
        let is_exception = name.eq_ignore_ascii_case("no_proxy");
        let expected =
            if is_exception { "localhost,127.0.0.1,::1".to_owned() } else { format!("http://{}", forward::LISTEN) };
        assert_eq!(value, expected, "{name}");
    }
}

#[test]
fn the_system_knows_its_own_addresses() {
    assert!(System.is_own(ip("127.0.0.1")));
    assert!(!System.is_own(ip(PUBLIC)));
}

/// The whole way: a command in the sandbox, its forwarder, the proxy, a server that is outside.
#[tokio::test]
async fn a_command_reaches_what_the_contract_grants_and_nothing_else() {
    let mut case = Case::usual().await;
    let rig = crate::rig::Rig::with(&[("a", "1")]);
    let workspace = rig.workspace();
    let state = rig.state();
    let toolchains = Toolchains::of([("PATH".into(), search_path())], &Added::default(), &state).unwrap();
    let outside = Arc::<Fake>::clone(&case.outside);
    let sandbox = Sandbox::with_outside(&launcher(), &search_path(), &state, toolchains, outside).unwrap();
    std::fs::write(workspace.tree_dir().join("hello"), hello_for(HOST)).unwrap();
    let script = format!(
        "ask() {{ exec 3<>/dev/tcp/127.0.0.1/3128; printf 'CONNECT %s HTTP/1.1\\r\\n\\r\\n' $1 >&3; head -n1 <&3; }}
         echo $HTTPS_PROXY $CARGO_NET_OFFLINE; ask other.example:443; exec 3<>/dev/tcp/127.0.0.1/3128
         {{ printf 'CONNECT {HOST}:443 HTTP/1.1\\r\\n\\r\\n'; cat hello; }} >&3; head -c 44 <&3 | tail -c 5"
    );
    let plan = sandbox.shell(&workspace, &script, Limits::usual());
    let without = run(&sandbox, plan.clone()).finished().await;
    assert!(!without.end.is_success(), "without a grant nobody listens: {without:?}");
    assert_eq!(without.network, []);
    let finished = run(&sandbox, plan.reaching(vec![HOST.parse().unwrap()])).finished().await;
    let output = String::from_utf8_lossy(&finished.output).into_owned();
    assert!(
        finished.end.is_success() && output.contains("http://127.0.0.1:3128\nHTTP/1.1 403"),
        "{finished:?} {output}"
    );
    assert!(output.ends_with("pong!"), "{output}");
    assert_eq!(case.arrived.recv().await.unwrap(), hello_for(HOST));
    let [used, refused] = finished.network.as_slice() else { panic!("{:?}", finished.network) };
    assert_eq!((used.name.as_str(), used.n_connections, used.n_refused), (HOST, 1, 0));
    assert_eq!((used.sent_bytes, used.received_bytes), (hello_for(HOST).len() as u64, PONG.len() as u64));
    assert_eq!((refused.name.as_str(), refused.n_connections, refused.n_refused), ("other.example", 0, 1));
}
