//! A repository that tries to run code through everything git can be configured to start.

use crate::rig::{Rig, chmod, put};
use errand_workspace::apply::{self, Outcome, Selection};
use errand_workspace::branch::{NewCommit, write_branch};
use errand_workspace::diff::{Selection as Shown, diff, patch};
use std::os::unix::fs::PermissionsExt as _;

fn poison(rig: &Rig) -> std::path::PathBuf {
    let markers = rig.dir.path().join("markers");
    std::fs::create_dir(&markers).unwrap();
    chmod(&markers, 0o777);
    let script = rig.dir.path().join("evil.sh");
    put(&script, format!("#!/bin/sh\necho \"$0 $*\" >> {}/ran\ncat\n", markers.display()).as_bytes());
    chmod(&script, 0o755);
    let script = script.display();
    rig.write(".gitattributes", "* filter=evil diff=evil merge=evil text=auto\n");
    rig.commit("attributes");
    let hooks = [
        "applypatch-msg",
        "commit-msg",
        "fsmonitor-watchman",
        "post-applypatch",
        "post-checkout",
        "post-commit",
        "post-index-change",
        "post-merge",
        "post-receive",
        "post-rewrite",
        "post-update",
        "pre-applypatch",
        "pre-auto-gc",
        "pre-commit",
        "pre-merge-commit",
        "pre-push",
        "pre-rebase",
        "pre-receive",
        "prepare-commit-msg",
        "proc-receive",
        "push-to-checkout",
        "reference-transaction",
        "sendemail-validate",
        "update",
    ];
    for hook in hooks {
        let path = rig.repo().join(".git/hooks").join(hook);
        put(&path, format!("#!/bin/sh\nexec {script} {hook}\n").as_bytes());
        chmod(&path, 0o755);
    }
    let config = format!(
        "[core]\n\trepositoryformatversion = 0\n\tfsmonitor = {script}\n\tsshCommand = {script}\n\tpager = {script}\n\
         \teditor = {script}\n\taskPass = {script}\n\tgitProxy = {script}\n\talternateRefsCommand = {script}\n\
         \thooksPath = .git/hooks\n\tworktree = /\n[pager]\n\tdiff = {script}\n\tlog = {script}\n\trev-parse = {script}\n\
         [filter \"evil\"]\n\tclean = {script}\n\tsmudge = {script}\n\tprocess = {script}\n\trequired = true\n\
         [diff]\n\texternal = {script}\n[diff \"evil\"]\n\tcommand = {script}\n\ttextconv = {script}\n\
         [merge \"evil\"]\n\tdriver = {script} %A\n[uploadpack]\n\tpackObjectsHook = {script}\n\
         [credential]\n\thelper = {script}\n[gpg]\n\tprogram = {script}\n[commit]\n\tgpgSign = true\n[log]\n\tshowSignature = true\n\
         [alias]\n\trev-parse = !{script}\n\tcat-file = !{script}\n[uploadarchive]\n\tallowUnreachable = true\n\
         [remote \"origin\"]\n\turl = ext::{script}\n\tuploadpack = {script}\n\tpromisor = true\n\
         [extensions]\n\tpartialClone = origin\n[include]\n\tpath = ../more.config\n[gc]\n\tauto = 1\n[trace2]\n\teventTarget = {markers}/trace\n",
        markers = markers.display()
    );
    std::fs::write(rig.repo().join(".git/config"), config).unwrap();
    put(&rig.repo().join("more.config"), format!("[core]\n\tfsmonitor = {script}\n").as_bytes());
    put(&rig.repo().join(".git/info/attributes"), b"* filter=evil diff=evil\n");
    let alternate = format!("{}\n", rig.dir.path().join("other.git/objects").display());
    put(&rig.repo().join(".git/objects/info/alternates"), alternate.as_bytes());
    markers
}

#[test]
fn nothing_of_a_poisoned_repository_runs() {
    let lines = "1\n2\n3\n4\n5\n6\n";
    let rig = Rig::with(&[("a", lines), ("b", "1\n")]);
    crate::rig::run_git_in(rig.dir.path(), &["init", "-q", "--bare", "other.git"]);
    let markers = poison(&rig);
    let source = rig.source();
    assert_eq!(source.top(), rig.repo());
    source.resolve("main").unwrap();
    let workspace = rig.workspace();
    let (ledger, _) = rig.ledger();
    source.n_uncommitted(&ledger, &source.head().commit).unwrap();
    ledger.last_commits(&source.head().commit, 5).unwrap();
    workspace.add_scratch_git(&source.head().commit).unwrap();
    put(&workspace.tree_dir().join("a"), lines.replace('6', "six").as_bytes());
    put(&workspace.tree_dir().join("new"), b"n\n");
    rig.write("a", &lines.replace('1', "one"));
    let result = workspace.snapshot().unwrap().tree;
    let changes = diff(&ledger, workspace.base(), &result).unwrap();
    assert_eq!(
        changes.iter().map(|c| (c.path.as_str(), c.added, c.removed)).collect::<Vec<_>>(),
        [("a", 1, 1), ("new", 1, 0)]
    );
    assert!(!patch(&ledger, workspace.base(), &result, Shown::All).unwrap().is_empty());
    workspace.restore(workspace.base()).unwrap();
    workspace.restore(&result).unwrap();
    let plan = apply::plan(&ledger, &source, &rig.state(), workspace.base(), &result, Selection::All).unwrap();
    let Outcome::Applied { record, .. } = plan.apply(&rig.state()).unwrap() else { panic!("blocked") };
    assert_eq!(rig.read("a"), "one\n2\n3\n4\n5\nsix\n");
    apply::undo(&rig.state(), &record).unwrap();
    let new = NewCommit { parent: &source.head().commit, tree: &result, message: "m", at: 0 };
    write_branch(&ledger, &source, "made", &new).unwrap();
    workspace.remove(&rig.state()).unwrap();
    let ran: Vec<_> = std::fs::read_dir(&markers).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(ran.is_empty(), "{:?}", std::fs::read_to_string(markers.join("ran")));
    assert_eq!(std::fs::metadata(rig.repo().join(".git/config")).unwrap().permissions().mode() & 0o111, 0);

    // The oracle can fail: the person's own git does run it.
    std::process::Command::new("git").args(["status"]).current_dir(rig.repo()).output().unwrap();
    assert!(std::fs::read_dir(&markers).unwrap().count() > 0);
}
