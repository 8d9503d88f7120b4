//! The view of the native backend: an empty tmpfs, the plan's places in it, five devices, and for each command a `/proc`
//! and shared memory of its own.
//!
//! Sources are cloned by descriptor before anything is covered; places are made and mounted on by descriptor and never
//! through a link, because a writable place may have been prepared by an earlier command.

use super::backend::WAYS;
use super::plan::{Mount, SandboxPlan, What};
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

/// Shared memory, a file system in memory.
pub(super) const SHM: &str = "/dev/shm";

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

/// Builds the view and makes it the root, in a mount namespace of its own. Returns the top folder of layered files.
///
/// The machine's `/proc` stays in it until a command enters: without one the kernel lets nobody mount a new one.
pub(super) fn build(mounts: &[Mount]) -> Result<Option<OwnedFd>, String> {
    let at = |place: &Path| {
        let place = place.display().to_string();
        move |error: io::Error| format!("the view cannot be built at {place}: {error}")
    };
    let top = || at(Path::new("/"));
    rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .map_err(|error| top()(error.into()))?;
    let mut sources = Vec::new();
    for mount in mounts {
        sources.push((mount, source(&mount.what).map_err(at(&mount.at))?));
    }
    let devices: Vec<_> = DEVICES
        .iter()
        .map(|name| Ok((*name, clone(&Path::new("/dev").join(name))?)))
        .collect::<io::Result<_>>()
        .map_err(at(Path::new("/dev")))?;
    let proc = clone(Path::new("/proc")).map_err(at(Path::new("/proc")))?;
    let root = memory(ROOT_BYTES).map_err(top())?;
    // Any folder will do; it is covered for this process alone, and for a moment.
    let cover = ["/tmp", "/usr", "/etc"].into_iter().find(|path| Path::new(path).is_dir()).unwrap_or("/usr");
    open_folder(CWD, Path::new(cover)).and_then(|cover| attach(&root, &cover)).map_err(top())?;
    make_folder(root.as_fd(), OsStr::new("proc"))
        .and_then(|place| attach(&proc, &place))
        .map_err(at(Path::new("/proc")))?;
    make_dev(&root, devices).map_err(at(Path::new("/dev")))?;
    let mut files = None;
    for (mount, source) in sources {
        let layered = place(&root, &mount.at, source).map_err(at(&mount.at))?;
        files = files.or(layered);
    }
    let become_root = || -> io::Result<()> {
        sys::restrict_mount(root.as_fd(), Attributes { read_only: true, no_devices: true, is_deep: false })?;
        rustix::process::fchdir(&root)?;
        rustix::process::pivot_root(".", ".")?;
        rustix::mount::unmount(".", UnmountFlags::DETACH)?;
        Ok(rustix::process::chdir("/")?)
    };
    become_root().map_err(top())?;
    Ok(files)
}

/// What is each command's own in a view that stands, as process 1 of its namespaces: `/proc`, shared memory, and its way
/// out in the place of everyone's.
pub(super) fn enter(plan: &SandboxPlan) -> Result<(), String> {
    let enter = || -> io::Result<()> {
        let root = open_folder(CWD, Path::new("/"))?;
        make_proc(&root, plan.limits.tasks)?;
        attach(&memory(plan.limits.shm_bytes)?, &open_folder(CWD, Path::new(SHM))?)?;
        let way = match &plan.way {
            Some(name) => clone(&Path::new(WAYS).join(name))?,
            None => empty_memory()?,
        };
        if plan.mounts.iter().any(|mount| mount.at == Path::new(WAYS)) {
            attach(&way, &open_folder(CWD, Path::new(WAYS))?)?;
        }
        Ok(())
    };
    enter().map_err(|error| format!("the view cannot be entered: {error}"))
}

/// What will be mounted, before it has a place.
enum Source {
    Folder(OwnedFd),
    /// The folder above the files of a workspace.
    Layered(OwnedFd),
    File(OwnedFd),
    Link(PathBuf),
}

fn source(what: &What) -> io::Result<Source> {
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
        What::Cache { lower, layer } => match overlay(std::slice::from_ref(lower), layer) {
            Ok(tree) => tree,
            // As on a file system that cannot carry the upper layer.
            Err(_) => read_only(lower)?,
        },
        What::Layered { lowers, layer } => return Ok(Source::Layered(overlay(lowers, layer)?)),
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

/// Read-only folders, the first over the others, below the private layer that takes the writes. Paths are given by
/// descriptor: option strings are short, and colons mean something in them.
fn overlay(lowers: &[PathBuf], layer: &Path) -> io::Result<OwnedFd> {
    let context = rustix::mount::fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    let by_number = |folder: &OwnedFd| format!("/proc/self/fd/{}", folder.as_raw_fd());
    let open = |path: &Path| open_folder(CWD, path);
    let lowers = lowers.iter().map(|path| open(path)).collect::<io::Result<Vec<_>>>()?;
    let (upper, work) = (open(&layer.join("upper"))?, open(&layer.join("work"))?);
    let lower = lowers.iter().map(by_number).collect::<Vec<_>>().join(":");
    for (option, value) in [("lowerdir", lower), ("upperdir", by_number(&upper)), ("workdir", by_number(&work))] {
        rustix::mount::fsconfig_set_string(context.as_fd(), option, value)?;
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

/// Mounts a source at its place; the answer is the top folder of layered files, which is mounted nowhere.
fn place(root: &OwnedFd, at: &Path, source: Source) -> io::Result<Option<OwnedFd>> {
    let (above, name) = split(at)?;
    let folder = make_folders(root, above)?;
    match source {
        Source::Link(target) => match rustix::fs::symlinkat(&target, &folder, name) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        },
        Source::Folder(tree) => attach(&tree, &make_folder(folder.as_fd(), name)?)?,
        Source::Layered(top) => {
            let place = make_folder(folder.as_fd(), name)?;
            // Only what is mounted somewhere can be cloned in part.
            attach(&top, &place)?;
            let tree = rustix::mount::open_tree(
                &top,
                "tree",
                OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC,
            )?;
            rustix::process::fchdir(&top)?;
            rustix::mount::unmount(".", UnmountFlags::DETACH)?;
            attach(&tree, &place)?;
            return Ok(Some(top));
        }
        Source::File(tree) => {
            let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            match rustix::fs::openat(&folder, name, flags, Mode::RUSR) {
                // A place that is there and cannot be written to is a place all the same.
                Ok(_) | Err(Errno::ROFS | Errno::ACCESS | Errno::NXIO | Errno::TXTBSY) => {}
                Err(error) => return Err(error.into()),
            }
            let file =
                rustix::fs::openat(&folder, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
            attach(&tree, &file)?;
        }
    }
    Ok(None)
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
    // The machine's own, which made it possible, is not needed any more.
    rustix::mount::unmount("/proc", UnmountFlags::DETACH)?;
    attach(&proc, &make_folder(root.as_fd(), OsStr::new("proc"))?)?;
    limit_numbers(&proc, n_tasks);
    sys::restrict_mount(proc.as_fd(), Attributes { read_only: true, no_devices: true, is_deep: false })?;
    let empty = empty_memory()?;
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

fn empty_memory() -> io::Result<OwnedFd> {
    let empty = memory(4096)?;
    sys::restrict_mount(empty.as_fd(), Attributes { read_only: true, no_devices: true, is_deep: false })?;
    Ok(empty)
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
    make_folder(dev.as_fd(), OsStr::new("shm")).map(drop)
}
