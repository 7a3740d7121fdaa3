//! Finding and making places inside a root that somebody else may have filled: links are resolved inside it.

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, mkdirat, openat, openat2};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// What a place must be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Folder,
    File,
}

/// Opens a directory of this machine as a root.
pub(super) fn open_root(path: &Path) -> io::Result<OwnedFd> {
    Ok(openat(CWD, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

/// Opens `path` inside `root`, for mounting on it; what is missing is made.
pub(super) fn place(root: BorrowedFd<'_>, path: &str, kind: Kind) -> io::Result<OwnedFd> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    let mut prefix = String::new();
    let mut current = inside(root, ".")?;
    for (index, part) in parts.iter().enumerate() {
        let parent = current;
        prefix = if prefix.is_empty() { (*part).to_owned() } else { format!("{prefix}/{part}") };
        let last = index + 1 == parts.len();
        current = match inside(root, &prefix) {
            Err(Errno::NOENT) => {
                make(parent.as_fd(), part, if last { kind } else { Kind::Folder })?;
                inside(root, &prefix)?
            }
            other => other?,
        };
    }
    Ok(current)
}

/// Makes a symbolic link inside `root`, unless something stands there.
pub(super) fn link(root: BorrowedFd<'_>, path: &str, target: &str) -> io::Result<()> {
    let (parent, name) = path.trim_end_matches('/').rsplit_once('/').unwrap_or(("", path));
    let parent = place(root, parent, Kind::Folder)?;
    match rustix::fs::symlinkat(target, &parent, name) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Writes a new file below an open directory.
pub(super) fn write(directory: BorrowedFd<'_>, name: &str, bytes: &[u8], mode: u32) -> io::Result<File> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(openat(directory, name, flags, Mode::from_raw_mode(mode))?);
    file.write_all(bytes)?;
    Ok(file)
}

fn inside(root: BorrowedFd<'_>, path: &str) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    openat2(root, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve)
}

fn make(parent: BorrowedFd<'_>, name: &str, kind: Kind) -> io::Result<()> {
    let made = match kind {
        Kind::Folder => mkdirat(parent, name, Mode::from_raw_mode(0o755)),
        Kind::File => {
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            openat(parent, name, flags, Mode::from_raw_mode(0o644)).map(drop)
        }
    };
    match made {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
