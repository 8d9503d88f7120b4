//! Times of the common ways on 2,000 files, printed with `--nocapture`. Nothing here fails for being slow.

use crate::rig::{Rig, put};
use errand_workspace::command::run;
use errand_workspace::objects::Kind;
use errand_workspace::sandbox::Standing;
use errand_workspace::sandbox::plan::Limits;
use errand_workspace::source::Source;
use errand_workspace::trees::{Edit, EntryMode, TreeEntry};
use std::time::{Duration, Instant};

fn time<T>(what: &str, deed: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = deed();
    eprintln!("{:>9.2} ms  {what}", start.elapsed().as_secs_f64() * 1e3);
    result
}

#[test]
fn two_thousand_files() {
    let rig = Rig::empty();
    for i in 0..2_000 {
        put(&rig.repo().join(format!("src/m{}/f{i}.rs", i % 100)), format!("fn f{i}() {{}}\n").repeat(60).as_bytes());
    }
    rig.write("AGENTS.md", "be good");
    rig.commit("first");
    let (ledger, tree) = time("first base: fetch and all", || rig.ledger());
    let workspace = time("create workspace", || rig.workspace());
    time("snapshot, young files", || workspace.snapshot().unwrap());
    std::thread::sleep(Duration::from_millis(120));
    time("snapshot, settling", || workspace.snapshot().unwrap());
    time("snapshot, unchanged", || workspace.snapshot().unwrap());
    put(&workspace.tree_dir().join("src/m1/f1.rs"), b"changed\n");
    let result = time("snapshot, one file changed", || workspace.snapshot().unwrap());
    time("diff", || errand_workspace::diff::diff(&ledger, &tree, &result.tree).unwrap());
    time("restore to base", || workspace.restore(&tree).unwrap());
    let warm = |ledger: &errand_workspace::ledger::Ledger| {
        let source = Source::open(&rig.git, &rig.repo()).unwrap();
        let commit = source.head().commit.clone();
        ledger.bring_base(&source, &commit).unwrap();
        let entries = ledger.list_tree(&ledger.tree_of(&commit).unwrap()).unwrap();
        ledger.last_commits(&commit, 5).unwrap();
        let agents = entries.iter().find(|entry| entry.path == b"AGENTS.md").unwrap();
        ledger.read_blob(&agents.id).unwrap();
    };
    let cold = errand_workspace::ledger::Ledger::open_or_create(&rig.git, &rig.state(), &rig.source()).unwrap();
    time("base path, ledger just opened", || warm(&cold));
    time("base path, warm", || warm(&cold));
    time("count uncommitted", || {
        let source = rig.source();
        assert_eq!(source.uncommitted(&cold, &source.head().commit, None).unwrap().n, 0);
    });
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let sandbox = rig.sandbox();
    let plan = sandbox.shell(&workspace, "true", Limits::usual());
    time("prove the sandbox", || assert!(matches!(runtime.block_on(sandbox.standing()), Standing::Whole(_))));
    time("run `true`", || runtime.block_on(async { run(&sandbox, plan.clone()).finished().await }));
    time("run `true` again", || runtime.block_on(async { run(&sandbox, plan).finished().await }));
}

#[test]
fn eighty_thousand_files() {
    let rig = Rig::with(&[("a", "1")]);
    let (ledger, _) = rig.ledger();
    let id = ledger.objects().put(Kind::Blob, b"1").unwrap();
    let path = |i: usize| format!("crates/c{:02}/src/m{:02}/f{i:05}.rs", i % 40, i % 50).into_bytes();
    let mut entries: Vec<_> =
        (0..80_000).map(|i| TreeEntry { path: path(i), mode: EntryMode::Regular, id, size: 1 }).collect();
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    let tree = time("write the tree", || ledger.write_tree(entries).unwrap());
    let changed = |text: &[u8]| {
        let id = ledger.objects().put(Kind::Blob, text).unwrap();
        [Edit::Put { path: path(5_000), mode: EntryMode::Regular, id }]
    };
    let edits = [changed(b"2"), changed(b"3")];
    ledger.objects().sync().unwrap();
    time("edit one file, cold", || ledger.edit_tree(&tree, &edits[0]).unwrap());
    let result = time("edit one file, warm", || ledger.edit_tree(&tree, &edits[1]).unwrap());
    time("edit it to what it is", || ledger.edit_tree(&result, &edits[1]).unwrap());
    time("differences", || assert_eq!(ledger.differences(&tree, &result).unwrap().len(), 1));
    time("differences, warm", || assert_eq!(ledger.differences(&tree, &result).unwrap().len(), 1));
}
