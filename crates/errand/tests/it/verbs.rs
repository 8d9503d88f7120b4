//! What every verb prints and how it ends, as text and as JSON.

use crate::place::Place;
use crate::scripts::{DONE, FIX, LOOK, MEND, WAITS_FOR_GATE, mended, running, script};

#[test]
fn the_daemon_starts_tells_and_stops() {
    let place = Place::new(&mended());
    let missing = place.errand(&["daemon", "status"]).exits(75);
    assert!(missing.err().contains("→"), "{}", missing.err());
    place.errand(&["daemon", "stop"]).exits(75);
    let started = place.errand(&["daemon", "start"]).exits(0);
    assert!(started.out().contains("pid ") && started.out().contains("0 working"), "{}", started.out());
    let again = place.errand(&["daemon", "start", "--json"]).exits(0).json();
    let status = place.errand(&["daemon", "status", "--json"]).exits(0).json();
    assert_eq!(again, status);
    assert_eq!(status["home"].as_str(), place.state_dir().to_str());
    assert!(place.errand(&["daemon", "status"]).exits(0).out().contains(&format!("pid {}", status["pid"])));
    let second = place.errand(&["daemon", "run"]).exits(75);
    assert!(second.err().contains("errand: a daemon is already running"), "{}", second.err());
    assert!(place.errand(&["daemon", "stop"]).exits(0).out().contains("has stopped"));
    place.errand(&["daemon", "status"]).exits(75);
    assert!(!place.state_dir().join("daemon.sock").exists());
}

#[test]
fn the_state_directory_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new(&mended());
    place.finished(0, &FIX);
    let mode = |name: &str| std::fs::metadata(place.state_dir().join(name)).unwrap().permissions().mode() & 0o077;
    for name in ["", "daemon.sock", "daemon.log", "journal.sqlite", "credentials"] {
        assert_eq!(mode(name), 0, "{name}");
    }
}

#[test]
fn a_receipt_says_what_is_enforced_and_what_to_type_next() {
    let place = Place::new(&mended());
    let job = [&["run", "--name", "job", "--protect", "docs/**", "--max-diff-lines", "20", "--budget", "1"], &FIX[..]];
    let out = place.errand(&job.concat()).exits(0).out();
    let id = place.show("job")["id"].as_str().unwrap().to_owned();
    for part in [
        "mend the greeting",
        "sh check.sh",
        "docs/**",
        "20 changed lines",
        "$1.00",
        "80 steps",
        "main at ",
        "logs -f",
        "stop",
        &id,
    ] {
        assert!(out.contains(part), "{part} is missing in:\n{out}");
    }
    place.errand(&["wait", "job"]).exits(0);
}

#[test]
fn a_dry_run_starts_nothing() {
    let place = Place::new(&mended());
    let untouched = place.everything();
    let out = place.errand(&[&["run", "--dry-run", "--wait"], &FIX[..]].concat()).exits(0).out();
    assert!(out.contains("nothing was started") && out.contains("sh check.sh"), "{out}");
    let submitted = place.errand(&[&["run", "--dry-run", "--json"], &FIX[..]].concat()).exits(0).json();
    assert!(submitted["id"].is_null());
    assert_eq!(place.errand(&["ls", "--json"]).exits(0).json(), serde_json::json!([]));
    assert_eq!(place.n_requests(), 0);
    assert_eq!(place.everything(), untouched);
}

#[test]
fn a_dry_run_is_json_even_when_it_is_told_to_wait() {
    let place = Place::new(&mended());
    let submitted = place.errand(&[&["run", "--dry-run", "--wait", "--json"], &FIX[..]].concat()).exits(0).json();
    assert!(submitted["id"].is_null());
}

#[test]
fn a_contract_file_and_flags_make_one_contract() {
    let place = Place::new(&mended());
    let file = place.root().join("job.md");
    let text = "---\nchecks:\n  - { run: sh check.sh, baseline: may-fail }\nprotect: [docs/**]\nmax_files: 3\nbudget: { usd: 1.5, steps: 9 }\n---\nMend the greeting.\n";
    std::fs::write(&file, text).unwrap();
    let id = place.finished(0, &["-f", file.to_str().unwrap(), "--max-files", "2", "--protect", "check.sh"]);
    let contract = place.show(&id)["contract"].clone();
    assert_eq!(contract["goal"], "Mend the greeting.");
    assert_eq!((&contract["max_files"], &contract["budget"]["steps"]), (&2.into(), &9.into()));
    assert_eq!(contract["protect"], serde_json::json!(["check.sh", "docs/**"]));
}

