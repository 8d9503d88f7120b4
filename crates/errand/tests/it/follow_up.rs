//! Talking to a task: while it works, and after it has ended.

use crate::golden;
use crate::place::Place;
use crate::scripts::{DONE, FIX, MEND, WAITS_FOR_GATE, mended, running, script};

#[test]
fn a_reply_to_a_finished_task_opens_a_turn_and_apply_is_bound_to_its_tree() {
    let place = Place::new(&mended());
    let id = place.finished(0, &FIX);
    let old = place.show(&id)["result_tree"].as_str().unwrap().to_owned();
    place.errand(&["apply", &id, "--tree", &old]).exits(0);
    place.errand(&["undo", &id]).exits(0);

    let more = r#"@expect The person writes: say it in the readme too
@call edit
@input
{"edits": [{"path": "README.md", "old": "One script", "new": "One right script"}]}
"#;
    let [look, mend, attempt, done] = [crate::scripts::LOOK, MEND, crate::scripts::TRY, DONE];
    place.play(&script(&[look, mend, attempt, done, more, DONE]));
    place.errand(&["reply", &id, "say it in the readme too"]).exits(0);
    place.errand(&["wait", &id]).exits(0);
    let shown = place.show(&id);
    let new = shown["result_tree"].as_str().unwrap();
    assert_ne!(new, old);
    assert_eq!((shown["turns"].as_u64(), shown["steps"].as_u64()), (Some(2), Some(6)));

    let before = place.everything();
    let refused = place.errand(&["apply", &id, "--tree", &old]).exits(2);
    assert!(refused.err().contains(&old) && refused.err().contains("→"), "{}", refused.err());
    assert_eq!(place.everything(), before);
    place.errand(&["apply", &id, "--tree", new]).exits(0);
    assert_eq!(place.git(&["status", "--porcelain"]), " M README.md\n M greet.sh\n");
    golden::check("follow_up", &place, &id);
}

#[test]
fn a_follow_up_over_an_applied_result_can_be_applied_as_well() {
    let place = Place::new(&mended());
    let id = place.finished(0, &FIX);
    place.errand(&["apply", &id]).exits(0);
    let more = r##"@call edit
@input
{"edits": [{"path": "README.md", "old": "One script", "new": "One right script"},
           {"path": "greet.sh", "old": "# Says hello.", "new": "# Says hello to the world."}]}
"##;
    place.play(&script(&[crate::scripts::LOOK, MEND, crate::scripts::TRY, DONE, more, DONE]));
    place.errand(&["reply", &id, "say it in the readme too"]).exits(0);
    place.errand(&["wait", &id]).exits(0);
    place.errand(&["apply", &id]).exits(0);
    assert_eq!(place.read("greet.sh"), "#!/bin/sh\n# Says hello to the world.\necho \"hello world\"\n");
    assert_eq!(place.git(&["status", "--porcelain"]), " M README.md\n M greet.sh\n");
    place.errand(&["undo", &id]).exits(0);
}

#[test]
fn a_reply_while_it_works_goes_with_the_next_request() {
    let wait = running(WAITS_FOR_GATE);
    let heard = format!("@expect The person writes: mind the spelling\n{MEND}");
    let place = Place::new(&script(&[&wait, &heard, DONE]));
    let id = place.hand_off(&FIX);
    place.until_event(&id, "tool.started", 1);
    let replied = place.errand(&["reply", &id, "mind the spelling"]).exits(0);
    assert_eq!(replied.out(), format!("{id} working\n"));
    place.open_gate(&id);
    place.errand(&["wait", &id]).exits(0);
    assert_eq!(place.show(&id)["turns"], 1);
    golden::check("reply_while_working", &place, &id);
}

#[test]
fn a_reply_while_the_model_answers_is_not_lost() {
    let place = Place::new(&script(&[
        "@delay 1500\nI am done, am I not?\n",
        "@expect The person writes: not yet\n@call list\n",
        DONE,
        DONE,
        DONE,
        DONE,
    ]));
    let id = place.hand_off(&["mend it"]);
    place.until_requests(1);
    place.errand(&["reply", &id, "not yet"]).exits(0);
    place.until_requests(2);
    let messages = place.sim.requests()[1].json()["messages"].to_string();
    assert!(messages.contains("The person writes: not yet"), "{messages}");
    place.errand(&["stop", &id]).exits(0);
}

#[test]
fn an_empty_reply_says_nothing() {
    let place = Place::new(&mended());
    let id = place.finished(0, &FIX);
    place.errand(&["reply", &id, "  "]).exits(2);
    place.errand(&["reply", &id, "more", "--budget", "-1"]).exits(2);
    assert_eq!(place.show(&id)["state"], "completed");
}
