use async_trait::async_trait;
use stageway_core::call::Content;
use stageway_core::digest::Digest;
use std::path::Path;
use thiserror::Error;

/// Why a blob could not be stored or read.
#[derive(Debug, Error)]
pub enum BlobError {
    /// No blob has that digest.
    #[error("no blob {0}")]
    Missing(Digest),
    /// The bytes are not those of the digest.
    #[error("blob {expected} has other bytes: {found}")]
    Corrupt {
        /// What was asked for.
        expected: Digest,
        /// What lies there.
        found: Digest,
    },
    /// The storage does not answer, or is full.
    #[error("blob storage failed: {0}")]
    Storage(String),
}

/// Content-addressed bytes. Storing twice is storing once; a blob is whole or not there.
#[async_trait]
pub trait Blobs: Send + Sync {
    /// Does beforehand what the first blobs would wait for, for whoever puts many.
    async fn prepare(&self) -> Result<(), BlobError> {
        Ok(())
    }

    /// Stores bytes durably.
    async fn put(&self, bytes: Vec<u8>) -> Result<Content, BlobError>;

    /// Stores a file's bytes without loading them whole.
    async fn put_file(&self, path: &Path) -> Result<Content, BlobError>;

    /// The whole blob, if it has at most `max` bytes.
    ///
    /// # Errors
    /// [`BlobError::Missing`]; [`BlobError::Storage`] when it is larger.
    async fn get(&self, digest: &Digest, max: u64) -> Result<Vec<u8>, BlobError>;

    /// At most `max` bytes from `offset`; an empty answer is the end.
    async fn read(&self, digest: &Digest, offset: u64, max: u32) -> Result<Vec<u8>, BlobError>;

    /// The length of a blob; none if it is not there.
    async fn size(&self, digest: &Digest) -> Result<Option<u64>, BlobError>;

    /// Writes a blob to a new file, copy-on-write where the file system can. The file is the caller's: changing it does not
    /// change the blob.
    ///
    /// # Errors
    /// [`BlobError::Missing`]; [`BlobError::Storage`] when the file exists.
    async fn copy_to(&self, digest: &Digest, path: &Path) -> Result<(), BlobError>;
}
