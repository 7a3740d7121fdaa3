use super::error::Fault;
use super::file;
use super::{FsBlobs, key};
use object_store::ObjectStoreExt as _;
use stageway_core::call::Content;
use stageway_core::digest::Digest;
use std::io::ErrorKind;
use std::path::Path;
use tokio::task::spawn_blocking;

impl FsBlobs {
    pub(super) async fn put_bytes(&self, bytes: Vec<u8>) -> Result<Content, Fault> {
        let (digest, bytes) = spawn_blocking(move || (Digest::of(&bytes), bytes)).await?;
        let content = Content { digest, size: bytes.len() as u64 };
        if !self.is_durable(&content).await? {
            self.files.put(&key(&digest), bytes.into()).await?;
            self.flushed.add(digest);
        }
        Ok(content)
    }

    pub(super) async fn put_path(&self, path: &Path) -> Result<Content, Fault> {
        let content = file::hash(path).await?;
        if !self.is_durable(&content).await? {
            file::upload(&*self.files, path, &content).await?;
            self.flushed.add(content.digest);
        }
        Ok(content)
    }

    /// Whether the blob is there already, with its name flushed too: who wrote it may not have come so far.
    async fn is_durable(&self, content: &Content) -> Result<bool, Fault> {
        let (path, size) = (self.path(&content.digest), content.size);
        let (digest, flushed) = (content.digest, self.flushed.clone());
        spawn_blocking(move || {
            let found = match std::fs::metadata(&path) {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
                found => found?,
            };
            // A file of another length was damaged: it is written again.
            if found.len() != size {
                return Ok(false);
            }
            if let Some(directory) = path.parent().filter(|_| !flushed.has(&digest)) {
                std::fs::File::open(directory)?.sync_all()?;
                flushed.add(digest);
            }
            Ok(true)
        })
        .await?
    }
}
