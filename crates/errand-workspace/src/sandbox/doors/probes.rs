//! The table of doors, and how each is tried from inside.

use super::{Door, Found, Outside, UNLISTED, Wall, Way, shown};
use crate::sandbox::seccomp::{RESERVE_SPACE, THE_FILTER, WHO_REFUSES};
use crate::sandbox::sys::{attempt, own_number_by_32_bit_entry};
use crate::sandbox::view::{COVERED_FOLDERS, DEVICES};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::ffi::{CStr, OsStr};
use std::fs::{self, OpenOptions};
use std::io;
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// The arguments with which the program makes a call by another architecture's entry point.
pub(super) const FOREIGN: &str = "foreign";
pub(super) const FOREIGN_32: &str = "foreign-32";

use Wall::{Calls, Inheritance, Landlock, View};

const fn door(wall: Wall, name: &'static str, expected: &'static str, try_it: fn(&Outside) -> Found) -> Door {
    Door { wall, name, expected, way: Way::Look(try_it) }
}

const fn refusing(name: &'static str, numbers: &'static [libc::c_long]) -> Door {
    Door { wall: Calls, name, expected: "refused by the filter", way: Way::Calls(numbers) }
}

const fn lacking(name: &'static str, numbers: &'static [libc::c_long]) -> Door {
    Door { wall: Calls, name, expected: "not there", way: Way::NoCalls(numbers) }
}

const CAPABILITY_SETS: &[&str] = &["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"];
const OPEN_TREE_ATTR: libc::c_long = 467;
/// Calls kernels do not have any more, or only this machine's.
#[cfg(target_arch = "x86_64")]
const OLD_CALLS: &[libc::c_long] = &[
    libc::SYS_lookup_dcookie,
    libc::SYS_nfsservctl,
    libc::SYS_ioperm,
    libc::SYS_iopl,
    libc::SYS_uselib,
    174, // create_module
];
#[cfg(not(target_arch = "x86_64"))]
const OLD_CALLS: &[libc::c_long] = &[libc::SYS_lookup_dcookie, libc::SYS_nfsservctl];
const NEW_USERS: u64 = libc::CLONE_NEWUSER as u64;
/// A combination the kernel itself answers otherwise, so that nothing is ever cloned.
const NEW_USERS_SHARED: u64 = (libc::CLONE_NEWUSER | libc::CLONE_FS) as u64;
const NO_RANDOM_ADDRESSES: u64 = 0x004_0000;
const TYPE_INTO_TERMINAL: u64 = 0x5412;
const CONSOLE: u64 = 0x541C;
const OPEN_FILES: u64 = libc::RLIMIT_NOFILE as u64;
const NOBODY: u64 = u64::MAX;

