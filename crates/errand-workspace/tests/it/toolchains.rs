//! Tool chains at work: small projects of every kind are built and tested in the sandbox, offline, by the tools this
//! machine has, as the user the tests run as and with the tool chains where that user has them.
//!
//! A tool the machine does not have is named on standard error, in a way that no test runner hides. A compiler for Rust
//! and C, `make` and `sh` are always there where these tests are built, so they are never left out.

use crate::rig::{Rig, manifest, put, sandbox_of};
use errand_task::facts::RunEnd;
use errand_workspace::command::run;
use errand_workspace::sandbox::Sandbox;
use errand_workspace::sandbox::plan::Limits;
use errand_workspace::toolchains::{Kept, usual_places};
use errand_workspace::workspace::Workspace;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Far more than any of these takes on a busy machine.
pub const LONG: Duration = Duration::from_secs(300);

/// A project in a workspace, and the person whose tools work on it.
struct Project {
    rig: Rig,
    sandbox: Arc<Sandbox>,
    workspace: Workspace,
}

impl Project {
    /// With the whole environment of the tests.
    fn new(files: &[(&str, &str)]) -> Self {
        Self::of_person(files, &[])
    }

    /// With some variables of that environment replaced; an empty value takes one away.
    fn of_person(files: &[(&str, &str)], changed: &[(&str, &str)]) -> Self {
        let rig = Rig::with(files);
        let all = environment(changed);
        let all: Vec<_> = all.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let sandbox = sandbox_of(&all, &rig.state());
        let (ground, tree) = rig.ground();
        let workspace = Workspace::create(&sandbox, &ground, &tree, &rig.state().join("workspaces/one")).unwrap();
        Self { sandbox, workspace, rig }
    }

    async fn ended(&self, script: &str) -> (RunEnd, String) {
        let finished =
            run(&self.sandbox, self.sandbox.shell(&self.workspace, script, Limits::of(LONG))).finished().await;
        (finished.end, String::from_utf8_lossy(&finished.output).into_owned())
    }

    #[track_caller]
    fn passes(&self, script: &str) -> impl Future<Output = String> {
        let caller = std::panic::Location::caller();
        async move {
            let (end, output) = self.ended(&format!("set -eu\n{script}")).await;
            assert_eq!(end, RunEnd::Exited { code: 0 }, "{caller}: {script}\n--- output\n{output}---");
            output
        }
    }
}

pub fn environment(changed: &[(&str, &str)]) -> Vec<(String, String)> {
    let kept = std::env::vars().filter(|(name, _)| !changed.iter().any(|(changed, _)| changed == name));
    let set = changed.iter().filter(|(_, value)| !value.is_empty());
    kept.chain(set.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))).collect()
}

fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Whether the machine has it. Where not, the case is told to be missing.
pub fn has(program: &str, what: &str) -> bool {
    let is_there = is_installed(program);
    if !is_there {
        not_run(&format!("{program} is not installed: {what}"));
    }
    is_there
}

pub fn not_run(why: &str) {
    let mut stderr = std::io::stderr().lock();
    writeln!(stderr, "\n!!! NOT RUN: {why}\n").unwrap();
}

fn below_home(variable: &str, folder: &str) -> PathBuf {
    std::env::var_os(variable)
        .map(PathBuf::from)
        .unwrap_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(folder))
}

const CRATE: [(&str, &str); 3] = [
    ("Cargo.toml", "[package]\nname = \"small\"\nversion = \"0.1.0\"\nedition = \"2021\"\n"),
    (
        "src/lib.rs",
        "//! ```\n//! assert_eq!(small::twice(2), 4);\n//! ```\npub fn twice(n: u32) -> u32 { n * 2 }\n\
         #[test]\nfn it_doubles() { assert_eq!(twice(3), 6); }\n",
    ),
    ("tests/front.rs", "#[test]\nfn it_doubles() { assert_eq!(small::twice(1), 2); }\n"),
];

