//! A kernel, or its policy, without one of the walls: no namespaces or no seccomp, and commands are refused with the reason
//! and the remedy while all else goes on; no Landlock, and that is said.

use super::{Siege, files};
use crate::place::{Place, Ran, program, until};
use crate::scripts::{DONE, FIX, MEND, script};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The example that takes a wall away: beside the binary, as it is built with it.
fn without() -> PathBuf {
    let without = program().parent().unwrap().join("examples/without");
    assert!(without.exists(), "build it with: cargo build -p errand --example without");
    without
}

/// A siege whose daemon runs without a wall, with this PATH.
struct Weak {
    siege: Siege,
    daemon: Child,
}

impl Weak {
    fn new(wall: &str, path: Option<&Path>) -> Self {
        let mut siege = Siege::new();
        siege.place.errand(&["daemon", "stop"]).exits(0);
        let home = siege.place.state_dir();
        let mut call = siege.place.call(&["daemon", "run", "--home", home.to_str().unwrap()]);
        if let Some(path) = path {
            call = call.env("PATH", path.to_str().unwrap());
        }
        let call = call.into_command();
        let log = home.join("foreground.log");
        let out = std::fs::File::create(&log).unwrap();
        let mut command = Command::new(without());
        command.arg(wall).arg(call.get_program()).args(call.get_args()).env_clear().current_dir("/");
        command.envs(call.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let daemon = command.stdin(Stdio::null()).stdout(out.try_clone().unwrap()).stderr(out).spawn().unwrap();
        siege.logs.push(log);
        let weak = Self { siege, daemon };
        until("the daemon", || weak.place().errand(&["daemon", "status"]).output.status.success());
        assert_eq!(weak.place().daemon_pid().unsigned_abs(), weak.daemon.id(), "it is the one without a wall");
        weak
    }

    fn place(&self) -> &Place {
        &self.siege.place
    }

    fn doctor(&self) -> Ran {
        self.place().errand(&["doctor"])
    }
}

impl Drop for Weak {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

/// A folder that is a PATH without bwrap.
fn programs(siege_root: &Path) -> PathBuf {
    let folder = siege_root.join("home/programs");
    std::fs::create_dir_all(&folder).unwrap();
    let path = std::env::var_os("PATH").unwrap();
    let git = std::env::split_paths(&path).map(|dir| dir.join("git")).find(|git| git.is_file()).unwrap();
    let link = folder.join("git");
    if !link.exists() {
        std::os::unix::fs::symlink(git, link).unwrap();
    }
    folder
}

/// Commands are refused, all else goes on. The remedy holds `remedy`.
#[track_caller]
fn refuses(wall: &str, has_bwrap: bool, reason: &str, remedy: &str) {
    let shelf = tempfile::tempdir().unwrap();
    let path = programs(shelf.path());
    let mut weak = Weak::new(wall, (!has_bwrap).then_some(path.as_path()));
    weak.siege.remember();
    let siege = &weak.siege;
    let place = weak.place();

    // File tools go on, the model learns why a command does not, and the job can be finished.
    let runs = format!(
        "{}@call run\n@arg command = touch {}\n@json background = true\n",
        siege.runs("touch ran; touch /tmp/ran"),
        place.root().join("ran").display()
    );
    let reads = format!(
        "@expect not started\n@expect {reason}\n@expect {remedy}\n@call read\n@json files = [{{\"path\": \"greet.sh\"}}]\n@call search\n@arg pattern = helo\n"
    );
    place.play(&script(&[&runs, &reads, &format!("@expect helo world\n{MEND}"), DONE]));
    let id = place.finished(3, &["mend it"]);
    let shown = place.show(&id);
    assert_eq!(shown["verdict"], "unverified", "{shown}");
    let files = shown["diff"]["files"].as_array().unwrap();
    assert_eq!(files.len(), 1, "nothing of the command ran: {files:?}");
    let results = siege.results(&id);
    for result in &results[..2] {
        assert!(result.contains(reason) && result.contains(remedy), "{result}");
    }
    assert!(results[3].contains("helo"), "{}", results[3]);
    assert!(!place.root().join("ran").exists());
    siege.holds(&id);

    // What errand must run itself, it does not; the person is told.
    let n_before = place.n_requests();
    let ran = place.errand(&[&["run", "--wait"], &FIX[..]].concat()).exits(8);
    assert!(ran.out().contains(reason) && ran.out().contains(remedy), "{}{}", ran.out(), ran.err());
    assert_eq!(place.n_requests(), n_before, "it costs nothing");

    let doctor = weak.doctor().exits(8).out();
    assert!(doctor.contains("commands are refused") && doctor.contains(reason) && doctor.contains(remedy), "{doctor}");
}

#[test]
fn r35_no_user_namespaces_with_bwrap() {
    refuses("user-namespaces", true, "does not let this user make namespaces", "allow user namespaces for this user");
}

#[test]
fn r35_no_user_namespaces_without_bwrap() {
    refuses("user-namespaces", false, "does not let this user make namespaces", "install bubblewrap");
}

#[test]
fn r35_no_seccomp_with_bwrap() {
    refuses("seccomp", true, "the seccomp wall cannot be built", "seccomp filters");
}

#[test]
fn r35_no_seccomp_without_bwrap() {
    refuses("seccomp", false, "the seccomp wall cannot be built", "seccomp");
}

#[test]
fn r35_without_landlock_commands_run_and_the_missing_wall_is_told() {
    let weak = Weak::new("landlock", None);
    let doctor = weak.doctor().exits(0).out();
    assert!(doctor.contains("no Landlock: the third wall is missing"), "{doctor}");
    let home = weak.place().root().join("home").display().to_string();
    let result = weak.siege.withstands(&format!(
        "cat {home}/notes.txt ~/.ssh/* && echo REACHED\necho x > /usr/x && echo REACHED\n{}",
        files::settings(&weak.siege)
    ));
    assert!(result.contains("exit 0"), "{result}");
    let checked = weak.place().errand(&[&["run", "--wait"], &FIX[..]].concat());
    checked.exits(0);
}

/// Numbers a process namespace keeps back, and what init, stages and the rest of the machine may need meanwhile.
const SPARE_PROCESSES: usize = 1_000;

#[test]
fn s81_a_fork_bomb_that_outruns_init_under_bwrap() {
    let weak = Weak::new("mount-calls", None);
    let before = n_processes();
    let (n_most, is_over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let (most, over) = (Arc::clone(&n_most), Arc::clone(&is_over));
    let counting = std::thread::spawn(move || {
        while !over.load(Ordering::Relaxed) {
            most.fetch_max(n_processes(), Ordering::Relaxed);
        }
    });
    // Two thousand that never wait slow the whole machine down: how promptly the daemon answers is not asked here.
    let (id, _) = weak.siege.attacked_by(&[&weak.siege.runs("perl -e 'while (1) { fork }'")]);
    let end = weak.place().events(&id, "tool.ended")[0]["runs"][0]["end"].clone();
    weak.siege.holds(&id);
    is_over.store(true, Ordering::Relaxed);
    counting.join().unwrap();
    let n_most = n_most.load(Ordering::Relaxed);
    assert_eq!(end["over_limit"]["limit"], "2048 processes and threads", "{end}");
    assert!(n_most < before + 2_048 + SPARE_PROCESSES, "{n_most} processes, {before} before");
}

fn n_processes() -> usize {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    entries.filter(|entry| entry.file_name().to_str().is_some_and(|name| name.parse::<u32>().is_ok())).count()
}

#[test]
fn r35_where_the_own_backend_cannot_bwrap_does() {
    let weak = Weak::new("mount-calls", None);
    let doctor = weak.doctor().exits(0).out();
    assert!(doctor.contains("namespaces by ") && doctor.contains("bwrap"), "{doctor}");
    let root = weak.place().root().display().to_string();
    let result = weak.siege.withstands(&format!(
        "cat {root}/home/notes.txt ~/.ssh/* {root}/beside.txt && echo REACHED
ls -A ~ | grep . && echo REACHED
ls -l /proc/self/fd
env
{}",
        files::settings(&weak.siege)
    ));
    assert!(!result.contains("CANARY"), "{result}");
    assert_eq!(result.lines().filter(|line| line.contains(" -> ")).count(), 4, "{result}");
}
