//! Results as branches of the person's repository.

use crate::rig::{Rig, put};
use errand_workspace::branch::{BranchError, NewCommit, write_branch};

#[test]
fn a_branch_holds_exactly_the_result() {
    let rig = Rig::with(&[("a", "1"), ("deep/er/b", "1"), ("deep/c", "1")]);
    let workspace = rig.workspace();
    put(&workspace.tree_dir().join("deep/er/b"), b"2");
    put(&workspace.tree_dir().join("new/x"), b"2");
    let tree = workspace.snapshot().unwrap().tree;
    let source = rig.source();
    let new = NewCommit { parent: &source.head().commit, tree: &tree, message: "fix it\n\nbecause", at: 1_800_000_000 };
    let index = std::fs::read(rig.repo().join(".git/index")).unwrap();
    let commit = write_branch(workspace.ledger(), &source, "errand/fix", &new).unwrap();
    assert_eq!(rig.run_git(&["rev-parse", "errand/fix"]), commit.as_str());
    assert_eq!(rig.run_git(&["rev-parse", "errand/fix^{tree}"]), tree.as_str());
    assert_eq!(rig.run_git(&["log", "-1", "--format=%an <%ae> %s", "errand/fix"]), "errand <errand@localhost> fix it");
    assert_eq!(rig.run_git(&["rev-parse", "--abbrev-ref", "HEAD"]), "main");
    assert_eq!(std::fs::read(rig.repo().join(".git/index")).unwrap(), index);
    rig.run_git(&["fsck", "--strict"]);

    let again = write_branch(workspace.ledger(), &source, "errand/fix", &new);
    assert!(matches!(again, Err(BranchError::Exists(name)) if name == "errand/fix"));
    for name in ["", "-d", "a..b", "x.lock", "HEAD", "a\0", "@{-1}", "a b"] {
        let refused = write_branch(workspace.ledger(), &source, name, &new);
        assert!(matches!(refused, Err(BranchError::BadName(_))), "{name}");
    }
}

#[test]
fn a_branch_needs_the_commit_it_stands_on() {
    let rig = Rig::with(&[("a", "1")]);
    rig.run_git(&["checkout", "-q", "-b", "topic"]);
    rig.write("a", "2");
    rig.commit("second");
    let base = rig.source().head().commit.clone();
    let workspace = rig.workspace();
    put(&workspace.tree_dir().join("a"), b"3");
    let tree = workspace.snapshot().unwrap().tree;
    rig.run_git(&["checkout", "-q", "main"]);
    rig.run_git(&["branch", "-q", "-D", "topic"]);
    rig.run_git(&["reflog", "expire", "--expire=now", "--all"]);
    rig.run_git(&["gc", "-q", "--prune=now"]);
    let new = NewCommit { parent: &base, tree: &tree, message: "m", at: 0 };
    let refused = write_branch(workspace.ledger(), &rig.source(), "made", &new);
    assert!(matches!(refused, Err(BranchError::ParentGone(commit)) if commit == base));
    rig.run_git(&["fsck", "--strict"]);
}