#[tokio::test]
async fn cargo_tests_a_crate() {
    let project = Project::new(&CRATE);
    let output = project.passes("rustc --version; cargo --version; cargo test 2>&1").await;
    assert_eq!(output.matches("1 passed").count(), 3, "unit, integration and documentation tests: {output}");
    let again = project.passes("cargo test 2>&1 | grep -c Compiling || true; ls target").await;
    assert!(again.starts_with("0\n"), "what one command built, the next finds: {again}");
    for tool in ["fmt", "clippy"] {
        let probe = std::process::Command::new("cargo").args([tool, "--version"]).output();
        if probe.is_ok_and(|output| output.status.success()) {
            project.passes(&format!("cargo {tool}")).await;
        } else {
            not_run(&format!("cargo {tool} is not installed"));
        }
    }
}

/// A HOME whose registry holds one packed crate, not unpacked; answers with the crate's version.
fn home_with_packed(name: &str, index: &str, home: &Path) -> String {
    let lock: toml::Table = include_str!("../../../../Cargo.lock").parse().unwrap();
    let packages = lock["package"].as_array().unwrap();
    let version = packages.iter().find(|package| package["name"].as_str() == Some(name)).unwrap()["version"].as_str();
    let version = version.unwrap().to_owned();
    let cargo_home = below_home("CARGO_HOME", ".cargo");
    let registries = fs::read_dir(cargo_home.join("registry/cache")).unwrap().flatten();
    let mut n_found = 0;
    for registry in registries.map(|entry| entry.file_name().into_string().unwrap()) {
        let packed = format!("registry/cache/{registry}/{name}-{version}.crate");
        let entry = format!("registry/index/{registry}/.cache/{index}/{name}");
        let settings = format!("registry/index/{registry}/config.json");
        for file in [packed, entry, settings] {
            if let Ok(bytes) = fs::read(cargo_home.join(&file)) {
                put(&home.join(".cargo").join(&file), &bytes);
                n_found += 1;
            }
        }
    }
    assert!(n_found >= 3, "{name} {version} is not in the registry cache of whoever built these tests");
    if let Ok(settings) = fs::read(cargo_home.join("config.toml")) {
        put(&home.join(".cargo/config.toml"), &settings);
    }
    version
}

#[tokio::test]
async fn cargo_unpacks_a_dependency_in_the_private_layer() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path().canonicalize().unwrap();
    let version = home_with_packed("itoa", "it/oa", &home);
    let rustup = below_home("RUSTUP_HOME", ".rustup");
    let changed = [("HOME", home.to_str().unwrap()), ("CARGO_HOME", ""), ("RUSTUP_HOME", rustup.to_str().unwrap())];
    let manifest_of_crate = format!("{}[dependencies]\nitoa = \"={version}\"\n", CRATE[0].1);
    let library = "#[test]\nfn it_prints() { assert_eq!(itoa::Buffer::new().format(12), \"12\"); }\n";
    let project = Project::of_person(&[("Cargo.toml", &manifest_of_crate), ("src/lib.rs", library)], &changed);
    let before = manifest(&home);
    project.passes("cargo generate-lockfile --offline").await;
    let output = project.passes("cargo test --offline --locked 2>&1").await;
    assert!(output.contains("1 passed"), "{output}");
    let unpacked = project.passes("ls -d ~/.cargo/registry/src/*/itoa-*").await;
    assert!(unpacked.trim_end().ends_with(&version), "a later command finds what an earlier one unpacked: {unpacked}");
    assert_eq!(manifest(&home), before, "the person's cache is as it was");
    // A second task begins with the person's cache, not with the layer of the first.
    let other = Project::of_person(&[("a", "")], &changed);
    assert_eq!(other.passes("ls ~/.cargo/registry").await, "cache\nindex\n");
}

#[tokio::test]
async fn rust_is_reached_through_the_proxies_of_rustup() {
    if !has("rustup", "its proxies are not tried") {
        return;
    }
    let project = Project::new(&[("a", "")]);
    let output =
        project.passes("rustup show active-toolchain; command -v cargo; cargo --version; rustup which rustc").await;
    assert!(output.contains("toolchains/"), "{output}");
    // What is shown read-only cannot be changed from inside.
    let (end, output) = project.ended("rustup default none 2>&1; touch \"$(rustup which rustc)\" 2>&1").await;
    assert_ne!(end, RunEnd::Exited { code: 0 }, "{output}");
}

