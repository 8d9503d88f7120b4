//! Apply, undo, and what a crash in between leaves.

use crate::rig::{Rig, chmod, manifest, put};
use errand_workspace::apply::{self, ApplyError, BlockReason, Blocker, Deed, Outcome, Selection, Undone};
use errand_workspace::branch::{BranchError, NewCommit, write_branch};
use errand_workspace::objects::Kind;
use errand_workspace::trees::{EntryMode, TreeEntry};
use errand_workspace::workspace::Workspace;
use std::os::unix::fs::{PermissionsExt as _, symlink};

fn plan(rig: &Rig, workspace: &Workspace, selection: Selection<'_>) -> apply::Plan {
    let result = workspace.snapshot().unwrap().tree;
    apply::plan(workspace.ledger(), &rig.source(), &rig.state(), workspace.base(), &result, selection).unwrap()
}

fn apply_all(rig: &Rig, workspace: &Workspace) -> Outcome {
    plan(rig, workspace, Selection::All).apply(&rig.state()).unwrap()
}

fn record_of(outcome: Outcome) -> String {
    match outcome {
        Outcome::Applied { record, .. } => record,
        Outcome::Blocked(blockers) => panic!("blocked: {blockers:?}"),
    }
}

fn files_of(rig: &Rig) -> Vec<String> {
    manifest(&rig.repo()).into_iter().filter(|line| !line.starts_with(".git ") && !line.starts_with(".git/")).collect()
}

/// A workspace that changes, adds, deletes, and swaps files and folders.
fn changed() -> (Rig, Workspace) {
    let rig = Rig::with(&[("a", "1\n"), ("gone/x", "1\n"), ("run", "1\n"), ("dir/f", "1\n"), ("file", "1\n")]);
    let workspace = rig.workspace();
    let tree = workspace.tree_dir();
    put(&tree.join("a"), b"2\n");
    std::fs::remove_dir_all(tree.join("gone")).unwrap();
    chmod(&tree.join("run"), 0o755);
    put(&tree.join("new/deep"), b"n\n");
    std::fs::remove_dir_all(tree.join("dir")).unwrap();
    put(&tree.join("dir"), b"a file now\n");
    std::fs::remove_file(tree.join("file")).unwrap();
    put(&tree.join("file/inner"), b"a folder now\n");
    (rig, workspace)
}

#[test]
fn apply_writes_the_result_and_undo_takes_it_back() {
    let (rig, workspace) = changed();
    rig.write("mine", "untouched");
    let before = files_of(&rig);
    let record = record_of(apply_all(&rig, &workspace));
    assert_eq!(rig.read("a"), "2\n");
    assert_eq!(rig.read("dir"), "a file now\n");
    assert_eq!(rig.read("file/inner"), "a folder now\n");
    assert_eq!(rig.read("new/deep"), "n\n");
    assert!(!rig.repo().join("gone").exists());
    assert_eq!(std::fs::metadata(rig.repo().join("run")).unwrap().permissions().mode() & 0o777, 0o755);
    std::fs::remove_file(rig.repo().join("mine")).unwrap();
    rig.run_git(&["add", "-A"]);
    assert_eq!(rig.run_git(&["write-tree"]), workspace.snapshot().unwrap().tree.as_str());
    rig.write("mine", "untouched");
    // Applying twice changes nothing.
    let again = apply_all(&rig, &workspace);
    assert!(matches!(again, Outcome::Applied { files, .. } if files.iter().all(|file| file.deed == Deed::Nothing)));
    assert_eq!(apply::undo(&rig.state(), &record).unwrap(), Undone::Undone { n_files: 8 });
    assert_eq!(files_of(&rig), before);
    assert!(matches!(apply::undo(&rig.state(), &record), Err(ApplyError::NotApplied(_))));
    assert!(matches!(apply::undo(&rig.state(), "apply-../x"), Err(ApplyError::NoRecord(_))));
    assert_eq!(apply::unfinished(&rig.state()).unwrap(), Vec::<String>::new());
}

