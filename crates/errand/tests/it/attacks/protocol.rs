//! Calls that ask for more than there is: other tools, switches for the sandbox, wrong types, enormous arguments.

use super::Siege;
use crate::place::Place;
use crate::scripts::{DONE, FIX, MEND, mended, script};
use std::os::unix::fs::PermissionsExt as _;

#[track_caller]
fn all_refused(siege: &Siege, calls: &str) -> Vec<String> {
    let n = calls.matches("@call").count();
    let (id, results) =
        siege.attacked_by(&[calls, &siege.runs("ls; ls ran* && echo REACHED\necho the next turn works")]);
    let ended = siege.place.events(&id, "tool.ended");
    for index in 0..n {
        assert!(ended[index]["is_error"] == true, "call {index}: {}", results[index]);
        assert!(results[index].len() < 20_000, "call {index}: {} bytes", results[index].len());
    }
    assert!(results[n].contains("the next turn works") && !results[n].contains("REACHED"), "{}", results[n]);
    siege.holds(&id);
    results
}

#[test]
fn s39_no_argument_widens_the_sandbox() {
    let siege = Siege::new();
    let extras = [
        "\"sandbox\": false",
        "\"dangerouslyDisableSandbox\": true",
        "\"network\": true",
        "\"network\": [\"example.org\"]",
        "\"timeout\": 1e9",
        "\"timeout_s\": 1e9",
        "\"timeout_s\": -1",
        "\"env\": {\"LD_PRELOAD\": \"x\"}",
        "\"user\": \"root\"",
        "\"dir\": \"/\"",
        "\"dir\": \"..\"",
        "\"limits\": {\"memory_bytes\": 1}",
        "\"stdin\": \"x\"",
    ];
    let call = |extra: &&str| format!("@call run\n@input\n{{\"command\": \"touch ran-$$\", {extra}}}\n");
    all_refused(&siege, &extras.iter().map(call).collect::<String>());
}

#[test]
fn s79_calls_that_make_no_sense_are_answered() {
    let siege = Siege::new();
    let inputs = [
        ("launch", "{\"command\": \"touch ran\"}"),
        ("bash", "{\"command\": \"touch ran\"}"),
        ("run", "{}"),
        ("run", "{\"command\": 7}"),
        ("run", "{\"command\": [\"touch\", \"ran\"]}"),
        ("run", "{\"command\": null}"),
        ("run", "{\"command\": \"\"}"),
        ("run", "{\"command\": \"touch ran\\u0000; touch ran2\"}"),
        ("run", "{\"command\": \"touch ran\", \"dir\": \"docs\\u0000\"}"),
        ("run", "{\"command\": \"touch ran\", \"background\": \"yes\"}"),
        ("read", "{\"files\": \"greet.sh\"}"),
        ("read", "{\"files\": []}"),
        ("read", "{\"files\": [{\"path\": 5}]}"),
        ("edit", "{\"edits\": []}"),
        ("edit", "{\"edits\": [{\"path\": \"ran\", \"create\": true, \"new\": \"x\", \"mode\": \"4755\"}]}"),
        ("edit", "{\"edits\": [{\"path\": \"ran\"}]}"),
        ("search", "{}"),
        ("finish", "{\"outcome\": \"won\"}"),
    ];
    let call = |(name, input): &(&str, &str)| format!("@call {name}\n@input\n{input}\n");
    all_refused(&siege, &inputs.iter().map(call).collect::<String>());
}

#[test]
fn s79_enormous_arguments_are_answered() {
    let siege = Siege::new();
    let long = "x".repeat(70_000);
    let wrong = format!("@call run\n@input\n{{\"command\": [\"touch ran; : {long}\"]}}\n");
    let unknown = format!("@call run\n@input\n{{\"command\": \"touch ran\", \"{long}\": 1}}\n");
    let nonesuch = format!("@call edit\n@input\n{{\"edits\": [{{\"path\": \"{long}\", \"create\": true}}]}}\n");
    for call in [wrong, unknown, nonesuch] {
        all_refused(&siege, &call);
    }
    // More than an answer can be: it is cut, and nothing of it runs.
    let huge = format!("@call run\n@input\n{{\"command\": \"touch ran; : {}\"}}\n", "x".repeat(10_000_000));
    siege.place.play(&script(&[&huge, MEND, DONE]));
    let id = siege.place.hand_off(&["mend it"]);
    siege.place.errand(&["wait", &id]).exits(3);
    assert!(siege.place.show(&id)["commands"].as_array().is_some_and(Vec::is_empty));
    siege.holds(&id);
}

#[test]
fn s79_deep_arguments_are_answered() {
    let siege = Siege::new();
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    let call = format!("@call read\n@input\n{{\"files\": {deep}}}\n");
    all_refused(&siege, &call);
}

#[test]
fn s36_programs_of_the_repository_are_not_taken_for_the_machines() {
    let place = Place::new(&mended());
    let mark = place.root().join("started");
    for folder in [".", "node_modules/.bin", "bin"] {
        for name in ["git", "bwrap", "sh", "bash", "errand", "perl"] {
            place.write(&format!("{folder}/{name}"), &format!("#!/bin/bash\n/usr/bin/touch {}\n", mark.display()));
            let program = place.repository().join(folder).join(name);
            std::fs::set_permissions(program, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
    place.commit("programs");
    let usual = std::env::var("PATH").unwrap();
    let path = format!(".:node_modules/.bin:./bin::{usual}:.");
    place.call(&["daemon", "start"]).env("PATH", &path).ran().exits(0);
    let id = place.call(&[&["run", "--json"], &FIX[..]].concat()).env("PATH", &path).ran().exits(0).json();
    let id = id["id"].as_str().unwrap().to_owned();
    place.errand(&["wait", &id]).exits(0);
    let health = place.call(&["doctor"]).env("PATH", &path).ran().exits(0).out();
    assert!(!mark.exists(), "a program of the repository was started");
    assert!(health.contains("own namespaces"), "{health}");
    assert!(health.contains("relative folders are passed over: `.`, `node_modules/.bin`"), "{health}");
    let look =
        "@call run\n@arg command = echo \"$PATH\" | tr : '\\\\n' | grep -v '^/' && echo REACHED; command -v git sh\n";
    place.play(&script(&[look, MEND, DONE]));
    let id = place.call(&["run", "--json", "mend it"]).env("PATH", &path).ran().exits(0).json();
    let id = id["id"].as_str().unwrap().to_owned();
    place.errand(&["wait", &id]).exits(3);
    let result = place.events(&id, "tool.ended")[0]["output"]["inline"].as_str().unwrap().to_owned();
    assert!(!result.contains("REACHED") && result.contains("/git\n"), "{result}");
    assert!(!mark.exists());
}
