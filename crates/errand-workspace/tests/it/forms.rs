//! What holds for every form of workspace: the same deeds give the same trees, and every earlier tree comes back.

use crate::rig::{Rig, bytes_path, chmod, put, run_git_in};
use errand_task::id::TreeId;
use errand_workspace::layers;
use errand_workspace::trees::TreeEntry;
use errand_workspace::workspace::{Form, Ground, Workspace};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::os::unix::fs::{FileExt as _, symlink};
use std::path::Path;

const FORMS: [Form; 2] = [Form::Layered, Form::Whole];

/// A repository with one of everything.
fn everything() -> Rig {
    let rig = Rig::with(&[
        (".gitignore", "ignored/\n*.log\n"),
        ("a", "1"),
        ("deep/er/b", "1"),
        ("deep/er/c", "1"),
        ("deep/d", "1"),
        ("file", "1"),
        ("folder/x", "1"),
        ("Case", "upper"),
        ("case", "lower"),
        ("run.sh", "1"),
        ("kept.log", "tracked although ignored"),
    ]);
    chmod(&rig.repo().join("run.sh"), 0o755);
    symlink("deep", rig.repo().join("link")).unwrap();
    put(&rig.repo().join(bytes_path(b"caf\xe9/x")), b"latin");
    rig.commit("everything");
    rig.run_git(&["update-index", "--add", "--cacheinfo", &format!("160000,{},sub", "1".repeat(40))]);
    rig.run_git(&["commit", "-q", "-m", "submodule"]);
    rig
}

/// Does it in a workspace of each form and looks that snapshots agree with each other and with `expected`, if it is said:
/// the paths that differ from the base.
#[track_caller]
fn alike(deed: impl Fn(&Path), expected: &[&str]) {
    let mut trees: Vec<TreeId> = Vec::new();
    for form in FORMS {
        let rig = everything();
        let workspace = rig.workspace_as(form);
        assert_eq!(workspace.form(), form);
        assert_eq!(workspace.snapshot().unwrap().tree, *workspace.base(), "{form:?} at the start");
        deed(&workspace.tree_dir());
        let snapshot = workspace.snapshot().unwrap();
        let changes = workspace.ledger().differences(workspace.base(), &snapshot.tree).unwrap();
        let paths: Vec<_> = changes.iter().map(|change| String::from_utf8_lossy(change.path()).into_owned()).collect();
        assert_eq!(paths, expected, "{form:?}");
        // There and back again, by a workspace that has forgotten everything.
        drop(workspace);
        let workspace = rig.workspace_as(form);
        workspace.restore(&workspace.base().clone()).unwrap();
        assert_eq!(workspace.snapshot().unwrap().tree, *workspace.base(), "{form:?} restored");
        workspace.restore(&snapshot.tree).unwrap();
        assert_eq!(workspace.snapshot().unwrap().tree, snapshot.tree, "{form:?} and back");
        trees.push(snapshot.tree);
    }
    assert_eq!(BTreeSet::from_iter(trees).len(), 1);
}

fn remove(path: &Path) {
    std::fs::remove_dir_all(path).or_else(|_| std::fs::remove_file(path)).unwrap();
}

/// As `mv` does: by copying where the file system cannot rename a folder of a lower layer.
fn rename(from: &Path, to: &Path) {
    assert!(std::process::Command::new("mv").arg("-T").args([from, to]).status().unwrap().success());
}

#[test]
fn changes_modes_and_deletions() {
    alike(|tree| put(&tree.join("a"), b"2"), &["a"]);
    alike(|tree| put(&tree.join("a"), b"1"), &[]);
    alike(|tree| chmod(&tree.join("a"), 0o755), &["a"]);
    alike(|tree| chmod(&tree.join("run.sh"), 0o644), &["run.sh"]);
    alike(|tree| remove(&tree.join("deep/er/b")), &["deep/er/b"]);
    alike(|tree| remove(&tree.join("deep")), &["deep/d", "deep/er/b", "deep/er/c"]);
    alike(|tree| put(&tree.join("kept.log"), b"2"), &["kept.log"]);
    alike(|tree| remove(&tree.join("kept.log")), &["kept.log"]);
    alike(|tree| put(&tree.join("new.log"), b"2"), &[]);
    alike(|tree| put(&tree.join("ignored/x/y"), b"2"), &[]);
    alike(|tree| remove(&tree.join(bytes_path(b"caf\xe9"))), &["caf\u{fffd}/x"]);
}

