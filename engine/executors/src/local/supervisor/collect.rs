//! What a task leaves: opened beneath its root, following no link out.

use futures::stream::{self, TryStreamExt};
use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags, fstat, openat, openat2, readlinkat, statat,
};
use rustix::io::Errno;
use stageway_core::call::Content;
use stageway_core::task::Collected;
use stageway_core::workspace::{Node, Tree, WorkspacePath};
use stageway_ports::Blobs;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// The most entries of a collected folder.
const ENTRIES: usize = 500_000;

/// Files stored at the same time.
const AT_ONCE: usize = 8;

/// Where paths may be collected from.
pub(super) struct Places<'a> {
    /// Where the workspace was mounted, and where it lies.
    pub workspace: Option<(&'a str, &'a Path)>,
    /// The root of the task's process; none without a sandbox, and then only the workspace is.
    pub root: Option<&'a OwnedFd>,
}

impl Places<'_> {
    fn open(&self, path: &str) -> Result<OwnedFd, String> {
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

    fn start<'p>(&self, path: &'p str) -> Result<(OwnedFd, &'p str), String> {
        let opened = |path: &Path| {
            openat(CWD, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
                .map_err(|error| format!("the workspace cannot be opened: {error}"))
        };
        if let Some((mount, lies)) = self.workspace {
            if !path.starts_with('/') {
                return Ok((opened(lies)?, path));
            }
            match path.strip_prefix(mount) {
                Some(rest) if rest.is_empty() || rest.starts_with('/') => {
                    return Ok((opened(lies)?, rest.trim_start_matches('/')));
                }
                _ => {}
            }
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

/// Reads at most `max` bytes of a file as text.
pub(super) fn message(places: &Places<'_>, path: &str, max: usize) -> Result<String, String> {
    let opened = places.open(path)?;
    if kind(opened.as_fd())? != FileType::RegularFile {
        return Err("it is not a file".into());
    }
    let mut bytes = Vec::new();
    File::from(opened).take(max as u64).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Collects a file or folder, with at most `budget` bytes, which become fewer.
///
/// # Errors
/// Why there is nothing, for the ending.
pub(super) async fn one(
    blobs: &dyn Blobs,
    places: &Places<'_>,
    path: &str,
    budget: &mut u64,
) -> Result<Collected, String> {
    let opened = places.open(path)?;
    match kind(opened.as_fd())? {
        FileType::RegularFile => {
            let (content, executable) = store(blobs, opened, budget).await?;
            Ok(Collected::File { content, executable })
        }
        FileType::Directory => folder(blobs, opened, budget).await,
        _ => Err("it is neither a file nor a folder".into()),
    }
}

fn kind(fd: BorrowedFd<'_>) -> Result<FileType, String> {
    fstat(fd).map(|stat| FileType::from_raw_mode(stat.st_mode)).map_err(|e| e.to_string())
}

async fn store(blobs: &dyn Blobs, opened: OwnedFd, budget: &mut u64) -> Result<(Content, bool), String> {
    let stat = fstat(&opened).map_err(|e| e.to_string())?;
    spend(budget, stat.st_size.unsigned_abs())?;
    put(blobs, opened, stat.st_mode & 0o111 != 0).await
}

async fn put(blobs: &dyn Blobs, opened: OwnedFd, executable: bool) -> Result<(Content, bool), String> {
    // The very file that was checked, whatever stands at its path by now.
    let path = PathBuf::from(format!("/proc/self/fd/{}", opened.as_raw_fd()));
    let content = blobs.put_file(&path).await.map_err(|e| e.to_string())?;
    drop(opened);
    Ok((content, executable))
}

fn spend(budget: &mut u64, bytes: u64) -> Result<(), String> {
    *budget = budget.checked_sub(bytes).ok_or("more is collected than the limit `collect-bytes` allows")?;
    Ok(())
}

async fn folder(blobs: &dyn Blobs, root: OwnedFd, budget: &mut u64) -> Result<Collected, String> {
    let (root, entries) = tokio::task::spawn_blocking(move || entries(&root).map(|entries| (root, entries)))
        .await
        .map_err(|e| e.to_string())??;
    let (files, others): (Vec<_>, Vec<_>) =
        entries.into_iter().partition(|(_, entry)| matches!(entry, Entry::File { .. }));
    let sizes = files.iter().map(|(_, entry)| if let Entry::File { size } = entry { *size } else { 0 });
    spend(budget, sizes.sum())?;
    let root = &root;
    let stored = stream::iter(files.into_iter().map(Ok::<_, String>)).map_ok(|(path, _)| async move {
        let opened =
            beneath(root.as_fd(), path.as_str(), OFlags::NONBLOCK).map_err(|e| format!("`{path}`: {e}"))?;
        let stat = fstat(&opened).map_err(|e| e.to_string())?;
        let (content, executable) = put(blobs, opened, stat.st_mode & 0o111 != 0).await?;
        Ok((path, Node::File { content, executable }))
    });
    let mut nodes: Vec<(WorkspacePath, Node)> = stored.try_buffer_unordered(AT_ONCE).try_collect().await?;
    nodes.extend(others.into_iter().filter_map(|(path, entry)| match entry {
        Entry::Link { target } => Some((path, Node::Link { target })),
        Entry::Folder => Some((path, Node::Folder)),
        Entry::File { .. } => None,
    }));
    let tree: Tree = nodes.into_iter().collect();
    let content = blobs.put(tree.encode()).await.map_err(|e| e.to_string())?;
    Ok(Collected::Tree { digest: content.digest, size: tree.size() })
}

enum Entry {
    File { size: u64 },
    Link { target: String },
    Folder,
}

fn beneath(root: BorrowedFd<'_>, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat2(root, path, flags, Mode::empty(), ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS)
}

/// Everything below a folder; sockets, fifos and devices are left out, and folders that hold something follow from it.
fn entries(root: &OwnedFd) -> Result<Vec<(WorkspacePath, Entry)>, String> {
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
                FileType::RegularFile => Entry::File { size: stat.st_size.unsigned_abs() },
                FileType::Symlink => Entry::Link { target: target(opened.as_fd(), name)? },
                FileType::Directory => {
                    open.push(path);
                    continue;
                }
                _ => continue,
            };
            found.push((WorkspacePath::new(path).map_err(|e| e.to_string())?, entry));
        }
        if empty && !folder.is_empty() {
            found.push((WorkspacePath::new(folder).map_err(|e| e.to_string())?, Entry::Folder));
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
