//! Private files that the person lets a job have: named in the contract, there for its commands and checks, hidden by
//! their values everywhere else.

use crate::place::Place;
use crate::scripts::{DONE, MEND, WAITS_FOR_GATE, running, script};

const SECRET: &str = "s3cr3t-Qx7-canary-Zr2b";
const INCLUDED: [&str; 7] = ["run", "mend the greeting", "--include", ".env", "--check", "test -f .env", "--name"];

/// A repository that ignores `.env`, and a checkout that has one.
fn place(steps: &[&str]) -> Place {
    let place = Place::new(&script(steps));
    place.write(".gitignore", ".env\n.env.local\ngate\n");
    place.commit("ignore");
    place.write(".env", &format!("NODE_ENV=development\nAPI_TOKEN={SECRET}\n"));
    place.write(".env.local", "OTHER_TOKEN=not-this-one-please\n");
    place
}

/// The value is in no request, and in no file of errand's own but the task's and the checks' files.
#[track_caller]
fn is_hidden(place: &Place) {
    for request in place.sim.requests() {
        let sent = String::from_utf8_lossy(&request.body).into_owned();
        assert!(!sent.contains(SECRET) && !sent.contains("not-this-one"), "{sent}");
    }
    let mut n_files = 0;
    let mut folders = vec![place.state_dir()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            let is_its_own = ["workspaces", "checks", "private", "trash"].iter().any(|name| path.ends_with(name));
            if path.is_dir() && !is_its_own {
                folders.push(path);
            } else if let Ok(bytes) = std::fs::read(&path) {
                n_files += 1;
                let is_there = bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes());
                assert!(!is_there, "{}", path.display());
            }
        }
    }
    assert!(n_files > 3, "journal, log, lock, ledger: {n_files}");
}

#[test]
fn a_named_file_is_there_and_its_values_are_hidden() {
    let read = "@call read\n@json files = [{\"path\": \".env\"}]\n";
    let cat = running("cat .env; test ! -e .env.local && echo only this one");
    let place = place(&[read, &cat, MEND, DONE]);
    let dry = place.errand(&[&INCLUDED[..], &["job", "--dry-run"]].concat()).exits(0);
    assert!(dry.out().contains("files copied in: .env\n"), "{}", dry.out());
    let receipt = place.errand(&[&INCLUDED[..], &["job", "--wait"]].concat()).exits(0);
    assert!(!receipt.out().contains(SECRET));
    let shown = place.show("job");
    assert_eq!(shown["contract"]["include"], serde_json::json!([".env"]));
    assert!(place.errand(&["show", "job"]).exits(0).out().contains("Private files copied in"));
    assert_eq!(shown["diff"]["files"].as_array().map(Vec::len), Some(1), "{}", shown["diff"]);
    let sent = |index: usize| String::from_utf8_lossy(&place.sim.requests()[index].body).into_owned();
    for index in [1, 2] {
        assert!(sent(index).contains("API_TOKEN=[redacted key]"), "{}", sent(index));
        assert!(sent(index).contains("NODE_ENV=development"), "{}", sent(index));
    }
    assert!(sent(2).contains("only this one"));
    is_hidden(&place);
}

#[test]
fn values_stay_hidden_after_a_restart_and_when_the_file_is_gone() {
    let place = place(&[&running(WAITS_FOR_GATE), &running("cat .env"), MEND, DONE]);
    let id = place.hand_off(&[&INCLUDED[1..], &["job"]].concat());
    place.until_event(&id, "tool.started", 1);
    place.kill_daemon();
    std::fs::remove_file(place.repository().join(".env")).unwrap();
    place.until_event(&id, "tool.started", 2);
    place.open_gate(&id);
    place.errand(&["wait", &id]).exits(0);
    let requests = place.sim.requests();
    let sent = String::from_utf8_lossy(&requests.last().unwrap().body);
    assert!(sent.contains("API_TOKEN=[redacted key]"), "{sent}");
    is_hidden(&place);
}

#[test]
fn what_the_patterns_do_not_find_is_told() {
    let place = place(&[DONE]);
    let told = |pattern: &str| {
        let dry = place.errand(&["run", "--dry-run", "--json", "x", "--include", pattern]).exits(0).json();
        (dry["contract"]["include"].clone(), dry["notices"].clone())
    };
    let none = "no private file is copied in: your checkout has none that the repository ignores and greet.sh names";
    assert_eq!(told("greet.sh"), (serde_json::json!([]), serde_json::json!([none])), "a file of the repository");
    assert_eq!(told(".env*"), (serde_json::json!([".env", ".env.local"]), serde_json::json!([])));
    let wrong = place.errand(&["run", "x", "--include", ""]).exits(2);
    assert!(wrong.err().contains("a pattern for private files is empty"), "{}", wrong.err());
}
