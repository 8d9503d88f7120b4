//! Repositories that try to run code through everything git can be configured to start: each poison against every
//! operation of this crate, and all of them together against the person's own git, so that we know they are real.

use crate::poisons::{self, Bait, End, Poison};
use crate::rig::{Rig, manifest, put, run_git_in};
use errand_task::id::TaskId;
use errand_workspace::apply::{self, Outcome, Selection, Undone};
use errand_workspace::branch::{NewCommit, commit, write_branch};
use errand_workspace::diff::{Selection as Shown, diff, hunks, mix_trees, patch};
use errand_workspace::git::Git;
use errand_workspace::ledger::Ledger;
use errand_workspace::new_repository::{self, NewFile};
use errand_workspace::source::Source;
use errand_workspace::state_dir;
use errand_workspace::workspace::{Ground, Workspace};
use std::collections::BTreeSet;
use std::error::Error;
use std::os::unix::fs::symlink;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

const LINES: &str = "1\n2\n3\n4\n5\n6\n";

/// The clean repository all poisons are planted in: drivers for every file, a submodule, a bare repository in the tree.
fn template() -> Rig {
    let rig = Rig::with(&[
        ("a", LINES),
        ("b", "1\n"),
        ("dir/c", "1\n"),
        (".gitattributes", "* filter=evil diff=evil merge=evil text=auto\n*.bin filter=lfs\n"),
        (".gitmodules", "[submodule \"sub\"]\n\tpath = sub\n\turl = ext::sh -c true\n\tupdate = !true\n"),
        (".lfsconfig", "[lfs]\n\turl = ext::sh -c true\n"),
        ("embedded/HEAD", "ref: refs/heads/main\n"),
        ("embedded/config", "[core]\n"),
        ("embedded/objects/info/keep", ""),
        ("embedded/refs/heads/keep", ""),
    ]);
    symlink("a", rig.repo().join("link")).unwrap();
    rig.commit("second");
    rig.run_git(&[
        "update-index",
        "--add",
        "--cacheinfo",
        &format!("160000,{},sub", rig.run_git(&["rev-parse", "HEAD"])),
    ]);
    std::fs::create_dir(rig.repo().join("sub")).unwrap();
    rig.run_git(&["commit", "-q", "-m", "submodule"]);
    rig.run_git(&["tag", "v1"]);
    rig.run_git(&["branch", "old", "HEAD~1"]);
    rig.run_git(&["checkout", "-q", "-b", "side"]);
    rig.write("a", &LINES.replace('1', "side"));
    rig.run_git(&["commit", "-q", "-a", "-m", "of side"]);
    rig.run_git(&["checkout", "-q", "main"]);
    rig.write("a", &LINES.replace('1', "main"));
    rig.run_git(&["commit", "-q", "-a", "-m", "of main"]);
    run_git_in(rig.dir.path(), &["clone", "-q", "--bare", "repo", "other.git"]);
    rig.run_git(&["remote", "add", "local", "../other.git"]);
    rig
}

/// A copy of the template with its bait.
fn copy(template: &Rig) -> (Rig, Bait) {
    // In memory where there is such a place: what is counted here are programs, not what survives a power cut.
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let rig = Rig { dir, git: template.git.clone() };
    let beside = rig.dir.path().canonicalize().unwrap();
    for name in ["repo", "other.git"] {
        let copied = Command::new("cp").arg("-a").arg(template.dir.path().join(name)).arg(&beside).status().unwrap();
        assert!(copied.success());
    }
    let bait = Bait::of(&rig.repo(), &beside);
    (rig, bait)
}