#[rustfmt::skip]
pub(super) const DOORS: &[Door] = &[
    door(View, "root folder", "holds only what the plan lists", root_folder),
    door(View, "errand's state", "is not there", |outside| unreadable(&outside.file)),
    door(View, "the machine's /tmp", "is not there", |outside| unreadable(&outside.temporary_file)),
    door(View, "/etc/shadow", "is not there", |_| unreadable(Path::new("/etc/shadow"))),
    door(View, "/sys", "is not there", |_| absent("/sys")),
    door(View, "new files in /", "are refused", |_| uncreatable("/new")),
    door(View, "new files in /usr", "are refused", |_| uncreatable("/usr/new")),
    door(View, "new files in /etc", "are refused", |_| uncreatable("/etc/new")),
    door(View, "mode of /usr/bin/env", "cannot be changed", change_mode),
    door(View, "core_pattern", "cannot be written", |_| unwritable("/proc/sys/kernel/core_pattern")),
    door(View, "modprobe", "cannot be written", |_| unwritable("/proc/sys/kernel/modprobe")),
    door(View, "all of /proc/sys", "cannot be written", |_| no_file_writable("/proc/sys", 4)),
    door(View, "sysrq-trigger", "cannot be written", |_| unwritable("/proc/sysrq-trigger")),
    door(View, "interrupts", "cannot be written", |_| no_file_writable("/proc/irq", 2)),
    door(View, "the kernel's memory", "cannot be read", |_| empty("/proc/kcore")),
    door(View, "the kernel's keys", "cannot be read", |_| empty("/proc/keys")),
    door(View, "init's memory", "cannot be opened", |_| unwritable("/proc/1/mem")),
    door(View, "init's environment", "cannot be read", |_| empty("/proc/1/environ")),
    door(View, "the out-of-memory score", "cannot be written", |_| unwritable("/proc/self/oom_score_adj")),
    door(View, "processes", "only those of the sandbox", processes),
    door(View, "signals to the daemon", "find nobody", signal_daemon),
    door(View, "namespaces", "are all new", new_namespaces),
    door(View, "host name", "is hidden", host_name),
    door(View, "TCP to the machine's loopback", "is refused", tcp_loopback),
    door(View, "UDP to the machine's loopback", "is not heard", udp_loopback),
    door(View, "addresses outside", "have no route", no_route),
    door(View, "network interfaces", "only a loopback", interfaces),
    door(View, "abstract sockets", "find nobody", abstract_socket),
    door(View, "unix sockets", "are not there", |outside| of_io(UnixStream::connect(&outside.socket), "connected")),
    door(View, "mounts of the machine", "are read-only", read_only_mounts),
    door(View, "folders of devices in /proc", "are empty", covered_folders),
    door(View, "set-uid programs and devices", "no mount allows them", mount_flags),
    door(View, "device nodes", "are five", devices),
    door(View, "modes of the device nodes", "cannot be changed", change_devices),
    door(Calls, "limits of init", "cannot be set", |_| refused(libc::SYS_prlimit64, [1, OPEN_FILES, 0, 0, 0, 0])),
    door(Calls, "capabilities", "all five sets empty", |_| status_lines(CAPABILITY_SETS, "0000000000000000")),
    door(Calls, "no_new_privs", "is set", |_| status_lines(&["NoNewPrivs"], "1")),
    door(Calls, "seccomp", "filters", |_| status_lines(&["Seccomp"], "2")),
    door(Calls, "sockets of virtual machines", "are refused", |_| family(libc::AF_VSOCK, libc::SOCK_STREAM, 0)),
    door(Calls, "pairs of such sockets", "are refused",
        |_| judge(attempt(libc::SYS_socketpair, [libc::AF_VSOCK as u64, 1, 0, 0, 0, 0], None), Errno::AFNOSUPPORT)),
    door(Calls, "packet sockets", "are refused", |_| family(libc::AF_PACKET, libc::SOCK_RAW, 0)),
    door(Calls, "kernel crypto sockets", "are refused", |_| family(libc::AF_ALG, libc::SOCK_SEQPACKET, 0)),
    door(Calls, "raw sockets", "are refused", |_| family(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP)),
    door(Calls, "netlink beyond routes", "is refused",
        |_| family(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_KOBJECT_UEVENT)),
    door(Calls, "a new user namespace", "is refused", |_| refused(libc::SYS_unshare, [NEW_USERS, 0, 0, 0, 0, 0])),
    door(Calls, "clone into namespaces", "is refused", |_| refused(libc::SYS_clone, [NEW_USERS_SHARED, 0, 0, 0, 0, 0])),
    lacking("clone3", &[libc::SYS_clone3]),
    refusing("setns", &[libc::SYS_setns]),
    door(Calls, "mount", "is refused", |_| named(libc::SYS_mount, 1, c"/tmp")),
    door(Calls, "umount", "is refused", |_| named(libc::SYS_umount2, 0, c"/proc")),
    refusing("all mount calls", &[libc::SYS_mount, libc::SYS_umount2, libc::SYS_fsopen, libc::SYS_fsmount, libc::SYS_fspick,
        libc::SYS_move_mount, libc::SYS_open_tree, OPEN_TREE_ATTR, libc::SYS_mount_setattr, libc::SYS_fsconfig]),
    refusing("pivot_root, chroot", &[libc::SYS_pivot_root, libc::SYS_chroot]),
    door(Calls, "ptrace", "is refused", |_| refused(libc::SYS_ptrace, [16, 1, 0, 0, 0, 0])),
    refusing("memory of other processes", &[libc::SYS_ptrace, libc::SYS_process_vm_readv, libc::SYS_process_vm_writev,
        libc::SYS_process_madvise, libc::SYS_kcmp]),
    refusing("descriptors of other processes", &[libc::SYS_pidfd_getfd]),
    lacking("io_uring", &[libc::SYS_io_uring_setup, libc::SYS_io_uring_enter, libc::SYS_io_uring_register]),
    refusing("bpf", &[libc::SYS_bpf]),
    refusing("userfaultfd", &[libc::SYS_userfaultfd]),
    refusing("perf events", &[libc::SYS_perf_event_open]),
    refusing("the kernel's keyring", &[libc::SYS_keyctl, libc::SYS_add_key, libc::SYS_request_key]),
    refusing("files by handle", &[libc::SYS_open_by_handle_at]),
    refusing("modules, kexec", &[libc::SYS_init_module, libc::SYS_finit_module, libc::SYS_delete_module,
        libc::SYS_kexec_load, libc::SYS_kexec_file_load]),
    refusing("swap, quota, accounting", &[libc::SYS_swapon, libc::SYS_swapoff, libc::SYS_quotactl, libc::SYS_quotactl_fd,
        libc::SYS_acct]),
    refusing("the machine's end, names, terminals", &[libc::SYS_reboot, libc::SYS_sethostname, libc::SYS_setdomainname,
        libc::SYS_vhangup, libc::SYS_fanotify_init]),
    refusing("the clock", &[libc::SYS_settimeofday, libc::SYS_clock_settime, libc::SYS_adjtimex, libc::SYS_clock_adjtime]),
    refusing("calls of other times", OLD_CALLS),
    refusing("the kernel's log", &[libc::SYS_syslog]),
    door(Calls, "space without writing", "is refused", |_| reserve_space()),
    door(Calls, "other personalities", "are refused",
        |_| refused(libc::SYS_personality, [NO_RANDOM_ADDRESSES, 0, 0, 0, 0, 0])),
    door(Calls, "typing into a terminal", "is refused", |_| refused(libc::SYS_ioctl, [0, TYPE_INTO_TERMINAL, 0, 0, 0, 0])),
    door(Calls, "console commands", "are refused", |_| refused(libc::SYS_ioctl, [0, CONSOLE, 0, 0, 0, 0])),
    lacking("calls newer than known", &[1_000]),
    door(Calls, "the x32 entry", "ends the process", |_| foreign(FOREIGN)),
    door(Calls, "the 32-bit entry", "ends the process", |_| foreign(FOREIGN_32)),
    door(Landlock, "a place Landlock does not list", "cannot be read", |_| unreadable(Path::new(UNLISTED))),
    door(Inheritance, "descriptors", "only 0, 1 and 2", descriptors),
    door(Inheritance, "standard input", "is the null device", standard_input),
    door(Inheritance, "session", "is init's", session),
    door(Inheritance, "out-of-memory score", "is the highest", oom_score),
    door(Inheritance, "terminal", "there is none", terminal),
    door(Inheritance, "environment", "only the list", environment),
    door(Inheritance, "core files, files, processes, umask", "are limited", limits),
];

