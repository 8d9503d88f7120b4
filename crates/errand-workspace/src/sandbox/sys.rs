//! The few system calls that no library here offers as safe functions: the only `unsafe` of this crate.

use rustix::io::Errno;
use rustix::process::{Pid, Signal};
use rustix::thread::UnshareFlags;
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};

/// Who goes on after a fork.
pub(super) enum Forked {
    Parent { child: Pid },
    Child,
}

/// Forks this process, which must have one thread.
#[expect(unsafe_code, reason = "a fork is unsafe because of other threads; the sandbox's outer stage has none")]
pub(super) fn fork() -> io::Result<Forked> {
    // SAFETY: called by the outer stage only, before it has started any thread, so no lock is held by anyone else.
    let pid = unsafe { libc::fork() };
    match Pid::from_raw(pid) {
        Some(child) if pid > 0 => Ok(Forked::Parent { child }),
        _ if pid == 0 => Ok(Forked::Child),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Leaves the namespaces named by `flags` for new ones.
#[expect(unsafe_code, reason = "unshare is unsafe for file tables only")]
pub(super) fn unshare(flags: UnshareFlags) -> io::Result<()> {
    // SAFETY: `FILES` is never among the flags, so descriptors keep their meaning.
    Ok(unsafe { rustix::thread::unshare_unsafe(flags.difference(UnshareFlags::FILES)) }?)
}

/// Attributes added to a mount.
#[derive(Clone, Copy)]
pub(super) struct Attributes {
    pub read_only: bool,
    pub no_devices: bool,
    /// Everything mounted below it too.
    pub is_deep: bool,
}

/// Adds attributes to a mount; set-uid bits never count.
#[expect(unsafe_code, reason = "mount_setattr has no safe wrapper yet")]
pub(super) fn restrict_mount(mount: BorrowedFd<'_>, attributes: Attributes) -> io::Result<()> {
    let mut set = libc::MOUNT_ATTR_NOSUID;
    if attributes.read_only {
        set |= libc::MOUNT_ATTR_RDONLY;
    }
    if attributes.no_devices {
        set |= libc::MOUNT_ATTR_NODEV;
    }
    let depth = if attributes.is_deep { libc::AT_RECURSIVE } else { 0 };
    let wanted = libc::mount_attr { attr_set: set, attr_clr: 0, propagation: libc::MS_PRIVATE, userns_fd: 0 };
    // SAFETY: the path is a C string, the structure is the one the call expects and lives until it returns.
    let outcome = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | depth,
            &raw const wanted,
            size_of::<libc::mount_attr>(),
        )
    };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A system call by number with plain numbers and at most one string, for the doors: each of these is refused or fails,
/// and would do no harm if it did not.
#[expect(unsafe_code, reason = "the doors try calls that no safe function would make")]
pub(super) fn attempt(number: libc::c_long, arguments: [u64; 6], text: Option<(usize, &CStr)>) -> Result<i64, Errno> {
    let mut arguments = arguments.map(|argument| argument as libc::c_long);
    if let Some((position, text)) = text
        && let Some(slot) = arguments.get_mut(position)
    {
        *slot = text.as_ptr() as libc::c_long;
    }
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: the only pointer is a C string that lives until the call returns; every other pointer argument is null or
    // not mapped, which the kernel answers with an error.
    let outcome = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    if outcome >= 0 {
        Ok(outcome)
    } else {
        Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::INVAL))
    }
}

/// `getpid` as a 32-bit program asks for it, where there is such a thing.
#[cfg_attr(target_arch = "x86_64", expect(unsafe_code, reason = "the doors try an entry that no safe function has"))]
pub(super) fn own_number_by_32_bit_entry() {
    #[cfg(target_arch = "x86_64")]
    {
        const GETPID: u64 = 20;
        // SAFETY: a call without arguments that touches no memory; the kernel may clear the registers named here.
        unsafe {
            std::arch::asm!(
                "int 0x80",
                inlateout("rax") GETPID => _,
                out("r8") _, out("r9") _, out("r10") _, out("r11") _,
            );
        }
    }
}

/// Signals every process of this process namespace but the caller, which is its first.
#[expect(unsafe_code, reason = "no safe function signals everyone")]
pub(super) fn signal_everyone(signal: Signal) {
    // SAFETY: no memory is involved. There may be nobody left.
    let _ = unsafe { libc::kill(-1, signal.as_raw()) };
}

/// Keeps every signal that can be kept from this thread, and from threads and programs it starts afterwards.
#[expect(unsafe_code, reason = "signal masks are C structures")]
pub(super) fn block_signals() {
    let mut all = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `sigfillset` writes the whole set before it is read; the old mask is not asked for.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_BLOCK, all.as_ptr(), std::ptr::null_mut());
    }
}
