//! Snapshots against the oracle: the tree that a plain `git add -A` and commit would make.

use crate::rig::{Rig, bytes_path, chmod, put, run_git_in};
use errand_task::id::TreeId;
use errand_workspace::workspace::Workspace;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

/// What git makes of the workspace's files.
fn oracle(rig: &Rig, workspace: &Workspace) -> String {
    let dir = rig.dir.path().join("oracle.git");
    std::fs::remove_dir_all(&dir).ok();
    run_git_in(rig.dir.path(), &["init", "-q", "--bare", "oracle.git"]);
    let git_dir = format!("--git-dir={}", dir.display());
    // Git wants to know where it is, and a layered workspace is nowhere on the machine.
    let copy = rig.dir.path().join("oracle");
    std::fs::remove_dir_all(&copy).ok();
    let copied = Command::new("cp").arg("-a").arg(workspace.tree_dir().join(".")).arg(&copy).status().unwrap();
    assert!(copied.success());
    std::fs::remove_dir_all(copy.join(".git")).unwrap();
    let work_tree = format!("--work-tree={}", copy.display());
    run_git_in(&copy, &[&git_dir, &work_tree, "add", "-A", "-f"]);
    run_git_in(&copy, &[&git_dir, &work_tree, "write-tree"])
}

fn fsck(rig: &Rig, tree: &TreeId) {
    let ledgers = rig.state().join("ledgers");
    let work_git = std::fs::read_dir(&ledgers).unwrap().next().unwrap().unwrap().path().join("work.git");
    run_git_in(&work_git, &["--git-dir=.", "fsck", "--strict", "--no-dangling", tree.as_str()]);
}

#[test]
fn snapshots_equal_gits_trees() {
    let rig =
        Rig::with(&[("a", "1"), ("dir/b", "1"), ("dir/sub/c", "1"), ("gone", "1"), ("file", "1"), ("run.sh", "1")]);
    chmod(&rig.repo().join("run.sh"), 0o755);
    symlink("dir/b", rig.repo().join("link")).unwrap();
    symlink("nowhere", rig.repo().join("dangling")).unwrap();
    put(&rig.repo().join(bytes_path(b"caf\xe9")), b"latin");
    rig.commit("second");
    let workspace = rig.workspace();
    let tree = workspace.tree_dir();
    let check = |what: &str| {
        let snapshot = workspace.snapshot().unwrap();
        assert_eq!(snapshot.tree.as_str(), oracle(&rig, &workspace), "{what}");
        fsck(&rig, &snapshot.tree);
    };
    assert_eq!(workspace.snapshot().unwrap().tree, *workspace.base());
    check("unchanged");
    put(&tree.join("a"), b"2");
    put(&tree.join("empty"), b"");
    std::fs::remove_file(tree.join("gone")).unwrap();
    check("changed, new, deleted");
    chmod(&tree.join("a"), 0o755);
    chmod(&tree.join("run.sh"), 0o644);
    check("executable bits");
    std::fs::remove_dir_all(tree.join("dir")).unwrap();
    put(&tree.join("dir"), b"now a file");
    std::fs::remove_file(tree.join("file")).unwrap();
    put(&tree.join("file/inner"), b"now a folder");
    check("file and folder change places");
    std::fs::remove_file(tree.join("link")).unwrap();
    symlink("elsewhere", tree.join("link")).unwrap();
    std::fs::remove_file(tree.join("dangling")).unwrap();
    put(&tree.join("dangling"), b"plain");
    check("links");
    put(&tree.join(bytes_path(b"b\xff/x\xfe")), b"1");
    for name in ["a-b", "a.b", "a0", "a/b"] {
        if name != "a/b" {
            put(&tree.join("order").join(name), b"1");
        }
    }
    put(&tree.join("order/a/x"), b"1");
    check("names");
    for i in 0..1_000 {
        put(&tree.join(format!("many/{}/{i}", i % 17)), format!("{i}").as_bytes());
    }
    check("a thousand files");
}

#[test]
fn ignored_files_stay_out_and_tracked_ones_stay_in() {
    let rig = Rig::with(&[
        (".gitignore", "target/\n*.log\n!keep.log\n/only-here\n"),
        ("sub/.gitignore", "local\n!x.log\n"),
        ("target/tracked", "1"),
        ("target/deep/also", "1"),
        ("old.log", "tracked"),
        ("sub/a", "1"),
    ]);
    let workspace = rig.workspace();
    let tree = workspace.tree_dir();
    for path in ["target/new", "target/deep/new", "y.log", "sub/z.log", "sub/local", "only-here", "sub/target/q"] {
        put(&tree.join(path), b"ignored");
    }
    for path in ["keep.log", "sub/x.log", "sub/only-here"] {
        put(&tree.join(path), b"seen");
    }
    put(&tree.join("target/tracked"), b"2");
    put(&tree.join("old.log"), b"2");
    // A rule of the workspace hides nothing.
    put(&tree.join(".gitignore"), b"*\n");
    let snapshot = workspace.snapshot().unwrap();
    let changed: Vec<_> = errand_workspace::diff::diff(workspace.ledger(), workspace.base(), &snapshot.tree)
        .unwrap()
        .into_iter()
        .map(|change| change.path)
        .collect();
    assert_eq!(changed, [".gitignore", "keep.log", "old.log", "sub/only-here", "sub/x.log", "target/tracked"]);
    assert_eq!(snapshot.n_ignored, 7);
}

