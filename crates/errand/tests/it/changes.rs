//! Jobs that change files: from the hand-off over the checks to the person's checkout.

use crate::golden;
use crate::place::Place;
use crate::scripts::{DONE, FIX, LOOK, MEND, TRY, mended, script};

/// Edits that leave the check red, each in its own way.
const WORSE: &str = r#"@call edit
@input
{"edits": [{"path": "greet.sh", "old": "helo", "new": "hallo"}]}
"#;
const STILL_WORSE: &str = r#"@call edit
@input
{"edits": [{"path": "greet.sh", "old": "hallo", "new": "hullo"}]}
"#;

#[test]
fn a_bug_is_fixed_and_taken_over() {
    let steps = [LOOK, MEND, TRY, &DONE.replace("\"outcome\": \"done\",", "\"outcome\": \"done\", \"checks\": [1],")];
    let place = Place::new(&script(&steps));
    let untouched = place.everything();

    let ran = place.errand(&[&["run", "--wait", "--name", "greeting"], &FIX[..]].concat()).exits(0);
    for part in ["handed off", "verified", "greet.sh", "+1", "−1", "sh check.sh", "green", "red", "apply", "$0.0"] {
        assert!(ran.out().contains(part), "{part} is missing in:\n{}", ran.out());
    }
    assert_eq!(place.everything(), untouched, "nothing in the repository changes before apply");
    let id = place.show("greeting")["id"].as_str().unwrap().to_owned();

    let patch = place.errand(&["diff", &id]).exits(0).out();
    let result_tree = place.show(&id)["result_tree"].as_str().unwrap().to_owned();
    std::fs::write(place.root().join("result.patch"), &patch).unwrap();
    place.git(&["apply", "--check", place.root().join("result.patch").to_str().unwrap()]);
    let stat = place.errand(&["diff", &id, "--stat"]).exits(0).out();
    assert!(stat.contains("greet.sh") && stat.contains("1 file, +1 −1"), "{stat}");

    let head = place.git(&["rev-parse", "HEAD"]);
    place.errand(&["apply", &id]).exits(0);
    assert_eq!(place.read("greet.sh"), "#!/bin/sh\n# Says hello.\necho \"hello world\"\n");
    assert_eq!(place.git(&["status", "--porcelain"]), " M greet.sh\n");
    assert_eq!(place.git(&["rev-parse", "HEAD"]), head, "apply commits nothing");
    let applied = place.show(&id);
    assert_eq!(applied["applied"], true);
    place.errand(&["apply", &id]).exits(2);

    place.errand(&["undo", &id]).exits(0);
    assert_eq!(place.git(&["status", "--porcelain"]), "");
    place.errand(&["undo", &id]).exits(2);

    place.errand(&["apply", &id, "--branch", "mended"]).exits(0);
    assert_eq!(place.git(&["status", "--porcelain"]), "", "a branch leaves the checkout alone");
    assert_eq!(place.git(&["rev-parse", "mended^{tree}"]).trim(), result_tree);
    assert_eq!(place.git(&["rev-parse", "mended^"]), head);
    assert!(place.git(&["log", "-1", "--format=%s%n%b", "mended"]).starts_with("mend the greeting\n"));
    place.errand(&["apply", &id, "--branch", "mended"]).exits(2);
    place.git(&["fsck", "--strict"]);
    golden::check("bug_fixed", &place, &id);
}

#[test]
fn red_checks_are_sent_back_and_mended() {
    let better = r#"@expect is red on a clean checkout
@expect greet.sh says hallo world
@call edit
@input
{"edits": [{"path": "greet.sh", "old": "hallo", "new": "hello"}]}
"#;
    let place = Place::new(&script(&[WORSE, DONE, better, DONE]));
    let id = place.finished(0, &FIX);
    assert_eq!(place.show(&id)["verdict"], "verified");
    golden::check("sent_back_and_mended", &place, &id);
}