fn of_io<T>(outcome: io::Result<T>, open: &str) -> Found {
    match outcome {
        Ok(_) => Found::Open(open.to_owned()),
        Err(error) => Found::Shut(error.to_string()),
    }
}

fn unreadable(path: &Path) -> Found {
    of_io(fs::read(path), &format!("{} can be read", shown(path)))
}

/// Nothing comes out of it, whether it opens or not.
fn empty(path: &str) -> Found {
    use io::Read as _;
    let mut first = [0; 16];
    match fs::File::open(path).and_then(|mut file| file.read(&mut first)) {
        Ok(0) => Found::Shut("empty".to_owned()),
        Ok(_) => Found::Open(format!("{path} can be read")),
        Err(error) => Found::Shut(error.to_string()),
    }
}

fn absent(path: &str) -> Found {
    of_io(fs::symlink_metadata(path), &format!("{path} is there"))
}

fn uncreatable(path: &str) -> Found {
    of_io(fs::write(path, ""), "created")
}

fn unwritable(path: &str) -> Found {
    of_io(OpenOptions::new().append(true).open(path), "can be opened for writing")
}

/// No file below `path`, so many levels deep, opens for writing.
fn no_file_writable(path: &str, depth: u32) -> Found {
    let mut folders = vec![(Path::new(path).to_owned(), depth)];
    let mut n_files = 0_u32;
    while let Some((folder, left)) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && left > 0 => folders.push((path, left - 1)),
                Ok(kind) if kind.is_file() => {
                    n_files += 1;
                    if OpenOptions::new().append(true).open(&path).is_ok() {
                        return Found::Open(format!("{} can be opened for writing", shown(&path)));
                    }
                }
                Ok(_) | Err(_) => {}
            }
        }
    }
    Found::Shut(format!("{n_files} files tried"))
}

