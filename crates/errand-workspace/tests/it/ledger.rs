//! The ledger: bringing bases, reading them, two tasks at once.

use crate::rig::{Rig, run_git_in};
use errand_task::id::{CommitId, TaskId};
use errand_workspace::ledger::{Ledger, LedgerError};
use std::os::unix::fs::PermissionsExt as _;

#[test]
fn a_base_comes_with_its_history_and_nothing_else() {
    let rig = Rig::with(&[("a", "1"), ("dir/b", "22")]);
    let secret = rig.run_git(&["commit-tree", "-m", "dangling", "HEAD^{tree}"]);
    rig.write("a", "stashed secret");
    rig.run_git(&["stash"]);
    let stash = rig.run_git(&["rev-parse", "stash"]);
    rig.write("a", "2");
    rig.commit("second");
    let (ledger, tree) = rig.ledger();
    let listing: Vec<_> =
        ledger.list_tree(&tree).unwrap().iter().map(|e| (e.shown(), e.mode.as_str(), e.size)).collect();
    assert_eq!(listing, [("a".into(), "100644", 1), ("dir/b".into(), "100644", 2)]);
    let log: Vec<_> =
        ledger.last_commits(&rig.source().head().commit, 5).unwrap().into_iter().map(|l| l.subject).collect();
    assert_eq!(log, ["second", "first"]);
    let entry = ledger.list_tree(&tree).unwrap()[0].clone();
    assert_eq!(ledger.read_blob(&entry.id).unwrap(), b"2");
    for gone in [secret, stash] {
        let gone = CommitId::new(gone);
        assert!(matches!(ledger.tree_of(&gone), Err(LedgerError::Missing { .. })), "{gone}");
    }
}

#[test]
fn a_base_that_is_no_branch_tip_and_a_later_base_are_brought() {
    let rig = Rig::with(&[("a", "1")]);
    rig.write("a", "2");
    rig.commit("second");
    let source = rig.source();
    let ledger = Ledger::open_or_create(&rig.git, &rig.state(), &source).unwrap();
    let old = source.resolve("HEAD~1").unwrap().commit;
    ledger.bring_base(&source, &old).unwrap();
    assert!(ledger.tree_of(&source.head().commit).is_err());
    ledger.bring_base(&source, &source.head().commit).unwrap();
    // The person's repository is not needed any more.
    std::fs::remove_dir_all(rig.repo()).unwrap();
    ledger.bring_base(&source, &old).unwrap();
    let again = Ledger::open_or_create(&rig.git, &rig.state(), &source).unwrap();
    assert_eq!(again.last_commits(&source.head().commit, 9).unwrap().len(), 2);
}

#[test]
fn shallow_and_sha256_repositories_work() {
    let rig = Rig::with(&[("a", "1")]);
    rig.write("a", "2");
    rig.commit("second");
    let from = format!("file://{}", rig.repo().display());
    run_git_in(rig.dir.path(), &["clone", "-q", "--depth=1", &from, "shallow"]);
    let source = errand_workspace::source::Source::open(&rig.git, &rig.dir.path().join("shallow")).unwrap();
    let ledger = Ledger::open_or_create(&rig.git, &rig.state(), &source).unwrap();
    ledger.bring_base(&source, &source.head().commit).unwrap();
    assert_eq!(ledger.last_commits(&source.head().commit, 5).unwrap().len(), 1);

    let rig = Rig::with_format("sha256");
    rig.write("a", "1");
    rig.commit("first");
    let workspace = rig.workspace();
    std::fs::write(workspace.tree_dir().join("a"), "2").unwrap();
    let tree = workspace.snapshot().unwrap().tree;
    rig.write("a", "2");
    rig.commit("second");
    assert_eq!(tree.as_str(), rig.run_git(&["rev-parse", "HEAD^{tree}"]));
}

#[test]
fn many_openers_at_once_get_one_ledger() {
    let rig = Rig::with(&[("a", "1")]);
    let source = rig.source();
    std::thread::scope(|scope| {
        let open = || {
            let ledger = Ledger::open_or_create(&rig.git, &rig.state(), &source).unwrap();
            ledger.bring_base(&source, &source.head().commit).unwrap();
            ledger.keep(&TaskId::new("0a1b2c3d"), &source.head().commit).unwrap();
            ledger.tree_of(&source.head().commit).unwrap()
        };
        let openers: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
        let trees: Vec<_> = openers.into_iter().map(|opener| opener.join().unwrap()).collect();
        assert!(trees.iter().all(|tree| *tree == trees[0]));
    });
    assert_eq!(std::fs::read_dir(rig.state().join("ledgers")).unwrap().count(), 1);
}

#[test]
fn state_is_private() {
    let rig = Rig::with(&[("a", "1")]);
    rig.ledger();
    let ledgers = rig.state().join("ledgers");
    for dir in [&rig.state(), &ledgers, &std::fs::read_dir(&ledgers).unwrap().next().unwrap().unwrap().path()] {
        assert_eq!(std::fs::metadata(dir).unwrap().permissions().mode() & 0o777, 0o700, "{}", dir.display());
    }
}
