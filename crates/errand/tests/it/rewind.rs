//! Going back: the workspace becomes what it was before a step, whatever edits and commands made of it since.

use crate::golden;
use crate::place::{Place, kind, until};
use crate::scripts::{DONE, FIX, LOOK, MEND, TRY, WAITS_FOR_GATE, mended, running, script};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// A command with every kind of effect, build output among them.
const HAVOC: &str = "echo new > made.txt; mkdir -p deep/er; echo x > deep/er/x; rm README.md; chmod +x greet.sh; \
                     rm -r docs; ln -s greet.sh link; echo built > gate; echo kept > /tmp/note";

/// A mended greeting, then a command that should not have been, then the report.
fn with_havoc() -> [String; 3] {
    [MEND.to_owned(), running(HAVOC), DONE.to_owned()]
}

fn played(steps: &[String]) -> String {
    script(&steps.iter().map(String::as_str).collect::<Vec<_>>())
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn what_a_command_did_is_undone_and_the_agent_goes_on_from_there() {
    let place = Place::new(&played(&with_havoc()));
    let id = place.finished(3, &["mend it"]);
    let old = place.show(&id)["result_tree"].as_str().unwrap().to_owned();

    let look = "@expect The person put the files back to what they were before your step 2. Undone: README.md, deep/er/x, \
                docs/rules.md, greet.sh, link, made.txt.\n@expect The person writes: leave the rest alone\n\
                @call run\n@arg command = ls -a; cat greet.sh; cat gate /tmp/note; test -x greet.sh || echo plain\n";
    let more = [&with_havoc()[..], &[look.to_owned(), DONE.to_owned()]].concat();
    place.play(&played(&more));
    let told = place.errand(&["rewind", &id, "--to", "2", "leave the rest alone", "--json"]).exits(0).json();
    assert_eq!((&told["id"], &told["state"]), (&id.as_str().into(), &"working".into()));
    place.errand(&["wait", &id]).exits(3);

    let saw = place.events(&id, "tool.ended");
    let saw =
        saw.iter().find_map(|end| end["output"]["inline"].as_str().filter(|text| text.contains("plain"))).unwrap();
    assert!(saw.contains("hello world") && saw.contains("README.md") && saw.contains("docs"), "{saw}");
    assert!(saw.contains("built") && saw.contains("kept"), "ignored files and /tmp stay: {saw}");
    assert!(!saw.contains("made.txt") && !saw.contains("deep") && !saw.contains("link"), "{saw}");

    let shown = place.show(&id);
    assert_eq!((&shown["rewinds"], &shown["turns"]), (&serde_json::json!([2]), &2.into()));
    assert_ne!(shown["result_tree"], old.as_str());
    assert!(place.errand(&["show", &id]).out().contains("put back to before step 2"));
    let logs = place.errand(&["logs", &id]).out();
    assert!(logs.contains("you: back to before step 2: leave the rest alone"), "{logs}");
    assert!(logs.contains("6 files put back to before step 2"), "{logs}");

    // Only the new result is applied; the old one is refused.
    place.errand(&["apply", &id, "--tree", &old]).exits(2);
    let before = mode(&place.repository().join("greet.sh"));
    place.errand(&["apply", &id]).exits(0);
    assert_eq!(place.git(&["status", "--porcelain"]), " M greet.sh\n");
    assert_eq!(mode(&place.repository().join("greet.sh")), before);
    golden::check("rewound", &place, &id);
}

#[test]
fn a_rewind_to_the_first_step_undoes_everything_and_can_be_done_again() {
    let place = Place::new(&played(&with_havoc()));
    let id = place.finished(3, &["mend it"]);
    let nothing = "@expect before your step 1.\n@call finish\n@input\n\
                   {\"outcome\": \"nothing_to_change\", \"summary\": \"Nothing.\", \"cause\": {\"text\": \"None.\", \"places\": []}}\n";
    let steps = [&with_havoc()[..], &[nothing.to_owned()]].concat();
    place.play(&played(&steps));
    place.errand(&["rewind", &id, "--to", "1"]).exits(0);
    place.errand(&["wait", &id]);
    assert_eq!(place.show(&id)["diff"]["files"].as_array().unwrap().len(), 0);
    place.errand(&["apply", &id]).exits(2);
    // Before step 3 is what step 2 had left, though the files have been put back since.
    let again = [&steps[..], &["@expect before your step 3.\n@call list\n".to_owned(), DONE.to_owned()]].concat();
    place.play(&played(&again));
    place.errand(&["rewind", &id, "--to", "3"]).exits(0);
    place.errand(&["wait", &id]).exits(3);
    let shown = place.show(&id);
    assert_eq!((&shown["result_tree"], &shown["rewinds"]), (&tree_of(&place, &id, 0), &serde_json::json!([1, 3])));
}

/// The tree of the n-th look at the result.
fn tree_of(place: &Place, id: &str, n: usize) -> serde_json::Value {
    place.events(id, "finish.inspected")[n]["tree"].clone()
}

#[test]
fn a_rewind_that_cannot_be_is_refused_with_a_sentence() {
    let place = Place::new(&script(&[LOOK, &running(WAITS_FOR_GATE), DONE]));
    let id = place.hand_off(&FIX);
    place.until_event(&id, "tool.started", 1);
    let refused = place.errand(&["rewind", &id, "--to", "1"]).exits(2);
    assert!(refused.err().contains("is working") && refused.err().contains("errand stop"), "{}", refused.err());
    place.open_gate(&id);
    place.errand(&["stop", &id]).exits(0);
    place.errand(&["wait", &id]);
    let n_events = place.kinds(&id).len();
    for (step, why) in [("0", "has no step 0"), ("99", "has no step 99")] {
        let refused = place.errand(&["rewind", &id, "--to", step]).exits(2);
        assert!(refused.err().contains(why) && refused.err().contains("errand logs"), "{}", refused.err());
    }
    place.errand(&["rewind", &id]).exits(2);
    place.errand(&["rewind", &id, "--to", "1", " "]).exits(2);
    place.errand(&["rewind", "nobody", "--to", "1"]).exits(2);
    assert_eq!(place.kinds(&id).len(), n_events, "nothing is written");
    // Steps that only read change nothing.
    let reads = Place::new(&script(&[LOOK, "I stop.\n", "I stop.\n"]));
    let id = reads.finished(3, &["look at it"]);
    let refused = reads.errand(&["rewind", &id, "--to", "1"]).exits(2);
    assert!(
        refused.err().contains("no file was changed") && refused.err().contains("errand reply"),
        "{}",
        refused.err()
    );
}

#[test]
fn a_parked_and_a_stopped_task_go_back_too() {
    let place = Place::new(&script(&[MEND, &running(HAVOC), "@spend-limit\nNever.\n"]));
    let id = place.finished(7, &["mend it"]);
    place.play(&script(&[MEND, &running(HAVOC), "@expect before your step 2.\n@call list\n", DONE]));
    place.errand(&["rewind", &id, "--to", "2"]).exits(0);
    place.errand(&["wait", &id]).exits(3);
    let files = place.show(&id)["diff"]["files"].clone();
    assert_eq!(files.as_array().unwrap().len(), 1, "{files}");

    let place = Place::new(&script(&[MEND, &running(&format!("{HAVOC}; {WAITS_FOR_GATE}")), DONE]));
    let id = place.hand_off(&["mend it"]);
    place.until_event(&id, "tool.started", 2);
    until("the command", || place.changed(&id).join("made.txt").exists());
    place.errand(&["stop", &id]).exits(0);
    place.errand(&["wait", &id]).exits(130);
    place.play(&script(&[MEND, &running(HAVOC), "@expect before your step 2.\n@call list\n", DONE]));
    place.errand(&["rewind", &id, "--to", "2"]).exits(0);
    place.errand(&["wait", &id]).exits(3);
    let files = place.show(&id)["diff"]["files"].clone();
    assert_eq!(files.as_array().unwrap().len(), 1, "{files}");
}

/// Killed as soon as the wish is in the journal: sometimes before the files are back, sometimes after, and once more while
/// it makes up for it.
#[test]
fn a_rewind_that_a_crash_cut_is_finished() {
    for n_kills in [1, 2, 3] {
        let place = Place::new(&played(&with_havoc()));
        let id = place.finished(3, &["mend it"]);
        let more =
            [&with_havoc()[..], &["@expect before your step 2.\n@call list\n".to_owned(), DONE.to_owned()]].concat();
        place.play(&played(&more));
        place.errand(&["rewind", &id, "--to", "2"]).exits(0);
        for _ in 0..n_kills {
            place.kill_daemon();
            place.errand(&["daemon", "start"]).exits(0);
        }
        place.errand(&["wait", &id]).exits(3);
        let shown = place.show(&id);
        let files = shown["diff"]["files"].as_array().unwrap();
        assert_eq!((files.len(), &files[0]["path"]), (1, &"greet.sh".into()), "{n_kills} kills: {files:?}");
        let n_rewound = place.records(&id).iter().filter(|record| kind(record) == "workspace.rewound").count();
        assert_eq!(n_rewound, 1, "it is told once");
        place.errand(&["apply", &id]).exits(0);
        assert_eq!(place.git(&["status", "--porcelain"]), " M greet.sh\n");
    }
}

#[test]
fn the_requests_before_stay_the_beginning_of_those_after() {
    let place = Place::new(&mended());
    let id = place.finished(0, &FIX);
    place.play(&script(&[LOOK, MEND, TRY, DONE, MEND, DONE]));
    place.errand(&["rewind", &id, "--to", "2", "once more"]).exits(0);
    place.errand(&["wait", &id]).exits(0);
    let requests: Vec<_> = place.sim.requests().iter().map(|request| request.json()).collect();
    let said = |at: usize| requests[at]["messages"].as_array().unwrap().clone();
    // All but cache marks, which move.
    let plain = |messages: &[serde_json::Value]| {
        let text = serde_json::to_string(messages).unwrap();
        text.replace(",\"cache_control\":{\"type\":\"ephemeral\"}", "")
    };
    let (before, after) = (said(3), said(4));
    assert_eq!(plain(&after[..before.len()]), plain(&before));
    assert_eq!((&requests[4]["system"], &requests[4]["tools"]), (&requests[3]["system"], &requests[3]["tools"]));
    assert_eq!(place.show(&id)["verdict"], "verified");
}
