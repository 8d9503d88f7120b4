//! The system calls a command may not make, as a filter the kernel runs at each of them.
//!
//! Written by hand as a straight line of tests: what is not named is allowed up to the newest call known here, what is
//! newer does not exist (`ENOSYS`), and another architecture's entry points end the process.

use seccompiler::{BpfProgram, sock_filter};
use std::io;

// Classic BPF, as in <linux/filter.h>.
const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const IF_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const IF_ABOVE: u16 = 0x25; // BPF_JMP | BPF_JGT | BPF_K
const IF_ANY_BIT: u16 = 0x45; // BPF_JMP | BPF_JSET | BPF_K
const RETURN: u16 = 0x06; // BPF_RET | BPF_K
const JUMP: u16 = 0x05; // BPF_JMP | BPF_JA

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const KILL: u32 = libc::SECCOMP_RET_KILL_PROCESS;
const fn refuse(errno: i32) -> u32 {
    libc::SECCOMP_RET_ERRNO | errno as u32
}

// Offsets in `struct seccomp_data`; both architectures are little-endian, so the low half of an argument comes first.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const fn argument(position: u32) -> u32 {
    16 + 8 * position
}

#[cfg(target_arch = "x86_64")]
const OWN_ARCHITECTURE: u32 = 0xC000_003E;
#[cfg(target_arch = "aarch64")]
const OWN_ARCHITECTURE: u32 = 0xC000_00B7;

/// The newest call known here (`file_setattr`); a newer one may do anything.
const NEWEST: u32 = 469;

/// New namespaces of any kind, in the flags of `clone` and `unshare`.
const NAMESPACES: u32 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET) as u32;
const NEW_TIME_NAMESPACE: u32 = 0x80;

const TIOCSTI: u32 = 0x5412;
const TIOCLINUX: u32 = 0x541C;

/// What gives space back, in the mode of `fallocate`; everything else of it takes space.
const GIVES_BACK: u32 = (libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_COLLAPSE_RANGE) as u32;
/// `fallocate` by its older names, on any file system: FS_IOC_RESVSP, FS_IOC_RESVSP64, FS_IOC_ZERO_RANGE.
pub(super) const RESERVE_SPACE: [u32; 3] = [0x4030_5828, 0x4030_582A, 0x4030_5839];

/// A sixth argument no refused call has. With it the refusal has another error: what a call answers without capabilities is
/// often the usual one as well, and a door could not tell which wall it met.
pub(super) const WHO_REFUSES: u64 = 0x6572_7264;
pub(super) const THE_FILTER: i32 = libc::EXDEV;

/// Refused whatever the arguments.
pub(super) const REFUSED: &[(&str, libc::c_long)] = &[
    ("acct", libc::SYS_acct),
    ("add_key", libc::SYS_add_key),
    ("adjtimex", libc::SYS_adjtimex),
    ("bpf", libc::SYS_bpf),
    ("chroot", libc::SYS_chroot),
    ("clock_adjtime", libc::SYS_clock_adjtime),
    ("clock_settime", libc::SYS_clock_settime),
    ("delete_module", libc::SYS_delete_module),
    ("fanotify_init", libc::SYS_fanotify_init),
    ("finit_module", libc::SYS_finit_module),
    ("fsconfig", libc::SYS_fsconfig),
    ("fsmount", libc::SYS_fsmount),
    ("fsopen", libc::SYS_fsopen),
    ("fspick", libc::SYS_fspick),
    ("init_module", libc::SYS_init_module),
    #[cfg(target_arch = "x86_64")]
    ("ioperm", libc::SYS_ioperm),
    #[cfg(target_arch = "x86_64")]
    ("iopl", libc::SYS_iopl),
    ("kcmp", libc::SYS_kcmp),
    ("kexec_file_load", libc::SYS_kexec_file_load),
    ("kexec_load", libc::SYS_kexec_load),
    ("keyctl", libc::SYS_keyctl),
    ("lookup_dcookie", libc::SYS_lookup_dcookie),
    ("mount", libc::SYS_mount),
    ("mount_setattr", libc::SYS_mount_setattr),
    ("move_mount", libc::SYS_move_mount),
    ("nfsservctl", libc::SYS_nfsservctl),
    ("open_by_handle_at", libc::SYS_open_by_handle_at),
    ("open_tree", libc::SYS_open_tree),
    ("open_tree_attr", 467),
    ("perf_event_open", libc::SYS_perf_event_open),
    ("pidfd_getfd", libc::SYS_pidfd_getfd),
    ("pivot_root", libc::SYS_pivot_root),
    ("process_madvise", libc::SYS_process_madvise),
    ("process_vm_readv", libc::SYS_process_vm_readv),
    ("process_vm_writev", libc::SYS_process_vm_writev),
    ("ptrace", libc::SYS_ptrace),
    ("quotactl", libc::SYS_quotactl),
    ("quotactl_fd", libc::SYS_quotactl_fd),
    ("reboot", libc::SYS_reboot),
    ("request_key", libc::SYS_request_key),
    ("setdomainname", libc::SYS_setdomainname),
    ("sethostname", libc::SYS_sethostname),
    ("setns", libc::SYS_setns),
    ("settimeofday", libc::SYS_settimeofday),
    ("swapoff", libc::SYS_swapoff),
    ("swapon", libc::SYS_swapon),
    ("syslog", libc::SYS_syslog),
    ("umount2", libc::SYS_umount2),
    #[cfg(target_arch = "x86_64")]
    ("uselib", libc::SYS_uselib),
    ("userfaultfd", libc::SYS_userfaultfd),
    #[cfg(target_arch = "x86_64")]
    ("create_module", 174),
    ("vhangup", libc::SYS_vhangup),
];

