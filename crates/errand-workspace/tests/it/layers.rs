//! What a build needs: found in a checkout, copied once, never by a link and never out of the folder.

use crate::rig::Rig;
use errand_workspace::layers::{self, Captured, Layer};
use errand_workspace::stock;
use errand_workspace::workspace::{Ground, Workspace};
use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::io::ErrorKind::NotFound;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

/// A node project with a lock file; its folder of packages is there, and ignored.
fn project() -> Rig {
    let rig = Rig::with(&[
        (".gitignore", "node_modules/\ntarget/\n.venv/\n/vendor/bundle\n/cache\n"),
        ("package-lock.json", "lock 1"),
        ("packages/x/package.json", "{}"),
        ("src/main.rs", "fn main() {}"),
    ]);
    rig.write("node_modules/left/index.js", "left");
    rig
}

fn prepare(rig: &Rig) -> Captured {
    prepare_with(rig, &[])
}

fn prepare_with(rig: &Rig, extra: &[&str]) -> Captured {
    let (ledger, tree) = rig.ledger();
    let extra: Vec<_> = extra.iter().map(|&path| path.to_owned()).collect();
    layers::prepare(&ledger, &rig.repo(), &tree, &extra).unwrap()
}

fn only(captured: &Captured) -> &Layer {
    assert_eq!(captured.layers.len(), 1, "{captured:?}");
    &captured.layers[0]
}

fn paths(captured: &Captured) -> Vec<&str> {
    captured.layers.iter().map(|layer| layer.path.as_str()).collect()
}

fn copy_of(layer: &Layer, path: &str) -> PathBuf {
    layer.dir.join("tree").join(path)
}