#[test]
fn renames_and_replacements() {
    alike(|tree| rename(&tree.join("a"), &tree.join("b")), &["a", "b"]);
    alike(
        |tree| rename(&tree.join("deep"), &tree.join("moved")),
        &["deep/d", "deep/er/b", "deep/er/c", "moved/d", "moved/er/b", "moved/er/c"],
    );
    let folder_to_file = |tree: &Path| {
        remove(&tree.join("folder"));
        put(&tree.join("folder"), b"a file");
    };
    alike(folder_to_file, &["folder", "folder/x"]);
    let file_to_folder = |tree: &Path| {
        remove(&tree.join("file"));
        put(&tree.join("file/inner"), b"in a folder");
    };
    alike(file_to_folder, &["file", "file/inner"]);
    let made_anew = |tree: &Path| {
        remove(&tree.join("deep"));
        put(&tree.join("deep/er/c"), b"1");
    };
    alike(made_anew, &["deep/d", "deep/er/b"]);
    let empty_in_the_place_of_a_file = |tree: &Path| {
        remove(&tree.join("file"));
        std::fs::create_dir(tree.join("file")).unwrap();
    };
    alike(empty_in_the_place_of_a_file, &["file"]);
    alike(|tree| std::fs::create_dir_all(tree.join("empty/er")).unwrap(), &[]);
    let twins = |tree: &Path| {
        remove(&tree.join("Case"));
        put(&tree.join("case"), b"only one");
    };
    alike(twins, &["Case", "case"]);
}

#[test]
fn links_submodules_and_what_cannot_be_stored() {
    let link_for_folder = |tree: &Path| {
        remove(&tree.join("folder"));
        symlink("deep", tree.join("folder")).unwrap();
    };
    alike(link_for_folder, &["folder", "folder/x"]);
    let folder_for_link = |tree: &Path| {
        std::fs::remove_file(tree.join("link")).unwrap();
        put(&tree.join("link/x"), b"1");
    };
    alike(folder_for_link, &["link", "link/x"]);
    alike(|tree| put(&tree.join("sub/filled"), b"1"), &[]);
    alike(|tree| remove(&tree.join("sub")), &["sub"]);
    let file_for_submodule = |tree: &Path| {
        remove(&tree.join("sub"));
        put(&tree.join("sub"), b"1");
    };
    alike(file_for_submodule, &["sub"]);
    let fifo = |tree: &Path| {
        remove(&tree.join("a"));
        assert!(std::process::Command::new("mkfifo").arg(tree.join("a")).status().unwrap().success());
    };
    alike(fifo, &["a"]);
    // Root reads it all the same, and sees that nothing changed.
    let is_root = rustix::process::geteuid().is_root();
    alike(|tree| chmod(&tree.join("a"), 0o000), if is_root { &[] } else { &["a"] });
    let nested = |tree: &Path| {
        put(&tree.join("folder/.git/HEAD"), b"ref: refs/heads/main\n");
        put(&tree.join("folder/y"), b"1");
    };
    alike(nested, &["folder/y"]);
}

#[test]
fn large_and_sparse_files() {
    let large = |tree: &Path| {
        // Larger than a snapshot takes: it is left out, and costs no disk here.
        let file = std::fs::File::create(tree.join("sparse")).unwrap();
        file.set_len(1 << 30).unwrap();
        let file = std::fs::File::create(tree.join("holes")).unwrap();
        file.set_len(3 << 20).unwrap();
        file.write_at(b"end", (3 << 20) - 3).unwrap();
    };
    alike(large, &["holes"]);
}