#[tokio::test]
async fn make_builds_and_checks_a_c_program() {
    let makefile = "CFLAGS = -Wall -O1 -pthread\ntwice: twice.o main.o\n\t$(CC) $(CFLAGS) -o $@ $^ -lm\n\
                    check: twice\n\t./twice 4 | grep -qx 8\nclean:\n\trm -f *.o twice\n";
    let main = "#include <math.h>\n#include <pthread.h>\n#include <stdio.h>\n#include <stdlib.h>\nint twice(int);\n\
                static void *work(void *n) { *(int *)n = twice(*(int *)n); return n; }\n\
                int main(int argc, char **argv) {\n int n = atoi(argv[argc - 1]); pthread_t thread;\n\
                pthread_create(&thread, 0, work, &n); pthread_join(thread, 0);\n\
                printf(\"%d\\n\", (int)sqrt((double)n * n)); return 0; }\n";
    let project =
        Project::new(&[("Makefile", makefile), ("twice.c", "int twice(int n) { return 2 * n; }\n"), ("main.c", main)]);
    project.passes("make -j2 check && make -q twice && make clean && ! test -e twice").await;
}

#[tokio::test]
async fn npm_installs_and_tests_offline() {
    if !has("npm", "no Node project is tested") || !has("node", "no Node project is tested") {
        return;
    }
    let package = r#"{"name":"small","version":"1.0.0","scripts":{"test":"node --test"},
        "dependencies":{"linked":"file:./linked"}}"#;
    let test = "const test = require('node:test'); const assert = require('node:assert');\n\
                test('doubles', () => assert.strictEqual(require('linked')(2), 4));\n\
                test('threads', async () => { const { Worker } = require('node:worker_threads');\n\
                const worker = new Worker('require(\"node:worker_threads\").parentPort.postMessage(1)', { eval: true });\n\
                assert.strictEqual(await new Promise((told) => worker.on('message', told)), 1); });\n";
    let linked = [
        ("linked/package.json", r#"{"name":"linked","version":"1.0.0","main":"index.js"}"#),
        ("linked/index.js", "module.exports = (n) => 2 * n;\n"),
    ];
    let project = Project::new(&[&[("package.json", package), ("small.test.js", test)][..], &linked[..]].concat());
    let output = project
        .passes("npm install 2>&1; test -L node_modules/linked; npm test 2>&1; npx --no-install --version")
        .await;
    assert!(output.contains("pass 2"), "{output}");
    // From a packed copy, twice: the second time from the cache of the first.
    let output = project
        .passes(
            "npm pack ./linked >/dev/null 2>&1; npm install --save ./linked-1.0.0.tgz 2>&1; ! test -L node_modules/linked\n\
             npm test 2>&1; rm -rf node_modules; npm ci 2>&1; npm test >/dev/null 2>&1",
        )
        .await;
    assert!(output.contains("pass 2"), "{output}");

    // With `node_modules` in the repository.
    let committed = [
        ("package.json", package),
        ("small.test.js", test),
        ("node_modules/linked/package.json", linked[0].1),
        ("node_modules/linked/index.js", linked[1].1),
    ];
    let output = Project::new(&committed).passes("npm test 2>&1").await;
    assert!(output.contains("pass 2"), "{output}");
}

const PYTHON: [(&str, &str); 3] = [
    ("small/__init__.py", "def twice(n):\n    return 2 * n\n"),
    (
        "test_small.py",
        "import unittest\nimport small\n\nclass Small(unittest.TestCase):\n    def test_twice(self):\n        \
         self.assertEqual(small.twice(2), 4)\n",
    ),
    ("pyproject.toml", "[project]\nname = \"small\"\nversion = \"1.0\"\n"),
];

#[tokio::test]
async fn python_tests_in_a_virtual_environment() {
    if !has("python3", "no Python project is tested") {
        return;
    }
    let project = Project::new(&PYTHON);
    let output = project.passes("python3 -m unittest 2>&1").await;
    assert!(output.contains("OK"), "{output}");
    // The system's own python may come without what makes an environment with pip in it.
    let probe = std::process::Command::new("python3").args(["-c", "import ensurepip, venv"]).output().unwrap();
    let bare = if probe.status.success() { "" } else { "--without-pip" };
    let make = format!("python3 -m venv {bare} .venv");
    project.passes(&make).await;
    let output = project.passes(".venv/bin/python -m unittest 2>&1; . .venv/bin/activate; command -v python").await;
    assert!(output.contains("OK") && output.trim_end().ends_with(".venv/bin/python"), "{output}");
    if bare.is_empty() {
        project.passes(".venv/bin/pip --version; .venv/bin/pip list").await;
    } else {
        not_run("python3 has no ensurepip: pip in a virtual environment is not tried");
    }
    let pytest = std::process::Command::new("python3").args(["-c", "import pytest"]).output().unwrap();
    if pytest.status.success() {
        let output = project.passes("python3 -m pytest 2>&1").await;
        assert!(output.contains("1 passed"), "{output}");
    } else {
        not_run("python3 has no pytest");
    }
}