#[test]
fn three_red_reports_end_as_checks_failed() {
    let place = Place::new(&script(&[
        WORSE,
        DONE,
        DONE,
        STILL_WORSE,
        DONE,
        "@expect the last round\n@call finish\n@input\n{\"outcome\": \"done\", \"summary\": \"I insist.\"}\n",
    ]));
    let id = place.finished(4, &FIX);
    let shown = place.show(&id);
    assert_eq!((&shown["state"], &shown["verdict"]), (&"completed".into(), &"checks_failed".into()));
    assert_eq!(shown["claims"][0]["status"], "contradicted");
    golden::check("checks_failed", &place, &id);
}

#[test]
fn without_checks_the_result_is_unverified() {
    let place = Place::new(&script(&[MEND, DONE]));
    let id = place.finished(3, &["mend the greeting"]);
    assert_eq!(place.show(&id)["verdict"], "unverified");
    golden::check("no_checks", &place, &id);
}

#[test]
fn partial_work_is_unverified_and_its_checks_are_shown() {
    let partial = r#"@call finish
@input
{"outcome": "partial", "summary": "Half of it.", "not_checked": ["the other half"]}
"#;
    let place = Place::new(&script(&[WORSE, partial]));
    let id = place.finished(3, &FIX);
    let shown = place.show(&id);
    assert_eq!(shown["verdict"], "unverified");
    let phases: Vec<_> = shown["checks"].as_array().unwrap().iter().map(|check| &check["phase"]).collect();
    assert_eq!(phases, ["baseline", "result"]);
    golden::check("partial", &place, &id);
}

#[test]
fn a_claim_to_be_done_without_a_change_is_sent_back() {
    let nothing = r#"@expect no file is changed
@call finish
@input
{"outcome": "nothing_to_change", "summary": "It is right already."}
"#;
    let place = Place::new(&script(&[DONE, nothing]));
    let id = place.finished(3, &FIX);
    place.errand(&["apply", &id]).exits(2);
    golden::check("nothing_changed", &place, &id);
}

#[test]
fn the_uncommitted_change_of_the_person_stays_out_and_stays_put() {
    let place = Place::new(&mended());
    place.write("README.md", "# Mine, unfinished\n");
    let ran = place.errand(&[&["run", "--wait"], &FIX[..]].concat()).exits(0);
    assert!(ran.out().contains("1 uncommitted file is not included"), "{}", ran.out());
    let id = place.errand(&["ls", "--json"]).json()[0]["id"].as_str().unwrap().to_owned();
    place.errand(&["apply", &id]).exits(0);
    assert_eq!(place.read("README.md"), "# Mine, unfinished\n");
    assert_eq!(place.git(&["status", "--porcelain"]), " M README.md\n M greet.sh\n");
    place.errand(&["undo", &id]).exits(0);
    assert_eq!(place.read("README.md"), "# Mine, unfinished\n");
}

#[test]
fn a_conflicting_change_of_the_person_blocks_apply_whole() {
    let place = Place::new(&mended());
    let id = place.finished(0, &FIX);
    place.write("greet.sh", "echo mine\n");
    let before = place.everything();
    let ran = place.errand(&["apply", &id]).exits(2);
    assert!(ran.err().contains("greet.sh") && ran.err().contains("nothing was applied"), "{}", ran.err());
    assert_eq!(place.everything(), before, "nothing is written");
}

#[test]
fn undo_is_refused_where_the_person_went_on() {
    let place = Place::new(&mended());
    let id = place.finished(0, &FIX);
    place.errand(&["apply", &id]).exits(0);
    place.write("greet.sh", "echo mine\n");
    place.errand(&["undo", &id]).exits(2);
    assert_eq!(place.read("greet.sh"), "echo mine\n");
}

#[test]
fn a_job_starts_from_the_revision_it_was_given() {
    let place = Place::new(&mended());
    place.git(&["tag", "old"]);
    place.write("greet.sh", "echo rewritten\n");
    place.commit("rewrite");
    let id = place.finished(0, &[&["--base", "old"], &FIX[..]].concat());
    assert_eq!(place.show(&id)["base_commit"].as_str().unwrap(), place.git(&["rev-parse", "old"]).trim());
}
