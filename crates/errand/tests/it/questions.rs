//! Jobs that change nothing: plans, and answers to questions.

use crate::golden;
use crate::place::Place;
use crate::scripts::{LOOK, script};

const PLAN: &str = r##"@call finish
@input
{"outcome": "done", "summary": "The plan is in the document.",
 "document": "# Plan\n\n1. Mend the spelling in greet.sh:3.\n2. Keep check.sh:1-2 as it is.\n"}
"##;

#[test]
fn a_plan_with_a_missing_reference_is_sent_back_then_delivered() {
    let wrong = PLAN.replace("greet.sh:3", "greet.sh:300 and src/none.rs:1");
    let right = format!("@expect greet.sh:300: there is no such place\n@expect src/none.rs:1\n{PLAN}");
    let place = Place::new(&script(&[LOOK, &wrong, &right]));
    let ran = place.errand(&["run", "--wait", "--plan", "plan how to mend the greeting"]).exits(0);
    for part in ["delivered", "1. Mend the spelling in greet.sh:3.", "nothing may be edited"] {
        assert!(ran.out().contains(part), "{part} is missing in:\n{}", ran.out());
    }
    let id = place.errand(&["ls", "--json"]).json()[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(place.show(&id)["verdict"], "delivered");
    golden::check("plan", &place, &id);
}

#[test]
fn a_plan_without_a_document_or_references_is_sent_back() {
    let empty = "@call finish\n@input\n{\"outcome\": \"done\", \"summary\": \"Planned.\"}\n";
    let vague = "@expect document is missing\n@call finish\n@input\n{\"outcome\": \"done\", \"summary\": \"Planned.\", \"document\": \"Just do it.\"}\n";
    let place = Place::new(&script(&[empty, vague, &format!("@expect cites no place\n{PLAN}")]));
    place.finished(0, &["--plan", "plan it"]);
}

#[test]
fn a_plan_that_changes_a_file_violates_the_contract() {
    let write = "@call run\n@arg command = echo more >> greet.sh\n";
    let edit = "@call edit\n@input\n{\"edits\": [{\"path\": \"greet.sh\", \"old\": \"helo\", \"new\": \"hello\"}]}\n";
    let refused = format!("@expect there is no tool `edit`\n{write}");
    let again = format!("@expect greet.sh: this job is read-only\n{PLAN}");
    let place = Place::new(&script(&[edit, &refused, PLAN, &again, &again, &again]));
    let id = place.finished(5, &["--plan", "plan it"]);
    assert_eq!(place.show(&id)["verdict"], "contract_violated");
    golden::check("plan_violated", &place, &id);
}

#[test]
fn a_question_is_answered_with_references() {
    let answer = r#"@call finish
@input
{"outcome": "done", "summary": "In greet.sh:3.", "document": "The greeting is printed in `greet.sh:3`."}
"#;
    let place = Place::new(&script(&[LOOK, answer]));
    let untouched = place.everything();
    let ran = place.errand(&["ask", "where is the greeting printed?"]).exits(0);
    assert!(ran.out().starts_with("The greeting is printed in `greet.sh:3`.\n"), "{}", ran.out());
    assert!(ran.out().contains("delivered"), "{}", ran.out());
    assert_eq!(place.everything(), untouched);
    let listed = place.errand(&["ls", "--json"]).exits(0).json();
    let id = listed[0]["id"].as_str().unwrap();
    assert_eq!(listed[0]["mode"], "answer");
    golden::check("ask", &place, id);
}

#[test]
fn a_question_as_json_is_one_value() {
    let answer = r#"@call finish
@input
{"outcome": "done", "summary": "In greet.sh:3.", "document": "See greet.sh:3."}
"#;
    let place = Place::new(&script(&[answer]));
    let shown = place.errand(&["ask", "--json", "where?"]).exits(0).json();
    assert_eq!(shown["verdict"], "delivered");
    assert_eq!(shown["report"]["document"], "See greet.sh:3.");
}