#[tokio::test]
async fn go_tests_a_module() {
    if !has("go", "no Go module is tested") {
        return;
    }
    let test = "package small\n\nimport \"testing\"\n\nfunc TestTwice(t *testing.T) {\n\tif Twice(2) != 4 {\n\t\tt.Fatal()\n\t}\n}\n";
    let project = Project::new(&[
        ("go.mod", "module example.org/small\n\ngo 1.18\n"),
        ("small.go", "package small\n\nfunc Twice(n int) int { return 2 * n }\n"),
        ("small_test.go", test),
    ]);
    project.passes("go version; go vet ./...; go test ./...").await;
}

#[tokio::test]
async fn java_compiles_and_runs() {
    if !has("javac", "no Java program is tested") {
        return;
    }
    let program = "public class Small { public static void main(String[] a) throws Exception {\n\
                   var thread = new Thread(() -> System.out.println(2 * 2)); thread.start(); thread.join(); } }\n";
    let project = Project::new(&[("Small.java", program)]);
    assert_eq!(project.passes("javac Small.java; java -cp . Small").await, "4\n");
    if has("mvn", "Maven is not tried") {
        // Without a repository it can do no more than read a project, find a plugin missing, and say that it is offline.
        let manifest = "<project><modelVersion>4.0.0</modelVersion><groupId>g</groupId><artifactId>a</artifactId>\
                        <version>1</version></project>";
        let project = Project::new(&[("pom.xml", manifest)]);
        let output = project.passes("mvn --version; mvn -q validate 2>&1 || true").await;
        assert!(output.contains("Apache Maven") && !output.contains("Unknown host"), "{output}");
    }
}

#[tokio::test]
async fn git_works_inside() {
    let project = Project::new(&[("a", "1\n"), ("run.sh", "#!/usr/bin/env bash\necho \"${BASH_VERSION:+bash}\"\n")]);
    let script = "echo 2 > a; git status --short; git diff | grep '^+2'; git log --oneline | wc -l; git stash -q; cat a\n\
                  git stash pop -q; git add -A; git commit -qm second; git log --format=%s; git diff HEAD~1 --stat | cat\n\
                  git switch -qc other; git blame a | wc -l; git worktree add -q ../other-tree HEAD 2>&1 || true";
    let output = project.passes(script).await;
    assert!(output.starts_with(" M a\n+2\n1\n1\n"), "{output}");
    assert!(output.contains("second\n"), "{output}");
    assert_eq!(project.passes("chmod +x run.sh; ./run.sh").await, "bash\n");
    assert_eq!(project.rig.read("a"), "1\n");
}