#[test]
fn what_cannot_be_stored_is_named() {
    let rig = Rig::with(&[("a", "1")]);
    let workspace = rig.workspace();
    let tree = workspace.tree_dir();
    run_git_in(rig.dir.path(), &["init", "-q", "nested"]);
    let nested = rig.dir.path().join("nested");
    assert!(Command::new("cp").arg("-a").arg(&nested).arg(&tree).status().unwrap().success());
    put(&tree.join("nested/file"), b"seen");
    put(&tree.join(".GIT/config"), b"x");
    let fifo = std::process::Command::new("mkfifo").arg(tree.join("fifo")).status().unwrap();
    assert!(fifo.success());
    let _socket = std::os::unix::net::UnixListener::bind(tree.join("s")).unwrap();
    let snapshot = workspace.snapshot().unwrap();
    let mut skipped: Vec<_> = snapshot.skipped.iter().map(|s| format!("{}: {}", s.path, s.reason.as_str())).collect();
    skipped.sort();
    assert_eq!(
        skipped,
        [
            ".GIT: a nested repository",
            "fifo: not a regular file",
            "nested/.git: a nested repository",
            "s: not a regular file"
        ]
    );
    let listing = workspace.ledger().list_tree(&snapshot.tree).unwrap();
    assert_eq!(listing.iter().map(|e| e.shown()).collect::<Vec<_>>(), ["a", "nested/file"]);
}

fn set_mtime(path: &Path, time: SystemTime) {
    std::fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

#[test]
fn an_edit_with_the_same_size_and_time_is_seen() {
    let rig = Rig::with(&[("a", "0000")]);
    let workspace = rig.workspace();
    let file = workspace.tree_dir().join("a");
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let mut last = workspace.snapshot().unwrap().tree;
    for round in 1..200 {
        std::fs::write(&file, format!("{round:04}")).unwrap();
        set_mtime(&file, time);
        let tree = workspace.snapshot().unwrap().tree;
        assert_ne!(tree, last, "round {round}");
        last = tree;
    }
    assert_eq!(workspace.snapshot().unwrap().tree, last);
}

#[test]
fn restore_brings_back_exactly_the_snapshot() {
    let rig = Rig::with(&[("a", "1"), ("dir/b", "1"), ("file", "1"), (".gitignore", "cache/\n")]);
    let workspace = rig.workspace();
    let tree = workspace.tree_dir();
    put(&tree.join("new/deep/x"), b"1");
    symlink("a", tree.join("link")).unwrap();
    chmod(&tree.join("a"), 0o755);
    put(&tree.join("cache/kept"), b"build");
    let wanted = workspace.snapshot().unwrap().tree;

    std::fs::remove_dir_all(tree.join("new")).unwrap();
    put(&tree.join("new"), b"in the way");
    std::fs::remove_dir_all(tree.join("dir")).unwrap();
    symlink("/etc", tree.join("dir")).unwrap();
    std::fs::remove_file(tree.join("file")).unwrap();
    put(&tree.join("file/cache/ignored"), b"in the way, and ignored");
    std::fs::remove_file(tree.join("link")).unwrap();
    chmod(&tree.join("a"), 0o644);
    put(&tree.join("stray/y"), b"1");
    workspace.restore(&wanted).unwrap();
    assert_eq!(workspace.snapshot().unwrap().tree, wanted);
    assert!(!tree.join("stray").exists());
    assert_eq!(std::fs::read(tree.join("cache/kept")).unwrap(), b"build");

    // After a crash the workspace is opened afresh.
    put(&tree.join("a"), b"9");
    drop(workspace);
    let again = rig.workspace();
    again.restore(&wanted).unwrap();
    assert_eq!(again.snapshot().unwrap().tree, wanted);
}

#[test]
fn submodules_stay_as_they_are() {
    let rig = Rig::with(&[("a", "1")]);
    let commit = rig.run_git(&["rev-parse", "HEAD"]);
    rig.run_git(&["update-index", "--add", "--cacheinfo", &format!("160000,{commit},lib")]);
    rig.run_git(&["commit", "-q", "-m", "submodule"]);
    let workspace = rig.workspace();
    assert!(workspace.tree_dir().join("lib").is_dir());
    assert_eq!(workspace.snapshot().unwrap().tree, *workspace.base());
    put(&workspace.tree_dir().join("lib/x"), b"1");
    let snapshot = workspace.snapshot().unwrap();
    assert_eq!(snapshot.tree, *workspace.base());
    assert_eq!(snapshot.skipped[0].path, "lib");
}
