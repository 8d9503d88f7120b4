//! Finding the person's repository, and what is said when it cannot be used.

use crate::rig::{Rig, run_git_in};
use errand_workspace::git::{Git, GitError};
use errand_workspace::source::{Source, SourceError};
use std::ffi::{OsStr, OsString};

#[test]
fn any_folder_of_a_checkout_is_enough() {
    let rig = Rig::with(&[("src/deep/a.rs", "1")]);
    let source = Source::open(&rig.git, &rig.repo().join("src/deep")).unwrap();
    assert_eq!(source.top(), rig.repo());
    assert_eq!(source.name(), "repo");
    assert_eq!(source.head().name, "main");
    assert_eq!(source.head().commit.as_str(), rig.run_git(&["rev-parse", "HEAD"]));
}

#[test]
fn each_unusable_place_has_its_own_error() {
    let rig = Rig::empty();
    let open = |path: &str| Source::open(&rig.git, &rig.dir.path().join(path)).unwrap_err();
    assert!(matches!(open("repo"), SourceError::NoCommits(_)));
    assert!(matches!(open("nowhere"), SourceError::NotFound(_)));
    std::fs::create_dir(rig.dir.path().join("plain")).unwrap();
    assert!(matches!(open("plain"), SourceError::NotARepository(_)));
    run_git_in(rig.dir.path(), &["init", "-q", "--bare", "bare"]);
    assert!(matches!(open("bare"), SourceError::Bare(_)));
    assert!(matches!(open("bare/refs"), SourceError::Bare(_)));
    assert!(matches!(Git::find(OsStr::new("relative:/nowhere")), Err(GitError::Missing)));
}

#[test]
fn a_program_of_the_repository_is_never_taken_for_git() {
    // Relative folders are passed over; a file that is not executable is no program.
    let rig = Rig::empty();
    rig.write("bin/git", "#!/bin/sh\nexit 1\n");
    let mut path = OsString::from(".:node_modules/.bin::");
    path.push(rig.repo().join("bin"));
    path.push(":");
    path.push(crate::rig::search_path());
    assert!(Git::find(&path).is_ok());
}

#[test]
fn names_of_other_commits_resolve() {
    let rig = Rig::with(&[("a", "1")]);
    rig.run_git(&["tag", "v1"]);
    rig.write("a", "2");
    rig.commit("second");
    let source = rig.source();
    let first = rig.run_git(&["rev-parse", "v1"]);
    for name in ["v1", "HEAD~1", &first] {
        let base = source.resolve(name).unwrap();
        assert_eq!((base.commit.as_str(), base.name.as_str()), (first.as_str(), name));
    }
    assert_eq!(source.resolve("HEAD").unwrap(), *source.head());
    for name in ["nope", "", "--all", "HEAD:a", "v1^{tree}", "a\0b"] {
        assert!(matches!(source.resolve(name), Err(SourceError::NoSuchRevision { .. })), "{name}");
    }
    rig.run_git(&["checkout", "-q", "--detach", "v1"]);
    assert_eq!(rig.source().head().name, first[..8]);
}

#[test]
fn a_linked_worktree_works_and_a_foreign_git_directory_does_not() {
    let rig = Rig::with(&[("a", "1")]);
    rig.run_git(&["worktree", "add", "-q", "../tree", "-b", "side"]);
    let tree = rig.dir.path().join("tree");
    let source = Source::open(&rig.git, &tree).unwrap();
    assert_eq!(source.head().name, "side");
    let ledger = errand_workspace::ledger::Ledger::open_or_create(&rig.git, &rig.state(), &source).unwrap();
    ledger.bring_base(&source, &source.head().commit).unwrap();

    let evil = rig.dir.path().join("evil");
    std::fs::create_dir(&evil).unwrap();
    std::fs::write(evil.join(".git"), "gitdir: ../repo/.git\n").unwrap();
    assert!(matches!(Source::open(&rig.git, &evil), Err(SourceError::Foreign(_))));
    std::fs::remove_file(evil.join(".git")).unwrap();
    std::os::unix::fs::symlink("../repo/.git", evil.join(".git")).unwrap();
    assert!(matches!(Source::open(&rig.git, &evil), Err(SourceError::Foreign(_))));
    std::fs::write(rig.repo().join(".git/commondir"), "../../other/.git").unwrap();
    assert!(matches!(Source::open(&rig.git, &rig.repo()), Err(SourceError::Foreign(_))));
}

#[test]
fn uncommitted_changes_are_counted() {
    let rig = Rig::with(&[("a", "1"), ("b", "1"), ("c/d", "1"), ("e", "1"), (".gitignore", "*.log\ntarget/\n")]);
    let (ledger, _) = rig.ledger();
    let count = || rig.source().uncommitted(&ledger, &rig.source().head().commit, None).unwrap().n;
    assert_eq!(count(), 0);
    rig.write("x.log", "ignored");
    rig.write("target/x", "ignored");
    rig.write(".git/info/exclude", "mine\n");
    rig.write("mine", "ignored");
    assert_eq!(count(), 0);
    rig.write("a", "2");
    rig.write("new/one", "1");
    rig.write("new/two", "1");
    std::fs::remove_file(rig.repo().join("e")).unwrap();
    assert_eq!(count(), 3);
    rig.write("b", "staged");
    rig.run_git(&["add", "b"]);
    rig.write("c/d", "1");
    assert_eq!(count(), 4);
    for version in ["2", "4"] {
        rig.run_git(&["update-index", "--index-version", version]);
        assert_eq!(count(), 4, "index version {version}");
    }
    std::fs::write(rig.repo().join(".git/index"), "DIRC nonsense").unwrap();
    assert_eq!(count(), 4);
}