/// What people type all day, and what tools type for them.
const ORDINARY: [&str; 52] = [
    "status",
    "status --porcelain",
    "diff",
    "diff --cached",
    "diff HEAD~1",
    "difftool -y",
    "add a",
    "add -A",
    "commit -m x -a",
    "commit --allow-empty -m x",
    "commit --amend --no-edit",
    "checkout -- a",
    "checkout side",
    "switch -f -c new",
    "restore a",
    "reset --hard",
    "stash",
    "rm -f a",
    "mv b moved",
    "clean -n",
    "merge side -m x",
    "rebase side",
    "rebase -i HEAD~1",
    "cherry-pick side",
    "revert --no-edit HEAD",
    "pull local main",
    "fetch",
    "fetch local",
    "ls-remote",
    "push",
    "push local HEAD:pushed",
    "clone . ../cloned",
    "remote update",
    "submodule status",
    "submodule update --init",
    "worktree add ../worktree v1",
    "log -p -2",
    "log --show-signature -1",
    "show HEAD",
    "blame a",
    "grep main",
    "grep --textconv main",
    "describe --dirty",
    "archive HEAD",
    "tag -m x v2",
    "branch made",
    "gc",
    "repack -a -d",
    "fsck",
    "rev-parse HEAD",
    "for-each-ref",
    "cat-file -p HEAD",
];

#[test]
fn the_persons_own_git_runs_what_is_planted() {
    let (planted, bait) = copy(&template());
    poisons::plant_all(&bait);
    let mut ran_in = Vec::new();
    let mut programs = BTreeSet::new();
    for line in ORDINARY {
        // Its programs and markers are still those beside the first.
        let (rig, _) = copy(&planted);
        rig.write("a", "changed\n");
        rig.write("untracked", "1\n");
        let mut command = Command::new("timeout");
        command.args(["3", "git"]).args(line.split(' ')).current_dir(rig.repo()).env_clear();
        command.env("PATH", crate::rig::search_path()).env("HOME", bait.elsewhere()).env("GIT_CONFIG_NOSYSTEM", "1");
        command.stdin(Stdio::null()).output().unwrap();
        let markers = bait.markers();
        if !markers.is_empty() {
            ran_in.push(line);
        }
        programs.extend(markers);
        bait.forget();
    }
    println!(
        "plain git: {} operations, {} ran something, {} programs: {programs:?}",
        ORDINARY.len(),
        ran_in.len(),
        programs.len()
    );
    let clean: Vec<_> = ORDINARY.iter().filter(|line| !ran_in.contains(line)).collect();
    assert!(ran_in.len() >= 40 && programs.len() >= 14, "the poison is blunt; nothing ran in {clean:?}");
}

/// Counts what was done and looks for markers after each.
struct Tally<'a> {
    bait: &'a Bait,
    n_operations: usize,
}

impl Tally<'_> {
    fn did<T>(&mut self, operation: &str, outcome: T) -> T {
        self.n_operations += 1;
        assert_eq!(self.bait.markers(), BTreeSet::new(), "after {operation}");
        outcome
    }
}

