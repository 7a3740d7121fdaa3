//! What a process gives up right before it becomes the command of a task.

use super::namespaces::map_ids;
use super::order::ProcessLimits;
use super::seccomp::Filters;
use super::{OUTSIDE_ID, sys};
use rustix::mount::{UnmountFlags, unmount};
use rustix::process::{DumpableBehavior, Resource, Rlimit, pivot_root, set_dumpable_behavior, setrlimit};
use rustix::thread::{CapabilitySet, CapabilitySets, UnshareFlags};
use std::io;
use std::path::Path;

/// Makes `root` the root, for this process alone.
pub(super) fn enter_root(root: &Path) -> io::Result<()> {
    sys::unshare(UnshareFlags::NEWNS)?;
    rustix::process::chdir(root)?;
    // The old root lands on top of the new one and is taken off, so no directory for it is needed.
    pivot_root(".", ".")?;
    unmount(".", UnmountFlags::DETACH)?;
    Ok(())
}

/// Becomes a user that owns nothing, in a user namespace where it has the uid that it also has without privileges.
pub(super) fn become_nobody() -> io::Result<()> {
    use rustix::process::{Gid, Uid};
    let (uid, gid) = (Uid::from_raw(OUTSIDE_ID), Gid::from_raw(OUTSIDE_ID));
    rustix::thread::set_thread_groups(&[])?;
    rustix::thread::set_thread_res_gid(gid, gid, gid)?;
    rustix::thread::set_thread_res_uid(uid, uid, uid)?;
    // Changing the uid made `/proc/self` root's.
    set_dumpable_behavior(DumpableBehavior::Dumpable)?;
    sys::unshare(UnshareFlags::NEWUSER)?;
    map_ids(OUTSIDE_ID, OUTSIDE_ID)
}

/// Gives up every capability, and any way to get one back.
pub(super) fn drop_capabilities() -> io::Result<()> {
    for number in 0..64 {
        match rustix::thread::remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(
            1 << number,
        )) {
            Ok(()) => {}
            Err(rustix::io::Errno::INVAL) => break,
            Err(error) => return Err(error.into()),
        }
    }
    rustix::thread::clear_ambient_capability_set()?;
    rustix::thread::set_no_new_privs(true)?;
    let none = CapabilitySet::empty();
    let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
    rustix::thread::set_capabilities(None, sets)?;
    Ok(())
}

/// Sets the bounds that the kernel keeps per process.
pub(super) fn set_limits(limits: ProcessLimits) -> io::Result<()> {
    let bound = |value: u64| Rlimit { current: Some(value), maximum: Some(value) };
    setrlimit(Resource::Core, bound(0))?;
    if let Some(processes) = limits.processes {
        setrlimit(Resource::Nproc, bound(processes))?;
    }
    if let Some(bytes) = limits.address_space {
        setrlimit(Resource::As, bound(bytes))?;
    }
    Ok(())
}

/// Installs the filter of system calls; the last thing of all.
pub(super) fn filter(filters: &Filters) -> io::Result<()> {
    filters.install()
}
