//! The key is in the header of requests and in the file of its own, and nowhere else, whatever the repository, the model,
//! the endpoint and the person do. Nor is it where another process could look.

use crate::place::{Place, Ran, until};
use crate::scripts::{DONE, MEND, running, script};
use errand_sim::ApiKeys;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

/// As long as real ones, and of no other test.
const KEY: &str = "sk-ant-api03-Xq7_Zr2bN9wLk4TdVh8-JpYc5sGmEa3uRfQoWi6B-tHxAA";
const MARK: &str = "[redacted key]";

/// A place whose person uses [`KEY`].
struct Guarded(Place);

impl Guarded {
    fn new(steps: &[&str]) -> Self {
        Self(Place::with_keys(&script(steps), ApiKeys::Any))
    }

    fn errand(&self, arguments: &[&str]) -> Ran {
        self.0.call(arguments).env("ANTHROPIC_API_KEY", KEY).ran()
    }

    /// What was sent of the request, as text.
    fn sent(&self, index: usize) -> String {
        String::from_utf8_lossy(&self.0.sim.requests()[index].body).into_owned()
    }

    /// Looks for the key, its halves and its base64 everywhere but in the places where it may be: its own file; the
    /// repository's objects and files, where it is what the person committed.
    #[track_caller]
    fn nothing_leaked(&self) {
        for request in self.0.sim.requests() {
            assert_eq!(request.header("x-api-key"), Some(KEY));
            is_clean("a request", &request.body);
        }
        let mut n_files = 0;
        scan(&self.0.state_dir(), &mut |path, bytes| {
            n_files += 1;
            is_clean(&path.display().to_string(), bytes);
        });
        assert!(n_files >= 3, "journal, log, lock: {n_files}");
        for arguments in [
            &["ls"][..],
            &["ls", "--json"],
            &["show", "guarded"],
            &["show", "guarded", "--json"],
            &["logs", "guarded"],
            &["logs", "guarded", "--json"],
            &["wait", "guarded"],
            &["diff", "guarded", "--stat"],
            &["cost"],
            &["cost", "guarded", "--json"],
            &["doctor"],
            &["daemon", "status", "--json"],
        ] {
            let ran = self.errand(arguments);
            is_clean(&format!("{arguments:?}"), &ran.output.stdout);
            is_clean(&format!("{arguments:?}"), &ran.output.stderr);
        }
    }
}

#[track_caller]
fn is_clean(what: &str, bytes: &[u8]) {
    // Of the base64 at each of its alignments.
    let base64 = ["LWFwaTAzLVhxN19acjJi", "C1hcGkwMy1YcTdfWnIyYk45", "QtYXBpMDMtWHE3X1pyMmJOOXdM"];
    for secret in [KEY, &KEY[..30], &KEY[30..]].into_iter().chain(base64) {
        let found = bytes.windows(secret.len()).position(|window| window == secret.as_bytes());
        let around = found.map(|at| String::from_utf8_lossy(&bytes[at.saturating_sub(60)..at]).into_owned());
        assert_eq!(around, None, "`{secret}` is in {what}, behind this");
    }
}

/// Every file of the state directory but the key's own, git's objects, the files of workspaces and checkouts, and what undo
/// needs of the files an apply wrote.
fn scan(folder: &Path, look: &mut impl FnMut(&Path, &[u8])) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap_or_default();
        if path.is_dir() && !["credentials", "ledgers", "workspaces", "checks", "applies", "trash"].contains(&name) {
            scan(&path, look);
        } else if let Ok(bytes) = std::fs::read(&path) {
            // What cannot be read is a socket, or a clean-up was quicker.
            look(&path, &bytes);
        }
    }
}

