//! Commands: ends, limits, environment, what is left behind.

use crate::rig::{Rig, toolchains};
use errand_task::facts::RunEnd;
use errand_workspace::command::{Finished, Limits, SandboxPlan, run, spawn_daemon};
use errand_workspace::workspace::Workspace;
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(60);

async fn shell(workspace: &Workspace, script: &str, limits: Limits) -> Finished {
    run(SandboxPlan::shell(workspace, &toolchains(), script, limits)).finished().await
}

fn text(finished: &Finished) -> String {
    String::from_utf8_lossy(&finished.output).into_owned()
}

fn is_alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // A zombie that nobody reaps in this container is dead for us.
    !stat.is_empty() && !stat.contains(") Z")
}

fn await_death(pid: &str) {
    let start = Instant::now();
    while is_alive(pid) {
        assert!(start.elapsed() < Duration::from_secs(5), "process {pid} is still there");
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn ends_and_output_are_told() {
    let rig = Rig::with(&[("sub/a", "1")]);
    let workspace = rig.workspace();
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
        let finished = shell(&workspace, script, Limits::of(LONG)).await;
        assert_eq!(finished.end, end, "{script}: {}", text(&finished));
        let shown = text(&finished).replace("/bin/bash", "/usr/bin/bash").replace("/usr/usr/", "/usr/");
        assert_eq!(shown, output, "{script}");
    }
    let plan = SandboxPlan::shell(&workspace, &toolchains(), "pwd", Limits::usual());
    let inner = run(plan.clone().in_dir("sub")).finished().await;
    assert_eq!(text(&inner), format!("{}/sub\n", workspace.tree_dir().display()));
    for dir in ["../..", "/etc", "none"] {
        let refused = run(plan.clone().in_dir(dir)).finished().await;
        assert!(matches!(refused.end, RunEnd::NotStarted { .. }), "{dir}");
    }
    let nul = shell(&workspace, "echo \0", Limits::usual()).await;
    assert!(matches!(nul.end, RunEnd::NotStarted { .. }));
}

#[tokio::test]
async fn the_environment_is_the_list() {
    let rig = Rig::with(&[("a", "1")]);
    let workspace = rig.workspace();
    let finished = shell(&workspace, "tr '\\0' '\\n' < /proc/$$/environ | sort", Limits::of(LONG)).await;
    let mut expected: Vec<_> = toolchains()
        .environment(&workspace.home(), &workspace.tmp())
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    expected.sort();
    let lines: Vec<_> = text(&finished).lines().map(str::to_owned).filter(|line| !line.starts_with("PWD=")).collect();
    assert_eq!(lines, expected);
    let home = shell(&workspace, "echo $HOME; ls -A ~; touch ~/x $TMPDIR/y", Limits::of(LONG)).await;
    assert_eq!(text(&home), format!("{}\n", workspace.home().display()));
    assert!(workspace.home().join("x").exists() && workspace.tmp().join("y").exists());
}

#[tokio::test]
async fn a_timeout_ends_the_whole_session() {
    let rig = Rig::with(&[("a", "1")]);
    let workspace = rig.workspace();
    // A grandchild in a group of its own that ignores the polite signal.
    let script = "set -m; (trap '' TERM; echo $BASHPID; while :; do sleep 1; done) & sleep 60";
    let started = Instant::now();
    let finished = shell(&workspace, script, Limits::of(Duration::from_millis(300))).await;
    assert_eq!(finished.end, RunEnd::TimedOut);
    assert!(started.elapsed() < Duration::from_secs(10));
    await_death(text(&finished).trim());
    // One that does not ignore it may clean up.
    let polite = "trap 'echo bye; exit 3' TERM; while :; do sleep 0.05; done";
    let finished = shell(&workspace, polite, Limits::of(Duration::from_millis(300))).await;
    assert_eq!(finished.end, RunEnd::TimedOut);
    assert!(text(&finished).ends_with("bye\n"), "{}", text(&finished));
}

#[tokio::test]
async fn the_end_of_the_command_is_the_end() {
    let rig = Rig::with(&[("a", "1")]);
    let workspace = rig.workspace();
    let started = Instant::now();
    let finished = shell(&workspace, "sleep 60 & echo $!", Limits::of(LONG)).await;
    assert_eq!(finished.end, RunEnd::Exited { code: 0 });
    assert!(started.elapsed() < Duration::from_secs(5));
    await_death(text(&finished).trim());
}

#[tokio::test]
async fn too_much_output_stops_it() {
    let rig = Rig::with(&[("a", "1")]);
    let workspace = rig.workspace();
    let limits = Limits { wall: LONG, output_bytes: 10_000 };
    let finished = shell(&workspace, "yes", limits).await;
    assert_eq!((finished.end, finished.output.len()), (RunEnd::TooMuchOutput, 10_000));
}

#[tokio::test]
async fn a_running_command_can_be_watched_stopped_and_dropped() {
    let rig = Rig::with(&[("a", "1")]);
    let workspace = rig.workspace();
    let start = |script: &str| run(SandboxPlan::shell(&workspace, &toolchains(), script, Limits::of(LONG)));
    let running = start("echo $$; read -t 0.2 < <(sleep 1); echo two; sleep 60");
    running.grown_past(0).await;
    let first = running.output_so_far();
    let pid = String::from_utf8_lossy(&first).lines().next().unwrap().to_owned();
    running.grown_past(first.len()).await;
    assert_eq!(running.output_since(first.len()), b"two\n");
    assert_eq!(running.end(), None);
    running.stop();
    assert_eq!(running.finished().await.end, RunEnd::Interrupted);
    assert_eq!(running.finished().await.end, RunEnd::Interrupted);
    await_death(&pid);

    let running = start("echo $$; exec sleep 60");
    running.grown_past(0).await;
    let pid = String::from_utf8_lossy(&running.output_so_far()).trim().to_owned();
    drop(running);
    tokio::task::spawn_blocking(move || await_death(&pid)).await.unwrap();
}

#[test]
fn a_runtime_that_goes_down_takes_its_commands_along() {
    let rig = Rig::with(&[("a", "1")]);
    let workspace = rig.workspace();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (running, pid) = runtime.block_on(async {
        let running = run(SandboxPlan::shell(&workspace, &toolchains(), "echo $$; exec sleep 60", Limits::of(LONG)));
        running.grown_past(0).await;
        let pid = String::from_utf8_lossy(&running.output_so_far()).trim().to_owned();
        (running, pid)
    });
    drop(runtime);
    await_death(&pid);
    let after = tokio::runtime::Runtime::new().unwrap();
    assert_eq!(after.block_on(running.finished()).end, RunEnd::Interrupted);
}

#[tokio::test]
async fn opening_a_workspace_ends_what_a_crash_left() {
    let rig = Rig::with(&[("a", "1")]);
    let workspace = rig.workspace();
    // A process that left the session, as a daemon crash leaves whole sessions.
    let script = "setsid sleep 60 & echo $!; sleep 0.1";
    let finished = shell(&workspace, script, Limits::of(LONG)).await;
    let pid = text(&finished).trim().to_owned();
    Workspace::open(workspace.ledger(), &rig.state().join("workspaces/one")).unwrap();
    await_death(&pid);
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
