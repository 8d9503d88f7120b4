//! `edit`: exact replacements over several files, all or nothing, inside the borders.

use crate::rig::Rig;
use errand_task::contract::{Draft, Mode};
use std::os::unix::fs::PermissionsExt as _;

/// The edits are applied, answered with this, and the file then reads so.
#[track_caller]
fn check(edits: &str, expected: &str, path: &str, text: &str) {
    let rig = Rig::new();
    rig.check("edit", &format!(r#"{{"edits":[{edits}]}}"#), expected);
    assert_eq!(rig.read(path), text);
}

/// The edits are refused with this, and nothing is changed.
#[track_caller]
fn refuse(rig: &Rig, edits: &str, expected: &str) {
    let before = rig.snapshot();
    rig.check("edit", &format!(r#"{{"edits":[{edits}]}}"#), &format!("ERROR {expected}"));
    assert_eq!(rig.snapshot(), before, "{edits}");
    let left = std::fs::read_dir(rig.tree().join("../staging")).unwrap().count();
    assert_eq!(left, 0, "something is left of a write");
}

#[test]
fn what_edits_do() {
    check(
        r#"{"path":"src/a.rs","old":"fn two() {}","new":"fn two() {\n}"}"#,
        "src/a.rs +2 −1\n@@ -1,4 +1,5 @@\n fn one() {}\n-fn two() {}\n+fn two() {\n+}\n \n fn three() {\n",
        "src/a.rs",
        "fn one() {}\nfn two() {\n}\n\nfn three() {\n\tone();\n}\n",
    );
    check(
        r#"{"path":"./src/b.py","old":"pass","new":"return 1"}"#,
        "src/b.py +1 −1\n@@ -1,2 +1,2 @@\n def one():\n-    pass\n\\ No newline at end of file\n+    return 1\n\\ No newline at end of file\n",
        "src/b.py",
        "def one():\n    return 1",
    );
    check(
        r#"{"path":"src/a.rs","old":"fn","new":"pub fn","count":3}"#,
        "src/a.rs +3 −3\n@@ -1,6 +1,6 @@\n-fn one() {}\n-fn two() {}\n+pub fn one() {}\n+pub fn two() {}\n \n-fn three() {\n+pub fn three() {\n \tone();\n }\n",
        "src/a.rs",
        "pub fn one() {}\npub fn two() {}\n\npub fn three() {\n\tone();\n}\n",
    );
    check(
        r#"{"path":"src/a.rs","old":"fn one() {}\n","new":"","count":1},{"path":"src/a.rs","old":"fn two() {}\n","new":""},{"path":"src/a.rs","old":"\nfn","new":"fn"}"#,
        "src/a.rs +0 −3\n@@ -1,5 +1,2 @@\n-fn one() {}\n-fn two() {}\n-\n fn three() {\n \tone();\n",
        "src/a.rs",
        "fn three() {\n\tone();\n}\n",
    );
    check(
        r#"{"path":"new/er/x.rs","new":"a\nb\n","create":true}"#,
        "new/er/x.rs created, 2 lines\n",
        "new/er/x.rs",
        "a\nb\n",
    );
    check(r#"{"path":"y.rs","create":true}"#, "y.rs created, 0 lines\n", "y.rs", "");
    check(r#"{"path":"z","create":true,"old":"","new":"x"}"#, "z created, 1 line\n", "z", "x");
    // Windows line ends stay, whatever the model writes.
    let crlf = "crlf.txt +2 −2\n@@ -1,3 +1,3 @@\n-a\r\n-b\r\n+x\r\n+y\r\n c\r\n";
    check(r#"{"path":"crlf.txt","old":"a\nb","new":"x\ny"}"#, crlf, "crlf.txt", "x\r\ny\r\nc\r\n");
    check(r#"{"path":"crlf.txt","old":"a\r\nb","new":"x\r\ny"}"#, crlf, "crlf.txt", "x\r\ny\r\nc\r\n");
    // A file is deleted, or made anew.
    check(
        r#"{"path":"src/b.py","delete":true},{"path":"src/b.py","create":true,"new":"x\n"}"#,
        "src/b.py +1 −2\n@@ -1,2 +1 @@\n-def one():\n-    pass\n\\ No newline at end of file\n+x\n",
        "src/b.py",
        "x\n",
    );
    let rig = Rig::new();
    rig.check("edit", r#"{"edits":[{"path":"src/b.py","delete":true}]}"#, "src/b.py deleted\n");
    assert!(!rig.tree().join("src/b.py").exists());
    // Permissions stay.
    rig.check(
        "edit",
        r#"{"edits":[{"path":"tool.sh","old":"sh","new":"bash"}]}"#,
        "tool.sh +1 −1\n@@ -1 +1 @@\n-#!/bin/sh\n+#!/bin/bash\n",
    );
    let mode = std::fs::metadata(rig.tree().join("tool.sh")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o755);
    // A path inside the workspace may be absolute; what changed is named by its short name.
    let inside = rig.tree().join("crlf.txt").display().to_string();
    let output = rig.output("edit", &format!(r#"{{"edits":[{{"path":"{inside}","old":"c","new":"d"}}]}}"#));
    assert_eq!((output.is_error, output.changed), (false, vec!["crlf.txt".to_owned()]));
}

#[test]
fn mixed_line_ends_in_the_new_text() {
    check(
        r#"{"path":"crlf.txt","old":"b","new":"x\r\ny"}"#,
        "crlf.txt +2 −1\n@@ -1,3 +1,4 @@\n a\r\n-b\r\n+x\r\n+y\r\n c\r\n",
        "crlf.txt",
        "a\r\nx\r\ny\r\nc\r\n",
    );
}

#[test]
fn what_does_not_fit_changes_nothing() {
    let rig = Rig::new();
    for (edits, problem) in [
        (
            r#"{"path":"src/a.rs","old":"fn","new":"x"}"#,
            "edit 1 (src/a.rs): old occurs 3 times (lines 1, 2, 4), count says 1: add surrounding lines to old, or set count to 3",
        ),
        (
            r#"{"path":"src/a.rs","old":"fn","new":"x","count":0}"#,
            "edit 1 (src/a.rs): old occurs 3 times (lines 1, 2, 4), count says 0: add surrounding lines to old, or set count to 3",
        ),
        (
            r#"{"path":"src/a.rs","old":"fn three() {\n    one();","new":"x"}"#,
            "edit 1 (src/a.rs): old does not occur in the file. Closest is line 4; line 5 differs:\n  file: →one();\n  old:      one();",
        ),
        (
            r#"{"path":"src/a.rs","old":"nothing like it","new":"x"}"#,
            "edit 1 (src/a.rs): old does not occur in the file. No line of it is there; read the file again.",
        ),
        (
            r#"{"path":"src/b.py","old":"    pass\n","new":"x"}"#,
            "edit 1 (src/b.py): old does not occur in the file. Closest is line 2, where the file ends before old does.",
        ),
        (r#"{"path":"src/a.rs","old":"","new":"x"}"#, "edit 1 (src/a.rs): old is empty: give the text to replace"),
        (r#"{"path":"src/a.rs","old":"fn one","new":"fn one"}"#, "edit 1 (src/a.rs): old and new are the same"),
        (r#"{"path":"src/a.rs","old":"fn one"}"#, "edit 1 (src/a.rs): old and new are both needed"),
        (r#"{"path":"src/a.rs"}"#, "edit 1 (src/a.rs): old and new are both needed"),
        (
            r#"{"path":"none.rs","old":"a","new":"b"}"#,
            "edit 1 (none.rs): there is no such file (a new one needs \"create\": true)",
        ),
        (r#"{"path":"none.rs","delete":true}"#, "edit 1 (none.rs): there is no such file"),
        (
            r#"{"path":"src/a.rs","create":true,"new":"x"}"#,
            "edit 1 (src/a.rs): the file exists already: edit it with old and new, or delete it in an edit before",
        ),
        (
            r#"{"path":"n.rs","create":true,"old":"x","new":"y"}"#,
            "edit 1 (n.rs): a new file has no old text: leave old out",
        ),
        (r#"{"path":"n.rs","create":true,"delete":true}"#, "edit 1 (n.rs): create and delete exclude each other"),
        (
            r#"{"path":"src/a.rs","old":"fn one","new":"x"},{"path":"none","old":"a","new":"b"},{"path":"src/b.py","old":"zzz","new":"y"}"#,
            "edit 2 (none): there is no such file (a new one needs \"create\": true)\nedit 3 (src/b.py): old does not occur in the file. No line of it is there; read the file again.",
        ),
        (r#"{"path":"../x","create":true}"#, "`../x` leaves the workspace"),
        (r#"{"path":"/etc/x","create":true}"#, "`/etc/x` is absolute; paths are relative to the workspace"),
        (r#"{"path":"up/x","create":true}"#, "`up/x` leaves the workspace"),
        (r#"{"path":"src","create":true}"#, "`src` is a folder"),
        (r#"{"path":"","create":true}"#, "`.` is a folder"),
        (r#"{"path":"latin.txt","old":"caf","new":"two"}"#, "latin.txt: not UTF-8 text; change it with run"),
    ] {
        refuse(&rig, edits, &format!("nothing was changed:\n{problem}"));
    }
    for (edits, problem) in [
        (
            r#"{"path":"link","old":"fn one","new":"x"}"#,
            "nothing was changed: `link` leads through a link; only plain paths can be written",
        ),
        (
            r#"{"path":"folder/a.rs","old":"fn one","new":"x"}"#,
            "nothing was changed: `folder/a.rs` leads through a link; only plain paths can be written",
        ),
        (
            r#"{"path":"folder/new.rs","create":true}"#,
            "nothing was changed: `folder/new.rs` leads through a link; only plain paths can be written",
        ),
        (r#"{"path":"dangling","create":true}"#, "nothing was changed: `dangling` exists already"),
        (
            r#"{"path":".git/config","old":"bare = false","new":"bare = true"}"#,
            "nothing was changed: `.git/config` is git's own data and cannot be written",
        ),
        (
            r#"{"path":".git/hooks/x","create":true}"#,
            "nothing was changed: `.git/hooks/x` is git's own data and cannot be written",
        ),
        (
            r#"{"path":"sub/.GIT/x","create":true}"#,
            "nothing was changed: `sub/.GIT/x` is git's own data and cannot be written",
        ),
        (
            r#"{"path":"git~1/x","create":true}"#,
            "nothing was changed: `git~1/x` is git's own data and cannot be written",
        ),
        (
            r#"{"path":"src/a.rs","old":"fn one","new":"x"},{"path":"src/a.rs","old":"x","new":"fn one"}"#,
            "the edits together change nothing",
        ),
    ] {
        refuse(&rig, edits, problem);
    }
    let many = vec![r#"{"path":"src/a.rs","old":"a","new":"b"}"#; 41].join(",");
    refuse(&rig, "", "edits takes 1 to 40 entries, this call has 0");
    refuse(&rig, &many, "edits takes 1 to 40 entries, this call has 41");
}

#[test]
fn a_last_line_with_other_line_ends_is_named() {
    let rig = Rig::new();
    rig.write("mixed.txt", b"a\r\nb\nc\n");
    let told = rig.told("edit", r#"{"edits":[{"path":"mixed.txt","old":"b\nc","new":"x"}]}"#);
    assert!(!told.contains("the file ends before old does"), "{told}");
}

#[test]
fn a_third_file_that_fails_undoes_the_first_two() {
    let rig = Rig::new();
    // In path order: two are written and one is made before the link refuses.
    let edits = r#"{"path":"crlf.txt","old":"a","new":"z"},{"path":"docs/new/x.md","create":true,"new":"x"},
        {"path":"empty.txt","delete":true},{"path":"link","old":"fn one","new":"x"}"#;
    refuse(&rig, edits, "nothing was changed: `link` leads through a link; only plain paths can be written");
    assert_eq!(rig.read("crlf.txt"), "a\r\nb\r\nc\r\n");
    assert!(rig.tree().join("empty.txt").exists() && !rig.tree().join("docs/new/x.md").exists());
}

#[test]
fn undoing_keeps_permissions() {
    let rig = Rig::new();
    rig.link(std::path::Path::new("src/a.rs"), "zlink");
    let edits = r#"{"path":"tool.sh","delete":true},{"path":"zlink","old":"fn one","new":"x"}"#;
    rig.check(
        "edit",
        &format!(r#"{{"edits":[{edits}]}}"#),
        "ERROR nothing was changed: `zlink` leads through a link; only plain paths can be written",
    );
    let mode = std::fs::metadata(rig.tree().join("tool.sh")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o755);
}

#[test]
fn borders_are_asked_before_anything_is_written() {
    let draft = Draft {
        allow: vec!["src/**".to_owned(), "docs".to_owned()],
        protect: vec!["src/b.py".to_owned()],
        ..Draft::default()
    };
    let rig = Rig::with(draft);
    let inside = rig.tree().join("src/b.py").display().to_string();
    for (edits, problem) in [
        (r#"{"path":"src/b.py","old":"pass","new":"x"}"#, "src/b.py: protected by `src/b.py`"),
        (r#"{"path":"src/deep/../b.py","old":"pass","new":"x"}"#, "src/b.py: protected by `src/b.py`"),
        (&format!(r#"{{"path":"{inside}","delete":true}}"#), "src/b.py: protected by `src/b.py`"),
        (r#"{"path":"crlf.txt","old":"a","new":"b"}"#, "crlf.txt: outside the paths this job may change"),
        (
            r#"{"path":"src/a.rs","old":"fn one","new":"x"},{"path":"n","create":true},{"path":"src/b.py","delete":true},{"path":"n","create":true}"#,
            "n: outside the paths this job may change\nsrc/b.py: protected by `src/b.py`",
        ),
    ] {
        refuse(&rig, edits, &format!("nothing was changed:\n{problem}"));
    }
    rig.check("edit", r#"{"edits":[{"path":"docs/x","create":true,"new":"x"}]}"#, "docs/x created, 1 line\n");
    let rig = Rig::with(Draft { mode: Some(Mode::Plan), ..Draft::default() });
    refuse(
        &rig,
        r#"{"path":"src/a.rs","old":"fn one","new":"x"}"#,
        "nothing was changed:\nsrc/a.rs: this job is read-only, no file may change",
    );
}

#[test]
fn long_hunks_are_cut_and_all_edits_hold() {
    let rig = Rig::new();
    let told = rig.told("edit", r#"{"edits":[{"path":"docs/long.txt","old":"line","new":"row","count":1000}]}"#);
    assert!(told.len() < 12_200, "{}", told.len());
    assert!(told.ends_with("\n… (the rest of the hunks is not shown; all edits are applied)\n"), "{told}");
    assert!(rig.read("docs/long.txt").ends_with("row 1000\n"));
    rig.write("huge.txt", &vec![b'x'; (8 << 20) + 1]);
    refuse(
        &rig,
        r#"{"path":"huge.txt","old":"xy","new":"b"}"#,
        "nothing was changed:\nhuge.txt: too large to edit here, 8388609 bytes",
    );
}

#[test]
fn a_long_insertion_is_shown_by_its_ends() {
    let new: String = (1..=33).map(|n| format!("new {n}\\n")).collect();
    Rig::new().check(
        "edit",
        &format!(r#"{{"edits":[{{"path":"docs/long.txt","old":"line 125\n","new":"line 125\n{new}"}}]}}"#),
        "docs/long.txt +33 −0\n@@ -124,4 +124,37 @@\n line 124\n line 125\n+new 1\n+new 2\n… 29 lines as given (now 126–158)\n+new 32\n+new 33\n line 126\n line 127\n",
    );
}

#[test]
fn what_is_used_of_a_limit_is_told() {
    let rig = Rig::with(Draft { max_diff_lines: Some(10), ..Draft::default() });
    rig.check(
        "edit",
        r#"{"edits":[{"path":"src/b.py","delete":true},{"path":"x","create":true,"new":"1\n2\n3\n"}]}"#,
        "src/b.py deleted\nx created, 3 lines\nin all +3 −2, 5 of 10 lines\n",
    );
    rig.told("run", r#"{"command":"rm x"}"#);
    rig.check(
        "edit",
        r#"{"edits":[{"path":"y","create":true,"new":"1\n"}]}"#,
        "y created, 1 line\nin all +1 −2, 3 of 10 lines\n",
    );
}

#[test]
fn a_link_is_deleted_as_such() {
    let rig = Rig::new();
    rig.check("edit", r#"{"edits":[{"path":"link","delete":true}]}"#, "link deleted\n");
    assert!(!rig.tree().join("link").exists() && rig.tree().join("src/a.rs").exists());
}
