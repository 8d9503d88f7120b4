//! `run --dirty`: the task starts from the checkout as it is, and only what the task changed is written back.

use crate::place::Place;
use crate::scripts::{DONE, FIX, LOOK, MEND, TRY, mended, running, script};

/// Twenty lines between the first and the last of the script, so that changes of both can be told apart.
fn long(first: &str, last: &str) -> String {
    let between: String = (1..=20).map(|n| format!("# line {n}\n")).collect();
    format!("{first}\n{between}{last}\n")
}

fn dirty<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["--dirty"], &FIX[..], more].concat()
}

#[test]
fn the_task_sees_what_is_uncommitted_and_apply_writes_only_its_own() {
    let look = running("cat README.md notes.txt staged.txt; ls; git status --porcelain; git log -1 --format=%s");
    let place = Place::new(&script(&[LOOK, &look, MEND, DONE]));
    place.write("README.md", "# Mine, unfinished\n");
    place.write("notes.txt", "untracked\n");
    place.write("staged.txt", "staged\n");
    place.git(&["add", "staged.txt"]);
    place.write("gate", "ignored\n");
    place.write(".gitignore", "gate\nsecret.txt\n");
    place.write("secret.txt", "mine alone\n");
    std::fs::remove_file(place.repository().join("docs/rules.md")).unwrap();
    let (before, status) = (place.everything(), place.git(&["status", "--porcelain"]));
    let head = place.git(&["rev-parse", "HEAD"]);

    let ran = place.errand(&[&["run"], &dirty(&["--name", "job"])[..]].concat()).exits(0).out();
    assert!(
        ran.contains(" with 5 uncommitted files: .gitignore, README.md, docs/rules.md, notes.txt, staged.txt\n"),
        "{ran}"
    );
    place.errand(&["wait", "job"]).exits(0);
    let id = place.show("job")["id"].as_str().unwrap().to_owned();
    assert_eq!(place.everything(), before, "nothing in the repository changes");
    let said = place.events(&id, "tool.ended")[2]["output"].to_string();
    for (part, is_there) in [
        ("Mine, unfinished", true),
        ("untracked", true),
        ("staged", true),
        ("secret", false),
        ("gate", false),
        ("docs", false),
        ("uncommitted changes of repository", true),
    ] {
        assert_eq!(said.contains(part), is_there, "{part} in {said}");
    }
    let shown = place.show(&id);
    assert_eq!(shown["dirty"]["head"], head.trim());
    assert_ne!(shown["base_commit"], head.trim());
    assert_eq!(shown["diff"]["files"].as_array().unwrap().len(), 1, "{}", shown["diff"]);
    assert!(place.errand(&["show", &id]).out().contains("with 5 uncommitted files"));

    // The base is in no repository but errand's: after a restart it is still there.
    place.errand(&["daemon", "stop"]).exits(0);
    let patch = place.errand(&["diff", &id]).exits(0).out();
    assert!(patch.contains("greet.sh") && !patch.contains("README.md"), "{patch}");
    place.errand(&["apply", &id]).exits(0);
    let applied = place.git(&["status", "--porcelain"]);
    assert_eq!(
        applied.lines().filter(|line| !status.lines().any(|old| old == *line)).collect::<Vec<_>>(),
        [" M greet.sh"]
    );
    assert_eq!(place.read("README.md"), "# Mine, unfinished\n");
    place.errand(&["undo", &id]).exits(0);
    assert_eq!(place.git(&["status", "--porcelain"]), status);

    let made = place.errand(&["apply", &id, "--branch", "mended"]).exits(0).out();
    assert!(made.contains("left out: your uncommitted changes"), "{made}");
    assert_eq!(
        place.git(&["diff", "--name-only", "HEAD", "mended"]),
        "greet.sh\n",
        "the branch has the task's change alone"
    );
    assert_eq!(place.git(&["rev-parse", "mended^"]), head);
    place.git(&["fsck", "--strict"]);
}

