//! The view of the native backend: an empty tmpfs, the plan's places in it, a new `/proc`, five devices.
//!
//! Sources are cloned by descriptor before anything is covered; places are made and mounted on by descriptor and never
//! through a link, because a writable place may have been prepared by an earlier command.

use super::plan::{SandboxPlan, What};
use super::sys::{self, Attributes};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags,
    UnmountFlags,
};
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

/// The device nodes there are.
pub(super) const DEVICES: [&str; 5] = ["full", "null", "random", "urandom", "zero"];
/// Names in `/dev` that lead into `/proc`.
pub(super) const DEVICE_LINKS: [(&str, &str); 4] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
];
/// What `/proc` tells about the machine and no program needs: covered by something empty.
pub(super) const COVERED_FOLDERS: [&str; 7] = ["acpi", "asound", "bus", "driver", "fs", "irq", "scsi"];
pub(super) const COVERED_FILES: [&str; 19] = [
    "config.gz",
    "iomem",
    "ioports",
    "kallsyms",
    "kcore",
    "key-users",
    "keys",
    "kmsg",
    "kpagecgroup",
    "kpagecount",
    "kpageflags",
    "latency_stats",
    "pagetypeinfo",
    "sched_debug",
    "slabinfo",
    "sysrq-trigger",
    "timer_list",
    "timer_stats",
    "vmallocinfo",
];

/// Sizes of the file systems that hold only names.
const ROOT_BYTES: u64 = 4 << 20;

/// A file system in memory may hold a name for so many bytes of its size.
const BYTES_PER_NAME: u64 = 4_096;
const N_NAMES_LEAST: u64 = 16;

/// From this kernel on a process namespace has its own highest number; before, writing it would change the machine's.
const OWN_PID_MAX: (u32, u32) = (6, 14);
/// Numbers below this are not given out again.
const RESERVED_PIDS: u32 = 300;

/// Something is added before the limit so that init, not a failing fork, says that it was reached.
pub(super) const TASKS_SPARE: u32 = 64;

/// The place that failed, for the sentence.
type Failure = (String, io::Error);

/// Builds the view and makes it the root. Runs once, as process 1 of new namespaces. `work` holds a folder for each
/// overlay.
pub(super) fn build(plan: &SandboxPlan, work: &[(PathBuf, PathBuf)]) -> Result<(), Failure> {
    let at = |place: &'static str| move |error: Errno| (place.to_owned(), io::Error::from(error));
    let here = |place: &'static str| move |error: io::Error| (place.to_owned(), error);
    rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).map_err(at("/"))?;
    let mut sources = Vec::new();
    for mount in &plan.mounts {
        let source = source(&mount.what, work.iter().find(|(at, _)| *at == mount.at).map(|(_, dir)| dir.as_path()));
        let source = source.map_err(|error| (mount.at.display().to_string(), error))?;
        sources.push((mount, source));
    }
    let devices: Vec<_> = DEVICES
        .iter()
        .map(|name| Ok((*name, clone(&Path::new("/dev").join(name))?)))
        .collect::<io::Result<_>>()
        .map_err(here("/dev"))?;
    let root = memory(ROOT_BYTES).map_err(here("/"))?;
    // Any folder will do; it is covered for this process alone, and for a moment.
    let cover = ["/tmp", "/usr", "/etc"].into_iter().find(|path| Path::new(path).is_dir()).unwrap_or("/usr");
    attach(&root, &open_folder(CWD, Path::new(cover)).map_err(here("/"))?).map_err(here("/"))?;
    make_proc(&root, plan.limits.tasks).map_err(here("/proc"))?;
    make_dev(&root, devices).map_err(here("/dev"))?;
    for (mount, source) in sources {
        place(&root, &mount.at, source).map_err(|error| (mount.at.display().to_string(), error))?;
    }
    sys::restrict_mount(root.as_fd(), Attributes { read_only: true, no_devices: true, is_deep: false })
        .map_err(here("/"))?;
    rustix::process::fchdir(&root).map_err(at("/"))?;
    rustix::process::pivot_root(".", ".").map_err(at("/"))?;
    rustix::mount::unmount(".", UnmountFlags::DETACH).map_err(at("/"))?;
    rustix::process::chdir("/").map_err(at("/"))
}

/// What will be mounted, before it has a place.
enum Source {
    Folder(OwnedFd),
    File(OwnedFd),
    Link(PathBuf),
}