/// Every operation of this crate that meets the person's repository or a workspace, and that the results are right.
fn everything(rig: &Rig, tally: &mut Tally<'_>) -> Result<(), Box<dyn Error>> {
    let state = rig.state();
    let git = tally.did("find", Git::find(&crate::rig::search_path()))?;
    tally.did(
        "create",
        new_repository::create(&git, &rig.dir.path().join("new"), &[NewFile { path: "a", bytes: b"1" }], "m"),
    )?;
    let source = tally.did("open", Source::open(&git, &rig.repo()))?;
    assert_eq!(source.top(), rig.repo());
    let head = source.head().clone();
    tally.did("resolve", source.resolve("main"))?;
    let old = tally.did("resolve", source.resolve("old"))?;
    assert!(tally.did("resolve", source.resolve("ext::sh -c true")).is_err());
    let ledger = Arc::new(tally.did("ledger", Ledger::open_or_create(&git, &state, &source))?);
    tally.did("bring a base", ledger.bring_base(&source, &old.commit))?;
    tally.did("bring a base", ledger.bring_base(&source, &head.commit))?;
    let base = tally.did("tree of", ledger.tree_of(&head.commit))?;
    let entries = tally.did("list tree", ledger.list_tree(&base))?;
    let a = entries.iter().find(|entry| entry.path == b"a").unwrap();
    assert_eq!(tally.did("read blob", ledger.read_blob(&a.id))?, LINES.replace('1', "main").as_bytes());
    let log = tally.did("log", ledger.last_commits(&head.commit, 5))?;
    assert_eq!(log[0].subject, "of main");
    let n_before = tally.did("count", source.uncommitted(&ledger, &head.commit, None))?.n;
    tally.did("keep", ledger.keep(&TaskId::new("0a1b2c3d"), &head.commit))?;

    let ground = Ground::of(&ledger, &head.commit);
    let dir = state.join("workspaces/one");
    let workspace = tally.did("workspace", Workspace::create(&rig.sandbox(), &ground, &base, &dir))?;
    let files = workspace.files()?;
    tally.did("write", files.write_atomic("a", LINES.replace('1', "main").replace('6', "six").as_bytes()))?;
    tally.did("new file", files.create("new", b"n\n"))?;
    tally.did("delete", files.delete("b"))?;
    let result = tally.did("snapshot", workspace.snapshot())?.tree;
    let changes = tally.did("diff", diff(&ledger, &base, &result))?;
    let counted: Vec<_> = changes.iter().map(|c| (c.path.as_str(), c.added, c.removed)).collect();
    assert_eq!(counted, [("a", 1, 1), ("b", 0, 1), ("new", 1, 0)]);
    let shown = tally.did("patch", patch(&ledger, &base, &result, Shown::All))?;
    assert!(String::from_utf8_lossy(&shown).contains("\n-6\n+six\n"));
    tally.did("hunks", hunks("1\n", "2\n"));
    let mixed = tally.did("mix", mix_trees(&ledger, &base, &result, &["new".to_owned()]))?;
    tally.did("restore", workspace.restore(&base))?;
    tally.did("restore", workspace.restore(&result))?;
    drop((files, workspace));
    let again = tally.did("open workspace", Workspace::open(&rig.sandbox(), &ledger, &dir))?;
    assert_eq!(tally.did("snapshot", again.snapshot())?.tree, result);
    let clean = tally
        .did("clean checkout", Workspace::create(&rig.sandbox(), &ground, &mixed, &state.join("workspaces/two")))?;
    tally.did("remove", clean.remove(&state))?;

    let untouched = manifest(&rig.repo());
    let mine = LINES.replace('1', "main").replace('2', "two");
    rig.write("a", &mine);
    assert!(tally.did("count", source.uncommitted(&ledger, &head.commit, None))?.n >= n_before);
    let plan = tally.did("plan", apply::plan(&ledger, &source, &state, &base, &result, Selection::All))?;
    let Outcome::Applied { record, .. } = tally.did("apply with a merge", plan.apply(&state))? else {
        panic!("blocked")
    };
    assert_eq!(rig.read("a"), mine.replace('6', "six"));
    assert_eq!(tally.did("undo", apply::undo(&state, &record))?, Undone::Undone { n_files: 3 });
    assert_eq!(rig.read("a"), mine);
    rig.write("a", &LINES.replace('1', "main"));
    let only = ["new".to_owned()];
    let plan = tally.did("plan", apply::plan(&ledger, &source, &state, &base, &result, Selection::Only(&only)))?;
    let Outcome::Applied { record, .. } = tally.did("apply", plan.apply(&state))? else { panic!("blocked") };
    assert!(tally.did("unfinished", apply::unfinished(&state))?.is_empty());
    tally.did("undo", apply::undo(&state, &record))?;
    assert!(tally.did("finish", apply::finish_backwards(&state, &record)).is_err());
    assert_eq!(manifest(&rig.repo()), untouched, "nothing but what was applied and undone");
    let new = NewCommit { parent: &head.commit, tree: &result, message: "m", at: 0 };
    let made = tally.did("commit", commit(&ledger, &new))?;
    assert_eq!(tally.did("branch", write_branch(&ledger, &source, "made", &new))?, made);
    assert!(tally.did("branch", write_branch(&ledger, &source, "main", &new)).is_err());
    assert_eq!(tally.did("resolve", source.resolve("made"))?.commit, made);
    tally.did("remove", again.remove(&state))?;
    tally.did("empty trash", state_dir::empty_trash(&state))?;
    let kept = |lines: Vec<String>| -> Vec<String> {
        // Objects are only added, and the log is that of the branch.
        let is_ours =
            |line: &String| line.contains("heads/made") || line.contains(".git/objects/") || line.contains(".git/logs");
        lines.into_iter().filter(|line| !is_ours(line)).collect()
    };
    assert_eq!(kept(manifest(&rig.repo())), kept(untouched), "nothing but the branch");
    Ok(())
}

