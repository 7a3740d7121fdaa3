//! Brings the bytes of what was found into the blobs.

use super::cache::StatCache;
use super::listing::Entry;
use super::scan::{Kind, Stamp, open_beneath, open_root};
use futures::{StreamExt as _, TryStreamExt as _};
use rustix::fd::OwnedFd;
use rustix::fs::OFlags;
use sha2::{Digest as _, Sha256};
use stageway_core::call::Content;
use stageway_core::digest::Digest;
use stageway_core::workspace::{Node, PathError, Tree, WorkspacePath};
use stageway_ports::{BlobError, Blobs, SourceError};
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Up to this size a file is held in memory between hashing and storing.
pub(super) const SMALL: u64 = 1 << 20;
/// Files are read in groups of this many, several groups at a time.
const GROUP: usize = 64;
const GROUP_BYTES: u64 = 8 << 20;
/// A file that changes while it is read is read again this often.
const TRIES: usize = 3;

/// The tree of the entries, with every byte in the blobs.
pub(super) async fn tree(
    root: &Path,
    entries: Vec<Entry>,
    cache: Option<&Path>,
    blobs: &dyn Blobs,
) -> Result<Tree, SourceError> {
    let mut cache = StatCache::load(cache, root);
    let mut nodes = Vec::with_capacity(entries.len());
    let mut files = Vec::new();
    for entry in entries {
        let path = WorkspacePath::new(entry.path).map_err(unsupported)?;
        match entry.kind {
            Kind::File(stamp) => files.push(Wanted { known: cache.get(path.as_str(), &stamp), path, stamp }),
            Kind::Link(target) => nodes.push((path, Node::Link { target })),
            Kind::Folder | Kind::Repository => nodes.push((path, Node::Folder)),
        }
    }
    let root = Arc::new(open_root(root)?);
    let workers = std::thread::available_parallelism().map_or(2, |n| n.get().clamp(2, 8));
    let mut groups = futures::stream::iter(grouped(files))
        .map(|group| store(group, Arc::clone(&root), blobs))
        .buffer_unordered(workers);
    while let Some(stored) = groups.try_next().await? {
        for Stored { path, stamp, digest, read_at } in stored {
            if let Some(now) = read_at {
                cache.put(path.as_str(), stamp, digest, now);
            }
            let content = Content { digest, size: stamp.size };
            nodes.push((path, Node::File { content, executable: stamp.executable }));
        }
    }
    nodes.sort_by(|(a, _), (b, _)| a.cmp(b));
    let tree: Tree = nodes.into_iter().collect();
    cache.save(|path| WorkspacePath::new(path).is_ok_and(|path| tree.get(&path).is_some()));
    Ok(tree)
}

pub(super) fn unsupported(error: PathError) -> SourceError {
    SourceError::Unsupported(error.to_string())
}

pub(super) fn ours(error: BlobError) -> SourceError {
    SourceError::Unavailable(error.to_string())
}

struct Wanted {
    path: WorkspacePath,
    stamp: Stamp,
    known: Option<Digest>,
}

struct Stored {
    path: WorkspacePath,
    stamp: Stamp,
    digest: Digest,
    /// When it was read, in nanoseconds since 1970; none if the cache knew it.
    read_at: Option<i128>,
}

/// A file after reading; its bytes if it is small.
struct Read {
    path: WorkspacePath,
    stamp: Stamp,
    digest: Digest,
    bytes: Option<Vec<u8>>,
    at: i128,
}

fn grouped(files: Vec<Wanted>) -> Vec<Vec<Wanted>> {
    let mut groups = vec![Vec::new()];
    let mut bytes = 0;
    for file in files {
        let full = groups.last().is_none_or(|group: &Vec<Wanted>| group.len() >= GROUP);
        if full || bytes > GROUP_BYTES {
            groups.push(Vec::new());
            bytes = 0;
        }
        bytes += file.stamp.size.min(SMALL);
        if let Some(group) = groups.last_mut() {
            group.push(file);
        }
    }
    groups
}