fn source(what: &What, work: Option<&Path>) -> io::Result<Source> {
    let read_only = |path: &Path| {
        let tree = clone(path)?;
        sys::restrict_mount(tree.as_fd(), Attributes { read_only: true, no_devices: true, is_deep: true })?;
        Ok::<_, io::Error>(tree)
    };
    let tree = match what {
        What::Link(target) => return Ok(Source::Link(target.clone())),
        What::ReadOnly(path) => read_only(path)?,
        What::Writable(path) => {
            let tree = clone(path)?;
            sys::restrict_mount(tree.as_fd(), Attributes { read_only: false, no_devices: true, is_deep: true })?;
            tree
        }
        What::Memory { bytes } => memory(*bytes)?,
        What::Cache { lower, layer } => match work.map(|work| overlay(lower, &layer.join("upper"), work)) {
            Some(Ok(tree)) => tree,
            // As on a file system that cannot carry the upper layer.
            Some(Err(_)) | None => read_only(lower)?,
        },
    };
    let kind = FileType::from_raw_mode(rustix::fs::fstat(&tree)?.st_mode);
    Ok(if kind == FileType::Directory { Source::Folder(tree) } else { Source::File(tree) })
}

/// A copy of the mount at `path` with what is mounted below, not attached anywhere.
fn clone(path: &Path) -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    // A tool chain may stand behind a link, which is followed here, on the machine's side.
    Ok(rustix::mount::open_tree(CWD, path, flags)?)
}

fn memory(bytes: u64) -> io::Result<OwnedFd> {
    let context = rustix::mount::fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    rustix::mount::fsconfig_set_string(context.as_fd(), "size", bytes.to_string())?;
    rustix::mount::fsconfig_set_string(context.as_fd(), "mode", "0755")?;
    // Names take memory of the kernel, which no size bounds.
    let n_names = (bytes / BYTES_PER_NAME).max(N_NAMES_LEAST);
    rustix::mount::fsconfig_set_string(context.as_fd(), "nr_inodes", n_names.to_string())?;
    mounted(&context, MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV)
}

/// Paths are given by descriptor: option strings are short, and colons mean something in them.
fn overlay(lower: &Path, upper: &Path, work: &Path) -> io::Result<OwnedFd> {
    let context = rustix::mount::fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    let folders = [lower, upper, work].map(|path| open_folder(CWD, path));
    for (option, folder) in ["lowerdir", "upperdir", "workdir"].into_iter().zip(&folders) {
        let folder = folder.as_ref().map_err(|error| io::Error::new(error.kind(), error.to_string()))?;
        let path = format!("/proc/self/fd/{}", folder.as_raw_fd());
        rustix::mount::fsconfig_set_string(context.as_fd(), option, path)?;
    }
    rustix::mount::fsconfig_set_flag(context.as_fd(), "userxattr")?;
    mounted(&context, MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV)
}

fn mounted(context: &OwnedFd, attributes: MountAttrFlags) -> io::Result<OwnedFd> {
    rustix::mount::fsconfig_create(context.as_fd())?;
    Ok(rustix::mount::fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)?)
}

fn attach(tree: &OwnedFd, place: &OwnedFd) -> io::Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    Ok(rustix::mount::move_mount(tree.as_fd(), "", place.as_fd(), "", flags)?)
}

fn place(root: &OwnedFd, at: &Path, source: Source) -> io::Result<()> {
    let (above, name) = split(at)?;
    let folder = make_folders(root, above)?;
    match source {
        Source::Link(target) => match rustix::fs::symlinkat(&target, &folder, name) {
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(error) => Err(error.into()),
        },
        Source::Folder(tree) => attach(&tree, &make_folder(folder.as_fd(), name)?),
        Source::File(tree) => {
            let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            match rustix::fs::openat(&folder, name, flags, Mode::RUSR) {
                // A place that is there and cannot be written to is a place all the same.
                Ok(_) | Err(Errno::ROFS | Errno::ACCESS | Errno::NXIO | Errno::TXTBSY) => {}
                Err(error) => return Err(error.into()),
            }
            let file =
                rustix::fs::openat(&folder, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
            attach(&tree, &file)
        }
    }
}

/// The folder above and the last name of an absolute path.
fn split(at: &Path) -> io::Result<(&Path, &OsStr)> {
    let odd = || io::Error::new(io::ErrorKind::InvalidInput, "a place in the view is not a plain absolute path");
    let name = at.file_name().ok_or_else(odd)?;
    Ok((at.parent().ok_or_else(odd)?, name))
}

fn make_folders(root: &OwnedFd, path: &Path) -> io::Result<OwnedFd> {
    let mut folder = root.try_clone()?;
    for part in path.components() {
        match part {
            Component::RootDir => {}
            Component::Normal(name) => folder = make_folder(folder.as_fd(), name)?,
            Component::CurDir | Component::ParentDir | Component::Prefix(_) => {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "a place in the view has dots"));
            }
        }
    }
    Ok(folder)
}