/// How one poison went; the number of operations, up to the refusal if there is one.
fn judge(template: &Rig, poison: &Poison) -> usize {
    let (rig, bait) = copy(template);
    (poison.plant)(&bait);
    bait.forget();
    let elsewhere = manifest(&bait.elsewhere());
    let other = manifest(&rig.dir.path().join("other.git"));
    let mut tally = Tally { bait: &bait, n_operations: 0 };
    let outcome = everything(&rig, &mut tally);
    match (poison.end, outcome) {
        (End::Works, Ok(())) => {}
        (End::Refused(part), Err(error)) => {
            assert!(error.to_string().contains(part), "{}: {error}", poison.name);
        }
        (end, outcome) => panic!("{}: {end:?}, not {outcome:?}", poison.name),
    }
    assert_eq!(manifest(&bait.elsewhere()), elsewhere, "{}: files elsewhere", poison.name);
    assert_eq!(manifest(&rig.dir.path().join("other.git")), other, "{}: another repository", poison.name);
    tally.n_operations
}

#[test]
fn nothing_of_a_poisoned_repository_runs() {
    let template = template();
    let mut all = poisons::of_config();
    all.extend(poisons::of_structure());
    all.extend(poisons::of_ruin());
    all.push(Poison { name: "all at once".to_owned(), plant: Box::new(poisons::plant_all), end: End::Works });
    let (next, n_operations, failed) = (AtomicUsize::new(0), AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some(poison) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
            match std::panic::catch_unwind(AssertUnwindSafe(|| judge(&template, poison))) {
                Ok(n) => drop(n_operations.fetch_add(n, Ordering::Relaxed)),
                Err(_) => failed.lock().unwrap().push(&poison.name),
            }
        }
    };
    std::thread::scope(|scope| (0..3).for_each(|_| drop(scope.spawn(work))));
    assert_eq!(failed.into_inner().unwrap(), Vec::<&String>::new());
    println!("errand: {} poisons, {} operations, 0 markers", all.len(), n_operations.into_inner());
    assert!(all.len() > 100, "git names its keys otherwise: {}", all.len());
}

/// A tree may name a link and a folder alike; the link is not followed.
#[test]
fn a_tree_with_a_link_and_a_folder_of_one_name_is_not_checked_out() {
    let rig = Rig::with(&[("a", "1")]);
    let home = rig.dir.path().canonicalize().unwrap().join("home");
    put(&home.join("authorized_keys"), b"canary");
    for link_mode in ["120000 blob", "100644 blob"] {
        put(&rig.dir.path().join("target"), home.display().to_string().as_bytes());
        let target = rig.run_git(&["hash-object", "-w", "../target"]);
        let script = format!(
            "inner=$(printf '100644 blob {target}\\tauthorized_keys\\n' | git mktree) && \
             tree=$({{ printf '{mode} docs\\0'; printf {target} | xxd -r -p; printf '40000 docs\\0'; \
             printf $inner | xxd -r -p; }} | git hash-object -t tree -w --stdin --literally) && \
             git -c user.name=p -c user.email=p@x commit-tree -m evil $tree",
            mode = link_mode.split(' ').next().unwrap(),
        );
        let output = Command::new("sh").args(["-c", &script]).current_dir(rig.repo()).output().unwrap();
        let commit = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        assert!(!commit.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        rig.run_git(&["update-ref", "HEAD", &commit]);
        let (ground, tree) = rig.ground();
        let made = Workspace::create(&rig.sandbox(), &ground, &tree, &rig.state().join("workspaces/one"));
        assert!(made.is_err());
        assert_eq!(files_in(&home), ["authorized_keys"]);
        assert_eq!(std::fs::read(home.join("authorized_keys")).unwrap(), b"canary");
    }
}

fn files_in(dir: &Path) -> Vec<String> {
    std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}
