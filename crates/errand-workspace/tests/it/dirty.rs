//! The checkout as it is, as a base: the same tree that git would make of it, without a word to the repository.

use crate::rig::{Rig, bytes_path, chmod, manifest, put, run_git_in};
use errand_task::facts::Dirty;
use errand_task::id::CommitId;
use errand_workspace::dirty;
use std::os::unix::fs::symlink;
use std::path::Path;

const FILES: [(&str, &str); 9] = [
    (".gitignore", "*.log\ntarget/\n!kept.log\n"),
    ("a", "1\n"),
    ("b", "1\n"),
    ("c/d", "1\n"),
    ("e/f/g", "1\n"),
    ("h", "1\n"),
    ("i/j", "1\n"),
    ("run.sh", "echo 1\n"),
    ("tracked.log", "1\n"),
];

fn taken(rig: &Rig, excludes: Option<&Path>) -> (CommitId, Dirty) {
    let (ledger, _) = rig.ledger();
    let source = rig.source();
    let head = source.head().commit.clone();
    let taken = dirty::take(&ledger, &source, &head, excludes, 1_700_000_000).unwrap();
    // What it answers with is there for one that knows nothing yet.
    let (fresh, _) = rig.ledger();
    fresh.list_tree(&fresh.tree_of(&taken.0).unwrap()).unwrap();
    fresh.bring_base(&source, &taken.0).unwrap();
    taken
}

