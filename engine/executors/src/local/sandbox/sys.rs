//! The system calls for which no safe wrapper exists, each behind the narrowest signature that is sound here.
#![allow(unsafe_code)]

use rustix::thread::UnshareFlags;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Which side of a fork this is.
pub(super) enum Fork {
    /// The new process.
    Child,
    /// The old one, with the pid of the new one.
    Parent(rustix::process::Pid),
}

/// Splits the process. Only for the zygote and its inits, which have one thread.
pub(super) fn fork() -> io::Result<Fork> {
    // SAFETY: there is a single thread, so the child may allocate and lock like any other process.
    match unsafe { libc::fork() } {
        0 => Ok(Fork::Child),
        pid if pid > 0 => rustix::process::Pid::from_raw(pid)
            .map(Fork::Parent)
            .ok_or_else(|| io::Error::from_raw_os_error(libc::ESRCH)),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Whether children that have ended are taken away by the kernel, or stay until somebody waits for them.
pub(super) fn disown_children(disown: bool) -> io::Result<()> {
    let disposition = if disown { libc::SIG_IGN } else { libc::SIG_DFL };
    // SAFETY: neither disposition is a function.
    match unsafe { libc::signal(libc::SIGCHLD, disposition) } {
        libc::SIG_ERR => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Registers a descriptor with the event loop, for reading.
pub(super) fn readable(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: nothing else can close it as long as it is owned here, and it is always the same one.
    unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) }.map_err(Into::into)
}

/// Leaves the namespaces named by `flags` for new ones.
pub(super) fn unshare(flags: UnshareFlags) -> io::Result<()> {
    // SAFETY: the flag that makes this unsafe, CLONE_FILES, is never passed.
    unsafe { rustix::thread::unshare_unsafe(flags.difference(UnshareFlags::FILES)) }.map_err(Into::into)
}

/// Runs `last` in the child, right before it becomes the command.
pub(super) fn before_exec(
    command: &mut Command,
    last: impl FnMut() -> io::Result<()> + Send + Sync + 'static,
) {
    // SAFETY: the init has a single thread, so nothing can be left locked in the child.
    unsafe { command.pre_exec(last) };
}

/// Sets attributes of the mount `tree` and, when `recursive`, of every mount below it.
pub(super) fn set_mount_attributes(tree: BorrowedFd<'_>, set: u64, recursive: bool) -> io::Result<()> {
    let attributes =
        libc::mount_attr { attr_set: set, attr_clr: 0, propagation: libc::MS_PRIVATE, userns_fd: 0 };
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is an empty C string and the structure is passed with its own size.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Kills every process of the PID namespace but this one, which must be its first.
pub(super) fn kill_namespace() -> io::Result<()> {
    if std::process::id() != 1 {
        return Err(io::Error::other("not the first process of its namespace"));
    }
    // SAFETY: no memory is involved, and as the first process of a namespace it reaches nothing outside.
    match unsafe { libc::kill(-1, libc::SIGKILL) } {
        0 => Ok(()),
        _ if io::Error::last_os_error().raw_os_error() == Some(libc::ESRCH) => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
