//! Places below folders that commands can write to, made ready before the view is built.
//!
//! bwrap makes missing places by path and follows links on the way, also into the machine's own files, which it still
//! sees while it builds the view. So every folder on the way to such a place is made here, through no link, and is
//! mounted onto itself: what is mounted on cannot be renamed or replaced by a command, under it or beside it.

use super::plan::{Mount, What};
use crate::beneath::{Beneath, Links, stat_at};
use crate::toolchains::is_below;
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

/// The mounts with such folders among them, and on the disk.
pub(super) fn pinned(mut mounts: Vec<Mount>) -> io::Result<Vec<Mount>> {
    let mut pins: BTreeMap<PathBuf, PathBuf> = BTreeMap::new();
    for mount in &mounts {
        let Some((above, source)) = holder(&mounts, &mount.at) else { continue };
        let below = mount.at.strip_prefix(above).map_err(io::Error::other)?;
        let mut folder = Beneath::open(source)?.folder(b"", Links::Refuse)?;
        let (mut at, mut from) = (above.to_owned(), source.to_owned());
        let mut parts = below.components().peekable();
        while let Some(Component::Normal(name)) = parts.next() {
            (at, from) = (at.join(name), from.join(name));
            if parts.peek().is_some() {
                folder = make_folder(folder.as_fd(), name)?;
                pins.insert(at.clone(), from.clone());
            } else if is_file(&mount.what) {
                make_file(folder.as_fd(), name)?;
            } else {
                make_folder(folder.as_fd(), name)?;
            }
        }
    }
    // A folder that is a place of the plan by itself needs no other.
    pins.retain(|at, _| mounts.iter().all(|mount| mount.at != *at));
    mounts.extend(pins.into_iter().map(|(at, from)| Mount::new(at, What::Writable(from))));
    mounts.sort_by(|a, b| a.at.cmp(&b.at));
    Ok(mounts)
}

/// The innermost place around `at`, when commands can write to it.
fn holder<'a>(mounts: &'a [Mount], at: &Path) -> Option<(&'a Path, &'a Path)> {
    let around = mounts.iter().filter(|mount| mount.at != at && is_below(at, &mount.at));
    let innermost = around.max_by_key(|mount| mount.at.components().count())?;
    match &innermost.what {
        What::Writable(source) => Some((&innermost.at, source)),
        What::ReadOnly(_) | What::Cache { .. } | What::Layered { .. } | What::Link(_) => None,
    }
}

fn is_file(what: &What) -> bool {
    match what {
        What::ReadOnly(source) | What::Writable(source) => !source.is_dir(),
        What::Cache { .. } | What::Layered { .. } | What::Link(_) => false,
    }
}

/// What an earlier command may have put in its place, a link say, makes room.
fn make_folder(above: BorrowedFd<'_>, name: &OsStr) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match rustix::fs::openat(above, name, flags, Mode::empty()) {
        Ok(folder) => return Ok(folder),
        Err(Errno::NOENT) => {}
        Err(_) => rustix::fs::unlinkat(above, name, AtFlags::empty())?,
    }
    rustix::fs::mkdirat(above, name, Mode::from_raw_mode(0o700))?;
    Ok(rustix::fs::openat(above, name, flags, Mode::empty())?)
}

fn make_file(above: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
    match stat_at(above, name.as_bytes()) {
        Ok(stat) if stat.is_regular() => return Ok(()),
        Ok(stat) => {
            let flags = if stat.is_folder() { AtFlags::REMOVEDIR } else { AtFlags::empty() };
            rustix::fs::unlinkat(above, name, flags)?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(above, name, flags, Mode::RUSR | Mode::WUSR)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_on_the_way_make_room_and_lead_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        for name in ["home", "outside", "tool", "tree"] {
            std::fs::create_dir(path(name)).unwrap();
        }
        std::fs::write(path("settings"), "").unwrap();
        std::fs::create_dir(path("home/deep")).unwrap();
        for (target, link) in [("outside", "home/.tools"), ("outside", "home/deep/er"), ("outside/made", "home/file")] {
            symlink(path(target), path(link)).unwrap();
        }
        let mounts = [
            ("/home/x", What::Writable(path("home"))),
            ("/home/x/.tools/bin", What::ReadOnly(path("tool"))),
            ("/home/x/.tools/settings", What::ReadOnly(path("settings"))),
            ("/home/x/deep/er/tree", What::Writable(path("tree"))),
            ("/home/x/deep/er/tree/in/it", What::ReadOnly(path("tool"))),
            ("/home/x/file", What::ReadOnly(path("settings"))),
            ("/usr/below", What::ReadOnly(path("tool"))),
        ];
        let before: Vec<_> = mounts.into_iter().map(|(at, what)| Mount::new(at, what)).collect();
        let pinned = pinned(before.clone()).unwrap();
        let pins: Vec<_> = pinned.iter().filter(|mount| !before.contains(mount)).cloned().collect();
        let expected = [
            ("/home/x/.tools", "home/.tools"),
            ("/home/x/deep", "home/deep"),
            ("/home/x/deep/er", "home/deep/er"),
            ("/home/x/deep/er/tree/in", "tree/in"),
        ];
        assert_eq!(pins, expected.map(|(at, from)| Mount::new(at, What::Writable(path(from)))));
        assert_eq!(std::fs::read_dir(path("outside")).unwrap().count(), 0);
        for name in ["home/.tools/bin", "home/deep/er/tree", "tree/in/it"] {
            assert!(path(name).symlink_metadata().unwrap().is_dir(), "{name}");
        }
        for name in ["home/.tools/settings", "home/file"] {
            assert!(path(name).symlink_metadata().unwrap().is_file(), "{name}");
        }
    }
}
