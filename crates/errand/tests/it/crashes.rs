//! The daemon dies at the worst moments. The next verb starts it, the task goes on by itself, and the end is the same.

use crate::place::{Place, is_running, kill, until};
use crate::scripts::{DONE, FIX, LOOK, MEND, TRY, WAITS_FOR_GATE, mended, running, script};
use serde_json::Value;

/// What of a task's end must not depend on crashes.
fn end_of(place: &Place, id: &str) -> Value {
    let shown = place.show(id);
    let checks = shown["checks"].as_array().unwrap().iter();
    let checks: Vec<_> =
        checks.map(|check| (check["phase"].clone(), check["passed"].clone(), check["tree"].clone())).collect();
    serde_json::json!([
        shown["verdict"],
        shown["exit_code"],
        shown["result_tree"],
        shown["diff"],
        shown["steps"],
        shown["report"],
        checks
    ])
}

fn undisturbed(script: &str, open_gate: bool) -> Value {
    let place = Place::new(script);
    let id = place.hand_off(&FIX);
    if open_gate {
        place.until_event(&id, "tool.started", 1);
        place.open_gate(&id);
    }
    place.errand(&["wait", &id]).exits(0);
    end_of(&place, &id)
}

#[test]
fn while_it_waits_for_the_model() {
    let held = script(&[LOOK, &format!("@delay 600000\n{MEND}"), TRY, DONE]);
    let place = Place::new(&held);
    let id = place.hand_off(&FIX);
    place.until_requests(2);
    place.kill_daemon();
    place.play(&mended());
    place.errand(&["wait", &id]).exits(0);
    assert_eq!(end_of(&place, &id), undisturbed(&mended(), false));
    let bodies: Vec<_> = place.sim.requests().into_iter().map(|request| request.body).collect();
    assert_eq!(bodies.len(), 5, "four steps, one of them asked twice");
    assert_eq!(bodies[1], bodies[2], "it is asked with the same bytes");
    assert!(place.show(&id)["cost"]["uncertain_usd"].as_f64() > Some(0.0));
}

#[test]
fn while_a_command_runs() {
    let steps = script(&[&running(WAITS_FOR_GATE), MEND, DONE]);
    let expected = undisturbed(&steps, true);
    let place = Place::new(&steps);
    let id = place.hand_off(&FIX);
    place.until_event(&id, "tool.started", 1);
    until("the command", || !place.commands_running().is_empty());
    place.kill_daemon();
    place.until_event(&id, "tool.started", 2);
    place.open_gate(&id);
    place.errand(&["wait", &id]).exits(0);
    assert_eq!(end_of(&place, &id), expected, "the command's effect is there exactly once");
    assert_eq!(place.n_requests(), 3, "no request is repeated");
}

#[test]
fn a_command_does_not_outlive_its_daemon() {
    let place = Place::new(&script(&[&running(WAITS_FOR_GATE), MEND, DONE]));
    let id = place.hand_off(&FIX);
    place.until_event(&id, "tool.started", 1);
    until("the command", || !place.commands_running().is_empty());
    place.kill_daemon();
    // Nobody starts a daemon meanwhile.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
    while !place.commands_running().is_empty() && std::time::Instant::now() < deadline {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(place.commands_running(), []);
}

#[test]
fn between_two_attempts() {
    let faulty = format!("@error 529 overloaded_error Overloaded\n@retry-after 3\n{MEND}");
    let place = Place::new(&script(&[LOOK, &faulty, TRY, DONE]));
    let id = place.hand_off(&FIX);
    place.until_event(&id, "model.failed", 1);
    place.kill_daemon();
    place.errand(&["wait", &id]).exits(0);
    assert_eq!(end_of(&place, &id), undisturbed(&mended(), false));
    assert_eq!(place.n_requests(), 5);
}

#[test]
fn while_a_check_runs() {
    let check = "sh check.sh && { n=0; while [ $n -lt 40 ]; do sleep 0.05; n=$((n+1)); done; }";
    let job = ["mend it", "--check", check, "--may-fail"];
    let place = Place::new(&mended());
    let id = place.hand_off(&job);
    place.until_event(&id, "check.started", 2);
    place.kill_daemon();
    place.errand(&["wait", &id]).exits(0);
    assert_eq!(place.n_requests(), 4);
    assert_eq!(place.show(&id)["verdict"], "verified");
}

/// Kills the daemon this often, each time as soon as the journal has grown.
const KILLS: usize = 10;

#[test]
fn again_and_again_after_whatever_was_written_last() {
    // Slow enough that every part of a step can be hit.
    let slowly = |step: &str| format!("@delay 120\n{step}");
    let attempt = TRY.replace("sh check.sh &&", "sleep 0.2; sh check.sh &&");
    let steps = [LOOK, MEND, &attempt, DONE].map(slowly);
    let steps = script(&steps.each_ref().map(String::as_str));
    let place = Place::new(&steps);
    let job = [&FIX[..], &["--budget", "50"]].concat();
    let id = place.hand_off(&job);
    let (mut n_seen, mut n_kills) = (0, 0);
    while n_kills < KILLS {
        let pid = place.errand(&["daemon", "start", "--json"]).exits(0).json()["pid"].as_i64().unwrap();
        let pid = i32::try_from(pid).unwrap();
        let mut kinds = Vec::new();
        until("one more event or the end", || {
            kinds = place.kinds(&id);
            kinds.len() > n_seen || kinds.iter().any(|kind| kind == "task.ended")
        });
        if kinds.iter().any(|kind| kind == "task.ended") {
            break;
        }
        kill(pid);
        until("the daemon's end", || !is_running(pid));
        (n_seen, n_kills) = (kinds.len(), n_kills + 1);
    }
    place.errand(&["wait", &id]).exits(0);
    assert!(n_kills > 3, "{n_kills} kills");
    let undisturbed = Place::new(&steps);
    let other = undisturbed.finished(0, &job);
    assert_eq!(end_of(&place, &id), end_of(&undisturbed, &other), "after {n_kills} kills");
    assert!(place.n_requests() <= 4 + n_kills, "{} requests, {n_kills} kills", place.n_requests());
    assert_eq!(place.events(&id, "model.received").len(), 4, "what was received is never asked for again");
}

#[test]
fn a_background_job_is_lost_and_the_model_is_told() {
    let start = "@call run\n@arg command = sleep 600\n@json background = true\n";
    let place = Place::new(&script(&[start, &format!("@delay 600000\n{MEND}"), "@call wait\n", DONE]));
    let id = place.hand_off(&FIX);
    place.until_requests(2);
    place.kill_daemon();
    let told = format!("@expect no such job\n{DONE}");
    place.play(&script(&[start, MEND, "@call wait\n", &told]));
    place.errand(&["wait", &id]).exits(0);
}

#[test]
fn a_stopped_daemon_lets_the_step_finish_and_goes_on_later() {
    let place = Place::new(&script(&[LOOK, &format!("@delay 1000\n{MEND}"), TRY, DONE]));
    let id = place.hand_off(&FIX);
    place.until_requests(2);
    place.errand(&["daemon", "stop"]).exits(0);
    place.errand(&["daemon", "status"]).exits(75);
    assert_eq!(place.n_requests(), 2);
    place.errand(&["wait", &id]).exits(0);
    assert_eq!(place.n_requests(), 4, "the step was finished, nothing is asked twice");
    assert_eq!(end_of(&place, &id), undisturbed(&mended(), false));
}
