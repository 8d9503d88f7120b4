//! Repositories with everything that breaks tools, and texts that would act on a terminal.

use crate::place::{Place, Ran};
use crate::scripts::{DONE, FIX, MEND, script};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

const HUGE: u64 = 100 * 1024 * 1024;

fn odd_place(steps: &[&str]) -> Place {
    let place = Place::new(&script(steps));
    let repository = place.repository();
    let file = |name: &[u8], bytes: &[u8]| std::fs::write(repository.join(OsStr::from_bytes(name)), bytes).unwrap();
    file(b"image.bin", &[0, 1, 2, 0xff, 0xfe, b'h', b'e', b'l', b'o', 0]);
    file(b"latin1-\xe9.txt", b"caf\xe9 helo\n");
    file(b"two\nlines.txt", b"helo\n");
    file(b"esc\x1b[31mred\x07.txt", b"helo \x1b]0;title\x07\n");
    std::os::unix::fs::symlink("/etc/passwd", repository.join("outside")).unwrap();
    std::os::unix::fs::symlink("../../..", repository.join("up")).unwrap();
    std::os::unix::fs::symlink("greet.sh", repository.join("inside")).unwrap();
    std::os::unix::fs::symlink("nowhere", repository.join("dangling")).unwrap();
    place.commit("odd things");
    place
}

/// With a committed file of 100 MB that git packs small, and an uncommitted one that is a hole.
fn add_huge_files(place: &Place) {
    let huge = |name: &str| std::fs::File::create(place.repository().join(name)).unwrap().set_len(HUGE).unwrap();
    huge("huge.bin");
    place.commit("a huge file");
    huge("sparse.bin");
}

/// Reads, lists and searches all of it.
const LOOK_AT_ALL: &str = r#"@call list
@call read
@json files = [{"path": "image.bin"}, {"path": "huge.bin"}, {"path": "outside"}, {"path": "up/etc/passwd"}, {"path": "dangling"}, {"path": "inside"}, {"path": "two\nlines.txt"}]
@call read
@json files = [{"path": "../../etc/passwd"}, {"path": "/etc/passwd"}, {"path": ".git/config"}]
@call search
@arg pattern = helo
@call search
@arg pattern = root:
@call read
@json files = [{"path": "esc\u001b[31mred\u0007.txt"}]
"#;

#[test]
fn a_job_in_an_odd_repository_is_done_and_every_verb_is_readable() {
    let touch = "@call run\n@arg command = printf 'more\\n' >> latin1-*.txt; printf 'more\\n' >> two*.txt; printf 'more\\n' >> esc*.txt; printf '\\033[2J\\007'; ls\n";
    let done = DONE.replace("The greeting is spelled right.", r"Right \u001b[31mred\u0007 \u009b1m \u202etxt.\u200b");
    let place = odd_place(&[LOOK_AT_ALL, MEND, touch, &done]);
    add_huge_files(&place);
    let goal = "mend \u{1b}[2J the \u{7} greeting\r\u{202e}";
    let ran = place
        .errand(&[
            "run",
            "--wait",
            "--name",
            "odd",
            goal,
            "--check",
            "sh check.sh; printf '\\033[2J'; sh check.sh",
            "--may-fail",
        ])
        .exits(0);
    is_harmless(&ran);
    let seen = place.sim.requests()[1].json()["messages"][2].to_string();
    for part in ["image.bin: binary", "huge.bin: 104857600 bytes, too large"] {
        assert!(seen.contains(part), "{part} is missing in {seen}");
    }
    assert!(!seen.contains("root:x:0"), "nothing outside the workspace is read");

    let files = place.show("odd")["diff"]["files"].clone();
    assert_eq!(files.as_array().map(Vec::len), Some(4), "{files}");
    for arguments in [
        &["ls"][..],
        &["show", "odd"],
        &["logs", "odd"],
        &["logs", "-f", "odd"],
        &["wait", "odd"],
        &["diff", "odd", "--stat"],
        &["cost"],
        &["cost", "odd"],
        &["doctor"],
        &["daemon", "status"],
        &["apply", "odd"],
        &["undo", "odd"],
        &["apply", "odd", "--branch", "odd"],
        &["reply", "odd", ""],
        &["show", "esc\u{1b}[31m"],
        &["run", "x", "--model", "esc\u{1b}[31m\u{7}"],
        &["run", "x", "--base", "esc\u{1b}[31m\u{7}"],
        &["run", "x", "--name", "esc\u{1b}[31m\u{7}"],
        &["run", "x", "--protect", "esc\u{1b}[31m\u{7}["],
        &["run", "-f", "esc\u{1b}[31m\u{7}.md"],
        &["run", "x", "--steps", "esc\u{1b}[31m\u{7}"],
        &["run", "x", "--esc\u{1b}[31m\u{7}"],
    ] {
        is_harmless(&place.errand(arguments));
    }
}

