//! More than one task, tasks that go, and people who go.

use crate::golden;
use crate::place::{Place, is_running, until};
use crate::scripts::{DONE, FIX, MEND, WAITS_FOR_GATE, mended, running, script};
use std::os::unix::process::CommandExt as _;
use std::process::Stdio;

#[test]
fn two_tasks_work_on_one_repository_at_once() {
    let place = Place::new(&script(&[&running(WAITS_FOR_GATE), MEND, DONE]));
    let ids = [place.hand_off(&FIX), place.hand_off(&FIX)];
    for id in &ids {
        place.until_event(id, "tool.started", 1);
    }
    let status = place.errand(&["daemon", "status", "--json"]).exits(0).json();
    assert_eq!(status["working"], 2);
    assert_ne!(place.workspace(&ids[0]), place.workspace(&ids[1]));
    ids.iter().for_each(|id| place.open_gate(id));
    place.errand(&["wait", &ids[0], &ids[1]]).exits(0);
    let trees = ids.each_ref().map(|id| place.show(id)["result_tree"].clone());
    assert_eq!(trees[0], trees[1]);
    golden::check("one_of_two", &place, &ids[1]);
}

#[test]
fn the_second_of_two_results_is_refused_where_it_conflicts() {
    let other = MEND.replace("hello", "hello, dear");
    let place = Place::new(&script(&[MEND, DONE]));
    let first = place.finished(3, &["one way"]);
    place.play(&script(&[&other, DONE]));
    let second = place.finished(3, &["another way"]);
    place.errand(&["apply", &first]).exits(0);
    let before = place.everything();
    place.errand(&["apply", &second]).exits(2);
    assert_eq!(place.everything(), before);
}

#[test]
fn a_working_task_is_not_removed_a_finished_one_is() {
    let place = Place::new(&script(&[&running(WAITS_FOR_GATE), MEND, DONE]));
    let id = place.hand_off(&[&["--name", "job"], &FIX[..]].concat());
    place.until_event(&id, "tool.started", 1);
    let refused = place.errand(&["rm", &id]).exits(2);
    assert!(refused.err().contains("still working"), "{}", refused.err());
    place.open_gate(&id);
    place.errand(&["wait", &id]).exits(0);
    place.errand(&["apply", &id, "--branch", "kept"]).exits(0);
    let workspace = place.workspace(&id);
    place.errand(&["rm", &id]).exits(0);
    assert_eq!(place.errand(&["ls", "--json"]).json(), serde_json::json!([]));
    place.errand(&["show", &id]).exits(2);
    place.errand(&["show", "job"]).exits(2);
    assert!(!workspace.exists());
    assert!(place.git(&["show", "kept:greet.sh"]).contains("hello world"), "the branch is the person's");
    assert!(place.errand(&["cost"]).exits(0).out().contains(&id), "what was spent stays in the books");
}

#[test]
fn a_removed_name_can_be_given_again() {
    let place = Place::new(&mended());
    let named = [&["--name", "job"], &FIX[..]].concat();
    place.finished(0, &named);
    place.errand(&[&["run"], &named[..]].concat()).exits(2);
    place.errand(&["rm", "job"]).exits(0);
    place.finished(0, &named);
}

#[test]
fn a_closed_terminal_takes_nothing_with_it() {
    let place = Place::new(&script(&[&running(WAITS_FOR_GATE), MEND, DONE]));
    // A shell of its own that hands off and goes on, as a terminal does; then its whole group is killed.
    let binary = place.call(&[]).into_command();
    let mut shell = std::process::Command::new("sh");
    shell
        .args(["-c", "\"$0\" run 'mend it' --name job > receipt.txt; touch returned; sleep 600"])
        .arg(binary.get_program());
    shell.env_clear().current_dir(place.repository()).process_group(0);
    shell.envs(binary.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let shell = shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut shell = shell.spawn().unwrap();
    until("run's return", || place.repository().join("returned").exists());
    let daemon = place.daemon_pid();
    let group = rustix::process::Pid::from_raw(i32::try_from(shell.id()).unwrap()).unwrap();
    rustix::process::kill_process_group(group, rustix::process::Signal::HUP).unwrap();
    rustix::process::kill_process_group(group, rustix::process::Signal::KILL).unwrap();
    shell.wait().unwrap();
    place.until_event("job", "tool.started", 1);
    assert!(is_running(daemon));
    assert_eq!(place.daemon_pid(), daemon, "the same daemon goes on");
    place.open_gate("job");
    place.errand(&["wait", "job"]).exits(3);
}