#[tokio::test]
async fn everyday_programs_find_their_way() {
    let project = Project::new(&[("a", "")]);
    let uid = rustix::process::geteuid().as_raw();
    let user = if uid == 0 { "root" } else { "errand" };
    for (program, script, expected) in [
        ("mktemp", "test -d \"$(mktemp -d)\"; mktemp | cut -c1-5", "/tmp/\n"),
        ("ps", "ps -e -o comm= | grep -cx ps", "1\n"),
        ("nproc", "test \"$(nproc)\" -ge 1", ""),
        ("free", "free | grep -c ^Mem", "1\n"),
        ("df", "df . / /tmp | wc -l", "4\n"),
        ("du", "du -s a | cut -f2", "a\n"),
        ("id", "id -u", &format!("{uid}\n")),
        ("whoami", "whoami; id -un", &format!("{user}\n{user}\n")),
        ("hostname", "hostname", "errand\n"),
        ("getent", "getent hosts localhost | grep -c localhost; getent passwd \"$(id -u)\" | cut -d: -f6", ""),
        ("date", "test \"$(date +%Y)\" -ge 2024; TZ=UTC date -d @0 +%H", "00\n"),
        ("locale", "locale 2>&1 | grep -c 'Cannot set' || true", "0\n"),
        ("uname", "uname -s", "Linux\n"),
        ("env", "env | grep -c ^PATH=", "1\n"),
        ("stdbuf", "stdbuf -o0 echo x", "x\n"),
        ("timeout", "timeout 1 sleep 5 || echo \"$?\"", "124\n"),
        ("nohup", "nohup echo x 2>/dev/null", "x\n"),
        ("setsid", "setsid --wait echo x", "x\n"),
        ("flock", "flock /tmp/lock echo x", "x\n"),
        ("mkfifo", "mkfifo /tmp/fifo; echo x > /tmp/fifo & cat /tmp/fifo", "x\n"),
        ("tar", "tar -cf /tmp/a.tar a; tar -tf /tmp/a.tar", "a\n"),
        ("xargs", "printf '1 2' | xargs -P2 -n1 echo | sort", "1\n2\n"),
        ("sort", "seq 3 | sort -r --parallel=2 | head -n 1", "3\n"),
        ("tee", "echo x | tee /dev/stderr 2>&1 >/dev/null | cat", "x\n"),
        ("awk", "awk 'BEGIN { print 1 > \"/dev/stdout\" }'", "1\n"),
        ("perl", "perl -e 'print \"x\\n\"; system(\"echo y\")' | sort", "x\ny\n"),
        ("openssl", "echo x | openssl dgst -sha256 | wc -l", "1\n"),
        ("dash", "echo 'echo x' | dash", "x\n"),
        ("bash", "diff <(echo x) <(echo x); cat <<< x; exec 3>/tmp/three; echo y >&3; cat /tmp/three", "x\ny\n"),
    ] {
        if !has(program, "not tried") {
            continue;
        }
        let output = project.passes(script).await;
        if !expected.is_empty() || output.is_empty() {
            assert_eq!(output, expected, "{script}");
        }
    }
}

#[tokio::test]
async fn a_test_suite_serves_itself() {
    if !has("python3", "servers on the loopback are not tried") {
        return;
    }
    let server = r#"
import http.server, os, socket, socketserver, threading, urllib.request
class V6(socketserver.TCPServer):
    address_family = socket.AF_INET6
class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_): pass
for kind, address, url in ((socketserver.TCPServer, "127.0.0.1", "127.0.0.1"), (V6, "::1", "[::1]"), (socketserver.TCPServer, "localhost", "localhost")):
    with kind((address, 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(urllib.request.urlopen(f"http://{url}:{server.server_address[1]}/a", timeout=9).read())
        server.shutdown()
def exchange(family, address):
    listener = socket.socket(family); listener.bind(address); listener.listen()
    client = socket.socket(family); client.connect(listener.getsockname())
    accepted, _ = listener.accept(); client.sendall(b"x"); print(accepted.recv(1))
exchange(socket.AF_UNIX, "/tmp/socket"); exchange(socket.AF_UNIX, "socket"); exchange(socket.AF_UNIX, "\0abstract")
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); udp.bind(("127.0.0.1", 0)); udp.sendto(b"x", udp.getsockname()); print(udp.recv(1))
print(os.path.exists("/run"), socket.gethostname(), socket.gethostbyname(socket.gethostname()))
"#;
    let project = Project::new(&[("a", "1"), ("serve.py", server)]);
    let output = project.passes("python3 serve.py 2>&1").await;
    assert_eq!(output.matches("b'1'").count(), 3, "{output}");
    assert_eq!(output.matches("b'x'").count(), 4, "{output}");
    assert!(output.ends_with("errand 127.0.0.1\n"), "{output}");
}

