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

/// What acts on a terminal, turns text around or hides it; each is put wherever a text comes from outside.
const HOSTILE: [(&str, &str); 25] = [
    ("bell", "\u{7}"),
    ("backspace", "\u{8}"),
    ("carriage return", "\r"),
    ("form feed", "\u{c}"),
    ("shift out", "\u{e}"),
    ("clear the screen", "\u{1b}[2J"),
    ("hyperlink", "\u{1b}]8;;http://example.org\u{1b}\\"),
    ("clipboard", "\u{1b}]52;c;AAAA\u{7}"),
    ("title", "\u{1b}]0;x\u{7}"),
    ("device string", "\u{1b}P$q\u{1b}\\"),
    ("reset", "\u{1b}c"),
    ("delete", "\u{7f}"),
    ("next line", "\u{85}"),
    ("control sequence", "\u{9b}31m"),
    ("soft hyphen", "\u{ad}"),
    ("arabic letter mark", "\u{61c}"),
    ("hangul filler", "\u{3164}"),
    ("zero width", "\u{200b}\u{200c}\u{200d}\u{2060}\u{feff}"),
    ("marks", "\u{200e}\u{200f}"),
    ("line and paragraph", "\u{2028}\u{2029}"),
    ("embedding", "\u{202a}\u{202b}\u{202d}\u{202e}\u{202c}"),
    ("isolate", "\u{2066}\u{2067}\u{2068}\u{2069}"),
    ("interlinear", "\u{fff9}\u{fffa}\u{fffb}"),
    ("tags", "\u{e0001}\u{e0041}\u{e007f}"),
    ("variation selectors", "a\u{fe0f}\u{e0100}\u{e01ef}"),
];

fn all_hostile() -> String {
    HOSTILE.iter().map(|(name, text)| format!("{name}<{text}>")).collect()
}