#[test]
fn folders_a_build_needs_are_found_and_copied() {
    let rig = project();
    rig.write("packages/x/node_modules/right/index.js", "right");
    rig.write("Cargo.lock", "cargo 1");
    rig.write("target/debug/app", "binary");
    // No requirements, no project file: not a virtual environment of this project.
    rig.write(".venv/pyvenv.cfg", "home = /usr/bin");
    let captured = prepare(&rig);
    assert_eq!(paths(&captured), ["node_modules", "packages/x/node_modules", "target"]);
    assert_eq!(captured.notes, Vec::<String>::new());
    for (layer, path, text) in [
        (0, "node_modules/left/index.js", "left"),
        (1, "packages/x/node_modules/right/index.js", "right"),
        (2, "target/debug/app", "binary"),
    ] {
        let layer = &captured.layers[layer];
        assert_eq!(fs::read_to_string(copy_of(layer, path)).unwrap(), text);
        assert_eq!((layer.bytes, layer.n_files), (text.len() as u64, 1));
        let entries: Vec<_> = fs::read_dir(&layer.dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(BTreeSet::from_iter(entries), BTreeSet::from(["layer.json".into(), "tree".into()]));
    }
}

#[test]
fn times_and_permissions_are_kept_and_links_stay_links() {
    let rig = project();
    let modules = rig.repo().join("node_modules");
    let tool = modules.join("left/cli.js");
    fs::write(&tool, "#!").unwrap();
    fs::set_permissions(&tool, Permissions::from_mode(0o4751)).unwrap();
    let at = SystemTime::UNIX_EPOCH + Duration::new(1_500_000_000, 123_456_789);
    let to_come = SystemTime::now() + Duration::from_secs(1_000_000);
    let set = |path: &Path, time| fs::File::open(path).unwrap().set_modified(time).unwrap();
    set(&tool, at);
    set(&modules.join("left/index.js"), to_come);
    fs::set_permissions(modules.join("left"), Permissions::from_mode(0o555)).unwrap();
    set(&modules.join("left"), at);
    for (target, name) in [("../left/cli.js", ".bin"), ("/etc", "etc"), ("../../..", "up"), ("nowhere", "gone")] {
        symlink(target, modules.join(name)).unwrap();
    }
    let captured = prepare(&rig);
    let layer = only(&captured);
    let copied = copy_of(layer, "node_modules/left/cli.js").symlink_metadata().unwrap();
    assert_eq!((copied.mode() & 0o7777, copied.modified().unwrap()), (0o751, at), "no setuid, the same nanosecond");
    let folder = copy_of(layer, "node_modules/left").symlink_metadata().unwrap();
    assert_eq!((folder.mode() & 0o7777, folder.modified().unwrap()), (0o555, at));
    assert_eq!(layer.newest_mtime, (1_500_000_000, 123_456_789), "a time to come does not count");
    for (target, name) in [("../left/cli.js", ".bin"), ("/etc", "etc"), ("../../..", "up"), ("nowhere", "gone")] {
        assert_eq!(fs::read_link(copy_of(layer, "node_modules").join(name)).unwrap(), Path::new(target));
    }
    assert_eq!(layer.n_files, 6);
}

#[test]
fn nothing_is_shared_with_the_checkout() {
    let rig = project();
    let original = rig.repo().join("node_modules/left/index.js");
    fs::hard_link(&original, rig.repo().join("node_modules/again.js")).unwrap();
    let captured = prepare(&rig);
    let copies = ["left/index.js", "again.js"].map(|name| copy_of(only(&captured), "node_modules").join(name));
    let inodes = copies.each_ref().map(|path| path.metadata().unwrap().ino());
    assert_ne!(inodes[0], inodes[1]);
    for copy in &copies {
        assert_eq!(copy.metadata().unwrap().nlink(), 1);
        fs::write(copy, "changed").unwrap();
    }
    assert_eq!(fs::read_to_string(original).unwrap(), "left");
}

#[test]
fn what_is_no_file_and_what_is_secret_stays_out() {
    let rig = project();
    let modules = rig.repo().join("node_modules");
    rustix::fs::mknodat(rustix::fs::CWD, modules.join("fifo"), rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0)
        .unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(modules.join("socket")).unwrap();
    for (path, text) in [
        ("left/.env", "TOKEN=canary"),
        ("left/.env.local", "TOKEN=canary"),
        ("left/.env.example", "TOKEN="),
        ("left/id_rsa", "canary"),
        ("left/server.pem", "-----BEGIN RSA PRIVATE KEY-----\ncanary"),
        ("left/cacert.pem", "-----BEGIN CERTIFICATE-----"),
        ("left/.git/config", "canary"),
    ] {
        rig.write(&format!("node_modules/{path}"), text);
    }
    let captured = prepare(&rig);
    let layer = only(&captured);
    let names = |path| {
        let entries = fs::read_dir(copy_of(layer, path)).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect::<BTreeSet<_>>()
    };
    assert_eq!(names("node_modules"), BTreeSet::from(["left".to_owned()]));
    assert_eq!(
        names("node_modules/left"),
        [".env.example", "cacert.pem", "index.js"].map(str::to_owned).into_iter().collect()
    );
    assert_eq!(
        captured.notes,
        ["`node_modules` is used without some entries: 4 that hold secrets by their names or content, 2 that are no \
          files, links or folders of its disk"]
    );
}

#[test]
fn links_in_the_place_of_folders_are_not_followed() {
    let rig = project();
    let outside = rig.dir.path().join("outside");
    fs::create_dir_all(outside.join("node_modules")).unwrap();
    fs::write(outside.join("node_modules/secret"), "canary").unwrap();
    fs::remove_dir_all(rig.repo().join("node_modules")).unwrap();
    fs::remove_dir_all(rig.repo().join("packages/x")).unwrap();
    symlink("/etc", rig.repo().join("node_modules")).unwrap();
    symlink(&outside, rig.repo().join("packages/x")).unwrap();
    let captured = prepare_with(&rig, &["node_modules", "packages/x/node_modules", "../outside", "/etc", ".git"]);
    assert_eq!(paths(&captured), Vec::<&str>::new());
    assert_eq!(captured.notes.len(), 5, "{:?}", captured.notes);
    assert_eq!(layers::list(rig.ledger().0.dir()).unwrap(), []);
}

#[test]
fn what_changes_while_it_is_copied_leads_nowhere() {
    let rig = project();
    let outside = rig.dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("index.js"), "canary").unwrap();
    // Folder and link, file and link, change places as fast as they can: what was looked at is not what is opened.
    rig.write("node_modules/folder/index.js", "module");
    rig.write("node_modules/file.js", "module");
    let modules = rig.repo().join("node_modules");
    symlink(&outside, modules.join("to-folder")).unwrap();
    symlink(outside.join("index.js"), modules.join("to-file")).unwrap();
    let exchange = |a: &str, b: &str| {
        let flags = rustix::fs::RenameFlags::EXCHANGE;
        rustix::fs::renameat_with(rustix::fs::CWD, modules.join(a), rustix::fs::CWD, modules.join(b), flags).unwrap();
    };
    let is_over = AtomicBool::new(false);
    let (ledger, tree) = rig.ledger();
    let mut leaked = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                exchange("folder", "to-folder");
                exchange("file.js", "to-file");
            }
        });
        for _ in 0..20 {
            // A failure here is told after the other thread has ended.
            let layers = layers::prepare(&ledger, &rig.repo(), &tree, &[]).map(|captured| captured.layers);
            for layer in layers.unwrap_or_default() {
                // Without -R, links are not followed.
                let found = std::process::Command::new("grep").args(["-r", "canary"]).arg(&layer.dir).output();
                leaked.push(found.map(|found| String::from_utf8_lossy(&found.stdout).into_owned()));
            }
            let folder = ledger.dir().join("layers");
            leaked.extend(fs::remove_dir_all(folder).err().filter(|error| error.kind() != NotFound).map(Err));
        }
        is_over.store(true, Ordering::Relaxed);
    });
    assert_eq!(leaked.len(), 20, "{leaked:?}");
    for found in leaked {
        assert_eq!(found.unwrap(), "");
    }
}

