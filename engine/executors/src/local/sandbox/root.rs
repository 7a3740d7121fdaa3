//! Building the root file system of a process. Everything happens in the init's own mount namespace.

use super::order::{Base, MemoryFile, Mounted, NewRoot, Source};
use super::place::{Kind, link, open_root, place, write};
use super::{OUTSIDE_ID, sys};
use rustix::fs::{Gid, Uid, fchown};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create,
    fsconfig_set_string, fsmount, fsopen, mount, move_mount, open_tree,
};
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

const RDONLY: u64 = libc::MOUNT_ATTR_RDONLY;
const NOSUID: u64 = libc::MOUNT_ATTR_NOSUID;
const NODEV: u64 = libc::MOUNT_ATTR_NODEV;
const NOEXEC: u64 = libc::MOUNT_ATTR_NOEXEC;

/// A step that failed: which, and why.
pub(super) type Step<T> = Result<T, String>;

/// Builds the root and answers it, opened.
pub(super) fn build(order: &NewRoot, privileged: bool) -> Step<OwnedFd> {
    let root = stand(order, privileged)?;
    if matches!(order.base, Base::Empty | Base::Standing) {
        sys::set_mount_attributes(root.as_fd(), RDONLY | NOSUID | NODEV, false)
            .map_err(|e| format!("its root cannot be made read-only: {e}"))?;
    }
    Ok(root)
}

/// Puts into a root what the order says, and answers it, opened. More can be put into it.
pub(super) fn stand(order: &NewRoot, privileged: bool) -> Step<OwnedFd> {
    base(order, privileged).map_err(|e| format!("its root cannot be made: {e}"))?;
    let root = open_root(&order.at).map_err(|e| format!("its root cannot be opened: {e}"))?;
    for (path, target) in &order.links {
        link(root.as_fd(), path, target).map_err(|e| format!("the link `{path}` cannot be made: {e}"))?;
    }
    for mounted in &order.mounts {
        mount_one(root.as_fd(), mounted, privileged)
            .map_err(|e| format!("nothing can be mounted at `{}`: {e}", mounted.path))?;
    }
    if !order.files.is_empty() {
        memory_files(root.as_fd(), order, privileged)?;
    }
    Ok(root)
}

fn base(order: &NewRoot, privileged: bool) -> io::Result<()> {
    let on = open_root(&order.at)?;
    match &order.base {
        Base::Standing => Ok(()),
        Base::Empty => attach(&tmpfs("8m", 0)?, on.as_fd()),
        Base::Overlay { lower, upper, work } => overlay(on.as_fd(), lower, upper, work, privileged),
        Base::Directory(from) => attach(&bound(from, NOSUID | NODEV)?, on.as_fd()),
    }
}

fn mount_one(root: BorrowedFd<'_>, mounted: &Mounted, privileged: bool) -> io::Result<()> {
    match &mounted.source {
        Source::Bind { from, writable } => {
            let kind = if from.is_dir() { Kind::Folder } else { Kind::File };
            let attributes = NOSUID | NODEV | if *writable { 0 } else { RDONLY };
            attach(&bound(from, attributes)?, place(root, &mounted.path, kind)?.as_fd())
        }
        Source::Overlay { lower, upper, work } => {
            overlay(place(root, &mounted.path, Kind::Folder)?.as_fd(), lower, upper, work, privileged)
        }
        Source::Processes => processes(root, &mounted.path),
        Source::Devices => devices(root, &mounted.path),
    }
}

/// A detached copy of a directory or file of this machine, with everything mounted below it.
fn bound(from: &Path, attributes: u64) -> io::Result<OwnedFd> {
    let flags =
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    let tree = open_tree(rustix::fs::CWD, from, flags)?;
    sys::set_mount_attributes(tree.as_fd(), attributes, true)?;
    Ok(tree)
}

fn attach(tree: &OwnedFd, on: BorrowedFd<'_>) -> io::Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    Ok(move_mount(tree, "", on, "", flags)?)
}

fn file_system(kind: &str, options: &[(&str, &str)], attributes: MountAttrFlags) -> io::Result<OwnedFd> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, value) in options {
        fsconfig_set_string(context.as_fd(), *key, *value)?;
    }
    fsconfig_create(context.as_fd())?;
    Ok(fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)?)
}

fn tmpfs(size: &str, extra: u64) -> io::Result<OwnedFd> {
    let attributes = MountAttrFlags::from_bits_retain((NOSUID | NODEV | extra) as u32);
    file_system("tmpfs", &[("mode", "0755"), ("size", size)], attributes)
}

