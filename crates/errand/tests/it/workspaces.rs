//! What commands do to their copy of the repository, and what of it is the result.

use crate::place::Place;
use crate::scripts::{DONE, FIX, MEND, running, script};
use serde_json::{Value, json};

/// The files of a result after this command ran.
fn result_of(command: &str) -> (Place, String, Vec<String>) {
    // A report over a result that leaves something out is sent back once.
    let place = Place::new(&script(&[MEND, &running(command), DONE, DONE]));
    let untouched = place.everything();
    let id = place.finished(0, &FIX);
    assert_eq!(place.everything(), untouched, "the person's repository stays as it is");
    let files = place.show(&id)["diff"]["files"].clone();
    let files = files.as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap().to_owned()).collect();
    (place, id, files)
}

#[test]
fn commits_hide_nothing() {
    let (_, _, files) = result_of("echo x > new.txt; git add -A; git -c user.name=a -c user.email=b commit -qm sneaky");
    assert_eq!(files, ["greet.sh", "new.txt"]);
}

#[test]
fn a_repository_inside_hides_nothing() {
    let (_, _, files) = result_of("git init -q inner; echo x > inner/new.txt");
    assert_eq!(files, ["greet.sh", "inner/new.txt"]);
}

#[test]
fn index_flags_and_exclude_files_hide_nothing() {
    let (_, _, files) = result_of(
        "git update-index --assume-unchanged README.md; echo x >> README.md; echo '*.txt' >> .git/info/exclude; echo x > new.txt",
    );
    assert_eq!(files, ["README.md", "greet.sh", "new.txt"]);
}

#[test]
fn sparse_checkouts_and_repositories_around_a_file_hide_nothing() {
    let (_, _, files) = result_of(
        "git update-index --skip-worktree README.md; echo x >> README.md; git config core.sparseCheckout true; \
         printf '/*\\n!docs\\n' > .git/info/sparse-checkout; echo x > docs/new.txt; git init -q docs; \
         git init -q --bare bare; echo '*' > docs/.gitignore; git config core.excludesFile .gitignore",
    );
    let in_bare = files.iter().filter(|path| path.strip_prefix("bare/").is_some()).count();
    assert!(in_bare > 0, "a bare repository is files like others");
    let rest: Vec<_> = files.iter().filter(|path| path.strip_prefix("bare/").is_none()).collect();
    assert_eq!(rest, ["README.md", "docs/.gitignore", "docs/new.txt", "greet.sh"]);
}

#[test]
fn the_workspace_repository_may_be_ruined() {
    let (place, id, files) = result_of("rm -rf .git; echo x > new.txt");
    assert_eq!(files, ["greet.sh", "new.txt"]);
    place.errand(&["apply", &id]).exits(0);
}

#[test]
fn what_the_result_leaves_out_is_named_to_everybody() {
    let (place, id, files) = result_of(
        "mkfifo pipe; git init -q inner; echo x > new.txt; echo x > gate; \
         perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => \"so\\x1b[2Jck\", Listen => 1) or die'",
    );
    assert_eq!(files, ["greet.sh", "new.txt"]);
    let shown = place.show(&id)["left_out"].clone();
    let mut named: Vec<_> = shown["skipped"].as_array().unwrap().iter().map(|path| path.to_string()).collect();
    named.sort();
    let all = [
        json!({"path": "inner/.git", "why": "a nested repository"}),
        json!({"path": "pipe", "why": "not a regular file"}),
        json!({"path": "so\u{1b}[2Jck", "why": "not a regular file"}),
    ];
    assert_eq!(named, all.map(|path| path.to_string()));
    assert_eq!((&shown["n_skipped"], &shown["n_ignored"]), (&json!(3), &json!(1)));
    for verb in ["show", "logs"] {
        let text = place.errand(&[verb, &id]).exits(0).out();
        for line in ["inner/.git (a nested repository)", "pipe (not a regular file)", "1 ignored file or folder"] {
            assert!(text.contains(&format!("not in the result: {line}")), "{verb}: {text}");
        }
        assert!(!text.contains('\u{1b}'), "{verb}: {text}");
    }
    // The model was told, once, as it may be meant.
    let rejected = place.events(&id, "finish.rejected");
    assert_eq!(rejected.len(), 1);
    assert!(
        rejected[0]["findings"].to_string().contains("pipe: not in the result: not a regular file"),
        "{rejected:?}"
    );
}

#[test]
fn a_flood_of_paths_that_are_left_out_is_counted() {
    let (place, id, files) = result_of("mkfifo $(seq -f pipe%g 500)");
    assert_eq!(files, ["greet.sh"]);
    let shown = place.show(&id)["left_out"].clone();
    assert_eq!((shown["skipped"].as_array().unwrap().len(), &shown["n_skipped"]), (20, &json!(500)));
    assert!(place.errand(&["show", &id]).exits(0).out().contains("not in the result: 480 more paths"));
}