#[test]
fn a_key_in_the_repository_and_in_every_output_goes_no_further() {
    let looks = format!(
        "@call read\n@json files = [{{\"path\": \"config.txt\"}}, {{\"path\": \"{KEY}.txt\"}}]\n\
         @call search\n@arg pattern = token\n@call list\n"
    );
    let runs = [
        running(
            "cat config.txt; echo \"[$(cat config.txt)]\"; base64 -w0 config.txt; echo x$(cat config.txt) | base64 -w0",
        ),
        running("k=$(cat config.txt); printf %s \"${k%%Vh8*}\"; sleep 0.1; printf '%s\\n' \"Vh8${k#*Vh8}\""),
        running(
            "python3 -c 'print(\"x\" * 450 + open(\"config.txt\").read().strip() + \"y\" * 600)' || true; cat config.txt >&2; exit 3",
        ),
        "@call run\n@arg command = cat config.txt; sleep 0.3; cat config.txt\n@arg background = true\n@call wait\n"
            .to_owned(),
        "@call read\n@json files = [{\"path\": \"log:1\"}]\n".to_owned(),
    ];
    let runs: Vec<_> = runs.iter().map(String::as_str).collect();
    let touch = running("for f in sk-ant-*; do echo more >> \"$f\"; done");
    let report = DONE.replace("The greeting is spelled right.", &format!("The key is {KEY}."));
    let steps: Vec<&str> =
        [looks.as_str()].into_iter().chain(runs).chain([touch.as_str(), MEND, report.as_str()]).collect();
    let guarded = Guarded::new(&steps);
    let place = &guarded.0;
    place.write("config.txt", &format!("token = {KEY}\n"));
    place.write(&format!("{KEY}.txt"), "a name\n");
    place.write("AGENTS.md", &format!("Use {KEY}.\n"));
    place.commit(&format!("add {KEY}"));
    let goal = format!("mend the greeting with {KEY}");
    let ran = guarded.errand(&[
        "run",
        "--wait",
        "--name",
        "guarded",
        &goal,
        "--check",
        "cat config.txt; sh check.sh",
        "--may-fail",
    ]);
    is_clean("run", &ran.output.stdout);
    is_clean("run", &ran.output.stderr);
    ran.exits(0);
    guarded.nothing_leaked();
    let first = guarded.sent(0);
    for hidden in ["mend the greeting with [redacted key]", "Use [redacted key].", " add [redacted key]"] {
        assert!(first.contains(hidden), "{hidden} is missing in {first}");
    }
    assert!(guarded.sent(1).contains("1│token = [redacted key]"), "{}", guarded.sent(1));
    assert_eq!(
        guarded.errand(&["show", "guarded", "--json"]).json()["report"]["summary"],
        format!("The key is {MARK}.")
    );

    // The result is the person's own: exact, and exactly what is applied.
    let patch = guarded.errand(&["diff", "guarded"]).exits(0).out();
    assert!(patch.contains(&format!("+++ b/{KEY}.txt")), "{patch}");
    guarded.errand(&["apply", "guarded"]).exits(0);
    assert_eq!(place.read(&format!("{KEY}.txt")), "a name\nmore\n");
    assert_eq!(place.read("config.txt"), format!("token = {KEY}\n"));
    guarded.errand(&["reply", "guarded", &format!("now use {KEY}")]).exits(0);
    guarded.errand(&["wait", "guarded"]);
    guarded.nothing_leaked();
}

#[test]
fn an_edit_around_a_key_does_not_damage_the_file() {
    let edit = |old: &str, new: &str| {
        format!(
            "@call edit\n@input\n{{\"edits\": [{{\"path\": \"config.txt\", \"old\": \"{old}\", \"new\": \"{new}\"}}]}}\n"
        )
    };
    // As a model that was shown the mark would write, and as one that has the key from somewhere.
    let marked = edit("token = [redacted key]\\n", "token = [redacted key]\\nport = 1\\n");
    let replaced = edit("host = a", "token = [redacted key]");
    let known = edit(&format!("token = {KEY}"), "token = none");
    let beside = edit("host = a", "host = b");
    let guarded = Guarded::new(&[&marked, &replaced, &known, &beside, MEND, DONE]);
    guarded.0.write("config.txt", &format!("token = {KEY}\nhost = a\n"));
    guarded.0.commit("configuration");
    guarded.errand(&["run", "--wait", "--name", "guarded", "mend it", "--check", "sh check.sh", "--may-fail"]).exits(0);
    for (request, said) in
        [(1, "choose text without it"), (2, "new holds `[redacted key]`"), (3, "choose text without it")]
    {
        assert!(guarded.sent(request).contains(said), "{}", guarded.sent(request));
    }
    guarded.nothing_leaked();
    guarded.errand(&["apply", "guarded"]).exits(0);
    assert_eq!(guarded.0.read("config.txt"), format!("token = {KEY}\nhost = b\n"));
}

#[test]
fn an_endpoint_that_says_the_key_is_not_quoted() {
    let echoes = format!("@error 529 overloaded_error no room for {KEY}\n{MEND}");
    let broken = format!("@error-midstream overloaded_error {KEY} is too much\n{DONE}");
    let said = format!("I know it: {KEY}\n@call run\n@arg command = echo {KEY}\n");
    let refused = format!("@error 401 authentication_error invalid x-api-key {KEY}\n{DONE}");
    let guarded = Guarded::new(&[&echoes, &said, &broken, &refused]);
    guarded.errand(&["run", "--wait", "--name", "guarded", "mend it", "--check", "sh check.sh", "--may-fail"]);
    guarded.nothing_leaked();
    let told = guarded.errand(&["logs", "guarded", "--json"]).out();
    assert!(told.contains("no room for [redacted key]") && told.contains("I know it: [redacted key]"), "{told}");
}

#[test]
fn a_key_in_the_contract_is_refused() {
    let guarded = Guarded::new(&[DONE]);
    for arguments in [
        &["run", "x", "--check", &format!("curl -H 'x-api-key: {KEY}' http://127.0.0.1")][..],
        &["run", "x", "--protect", &format!("{KEY}/**")],
        &["run", "x", "--dry-run", "--regression", &format!("test {KEY}")],
        &["run", "x", "--model", KEY],
    ] {
        let ran = guarded.errand(arguments).exits(2);
        is_clean("the refusal", ran.err().as_bytes());
        assert!(ran.err().contains("the model key stands in the contract"), "{}", ran.err());
    }
    assert_eq!(guarded.errand(&["ls", "--json"]).json(), serde_json::json!([]));
}