#[test]
fn a_conflict_means_that_nothing_is_written() {
    let (rig, workspace) = changed();
    rig.write("a", "mine\n");
    rig.write("new/deep", "mine too\n");
    std::fs::remove_file(rig.repo().join("run")).unwrap();
    let before = files_of(&rig);
    let blocker = |path: &str, reason| Blocker { path: path.to_owned(), reason };
    assert_eq!(
        apply_all(&rig, &workspace),
        Outcome::Blocked(vec![
            blocker("a", BlockReason::Conflict),
            blocker("new/deep", BlockReason::InTheWay),
            blocker("run", BlockReason::Gone),
        ])
    );
    assert_eq!(files_of(&rig), before);
    // The files without a conflict can be taken alone.
    let only = ["gone/x".to_owned()];
    record_of(plan(&rig, &workspace, Selection::Only(&only)).apply(&rig.state()).unwrap());
    assert!(!rig.repo().join("gone").exists());
    assert_eq!(rig.read("a"), "mine\n");
}

#[test]
fn edits_of_other_lines_are_merged() {
    let lines = |first: &str, last: &str| format!("{first}\n2\n3\n4\n5\n6\n7\n8\n{last}\n");
    let rig = Rig::with(&[("a", &lines("1", "9"))]);
    let workspace = rig.workspace();
    put(&workspace.tree_dir().join("a"), lines("1", "nine").as_bytes());
    rig.write("a", &lines("one", "9"));
    let before = files_of(&rig);
    let plan = plan(&rig, &workspace, Selection::All);
    assert_eq!(plan.files()[0].deed, Deed::Merge);
    let record = record_of(plan.apply(&rig.state()).unwrap());
    assert_eq!(rig.read("a"), lines("one", "nine"));
    apply::undo(&rig.state(), &record).unwrap();
    assert_eq!(files_of(&rig), before);
}

#[test]
fn undo_refuses_when_a_file_was_edited_since() {
    let (rig, workspace) = changed();
    let record = record_of(apply_all(&rig, &workspace));
    rig.write("a", "edited after apply\n");
    let before = files_of(&rig);
    assert_eq!(apply::undo(&rig.state(), &record).unwrap(), Undone::Blocked(vec!["a".into()]));
    assert_eq!(files_of(&rig), before);
}

#[test]
fn links_are_applied_only_by_name_and_never_followed() {
    let rig = Rig::with(&[("a", "1"), ("docs/x", "1")]);
    put(&rig.dir.path().join("home/authorized_keys"), b"canary");
    let home = rig.dir.path().canonicalize().unwrap().join("home");
    let workspace = rig.workspace();
    symlink(&home, workspace.tree_dir().join("link")).unwrap();
    let blocked = apply_all(&rig, &workspace);
    assert_eq!(blocked, Outcome::Blocked(vec![Blocker { path: "link".into(), reason: BlockReason::Link }]));
    let only = ["link".to_owned()];
    record_of(plan(&rig, &workspace, Selection::Only(&only)).apply(&rig.state()).unwrap());
    assert_eq!(std::fs::read_link(rig.repo().join("link")).unwrap(), home);

    std::fs::remove_file(workspace.tree_dir().join("link")).unwrap();
    put(&workspace.tree_dir().join("docs/authorized_keys"), b"evil");
    std::fs::remove_dir_all(rig.repo().join("docs")).unwrap();
    symlink(&home, rig.repo().join("docs")).unwrap();
    let blocked = apply_all(&rig, &workspace);
    let blocker = Blocker { path: "docs/authorized_keys".into(), reason: BlockReason::BehindLink };
    assert_eq!(blocked, Outcome::Blocked(vec![blocker]));
    assert_eq!(std::fs::read(home.join("authorized_keys")).unwrap(), b"canary");
}

#[test]
fn an_edit_between_plan_and_apply_rolls_everything_back() {
    let (rig, workspace) = changed();
    let plan = plan(&rig, &workspace, Selection::All);
    rig.write("run", "edited in this moment\n");
    let before = files_of(&rig);
    let error = plan.apply(&rig.state()).unwrap_err();
    assert!(matches!(&error, ApplyError::RolledBack { path, .. } if path == "run"), "{error}");
    assert_eq!(files_of(&rig), before);
    assert_eq!(apply::unfinished(&rig.state()).unwrap(), Vec::<String>::new());
}

/// Puts the record of a finished apply back to `started`, as a crash before the last write leaves it.
fn mark_started(rig: &Rig, record: &str) {
    let path = rig.state().join("applies").join(record).join("record.json");
    let text = std::fs::read_to_string(&path).unwrap().replace("\"done\"", "\"started\"");
    std::fs::write(path, text).unwrap();
}

