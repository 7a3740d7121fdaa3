//! Making the namespaces of a task, and saying what to do where they are forbidden.

use super::sys::unshare;
use super::{INSIDE_ID, OUTSIDE_ID, sys};
use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::thread::{CapabilitySet, UnshareFlags};
use std::fs;
use std::io;

/// The name that this machine has for its tasks.
const HOST_NAME: &str = "task";

/// A namespace that could not be made.
pub(super) struct Forbidden {
    pub problem: String,
    pub remedy: String,
}

/// Whether this process may make namespaces without a user namespace, and give files and processes to [`OUTSIDE_ID`]. Root of
/// a container that has its own range of ids may not.
pub(in crate::local) fn privileged() -> bool {
    let needed =
        CapabilitySet::SYS_ADMIN | CapabilitySet::SETUID | CapabilitySet::SETGID | CapabilitySet::CHOWN;
    rustix::process::geteuid().is_root()
        && rustix::thread::capabilities(None).is_ok_and(|sets| sets.effective.contains(needed))
        && ["/proc/self/uid_map", "/proc/self/gid_map"]
            .iter()
            .all(|map| fs::read_to_string(map).is_ok_and(|map| has_id(&map, OUTSIDE_ID)))
}

/// Whether an id is mapped: each line has the first id inside, the first one outside, and how many.
fn has_id(map: &str, id: u32) -> bool {
    map.lines().any(|line| {
        let mut numbers = line.split_ascii_whitespace().map(str::parse::<u64>);
        match (numbers.next(), numbers.nth(1)) {
            (Some(Ok(first)), Some(Ok(count))) => (first..first + count).contains(&u64::from(id)),
            _ => false,
        }
    })
}

/// Leaves the machine's namespaces; the PID namespace begins with the next child.
pub(super) fn leave(privileged: bool) -> Result<(), Forbidden> {
    if !privileged {
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        unshare(UnshareFlags::NEWUSER).and_then(|()| map_ids(uid, gid)).map_err(user_namespaces)?;
    }
    let flags = UnshareFlags::NEWNS
        | UnshareFlags::NEWPID
        | UnshareFlags::NEWNET
        | UnshareFlags::NEWIPC
        | UnshareFlags::NEWUTS
        | UnshareFlags::NEWCGROUP;
    sys::unshare(flags).map_err(|error| Forbidden {
        problem: format!("namespaces for mounts, processes and the network cannot be made: {error}"),
        remedy: remedy(),
    })
}

/// What the first process of the namespaces does in them: nothing it mounts is seen outside, and loopback is up.
pub(super) fn settle() -> io::Result<()> {
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    rustix::system::sethostname(HOST_NAME.as_bytes())?;
    loopback_up()
}

/// Maps the ids of a task in a user namespace that this process has just made.
pub(super) fn map_ids(uid: u32, gid: u32) -> io::Result<()> {
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("{INSIDE_ID} {uid} 1"))?;
    fs::write("/proc/self/gid_map", format!("{INSIDE_ID} {gid} 1"))
}

/// Says which setting of this machine forbids user namespaces.
pub(super) fn user_namespaces(error: io::Error) -> Forbidden {
    Forbidden { problem: format!("user namespaces cannot be made: {error}"), remedy: remedy() }
}

fn remedy() -> String {
    let is = |path: &str, value: &str| fs::read_to_string(path).is_ok_and(|text| text.trim() == value);
    let setting = if is("/proc/sys/kernel/unprivileged_userns_clone", "0") {
        "`sysctl kernel.unprivileged_userns_clone=1` allows them"
    } else if is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1") {
        "`sysctl kernel.apparmor_restrict_unprivileged_userns=0`, or an AppArmor profile with `userns` for this \
         executable, allows them"
    } else if is("/proc/sys/user/max_user_namespaces", "0") {
        "`sysctl user.max_user_namespaces=15000` allows them"
    } else {
        "in a container, allow `unshare` and `mount` (for example `--security-opt seccomp=unconfined \
         --security-opt apparmor=unconfined`)"
    };
    format!("{setting}; where the tasks are trusted, `--no-sandbox` runs them without a sandbox")
}

/// Sends RTM_NEWLINK for interface 1 with IFF_UP and reads the answer.
fn loopback_up() -> io::Result<()> {
    let socket = rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        None, // NETLINK_ROUTE
    )?;
    const NEWLINK: u16 = 16;
    const REQUEST_WITH_ANSWER: u16 = 1 | 4;
    const UP: u32 = 1;
    let mut message = Vec::with_capacity(32);
    message.extend(32_u32.to_ne_bytes());
    message.extend(NEWLINK.to_ne_bytes());
    message.extend(REQUEST_WITH_ANSWER.to_ne_bytes());
    message.extend([0; 8]); // sequence number and port
    message.extend([0; 4]); // family, padding and type
    message.extend(1_u32.to_ne_bytes());
    message.extend(UP.to_ne_bytes());
    message.extend(UP.to_ne_bytes());
    rustix::net::send(&socket, &message, SendFlags::empty())?;
    let mut answer = [0_u8; 256];
    let (_, length) = rustix::net::recv(&socket, &mut answer[..], RecvFlags::empty())?;
    match answer.get(16..20).filter(|_| length >= 20) {
        Some(code) => match i32::from_ne_bytes([code[0], code[1], code[2], code[3]]) {
            0 => Ok(()),
            error => Err(io::Error::from_raw_os_error(-error)),
        },
        None => Err(io::Error::other("the kernel's answer is too short")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_mapped_by_its_range() {
        assert!(has_id("         0          0 4294967295\n", OUTSIDE_ID));
        assert!(!has_id("0 100000 65536\n", OUTSIDE_ID));
        assert!(has_id("0 1000 1\n1 100000 65536", 65536));
        assert!(!has_id("", 0));
    }
}
