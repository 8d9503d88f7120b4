//! The form of workspace that is cloned from the base tree, on a disk that can: an XFS image on a loop device. Only root
//! can mount one; whoever is not is told.

use crate::rig::{Rig, put};
use crate::toolchains::not_run;
use errand_workspace::workspace::{Form, Workspace, WorkspaceError};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A mounted image; unmounted when it is dropped.
struct Disk {
    dir: PathBuf,
}

impl Disk {
    /// The error says what this machine lacks.
    fn new(image: &Path, dir: PathBuf) -> Result<Self, &'static str> {
        std::fs::File::create(image).unwrap().set_len(400 << 20).unwrap();
        let made = Command::new("mkfs.xfs").args(["-q", "-m", "reflink=1"]).arg(image).status();
        made.map_err(|_| "mkfs.xfs is missing; ./test.sh installs it where it can")?.success().then_some(()).unwrap();
        std::fs::create_dir(&dir).unwrap();
        let mounted = Command::new("mount").args(["-o", "loop"]).args([image, &dir]).status().unwrap();
        if mounted.success() { Ok(Self { dir }) } else { Err("this machine lets nobody mount a loop device") }
    }

    fn used(&self) -> u64 {
        std::fs::File::open(&self.dir).unwrap().sync_all().unwrap();
        rustix::fs::syncfs(std::fs::File::open(&self.dir).unwrap()).unwrap();
        let found = rustix::fs::statvfs(&self.dir).unwrap();
        (found.f_blocks - found.f_bfree) * found.f_frsize
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.dir).status();
    }
}

#[test]
fn a_cloned_workspace_takes_no_room_until_something_changes() {
    if !rustix::process::geteuid().is_root() {
        not_run("a workspace cloned from the base tree, because only root can mount a disk that clones");
        return;
    }
    let rig = Rig::empty();
    let large = vec![b'x'; 8 << 20];
    for n in 0..4 {
        put(&rig.repo().join(format!("dir/{n}")), &[&large[..], format!("{n}").as_bytes()].concat());
    }
    rig.write("a", "1");
    rig.commit("first");
    std::fs::create_dir_all(rig.state()).unwrap();
    let disk = match Disk::new(&rig.dir.path().join("image"), rig.state().join("ledgers")) {
        Ok(disk) => disk,
        Err(why) => return not_run(&format!("a workspace cloned from the base tree: {why}")),
    };
    let (ground, tree) = rig.ground();
    let sandbox = rig.sandbox();
    let make = |name: &str| {
        Workspace::create_as(Form::Cloned, &sandbox, &ground, &tree, &disk.dir.join("workspaces").join(name)).unwrap()
    };
    let first = make("first");
    let before = disk.used();
    let second = make("second");
    assert!(disk.used() - before < 1 << 20, "{} bytes for a second workspace", disk.used() - before);
    assert_eq!((first.form(), second.form()), (Form::Cloned, Form::Cloned));
    put(&second.tree_dir().join("dir/0"), b"changed");
    put(&second.tree_dir().join("new"), b"new");
    let changed = second.snapshot().unwrap().tree;
    let changes = second.ledger().differences(&tree, &changed).unwrap();
    assert_eq!(changes.iter().map(|change| change.path()).collect::<Vec<_>>(), [&b"dir/0"[..], b"new"]);
    assert_eq!(first.snapshot().unwrap().tree, tree);
    second.restore(&tree).unwrap();
    assert_eq!(second.snapshot().unwrap().tree, tree);
    second.remove(&disk.dir).unwrap();
    drop((first, ground));
}

#[test]
fn a_disk_that_cannot_clone_is_no_place_for_one() {
    let rig = Rig::with(&[("a", "1")]);
    let (ground, tree) = rig.ground();
    let probe = [rig.repo().join("a"), rig.state().join("probe")];
    std::fs::create_dir_all(rig.state()).unwrap();
    let can = Command::new("cp").arg("--reflink=always").args(&probe).output().unwrap().status.success();
    let made = Workspace::create_as(Form::Cloned, &rig.sandbox(), &ground, &tree, &rig.state().join("workspaces/one"));
    assert_eq!(made.is_ok(), can, "{made:?}");
    assert!(can || matches!(made, Err(WorkspaceError::View(_))));
    assert!(can || !rig.state().join("workspaces/one").exists(), "nothing is left of it");
}