#[test]
fn changes_of_both_in_one_file_are_kept_apart() {
    let place = Place::new(&script(&[MEND, DONE]));
    place.write("greet.sh", &long("#!/bin/sh", "echo \"helo world\""));
    place.commit("longer");
    let mine = long("#!/bin/sh -e", "echo \"helo world\"");
    place.write("greet.sh", &mine);
    let id = place.finished(0, &dirty(&[]));
    place.errand(&["apply", &id]).exits(0);
    assert_eq!(place.read("greet.sh"), long("#!/bin/sh -e", "echo \"hello world\""));
    place.errand(&["undo", &id]).exits(0);
    assert_eq!(place.read("greet.sh"), mine);
    place.errand(&["apply", &id, "--branch", "mended"]).exits(0);
    assert_eq!(place.git(&["show", "mended:greet.sh"]), long("#!/bin/sh", "echo \"hello world\""));
}

#[test]
fn a_branch_that_would_need_the_uncommitted_changes_is_refused() {
    let place = Place::new(&mended());
    place.write("greet.sh", "#!/bin/sh\n# Says hello to all.\necho \"helo world\"\n");
    let id = place.finished(0, &dirty(&[]));
    let before = place.everything();
    let refused = place.errand(&["apply", &id, "--branch", "mended"]).exits(2).err();
    assert!(refused.contains("builds on your uncommitted changes of greet.sh") && refused.contains("→"), "{refused}");
    assert_eq!(place.everything(), before);
    place.errand(&["apply", &id]).exits(0);
    assert_eq!(place.read("greet.sh"), "#!/bin/sh\n# Says hello to all.\necho \"hello world\"\n");
}

#[test]
fn a_follow_up_goes_on_from_the_same_base() {
    let place = Place::new(&mended());
    place.write("notes.txt", "untracked\n");
    let id = place.finished(0, &dirty(&[]));
    std::fs::remove_dir_all(place.state_dir().join("workspaces").join(&id)).unwrap();
    std::fs::remove_file(place.repository().join("notes.txt")).unwrap();
    place.play(&script(&[LOOK, MEND, TRY, DONE, &running("cat notes.txt; git show --stat"), DONE]));
    place.errand(&["reply", &id, "look again"]).exits(0);
    place.errand(&["wait", &id]).exits(0);
    let ended = place.events(&id, "tool.ended");
    assert_eq!(ended[ended.len() - 2]["runs"][0]["end"], serde_json::json!({"exited": {"code": 0}}));
}

#[test]
fn what_a_task_does_not_see_is_named() {
    let place = Place::new(&mended());
    for n in 1..=7 {
        place.write(&format!("new-{n}.txt"), "mine\n");
    }
    let out = place.errand(&[&["run", "--dry-run"], &FIX[..]].concat()).exits(0).out();
    let named = "7 uncommitted files are not included (--dirty includes them): new-1.txt, new-2.txt, new-3.txt, new-4.txt, new-5.txt and 2 more\n";
    assert!(out.contains(named), "{out}");
    let json = place.errand(&[&["run", "--dry-run", "--json"], &FIX[..]].concat()).exits(0).json();
    assert_eq!(
        (&json["n_uncommitted"], &json["uncommitted"][0], &json["dirty"]),
        (&7.into(), &"new-1.txt".into(), &serde_json::Value::Null)
    );

    std::fs::File::create(place.repository().join("large.bin")).unwrap().set_len((128 << 20) + 1).unwrap();
    let out = place.errand(&[&["run", "--dry-run", "--dirty"], &FIX[..]].concat()).exits(0).out();
    assert!(out.contains("with 7 uncommitted files: ") && out.contains("left out: large.bin (too large)\n"), "{out}");
    assert!(!out.contains("not included"), "{out}");
}

#[test]
fn dirty_and_a_revision_exclude_each_other_and_nothing_uncommitted_is_said() {
    let place = Place::new(&mended());
    let refused = place.errand(&["run", "mend it", "--dirty", "--base", "HEAD"]).exits(2).err();
    assert!(refused.contains("--base"), "{refused}");
    let out = place.errand(&["run", "mend it", "--dirty", "--dry-run"]).exits(0).out();
    assert!(out.contains("nothing is uncommitted"), "{out}");
    let id = place.finished(0, &dirty(&[]));
    assert_eq!(place.show(&id)["base_commit"], place.git(&["rev-parse", "HEAD"]).trim());
    place.errand(&["apply", &id, "--branch", "mended"]).exits(0);
}
