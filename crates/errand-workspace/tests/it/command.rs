//! Commands: ends, limits, environment, what is left behind.

use crate::rig::{Rig, sandbox_of};
use errand_task::facts::RunEnd;
use errand_workspace::command::{Finished, run, spawn_daemon};
use errand_workspace::sandbox::Sandbox;
use errand_workspace::sandbox::plan::Limits;
use errand_workspace::workspace::Workspace;
use std::sync::Arc;
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(60);

/// A workspace, and a sandbox for its commands.
struct Place {
    rig: Rig,
    sandbox: Arc<Sandbox>,
    workspace: Workspace,
}

impl Place {
    fn new() -> Self {
        let rig = Rig::with(&[("a", "1"), ("sub/a", "1")]);
        Self { sandbox: rig.sandbox(), workspace: rig.workspace(), rig }
    }

    async fn shell(&self, script: &str, limits: Limits) -> Finished {
        run(&self.sandbox, self.sandbox.shell(&self.workspace, script, limits)).finished().await
    }

    async fn output(&self, script: &str) -> String {
        let finished = self.shell(script, Limits::of(LONG)).await;
        assert_eq!(finished.end, RunEnd::Exited { code: 0 }, "{script}: {}", text(&finished));
        text(&finished)
    }
}

fn text(finished: &Finished) -> String {
    String::from_utf8_lossy(&finished.output).into_owned()
}

/// Processes of the machine whose command line is exactly this.
fn alive(line: &str) -> usize {
    let wanted = line.replace(' ', "\0") + "\0";
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let is_it = |entry: &std::fs::DirEntry| {
        std::fs::read(entry.path().join("cmdline")).is_ok_and(|line| line == wanted.as_bytes())
    };
    entries.filter(is_it).count()
}