#[test]
fn one_copy_serves_until_the_lock_file_changes() {
    let rig = project();
    let first = prepare(&rig).layers.remove(0);
    rig.write("node_modules/late/index.js", "late");
    rig.write("src/main.rs", "fn main() { }");
    rig.run_git(&["commit", "-aqm", "no other packages"]);
    assert_eq!(prepare(&rig).layers, std::slice::from_ref(&first));
    rig.write("package-lock.json", "lock 2");
    rig.run_git(&["commit", "-aqm", "other packages"]);
    let second = prepare(&rig).layers.remove(0);
    assert_ne!(second.id, first.id);
    assert!(copy_of(&second, "node_modules/late").exists() && !copy_of(&first, "node_modules/late").exists());
    // The first state again, now with what the installer writes down at its end: the folder was made anew.
    rig.write("package-lock.json", "lock 1");
    rig.write("node_modules/.package-lock.json", "installed");
    rig.run_git(&["commit", "-aqm", "back"]);
    let third = prepare(&rig).layers.remove(0);
    assert!(third.id != first.id && third.id != second.id);
}

#[test]
fn folders_of_other_lock_files_are_not_used() {
    let rig = Rig::with(&[
        (".gitignore", "node_modules\ntarget\n"),
        ("package-lock.json", "lock 1"),
        ("Cargo.lock", "cargo 1"),
        ("nested/package-lock.json", "nested 1"),
    ]);
    for path in ["node_modules/a", "target/b", "nested/node_modules/c"] {
        rig.write(path, "x");
    }
    rig.write("package-lock.json", "lock 2");
    rig.write("Cargo.lock", "cargo 2");
    let captured = prepare(&rig);
    // The nested project has its own lock file; cargo looks for itself what of `target` still holds.
    assert_eq!(paths(&captured), ["nested/node_modules", "target"]);
    assert_eq!(
        captured.notes,
        ["`node_modules` is not used: `package-lock.json` in your checkout is not the base's, so it holds other \
          versions; a setup command can install those of the base"]
    );
    fs::remove_file(rig.repo().join("nested/package-lock.json")).unwrap();
    assert_eq!(paths(&prepare(&rig)), ["target"], "a lock file that is gone is another one");
    rig.write("Cargo.lock", "cargo 3");
    let again = prepare(&rig);
    assert_ne!(again.layers[0].id, captured.layers[1].id, "it is still kept apart by the checkout's");
}

#[test]
fn only_what_the_base_ignores_and_does_not_hold_is_used() {
    let rig = Rig::with(&[
        (".gitignore", "/vendor/bundle\nout/\n"),
        ("Gemfile.lock", "gems"),
        ("composer.lock", "php"),
        ("vendor/assets/a.js", "tracked"),
        ("requirements.txt", "flask"),
        ("out/package.json", "tracked, although ignored"),
    ]);
    for path in ["vendor/bundle/gem.rb", "venv/pyvenv.cfg", "out/node_modules/a", "vendor-old/x"] {
        rig.write(path, "x");
    }
    let captured = prepare_with(&rig, &["out", "vendor-old", "vendor/bundle"]);
    assert_eq!(paths(&captured), ["out/node_modules", "vendor/bundle"]);
    assert_eq!(
        captured.notes,
        [
            "`venv` is not used: no .gitignore names it",
            "`out` is not used as a dependency folder: the base has files in it",
            "`vendor-old` is not used as a dependency folder: no .gitignore names it",
        ]
    );
}

