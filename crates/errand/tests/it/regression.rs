//! The regression proof: a new test that fails on the old code and passes on the new.

use crate::golden;
use crate::place::Place;
use crate::scripts::{DONE, script};

const JOB: [&str; 3] = ["mend the greeting, with a test", "--regression", "sh tests/run.sh"];

#[test]
fn a_test_that_passes_on_the_old_code_is_sent_back_then_proven() {
    let blind = r#"@call edit
@input
{"edits": [{"path": "greet.sh", "old": "helo", "new": "hello"},
           {"path": "tests/run.sh", "create": true, "new": "sh greet.sh | grep -q world\n"}]}
"#;
    let sees = r#"@expect passes on the old code with your new tests
@call edit
@input
{"edits": [{"path": "tests/run.sh", "old": "grep -q world", "new": "grep -qx 'hello world'"}]}
"#;
    let place = Place::new(&script(&[blind, DONE, sees, DONE]));
    let id = place.finished(0, &JOB);
    let checks = place.show(&id)["checks"].clone();
    let seen: Vec<_> = checks.as_array().unwrap().iter().map(|check| (&check["phase"], &check["passed"])).collect();
    assert_eq!(seen, [(&"regression_new".into(), &true.into()), (&"regression_old".into(), &false.into())]);
    golden::check("regression_proven", &place, &id);
}

#[test]
fn without_a_test_file_there_is_no_proof() {
    let mend = r#"@call edit
@input
{"edits": [{"path": "greet.sh", "old": "helo", "new": "hello"}]}
"#;
    let told = format!("@expect no file of tests is new or changed\n{DONE}");
    let place = Place::new(&script(&[mend, DONE, &told, &told, &told]));
    let id = place.finished(3, &["mend the greeting", "--regression", "sh check.sh"]);
    golden::check("regression_not_provable", &place, &id);
}

#[test]
fn a_test_that_cannot_run_on_the_old_code_is_no_proof() {
    // It is red on the old code only because there is no such command: that shows nothing about the bug.
    let broken = r#"@call edit
@input
{"edits": [{"path": "greet.sh", "old": "helo", "new": "hello"},
           {"path": "helper.sh", "create": true, "new": "true\n"},
           {"path": "tests/run.sh", "create": true, "new": "test -f helper.sh || exit 127\n"}]}
"#;
    let told = format!("@expect-not the job ended\n{DONE}");
    let place = Place::new(&script(&[broken, DONE, &told, &told, &told]));
    let id = place.hand_off(&JOB);
    place.errand(&["wait", &id]);
    assert_ne!(place.show(&id)["verdict"], "verified");
}