#[test]
fn a_crash_in_between_is_finished_backwards() {
    // All written but not marked; then with some files back as if they had not been reached.
    for n_reached in 0..8 {
        let (rig, workspace) = changed();
        let before = files_of(&rig);
        let record = record_of(apply_all(&rig, &workspace));
        if n_reached == 0 {
            apply::undo(&rig.state(), &record).unwrap();
            let path = rig.state().join("applies").join(&record).join("record.json");
            let text = std::fs::read_to_string(&path).unwrap().replace("\"undone\"", "\"undoing\"");
            std::fs::write(path, text).unwrap();
        } else {
            mark_started(&rig, &record);
        }
        if n_reached % 2 == 1 {
            rig.write("a", "1\n");
            // A temporary file that the crash left: half of the new content, not yet in place.
            let stray = rig.repo().join(format!(".errand-{record}-5"));
            put(&stray, b"n");
            chmod(&stray, 0o600);
        }
        assert_eq!(apply::unfinished(&rig.state()).unwrap(), std::slice::from_ref(&record));
        assert!(matches!(apply::undo(&rig.state(), &record), Err(ApplyError::NotApplied(_))));
        let finished = apply::finish_backwards(&rig.state(), &record).unwrap();
        assert_eq!(finished, Undone::Undone { n_files: 8 }, "{n_reached}");
        let after: Vec<_> = files_of(&rig).into_iter().filter(|line| !line.starts_with(".errand-")).collect();
        assert_eq!(after, before);
        assert!(apply::unfinished(&rig.state()).unwrap().is_empty());
    }
}

#[test]
fn a_crash_leaves_edits_of_the_person_alone() {
    let (rig, workspace) = changed();
    let record = record_of(apply_all(&rig, &workspace));
    mark_started(&rig, &record);
    rig.write("a", "edited after the crash\n");
    assert_eq!(apply::finish_backwards(&rig.state(), &record).unwrap(), Undone::Blocked(vec!["a".into()]));
    assert_eq!(rig.read("a"), "edited after the crash\n");
    assert_eq!(rig.read("gone/x"), "1\n");
}

/// A snapshot never holds such paths; a tree can.
#[test]
fn paths_of_gits_own_are_refused_by_name_and_the_rest_is_applied() {
    let rig = Rig::with(&[("a", "1\n")]);
    let (ledger, base) = rig.ledger();
    let id = ledger.objects().put(Kind::Blob, b"evil\n").unwrap();
    let names = [
        ".GIT/config",
        ".g\u{200c}it/x",
        ".git. /x",
        ".git/hooks/x",
        ".git::$INDEX_ALLOCATION/x",
        ".git\\hooks\\x",
        ".gitmodules",
        "git~1/x",
        "sub/.git/config",
    ];
    let entry = |path: &str| {
        let mode = if path == ".gitmodules" { EntryMode::Link } else { EntryMode::Regular };
        TreeEntry { path: path.into(), mode, id, size: 5 }
    };
    let mut entries: Vec<_> = names.iter().chain(&["a", "z"]).map(|path| entry(path)).collect();
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    let result = ledger.write_tree(entries).unwrap();
    let before = manifest(&rig.repo());
    let plan = |selection| apply::plan(&ledger, &rig.source(), &rig.state(), &base, &result, selection).unwrap();
    let by_name = names.map(str::to_owned);
    for selection in [Selection::All, Selection::Only(&by_name)] {
        let mut blocked: Vec<_> = plan(selection).blockers().iter().map(|b| (b.path.clone(), b.reason)).collect();
        blocked.sort_by(|a, b| a.0.cmp(&b.0));
        let mut expected = names.map(|name| (name.to_owned(), BlockReason::UnsafePath));
        expected.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(blocked, expected);
        assert!(matches!(plan(selection).apply(&rig.state()).unwrap(), Outcome::Blocked(_)));
    }
    let source = rig.source();
    let new = NewCommit { parent: &source.head().commit, tree: &result, message: "m", at: 0 };
    assert!(matches!(write_branch(&ledger, &source, "made", &new), Err(BranchError::UnsafePath(_))));
    let shown = errand_workspace::diff::diff(&ledger, &base, &result).unwrap();
    assert_eq!(shown.len(), names.len() + 2, "all of it can be looked at");
    let kept = |lines: Vec<String>| lines.into_iter().filter(|l| !l.contains("objects")).collect::<Vec<_>>();
    assert_eq!(kept(manifest(&rig.repo())), kept(before));
    let rest = ["a".to_owned(), "z".to_owned()];
    record_of(plan(Selection::Only(&rest)).apply(&rig.state()).unwrap());
    assert_eq!((rig.read("a").as_str(), rig.read("z").as_str()), ("evil\n", "evil\n"));
}
