use super::error::Fault;
use super::{FsBlobs, file, key, objects};
use object_store::ObjectStoreExt as _;
use stageway_core::call::Content;
use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;
use tokio::task::spawn_blocking;

impl FsBlobs {
    pub(super) async fn put_bytes(&self, bytes: Vec<u8>) -> Result<Content, Fault> {
        let (content, bytes) = objects::named(bytes).await?;
        if !self.is_durable(&content).await? {
            self.files.put(&key(&content.digest), bytes.into()).await?;
            self.flushed.add(content.digest);
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
                File::open(directory)?.sync_all()?;
                flushed.add(digest);
            }
            Ok(true)
        })
        .await?
    }
}