fn change_mode(_: &Outside) -> Found {
    keep_mode(Path::new("/usr/bin/env"))
}

fn change_devices(_: &Outside) -> Found {
    for path in DEVICES.map(|name| Path::new("/dev").join(name)) {
        if let Found::Open(_) = keep_mode(&path) {
            return Found::Open(format!("{} was changed", shown(&path)));
        }
    }
    Found::Shut(format!("{} tried", DEVICES.len()))
}

/// Sets the mode that it has, which takes the same right as another one.
fn keep_mode(program: &Path) -> Found {
    match fs::metadata(program) {
        Ok(metadata) => {
            let same = fs::Permissions::from_mode(metadata.permissions().mode() & 0o7777);
            of_io(fs::set_permissions(program, same), "changed")
        }
        Err(error) => Found::Shut(error.to_string()),
    }
}

fn root_folder(outside: &Outside) -> Found {
    match fs::read_dir("/") {
        Ok(entries) => {
            let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
            let odd: Vec<_> = names.filter(|name| !outside.root_names.contains(name)).collect();
            if odd.is_empty() { Found::Shut("nothing else".to_owned()) } else { Found::Open(odd.join(", ")) }
        }
        Err(error) => Found::Shut(error.to_string()),
    }
}

fn processes(_: &Outside) -> Found {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let n_seen =
        entries.filter(|entry| entry.file_name().to_str().is_some_and(|name| name.parse::<u32>().is_ok())).count();
    // Init and this program.
    if n_seen == 2 { Found::Shut("2 seen".to_owned()) } else { Found::Open(format!("{n_seen} seen")) }
}

fn signal_daemon(outside: &Outside) -> Found {
    let own = [1, std::process::id()];
    let Some(pid) = rustix::process::Pid::from_raw(outside.daemon_pid) else {
        return Found::Open("the daemon has no number".to_owned());
    };
    if own.contains(&outside.daemon_pid.unsigned_abs()) {
        return Found::Shut("its number is one of the sandbox's own".to_owned());
    }
    match rustix::process::test_kill_process(pid) {
        Err(Errno::SRCH) => Found::Shut("no such process".to_owned()),
        Ok(()) => Found::Open("it can be signalled".to_owned()),
        Err(error) => Found::Open(format!("it is there: {error}")),
    }
}

/// The namespaces of this process by kind.
pub(super) fn namespaces() -> BTreeMap<String, String> {
    let kinds = ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"];
    let name = |kind: &str| fs::read_link(format!("/proc/self/ns/{kind}")).map(|link| shown(&link)).ok();
    kinds.into_iter().filter_map(|kind| Some((kind.to_owned(), name(kind)?))).collect()
}

fn new_namespaces(outside: &Outside) -> Found {
    let own = namespaces();
    let is_shared = |(kind, name): &(&String, &String)| outside.namespaces.get(*kind) == Some(*name);
    let shared: Vec<_> = own.iter().filter(is_shared).map(|(kind, _)| kind.as_str()).collect();
    match own.len() {
        7 if shared.is_empty() => Found::Shut("7 of 7".to_owned()),
        7 => Found::Open(format!("shared: {}", shared.join(", "))),
        n => Found::Open(format!("only {n} can be told")),
    }
}

fn host_name(_: &Outside) -> Found {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name == "errand" { Found::Shut(name) } else { Found::Open(name) }
}

fn tcp_loopback(outside: &Outside) -> Found {
    of_io(TcpStream::connect((Ipv4Addr::LOCALHOST, outside.tcp_port)), "connected")
}