async fn store(
    files: Vec<Wanted>,
    root: Arc<OwnedFd>,
    blobs: &dyn Blobs,
) -> Result<Vec<Stored>, SourceError> {
    let mut stored = Vec::with_capacity(files.len());
    let mut unread = Vec::new();
    for file in files {
        match file.known {
            Some(digest) if blobs.size(&digest).await.map_err(ours)? == Some(file.stamp.size) => {
                stored.push(Stored { path: file.path, stamp: file.stamp, digest, read_at: None });
            }
            _ => unread.push(file.path),
        }
    }
    let beneath = Arc::clone(&root);
    let read = tokio::task::spawn_blocking(move || {
        unread.into_iter().map(|path| read(&beneath, path)).collect::<Result<Vec<_>, _>>()
    });
    for file in read.await.map_err(|error| SourceError::Unavailable(error.to_string()))?? {
        stored.push(keep(file, &root, blobs).await?);
    }
    Ok(stored)
}

/// Stores what was read, unless the blobs have it.
async fn keep(mut file: Read, root: &OwnedFd, blobs: &dyn Blobs) -> Result<Stored, SourceError> {
    for _ in 0..TRIES {
        let Read { digest, stamp, .. } = file;
        if blobs.size(&digest).await.map_err(ours)? == Some(stamp.size) {
            return Ok(file.stored());
        }
        let content = match file.bytes.take() {
            Some(bytes) => blobs.put(bytes).await.map_err(ours)?,
            None => put_large(root, &file.path, blobs).await?,
        };
        if content == (Content { digest, size: stamp.size }) {
            return Ok(file.stored());
        }
        file = read(root, file.path)?;
    }
    Err(changing(&file.path))
}

/// The open file is named through the kernel, so that what is stored is what was opened beneath the root.
async fn put_large(root: &OwnedFd, path: &WorkspacePath, blobs: &dyn Blobs) -> Result<Content, SourceError> {
    use std::os::fd::AsRawFd as _;
    let file = open(root, path)?;
    let name = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
    blobs.put_file(Path::new(&name)).await.map_err(ours)
}

impl Read {
    fn stored(self) -> Stored {
        Stored { path: self.path, stamp: self.stamp, digest: self.digest, read_at: Some(self.at) }
    }
}

fn changing(path: &WorkspacePath) -> SourceError {
    SourceError::Unavailable(format!("`{path}` changes while it is read; run again when it is at rest"))
}

fn open(root: &OwnedFd, path: &WorkspacePath) -> Result<File, SourceError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let opened = open_beneath(root, path.as_str().as_bytes(), flags);
    opened.map(File::from).map_err(|error| SourceError::Unavailable(format!("`{path}`: {error}")))
}

/// Reads a file that holds still.
fn read(root: &OwnedFd, path: WorkspacePath) -> Result<Read, SourceError> {
    for _ in 0..TRIES {
        let file = open(root, &path)?;
        let failed = |error: std::io::Error| SourceError::Unavailable(format!("`{path}`: {error}"));
        let stamp = |file: &File| {
            rustix::fs::fstat(file).map(|stat| Stamp::of(&stat)).map_err(|error| failed(error.into()))
        };
        let before = stamp(&file)?;
        let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos().cast_signed());
        let (digest, size, bytes) = hash(&file, before.size).map_err(failed)?;
        if size == before.size && stamp(&file)? == before {
            return Ok(Read { path, stamp: before, digest, bytes, at });
        }
    }
    Err(changing(&path))
}

/// Digest and size of at most one byte more than `size`, and the bytes if they are few.
fn hash(mut file: &File, size: u64) -> std::io::Result<(Digest, u64, Option<Vec<u8>>)> {
    if size <= SMALL {
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0) + 1);
        file.take(size + 1).read_to_end(&mut bytes)?;
        return Ok((Digest::of(&bytes), bytes.len() as u64, Some(bytes)));
    }
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    let mut read = 0;
    while read <= size {
        match file.read(&mut buffer)? {
            0 => break,
            n => {
                hasher.update(&buffer[..n]);
                read += n as u64;
            }
        }
    }
    Ok((Digest::from_hash(hasher.finalize().into()), read, None))
}