#[test]
fn a_folder_may_ignore_itself() {
    let rig = Rig::with(&[("pyproject.toml", "[project]"), ("a/requirements.txt", "flask"), ("tox.ini", "[tox]")]);
    rig.write(".venv/.gitignore", "*");
    rig.write("a/venv/.gitignore", "# created by virtualenv automatically\n\n*\n");
    rig.write("tools/lib/.gitignore", "* \n");
    assert_eq!(paths(&prepare(&rig)), [".venv", "a/venv"]);
    let captured = prepare_with(&rig, &["tools/lib"]);
    assert_eq!((paths(&captured), captured.notes.as_slice()), (vec![".venv", "a/venv", "tools/lib"], &[][..]));
    for rules in ["*.pyc\n", "*\n!keep\n", "# *\n", ""] {
        rig.write(".venv/.gitignore", rules);
        let captured = prepare(&rig);
        assert_eq!(paths(&captured), ["a/venv"], "{rules:?}");
        assert_eq!(captured.notes, ["`.venv` is not used: no .gitignore names it"]);
    }
    fs::remove_file(rig.repo().join(".venv/.gitignore")).unwrap();
    symlink("../a/venv/.gitignore", rig.repo().join(".venv/.gitignore")).unwrap();
    assert_eq!(paths(&prepare(&rig)), ["a/venv"], "a link says nothing");
}

#[test]
fn further_folders_can_be_named() {
    let rig = project();
    rig.write("cache/models/a.bin", "weights");
    rig.write("cache/node_modules/b", "x");
    let captured = prepare_with(&rig, &["./cache/", "cache/models"]);
    assert_eq!(paths(&captured), ["cache", "node_modules"], "one that lies in another is part of it");
    assert_eq!(prepare_with(&rig, &["cache"]).layers, captured.layers);
    rig.write("cache/c", "y");
    let again = prepare_with(&rig, &["cache"]);
    assert_ne!(again.layers[0].id, captured.layers[0].id);
    assert_eq!(again.layers[1], captured.layers[1]);
}

#[test]
fn two_tasks_at_once_make_one_copy() {
    let rig = project();
    for n in 0..200 {
        rig.write(&format!("node_modules/m{n}/index.js"), "module");
    }
    let (ledger, tree) = rig.ledger();
    let ids: BTreeSet<_> = std::thread::scope(|scope| {
        let tasks: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| layers::prepare(&ledger, &rig.repo(), &tree, &[]).unwrap().layers.remove(0).id))
            .collect();
        tasks.into_iter().map(|task| task.join().unwrap()).collect()
    });
    assert_eq!(ids.len(), 1);
    assert_eq!(layers::list(ledger.dir()).unwrap().len(), 1);
}

