use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags, fstat, openat, openat2, readlinkat, statat,
};
use rustix::io::Errno;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// The most entries of a collected folder.
pub const ENTRIES: usize = 500_000;

/// Where paths may be collected from.
pub struct Places<'a> {
    /// Where the workspace was mounted, and where it lies.
    pub workspace: Option<(&'a str, &'a Path)>,
    /// The root of the task's process; none where only the workspace is at hand.
    pub root: Option<&'a OwnedFd>,
}

/// The part of a path below the mount point of a workspace; a relative path lies in it. None is elsewhere.
pub fn inside<'p>(mount: &str, path: &'p str) -> Option<&'p str> {
    if !path.starts_with('/') {
        return Some(path);
    }
    let rest = path.strip_prefix(mount)?;
    (rest.is_empty() || rest.starts_with('/')).then(|| rest.trim_start_matches('/'))
}

impl Places<'_> {
    /// Opens a path beneath its root; links on its way lead nowhere else.
    ///
    /// # Errors
    /// Why there is nothing, for the ending.
    pub fn open(&self, path: &str) -> Result<OwnedFd, String> {
        let (start, rest) = self.start(path)?;
        let rest = if rest.is_empty() { "." } else { rest };
        // Without blocking, because a fifo may stand there.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        openat2(start, rest, flags, Mode::empty(), resolve).map_err(|error| match error {
            Errno::XDEV => "it lies outside, or a link on its way leads outside".to_owned(),
            Errno::NOENT | Errno::NOTDIR => "it is not there".to_owned(),
            Errno::LOOP => "links on its way lead nowhere".to_owned(),
            other => other.to_string(),
        })
    }

    /// Reads at most `max` bytes of a file as text.
    ///
    /// # Errors
    /// Why there is none.
    pub fn text(&self, path: &str, max: usize) -> Result<String, String> {
        let opened = self.open(path)?;
        if kind(opened.as_fd())? != FileType::RegularFile {
            return Err("it is not a file".into());
        }
        let mut bytes = Vec::new();
        File::from(opened).take(max as u64).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn start<'p>(&self, path: &'p str) -> Result<(OwnedFd, &'p str), String> {
        if let Some((mount, lies)) = self.workspace
            && let Some(rest) = inside(mount, path)
        {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let opened = openat(CWD, lies, flags, Mode::empty());
            return opened
                .map(|opened| (opened, rest))
                .map_err(|error| format!("the workspace cannot be opened: {error}"));
        }
        let rest = path.trim_start_matches('/');
        let top = rest.split('/').next().unwrap_or_default();
        match self.root {
            Some(_) if ["proc", "dev"].contains(&top) => Err(format!("nothing is collected from /{top}")),
            Some(root) => Ok((root.try_clone().map_err(|e| e.to_string())?, rest)),
            None => Err("it lies outside of the workspace".into()),
        }
    }
}

/// What stands in a collected folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A file.
    File {
        /// In bytes.
        size: u64,
        /// Whether it may be executed.
        executable: bool,
    },
    /// A symbolic link, not followed.
    Link {
        /// As written.
        target: String,
    },
    /// A folder with nothing in it.
    Folder,
}

/// What is open.
///
/// # Errors
/// The system's words.
pub fn kind(fd: BorrowedFd<'_>) -> Result<FileType, String> {
    fstat(fd).map(|stat| FileType::from_raw_mode(stat.st_mode)).map_err(|e| e.to_string())
}

/// Opens a path of a folder, following no link at all.
///
/// # Errors
/// The system's.
pub fn beneath(root: BorrowedFd<'_>, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat2(root, path, flags, Mode::empty(), ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS)
}

/// Everything below a folder, by path; sockets, fifos and devices are left out, and folders that hold something follow from it.
///
/// # Errors
/// Why it cannot be collected: a name that is not UTF-8, more than [`ENTRIES`] of them, or the system's words.
pub fn entries(root: &OwnedFd) -> Result<Vec<(String, Entry)>, String> {
    let (mut found, mut open) = (Vec::new(), vec![String::new()]);
    while let Some(folder) = open.pop() {
        let at = if folder.is_empty() { "." } else { &folder };
        let named = |error: Errno| format!("`{at}`: {error}");
        let opened = beneath(root.as_fd(), at, OFlags::DIRECTORY).map_err(named)?;
        let mut empty = true;
        for entry in Dir::read_from(&opened).map_err(named)? {
            let name = entry.map_err(named)?.file_name().to_owned();
            if name.as_bytes() == b"." || name.as_bytes() == b".." {
                continue;
            }
            empty = false;
            let name = name.to_str().map_err(|_| format!("`{at}` has a name that is not UTF-8"))?;
            let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
            let stat = statat(&opened, name, AtFlags::SYMLINK_NOFOLLOW).map_err(named)?;
            let entry = match FileType::from_raw_mode(stat.st_mode) {
                FileType::RegularFile => {
                    let executable = stat.st_mode & 0o111 != 0;
                    Entry::File { size: stat.st_size.unsigned_abs(), executable }
                }
                FileType::Symlink => Entry::Link { target: target(opened.as_fd(), name)? },
                FileType::Directory => {
                    open.push(path);
                    continue;
                }
                _ => continue,
            };
            found.push((path, entry));
        }
        if empty && !folder.is_empty() {
            found.push((folder, Entry::Folder));
        }
        if found.len() + open.len() > ENTRIES {
            return Err(format!("it has more than {ENTRIES} entries"));
        }
    }
    Ok(found)
}

fn target(folder: BorrowedFd<'_>, name: &str) -> Result<String, String> {
    let target = readlinkat(folder, name, Vec::new()).map_err(|e| format!("`{name}`: {e}"))?;
    target.into_string().map_err(|_| format!("the target of `{name}` is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_path_is_inside_by_whole_parts() {
        assert_eq!(inside("/workspace", "/workspace/a/b"), Some("a/b"));
        assert_eq!(inside("/workspace", "a/b"), Some("a/b"));
        assert_eq!(inside("/workspace", "/workspace"), Some(""));
        assert_eq!(inside("/workspace", "/workspaces/a"), None);
        assert_eq!(inside("/workspace", "/tmp/a"), None);
    }

    #[test]
    fn links_out_are_not_followed() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("file"), "a").unwrap();
        symlink("/etc/passwd", root.path().join("absolute")).unwrap();
        symlink("../x", root.path().join("up")).unwrap();
        symlink("file", root.path().join("fine")).unwrap();
        let places = Places { workspace: Some(("/workspace", root.path())), root: None };
        assert!(places.open("fine").is_ok() && places.open("/workspace/file").is_ok());
        for path in ["absolute", "up", "../x"] {
            assert!(places.open(path).unwrap_err().contains("outside"), "{path}");
        }
        assert_eq!(places.open("nothing").unwrap_err(), "it is not there");
        assert_eq!(places.open("/tmp/a").unwrap_err(), "it lies outside of the workspace");
    }
}