#[test]
fn logs_are_followed_to_the_end_and_end_at_once_when_it_rests() {
    let place = Place::new(&mended());
    let id = place.hand_off(&FIX);
    let followed = place.errand(&["logs", "-f", &id]).exits(0).out();
    for part in [
        "handed off: mend the greeting",
        "step 1",
        "read greet.sh check.sh",
        "edit",
        "$ sh check.sh",
        "report filed: done",
        "ended: verified",
    ] {
        assert!(followed.contains(part), "{part} is missing in:\n{followed}");
    }
    assert_eq!(place.errand(&["logs", "-f", &id]).exits(0).out(), followed);
    assert_eq!(place.errand(&["logs", &id]).exits(0).out(), followed);
    let events = place.errand(&["logs", "-f", "--json", &id]).exits(0);
    assert_eq!(events.lines(), place.errand(&["show", "--events", "--json", &id]).exits(0).lines());
    let seqs: Vec<_> = events.lines().iter().map(|record| record["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
}

#[test]
fn lists_and_details_say_the_same() {
    let place = Place::new(&mended());
    assert!(place.errand(&["ls"]).exits(0).out().contains("no tasks yet"));
    let first = place.finished(0, &[&["--name", "first"], &FIX[..]].concat());
    let second = place.finished(0, &FIX);
    let tasks = place.errand(&["ls", "--json"]).exits(0).json();
    let ids: Vec<_> = tasks.as_array().unwrap().iter().map(|task| task["id"].as_str().unwrap()).collect();
    assert_eq!(ids, [&second, &first], "newest first");
    let text = place.errand(&["ps"]).exits(0).out();
    assert!(
        text.contains("[first] mend the greeting") && text.contains("verified") && text.contains("+1 −1"),
        "{text}"
    );
    assert_eq!(place.errand(&["ls", "--active", "--json"]).exits(0).json(), serde_json::json!([]));

    let shown = place.show("first");
    for field in ["id", "name", "state", "verdict", "exit_code", "steps", "created_at", "ended_at"] {
        assert_eq!(shown[field], tasks[1][field], "{field}");
    }
    let text = place.errand(&["show", "first"]).exits(0).out();
    for part in [
        "[first]",
        "verified",
        "What the agent says",
        "Root cause",
        "at greet.sh:3",
        "Checks run by errand",
        "Diff",
        "Cost",
        "undo",
    ] {
        assert_eq!(text.contains(part), part != "undo", "{part} in:\n{text}");
    }
    assert_eq!(place.show(&first[..6])["id"], first.as_str(), "a unique prefix is enough");
    place.errand(&["show", ""]).exits(2);
    place.errand(&["show", "zz"]).exits(2);
}

#[test]
fn a_prefix_of_several_ids_is_refused() {
    let place = Place::new(&script(&[MEND, DONE]));
    // Two of seventeen ids begin alike.
    let ids: Vec<_> = (0..17).map(|_| place.hand_off(&["mend it", "--budget", "0.0001"])).collect();
    let start = |id: &String| id[..1].to_owned();
    let twice = ids.iter().map(start).find(|one| ids.iter().filter(|id| start(id) == *one).count() > 1).unwrap();
    place.errand(&["show", &twice]).exits(2);
}

#[test]
fn wait_reports_every_task_and_ends_with_the_last() {
    let place = Place::new(&mended());
    let verified = place.finished(0, &FIX);
    let unverified = place.finished(3, &["mend the greeting"]);
    let out = place.errand(&["wait", &verified, &unverified]).exits(3).out();
    assert_eq!(out, format!("{verified} verified\n{unverified} unverified\n"));
    let ran = place.errand(&["wait", "--json", &unverified, &verified]).exits(0);
    assert_eq!(ran.lines().len(), 2);
}

#[test]
fn costs_add_up() {
    let place = Place::new(&mended());
    assert!(place.errand(&["cost"]).exits(0).out().contains("nothing was spent yet"));
    let id = place.finished(0, &FIX);
    let lines = place.errand(&["cost", "--json"]).exits(0).json();
    let sum: f64 = lines.as_array().unwrap().iter().map(|line| line["usd"].as_f64().unwrap()).sum();
    let shown = place.show(&id)["cost"]["usd"].as_f64().unwrap();
    assert!(sum > 0.0 && (sum - shown).abs() < 1e-9, "{sum} and {shown}");
    let text = place.errand(&["cost"]).exits(0).out();
    for part in ["task", "model", "day", "requests", "all"] {
        assert!(text.contains(part), "{part} is missing in:\n{text}");
    }
}

#[test]
fn doctor_says_what_is_missing() {
    let place = Place::new(&mended());
    let health = place.errand(&["doctor", "--json"]).exits(0).json();
    let seen: Vec<_> = health["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| (f["subject"].as_str().unwrap(), f["is_ok"].as_bool().unwrap()))
        .collect();
    assert_eq!(
        seen,
        [("model", true), ("daemon", true), ("git", true), ("journal", true), ("sandbox", true), ("tool chains", true)]
    );
    let doors = health["doors"].as_array().unwrap();
    assert!(doors.len() > 60 && doors.iter().all(|door| door["is_shut"] == true), "{doors:#?}");
    let text = place.call(&["doctor"]).without("ANTHROPIC_API_KEY").without("ANTHROPIC_BASE_URL").ran().exits(8).out();
    assert!(text.contains("no model key is set") && text.contains("→"), "{text}");
}

#[test]
fn a_working_task_shows_where_it_stands() {
    let place = Place::new(&script(&[LOOK, &running(WAITS_FOR_GATE), MEND, DONE]));
    let id = place.hand_off(&FIX);
    place.until_event(&id, "tool.started", 1);
    let text = place.errand(&["show", &id]).exits(0).out();
    assert!(text.contains("working") && text.contains("1 steps") | text.contains("2 steps"), "{text}");
    let listed = place.errand(&["ls", "--active", "--json"]).exits(0).json();
    assert_eq!(listed[0]["state"], "working");
    assert!(place.errand(&["diff", &id]).exits(0).out().is_empty());
    place.errand(&["apply", &id]).exits(75);
    place.errand(&["logs", &id]).exits(0);
    place.open_gate(&id);
    place.errand(&["wait", &id]).exits(0);
}

#[test]
fn every_verb_explains_itself() {
    let place = Place::new(&mended());
    let help = place.errand(&["--help"]).exits(0).out();
    for verb in [
        "run", "ask", "ls", "show", "logs", "wait", "diff", "apply", "undo", "reply", "stop", "resume", "rm", "cost",
        "trust", "doctor", "daemon", "demo",
    ] {
        assert!(help.contains(&format!("\n  {verb} ")), "{verb} is missing in:\n{help}");
        place.errand(&[verb, "--help"]).exits(0);
    }
    assert!(place.errand(&["--version"]).exits(0).out().starts_with("errand "));
    assert!(!place.state_dir().exists(), "help starts nothing");
}