#[tokio::test]
async fn what_runtimes_ask_of_the_kernel_is_there() {
    if !has("python3", "threads, shared memory and watches are not tried") {
        return;
    }
    let program = r#"
import asyncio, concurrent.futures, ctypes, mmap, multiprocessing, os, pathlib, resource, select, signal, subprocess, sys, tempfile, threading, time
from multiprocessing import shared_memory
def double(n): return 2 * n
def main():
    with multiprocessing.Pool(2) as pool: assert pool.map(double, [1, 2]) == [2, 4]
    with concurrent.futures.ThreadPoolExecutor(4) as pool: assert list(pool.map(double, [1])) == [2]
    for how in ("spawn", "forkserver"):
        context = multiprocessing.get_context(how); queue = context.Queue(); child = context.Process(target=queue.put, args=(1,))
        child.start(); assert queue.get(timeout=30) == 1; child.join()
    shared = shared_memory.SharedMemory(create=True, size=4096); shared.buf[0] = 1; shared.close(); shared.unlink()
    assert multiprocessing.Semaphore(1).acquire()
    libc = ctypes.CDLL(None, use_errno=True)
    watch = libc.inotify_init1(0); assert libc.inotify_add_watch(watch, b".", 0x100) > 0
    pathlib.Path("seen").touch(); assert select.select([watch], [], [], 9)[0] and b"seen" in os.read(watch, 4096)
    assert libc.eventfd(1, 0) > 0 and libc.timerfd_create(1, 0) > 0 and libc.memfd_create(b"x", 0) > 0
    signal.signal(signal.SIGALRM, lambda *_: None); signal.setitimer(signal.ITIMER_REAL, .01); time.sleep(.05)
    sleeper = subprocess.Popen(["sleep", "60"], start_new_session=True); os.killpg(sleeper.pid, signal.SIGTERM); assert sleeper.wait() == -15
    assert subprocess.run("exit 3", shell=True).returncode == 3
    async def child(): return await (await asyncio.create_subprocess_exec("true")).wait()
    assert asyncio.run(child()) == 0
    with tempfile.TemporaryFile() as file: file.write(b"x" * 4096); file.flush(); mmap.mmap(file.fileno(), 4096).close()
    os.link("a", "hard"); os.symlink("a", "soft"); os.rename("hard", "harder"); os.chmod("a", 0o755); os.utime("a"); os.mkfifo("fifo")
    os.sched_getaffinity(0); resource.getrlimit(resource.RLIMIT_NOFILE); os.nice(1); os.getloadavg(); os.cpu_count(); os.urandom(8); os.getrandom(8)
    open("/dev/full", "r").close(); open("/dev/random", "rb").read(1); assert open("/dev/zero", "rb").read(1) == b"\0"
    assert pathlib.Path("/proc/self/status").read_text() and os.readlink("/proc/self/exe") and os.path.isdir("/proc/self/fd")
    assert "MemTotal" in pathlib.Path("/proc/meminfo").read_text() and "processor" in pathlib.Path("/proc/cpuinfo").read_text()
    os.setpriority(os.PRIO_PROCESS, 0, 19); pathlib.Path.home().joinpath(".config/tool").mkdir(parents=True)
    print("all there")
if __name__ == "__main__": main()
"#;
    let project = Project::new(&[("a", "1"), ("runtime.py", program)]);
    let output = project.passes("python3 runtime.py 2>&1").await;
    assert!(output.ends_with("all there\n"), "{output}");
}

#[tokio::test]
async fn there_is_no_terminal_to_be_had() {
    let project = Project::new(&[("a", "")]);
    let (_, output) = project.ended("ls /dev; tty; test -e /dev/ptmx || echo none; stty size 2>&1").await;
    assert!(output.contains("not a tty\nnone\n"), "{output}");
}