#[test]
fn what_the_person_does_meanwhile_is_not_seen() {
    for form in FORMS {
        let rig = everything();
        let workspace = rig.workspace_as(form);
        rig.write("a", "the person's");
        rig.write("person", "new");
        std::fs::remove_dir_all(rig.repo().join("deep")).unwrap();
        rig.commit("meanwhile");
        run_git_in(&rig.repo(), &["gc", "-q", "--prune=now"]);
        assert_eq!(std::fs::read(workspace.tree_dir().join("a")).unwrap(), b"1");
        assert!(!workspace.tree_dir().join("person").exists());
        assert_eq!(workspace.snapshot().unwrap().tree, *workspace.base(), "{form:?}");
    }
}

#[test]
fn nothing_below_a_dependency_folder_is_in_a_snapshot_unless_the_base_tracks_it() {
    for form in FORMS {
        let rig = Rig::with(&[("pyproject.toml", "[project]"), ("tools/setup.py", "setup()"), ("a", "1")]);
        for path in [".venv", "tools/venv"] {
            rig.write(&format!("{path}/.gitignore"), "*");
            rig.write(&format!("{path}/lib/module.py"), "installed");
        }
        let (ground, tree) = rig.ground();
        let found = layers::prepare(&ground.ledger, &rig.repo(), &tree, &[]).unwrap().layers;
        let ground = Ground {
            layers: found.iter().map(|layer| layer.dir.clone()).collect(),
            dependencies: found.iter().map(|layer| layer.path.clone()).collect(),
            ..ground
        };
        assert_eq!(ground.dependencies, [".venv", "tools/venv"]);
        let dir = rig.state().join("workspaces/one");
        let workspace = Workspace::create_as(form, &rig.sandbox(), &ground, &tree, &dir).unwrap();
        let files = workspace.tree_dir();
        assert_eq!(std::fs::read(files.join(".venv/lib/module.py")).unwrap(), b"installed");
        assert_eq!(workspace.snapshot().unwrap().tree, tree, "{form:?} at the start");
        put(&files.join(".venv/lib/module.py"), b"patched");
        put(&files.join(".venv/new.py"), b"1");
        remove(&files.join("tools/venv"));
        put(&files.join("tools/venv/lib/again.py"), b"1");
        assert_eq!(workspace.snapshot().unwrap().tree, tree, "{form:?}");
        // Neither after it was opened again, nor where the layer is gone and something else made the folder.
        drop(workspace);
        if form == Form::Whole {
            std::fs::remove_dir_all(ground.ledger.dir().join("layers")).unwrap();
        }
        let workspace = Workspace::open(&rig.sandbox(), &ground.ledger, &dir).unwrap();
        assert_eq!(workspace.snapshot().unwrap().tree, tree, "{form:?} opened");
        assert_eq!(workspace.ground().dependencies, ground.dependencies);
        put(&workspace.tree_dir().join("venv/other.py"), b"1");
        put(&workspace.tree_dir().join("a"), b"2");
        let snapshot = workspace.snapshot().unwrap().tree;
        let changes = workspace.ledger().differences(&tree, &snapshot).unwrap();
        let paths: Vec<_> = changes.iter().map(|change| String::from_utf8_lossy(change.path()).into_owned()).collect();
        assert_eq!(paths, ["a", "venv/other.py"], "{form:?}: only the folders of layers");
        // A result that has files there is a tree whose files there are seen.
        let other = rig.state().join("workspaces/other");
        let mut entries = ground.ledger.list_tree(&tree).unwrap().to_vec();
        let kept = entries.iter().find(|entry| entry.path == b"a").unwrap().clone();
        entries.push(TreeEntry { path: b".venv/kept".to_vec(), ..kept });
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        let tracked = ground.ledger.write_tree(entries).unwrap();
        let ground = workspace.ground();
        let checkout = Workspace::create_as(form, &rig.sandbox(), &ground, &tracked, &other).unwrap();
        assert_eq!(checkout.snapshot().unwrap().tree, tracked, "{form:?} tracked");
        put(&checkout.tree_dir().join(".venv/kept"), b"2");
        assert_ne!(checkout.snapshot().unwrap().tree, tracked, "{form:?} tracked and changed");
    }
}

