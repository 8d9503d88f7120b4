//! Mistakes of people: one sentence, what to do about it, the right exit code, and nothing done.

use crate::place::{Place, Ran};
use crate::scripts::{FIX, WAITS_FOR_GATE, mended, running, script};
use errand_sim::ApiKeys;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

/// One sentence on standard error, then a hint; nothing on standard output.
#[track_caller]
fn refused(ran: Ran, exit_code: i32, part: &str) {
    let ran = ran.exits(exit_code);
    let (out, err) = (ran.out(), ran.err());
    let lines: Vec<_> = err.lines().collect();
    assert_eq!(lines.len(), 2, "a sentence and a hint, not:\n{err}");
    assert!(lines[0].starts_with("errand: ") && lines[0].contains(part), "{err}");
    assert!(lines[1].starts_with("  → ") && lines[1].len() > 8, "{err}");
    assert!(!lines[0].ends_with('.'), "{err}");
    assert_eq!(out, "");
}

/// The same in a repository, in which nothing may appear.
#[track_caller]
fn check(arguments: &[&str], exit_code: i32, part: &str) {
    let place = Place::new(&mended());
    let before = place.everything();
    refused(place.errand(arguments), exit_code, part);
    as_json(place.errand(&[&["--json"], arguments].concat()), exit_code);
    assert_eq!(place.everything(), before);
    assert_eq!(place.n_requests(), 0);
}

