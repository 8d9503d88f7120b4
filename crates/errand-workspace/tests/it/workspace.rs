//! Making, opening and removing workspaces; the agent's own git inside.

use crate::rig::{Rig, chmod, put};
use errand_workspace::command::run;
use errand_workspace::diff::{Selection, diff, hunks, mix_trees, patch};
use errand_workspace::sandbox::plan::Limits;
use errand_workspace::snapshot::SnapshotError;
use errand_workspace::workspace::{Form, Workspace, WorkspaceError};
use std::os::unix::fs::symlink;
use std::sync::Arc;

#[test]
fn a_workspace_is_made_once_and_opened_after() {
    let rig = Rig::with(&[("a", "1"), ("dir/b", "1")]);
    let workspace = rig.workspace();
    put(&workspace.tree_dir().join("a"), b"2");
    drop(workspace);
    let again = rig.workspace();
    assert_eq!(std::fs::read(again.tree_dir().join("a")).unwrap(), b"2");
    let changed = again.snapshot().unwrap().tree;
    let dir = rig.state().join("workspaces/one");
    let (sandbox, (ground, _)) = (rig.sandbox(), rig.ground());
    assert!(matches!(Workspace::open(&sandbox, again.ledger(), &dir), Err(WorkspaceError::InUse(_))));
    let ledger = Arc::clone(again.ledger());
    drop(again);
    assert!(matches!(Workspace::create(&sandbox, &ground, &changed, &dir), Err(WorkspaceError::OtherBase(_))));
    let other = rig.state().join("workspaces/two");
    assert!(matches!(Workspace::open(&sandbox, &ledger, &other), Err(WorkspaceError::NotAWorkspace(_))));
    // A clean checkout of a result is a workspace of its own.
    let clean = Workspace::create(&sandbox, &ground, &changed, &other).unwrap();
    assert_eq!(std::fs::read(clean.tree_dir().join("a")).unwrap(), b"2");
    chmod(&clean.tree_dir().join("dir"), 0o500);
    clean.remove(&rig.state()).unwrap();
    assert!(!other.exists());
    assert_eq!(std::fs::read_dir(rig.state().join("trash")).unwrap().count(), 0);
    assert_eq!(std::fs::read_dir(rig.state().join("workspaces")).unwrap().count(), 1);
}

#[test]
fn attributes_of_the_tree_change_no_byte() {
    let rig = Rig::empty();
    rig.run_git(&["config", "filter.evil.clean", "cat"]);
    rig.write("crlf", "a\r\nb\r\n");
    rig.write("id", "$Id$\n");
    rig.commit("first");
    rig.write(".gitattributes", "* text=auto eol=crlf ident filter=evil\nid working-tree-encoding=UTF-16\n");
    rig.run_git(&["add", ".gitattributes"]);
    rig.run_git(&["commit", "-q", "-m", "attributes"]);
    let workspace = rig.workspace();
    assert_eq!(std::fs::read(workspace.tree_dir().join("crlf")).unwrap(), b"a\r\nb\r\n");
    assert_eq!(std::fs::read(workspace.tree_dir().join("id")).unwrap(), b"$Id$\n");
    assert_eq!(workspace.snapshot().unwrap().tree, *workspace.base());
}

#[test]
fn a_tree_that_writes_into_git_is_not_checked_out() {
    let rig = Rig::with(&[("a", "1")]);
    let blob = rig.run_git(&["rev-parse", "HEAD:a"]);
    let script = format!(
        "inner=$(printf '100644 blob {blob}\\tconfig\\n' | git mktree) && \
         tree=$(printf \"040000 tree $inner\\t.GIT\\n\" | git mktree) && \
         git -c user.name=p -c user.email=p@x commit-tree -m evil $tree"
    );
    let output = std::process::Command::new("sh").args(["-c", &script]).current_dir(rig.repo()).output().unwrap();
    let commit = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    rig.run_git(&["update-ref", "HEAD", &commit]);
    let (ground, tree) = rig.ground();
    let made = Workspace::create(&rig.sandbox(), &ground, &tree, &rig.state().join("workspaces/one"));
    assert!(matches!(made, Err(WorkspaceError::BadPath(_))), "{made:?}");
    assert_eq!(std::fs::read_dir(rig.state().join("workspaces")).unwrap().count(), 0);
}

