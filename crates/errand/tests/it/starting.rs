//! How the daemon comes up and goes, and from where people call.

use crate::place::{Place, until};
use crate::scripts::{DONE, FIX, MEND, WAITS_FOR_GATE, mended, running, script};
use std::process::Stdio;

#[test]
fn many_first_callers_start_one_daemon() {
    let place = Place::new(&mended());
    let start = |_| place.call(&["daemon", "start", "--json"]).into_command().stdout(Stdio::piped()).spawn().unwrap();
    let callers: Vec<_> = (0..8).map(start).collect();
    let mut pids: Vec<_> = callers
        .into_iter()
        .map(|caller| {
            let output = caller.wait_with_output().unwrap();
            assert!(output.status.success(), "{output:?}");
            let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
            status["pid"].as_i64().unwrap()
        })
        .collect();
    pids.dedup();
    assert_eq!(pids.len(), 1, "{pids:?}");
}

#[test]
fn a_socket_that_nobody_listens_on_is_no_daemon() {
    let place = Place::new(&mended());
    place.errand(&["daemon", "start"]).exits(0);
    place.kill_daemon();
    assert!(place.state_dir().join("daemon.sock").exists());
    place.errand(&["daemon", "status"]).exits(75);
    place.errand(&["ls"]).exits(0);
}

/// What a killed daemon leaves while one of its threads still waits for the disk.
#[test]
fn a_socket_that_takes_calls_and_never_answers_is_no_daemon() {
    let place = Place::new(&mended());
    place.errand(&["daemon", "start"]).exits(0);
    place.kill_daemon();
    let socket = place.state_dir().join("daemon.sock");
    std::fs::remove_file(&socket).unwrap();
    let _silent = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    place.errand(&["ls"]).exits(0);
    place.errand(&["daemon", "status"]).exits(0);
}

#[test]
fn a_state_directory_with_a_long_path() {
    let place = Place::new(&mended());
    let home = place.root().join("a-long-name-for-a-folder-".repeat(6)).join("state");
    let home = home.to_str().unwrap();
    let call = |arguments: &[&str]| place.call(arguments).env("ERRAND_HOME", home).ran();
    let outcome = call(&["daemon", "start"]);
    call(&["daemon", "stop", "--now"]);
    outcome.exits(0);
}

#[test]
fn a_watcher_whose_daemon_dies_is_told_to_come_back() {
    let place = Place::new(&script(&[&running(WAITS_FOR_GATE), MEND, DONE]));
    let id = place.hand_off(&FIX);
    place.until_event(&id, "tool.started", 1);
    let mut watcher = place.call(&["logs", "-f", &id]).into_command();
    let watcher = watcher.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It has begun to watch when it has asked; asking takes no longer than this verb.
    place.errand(&["show", &id]).exits(0);
    place.kill_daemon();
    let output = watcher.wait_with_output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(75) && err.starts_with("errand: ") && err.contains("→"), "{output:?}");
    place.until_event(&id, "tool.started", 2);
    place.open_gate(&id);
    place.errand(&["wait", &id]).exits(0);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let place = Place::new(&mended());
    let id = place.finished(0, &FIX);
    for verb in ["logs", "show", "diff"] {
        let mut command = place.call(&[verb, &id]).into_command();
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{verb}");
    }
}

#[test]
fn from_a_folder_below_the_repository() {
    let place = Place::new(&mended());
    let below = place.repository().join("docs");
    place.call(&[&["run", "--wait", "--name", "job"], &FIX[..]].concat()).dir(&below).ran().exits(0);
    assert_eq!(place.show("job")["repository"].as_str(), place.repository().to_str());
    place.call(&["apply", "job"]).dir(&below).ran().exits(0);
    assert_eq!(place.git(&["status", "--porcelain"]), " M greet.sh\n");
}

#[test]
fn from_a_worktree_of_the_repository() {
    let place = Place::new(&mended());
    let tree = place.root().join("second tree's");
    place.git(&["worktree", "add", "--quiet", "-b", "second", tree.to_str().unwrap()]);
    place.call(&[&["run", "--wait", "--name", "job"], &FIX[..]].concat()).dir(&tree).ran().exits(0);
    place.errand(&["apply", "job"]).exits(0);
    assert_eq!(place.git(&["status", "--porcelain"]), "");
    assert!(std::fs::read_to_string(tree.join("greet.sh")).unwrap().contains("hello world"));
}

#[test]
fn a_repository_that_went_away_is_named() {
    let place = Place::new(&mended());
    let id = place.finished(0, &FIX);
    let moved = place.root().join("moved");
    std::fs::rename(place.repository(), &moved).unwrap();
    place.errand(&["show", &id]).exits(0);
    assert!(place.errand(&["diff", &id]).exits(0).out().contains("hello world"), "the result is in the ledger");
    let ran = place.errand(&["apply", &id]);
    assert!(ran.output.status.code() != Some(0) && ran.err().contains("repository"), "{}", ran.err());
    std::fs::rename(&moved, place.repository()).unwrap();
    place.errand(&["apply", &id]).exits(0);
}

#[test]
fn a_task_that_waits_for_the_person_survives_a_restart_and_a_stop_ends_it() {
    let place = Place::new(&script(&[&format!("@spend-limit\n{MEND}"), DONE]));
    let id = place.finished(7, &FIX);
    place.kill_daemon();
    place.errand(&["wait", &id]).exits(7);
    assert_eq!(place.n_requests(), 1, "it rests");
    place.errand(&["stop", &id]).exits(0);
    until("the end", || place.show(&id)["state"] == "cancelled");
    place.errand(&["wait", &id]).exits(130);
    until("no worker", || place.errand(&["daemon", "status", "--json"]).json()["working"] == 0);
}