#[test]
fn layers_nobody_uses_are_removed() {
    let rig = project();
    rig.write("Cargo.lock", "cargo 1");
    rig.write("target/debug/app", "binary");
    fs::set_permissions(rig.repo().join("node_modules/left"), Permissions::from_mode(0o555)).unwrap();
    let captured = prepare(&rig);
    let (ledger, _) = rig.ledger();
    fs::create_dir_all(ledger.dir().join("layers/new-1-2-3/tree/half")).unwrap();
    assert_eq!(layers::list(ledger.dir()).unwrap(), captured.layers, "a half made one is none");
    assert_eq!(stock::remove_unused(&rig.state(), Duration::ZERO).unwrap(), Vec::<PathBuf>::new(), "just made");
    assert!(!ledger.dir().join("layers/new-1-2-3").exists(), "left by a crash");
    for layer in &captured.layers {
        is_two_hours_old(&layer.dir);
    }
    // Finding it again is a use.
    fs::remove_dir_all(rig.repo().join("target")).unwrap();
    let again = prepare(&rig);
    assert_eq!(paths(&again), ["node_modules"]);
    assert_eq!(stock::remove_unused(&rig.state(), 3 * HOUR).unwrap(), Vec::<PathBuf>::new(), "not long enough ago");
    assert_eq!(stock::remove_unused(&rig.state(), HOUR).unwrap(), [captured.layers[1].dir.clone()]);
    assert_eq!(layers::list(ledger.dir()).unwrap(), again.layers);
    let left: BTreeSet<_> =
        fs::read_dir(ledger.dir().join("layers")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    let id = &again.layers[0].id;
    assert_eq!(left, BTreeSet::from(["lock".into(), id.into(), format!("{id}.used").into()]));
    assert_eq!(fs::read_dir(rig.state().join("trash")).unwrap().count(), 0);
}

#[test]
fn what_a_workspace_stands_on_stays() {
    let rig = project();
    let (ground, tree) = rig.ground();
    let layer = prepare(&rig).layers.remove(0);
    let ground = Ground { layers: vec![layer.dir.clone()], dependencies: vec![layer.path.clone()], ..ground };
    let dir = rig.state().join("workspaces/one");
    let workspace = Workspace::create(&rig.sandbox(), &ground, &tree, &dir).unwrap();
    let bases = || -> Vec<PathBuf> {
        let entries = fs::read_dir(ground.ledger.dir().join("bases")).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.is_dir()).collect()
    };
    let base = bases().remove(0);
    for path in [&base, &layer.dir] {
        is_two_hours_old(path);
    }
    assert_eq!(stock::remove_unused(&rig.state(), HOUR).unwrap(), Vec::<PathBuf>::new(), "open");
    drop(workspace);
    assert_eq!(stock::remove_unused(&rig.state(), HOUR).unwrap(), Vec::<PathBuf>::new(), "closed");
    // Opening it is a use of both.
    let workspace = Workspace::open(&rig.sandbox(), &ground.ledger, &dir).unwrap();
    assert_eq!(workspace.snapshot().unwrap().tree, tree);
    workspace.remove(&rig.state()).unwrap();
    assert_eq!(stock::remove_unused(&rig.state(), HOUR).unwrap(), Vec::<PathBuf>::new(), "used a moment ago");
    for path in [&base, &layer.dir] {
        is_two_hours_old(path);
    }
    assert_eq!(stock::remove_unused(&rig.state(), HOUR).unwrap(), [base.clone(), layer.dir.clone()]);
    assert!(bases().is_empty() && !layer.dir.exists());
    // Both come back when they are needed.
    let again = prepare(&rig).layers.remove(0);
    let ground = Ground { layers: vec![again.dir.clone()], ..ground };
    let workspace = Workspace::create(&rig.sandbox(), &ground, &tree, &dir).unwrap();
    assert_eq!(fs::read_to_string(workspace.tree_dir().join("node_modules/left/index.js")).unwrap(), "left");
}

#[test]
fn what_is_handed_out_while_everything_old_goes_stays() {
    let rig = project();
    let (ledger, tree) = rig.ledger();
    let mut n_removed = 0;
    for _ in 0..20 {
        is_two_hours_old(&prepare(&rig).layers.remove(0).dir);
        let (handed_out, removed) = std::thread::scope(|scope| {
            let removing = scope.spawn(|| stock::remove_unused(&rig.state(), HOUR));
            (layers::prepare(&ledger, &rig.repo(), &tree, &[]), removing.join().unwrap())
        });
        n_removed += removed.unwrap().len();
        let layer = handed_out.unwrap().layers.remove(0);
        assert_eq!(fs::read_to_string(copy_of(&layer, "node_modules/left/index.js")).unwrap(), "left", "{n_removed}");
    }
}

const HOUR: Duration = Duration::from_secs(3600);

fn mark(dir: &Path) -> PathBuf {
    dir.with_file_name(format!("{}.used", dir.file_name().unwrap().to_str().unwrap()))
}

fn is_two_hours_old(dir: &Path) {
    let before = SystemTime::now() - 2 * HOUR;
    fs::File::options().write(true).open(mark(dir)).unwrap().set_modified(before).unwrap();
}

#[test]
fn a_checkout_that_is_gone_is_a_note() {
    let rig = project();
    let (ledger, tree) = rig.ledger();
    let gone = rig.dir.path().join("gone");
    let captured = layers::prepare(&ledger, &gone, &tree, &[]).unwrap();
    assert!(captured.layers.is_empty());
    assert_eq!(captured.notes.len(), 1);
    assert!(captured.notes[0].contains("cannot be opened"), "{:?}", captured.notes);
}

