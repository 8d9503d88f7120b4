//! Commands that go on beside the model.

use crate::golden;
use crate::place::Place;
use crate::scripts::{DONE, FIX, MEND, WAITS_FOR_GATE, running, script};

#[test]
fn a_job_in_the_background_is_waited_for() {
    let start =
        format!("@call run\n@arg command = {WAITS_FOR_GATE}; rm opened.txt; echo built\n@json background = true\n");
    let wait = format!("@expect job 1\n{MEND}@call wait\n");
    let attempt = format!("@expect job 1 ended: exit 0\n@expect built\n{}", running("sh check.sh"));
    let done = DONE.replace("\"done\",", "\"done\", \"checks\": [2],");
    let place = Place::new(&script(&[&start, &wait, &attempt, &done]));
    let id = place.hand_off(&FIX);
    place.until_event(&id, "tool.started", 3);
    place.open_gate(&id);
    place.errand(&["wait", &id]).exits(0);
    golden::check("background_job", &place, &id);
}

#[test]
fn a_command_beyond_its_time_becomes_a_job() {
    let start = format!(
        "@call run\n@arg command = echo begun; {WAITS_FOR_GATE}; rm opened.txt; echo built\n@json timeout_s = 1\n"
    );
    let mend = format!("@expect job 1\n@expect begun\n{MEND}@call wait\n");
    let place = Place::new(&script(&[&start, &mend, &format!("@expect built\n{DONE}")]));
    let id = place.hand_off(&FIX);
    place.until_event(&id, "tool.started", 3);
    place.open_gate(&id);
    place.errand(&["wait", &id]).exits(0);
    golden::check("command_becomes_job", &place, &id);
}

#[test]
fn a_job_nobody_waits_for_ends_with_the_turn() {
    let start = "@call run\n@arg command = sleep 600\n@json background = true\n";
    let place = Place::new(&script(&[start, MEND, DONE]));
    place.finished(0, &FIX);
    crate::place::until("the job's end", || place.commands_running().is_empty());
}

#[test]
fn what_a_job_changes_after_the_last_call_is_in_the_result() {
    let start = format!("@call run\n@arg command = {WAITS_FOR_GATE}\n@json background = true\n");
    let place = Place::new(&script(&[&start, MEND, "@delay 1500\nI stop here.\n", "Really.\n"]));
    let id = place.hand_off(&FIX);
    place.until_requests(3);
    place.open_gate(&id);
    place.errand(&["wait", &id]).exits(3);
    let files = place.show(&id)["diff"]["files"].to_string();
    assert!(files.contains("opened.txt"), "{files}");
}