/// Where well-known tools keep what nobody else may know, below HOME.
const CREDENTIALS: [&str; 76] = [
    ".android/debug.keystore",
    ".aws/credentials",
    ".azure/accessTokens.json",
    ".bash_history",
    ".bundle/config",
    ".bunfig.toml",
    ".cabal/config",
    ".cache/deno/deno_history.txt",
    ".cache/deno/location_data/x",
    ".cache/huggingface/token",
    ".cargo/config",
    ".cargo/credentials",
    ".cargo/credentials.toml",
    ".claude/.credentials.json",
    ".codex/auth.json",
    ".composer/auth.json",
    ".conda/.condarc",
    ".condarc",
    ".config/composer/auth.json",
    ".config/coursier/credentials.properties",
    ".config/gcloud/application_default_credentials.json",
    ".config/gh/hosts.yml",
    ".config/git/credentials",
    ".config/go/env",
    ".config/helm/registry.json",
    ".config/mise/config.toml",
    ".config/pip/pip.conf",
    ".config/pypoetry/auth.toml",
    ".config/rebar3/hex.config",
    ".config/uv/uv.toml",
    ".config/yarn/x",
    ".continuum/anaconda-client/tokens/x",
    ".docker/config.json",
    ".dotnet/corefx/cryptography/x509stores/my/x.pfx",
    ".env",
    ".foundry/keystores/x",
    ".gem/credentials",
    ".git-credentials",
    ".gitconfig",
    ".gnupg/private-keys-v1.d/x.key",
    ".gradle/gradle.properties",
    ".gradle/init.d/x.gradle",
    ".hex/hex.config",
    ".ivy2/.credentials",
    ".julia/servers/x/auth.toml",
    ".kube/config",
    ".local/share/gem/credentials",
    ".local/share/keyrings/login.keyring",
    ".local/share/uv/credentials/credentials.toml",
    ".luarocks/upload_config.lua",
    ".m2/settings-security.xml",
    ".m2/settings.xml",
    ".mozilla/firefox/x/logins.json",
    ".mysql_history",
    ".netrc",
    ".node_repl_history",
    ".npm/_logs/x.log",
    ".npmrc",
    ".nuget/NuGet/NuGet.Config",
    ".opam/plugins/opam-publish/x.token",
    ".password-store/x.gpg",
    ".pgpass",
    ".pip/pip.conf",
    ".pub-cache/credentials.json",
    ".pypirc",
    ".python_history",
    ".rye/credentials",
    ".sbt/.credentials",
    ".sbt/1.0/credentials.sbt",
    ".ssh/id_ed25519",
    ".stack/upload/credentials.json",
    ".terraform.d/credentials.tfrc.json",
    ".vault-token",
    ".wasmer/wasmer.toml",
    ".yarnrc.yml",
    "miniconda3/.condarc",
];

#[tokio::test]
async fn no_credential_beside_a_tool_chain_is_seen() {
    let home = tempfile::tempdir_in("/var/tmp").unwrap();
    let home = home.path().canonicalize().unwrap();
    for (_, place, kept) in usual_places() {
        if kept != Kept::Private {
            put(&home.join(place).join("here"), b"in sight");
        }
    }
    // Two places of the table that are files.
    for file in [".tool-versions", ".rustup/settings.toml"] {
        let _ = fs::remove_dir_all(home.join(file));
        put(&home.join(file), b"in sight");
    }
    let secret = "hidden-from-commands";
    CREDENTIALS.iter().for_each(|path| put(&home.join(path), secret.as_bytes()));
    let settings = format!("[registry]\ntoken = \"{secret}\"\n[source.x]\nregistry = \"https://u:{secret}@h/\"\n");
    put(&home.join(".cargo/config.toml"), settings.as_bytes());
    let home_text = home.to_str().unwrap();
    let path = std::env::var("PATH").unwrap();
    let named = ["ANTHROPIC_API_KEY", "CARGO_REGISTRY_TOKEN", "GITHUB_TOKEN", "NPM_TOKEN", "PIP_INDEX_URL", "UV_TOKEN"];
    let mut person = vec![("HOME", home_text), ("PATH", path.as_str())];
    person.extend(named.map(|name| (name, secret)));
    let rig = Rig::with(&[("a", "")]);
    let sandbox = sandbox_of(&person, &rig.state());
    let (ground, tree) = rig.ground();
    let workspace = Workspace::create(&sandbox, &ground, &tree, &rig.state().join("workspaces/one")).unwrap();
    let project = Project { workspace, sandbox, rig };

    // Everything but what the machine shows to everybody: HOME, the temporary folders, our own files, all environments.
    let places = "~ /tmp /dev/shm /run /etc/passwd /etc/hosts /proc/[0-9]*/environ /proc/[0-9]*/cmdline .";
    let search = |word: &str| format!("grep -rlas '{}'\"{}\" {places} || test $? -lt 3", &word[..3], &word[3..]);
    let found = project.passes(&search("in sight")).await;
    let n_places = usual_places().filter(|(_, _, kept)| *kept != Kept::Private).count();
    let seen: Vec<_> = usual_places().filter(|(_, place, _)| found.contains(&format!("{home_text}/{place}"))).collect();
    assert!(seen.len() >= n_places - 4, "{} of {n_places} places are seen: {found}", seen.len());
    assert_eq!(project.passes(&search(secret)).await, "");
}