#[test]
fn the_agents_git_knows_history_and_changes() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let rig = Rig::with(&[("a", "1\n"), ("run", "1\n")]);
    chmod(&rig.repo().join("run"), 0o755);
    symlink("a", rig.repo().join("link")).unwrap();
    rig.commit("second");
    let workspace = rig.workspace();
    let tree = workspace.tree_dir();
    let sandbox = rig.sandbox();
    // As the agent does: inside.
    let git = |arguments: &str| {
        let plan = sandbox.shell(&workspace, &format!("git {arguments}"), Limits::usual());
        let finished = runtime.block_on(async { run(&sandbox, plan).finished().await });
        let output = String::from_utf8_lossy(&finished.output).into_owned();
        assert!(finished.end.is_success(), "git {arguments}: {output}");
        output.trim().to_owned()
    };
    assert_eq!(git("status --porcelain"), "");
    assert_eq!(git("log --format=%s"), "second\nfirst");
    assert_eq!(git("rev-parse --abbrev-ref HEAD"), "errand");
    git("fsck --strict");
    put(&tree.join("a"), b"2\n");
    assert_eq!(git("status --porcelain"), "M a");
    git("commit -q -a -m 'the agent'");
    assert_eq!(rig.run_git(&["log", "--format=%s"]), "second\nfirst");
    // Nothing the agent does there matters to what errand sees.
    git("update-index --assume-unchanged a");
    std::fs::remove_dir_all(tree.join(".git/objects")).unwrap();
    let changes = diff(workspace.ledger(), workspace.base(), &workspace.snapshot().unwrap().tree).unwrap();
    assert_eq!(changes.iter().map(|c| c.path.as_str()).collect::<Vec<_>>(), ["a"]);
}

#[test]
fn diffs_count_and_patches_apply() {
    let rig = Rig::with(&[("a", "1\n2\n3\n"), ("gone", "x\n"), ("mode", "m\n"), ("moved", "same\n"), ("bin", "\0one")]);
    let workspace = rig.workspace();
    let tree = workspace.tree_dir();
    put(&tree.join("a"), b"1\ntwo\n3\n4\n");
    std::fs::remove_file(tree.join("gone")).unwrap();
    chmod(&tree.join("mode"), 0o755);
    std::fs::rename(tree.join("moved"), tree.join("there")).unwrap();
    put(&tree.join("bin"), b"\0two");
    put(&tree.join(crate::rig::bytes_path(b"n\xff")), b"1\n");
    let result = workspace.snapshot().unwrap().tree;
    let changes = diff(workspace.ledger(), workspace.base(), &result).unwrap();
    let shown: Vec<_> = changes
        .iter()
        .map(|c| format!("{} {:?} +{} -{} {}", c.path, c.kind, c.added, c.removed, c.is_binary))
        .collect();
    assert_eq!(
        shown,
        [
            "a Modified +2 -1 false",
            "bin Modified +0 -0 true",
            "gone Deleted +0 -1 false",
            "mode Mode +0 -0 false",
            "moved Deleted +0 -1 false",
            "n\\xff Added +1 -0 false",
            "there Added +1 -0 false",
        ]
    );
    let bytes = patch(workspace.ledger(), workspace.base(), &result, Selection::All).unwrap();
    std::fs::write(rig.dir.path().join("all.patch"), bytes).unwrap();
    rig.run_git(&["apply", "--index", "../all.patch"]);
    assert_eq!(rig.run_git(&["write-tree"]), result.as_str());

    let names = ["n\\xff".to_owned(), "a".to_owned()];
    let some = patch(workspace.ledger(), workspace.base(), &result, Selection::Only(&names)).unwrap();
    let some = String::from_utf8_lossy(&some).into_owned();
    assert_eq!(some.matches("diff --git").count(), 2);
    let none = patch(workspace.ledger(), workspace.base(), &result, Selection::Only(&[])).unwrap();
    assert!(none.is_empty());

    let mixed = mix_trees(workspace.ledger(), workspace.base(), &result, &names).unwrap();
    let of_mixed = diff(workspace.ledger(), workspace.base(), &mixed).unwrap();
    assert_eq!(of_mixed.iter().map(|c| c.path.as_str()).collect::<Vec<_>>(), ["a", "n\\xff"]);
}

#[test]
fn hunks_show_two_lines_around() {
    let before = "1\n2\n3\n4\n5\n6\n7\n";
    let found = hunks(before, &before.replace('4', "four\nvier"));
    assert_eq!(found.text, "@@ -2,5 +2,6 @@\n 2\n 3\n-4\n+four\n+vier\n 5\n 6\n");
    assert_eq!((found.added, found.removed), (2, 1));
    assert_eq!(hunks(before, before).text, "");
}

#[test]
fn a_deleted_workspace_is_no_result_without_files() {
    for form in [Form::Layered, Form::Whole] {
        deleted(form);
    }
}

fn deleted(form: Form) {
    let rig = Rig::with(&[("a", "1")]);
    let workspace = rig.workspace_as(form);
    let is_gone = |workspace: &Workspace| {
        matches!(workspace.snapshot(), Err(WorkspaceError::Snapshot(SnapshotError::Gone(_))))
            && workspace.restore(workspace.base()).is_err()
    };
    assert!(!is_gone(&workspace));
    let files = workspace.dir().join("files");
    std::fs::remove_dir_all(&files).unwrap();
    assert!(is_gone(&workspace));
    for tree in ["tree/a", "upper/tree/a"] {
        put(&files.join(tree), b"another folder");
        assert!(is_gone(&workspace));
        assert_eq!(std::fs::read(files.join(tree)).unwrap(), b"another folder");
    }
}
