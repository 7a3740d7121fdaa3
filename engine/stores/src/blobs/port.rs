use super::error::Fault;
use super::{FsBlobs, copy, objects};
use async_trait::async_trait;
use stageway_core::call::Content;
use stageway_core::digest::Digest;
use stageway_ports::{BlobError, Blobs};
use std::path::Path;
use tokio::task::spawn_blocking;

impl FsBlobs {
    fn told<T>(&self, done: Result<T, Fault>) -> Result<T, BlobError> {
        done.map_err(|fault| fault.at(&self.directory.display()))
    }

    async fn copied(&self, digest: &Digest, path: &Path) -> Result<(), Fault> {
        let (digest, from, to) = (*digest, self.path(digest), path.to_owned());
        spawn_blocking(move || copy::copy(&digest, &from, &to)).await?
    }
}

#[async_trait]
impl Blobs for FsBlobs {
    async fn prepare(&self) -> Result<(), BlobError> {
        self.told(self.make_folders().await)
    }

    async fn put(&self, bytes: Vec<u8>) -> Result<Content, BlobError> {
        self.told(self.put_bytes(bytes).await)
    }

    async fn put_file(&self, path: &Path) -> Result<Content, BlobError> {
        self.told(self.put_path(path).await)
    }

    async fn get(&self, digest: &Digest, max: u64) -> Result<Vec<u8>, BlobError> {
        self.told(objects::whole(&*self.files, digest, max).await)
    }

    async fn read(&self, digest: &Digest, offset: u64, max: u32) -> Result<Vec<u8>, BlobError> {
        self.told(objects::part(&*self.files, digest, offset, max).await)
    }

    async fn size(&self, digest: &Digest) -> Result<Option<u64>, BlobError> {
        match objects::length(&*self.files, digest).await {
            Err(Fault::Missing(_)) => Ok(None),
            found => self.told(found.map(Some)),
        }
    }

    async fn copy_to(&self, digest: &Digest, path: &Path) -> Result<(), BlobError> {
        self.told(self.copied(digest, path).await)
    }
}
