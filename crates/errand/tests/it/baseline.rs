//! Before a cent is spent: the checks on the untouched base.

use crate::golden;
use crate::place::Place;
use crate::scripts::{FIX, mended};

#[test]
fn a_check_that_is_red_already_stops_the_job_at_no_cost() {
    let place = Place::new(&mended());
    let ran = place.errand(&["run", "--wait", "mend the greeting", "--check", "sh check.sh"]).exits(8);
    assert!(ran.out().contains("--may-fail"), "{}", ran.out());
    assert_eq!(place.n_requests(), 0);
    let id = place.errand(&["ls", "--json"]).json()[0]["id"].as_str().unwrap().to_owned();
    let shown = place.show(&id);
    assert_eq!((&shown["state"], shown["cost"]["usd"].as_f64()), (&"failed".into(), Some(0.0)));
    golden::check("baseline_red", &place, &id);
}

#[test]
fn a_check_that_may_be_red_goes_on() {
    let place = Place::new(&mended());
    let id = place.finished(0, &FIX);
    assert_eq!(place.show(&id)["checks"][0]["passed"], false);
}

#[test]
fn a_check_that_is_no_command_stops_the_job_at_no_cost() {
    for may_fail in [&[][..], &["--may-fail"]] {
        let place = Place::new(&mended());
        let id = place.finished(8, &[&["mend it", "--check", "no-such-program --all"], may_fail].concat());
        assert_eq!(place.n_requests(), 0);
        assert!(place.show(&id)["note"].as_str().unwrap().contains("cannot run here"));
        if may_fail.is_empty() {
            golden::check("check_not_found", &place, &id);
        }
    }
}

#[test]
fn what_a_check_writes_is_not_in_the_result() {
    let place = Place::new(&mended());
    let check = "echo litter > litter.txt; sh check.sh";
    let id = place.finished(0, &["mend it", "--check", check, "--may-fail"]);
    let files = place.show(&id)["diff"]["files"].clone();
    assert_eq!(files.as_array().map(Vec::len), Some(1), "{files}");
}

#[test]
fn a_check_is_repeated_and_every_run_counts() {
    let place = Place::new(&mended());
    let id = place.finished(0, &[&FIX[..], &["--repeat", "3"]].concat());
    let shown = place.show(&id);
    let counts =
        |index: usize| (shown["checks"][index]["runs"].as_u64(), shown["checks"][index]["failed_runs"].as_u64());
    assert_eq!((counts(0), counts(1)), ((Some(3), Some(3)), (Some(3), Some(0))));
}