/// A checkout with private files beside the tracked ones.
fn private_project() -> Rig {
    let rig = Rig::with(&[
        (".gitignore", ".env*\n/secrets/\nnode_modules\n"),
        (".worktreeinclude", "# for every checkout\n.env\n\n/secrets/\n!secrets/deep/not-this\n"),
        ("app/main.py", ""),
        ("app/.env.tracked", "TRACKED=abcdefgh1234"),
    ]);
    for (path, text) in [
        (".env", "API_TOKEN=canary-canary\nNODE_ENV=development\n"),
        (".env.local", "LOCAL_TOKEN=not-named-here"),
        ("app/.env", "APP_TOKEN='another canary'"),
        ("secrets/deep/key", "ghp_ABCdef123456"),
        ("secrets/deep/not-this", "x"),
        ("node_modules/a/.env", "T=of-a-dependency"),
        ("notes.txt", "not ignored"),
    ] {
        rig.write(path, text);
    }
    rig
}

fn found(rig: &Rig, patterns: &[&str]) -> layers::Found {
    let (ledger, tree) = rig.ledger();
    let patterns: Vec<_> = patterns.iter().map(|&pattern| pattern.to_owned()).collect();
    layers::find_includes(&ledger, &rig.repo(), &tree, &patterns).unwrap()
}

#[test]
fn private_files_are_those_that_are_ignored_and_named() {
    let rig = private_project();
    let (ledger, tree) = rig.ledger();
    let patterns = layers::patterns_of_base(&ledger, &tree).unwrap();
    assert_eq!(patterns, [".env", "/secrets/", "!secrets/deep/not-this"]);
    let of_base = layers::find_includes(&ledger, &rig.repo(), &tree, &patterns).unwrap();
    assert_eq!(of_base.files, [".env", "app/.env", "secrets/deep/key"]);
    assert_eq!(of_base.notes, Vec::<String>::new());
    for (patterns, expected) in [
        (&["/.env"][..], &[".env"][..]),
        (&["app/"], &["app/.env"]),
        (&["node_modules", "notes.txt", "*.tracked", ".git/config", "../*"], &[]),
        (&[], &[]),
    ] {
        assert_eq!(found(&rig, patterns).files, expected, "{patterns:?}");
    }
    // The checkout's own list has no say.
    rig.write(".worktreeinclude", "*");
    assert_eq!(layers::patterns_of_base(&ledger, &tree).unwrap(), patterns);
}

#[test]
fn private_files_are_copied_with_their_values_known() {
    let rig = private_project();
    let files = found(&rig, &[".env", "secrets"]).files;
    let into = rig.dir.path().join("include");
    let included = layers::copy_includes(&rig.repo(), &files, &into).unwrap();
    assert_eq!(included.files, files);
    assert_eq!(included.values, ["another canary", "canary-canary", "ghp_ABCdef123456"]);
    for file in &files {
        let copy = into.join("tree").join(file);
        assert_eq!(fs::read(&copy).unwrap(), fs::read(rig.repo().join(file)).unwrap(), "{file}");
        assert_eq!(copy.metadata().unwrap().mtime_nsec(), rig.repo().join(file).metadata().unwrap().mtime_nsec());
    }
}

#[test]
fn private_files_lead_nowhere() {
    let rig = private_project();
    let outside = rig.dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("key"), "ghp_outside12345").unwrap();
    let files = found(&rig, &[".env", "secrets"]).files;
    assert_eq!(files, [".env", "app/.env", "secrets/deep/key", "secrets/deep/not-this"]);
    // After they were shown: a file, and a folder on the way, become links, one a FIFO.
    fs::remove_file(rig.repo().join(".env")).unwrap();
    symlink(outside.join("key"), rig.repo().join(".env")).unwrap();
    fs::remove_dir_all(rig.repo().join("secrets/deep")).unwrap();
    symlink(&outside, rig.repo().join("secrets/deep")).unwrap();
    fs::remove_file(rig.repo().join("app/.env")).unwrap();
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, rig.repo().join("app/.env"), fifo, rustix::fs::Mode::RWXU, 0).unwrap();
    let further = ["../outside/key", "/etc/passwd", ".git/config"].map(str::to_owned);
    let named: Vec<_> = files.into_iter().chain(further).collect();
    let into = rig.dir.path().join("include");
    let included = layers::copy_includes(&rig.repo(), &named, &into).unwrap();
    assert_eq!((included.files, included.values), (Vec::new(), Vec::new()));
    assert_eq!(included.notes.len(), 7, "{:?}", included.notes);
    assert_eq!(fs::read_dir(into.join("tree")).unwrap().count(), 0);
    // A second look does not find them either.
    assert_eq!(found(&rig, &[".env", "secrets"]).files, Vec::<String>::new());
}
