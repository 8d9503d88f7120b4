//! Endpoints that fail: what passes is waited out, what needs the person says so, and money that may be gone is counted.

use crate::golden;
use crate::place::{Place, kind};
use crate::scripts::{DONE, FIX, LOOK, MEND, TRY, mended, script};
use errand_sim::ApiKeys;

#[test]
fn passing_faults_are_waited_out_and_only_cut_answers_are_uncertain() {
    let steps = [
        format!("@error 529 overloaded_error Overloaded\n@times 2\n{LOOK}"),
        format!("@error 429 rate_limit_error Slow down\n@retry-after 1\n{MEND}"),
        format!("@cut 700\n@reset\n{TRY}"),
        format!("@error-midstream overloaded_error Overloaded\n@html 502\nLooking once more.\n{TRY}"),
        DONE.to_owned(),
    ];
    let place = Place::new(&script(&steps.each_ref().map(String::as_str)));
    let id = place.finished(0, &FIX);
    let failures = place.events(&id, "model.failed");
    let seen: Vec<_> = failures
        .iter()
        .map(|failed| {
            (failed["step"].as_u64().unwrap(), failed["failure"]["http_status"].as_u64(), failed["uncertain"] != 0)
        })
        .collect();
    assert_eq!(
        seen,
        [
            (1, Some(529), false),
            (1, Some(529), false),
            (2, Some(429), false),
            (3, None, true),
            (3, None, true),
            (4, None, true),
            (4, Some(502), false),
        ],
        "{failures:#?}"
    );
    let shown = place.show(&id);
    assert!(shown["cost"]["uncertain_usd"].as_f64() > Some(0.0));
    golden::check("passing_faults", &place, &id);
}

#[test]
fn a_retry_after_is_obeyed() {
    let place = Place::new(&script(&[&format!("@error 429 rate_limit_error Slow down\n@retry-after 2\n{MEND}"), DONE]));
    let id = place.finished(0, &FIX);
    let at: Vec<_> = place.sim.requests().iter().map(|request| request.at).collect();
    assert!(at[1].duration_since(at[0]).unwrap().as_millis() >= 2_000);
    assert_eq!(place.show(&id)["cost"]["uncertain_usd"], 0.0);
}

#[test]
fn a_wrong_key_needs_the_person() {
    let place = Place::with_keys(&mended(), ApiKeys::Only(vec!["another".to_owned()]));
    let ran = place.errand(&[&["run", "--wait"], &FIX[..]].concat()).exits(7);
    assert!(ran.out().contains("input_required") && ran.out().contains("resume"), "{}", ran.out());
    let id = place.errand(&["ls", "--json"]).json()[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(place.n_requests(), 1, "a wrong key is not tried again");
    assert_eq!(place.show(&id)["cost"]["uncertain_usd"], 0.0);
    golden::check("wrong_key", &place, &id);
}

#[test]
fn a_task_goes_on_with_the_right_key() {
    let place = Place::with_keys(&mended(), ApiKeys::Only(vec!["right".to_owned()]));
    let id = place.finished(7, &FIX);
    place.errand(&["resume", &id]).exits(0);
    place.errand(&["wait", &id]).exits(7);
    place.call(&["resume", "--new-endpoint", &id]).env("ANTHROPIC_API_KEY", "right").ran().exits(0);
    place.errand(&["wait", &id]).exits(0);
    golden::check("right_key", &place, &id);
}

#[test]
fn a_spend_limit_needs_the_person_and_resume_goes_on() {
    let place = Place::new(&script(&[&format!("@spend-limit\n{MEND}"), DONE]));
    let id = place.finished(7, &FIX);
    assert_eq!(place.show(&id)["state"], "input_required");
    place.errand(&["resume", &id]).exits(0);
    place.errand(&["wait", &id]).exits(0);
    golden::check("spend_limit", &place, &id);
}

#[test]
fn a_refusal_fails_the_task() {
    let place = Place::new(&script(&[MEND, "I would rather not.\n@refusal cyber\n"]));
    let id = place.finished(1, &FIX);
    let shown = place.show(&id);
    assert_eq!(shown["state"], "failed");
    assert!(shown["note"].as_str().unwrap().contains("refused"), "{}", shown["note"]);
    assert!(place.errand(&["diff", &id]).out().contains("+echo \"hello world\""), "what was done is kept");
    golden::check("refusal", &place, &id);
}

#[test]
fn an_invalid_request_fails_without_a_second_try() {
    let place = Place::new(&script(&["@error 400 invalid_request_error no such thing\nNever.\n"]));
    let id = place.finished(1, &FIX);
    assert_eq!(place.n_requests(), 1);
    assert_eq!(place.show(&id)["state"], "failed");
}

#[test]
fn a_model_the_endpoint_does_not_have_needs_the_person() {
    let place = Place::new(&script(&["@error 404 not_found_error model: claude-sonnet-5-5\n@times 9\nNever.\n"]));
    let id = place.finished(7, &FIX);
    let shown = place.show(&id);
    assert_eq!(shown["state"], "input_required");
    assert!(!shown["hint"].as_str().unwrap().is_empty());
    golden::check("model_not_found", &place, &id);
}

#[test]
fn strange_streams_are_understood() {
    let steps = [
        format!("@chunk 1\n@crlf\n{LOOK}"),
        format!("@unknown-events\n@two-message-deltas\n{MEND}"),
        format!("@chunk 7\n@unknown-events\n{DONE}"),
    ];
    let place = Place::new(&script(&steps.each_ref().map(String::as_str)));
    let id = place.finished(0, &FIX);
    assert!(!place.records(&id).iter().any(|record| kind(record) == "model.failed"));
}