#[test]
fn json_is_harmless_on_a_terminal_too() {
    let place = Place::new(&script(&[MEND, DONE]));
    let id = place.finished(3, &["mend \u{1b}[2J \u{7f} the \u{9b}31m greeting \u{202e}\u{200b}"]);
    for arguments in [&["show", &id, "--json"][..], &["logs", &id, "--json"], &["ls", "--json"]] {
        is_harmless(&place.errand(arguments));
    }
}

#[test]
fn odd_names_are_applied_and_taken_back_byte_for_byte() {
    let touch = "@call run\n@arg command = printf 'more\\n' >> latin1-*.txt; printf 'more\\n' >> two*.txt; printf '\\000\\001' > image.bin; git mv README.md \"$(printf 'read\\nme')\"\n";
    let place = odd_place(&[MEND, touch, DONE]);
    let files_of = |place: &Place| {
        let mut files = place.everything();
        files.retain(|path, _| !path.components().any(|part| part.as_os_str() == ".git"));
        files
    };
    let before = files_of(&place);
    let id = place.finished(0, &FIX);
    let patch = place.errand(&["diff", &id]).exits(0).output.stdout;
    let file = place.root().join("result.patch");
    std::fs::write(&file, &patch).unwrap();
    place.git(&["apply", "--check", file.to_str().unwrap()]);
    place.errand(&["apply", &id]).exits(0);
    assert!(place.repository().join("read\nme").exists() && !place.repository().join("README.md").exists());
    let applied = place.git(&["status", "--porcelain", "-z"]);
    place.errand(&["undo", &id]).exits(0);
    assert_eq!(files_of(&place), before);
    assert_eq!(place.git(&["status", "--porcelain"]), "", "after {applied:?}");
    place.errand(&["apply", &id, "--branch", "odd"]).exits(0);
    place.git(&["fsck", "--strict"]);
}

#[test]
fn a_changed_link_does_not_block_the_rest() {
    let place = odd_place(&[MEND, "@call run\n@arg command = rm inside; ln -s check.sh inside\n", DONE]);
    let id = place.finished(0, &FIX);
    let applied = place.errand(&["apply", &id, "--json"]).exits(0).json();
    assert_eq!(applied["files"], serde_json::json!(["greet.sh"]));
    assert_eq!(applied["skipped"].as_array().map(Vec::len), Some(1));
}

#[test]
fn a_diff_on_a_terminal_is_harmless() {
    // `script` gives the command a terminal; where it is not installed there is nothing to see.
    let touch = "@call run\n@arg command = printf 'x \\033[2J\\007\\n' >> esc*.txt\n";
    let place = odd_place(&[MEND, touch, DONE]);
    let id = place.finished(0, &FIX);
    let binary = place.call(&["diff", &id]).env("NO_COLOR", "1").env("TERM", "xterm").into_command();
    let mut terminal = std::process::Command::new("script");
    terminal.args(["-qec", &format!("{} diff {id}", env!("CARGO_BIN_EXE_errand")), "/dev/null"]);
    terminal.env_clear().envs(binary.get_envs().filter_map(|(name, value)| Some((name, value?))));
    terminal.current_dir(place.repository()).stdin(std::process::Stdio::null());
    let Ok(output) = terminal.output() else { return };
    let shown = String::from_utf8_lossy(&output.stdout).replace("\r\n", "\n");
    assert!(shown.contains("+echo \"hello world\""), "{shown}");
    assert_eq!(control_characters(shown.as_bytes()), Vec::<char>::new(), "{shown:?}");
}

#[track_caller]
fn is_harmless(ran: &Ran) {
    for bytes in [&ran.output.stdout, &ran.output.stderr] {
        let found = control_characters(bytes);
        assert!(found.is_empty(), "{found:?} in {:?}", String::from_utf8_lossy(bytes));
    }
}

/// Characters that act on a terminal or hide text; a line break and a tab are none.
fn control_characters(bytes: &[u8]) -> Vec<char> {
    let text = std::str::from_utf8(bytes).unwrap_or("\u{0}");
    let acts = |c: &char| {
        c.is_control() && !"\n\t".contains(*c)
            || ('\u{200b}'..='\u{200f}').contains(c)
            || ('\u{202a}'..='\u{202e}').contains(c)
    };
    text.chars().filter(acts).collect()
}
