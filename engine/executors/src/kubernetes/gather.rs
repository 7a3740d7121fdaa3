//! What a task left, on its way into the blobs.

use super::helper::{limited, line};
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, TryStreamExt};
use stageway_core::call::Content;
use stageway_core::task::Collected;
use stageway_core::workspace::{Node, Tree, WorkspacePath};
use stageway_parcel::ENTRIES;
use stageway_parcel::parcel::{Head, Item, Last};
use stageway_ports::Blobs;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;
use tempfile::NamedTempFile;
use tokio::io::{AsyncBufRead, AsyncReadExt};

/// For how long nothing may move.
const SILENCE: Duration = Duration::from_secs(30);
/// Larger files lie on the disk on their way, in bytes.
const SMALL: u64 = 1 << 20;
/// Small files stored at the same time.
const AT_ONCE: usize = 8;

/// Where what comes goes.
pub(super) struct Gather<'a> {
    pub(super) blobs: &'a dyn Blobs,
    /// The folder for files on their way.
    pub(super) scratch: &'a Path,
}

impl Gather<'_> {
    /// Takes a file or folder with at most `budget` bytes, which become fewer.
    ///
    /// # Errors
    /// The outer one is of the connection or the storage, and trying again may help; the inner one is why there is nothing.
    pub(super) async fn one(
        &self,
        mut from: impl AsyncBufRead + Unpin + Send,
        budget: &mut u64,
    ) -> io::Result<Result<Collected, String>> {
        let over = "more is collected than the limit `collect-bytes` allows";
        match said(&mut from).await? {
            Head::Missing(problem) => Ok(Err(problem)),
            Head::File { size, executable } => {
                let Some(left) = budget.checked_sub(size) else { return Ok(Err(over.into())) };
                let content = self.store(&mut from, size).await?;
                let last: Last = said(&mut from).await?;
                check(&last, &content.digest.hex())?;
                *budget = left;
                Ok(Ok(Collected::File { content, executable }))
            }
            Head::Folder { size, items } => {
                let Some(left) = budget.checked_sub(size) else { return Ok(Err(over.into())) };
                if items > ENTRIES as u64 {
                    return Ok(Err(format!("it has more than {ENTRIES} entries")));
                }
                let collected = self.folder(&mut from, size, items).await?;
                *budget = left;
                Ok(collected)
            }
        }
    }

    async fn folder(
        &self,
        from: &mut (impl AsyncBufRead + Unpin + Send),
        announced: u64,
        items: u64,
    ) -> io::Result<Result<Collected, String>> {
        let (mut tree, mut left, mut storing) = (Vec::new(), announced, FuturesUnordered::new());
        for _ in 0..items {
            let (path, node) = match said(from).await? {
                Item::File { path, size, executable } => {
                    let path = plain(path)?;
                    left = left
                        .checked_sub(size)
                        .ok_or_else(|| io::Error::other("more comes than was announced"))?;
                    if size <= SMALL {
                        let bytes = small(from, size).await?;
                        if storing.len() == AT_ONCE {
                            tree.extend(storing.try_next().await?);
                        }
                        storing.push(stored(self.blobs, path, bytes, executable));
                        continue;
                    }
                    (path, Node::File { content: self.store(from, size).await?, executable })
                }
                Item::Link { path, target } => (plain(path)?, Node::Link { target }),
                Item::Folder { path } => (plain(path)?, Node::Folder),
            };
            tree.push((path, node));
        }
        let last: Last = said(from).await?;
        tree.extend(storing.try_collect::<Vec<_>>().await?);
        let tree: Tree = tree.into_iter().collect();
        let list = tree.encode();
        let content = self.blobs.put(list).await.map_err(io::Error::other)?;
        check(&last, &content.digest.hex())?;
        Ok(Ok(Collected::Tree { digest: content.digest, size: tree.size() }))
    }

    async fn store(&self, from: &mut (impl AsyncBufRead + Unpin + Send), size: u64) -> io::Result<Content> {
        if size <= SMALL {
            let bytes = small(from, size).await?;
            return self.blobs.put(bytes).await.map_err(io::Error::other);
        }
        let scratch = self.scratch.to_owned();
        let mut file = blocking(move || NamedTempFile::new_in(scratch)).await?;
        let mut left = size;
        while left > 0 {
            let bytes = small(from, left.min(SMALL)).await?;
            left -= bytes.len() as u64;
            file = blocking(move || file.write_all(&bytes).map(|()| file)).await?;
        }
        self.blobs.put_file(file.path()).await.map_err(io::Error::other)
    }
}