/// Sending may succeed, into the sandbox's own loopback; the daemon's listener tells whether it was heard.
fn udp_loopback(outside: &Outside) -> Found {
    let sent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|socket| socket.send_to(b"x", (Ipv4Addr::LOCALHOST, outside.udp_port)));
    Found::Shut(sent.map_or_else(|error| error.to_string(), |_| "sent into the own loopback".to_owned()))
}

/// An address for documentation: no packet to it ever arrives anywhere.
fn no_route(_: &Outside) -> Found {
    let address = std::net::SocketAddr::from(([192, 0, 2, 1], 443));
    match TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
        Err(error) if error.kind() == io::ErrorKind::NetworkUnreachable => Found::Shut(error.to_string()),
        Err(error) => Found::Open(error.to_string()),
        Ok(_) => Found::Open("connected".to_owned()),
    }
}

/// Kernels with tunnel modules give every namespace some that are down and lead nowhere.
const IDLE_INTERFACES: [&str; 10] =
    ["lo", "tunl0", "sit0", "ip6tnl0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0", "ip6gre0"];

fn interfaces(_: &Outside) -> Found {
    let text = fs::read_to_string("/proc/net/dev").unwrap_or_default();
    let names: Vec<_> = text.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name.trim()).collect();
    let odd: Vec<_> = names.iter().filter(|name| !IDLE_INTERFACES.contains(name)).copied().collect();
    if odd.is_empty() { Found::Shut(names.join(", ")) } else { Found::Open(odd.join(", ")) }
}

fn abstract_socket(outside: &Outside) -> Found {
    let address = SocketAddr::from_abstract_name(&outside.abstract_socket);
    of_io(address.and_then(|address| UnixStream::connect_addr(&address)), "connected")
}

fn mount_flags(_: &Outside) -> Found {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mut n_mounts = 0_u32;
    for line in text.lines() {
        let mut words = line.split(' ').skip(4);
        let (place, flags) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        let has = |flag: &str| flags.split(',').any(|word| word == flag);
        n_mounts += 1;
        // Of devices, the five and the covers of /proc, which are the null device.
        let is_device = place.strip_prefix("/dev/").is_some_and(|name| DEVICES.contains(&name));
        let is_cover = place.strip_prefix("/proc/").is_some();
        if !has("nosuid") || !(has("nodev") || is_device || is_cover) {
            return Found::Open(format!("{place}: {flags}"));
        }
    }
    if n_mounts > 0 {
        Found::Shut(format!("{n_mounts} mounts"))
    } else {
        Found::Open("mounts cannot be read".to_owned())
    }
}

fn devices(_: &Outside) -> Found {
    let entries = fs::read_dir("/dev").into_iter().flatten().flatten();
    let is_plain = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir() || kind.is_symlink());
    let names = entries.filter(|entry| !is_plain(entry)).map(|entry| entry.file_name().to_string_lossy().into_owned());
    let nodes: Vec<String> = names.collect();
    let odd: Vec<_> = nodes.iter().filter(|name| !DEVICES.contains(&name.as_str())).cloned().collect();
    if odd.is_empty() { Found::Shut(format!("{} nodes", nodes.len())) } else { Found::Open(odd.join(", ")) }
}

fn status_lines(names: &[&str], expected: &str) -> Found {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let value =
        |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t")).unwrap_or("not told");
    let is_odd = |name: &&&str| value(name) != expected;
    let odd: Vec<_> = names.iter().filter(is_odd).map(|name| format!("{name} {}", value(name))).collect();
    if odd.is_empty() { Found::Shut(format!("{} checked", names.len())) } else { Found::Open(odd.join(", ")) }
}

fn family(family: i32, kind: i32, protocol: i32) -> Found {
    match attempt(libc::SYS_socket, [family as u64, kind as u64, protocol as u64, 0, 0, 0], None) {
        Ok(_) => Found::Open("a socket was made".to_owned()),
        Err(error) => Found::Shut(error.to_string()),
    }
}