/// File name, content, author, commit text, branch, repository path, goal, name of a file to apply, tool output, tool
/// input, model text, report, endpoint's error, question, reply: all of them hostile, every verb, on a pipe and on a
/// terminal, as text and as JSON.
#[test]
fn no_verb_lets_a_hostile_text_through() {
    let hostile = all_hostile();
    let json = serde_json::to_string(&hostile).unwrap();
    let inner = json.trim_matches('"');
    let one_line = hostile.replace('\r', "");
    let say = format!(
        "@error 529 overloaded_error {one_line}\n{one_line}\n@call read\n@json files = [{{\"path\": {json}}}]\n"
    );
    let print = "@call run\n@arg command = cat hostile.txt; cat hostile.txt >&2; for f in x*; do cat hostile.txt >> \"$f\"; done; printf '\\377\\376\\233'\n";
    let report = format!(
        "@call finish\n@input\n{{\"outcome\": \"done\", \"summary\": {json}, \"cause\": {{\"text\": {json}, \"places\": [\"greet.sh:3\"]}},\n\
         \"changes\": [{{\"path\": {json}, \"what\": {json}}}], \"tests\": [{{\"name\": {json}, \"proves\": {json}}}],\n\
         \"risks\": [{json}], \"not_checked\": [{json}], \"assumptions\": [{json}], \"side_findings\": [{json}]}}\n"
    );
    let answer = format!(
        "@call finish\n@input\n{{\"outcome\": \"done\", \"summary\": \"s\", \"document\": \"See greet.sh:3. {inner}\"}}\n"
    );
    let place = Place::new(&script(&[&say, print, MEND, &report]));
    let path: String = hostile.chars().filter(|c| *c != '/').take(80).collect();
    place.write("hostile.txt", &hostile);
    place.write(&format!("x{path}"), "a name\n");
    place.git(&["add", "--all"]);
    let author = format!("{} <a@example.org>", hostile.replace(['<', '>', '\u{0}'], ""));
    place.git(&["commit", "--quiet", "--author", &author, "-m", &hostile]);
    let branch = "b\u{202e}\u{200b}\u{ad}\u{9b}31m\u{e0041}";
    place.git(&["checkout", "--quiet", "-b", branch]);

    let goal = format!("mend {hostile}");
    let check = format!("sh check.sh # {}", one_line.replace('\n', ""));
    let run = ["run", "--wait", "--name", "odd", &goal, "--check", &check, "--may-fail"];
    is_harmless(&place.errand(&run).exits(0));
    let question = [r#"ask"#, &hostile];
    place.play(&script(&[&answer]));
    is_harmless(&place.errand(&question));
    for arguments in [
        &["ls"][..],
        &["show", "odd"],
        &["logs", "odd"],
        &["logs", "-f", "odd"],
        &["wait", "odd"],
        &["diff", "odd"],
        &["diff", "odd", "--stat"],
        &["cost"],
        &["cost", "odd"],
        &["doctor"],
        &["daemon", "status"],
        &["apply", "odd"],
        &["undo", "odd"],
        &["apply", "odd", "--branch", branch],
        &["apply", "odd", "--branch", &hostile],
        &["show", &hostile],
        &["run", &goal, "--dry-run"],
        &["run", "x", "--name", &hostile],
        &["run", "x", "--model", &hostile],
        &["run", "x", "--base", &hostile],
        &["run", "x", "--protect", &hostile],
        &["run", "-f", &hostile],
        &["run", "x", &hostile],
        &[&hostile],
    ] {
        let is_patch = arguments == ["diff", "odd"];
        if !is_patch {
            is_harmless(&place.errand(arguments));
        }
        is_harmless_on_a_terminal(&place, arguments);
        let with_json: Vec<_> = arguments.iter().copied().chain(["--json"]).collect();
        is_harmless(&place.errand(&with_json));
        is_harmless_on_a_terminal(&place, &with_json);
    }
    let shown = place.show("odd");
    assert_eq!(shown["report"]["summary"], hostile, "JSON says the very text");

    place.play(&script(&[&say, &report]));
    is_harmless(&place.errand(&["reply", "odd", &hostile]));
    is_harmless_on_a_terminal(&place, &["logs", "-f", "odd"]);
    is_harmless(&place.errand(&["wait", "odd"]));

    // A repository at such a place.
    let moved = place.root().join(format!("repository{path}"));
    std::fs::rename(place.repository(), &moved).unwrap();
    place.play(&script(&[&answer]));
    is_harmless(&place.call(&["ask", "where"]).dir(&moved).ran());
    is_harmless(&place.call(&["run", "x", "--dry-run"]).dir(&moved).ran());
    is_harmless(&place.errand(&["apply", "odd"]));
    let log = std::fs::read(place.state_dir().join("daemon.log")).unwrap();
    assert_eq!(control_characters(&log), Vec::<char>::new(), "{}", String::from_utf8_lossy(&log));
}

#[test]
fn a_diff_on_a_terminal_is_readable() {
    let touch = "@call run\n@arg command = printf 'x \\033[2J\\007\\n' >> esc*.txt\n";
    let place = odd_place(&[MEND, touch, DONE]);
    let id = place.finished(0, &FIX);
    let Some(shown) = on_a_terminal(&place, &["diff", &id]) else { return };
    assert!(shown.contains("+echo \"hello world\""), "{shown}");
    is_harmless_on_a_terminal(&place, &["diff", &id]);
}

/// What a person sees who runs this; `None` where `script`, which gives it a terminal, is not installed.
fn on_a_terminal(place: &Place, arguments: &[&str]) -> Option<String> {
    let binary = place.call(arguments).env("TERM", "xterm").into_command();
    let mut terminal = std::process::Command::new("script");
    let quoted: String = arguments.iter().map(|argument| format!(" '{}'", argument.replace('\'', "'\\''"))).collect();
    terminal.args(["-qec", &format!("exec {}{quoted}", env!("CARGO_BIN_EXE_errand")), "/dev/null"]);
    terminal.env_clear().envs(binary.get_envs().filter_map(|(name, value)| Some((name, value?))));
    terminal.current_dir(place.repository()).stdin(std::process::Stdio::null());
    let output = terminal.output().ok()?;
    Some(String::from_utf8(output.stdout).unwrap_or_else(|_| "\u{9f}".to_owned()))
}

/// Nothing acts but our own styles and the line that is written over.
#[track_caller]
fn is_harmless_on_a_terminal(place: &Place, arguments: &[&str]) {
    let Some(shown) = on_a_terminal(place, arguments) else { return };
    let mut rest = shown.replace("\r\n", "\n").replace("\r\u{1b}[K", "");
    for style in ["0", "1", "2", "31", "32", "33", "36"] {
        rest = rest.replace(&format!("\u{1b}[{style}m"), "");
    }
    assert_eq!(control_characters(rest.as_bytes()), Vec::<char>::new(), "{arguments:?}: {rest:?}");
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
        c.is_control() && !"\n\t".contains(*c) || HOSTILE.iter().any(|(_, text)| !c.is_ascii() && text.contains(*c))
    };
    text.chars().filter(acts).collect()
}
