//! What a contract forbids stays undone, whoever tries it: the edit tool, a command, a report.

use crate::golden;
use crate::place::Place;
use crate::scripts::{DONE, FIX, MEND, script};

const PROTECTED: [&str; 2] = ["--protect", "docs/**"];
/// A command can write anything in the workspace; the result is what counts.
const CROSS: &str = "@call run\n@arg command = echo changed >> docs/rules.md\n";

fn protected_fix() -> Vec<&'static str> {
    [&FIX[..], &PROTECTED].concat()
}

#[test]
fn the_edit_tool_refuses_at_once() {
    let forbidden = r#"@call edit
@input
{"edits": [{"path": "greet.sh", "old": "helo", "new": "hello"},
           {"path": "docs/rules.md", "old": "Nobody", "new": "Everybody"}]}
"#;
    let mend = format!("@expect protected by `docs/**`\n{MEND}");
    let place = Place::new(&script(&[forbidden, &mend, DONE]));
    let id = place.finished(0, &protected_fix());
    let refused = &place.events(&id, "tool.ended")[0];
    assert_eq!(refused["is_error"], true);
    assert_eq!(refused["changed"].as_array().map(Vec::len), Some(0), "all or nothing");
    golden::check("edit_refused", &place, &id);
}

#[test]
fn a_crossed_border_is_sent_back() {
    let back = "@expect docs/rules.md: protected by\n@call run\n@arg command = git checkout docs/rules.md\n";
    let place = Place::new(&script(&[MEND, CROSS, DONE, back, DONE]));
    let id = place.finished(0, &protected_fix());
    golden::check("border_sent_back", &place, &id);
}

#[test]
fn a_border_crossed_to_the_end_is_a_violation() {
    let place = Place::new(&script(&[MEND, CROSS, DONE, DONE, DONE, DONE]));
    let ran = place.errand(&[&["run", "--wait"], &protected_fix()[..]].concat()).exits(5);
    assert!(ran.out().contains("docs/rules.md"), "{}", ran.out());
    let id = place.errand(&["ls", "--json"]).json()[0]["id"].as_str().unwrap().to_owned();
    let shown = place.show(&id);
    assert_eq!(shown["verdict"], "contract_violated");
    assert_eq!(shown["violations"][0], "docs/rules.md: protected by `docs/**`");
    golden::check("border_violated", &place, &id);
}

#[test]
fn limits_of_size_and_allowed_paths_hold() {
    let grow = "@call run\n@arg command = for i in 1 2 3 4 5; do echo $i >> greet.sh; echo $i > new$i.txt; done\n";
    let place = Place::new(&script(&[MEND, grow, DONE, DONE, DONE, DONE]));
    let id =
        place.finished(5, &[&FIX[..], &["--allow", "greet.sh", "--max-diff-lines", "4", "--max-files", "2"]].concat());
    let violations = place.show(&id)["violations"].clone();
    let violations: Vec<_> = violations.as_array().unwrap().iter().filter_map(|text| text.as_str()).collect();
    assert_eq!(
        violations,
        [
            "new1.txt: outside the paths this job may change",
            "new2.txt: outside the paths this job may change",
            "new3.txt: outside the paths this job may change",
            "new4.txt: outside the paths this job may change",
            "new5.txt: outside the paths this job may change",
            "the diff has 12 changed lines, the limit is 4",
            "the diff has 6 files, the limit is 2",
        ]
    );
}

#[test]
fn a_violating_result_is_not_hidden_by_another_outcome() {
    let partial = "@call finish\n@input\n{\"outcome\": \"partial\", \"summary\": \"Half of it.\"}\n";
    let place = Place::new(&script(&[CROSS, partial, partial, partial, partial]));
    place.finished(5, &protected_fix());
}

#[test]
fn a_violation_is_told_when_a_turn_ends_by_itself() {
    // The person must see the crossed border even though no report was ever filed.
    let place = Place::new(&script(&[CROSS, "That is all.\n", "I said so.\n"]));
    let id = place.hand_off(&protected_fix());
    place.errand(&["wait", &id]);
    let shown = place.show(&id);
    assert_eq!(shown["violations"][0], "docs/rules.md: protected by `docs/**`");
    assert_eq!(shown["verdict"], "contract_violated");
}