/// What git makes of the checkout, in an index of its own.
fn of_git(rig: &Rig) -> String {
    let index = rig.dir.path().join("index-of-test");
    std::fs::copy(rig.repo().join(".git/index"), &index).unwrap();
    let git = |args: &[&str]| {
        let output = std::process::Command::new("git")
            .current_dir(rig.repo())
            .args(args)
            .env("GIT_INDEX_FILE", &index)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    git(&["add", "--all"]);
    git(&["write-tree"])
}

fn tree_of(rig: &Rig, commit: &CommitId) -> String {
    let (ledger, _) = rig.ledger();
    ledger.tree_of(commit).unwrap().to_string()
}

#[test]
fn the_tree_is_the_one_git_would_make() {
    let rig = Rig::with(&FILES);
    rig.write("a", "2\n");
    rig.write("tracked.log", "2\n");
    std::fs::remove_file(rig.repo().join("b")).unwrap();
    // A folder where a file was, a file where a folder was, a link where a file was.
    std::fs::remove_file(rig.repo().join("h")).unwrap();
    rig.write("h/inside", "1\n");
    std::fs::remove_dir_all(rig.repo().join("e/f")).unwrap();
    rig.write("e/f", "1\n");
    std::fs::remove_dir_all(rig.repo().join("i")).unwrap();
    symlink("c", rig.repo().join("i")).unwrap();
    chmod(&rig.repo().join("run.sh"), 0o755);
    rig.write("new/deep/one", "1\n");
    put(&rig.repo().join(bytes_path(b"odd\xff\nname")), b"1\n");
    // Ignored by what HEAD has, by what the person has just written, by a file that ignores itself.
    rig.write("x.log", "1\n");
    rig.write("kept.log", "1\n");
    rig.write("target/x", "1\n");
    rig.write("c/.gitignore", "secret\n");
    rig.write("c/secret", "1\n");
    rig.write(".venv/.gitignore", "*\n");
    rig.write(".venv/lib/x", "1\n");
    rig.write(".git/info/exclude", "mine\n");
    rig.write("mine", "1\n");
    // Staged although it is ignored, and staged in another form than it has now.
    rig.write("staged.log", "1\n");
    rig.write("c/d", "staged\n");
    rig.run_git(&["add", "-f", "staged.log", "c/d"]);
    rig.write("c/d", "2\n");
    let expected = of_git(&rig);
    let head = rig.run_git(&["rev-parse", "HEAD"]);
    let untouched = manifest(&rig.repo());
    let (commit, told) = taken(&rig, None);
    assert_eq!(manifest(&rig.repo()), untouched, "the person's repository is as it was");
    assert_eq!(tree_of(&rig, &commit), expected);
    assert_eq!((told.head.as_str(), told.n_left_out), (head.as_str(), 0), "{told:?}");
    for path in ["a", "b", "c/d", "e/f/g", "h", "new/deep/one", "run.sh", "staged.log", "tracked.log", "odd\\xff\nname"]
    {
        assert!(told.changed.iter().any(|changed| changed == path), "{path} in {told:?}");
    }
    let ledger = std::fs::read_dir(rig.state().join("ledgers")).unwrap().next().unwrap().unwrap().path();
    let log = run_git_in(&ledger.join("base.git"), &["log", "-1", "--format=%P %an <%ae> %ct %s", commit.as_str()]);
    assert_eq!(log, format!("{head} errand <errand@localhost> 1700000000 uncommitted changes of repo"));
    let refs = run_git_in(&ledger.join("base.git"), &["for-each-ref", "--format=%(objectname)", "refs/errand/base"]);
    assert!(refs.contains(commit.as_str()), "{refs}");
}

#[test]
fn without_a_change_it_is_the_commit_itself() {
    let rig = Rig::with(&FILES);
    rig.write("x.log", "ignored");
    let (commit, told) = taken(&rig, None);
    assert_eq!((commit.as_str(), told.n_changed), (rig.run_git(&["rev-parse", "HEAD"]).as_str(), 0));
}

#[test]
fn the_persons_own_excludes_keep_files_out() {
    let rig = Rig::with(&FILES);
    let home = rig.dir.path().join("home");
    let config_home = home.join(".config");
    put(&config_home.join("git/ignore"), b"*.local\n");
    rig.write("x.local", "secret");
    rig.write("x.other", "secret");
    let excludes = || dirty::excludes_of(&rig.git, &home, &config_home);
    let changed = || taken(&rig, Some(&excludes())).1.changed;
    assert_eq!(changed(), ["x.other"]);
    put(&home.join("mine"), b"*.local\n*.other\n");
    put(&home.join(".gitconfig"), b"[core]\n\texcludesFile = ~/mine\n");
    assert!(changed().is_empty());
}

#[test]
fn what_cannot_be_stored_is_named_and_the_rest_is_there() {
    let rig = Rig::with(&FILES);
    let fifo = |path: &str| {
        let path = rig.repo().join(path);
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
    };
    fifo("pipe");
    std::fs::remove_file(rig.repo().join("a")).unwrap();
    fifo("a");
    std::fs::File::create(rig.repo().join("large")).unwrap().set_len((128 << 20) + 1).unwrap();
    run_git_in(&rig.repo(), &["init", "-q", "inner"]);
    rig.write("inner/x", "1");
    rig.write("new", "1");
    let (commit, told) = taken(&rig, None);
    assert_eq!(told.changed, ["new"]);
    let mut left_out = told.left_out.clone();
    left_out.sort();
    assert_eq!(
        left_out,
        ["a (not a regular file)", "inner (a nested repository)", "large (too large)", "pipe (not a regular file)"]
    );
    let (ledger, _) = rig.ledger();
    let entries = ledger.list_tree(&ledger.tree_of(&commit).unwrap()).unwrap();
    assert!(entries.iter().any(|entry| entry.path == b"a"), "a file of HEAD that cannot be read now is no deletion");
}

#[test]
fn submodules_and_files_left_out_on_purpose_stay_as_recorded() {
    let rig = Rig::with(&FILES);
    let commit = rig.run_git(&["rev-parse", "HEAD"]);
    rig.run_git(&["update-index", "--add", "--cacheinfo", &format!("160000,{commit},sub")]);
    rig.run_git(&["commit", "-q", "-m", "submodule"]);
    rig.run_git(&["update-index", "--skip-worktree", "b"]);
    std::fs::remove_file(rig.repo().join("b")).unwrap();
    rig.write("a", "2\n");
    let (taken, told) = taken(&rig, None);
    assert_eq!(told.changed, ["a"]);
    let (ledger, _) = rig.ledger();
    let entries = ledger.list_tree(&ledger.tree_of(&taken).unwrap()).unwrap();
    for path in ["b", "sub"] {
        assert!(entries.iter().any(|entry| entry.path == path.as_bytes()), "{path}");
    }
}