/// A folder in a folder. What an earlier command may have put in its place, a link say, makes room.
fn make_folder(above: BorrowedFd<'_>, name: &OsStr) -> io::Result<OwnedFd> {
    match open_folder(above, Path::new(name)) {
        Ok(folder) => return Ok(folder),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(_) => rustix::fs::unlinkat(above, name, AtFlags::empty())?,
    }
    rustix::fs::mkdirat(above, name, Mode::from_raw_mode(0o755))?;
    open_folder(above, Path::new(name))
}

/// Through no link.
fn open_folder(above: BorrowedFd<'_>, path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = if path.is_absolute() { ResolveFlags::empty() } else { ResolveFlags::NO_SYMLINKS };
    Ok(rustix::fs::openat2(above, path, flags, Mode::empty(), resolve)?)
}

/// A new `/proc` that nobody can write to: neither settings of the machine nor those of a process.
fn make_proc(root: &OwnedFd, n_tasks: u32) -> io::Result<()> {
    let context = rustix::mount::fsopen("proc", FsOpenFlags::FSOPEN_CLOEXEC)?;
    let attributes =
        MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let proc = mounted(&context, attributes)?;
    attach(&proc, &make_folder(root.as_fd(), OsStr::new("proc"))?)?;
    limit_numbers(&proc, n_tasks);
    sys::restrict_mount(proc.as_fd(), Attributes { read_only: true, no_devices: true, is_deep: false })?;
    let empty = memory(4096)?;
    sys::restrict_mount(empty.as_fd(), Attributes { read_only: true, no_devices: true, is_deep: false })?;
    let there = |name: &str| {
        rustix::fs::openat(&proc, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()).ok()
    };
    for place in COVERED_FOLDERS.iter().filter_map(|name| there(name)) {
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
        attach(&rustix::mount::open_tree(&empty, "", flags)?, &place)?;
    }
    for place in COVERED_FILES.iter().filter_map(|name| there(name)) {
        let nothing = clone(Path::new("/dev/null"))?;
        sys::restrict_mount(nothing.as_fd(), Attributes { read_only: true, no_devices: false, is_deep: false })?;
        attach(&nothing, &place)?;
    }
    Ok(())
}

/// The same before there is a view: `/proc` shows each process the settings of its own namespace.
pub(super) fn limit_own_numbers(n_tasks: u32) {
    if let Ok(proc) = open_folder(CWD, Path::new("/proc")) {
        limit_numbers(&proc, n_tasks);
    }
}

/// Bounds the process numbers of this namespace, where the kernel has that. Init counts as well.
fn limit_numbers(proc: &OwnedFd, n_tasks: u32) {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers = release.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    let (major, minor) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if (major, minor) < OWN_PID_MAX {
        return;
    }
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    if let Ok(file) = rustix::fs::openat(proc, "sys/kernel/pid_max", flags, Mode::empty()) {
        let _ = rustix::io::write(&file, (RESERVED_PIDS + n_tasks + TASKS_SPARE).to_string().as_bytes());
    }
}

/// A device can be written to whatever its mount says; a read-only one keeps root inside, who owns the machine's own
/// node, from changing that node's mode.
fn make_unchangeable(device: &OwnedFd) -> io::Result<()> {
    sys::restrict_mount(device.as_fd(), Attributes { read_only: true, no_devices: false, is_deep: false })
}

/// The same where bwrap makes the view: in a mount namespace of this process, so that the nodes it hands on are like that.
/// Only root owns them and only root can.
pub(super) fn protect_devices() -> io::Result<()> {
    sys::unshare(rustix::thread::UnshareFlags::NEWNS)?;
    rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    for path in DEVICES.map(|name| Path::new("/dev").join(name)) {
        // By the older calls: this backend is there for kernels, too, that lack the newer ones.
        rustix::mount::mount_bind(&path, &path)?;
        let flags = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NOEXEC;
        rustix::mount::mount_remount(&path, flags, c"")?;
    }
    Ok(())
}

fn make_dev(root: &OwnedFd, devices: Vec<(&str, OwnedFd)>) -> io::Result<()> {
    let dev = make_folder(root.as_fd(), OsStr::new("dev"))?;
    for (name, device) in devices {
        make_unchangeable(&device)?;
        let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::EXCL | OFlags::CLOEXEC;
        rustix::fs::openat(&dev, name, flags, Mode::RUSR | Mode::WUSR)?;
        let place = rustix::fs::openat(&dev, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
        attach(&device, &place)?;
    }
    for (name, target) in DEVICE_LINKS {
        rustix::fs::symlinkat(target, &dev, name)?;
    }
    Ok(())
}
