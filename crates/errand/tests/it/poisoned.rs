//! Hostile repositories and hostile commands, met through the binary: nothing of them runs, nothing of the person's but
//! what they ask for changes.

use crate::place::Place;
use crate::poisons::{self, Bait};
use crate::scripts::{DONE, FIX, LOOK, MEND, TRY, mended, running, script};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

const EVERYTHING: [(&str, &str); 3] = [
    (".gitattributes", "* filter=evil diff=evil merge=evil text=auto\n*.md filter=lfs\n"),
    (".gitmodules", "[submodule \"sub\"]\n\tpath = sub\n\turl = ext::sh -c true\n\tupdate = !true\n"),
    (".lfsconfig", "[lfs]\n\turl = ext::sh -c true\n"),
];

/// A second turn's edit.
const MORE: &str = r#"@call edit
@input
{"edits": [{"path": "README.md", "old": "One script", "new": "A script"}]}
"#;

fn poisoned(script: &str) -> (Place, Bait) {
    let place = Place::new(script);
    EVERYTHING.iter().for_each(|(path, text)| place.write(path, text));
    place.commit("attributes");
    let bait = bait(&place);
    poisons::plant_all(&bait);
    (place, bait)
}

fn bait(place: &Place) -> Bait {
    Bait::of(&place.repository(), &place.root().join("beside"))
}

/// Everything in `.git` with its bytes and mode, but objects and what belongs to these branches.
fn git_data(place: &Place, branches: &[&str]) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let git = place.repository().join(".git");
    let is_expected = |path: &Path| {
        let inside = path.strip_prefix(&git).unwrap_or(path);
        let is_of = |branch: &&str| inside.ends_with(Path::new("refs/heads").join(branch));
        inside.starts_with("objects") || inside.starts_with("refs/errand") || branches.iter().any(is_of)
    };
    let everything = place.everything().into_iter();
    let kept = everything.filter(|(path, _)| path.starts_with(&git) && !is_expected(path));
    kept.map(|(path, bytes)| (path.clone(), (path.symlink_metadata().unwrap().permissions().mode(), bytes))).collect()
}

#[test]
fn no_verb_runs_anything_of_a_poisoned_repository() {
    let (place, bait) = poisoned(&mended());
    let before = git_data(&place, &[]);
    let mut n_calls = 0;
    let mut errand = |exit_code: i32, arguments: &[&str]| {
        n_calls += 1;
        let ran = place.errand(arguments).exits(exit_code);
        assert_eq!(bait.markers(), BTreeSet::new(), "after {arguments:?}");
        ran
    };
    errand(0, &[&["run", "--dry-run"], &FIX[..]].concat());
    errand(0, &[&["run", "--wait", "--name", "job"], &FIX[..]].concat());
    for verb in ["show", "logs", "diff", "wait", "cost"] {
        errand(0, &[verb, "job"]);
    }
    errand(0, &["diff", "job", "--stat"]);
    errand(0, &["show", "job", "--json"]);
    errand(0, &["logs", "-f", "job"]);
    errand(0, &["ls"]);
    errand(0, &["doctor"]);
    errand(0, &["apply", "job"]);
    assert!(place.read("greet.sh").contains("hello world"));
    errand(2, &["apply", "job"]);
    errand(0, &["undo", "job"]);
    assert!(place.read("greet.sh").contains("helo world"));
    errand(0, &["apply", "job", "--branch", "made"]);
    errand(0, &["daemon", "stop"]);
    errand(0, &["daemon", "start"]);

    place.play(&script(&[LOOK, MEND, TRY, DONE, MORE, DONE]));
    errand(0, &["reply", "job", "say it in the readme too"]);
    errand(0, &["wait", "job"]);
    // The person's own change is merged with the result.
    place.write("greet.sh", &place.read("greet.sh").replace("# Says hello.", "# Says hello.\n# Mine."));
    place.write("README.md", &place.read("README.md").replace("# Greetings", "# My greetings"));
    place.kill_daemon();
    let merged = errand(2, &["apply", "job"]);
    assert!(merged.err().contains("greet.sh"), "{}", merged.err());
    place.write("greet.sh", &place.read("greet.sh").replace("# Mine.\n", ""));
    errand(0, &["apply", "job"]);
    assert!(place.read("README.md").contains("# My greetings") && place.read("README.md").contains("A script"));
    errand(0, &["undo", "job"]);
    place.write("README.md", &place.read("README.md").replace("# My greetings", "# Greetings"));

    let answer = |text: &str| {
        let input =
            format!("{{\"outcome\": \"done\", \"summary\": \"In greet.sh:3.\", \"document\": \"{text} greet.sh:3\"}}");
        script(&[&format!("@call finish\n@input\n{input}\n")])
    };
    place.play(&answer("It is printed in"));
    errand(0, &["ask", "where is the greeting printed?"]);
    place.play(&answer("Mend"));
    errand(0, &["run", "--wait", "--plan", "plan how to mend the greeting"]);
    errand(0, &["rm", "job"]);
    errand(0, &["ls"]);
    errand(0, &["daemon", "stop"]);
    assert_eq!(git_data(&place, &["made"]), before, "nothing but the branch");
    println!("errand: {n_calls} calls of the binary, {} markers", bait.markers().len());

    // The oracle can fail: the person's own git does run it.
    place.git_command(&["status"]).output().unwrap();
    assert!(!bait.markers().is_empty());
}