#[track_caller]
fn as_json(ran: Ran, exit_code: i32) {
    let error = ran.exits(exit_code).json()["error"].clone();
    assert_eq!(error["exit_code"], exit_code);
    assert!(error["text"].as_str().is_some_and(|text| !text.is_empty()), "{error}");
    assert!(error["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{error}");
}

#[test]
fn goals_and_limits() {
    check(&["run", ""], 2, "the goal is empty");
    check(&["run", "  \n "], 2, "the goal is empty");
    check(&["ask", ""], 2, "the goal is empty");
    check(&["run", &"x".repeat(70_000)], 2, "64 KiB");
    check(&["run", "x", "--budget", "0"], 2, "budget");
    check(&["run", "x", "--budget", "NaN"], 2, "budget");
    check(&["run", "x", "--steps", "0"], 2, "zero steps");
    check(&["run", "x", "--check", " "], 2, "a check is empty");
    check(&["run", "x", "--check", "true", "--repeat", "0"], 2, "repeats");
    check(&["run", "x", "--plan", "--check", "true"], 2, "nothing to check");
    check(&["run", "x", "--allow", "../**"], 2, "../**");
    check(&["run", "x", "--protect", "a[", "--max-files", "0"], 2, "a[");
}

#[test]
fn models_of_the_vendor() {
    let place = Place::new(&mended());
    for (name, near) in [("gpt-17", "sonnet, opus, haiku"), ("sonet", "near: "), ("", "sonnet, opus, haiku")] {
        let call =
            |json: &'static str| place.call(&["run", "x", "--model", name, json]).without("ANTHROPIC_BASE_URL").ran();
        let ran = call("--wait");
        assert!(ran.err().contains(near), "{}", ran.err());
        refused(ran, 2, name);
        as_json(call("--json"), 2);
    }
    assert_eq!(place.errand(&["ls", "--json"]).json(), serde_json::json!([]));
}

#[test]
fn bases_and_names() {
    check(&["run", "x", "--base", "no-such-branch"], 2, "no-such-branch");
    check(&["run", "x", "--name", "a b"], 2, "a b");
    check(&["run", "x", "--name", "deadbeef"], 2, "deadbeef");
}

#[test]
fn ids() {
    for verb in ["show", "logs", "wait", "diff", "apply", "undo", "stop", "resume", "rm", "cost"] {
        check(&[verb, "nonesuch"], 2, "nonesuch");
        check(&[verb, "../x"], 2, "../x");
    }
    check(&["reply", "nonesuch", "go on"], 2, "nonesuch");
}

#[test]
fn flags() {
    check(&["run", "x", "--no-such-flag"], 2, "--no-such-flag");
    check(&["run"], 2, "goal");
    check(&["run", "x", "--steps", "many"], 2, "many");
    check(&["nonesuch"], 2, "nonesuch");
    check(&[], 2, "verb");
}

#[test]
fn flags_end_with_the_usage_code() {
    let place = Place::new(&mended());
    for arguments in
        [&["run", "x", "--no-such-flag"][..], &["run"], &["run", "x", "--steps", "many"], &["nonesuch"], &[]]
    {
        let ran = place.errand(arguments).exits(2);
        assert!(ran.out().is_empty() && !ran.err().is_empty());
    }
    assert!(!place.state_dir().exists());
}

#[test]
fn contract_files() {
    let place = Place::new(&mended());
    let before = place.everything();
    for (text, part) in [
        ("---\nmodes: plan\n---\nx", "modes"),
        ("---\nmode: fix\n---\nx", "fix"),
        ("---\nchecks: { run: x }\n---\nx", "line 1"),
        ("---\nmax_files: many\n---\nx", "line 1"),
        ("---\nmode: plan\nx", "not closed"),
        ("---\nmode: [\n---\nx", "job.md"),
        ("---\nmode: plan\n---\n", "the goal is empty"),
        ("", "the goal is empty"),
        ("---\nnetwork: ['*.example.org']\n---\nx", "wildcard"),
        ("---\neconomy: batch\n---\nx", "batch"),
    ] {
        let file = place.root().join("job.md");
        std::fs::write(&file, text).unwrap();
        refused(place.errand(&["run", "-f", file.to_str().unwrap()]), 2, part);
        as_json(place.errand(&["run", "--json", "-f", file.to_str().unwrap()]), 2);
    }
    assert_eq!(place.everything(), before);
}

#[test]
fn contract_files_that_cannot_be_read() {
    let place = Place::new(&mended());
    let before = place.everything();
    refused(place.errand(&["run", "-f", "none.md"]), 2, "none.md");
    refused(place.errand(&["run", "-f", "docs"]), 2, "docs");
    std::fs::write(place.root().join("binary.md"), [0xff, 0xfe, 0x00]).unwrap();
    refused(place.errand(&["run", "-f", "../binary.md"]), 2, "not UTF-8");
    assert_eq!(place.everything(), before);
}

#[test]
fn a_contract_file_with_a_wrong_type_names_the_field() {
    let place = Place::new(&mended());
    for (text, part) in [
        ("---\nmax_files: many\n---\nx", "max_files"),
        ("---\nchecks: { run: x }\n---\nx", "checks"),
        ("---\nbudget: 3\n---\nx", "budget"),
        ("---\nbudget: { usd: lots }\n---\nx", "usd"),
        ("---\nchecks: [{ run: x, repeat: -1 }]\n---\nx", "repeat"),
    ] {
        let file = place.root().join("job.md");
        std::fs::write(&file, text).unwrap();
        refused(place.errand(&["run", "-f", file.to_str().unwrap()]), 2, part);
    }
}

#[test]
fn not_a_repository() {
    let place = Place::without_repository(&mended(), ApiKeys::Any);
    refused(place.errand(&["run", "x"]), 2, "not in a git repository");
    as_json(place.errand(&["run", "x", "--json"]), 2);
    refused(place.errand(&["ask", "x"]), 2, "not in a git repository");
}

#[test]
fn no_commits() {
    let place = Place::without_repository(&mended(), ApiKeys::Any);
    std::fs::create_dir(place.repository()).unwrap();
    place.git(&["init", "--quiet"]);
    let before = place.everything();
    refused(place.errand(&["run", "x"]), 2, "commit");
    assert_eq!(place.everything(), before);
}

#[test]
fn no_key() {
    let place = Place::new(&mended());
    let call =
        |json: &'static str| place.call(&["run", "x", json]).without("ANTHROPIC_API_KEY").without("ANTHROPIC_BASE_URL");
    refused(call("--wait").ran(), 8, "no model key is set");
    as_json(call("--json").ran(), 8);
    let blank = place.call(&["run", "x"]).env("ANTHROPIC_API_KEY", " ").without("ANTHROPIC_BASE_URL");
    refused(blank.ran(), 8, "no model key is set");
}

#[test]
fn endpoints_that_must_not_get_the_key() {
    let place = Place::new(&mended());
    for url in [
        "http://192.0.2.1:9",
        "http://example.org",
        "not a url",
        "ftp://example.org",
        "https://me:secret@example.org",
        "http://127.0.0.1.example.org",
    ] {
        let ran = place.call(&["run", "x"]).env("ANTHROPIC_BASE_URL", url).ran();
        let code = ran.output.status.code();
        assert!(code == Some(2) || code == Some(8), "{url}: {code:?}");
        refused(ran, code.unwrap(), "endpoint");
    }
    assert_eq!(place.errand(&["ls", "--json"]).json(), serde_json::json!([]));
}

#[test]
fn a_password_in_an_endpoint_is_not_repeated() {
    let place = Place::new(&mended());
    let ran = place.call(&["run", "x"]).env("ANTHROPIC_BASE_URL", "https://me:secret@example.org").ran();
    assert!(!ran.err().contains("secret"), "{}", ran.err());
}

#[test]
fn a_server_on_this_machine_needs_no_key() {
    let place = Place::new(&mended());
    place.call(&[&["run", "--wait"], &FIX[..]].concat()).without("ANTHROPIC_API_KEY").ran().exits(0);
}

#[test]
fn state_directories() {
    let place = Place::new(&mended());
    let before = place.everything();
    let call = |home: &str| place.call(&["run", "x"]).env("ERRAND_HOME", home).ran();
    refused(call("state"), 2, "state");
    refused(call("./state"), 2, "./state");
    let file = place.root().join("file");
    std::fs::write(&file, "mine").unwrap();
    refused(call(file.to_str().unwrap()), 8, file.to_str().unwrap());
    refused(call(file.join("below").to_str().unwrap()), 8, file.to_str().unwrap());
    // Nobody can make a folder there, not even root.
    refused(call("/proc/errand"), 8, "/proc/errand");
    as_json(place.call(&["ls", "--json"]).env("ERRAND_HOME", "/proc/errand").ran(), 8);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    assert_eq!(place.everything(), before);
}

#[test]
fn a_second_daemon() {
    let place = Place::new(&mended());
    place.errand(&["daemon", "start"]).exits(0);
    let ran = place.errand(&["daemon", "run"]);
    refused(ran, 75, "already running");
}

#[test]
fn taking_what_is_not_there() {
    let place = Place::new(&script(&[&running(WAITS_FOR_GATE), "I stop.\n", "Yes.\n"]));
    let id = place.hand_off(&["look"]);
    place.until_event(&id, "tool.started", 1);
    refused(place.errand(&["apply", &id]), 75, "still working");
    refused(place.errand(&["apply", &id, "--branch", "new"]), 75, "still working");
    refused(place.errand(&["undo", &id]), 2, "applied");
    as_json(place.errand(&["apply", &id, "--json"]), 75);
    place.errand(&["stop", &id]).exits(0);
    place.errand(&["wait", &id]).exits(130);

    place.play(&script(&["@call list\n", "I stop.\n", "Yes.\n"]));
    let id = place.finished(3, &["look"]);
    let before = place.everything();
    refused(place.errand(&["apply", &id]), 2, "");
    refused(place.errand(&["apply", &id, "--branch", "new"]), 2, "");
    refused(place.errand(&["apply", &id, "--tree", "abc"]), 2, "");
    refused(place.errand(&["reply", &id, ""]), 2, "empty");
    refused(place.errand(&["reply", &id, "x", "--budget", "0"]), 2, "budget");
    assert_eq!(place.everything(), before);
}

#[test]
fn branches_that_cannot_be_made() {
    let place = Place::new(&mended());
    let id = place.finished(0, &FIX);
    let before = place.everything();
    for name in ["main", "a..b", "-x", "refs/heads/", "a b", "", "@{-1}"] {
        let branch = format!("--branch={name}");
        let ran = place.errand(&["apply", &id, &branch]);
        assert_eq!(ran.output.status.code(), Some(2), "{name:?}: {}", ran.err());
        refused(ran, 2, "");
    }
    assert_eq!(place.everything(), before);
}

#[test]
fn a_branch_below_a_branch() {
    let place = Place::new(&mended());
    let id = place.finished(0, &FIX);
    refused(place.errand(&["apply", &id, "--branch", "main/below"]), 2, "main/below");
}

#[test]
fn a_checkout_whose_path_is_not_utf8_is_refused_with_a_sentence() {
    let place = Place::new(&mended());
    let odd = place.root().join(OsStr::from_bytes(b"odd-\xff"));
    std::fs::rename(place.repository(), &odd).unwrap();
    for verb in [["run", "mend it"], ["ask", "what is it?"]] {
        refused(place.call(&verb).dir(&odd).ran(), 2, "the path of this directory is not valid UTF-8");
    }
    assert_eq!(place.n_requests(), 0);
}
