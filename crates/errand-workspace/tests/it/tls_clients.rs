//! Real TLS clients in the sandbox reach a granted name: their hellos pass the proxy, the handshake is between them and the
//! server. Outside, the name has a public address, behind which is a server of this test.

use crate::rig::{Rig, launcher, search_path};
use crate::toolchains::{has, not_run};
use errand_workspace::command::run;
use errand_workspace::proxy::outside::{Answer, Outside};
use errand_workspace::sandbox::Sandbox;
use errand_workspace::sandbox::plan::Limits;
use errand_workspace::toolchains::{Added, Toolchains};
use std::io::{self, BufRead as _, BufReader};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use tokio::net::TcpStream;

const HOST: &str = "registry.example";
/// What the server's page says of itself.
const PAGE: &str = "s_server";

/// A client's program, what it runs on, how it asks for the page with `cert.pem` as its only authority, and what it says
/// only when it got it.
const CLIENTS: [(&str, &str, &str, &str); 6] = [
    ("curl", "OpenSSL", "curl -sS --cacert cert.pem https://HOST/", PAGE),
    ("wget", "GnuTLS", "wget -q -O - --ca-certificate=cert.pem https://HOST/", PAGE),
    (
        "openssl",
        "OpenSSL",
        "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | openssl s_client -quiet -ign_eof -proxy 127.0.0.1:3128 -connect HOST:443 \
         -servername HOST -verify_hostname HOST -verify_return_error -CAfile cert.pem",
        PAGE,
    ),
    (
        "python3",
        "OpenSSL",
        "/usr/bin/python3 -c 'import ssl, urllib.request
print(urllib.request.urlopen(\"https://HOST/\", context=ssl.create_default_context(cafile=\"cert.pem\")).read().decode())'",
        PAGE,
    ),
    (
        "node",
        "OpenSSL of its own",
        "node -e 'const ask = require(\"http\").request({port: 3128, method: \"CONNECT\", path: \"HOST:443\"})
ask.on(\"connect\", (answer, socket) => {
    const tls = require(\"tls\").connect({socket, servername: \"HOST\", ca: require(\"fs\").readFileSync(\"cert.pem\")})
    tls.on(\"data\", bytes => process.stdout.write(bytes)); tls.write(\"GET / HTTP/1.0\\r\\n\\r\\n\") }); ask.end()'",
        PAGE,
    ),
    ("git", "its libcurl", "GIT_SSL_CAINFO=$PWD/cert.pem git ls-remote https://HOST/", "is this a git repository?"),
];

#[derive(Debug)]
struct World {
    server: SocketAddr,
}

impl Outside for World {
    fn resolve<'a>(&'a self, host: &'a str) -> Answer<'a, Vec<IpAddr>> {
        let answer = match host {
            HOST => Ok(vec![IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8))]),
            _ => Err(io::Error::other("no such host")),
        };
        Box::pin(std::future::ready(answer))
    }

    fn connect(&self, _: SocketAddr) -> Answer<'_, TcpStream> {
        Box::pin(TcpStream::connect(self.server))
    }

    fn is_own(&self, _: IpAddr) -> bool {
        false
    }
}

/// A server with a certificate for [`HOST`], in `dir` as `cert.pem`, that answers every request with a page.
struct Server {
    program: Child,
    address: SocketAddr,
}

impl Server {
    fn start(dir: &Path) -> Self {
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", &format!("/CN={HOST}")])
            .args(["-addext", &format!("subjectAltName=DNS:{HOST}"), "-keyout", "key.pem", "-out", "cert.pem"])
            .current_dir(dir)
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let mut program = Command::new("openssl")
            .args(["s_server", "-accept", "127.0.0.1:0", "-cert", "cert.pem", "-key", "key.pem", "-www"])
            .current_dir(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(program.stdout.take().unwrap()).lines().map(Result::unwrap);
        let address =
            lines.find_map(|line| line.strip_prefix("ACCEPT ").map(|address| address.parse().unwrap())).unwrap();
        // Whatever else it says goes nowhere, and does not stop it.
        std::thread::spawn(move || lines.for_each(drop));
        Self { program, address }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

#[tokio::test]
async fn real_clients_reach_a_granted_name() {
    if !has("openssl", "no real TLS client is tried") {
        return;
    }
    let rig = Rig::with(&[("a", "1")]);
    let (workspace, state) = (rig.workspace(), rig.state());
    let toolchains = Toolchains::of([("PATH".into(), search_path())], &Added::default(), &state).unwrap();
    let server = Server::start(&workspace.tree_dir());
    std::fs::remove_file(workspace.tree_dir().join("key.pem")).unwrap();
    let outside = Arc::new(World { server: server.address });
    let sandbox = Sandbox::with_outside(&launcher(), &search_path(), &state, toolchains, outside).unwrap();
    let mut n_tried = 0;
    for (program, runs_on, script, expected) in CLIENTS {
        let script = format!("PATH=/usr/local/bin:/usr/bin:/bin; {}", script.replace("HOST", HOST));
        let is_there = run(&sandbox, sandbox.shell(&workspace, &format!("command -v {program}"), Limits::usual()));
        if !is_there.finished().await.end.is_success() {
            not_run(&format!("{program} ({runs_on}) is not in the sandbox: its hello is not tried"));
            continue;
        }
        let plan = sandbox.shell(&workspace, &script, Limits::usual()).reaching(vec![HOST.parse().unwrap()]);
        let finished = run(&sandbox, plan).finished().await;
        let output = String::from_utf8_lossy(&finished.output).into_owned();
        assert!(output.contains(expected), "{program}: {:?} {output} {:?}", finished.end, finished.network);
        let [used] = finished.network.as_slice() else { panic!("{program}: {:?}", finished.network) };
        assert_eq!((used.name.as_str(), used.n_refused), (HOST, 0), "{program}: {used:?}");
        assert!(used.n_connections > 0 && used.received_bytes > 1_000, "{program}: {used:?}");
        n_tried += 1;
    }
    assert!(n_tried >= 2, "{n_tried} clients: hellos of different ones are to be seen");
}

/// A hello for another name, from a real client that was let to the granted one.
#[tokio::test]
async fn a_real_clients_hello_for_another_name_is_closed() {
    if !has("openssl", "a real hello for another name is not tried") {
        return;
    }
    let rig = Rig::with(&[("a", "1")]);
    let (workspace, state) = (rig.workspace(), rig.state());
    let toolchains = Toolchains::of([("PATH".into(), search_path())], &Added::default(), &state).unwrap();
    let server = Server::start(&workspace.tree_dir());
    let outside = Arc::new(World { server: server.address });
    let sandbox = Sandbox::with_outside(&launcher(), &search_path(), &state, toolchains, outside).unwrap();
    for (name, why) in [("-servername other.example", "is for `other.example`"), ("-noservername", "names no server")] {
        let script = format!(
            "PATH=/usr/bin:/bin; printf 'GET / HTTP/1.0\\r\\n\\r\\n' | \
             openssl s_client -quiet -ign_eof -proxy 127.0.0.1:3128 -connect {HOST}:443 {name}"
        );
        let plan = sandbox.shell(&workspace, &script, Limits::usual()).reaching(vec![HOST.parse().unwrap()]);
        let finished = run(&sandbox, plan).finished().await;
        assert!(!String::from_utf8_lossy(&finished.output).contains(PAGE), "{finished:?}");
        let [used] = finished.network.as_slice() else { panic!("{:?}", finished.network) };
        assert_eq!((used.n_connections, used.n_refused), (0, 1), "{used:?}");
        assert!(used.refused.as_ref().is_some_and(|said| said.contains(why)), "{used:?}");
    }
}