#[test]
fn the_executable_bit_is_a_change_and_is_applied() {
    use std::os::unix::fs::PermissionsExt as _;
    let (place, id, files) = result_of("chmod +x check.sh");
    assert_eq!(files, ["check.sh", "greet.sh"]);
    let mode = || std::fs::metadata(place.repository().join("check.sh")).unwrap().permissions().mode() & 0o111;
    assert_eq!(mode(), 0);
    place.errand(&["apply", &id]).exits(0);
    assert_ne!(mode(), 0);
    place.errand(&["undo", &id]).exits(0);
    assert_eq!(mode(), 0);
}

#[test]
fn deleted_and_new_folders_are_applied_and_taken_back() {
    let (place, id, files) = result_of("rm -r docs; mkdir -p a/b; echo x > a/b/new.txt; mv README.md a/");
    assert_eq!(files, ["README.md", "a/README.md", "a/b/new.txt", "docs/rules.md", "greet.sh"]);
    place.errand(&["apply", &id]).exits(0);
    assert!(!place.repository().join("docs").exists());
    assert_eq!(place.read("a/b/new.txt"), "x\n");
    place.errand(&["undo", &id]).exits(0);
    assert_eq!(place.git(&["status", "--porcelain", "--ignored"]), "");
    assert!(!place.repository().join("a").exists());
}

#[test]
fn a_file_of_the_person_in_the_way_of_a_new_one_stays() {
    let (place, id, _) = result_of("echo theirs > new.txt");
    place.write("new.txt", "mine\n");
    let before = place.everything();
    place.errand(&["apply", &id]).exits(2);
    assert_eq!(place.everything(), before);
}

#[test]
fn changes_of_both_that_do_not_touch_are_merged() {
    let place = Place::new(&script(&[MEND, DONE]));
    let long: String = (1..=20).map(|n| format!("# line {n}\n")).collect();
    place.write("greet.sh", &format!("#!/bin/sh\n{long}echo \"helo world\"\n"));
    place.commit("longer");
    let id = place.finished(0, &FIX);
    place.write("greet.sh", &format!("#!/bin/sh\n# mine\n{long}echo \"helo world\"\n"));
    place.errand(&["apply", &id]).exits(0);
    assert_eq!(place.read("greet.sh"), format!("#!/bin/sh\n# mine\n{long}echo \"hello world\"\n"));
    place.errand(&["undo", &id]).exits(0);
    assert_eq!(place.read("greet.sh"), format!("#!/bin/sh\n# mine\n{long}echo \"helo world\"\n"));
}

#[test]
fn output_of_any_size_and_kind_is_shown_in_part() {
    let loud = running("seq 200000; printf '\\377\\000\\033[2J'; exit 3");
    let endless = format!("@expect exit 3\n@expect 200000\n{}", running("yes; touch never.txt"));
    let deep = "@expect stopped: too much output\n@call read\n@json files = [{\"path\": \"log:1\", \"start\": 100000, \"lines\": 1}]\n";
    let mend = format!("@expect 100000│100000\n{MEND}");
    let place = Place::new(&script(&[&loud, &endless, deep, &mend, DONE]));
    let id = place.finished(0, &FIX);
    for request in place.sim.requests() {
        assert!(request.body.len() < 100_000, "{} bytes", request.body.len());
    }
    let ended = place.events(&id, "tool.ended");
    assert_eq!(ended[0]["runs"][0]["end"], json!({"exited": {"code": 3}}));
    assert_eq!(ended[1]["runs"][0]["end"], "too_much_output");
}

#[test]
fn a_folder_to_run_in_stays_inside() {
    let calls = r#"@call run
@arg command = pwd; ls
@arg dir = docs
@call run
@arg command = pwd
@arg dir = ../..
@call run
@arg command = pwd
@arg dir = none
"#;
    let place = Place::new(&script(&[&format!("{MEND}{calls}"), DONE]));
    let id = place.finished(0, &FIX);
    let ended = place.events(&id, "tool.ended");
    assert_eq!(ended[1]["runs"][0]["end"], json!({"exited": {"code": 0}}));
    let is_refused = |ended: &Value| ended["is_error"] == true || ended["runs"][0]["end"]["not_started"].is_object();
    assert!(is_refused(&ended[2]) && is_refused(&ended[3]), "{ended:?}");
}

#[test]
fn commands_see_a_listed_environment_and_no_input() {
    let look = running("env | sort; cat; echo end of input");
    let place = Place::new(&script(&[&look, MEND, DONE]));
    place.finished(0, &FIX);
    let seen = place.sim.requests()[1].json()["messages"][2].to_string();
    assert!(seen.contains("end of input"));
    for name in ["ANTHROPIC", "ERRAND", "SSH_AUTH_SOCK", "CLAUDE"] {
        assert!(!seen.contains(&format!("{name}_")) && !seen.contains(&format!("{name}=")), "{name} in {seen}");
    }
}