#[test]
fn a_missing_object_is_not_fetched_by_what_the_repository_names() {
    let place = Place::new(&mended());
    let bait = bait(&place);
    poisons::promise_and_lose(&bait, "HEAD:greet.sh");
    let ran = place.errand(&[&["run"], &FIX[..]].concat());
    assert_ne!(ran.output.status.code(), Some(0), "{}", ran.out());
    assert!(ran.err().contains("git fetch failed") && !ran.err().contains("panic"), "{}", ran.err());
    assert_eq!(place.errand(&["ls", "--json"]).exits(0).json(), serde_json::json!([]));
    assert_eq!(bait.markers(), BTreeSet::new());
}

/// What a command can make of the workspace's own `.git`; `{}` is a program, `{outside}` a folder of the person's.
const OF_THE_WORKSPACE: [(&str, &str); 12] = [
    ("configuration", "git config core.fsmonitor {}; git config core.hooksPath {outside}; git config diff.external {}"),
    ("hooks", "mkdir -p .git/hooks; for h in post-checkout post-index-change pre-commit; do cp {} .git/hooks/$h; done"),
    (
        "drivers",
        "echo '* filter=e diff=e merge=e' > .git/info/attributes; git config filter.e.clean {}; git config merge.e.driver {}",
    ),
    ("worktree", "git config core.worktree {outside}; git config core.bare true"),
    ("a link to a folder", "rm -rf .git; ln -s {outside} .git"),
    ("a broken link", "rm -rf .git; ln -s /nowhere .git"),
    ("a FIFO", "rm -rf .git; mkfifo .git"),
    ("a file that leads out", "rm -rf .git; echo gitdir: {repository}/.git > .git"),
    ("parts that wait", "rm -f .git/config .git/HEAD .git/index; mkfifo .git/config .git/HEAD .git/index"),
    ("alternates", "printf '%s\\n' /dev {outside} > .git/objects/info/alternates"),
    ("common directory", "echo {repository}/.git > .git/commondir"),
    ("garbage", "for f in config HEAD index; do echo nonsense > .git/$f; done"),
];

#[test]
fn what_commands_make_of_the_workspaces_git_is_never_read() {
    let place = Place::new(&mended());
    let bait = bait(&place);
    poisons::write(&bait.elsewhere().join("file"), "the person's\n");
    let before = place.everything();
    for (what, command) in OF_THE_WORKSPACE {
        let command = command
            .replace("{}", &bait.program(what))
            .replace("{outside}", &bait.elsewhere().display().to_string())
            .replace("{repository}", &place.repository().display().to_string());
        place.play(&script(&[MEND, &running(&command), TRY, DONE]));
        let id = place.finished(0, &FIX);
        let files = place.show(&id)["diff"]["files"].clone();
        assert_eq!(files.as_array().map(Vec::len), Some(1), "{what}: {files}");
        place.play(&script(&[MEND, &running(&command), TRY, DONE, MORE, DONE]));
        place.kill_daemon();
        place.errand(&["reply", &id, "and the readme"]).exits(0);
        place.errand(&["wait", &id]).exits(0);
        assert!(place.errand(&["diff", &id]).exits(0).out().contains("+A script"), "{what}");
        place.errand(&["apply", &id]).exits(0);
        assert_eq!(place.git(&["status", "--porcelain"]), " M README.md\n M greet.sh\n", "{what}");
        place.errand(&["undo", &id]).exits(0);
        place.errand(&["rm", &id]).exits(0);
        assert_eq!(bait.markers(), BTreeSet::new(), "{what}");
        assert_eq!(std::fs::read_dir(bait.elsewhere()).unwrap().count(), 1, "{what}");
    }
    place.git(&["update-index", "--refresh"]);
    let kept = |files: BTreeMap<PathBuf, Vec<u8>>| -> BTreeMap<PathBuf, Vec<u8>> {
        files.into_iter().filter(|(path, _)| !path.ends_with(".git/index")).collect()
    };
    assert_eq!(kept(place.everything()), kept(before));
}

#[test]
fn commands_do_not_reach_the_persons_refs() {
    let place = Place::new(&mended());
    place.git(&["tag", "v1"]);
    place.git(&["branch", "side"]);
    place.git(&["pack-refs", "--all"]);
    let before = git_data(&place, &[]);
    let command = "git branch -D side; git tag -d v1; git branch -f main HEAD~1; git checkout -q --detach; \
                   echo 'zz refs/heads/x' > .git/packed-refs; echo nonsense > .git/HEAD; git gc --prune=now";
    place.play(&script(&[MEND, &running(command), DONE]));
    let id = place.finished(0, &FIX);
    place.errand(&["apply", &id]).exits(0);
    place.errand(&["undo", &id]).exits(0);
    assert_eq!(git_data(&place, &[]), before);
}