fn await_death(line: &str) {
    let start = Instant::now();
    while alive(line) > 0 {
        assert!(start.elapsed() < Duration::from_secs(5), "`{line}` is still there");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[tokio::test]
async fn ends_and_output_are_told() {
    let place = Place::new();
    for (script, end, output) in [
        ("echo out; echo err >&2; echo out2", RunEnd::Exited { code: 0 }, "out\nerr\nout2\n"),
        ("exit 7", RunEnd::Exited { code: 7 }, ""),
        ("false | true", RunEnd::Exited { code: 1 }, ""),
        ("kill -9 $$", RunEnd::Killed { signal: 9 }, ""),
        ("cat; echo \"[$?]\"", RunEnd::Exited { code: 0 }, "[0]\n"),
        ("umask; ulimit -c", RunEnd::Exited { code: 0 }, "0077\n0\n"),
        (
            "test -t 0 || test -t 1 || echo no terminal; (: >/dev/tty) 2>/dev/null || echo none",
            RunEnd::Exited { code: 0 },
            "no terminal\nnone\n",
        ),
        ("ls /proc/self/fd | tr '\\n' ' '", RunEnd::Exited { code: 0 }, "0 1 2 3 "),
        ("printf '%s' \"$0\" '\"$(x)\" ;'", RunEnd::Exited { code: 0 }, "/usr/bin/bash\"$(x)\" ;"),
    ] {
        let finished = place.shell(script, Limits::of(LONG)).await;
        assert_eq!(finished.end, end, "{script}: {}", text(&finished));
        let shown = text(&finished).replace("/bin/bash", "/usr/bin/bash").replace("/usr/usr/", "/usr/");
        assert_eq!(shown, output, "{script}");
    }
    let nul = place.shell("echo \0", Limits::usual()).await;
    assert!(matches!(nul.end, RunEnd::NotStarted { .. }), "{nul:?}");
}

#[tokio::test]
async fn a_command_is_where_the_checkout_is() {
    let place = Place::new();
    let checkout = place.rig.repo().display().to_string();
    assert_eq!(place.output("pwd; ls").await, format!("{checkout}\na\nsub\n"));
    let plan = place.sandbox.shell(&place.workspace, "pwd", Limits::usual());
    let inner = run(&place.sandbox, plan.clone().in_dir("sub").unwrap()).finished().await;
    assert_eq!(text(&inner), format!("{checkout}/sub\n"));
    let missing = run(&place.sandbox, plan.clone().in_dir("none").unwrap()).finished().await;
    assert!(matches!(missing.end, RunEnd::NotStarted { .. }), "{missing:?}");
    for dir in ["../..", "/etc", "a\0"] {
        assert!(plan.clone().in_dir(dir).is_err(), "{dir}");
    }
    place.output("echo 2 > a").await;
    assert_eq!(std::fs::read_to_string(place.rig.repo().join("a")).unwrap(), "1", "the checkout is the person's");
    assert_eq!(std::fs::read_to_string(place.workspace.tree_dir().join("a")).unwrap(), "2\n");
}

#[tokio::test]
async fn the_environment_is_the_list() {
    let place = Place::new();
    let all = place.output("tr '\\0' '\\n' < /proc/$$/environ | sort").await;
    let environment = place.sandbox.toolchains().environment(true).into_iter();
    let mut expected: Vec<_> = environment.map(|(name, value)| format!("{name}={value}")).collect();
    expected.sort();
    assert_eq!(all.lines().filter(|line| !line.starts_with("PWD=")).collect::<Vec<_>>(), expected);
    assert_eq!(place.output("ls -A ~; touch ~/x /tmp/y; ls /var/tmp").await, "y\n");
    assert_eq!(place.output("ls -A ~; ls /tmp/y").await, "x\n/tmp/y\n", "HOME and /tmp last");
}

#[tokio::test]
async fn a_home_of_the_persons_is_private_at_its_own_path() {
    let place = Place::new();
    let home = place.rig.dir.path().canonicalize().unwrap().join("home");
    for (path, text) in [(".ssh/id", "canary"), (".cargo/credentials.toml", "canary"), (".cargo/bin/x", "shown")] {
        std::fs::create_dir_all(home.join(path).parent().unwrap()).unwrap();
        std::fs::write(home.join(path), text).unwrap();
    }
    std::fs::create_dir_all(home.join(".cargo/registry")).unwrap();
    std::fs::write(home.join(".cargo/registry/crate"), "cached").unwrap();
    let sandbox = sandbox_of(&[("HOME", home.to_str().unwrap())], &place.rig.state());
    let (ground, tree) = place.rig.ground();
    let dir = place.rig.state().join("workspaces/of-home");
    let place = Place { workspace: Workspace::create(&sandbox, &ground, &tree, &dir).unwrap(), sandbox, ..place };
    assert_eq!(
        place.output("cd; find . -type f | sort; cat .cargo/*/*").await,
        "./.cargo/bin/x\n./.cargo/registry/crate\ncachedshown".replace("cachedshown", "showncached")
    );
    // A cache takes writes in a layer of the task; what is read-only takes none.
    place.output("echo new > ~/.cargo/registry/new; ! echo new 2>/dev/null > ~/.cargo/bin/new").await;
    assert_eq!(place.output("cat ~/.cargo/registry/new").await, "new\n");
    assert!(!home.join(".cargo/registry/new").exists() && !home.join(".cargo/bin/new").exists());
    // What a place is mounted on, and the folders above it, stay where they are.
    place.output("! rm -rf ~/.cargo 2>/dev/null; ! mv ~/.cargo ~/.moved 2>/dev/null; ln -s /etc ~/.cargo/link").await;
    assert_eq!(place.output("cat ~/.cargo/bin/x; test -L ~/.cargo || echo folder").await, "shownfolder\n");
}

#[tokio::test]
async fn a_timeout_ends_everything() {
    let place = Place::new();
    // A grandchild in a session of its own that ignores the polite signal.
    let script = "setsid bash -c \"trap '' TERM; exec sleep 61.25\" & sleep 60";
    let started = Instant::now();
    let finished = place.shell(script, Limits::of(Duration::from_millis(300))).await;
    assert_eq!(finished.end, RunEnd::TimedOut);
    assert!(started.elapsed() < Duration::from_secs(10));
    assert_eq!(alive("sleep 61.25"), 0, "nothing lives when the end is told");
    // One that does not ignore it may clean up.
    let polite = "trap 'echo bye; exit 3' TERM; while :; do sleep 0.05; done";
    let finished = place.shell(polite, Limits::of(Duration::from_millis(300))).await;
    assert_eq!(finished.end, RunEnd::TimedOut);
    assert!(text(&finished).ends_with("bye\n"), "{}", text(&finished));
}

#[tokio::test]
async fn the_end_of_the_command_is_the_end() {
    let place = Place::new();
    let started = Instant::now();
    let finished = place.shell("setsid sleep 62.25 & echo x", Limits::of(LONG)).await;
    assert_eq!(finished.end, RunEnd::Exited { code: 0 });
    assert!(started.elapsed() < Duration::from_secs(5));
    assert_eq!(alive("sleep 62.25"), 0, "nothing lives when the end is told");
}

#[tokio::test]
async fn every_limit_has_a_name() {
    let place = Place::new();
    let usual = Limits::of(LONG);
    let limits = Limits { output_bytes: 10_000, ..usual };
    let finished = place.shell("yes", limits).await;
    assert_eq!((finished.end, finished.output.len()), (RunEnd::TooMuchOutput, 10_000));

    let over = |limit: &str| RunEnd::OverLimit { limit: limit.to_owned() };
    let limits = Limits { tasks: 50, ..usual };
    let bomb = "bomb() { bomb | bomb & }; bomb; sleep 60";
    assert_eq!(place.shell(bomb, limits).await.end, over("50 processes and threads"));
    // Not even one that leaves nobody else any time outruns the count.
    assert_eq!(place.shell("perl -e 'while (1) { fork }'", usual).await.end, over("2048 processes and threads"));
    let limits = Limits { memory_bytes: 100 << 20, ..usual };
    let hungry = "head -c 4G /dev/zero | tail -c 3G > /dev/null; sleep 60";
    assert_eq!(place.shell(hungry, limits).await.end, over("100 MiB of memory"));
    let limits = Limits { disk_bytes: 64 << 20, ..usual };
    let filling = "while :; do head -c 8M /dev/zero >> big || exit; done";
    assert_eq!(place.shell(filling, limits).await.end, over("64 MiB of disk"));
    // What is shared or in a file in memory counts as well, though it is no process's own.
    let limits = Limits { memory_bytes: 100 << 20, ..usual };
    let hidden = "head -c 300M /dev/zero > /dev/shm/x; sleep 60";
    assert_eq!(place.shell(hidden, limits).await.end, over("100 MiB of memory"));
    let limits = Limits { disk_files: 500, ..usual };
    let littering = "mkdir many; for i in $(seq 3000); do : > many/$i; done; sleep 60";
    assert_eq!(place.shell(littering, limits).await.end, over("500 new files"));
    let limits = Limits { file_bytes: 1 << 20, ..usual };
    assert_eq!(place.shell("exec head -c 2M /dev/zero > one", limits).await.end, RunEnd::Killed { signal: 25 });
    let limits = Limits { shm_bytes: 1 << 20, ..usual };
    let full = place.shell("head -c 2M /dev/zero > /dev/shm/x", limits).await;
    assert_eq!(full.end, RunEnd::Exited { code: 1 }, "{}", text(&full));
}

/// Reserving takes no time, and so would be over before anybody looks at the disk.
#[tokio::test]
async fn space_is_taken_by_writing_only() {
    let place = Place::new();
    let script = r#"
        for how in "" -n -z; do fallocate $how -l 20G big 2> /dev/null && echo "taken $how"; done
        perl -e 'open my $f, "+>", "older" or die; for my $call (0x40305828, 0x4030582A, 0x40305839) {
            my $all = pack("ssx4qqlLl4", 0, 0, 0, 20 << 30, 0, 0, 0, 0, 0, 0);
            print ioctl($f, $call, $all) ? "taken\n" : "$!\n" }'
        [ "$(du -k . | tail -n 1 | cut -f 1)" -lt 1000 ] || echo much
        head -c 1M /dev/zero > kept && fallocate -p -o 0 -l 512K kept && du -k kept | cut -f 1
        truncate -s 3G sparse && echo sparse"#;
    let finished = place.shell(script, Limits::usual()).await;
    assert_eq!(text(&finished), format!("{}512\nsparse\n", "Operation not supported\n".repeat(3)));
}

#[tokio::test]
async fn a_running_command_can_be_watched_stopped_and_dropped() {
    let place = Place::new();
    let start = |script: &str| run(&place.sandbox, place.sandbox.shell(&place.workspace, script, Limits::of(LONG)));
    let running = start("echo one; read -t 0.2 < <(sleep 1); echo two; exec sleep 63.25");
    running.grown_past(0).await;
    let first = running.output_so_far();
    running.grown_past(first.len()).await;
    assert_eq!(running.output_since(first.len()), b"two\n");
    assert_eq!(running.end(), None);
    running.stop();
    assert_eq!(running.finished().await.end, RunEnd::Interrupted);
    assert_eq!(running.finished().await.end, RunEnd::Interrupted);
    assert_eq!(alive("sleep 63.25"), 0);

    let running = start("echo one; exec sleep 64.25");
    running.grown_past(0).await;
    drop(running);
    tokio::task::spawn_blocking(|| await_death("sleep 64.25")).await.unwrap();
}

#[test]
fn a_runtime_that_goes_down_takes_its_commands_along() {
    let place = Place::new();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let running = runtime.block_on(async {
        let script = "echo one; setsid sleep 65.25 & exec sleep 65.25";
        let running = run(&place.sandbox, place.sandbox.shell(&place.workspace, script, Limits::of(LONG)));
        running.grown_past(0).await;
        running
    });
    drop(runtime);
    // Opening waits until they are gone.
    let (ledger, dir) = (Arc::clone(place.workspace.ledger()), place.workspace.dir().to_owned());
    drop(place.workspace);
    Workspace::open(&place.sandbox, &ledger, &dir).unwrap();
    assert_eq!(alive("sleep 65.25"), 0);
    let after = tokio::runtime::Runtime::new().unwrap();
    assert_eq!(after.block_on(running.finished()).end, RunEnd::Interrupted);
}

#[test]
fn a_daemon_runs_in_a_session_of_its_own() {
    let rig = Rig::with(&[("a", "1")]);
    let log = rig.dir.path().join("daemon.log");
    let script = "echo $$ $(ps -o sid= -p $$ 2>/dev/null || cut -d' ' -f6 /proc/$$/stat); echo $ONLY; pwd";
    let environment = [("ONLY".to_owned(), "this".to_owned()), ("PATH".to_owned(), "/usr/bin:/bin".to_owned())];
    let pid = spawn_daemon("/bin/sh".as_ref(), &["-c", script], &environment, &log).unwrap();
    let start = Instant::now();
    let expected = format!("{pid} {pid}\nthis\n/\n");
    while std::fs::read_to_string(&log).unwrap() != expected {
        assert!(start.elapsed() < Duration::from_secs(5), "{}", std::fs::read_to_string(&log).unwrap());
        std::thread::yield_now();
    }
}