impl Way {
    pub(super) fn tried(&self, outside: &Outside) -> Found {
        match self {
            Self::Look(look) => look(outside),
            Self::Calls(numbers) => {
                let asked = [NOBODY, NOBODY, NOBODY, NOBODY, NOBODY, WHO_REFUSES];
                each(numbers, asked, Errno::from_raw_os_error(THE_FILTER))
            }
            Self::NoCalls(numbers) => each(numbers, [0; 6], Errno::NOSYS),
        }
    }
}

/// Every one of these calls, with arguments that mean nothing, answers this before they are looked at.
fn each(numbers: &[libc::c_long], arguments: [u64; 6], expected: Errno) -> Found {
    for &number in numbers {
        if let Found::Open(found) = judge(attempt(number, arguments, None), expected) {
            return Found::Open(format!("call {number}: {found}"));
        }
    }
    Found::Shut(format!("{} of {}", numbers.len(), numbers.len()))
}

/// All of a file's space at once, by each name that has.
fn reserve_space() -> Found {
    let whole = [NOBODY, 0, 0, 1 << 40, 0, 0];
    let by_call = judge(attempt(libc::SYS_fallocate, whole, None), Errno::OPNOTSUPP);
    let older = RESERVE_SPACE
        .map(|number| judge(attempt(libc::SYS_ioctl, [NOBODY, number.into(), 0, 0, 0, 0], None), Errno::OPNOTSUPP));
    let open = [by_call].into_iter().chain(older).find(|found| matches!(found, Found::Open(_)));
    open.unwrap_or_else(|| Found::Shut("4 of 4".to_owned()))
}

/// Shut when the call is refused before its arguments are looked at.
fn refused(number: libc::c_long, arguments: [u64; 6]) -> Found {
    judge(attempt(number, arguments, None), Errno::PERM)
}

fn named(number: libc::c_long, position: usize, text: &CStr) -> Found {
    judge(attempt(number, [0; 6], Some((position, text))), Errno::PERM)
}

fn judge(outcome: Result<i64, Errno>, expected: Errno) -> Found {
    match outcome {
        Err(error) if error == expected => Found::Shut(error.to_string()),
        Err(error) => Found::Open(format!("it was looked at: {error}")),
        Ok(_) => Found::Open("it was done".to_owned()),
    }
}

/// In a process of its own, because it ends it.
fn foreign(which: &str) -> Found {
    if !cfg!(target_arch = "x86_64") {
        return Found::Shut("there is none".to_owned());
    }
    match Command::new(crate::sandbox::backend::PROGRAM).args([crate::sandbox::DOORS, which]).status() {
        Ok(status) if status.signal() == Some(libc::SIGSYS) => Found::Shut("killed".to_owned()),
        // A kernel without that entry.
        Ok(status) if status.signal() == Some(libc::SIGSEGV) => Found::Shut("there is none".to_owned()),
        Ok(status) => Found::Open(status.to_string()),
        Err(error) => Found::Open(error.to_string()),
    }
}

/// `getpid` by the entry that `argument` names, when it names one.
pub(super) fn foreign_entry(argument: &OsStr) -> Option<i32> {
    if argument == FOREIGN {
        let _ = attempt(0x4000_0000 + 39, [0; 6], None);
    } else if argument == FOREIGN_32 {
        own_number_by_32_bit_entry();
    } else {
        return None;
    }
    Some(0)
}

fn mount_flags_of(place: &str) -> Option<String> {
    let text = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let mut found = None;
    for line in text.lines() {
        let mut words = line.split(' ').skip(4);
        if words.next() == Some(place) {
            // The last one covers the ones before.
            found = words.next().map(str::to_owned);
        }
    }
    found
}

/// By their own flags: what another wall refuses as well would hide that this one is missing.
fn read_only_mounts(_: &Outside) -> Found {
    const PLACES: [&str; 5] = ["/", "/proc", "/usr", "/etc/passwd", "/etc/hosts"];
    for place in PLACES {
        match mount_flags_of(place) {
            Some(flags) if flags.split(',').any(|flag| flag == "ro") => {}
            flags => return Found::Open(format!("{place}: {flags:?}")),
        }
    }
    Found::Shut(format!("{} checked", PLACES.len()))
}

