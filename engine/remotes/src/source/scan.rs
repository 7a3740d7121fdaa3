use super::git;
use super::listing::Entry;
use super::tree::TreeLimits;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;
use stageway_ports::SourceError;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// Folders lie in each other this deep.
const MAX_DEPTH: usize = 128;

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A file, as it was when it was looked at.
    File(Stamp),
    /// A link with its target.
    Link(String),
    /// A folder that stands for itself: an empty one, or a submodule that is not checked out.
    Folder,
    /// A folder that is a repository of its own.
    Repository,
}

/// What changes whenever the bytes of a file do. Times are nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) size: u64,
    pub(super) modified: i128,
    pub(super) changed: i128,
    pub(super) inode: u64,
    pub(super) device: u64,
    pub(super) executable: bool,
}

impl Stamp {
    pub(super) fn of(stat: &Stat) -> Self {
        let at =
            |seconds: i64, nanoseconds: u64| i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds);
        Self {
            size: u64::try_from(stat.st_size).unwrap_or(0),
            modified: at(stat.st_mtime, stat.st_mtime_nsec),
            changed: at(stat.st_ctime, stat.st_ctime_nsec),
            inode: stat.st_ino,
            device: stat.st_dev,
            executable: stat.st_mode & 0o100 != 0,
        }
    }
}

/// Looks at paths beneath a folder without ever following a link, and counts against the limits.
pub(super) struct Scanner {
    root: OwnedFd,
    shown: PathBuf,
    limits: TreeLimits,
    files: usize,
    bytes: u64,
}

/// Opens a path beneath a folder; a link anywhere on the way is an error.
pub(super) fn open_beneath(root: &OwnedFd, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let path = if path.is_empty() { b".".as_slice() } else { path };
    rustix::fs::openat2(root, OsStr::from_bytes(path), flags | OFlags::CLOEXEC, Mode::empty(), resolve)
}

/// Opens the folder that everything is looked up in.
pub(super) fn open_root(root: &Path) -> Result<OwnedFd, SourceError> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(root, flags, Mode::empty()).map_err(|error| unreadable(root, error))
}

pub(super) fn unreadable(path: &Path, error: Errno) -> SourceError {
    SourceError::Unavailable(format!("{}: {error}", path.display()))
}

impl Scanner {
    pub(super) fn open(root: &Path, limits: TreeLimits) -> Result<Self, SourceError> {
        Ok(Self { root: open_root(root)?, shown: root.to_owned(), limits, files: 0, bytes: 0 })
    }

    /// What stands at these paths. One that is not there any more, or beyond a link, is left out, as git sees it.
    pub(super) fn look(&mut self, paths: &BTreeSet<Vec<u8>>) -> Result<Vec<Entry>, SourceError> {
        let mut entries = Vec::with_capacity(paths.len());
        let mut parent: Option<(Vec<u8>, Option<OwnedFd>)> = None;
        for path in paths {
            let (folder, name) = split(path);
            if parent.as_ref().is_none_or(|(known, _)| known != folder) {
                parent = Some((folder.to_vec(), self.folder(folder)?));
            }
            let Some((_, Some(fd))) = &parent else { continue };
            if let Some(kind) = self.kind(fd, name, path)? {
                entries.push(Entry { path: git::text(path, "path")?, kind });
            }
        }
        Ok(entries)
    }

    /// Everything below the folder but what is called `.git`; an empty folder stands for itself.
    pub(super) fn walk(&mut self) -> Result<Vec<Entry>, SourceError> {
        let mut entries = Vec::new();
        let mut pending = vec![(Vec::new(), 0)];
        while let Some((folder, depth)) = pending.pop() {
            if depth > MAX_DEPTH {
                let shown = folder.escape_ascii();
                return Err(SourceError::Limit(format!("`{shown}` lies in more than {MAX_DEPTH} folders")));
            }
            let names = self.names(&folder)?;
            if names.is_empty() && !folder.is_empty() {
                entries.push(Entry { path: git::text(&folder, "path")?, kind: Kind::Folder });
            }
            let join = |name: &Vec<u8>| match folder.as_slice() {
                [] => name.clone(),
                folder => [folder, b"/", name].concat(),
            };
            let paths = names.iter().filter(|name| name.as_slice() != b".git").map(join).collect();
            for entry in self.look(&paths)? {
                match entry.kind {
                    Kind::Folder | Kind::Repository => pending.push((entry.path.into_bytes(), depth + 1)),
                    _ => entries.push(entry),
                }
            }
        }
        Ok(entries)
    }

    fn names(&self, folder: &[u8]) -> Result<Vec<Vec<u8>>, SourceError> {
        let shown = self.shown.join(OsStr::from_bytes(folder));
        let failed = |error| unreadable(&shown, error);
        let fd = open_beneath(&self.root, folder, OFlags::RDONLY | OFlags::DIRECTORY).map_err(failed)?;
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::new(fd).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name().to_bytes().to_vec();
            if !matches!(name.as_slice(), b"." | b"..") {
                names.push(name);
            }
        }
        Ok(names)
    }

    /// A folder on the way; none where there is no such folder.
    fn folder(&self, path: &[u8]) -> Result<Option<OwnedFd>, SourceError> {
        match open_beneath(&self.root, path, OFlags::PATH | OFlags::DIRECTORY) {
            Ok(fd) => Ok(Some(fd)),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            Err(error) => Err(unreadable(&self.shown.join(OsStr::from_bytes(path)), error)),
        }
    }

    fn kind(&mut self, folder: &OwnedFd, name: &[u8], path: &[u8]) -> Result<Option<Kind>, SourceError> {
        let shown = || self.shown.join(OsStr::from_bytes(path));
        let name = OsStr::from_bytes(name);
        let stat = match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
            Err(error) => return Err(unreadable(&shown(), error)),
        };
        let kind = match rustix::fs::FileType::from_raw_mode(stat.st_mode) {
            rustix::fs::FileType::RegularFile => Kind::File(Stamp::of(&stat)),
            rustix::fs::FileType::Symlink => {
                let target = rustix::fs::readlinkat(folder, name, Vec::new());
                let target = target.map_err(|error| unreadable(&shown(), error))?;
                Kind::Link(git::text(target.as_bytes(), "link target")?)
            }
            rustix::fs::FileType::Directory => {
                let inner = [name.as_bytes(), b"/.git"].concat();
                let inner = OsStr::from_bytes(&inner);
                let nested = rustix::fs::statat(folder, inner, AtFlags::SYMLINK_NOFOLLOW).is_ok();
                if nested { Kind::Repository } else { Kind::Folder }
            }
            // Sockets, pipes and devices are no part of a tree.
            _ => return Ok(None),
        };
        self.count(&kind, path)?;
        Ok(Some(kind))
    }

    fn count(&mut self, kind: &Kind, path: &[u8]) -> Result<(), SourceError> {
        let TreeLimits { files, bytes, file_bytes } = self.limits;
        self.files += 1;
        if self.files > files {
            return Err(SourceError::Limit(format!("the tree has more than {files} files")));
        }
        if let Kind::File(stamp) = kind {
            if stamp.size > file_bytes {
                let (path, size) = (path.escape_ascii(), stamp.size);
                let problem = format!("`{path}` has {size} bytes; at most {file_bytes} are taken");
                return Err(SourceError::Limit(problem));
            }
            self.bytes = self.bytes.saturating_add(stamp.size);
            if self.bytes > bytes {
                return Err(SourceError::Limit(format!(
                    "the files of the tree have more than {bytes} bytes"
                )));
            }
        }
        Ok(())
    }
}

fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|b| *b == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b"", path),
    }
}
