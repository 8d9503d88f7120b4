//! File access as a model asks for it: what works, and every refusal.

use crate::rig::{Rig, chmod, put};
use errand_workspace::files::{FileError, FileKind, Files, Refusal};
use std::os::unix::fs::{PermissionsExt as _, symlink};

fn refusal<T: std::fmt::Debug>(result: Result<T, FileError>) -> String {
    match result {
        Err(FileError::Refused(refusal)) => refusal.to_string(),
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn reading_writing_making_deleting() {
    let rig = Rig::with(&[("src/a.rs", "text"), ("run", "#!")]);
    chmod(&rig.repo().join("run"), 0o755);
    rig.commit("second");
    let workspace = rig.workspace();
    let files = workspace.files().unwrap();
    let absolute = workspace.tree_dir().join("src/a.rs").display().to_string();
    for path in ["src/a.rs", "./src//a.rs", "src/../src/a.rs", &absolute] {
        assert_eq!(files.read(path, 100).unwrap().bytes, b"text", "{path}");
        assert_eq!(files.normalize(path).unwrap(), "src/a.rs");
    }
    let cut = files.read("src/a.rs", 2).unwrap();
    assert_eq!((cut.bytes.as_slice(), cut.size), (&b"te"[..], 4));
    files.write_atomic("run", b"new").unwrap();
    assert!(files.read("run", 9).unwrap().is_executable);
    files.create("new/deep/file", b"1").unwrap();
    let mode = std::fs::metadata(workspace.tree_dir().join("new/deep/file")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644);
    let names: Vec<_> = files.list("").unwrap().into_iter().map(|e| (e.name, e.stat.kind)).collect();
    let expected = [("new", FileKind::Folder), ("run", FileKind::Executable), ("src", FileKind::Folder)];
    assert_eq!(names, expected.map(|(name, kind)| (name.to_owned(), kind)));
    files.delete("new/deep/file").unwrap();
    assert_eq!(files.stat("new/deep/file").unwrap(), None);
    assert_eq!(files.stat("run").unwrap().unwrap().size, 3);
    assert_eq!(std::fs::read_dir(rig.state().join("workspaces/one/files/upper/staging")).unwrap().count(), 0);
}

#[test]
fn every_refusal_has_a_sentence() {
    let rig = Rig::with(&[("a", "1"), ("dir/b", "1")]);
    let workspace = rig.workspace();
    let tree = workspace.tree_dir();
    put(&rig.dir.path().join("secret/file"), b"canary");
    let outside = rig.dir.path().canonicalize().unwrap().join("secret");
    symlink(&outside, tree.join("out")).unwrap();
    symlink(outside.join("file"), tree.join("out-file")).unwrap();
    symlink("dir", tree.join("in")).unwrap();
    symlink("loop", tree.join("loop")).unwrap();
    symlink("/proc/self/root", tree.join("magic")).unwrap();
    put(&rig.state().join("workspaces/one/tree-evil/x"), b"canary");
    std::process::Command::new("mkfifo").arg(tree.join("fifo")).status().unwrap();
    let files: Files = workspace.files().unwrap();
    assert_eq!(files.read("in/b", 9).unwrap().bytes, b"1");

    let evil = format!("{}-evil/x", tree.display());
    let long = "x/".repeat(3_000);
    for (path, expected) in [
        ("../x", "`../x` leaves the workspace"),
        ("dir/../../x", "`dir/../../x` leaves the workspace"),
        ("/etc/passwd", "`/etc/passwd` is absolute; paths are relative to the workspace"),
        (&evil, &format!("`{evil}` is absolute; paths are relative to the workspace")),
        ("out/file", "`out/file` leaves the workspace"),
        ("out-file", "`out-file` leaves the workspace"),
        ("loop", "`loop` leads through a link; only plain paths can be written"),
        ("fifo", "`fifo` is not a regular file"),
        ("dir", "`dir` is a folder"),
        ("", "`.` is a folder"),
        ("none", "`none` does not exist"),
        ("a/b", "`a/b` is not a folder"),
        ("a\0", "the path contains a NUL byte"),
        (&long, "the path is longer than a file system takes"),
    ] {
        assert_eq!(refusal(files.read(path, 9)), expected, "read {path}");
    }
    assert!(matches!(files.read("magic/etc/passwd", 9), Err(FileError::Refused(_))));
    for (path, expected) in [
        ("../x", "`../x` leaves the workspace"),
        (".git/config", "`.git/config` is git's own data and cannot be written"),
        ("dir/.GIT/hooks/x", "`dir/.GIT/hooks/x` is git's own data and cannot be written"),
        ("out/new", "`out/new` leads through a link; only plain paths can be written"),
        ("in/new", "`in/new` leads through a link; only plain paths can be written"),
        ("a", "`a` exists already"),
        ("a/x", "`a/x` is not a folder"),
        ("dir", "`dir` exists already"),
    ] {
        assert_eq!(refusal(files.create(path, b"x")), expected, "create {path}");
    }
    for (path, expected) in [
        ("out-file", "`out-file` leads through a link; only plain paths can be written"),
        ("out/file", "`out/file` leads through a link; only plain paths can be written"),
        ("none", "`none` does not exist"),
        ("dir", "`dir` is a folder"),
        ("fifo", "`fifo` is not a regular file"),
    ] {
        assert_eq!(refusal(files.write_atomic(path, b"x")), expected, "write {path}");
    }
    assert_eq!(refusal(files.delete("dir")), "`dir` is a folder");
    assert_eq!(refusal(files.delete("out/file")), "`out/file` leads through a link; only plain paths can be written");
    assert_eq!(refusal(files.delete(".git/HEAD")), "`.git/HEAD` is git's own data and cannot be written");
    assert_eq!(refusal(files.list("out")), "`out` leaves the workspace");
    assert_eq!(files.normalize("/etc"), Err(Refusal::Absolute("/etc".into())));
    files.delete("out-file").unwrap();
    assert_eq!(std::fs::read(outside.join("file")).unwrap(), b"canary");
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);
}