/// A step of a task, on few names so that steps meet.
#[derive(Clone, Debug)]
enum Step {
    Write(String, u8),
    Remove(String),
    Folder(String),
    Link(String, String),
    Executable(String, bool),
    Move(String, String),
    /// Back to the tree before that many steps.
    Rewind(usize),
}

fn name() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec!["a", "file", "folder", "deep", "er", "x", "n.log", "ignored"]);
    prop::collection::vec(part, 1..4).prop_map(|parts| parts.join("/"))
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (name(), any::<u8>()).prop_map(|(name, byte)| Step::Write(name, byte)),
        3 => name().prop_map(Step::Remove),
        1 => name().prop_map(Step::Folder),
        1 => (name(), name()).prop_map(|(at, to)| Step::Link(at, to)),
        1 => (name(), any::<bool>()).prop_map(|(name, on)| Step::Executable(name, on)),
        2 => (name(), name()).prop_map(|(from, to)| Step::Move(from, to)),
        1 => (1_usize..6).prop_map(Step::Rewind),
    ]
}

/// Does what can be done; whether it could must not depend on the form.
fn perform(workspace: &Workspace, step: &Step, before: &[TreeId]) -> bool {
    let tree = workspace.tree_dir();
    let at = |name: &str| tree.join(name);
    let way = |name: &str| at(name).parent().is_some_and(|above| std::fs::create_dir_all(above).is_ok());
    match step {
        Step::Write(name, byte) => {
            // Through no link: another file would be written.
            let is_plain = at(name).symlink_metadata().map_or(true, |found| found.is_file());
            is_plain && way(name) && std::fs::write(at(name), [*byte]).is_ok()
        }
        Step::Remove(name) => std::fs::remove_file(at(name)).or_else(|_| std::fs::remove_dir_all(at(name))).is_ok(),
        Step::Folder(name) => std::fs::create_dir_all(at(name)).is_ok(),
        Step::Link(name, target) => way(name) && symlink(target, at(name)).is_ok(),
        Step::Executable(name, is_on) => {
            let is_file = at(name).symlink_metadata().is_ok_and(|found| found.is_file());
            if is_file {
                chmod(&at(name), if *is_on { 0o755 } else { 0o644 });
            }
            is_file
        }
        Step::Move(from, to) => {
            let mut mv = std::process::Command::new("mv");
            mv.args(["-T", "--"]).args([at(from), at(to)]).stderr(std::process::Stdio::null());
            mv.status().unwrap().success()
        }
        Step::Rewind(n_steps) => {
            let tree = &before[before.len() - (*n_steps).min(before.len())];
            workspace.restore(tree).unwrap();
            true
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// The walk over the private layer finds what the walk over all files finds, whatever was done, rewinding included.
    #[test]
    fn layers_are_whole(steps in prop::collection::vec(step(), 1..14)) {
        let rigs = FORMS.map(|_| everything());
        let workspaces: Vec<_> = rigs.iter().zip(FORMS).map(|(rig, form)| rig.workspace_as(form)).collect();
        let mut trees = vec![workspaces[0].base().clone()];
        for step in &steps {
            let done: Vec<_> = workspaces.iter().map(|workspace| perform(workspace, step, &trees)).collect();
            prop_assert_eq!(done[0], done[1], "{:?}", step);
            let seen: Vec<_> = workspaces.iter().map(|workspace| workspace.snapshot().unwrap().tree).collect();
            prop_assert_eq!(&seen[0], &seen[1], "after {:?}", step);
            trees.push(seen[0].clone());
        }
    }
}