fn covered_folders(_: &Outside) -> Found {
    for path in COVERED_FOLDERS.map(|name| Path::new("/proc").join(name)) {
        if fs::read_dir(&path).is_ok_and(|mut entries| entries.next().is_some()) {
            return Found::Open(shown(&path));
        }
    }
    Found::Shut("nothing in them".to_owned())
}

fn standard_input(_: &Outside) -> Found {
    const NULL: u64 = 0x103;
    match rustix::fs::fstat(io::stdin()) {
        Ok(stat) if stat.st_rdev == NULL => Found::Shut("it is".to_owned()),
        Ok(stat) => Found::Open(format!("mode {:o}", stat.st_mode)),
        Err(error) => Found::Open(error.to_string()),
    }
}

fn session(_: &Outside) -> Found {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Of what follows the name: state, parent, group, session.
    let session = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(3)).unwrap_or("not told");
    if session == "1" { Found::Shut("1".to_owned()) } else { Found::Open(session.to_owned()) }
}

fn oom_score(_: &Outside) -> Found {
    let score = fs::read_to_string("/proc/self/oom_score_adj").unwrap_or_default();
    if score.trim() == "1000" { Found::Shut("1000".to_owned()) } else { Found::Open(score.trim().to_owned()) }
}

fn descriptors(_: &Outside) -> Found {
    let entries = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let numbers: Vec<u32> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    // The listing has one of its own.
    let n_odd = numbers.iter().filter(|&&number| number > 2).count();
    if n_odd <= 1 { Found::Shut(format!("{numbers:?}")) } else { Found::Open(format!("{numbers:?}")) }
}

fn terminal(_: &Outside) -> Found {
    use io::IsTerminal as _;
    if io::stdin().is_terminal() || io::stdout().is_terminal() || io::stderr().is_terminal() {
        return Found::Open("a descriptor is a terminal".to_owned());
    }
    of_io(OpenOptions::new().write(true).open("/dev/tty"), "/dev/tty opens")
}

fn environment(outside: &Outside) -> Found {
    let text = fs::read("/proc/self/environ").unwrap_or_default();
    let names = text.split(|&byte| byte == 0).filter(|entry| !entry.is_empty()).map(|entry| {
        let name: Vec<u8> = entry.iter().copied().take_while(|&byte| byte != b'=').collect();
        String::from_utf8_lossy(&name).into_owned()
    });
    let odd: Vec<_> = names.filter(|name| !outside.environment.contains(name)).collect();
    if odd.is_empty() { Found::Shut("only the list".to_owned()) } else { Found::Open(odd.join(", ")) }
}

fn limits(_: &Outside) -> Found {
    use rustix::process::{Resource, getrlimit};
    let core = getrlimit(Resource::Core).maximum;
    let tasks = getrlimit(Resource::Nproc).maximum;
    let file = getrlimit(Resource::Fsize).maximum;
    let descriptors = getrlimit(Resource::Nofile).maximum;
    let is_few = descriptors.is_some_and(|number| number <= crate::limits::COMMAND_DESCRIPTORS);
    let umask = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077)).as_raw_mode();
    if core == Some(0) && tasks.is_some() && file.is_some() && is_few && umask == 0o077 {
        Found::Shut("core 0, umask 077".to_owned())
    } else {
        Found::Open(format!(
            "core {core:?}, processes {tasks:?}, file {file:?}, open files {descriptors:?}, umask {umask:03o}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::{DOORS, Way};
    use crate::sandbox::seccomp::{ABSENT, REFUSED};
    use std::collections::BTreeSet;

    /// The doors have a list of their own, so that a call which is taken out of the filter is an open door.
    #[test]
    fn every_call_the_filter_refuses_is_tried() {
        let mut refusing = BTreeSet::new();
        let mut lacking = BTreeSet::new();
        for door in DOORS {
            match door.way {
                Way::Calls(numbers) => refusing.extend(numbers.iter().copied()),
                Way::NoCalls(numbers) => lacking.extend(numbers.iter().copied()),
                Way::Look(_) => {}
            }
        }
        assert_eq!(refusing, REFUSED.iter().map(|(_, number)| *number).collect());
        // And one that no kernel has.
        assert_eq!(lacking, ABSENT.iter().copied().chain([1_000]).collect());
    }
}
