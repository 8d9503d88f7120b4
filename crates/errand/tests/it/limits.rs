//! Steps, minutes and dollars are walls.

use crate::golden;
use crate::place::{Place, kind};
use crate::scripts::MEND;

const ENDLESS: &str = "=== 1\n@call list\n=== 2\n@call read\n@json files = [{\"path\": \"greet.sh\"}]\n@repeat\n";

#[test]
fn steps_are_counted() {
    let place = Place::new(ENDLESS);
    let id = place.finished(6, &["look around", "--steps", "3"]);
    let shown = place.show(&id);
    assert_eq!((&shown["state"], shown["steps"].as_u64()), (&"failed".into(), Some(3)));
    assert_eq!(place.n_requests(), 3);
    golden::check("steps_limit", &place, &id);
}

#[test]
fn what_was_done_before_the_limit_is_kept() {
    let place = Place::new(&format!("=== 1\n{MEND}\n@repeat\n"));
    let id = place.finished(6, &["mend it", "--steps", "1"]);
    assert!(place.errand(&["diff", &id]).exits(0).out().contains("+echo \"hello world\""));
    place.errand(&["apply", &id]).exits(0);
    assert_eq!(place.git(&["status", "--porcelain"]), " M greet.sh\n");
}

#[test]
fn the_budget_is_never_exceeded_not_even_by_a_reservation() {
    const BUDGET: i64 = 250_000_000_000;
    let place = Place::new(ENDLESS);
    let id = place.finished(6, &["look around", "--model", "opus", "--budget", "0.25"]);
    let (mut gone, mut reserved, mut n_answers) = (0, 0, 0);
    for record in place.records(&id) {
        let body = |what: &str, field: &str| record["event"]["model"][what][field].as_i64();
        match kind(&record).as_str() {
            "model.requested" => reserved = body("requested", "reserved").unwrap(),
            "model.received" => {
                gone += record["event"]["model"]["received"]["cost"]["known"]["amount"].as_i64().unwrap();
                (reserved, n_answers) = (0, n_answers + 1);
            }
            "model.failed" => (gone, reserved) = (gone + body("failed", "uncertain").unwrap(), 0),
            _ => {}
        }
        assert!(gone + reserved <= BUDGET, "{gone} spent and {reserved} reserved at {record}");
    }
    assert!(n_answers > 0, "the first request was affordable");
    assert_eq!(place.n_requests(), n_answers, "what is not affordable is not sent");
}

#[test]
fn what_the_least_answer_needs_is_spent() {
    let place = Place::new(ENDLESS);
    let id = place.finished(6, &["look around", "--model", "opus", "--budget", "0.16"]);
    let short = &place.events(&id, "model.unaffordable")[0];
    assert!(short["needed"].as_i64() > short["left"].as_i64(), "{short}");
    assert_eq!(place.n_requests(), 1);
}

#[test]
fn a_raised_budget_goes_on() {
    let place = Place::new(ENDLESS);
    let id = place.finished(6, &["look around", "--model", "opus", "--budget", "0.0001"]);
    assert_eq!(place.n_requests(), 0);
    golden::check("budget_limit", &place, &id);
    place.play("=== 1\n@call finish\n@input\n{\"outcome\": \"nothing_to_change\", \"summary\": \"Seen.\"}\n");
    place.errand(&["reply", &id, "go on", "--budget", "2"]).exits(0);
    place.errand(&["wait", &id]).exits(3);
    assert_eq!(place.show(&id)["steps"], 1);
}
