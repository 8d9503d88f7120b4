//! `stop`: quiet at once, nothing lost, nothing left running.

use crate::golden;
use crate::place::{Place, kind, until};
use crate::scripts::{DONE, FIX, MEND, mended, script};

fn stopped(place: &Place, id: &str) {
    place.errand(&["stop", id]).exits(0);
    let ran = place.errand(&["wait", id]).exits(130);
    assert!(ran.out().contains("cancelled"), "{}", ran.out());
    let records = place.records(id);
    let at = |wanted: &str| {
        let record = records.iter().find(|record| kind(record) == wanted).unwrap();
        record["at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap()
    };
    let took = at("task.ended").duration_since(at("person.stop_requested"));
    assert!(took.as_millis() < 2_000, "quiet after {took:?}");
    assert_eq!(place.show(id)["state"], "cancelled");
    let patch = place.errand(&["diff", id]).exits(0).out();
    assert!(patch.contains("+echo \"hello world\""), "what was done is kept: {patch}");
    until("the commands' end", || place.commands_running().is_empty());
}

#[test]
fn while_the_model_has_not_begun_to_answer() {
    let place = Place::new(&script(&[MEND, &format!("@delay 600000\n{DONE}")]));
    let id = place.hand_off(&FIX);
    place.until_requests(2);
    stopped(&place, &id);
    assert!(place.show(&id)["cost"]["uncertain_usd"].as_f64() > Some(0.0), "a cut request may be billed");
    golden::check("stop_before_answer", &place, &id);
}

#[test]
fn while_the_model_answers() {
    let place = Place::new(&script(&[MEND, &format!("@stall 600000\n{DONE}")]));
    let id = place.hand_off(&FIX);
    place.until_requests(2);
    stopped(&place, &id);
}

#[test]
fn while_a_command_runs() {
    let place = Place::new(&script(&[MEND, "@call run\n@arg command = touch begun.txt; sleep 60 & sleep 60\n"]));
    let id = place.hand_off(&FIX);
    let begun = || std::fs::exists(place.changed(&id).join("begun.txt")).unwrap();
    place.until_event(&id, "tool.started", 2);
    until("the command's first deed", begun);
    stopped(&place, &id);
    golden::check("stop_in_command", &place, &id);
}

#[test]
fn a_stopped_command_is_not_said_to_have_never_run() {
    let place = Place::new(&script(&[MEND, "@call run\n@arg command = echo half of it | tee begun.txt; sleep 60\n"]));
    let id = place.hand_off(&FIX);
    place.until_event(&id, "tool.started", 2);
    until("the command's first deed", || std::fs::exists(place.changed(&id).join("begun.txt")).unwrap());
    stopped(&place, &id);
    let ended = place.events(&id, "tool.ended")[1].clone();
    assert!(!ended["output"]["inline"].as_str().unwrap().contains("not run"), "{ended}");
    assert_eq!(place.show(&id)["commands"][0]["outcome"], "interrupted");
}

#[test]
fn while_a_check_runs() {
    let place = Place::new(&script(&[MEND, DONE]));
    let check = "sh check.sh && { while [ ! -f docs/gate ]; do sleep 0.1; done; }";
    let id = place.hand_off(&["mend it", "--check", check, "--may-fail"]);
    place.until_event(&id, "check.started", 2);
    stopped(&place, &id);
}

#[test]
fn a_stopped_task_goes_on_with_resume() {
    let place = Place::new(&script(&[MEND, "@call run\n@arg command = sleep 60\n"]));
    let id = place.hand_off(&FIX);
    place.until_event(&id, "tool.started", 2);
    stopped(&place, &id);
    place.play(&script(&[MEND, "@call run\n@arg command = sleep 60\n", DONE]));
    place.errand(&["resume", &id]).exits(0);
    place.errand(&["wait", &id]).exits(0);
    golden::check("stopped_and_resumed", &place, &id);
}

#[test]
fn a_finished_task_is_not_stopped_again() {
    let place = Place::new(&mended());
    let id = place.finished(0, &FIX);
    place.errand(&["stop", &id]).exits(0);
    assert_eq!(place.show(&id)["state"], "completed");
}

#[test]
fn a_waiting_task_that_is_stopped_waits_no_more() {
    let place = Place::new(&script(&[&format!("@spend-limit\n{MEND}"), DONE]));
    let id = place.finished(7, &FIX);
    let told = place.errand(&["stop", &id]).exits(0).out();
    assert!(!told.contains("input_required"), "{told}");
    place.errand(&["wait", &id]).exits(130);
}