#[test]
fn names_of_gits_own_are_left_out_and_the_rest_is_taken() {
    let make = "for d in .GIT sub/.git 'git~1' '.git. ' '.git::$INDEX_ALLOCATION' $(printf '.g\\342\\200\\214it'); do \
                mkdir -p \"$d/hooks\"; echo evil > \"$d/config\"; echo evil > \"$d/hooks/x\"; done; echo x > sub/new.txt; \
                echo evil > '.git\\config'";
    let told = format!("@expect sub/.git: not in the result: a nested repository\n{DONE}");
    let place = Place::new(&script(&[MEND, &running(make), DONE, &told]));
    let before = git_data(&place, &[]);
    let id = place.finished(0, &FIX);
    let files = place.show(&id)["diff"]["files"].clone();
    let paths: Vec<_> = files.as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["greet.sh", "sub/new.txt"]);
    place.errand(&["apply", &id]).exits(0);
    assert_eq!(place.git(&["status", "--porcelain"]), " M greet.sh\n?? sub/\n");
    assert_eq!(std::fs::read_dir(place.repository().join("sub")).unwrap().count(), 1);
    assert_eq!(git_data(&place, &[]), before);
}

#[test]
fn a_link_never_leads_the_result_into_the_persons_home() {
    let place = Place::new(&mended());
    let keys = place.root().join("home/.ssh");
    poisons::write(&keys.join("config"), "mine\n");
    let in_keys = || std::fs::read_dir(&keys).unwrap().count();
    place.play(&script(&[MEND, &running(&format!("rm -r docs; ln -s {} docs", keys.display())), DONE]));
    let id = place.finished(0, &FIX);
    let out = place.errand(&["apply", &id]).exits(0).out();
    assert!(out.contains("left out: docs: a link"), "{out}");
    assert!(!place.repository().join("docs").exists());
    place.errand(&["undo", &id]).exits(0);

    place.play(&script(&[MEND, &running("echo evil > docs/authorized_keys"), DONE]));
    let id = place.finished(0, &FIX);
    std::fs::remove_dir_all(place.repository().join("docs")).unwrap();
    symlink(&keys, place.repository().join("docs")).unwrap();
    let before = place.everything();
    let refused = place.errand(&["apply", &id]).exits(2);
    assert!(refused.err().contains("docs/authorized_keys: lies behind a link"), "{}", refused.err());
    assert_eq!((place.everything(), in_keys()), (before, 1));

    place.play(&script(&[MEND, &running("ln -s README.md .gitmodules"), DONE]));
    let id = place.finished(0, &FIX);
    for arguments in [&["apply", &id][..], &["apply", &id, "--branch", "made"]] {
        let refused = place.errand(arguments).exits(2);
        assert!(refused.err().contains(".gitmodules"), "{}", refused.err());
    }
}

#[test]
fn a_base_that_is_pruned_while_the_task_works_is_not_missed() {
    let place = Place::new(&script(&[MEND, &format!("@delay 3000\n{TRY}"), DONE]));
    place.git(&["checkout", "--quiet", "-b", "topic"]);
    place.write("README.md", "# Of the topic\n");
    place.commit("topic");
    let id = place.hand_off(&FIX);
    place.until_requests(2);
    place.git(&["checkout", "--quiet", "main"]);
    place.git(&["branch", "--quiet", "-D", "topic"]);
    place.git(&["reflog", "expire", "--expire=now", "--all"]);
    place.git(&["gc", "--quiet", "--prune=now"]);
    place.kill_daemon();
    place.errand(&["wait", &id]).exits(0);
    assert!(place.errand(&["diff", &id]).exits(0).out().contains("hello world"));
    let refused = place.errand(&["apply", &id, "--branch", "made"]).exits(2);
    assert!(refused.err().contains("no longer has commit") && refused.err().contains("→"), "{}", refused.err());
    place.errand(&["apply", &id]).exits(0);
    assert_eq!(place.git(&["status", "--porcelain"]), " M greet.sh\n");
    place.git(&["fsck", "--strict"]);
}

#[test]
fn a_workspace_that_is_deleted_while_the_task_works_is_made_anew() {
    let place = Place::new(&mended());
    let untouched = place.everything();
    let id = place.finished(0, &FIX);
    let slow = format!("@delay 2000\n{MORE}");
    place.play(&script(&[LOOK, MEND, TRY, DONE, &slow, DONE]));
    place.errand(&["reply", &id, "and the readme"]).exits(0);
    place.until_requests(5);
    std::fs::remove_dir_all(place.workspace(&id)).unwrap();
    place.errand(&["wait", &id]).exits(0);
    assert_eq!(place.everything(), untouched, "a folder that is gone is no result without files");
    let patch = place.errand(&["diff", &id]).exits(0).out();
    assert!(patch.contains("+echo \"hello world\"") && patch.contains("README.md"), "both turns' work: {patch}");
    let logs = place.errand(&["logs", &id]).exits(0).out();
    assert!(logs.contains("the workspace was deleted") && logs.contains("workspace made anew"), "{logs}");
}