#[test]
fn a_restarted_daemon_knows_the_key_before_it_is_needed() {
    let waits = running("while [ ! -f /tmp/gate ]; do sleep 0.02; done; cat config.txt");
    let guarded = Guarded::new(&[&waits, MEND, DONE]);
    let place = &guarded.0;
    place.write("config.txt", &format!("token = {KEY}\n"));
    place.commit("configuration");
    let run = ["run", "--json", "--name", "guarded", "mend it", "--check", "cat config.txt; sh check.sh", "--may-fail"];
    guarded.errand(&run).exits(0);
    place.until_event("guarded", "tool.started", 1);
    place.kill_daemon();
    guarded.errand(&["ls"]).exits(0);
    place.open_gate("guarded");
    guarded.errand(&["wait", "guarded"]).exits(0);
    guarded.nothing_leaked();
}

/// The environment of the daemon and of a command, their arguments, and the daemon's memory.
#[test]
fn no_process_shows_the_key() {
    let look = running(
        "env; tr '\\0' '\\n' < /proc/self/environ; tr '\\0' ' ' < /proc/self/cmdline; while [ ! -f /tmp/gate ]; do sleep 0.02; done",
    );
    let guarded = Guarded::new(&[&look, MEND, DONE]);
    let place = &guarded.0;
    guarded.errand(&["run", "--json", "--name", "guarded", "mend it", "--check", "sh check.sh", "--may-fail"]).exits(0);
    until("the command", || !place.commands_running().is_empty());
    let daemon = place.daemon_pid();
    let commands = place.commands_running().into_iter().map(|(pid, _)| pid);
    let own = rustix::process::geteuid();
    for pid in commands.chain([daemon]) {
        for file in ["cmdline", "environ"] {
            // Root reads it all the same; others are not even let in.
            if let Ok(bytes) = std::fs::read(format!("/proc/{pid}/{file}")) {
                assert!(!bytes.is_empty() || pid != daemon || file == "environ");
                is_clean(&format!("{file} of {pid}"), &bytes);
            }
        }
    }
    // What belongs to root in /proc is a process that gave its memory to nobody.
    let owner = std::fs::metadata(format!("/proc/{daemon}/mem")).unwrap().uid();
    assert_eq!(owner, 0, "the daemon is not dumpable");
    if !own.is_root() {
        assert!(std::fs::read(format!("/proc/{daemon}/environ")).is_err());
    }
    let limits = std::fs::read_to_string(format!("/proc/{daemon}/limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    place.open_gate("guarded");
    guarded.errand(&["wait", "guarded"]).exits(0);
    guarded.nothing_leaked();
}

#[test]
fn the_state_is_the_owners_alone_whatever_the_umask() {
    let guarded = Guarded::new(&[MEND, DONE]);
    let place = &guarded.0;
    let run =
        place.call(&["run", "mend it", "--wait", "--check", "sh check.sh", "--may-fail"]).env("ANTHROPIC_API_KEY", KEY);
    let command = run.into_command();
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", "umask 000; exec \"$0\" \"$@\""]).arg(command.get_program()).args(command.get_args());
    shell.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = shell.current_dir(place.repository()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mode = |path: &Path| path.symlink_metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&place.state_dir()), 0o700);
    for entry in std::fs::read_dir(place.state_dir()).unwrap() {
        let path = entry.unwrap().path();
        let wanted = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode(&path), wanted, "{}", path.display());
    }
}

#[test]
fn what_is_planted_where_the_state_goes_is_refused() {
    let guarded = Guarded::new(&[DONE]);
    let place = &guarded.0;
    let elsewhere = place.root().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let refused = || {
        let ran = guarded.errand(&["ls"]).exits(8);
        assert!(ran.err().contains("the state directory"), "{}", ran.err());
        assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 0);
    };
    std::os::unix::fs::symlink(&elsewhere, place.state_dir()).unwrap();
    refused();
    std::fs::remove_file(place.state_dir()).unwrap();
    std::fs::write(place.state_dir(), "").unwrap();
    refused();
    std::fs::remove_file(place.state_dir()).unwrap();
    std::os::unix::fs::symlink(place.root().join("nowhere"), place.state_dir()).unwrap();
    refused();
    assert!(!place.root().join("nowhere").exists());
    std::fs::remove_file(place.state_dir()).unwrap();
    if rustix::process::geteuid().is_root() {
        std::fs::create_dir(place.state_dir()).unwrap();
        std::os::unix::fs::chown(place.state_dir(), Some(12345), Some(12345)).unwrap();
        refused();
        assert_eq!(std::fs::read_dir(place.state_dir()).unwrap().count(), 0);
        std::fs::remove_dir(place.state_dir()).unwrap();
    }
    // Inside, where only the owner could have done it: a link is not written through.
    let log = elsewhere.join("log");
    std::fs::create_dir(place.state_dir()).unwrap();
    std::os::unix::fs::symlink(&log, place.state_dir().join("daemon.log")).unwrap();
    guarded.errand(&["ls"]);
    assert!(!log.exists());
}