/// As if the kernel did not have them: libraries then take the older call, whose flags can be looked at, or do without.
pub(super) const ABSENT: &[libc::c_long] =
    &[libc::SYS_clone3, libc::SYS_io_uring_setup, libc::SYS_io_uring_enter, libc::SYS_io_uring_register];

/// Puts the filter over this thread and everything it starts from now on. Sets `no_new_privs`.
pub(super) fn apply() -> io::Result<()> {
    seccompiler::apply_filter(&program()).map_err(|error| io::Error::other(error.to_string()))
}

fn program() -> BpfProgram {
    let mut program = Program(Vec::new());
    program.load(ARCHITECTURE);
    program.unless_equal(OWN_ARCHITECTURE, KILL);
    program.load(NUMBER);
    if cfg!(target_arch = "x86_64") {
        // The x32 entry points carry this bit; as a number it is above every other.
        program.if_any_bit(0x4000_0000, KILL);
    }
    program.if_above(NEWEST, refuse(libc::ENOSYS));
    for &number in ABSENT {
        program.if_equal(number as u32, refuse(libc::ENOSYS));
    }
    program.refuse_all();
    program.for_call(libc::SYS_clone, |call| {
        call.load(argument(0));
        call.if_any_bit(NAMESPACES, refuse(libc::EPERM));
    });
    program.for_call(libc::SYS_unshare, |call| {
        call.load(argument(0));
        call.if_any_bit(NAMESPACES | NEW_TIME_NAMESPACE, refuse(libc::EPERM));
    });
    for call in [libc::SYS_socket, libc::SYS_socketpair] {
        program.for_call(call, |call| {
            call.load(argument(0));
            for family in [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6] {
                call.if_equal(family as u32, ALLOW);
            }
            call.unless_equal(libc::AF_NETLINK as u32, refuse(libc::EAFNOSUPPORT));
            call.load(argument(2));
            call.unless_equal(libc::NETLINK_ROUTE as u32, refuse(libc::EAFNOSUPPORT));
        });
    }
    program.for_call(libc::SYS_ioctl, |call| {
        call.load(argument(1));
        call.if_equal(TIOCSTI, refuse(libc::EPERM));
        call.if_equal(TIOCLINUX, refuse(libc::EPERM));
        for number in RESERVE_SPACE {
            call.if_equal(number, refuse(libc::EOPNOTSUPP));
        }
    });
    // The daemon looks at the disk some times a second: whatever takes space must have to write it. File systems without
    // these calls say the same, and libraries then write.
    program.for_call(libc::SYS_fallocate, |call| {
        call.load(argument(1));
        call.if_any_bit(GIVES_BACK, ALLOW);
        call.push(RETURN, 0, 0, refuse(libc::EOPNOTSUPP));
    });
    program.for_call(libc::SYS_personality, |call| {
        call.load(argument(0));
        call.if_equal(0, ALLOW);
        // A question, not a change.
        call.unless_equal(u32::MAX, refuse(libc::EPERM));
    });
    // Another process's limits are changed without any right over it: init could open no file any more and count nothing.
    program.for_call(libc::SYS_prlimit64, |call| {
        call.load(argument(0));
        call.unless_equal(0, refuse(libc::EPERM));
    });
    program.push(RETURN, 0, 0, ALLOW);
    program.0
}

struct Program(BpfProgram);

impl Program {
    fn push(&mut self, code: u16, jt: u8, jf: u8, k: u32) {
        self.0.push(sock_filter { code, jt, jf, k });
    }

    fn load(&mut self, offset: u32) {
        self.push(LOAD, 0, 0, offset);
    }

    fn if_equal(&mut self, value: u32, action: u32) {
        self.push(IF_EQUAL, 0, 1, value);
        self.push(RETURN, 0, 0, action);
    }

    fn unless_equal(&mut self, value: u32, action: u32) {
        self.push(IF_EQUAL, 1, 0, value);
        self.push(RETURN, 0, 0, action);
    }

    fn if_above(&mut self, value: u32, action: u32) {
        self.push(IF_ABOVE, 0, 1, value);
        self.push(RETURN, 0, 0, action);
    }

    fn if_any_bit(&mut self, bits: u32, action: u32) {
        self.push(IF_ANY_BIT, 0, 1, bits);
        self.push(RETURN, 0, 0, action);
    }

    /// One test a call, and what all of them lead to. The number is in the register before and after.
    fn refuse_all(&mut self) {
        let mut end = Self(Vec::new());
        end.load(argument(5));
        end.if_equal(WHO_REFUSES as u32, refuse(THE_FILTER));
        end.push(RETURN, 0, 0, refuse(libc::EPERM));
        // There are far fewer of them than the 255 instructions a jump can cover.
        for (n_before, &(_, number)) in REFUSED.iter().enumerate() {
            self.push(IF_EQUAL, (REFUSED.len() - n_before) as u8, 0, number as u32);
        }
        self.push(JUMP, 0, 0, end.0.len() as u32);
        self.0.append(&mut end.0);
    }

    /// Tests of one call; what passes them is allowed. The number is in the register before and after.
    fn for_call(&mut self, number: libc::c_long, tests: impl FnOnce(&mut Self)) {
        let mut inner = Self(Vec::new());
        tests(&mut inner);
        inner.push(RETURN, 0, 0, ALLOW);
        // Each of these blocks is far below the 255 instructions a jump can cover.
        self.push(IF_EQUAL, 0, inner.0.len() as u8, number as u32);
        self.0.append(&mut inner.0);
    }
}
