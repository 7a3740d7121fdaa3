use super::error::Fault;
use super::{FsBlobs, copy, key};
use async_trait::async_trait;
use object_store::ObjectStoreExt as _;
use stageway_core::call::Content;
use stageway_core::digest::Digest;
use stageway_ports::{BlobError, Blobs};
use std::path::Path;
use tokio::task::spawn_blocking;

/// At most this much is read at once, whatever the caller allows: 64 MiB.
const READ_BYTES: u64 = 64 << 20;

impl FsBlobs {
    fn told<T>(&self, done: Result<T, Fault>) -> Result<T, BlobError> {
        done.map_err(|fault| fault.at(&self.directory))
    }

    async fn length(&self, digest: &Digest) -> Result<u64, Fault> {
        let found = self.files.head(&key(digest)).await;
        Ok(found.map_err(|error| Fault::from(error).or_missing(digest))?.size)
    }

    async fn whole(&self, digest: &Digest, max: u64) -> Result<Vec<u8>, Fault> {
        let found = self.files.get(&key(digest)).await;
        let found = found.map_err(|error| Fault::from(error).or_missing(digest))?;
        let size = found.meta.size;
        if size > max {
            return Err(Fault::Refused(format!("blob {digest} has {size} bytes, more than {max}")));
        }
        let bytes = found.bytes().await?;
        let expected = *digest;
        spawn_blocking(move || match Digest::of(&bytes) {
            found if found == expected => Ok(bytes.into()),
            found => Err(Fault::Corrupt { expected, found }),
        })
        .await?
    }

    async fn part(&self, digest: &Digest, offset: u64, max: u32) -> Result<Vec<u8>, Fault> {
        let size = self.length(digest).await?;
        let until = size.min(offset.saturating_add(READ_BYTES.min(u64::from(max))));
        if offset >= until {
            return Ok(Vec::new());
        }
        Ok(self.files.get_range(&key(digest), offset..until).await?.into())
    }

    async fn copied(&self, digest: &Digest, path: &Path) -> Result<(), Fault> {
        let (digest, from, to) = (*digest, self.path(digest), path.to_owned());
        spawn_blocking(move || copy::copy(&digest, &from, &to)).await?
    }
}

#[async_trait]
impl Blobs for FsBlobs {
    async fn put(&self, bytes: Vec<u8>) -> Result<Content, BlobError> {
        self.told(self.put_bytes(bytes).await)
    }

    async fn put_file(&self, path: &Path) -> Result<Content, BlobError> {
        self.told(self.put_path(path).await)
    }

    async fn get(&self, digest: &Digest, max: u64) -> Result<Vec<u8>, BlobError> {
        self.told(self.whole(digest, max).await)
    }

    async fn read(&self, digest: &Digest, offset: u64, max: u32) -> Result<Vec<u8>, BlobError> {
        self.told(self.part(digest, offset, max).await)
    }

    async fn size(&self, digest: &Digest) -> Result<Option<u64>, BlobError> {
        match self.length(digest).await {
            Err(Fault::Missing(_)) => Ok(None),
            found => self.told(found.map(Some)),
        }
    }

    async fn copy_to(&self, digest: &Digest, path: &Path) -> Result<(), BlobError> {
        self.told(self.copied(digest, path).await)
    }
}