fn overlay(on: BorrowedFd<'_>, lower: &Path, upper: &Path, work: &Path, privileged: bool) -> io::Result<()> {
    let mut data = b"lowerdir=".to_vec();
    data.extend(escaped(lower));
    data.extend(b",upperdir=");
    data.extend(escaped(upper));
    data.extend(b",workdir=");
    data.extend(escaped(work));
    if !privileged {
        data.extend(b",userxattr");
    }
    let data = CString::new(data)?;
    let on = format!("/proc/self/fd/{}", on.as_raw_fd());
    Ok(mount("overlay", on, "overlay", MountFlags::NOSUID | MountFlags::NODEV, Some(data.as_c_str()))?)
}

/// A path as the options of an overlay take it.
fn escaped(path: &Path) -> Vec<u8> {
    let mut out = Vec::new();
    for byte in path.as_os_str().as_bytes() {
        if matches!(byte, b'\\' | b':' | b',') {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out
}

/// The processes of the task; the kernel's settings in it are read-only whoever owns them.
fn processes(root: BorrowedFd<'_>, path: &str) -> io::Result<()> {
    let attributes = MountAttrFlags::from_bits_retain((NOSUID | NODEV | NOEXEC) as u32);
    attach(&file_system("proc", &[], attributes)?, place(root, path, Kind::Folder)?.as_fd())?;
    for name in ["sys", "sysrq-trigger", "irq", "bus"] {
        let Ok(on) = place(root, &format!("{path}/{name}"), Kind::File) else { continue };
        let flags =
            OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
        let copy = open_tree(&on, "", flags)?;
        sys::set_mount_attributes(copy.as_fd(), RDONLY | NOSUID | NODEV | NOEXEC, false)?;
        attach(&copy, on.as_fd())?;
    }
    Ok(())
}

fn devices(root: BorrowedFd<'_>, path: &str) -> io::Result<()> {
    attach(&tmpfs("1m", NOEXEC)?, place(root, path, Kind::Folder)?.as_fd())?;
    for name in ["null", "zero", "full", "random", "urandom", "tty"] {
        let on = place(root, &format!("{path}/{name}"), Kind::File)?;
        attach(&bound(&PathBuf::from("/dev").join(name), NOSUID | NOEXEC)?, on.as_fd())?;
    }
    let shared = [("mode", "1777"), ("size", "256m")];
    let flags = MountAttrFlags::from_bits_retain((NOSUID | NODEV) as u32);
    attach(
        &file_system("tmpfs", &shared, flags)?,
        place(root, &format!("{path}/shm"), Kind::Folder)?.as_fd(),
    )?;
    let terminals = [("newinstance", ""), ("ptmxmode", "0666"), ("mode", "0620")];
    let flags = MountAttrFlags::from_bits_retain((NOSUID | NOEXEC) as u32);
    attach(&terminals_of(&terminals, flags)?, place(root, &format!("{path}/pts"), Kind::Folder)?.as_fd())?;
    let links = [
        ("ptmx", "pts/ptmx"),
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ];
    links.iter().try_for_each(|(name, target)| link(root, &format!("{path}/{name}"), target))
}

fn terminals_of(options: &[(&str, &str)], attributes: MountAttrFlags) -> io::Result<OwnedFd> {
    let context = fsopen("devpts", FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, value) in options {
        if value.is_empty() {
            rustix::mount::fsconfig_set_flag(context.as_fd(), *key)?;
        } else {
            fsconfig_set_string(context.as_fd(), *key, *value)?;
        }
    }
    fsconfig_create(context.as_fd())?;
    Ok(fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)?)
}

/// Puts the files into memory beside the root, and mounts each at its path.
fn memory_files(root: BorrowedFd<'_>, order: &NewRoot, privileged: bool) -> Step<()> {
    let beside = memory_beside(&order.at);
    let memory = tmpfs("64m", NOEXEC)
        .and_then(|memory| attach(&memory, open_root(&beside)?.as_fd()))
        .and_then(|()| open_root(&beside))
        .map_err(|e| format!("its files cannot be held in memory: {e}"))?;
    for (index, file) in order.files.iter().enumerate() {
        memory_file(root, &beside, memory.as_fd(), (index, file), privileged)
            .map_err(|e| format!("the file `{}` cannot be made: {e}", file.path))?;
    }
    Ok(())
}

fn memory_file(
    root: BorrowedFd<'_>,
    beside: &Path,
    memory: BorrowedFd<'_>,
    (index, file): (usize, &MemoryFile),
    privileged: bool,
) -> io::Result<()> {
    let name = index.to_string();
    let written = write(memory, &name, &file.bytes.0, 0o400)?;
    if privileged {
        fchown(&written, Some(Uid::from_raw(OUTSIDE_ID)), Some(Gid::from_raw(OUTSIDE_ID)))?;
    }
    let tree = bound(&beside.join(name), RDONLY | NOSUID | NODEV)?;
    attach(&tree, place(root, &file.path, Kind::File)?.as_fd())
}

/// The directory beside a root on which its files in memory are mounted.
pub(crate) fn memory_beside(at: &Path) -> PathBuf {
    let mut name = at.as_os_str().to_owned();
    name.push(".memory");
    name.into()
}