/// Stores a small file.
fn stored(
    blobs: &dyn Blobs,
    path: WorkspacePath,
    bytes: Vec<u8>,
    executable: bool,
) -> BoxFuture<'_, io::Result<(WorkspacePath, Node)>> {
    Box::pin(async move {
        let content = blobs.put(bytes).await.map_err(io::Error::other)?;
        Ok((path, Node::File { content, executable }))
    })
}

async fn small(from: &mut (impl AsyncBufRead + Unpin + Send), size: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(size).map_err(io::Error::other)?];
    limited(SILENCE, from.read_exact(&mut bytes)).await?;
    Ok(bytes)
}

async fn said<T: serde::de::DeserializeOwned>(from: &mut (impl AsyncBufRead + Unpin)) -> io::Result<T> {
    limited(SILENCE, line(from)).await
}

fn check(last: &Last, found: &str) -> io::Result<()> {
    if last.sha256 == found {
        Ok(())
    } else {
        Err(io::Error::other("what came has another digest than what was sent"))
    }
}

fn plain(path: String) -> io::Result<WorkspacePath> {
    WorkspacePath::new(path).map_err(io::Error::other)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;
    use stageway_parcel::{Places, parcel};
    use stageway_ports::memory::DirectoryBlobs;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    fn sent(root: &Path, path: &str) -> Vec<u8> {
        let mut sent = Vec::new();
        parcel::send(&Places { workspace: Some(("", root)), root: None }, path, &mut sent).unwrap();
        sent
    }

    #[test]
    fn what_was_sent_is_what_comes_and_every_break_is_seen() {
        let place = tempfile::tempdir().unwrap();
        let out = place.path().join("out");
        std::fs::create_dir_all(out.join("empty")).unwrap();
        std::fs::write(out.join("small"), "abc").unwrap();
        std::fs::write(out.join("large"), vec![7; 3 << 20]).unwrap();
        std::os::unix::fs::symlink("small", out.join("link")).unwrap();
        let blobs = DirectoryBlobs::new(place.path().join("blobs"));
        let gather = Gather { blobs: &blobs, scratch: place.path() };
        let (sent, mut budget) = (sent(place.path(), "out"), 4 << 20);
        let Collected::Tree { digest, size } =
            block_on(gather.one(sent.as_slice(), &mut budget)).unwrap().unwrap()
        else {
            panic!("a file where a folder was expected")
        };
        assert_eq!((size, budget), ((3 << 20) + 3, (1 << 20) - 3));
        let tree = block_on(stageway_ports::read_tree(&blobs, &digest)).unwrap();
        assert_eq!((tree.len(), tree.size()), (4, size));
        for length in [0, 5, 100, sent.len() / 2, sent.len() - 1] {
            assert!(block_on(gather.one(&sent[..length], &mut (4 << 20))).is_err(), "{length}");
        }
        let mut other = sent.clone();
        let at = other.len() - 200;
        other[at] ^= 1;
        assert!(block_on(gather.one(other.as_slice(), &mut (4 << 20))).is_err());
        let over = block_on(gather.one(sent.as_slice(), &mut 5)).unwrap().unwrap_err();
        assert!(over.contains("`collect-bytes`"), "{over}");
    }
}
