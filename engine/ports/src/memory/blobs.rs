use crate::{BlobError, Blobs};
use async_trait::async_trait;
use stageway_core::call::Content;
use stageway_core::digest::Digest;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Blobs in a map. A clone is another handle to the same blobs.
#[derive(Debug, Clone, Default)]
pub struct MemoryBlobs {
    blobs: Arc<Mutex<BTreeMap<Digest, Arc<Vec<u8>>>>>,
    gets: Arc<AtomicU64>,
}

impl MemoryBlobs {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// How often a whole blob was asked for.
    pub fn gets(&self) -> u64 {
        self.gets.load(Ordering::SeqCst)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Digest, Arc<Vec<u8>>>> {
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, digest: &Digest) -> Result<Arc<Vec<u8>>, BlobError> {
        self.lock().get(digest).cloned().ok_or(BlobError::Missing(*digest))
    }
}

fn storage(path: &Path, error: &std::io::Error) -> BlobError {
    BlobError::Storage(format!("{}: {error}", path.display()))
}

#[async_trait]
impl Blobs for MemoryBlobs {
    async fn put(&self, bytes: Vec<u8>) -> Result<Content, BlobError> {
        let content = Content { digest: Digest::of(&bytes), size: bytes.len() as u64 };
        self.lock().entry(content.digest).or_insert_with(|| Arc::new(bytes));
        Ok(content)
    }

    async fn put_file(&self, path: &Path) -> Result<Content, BlobError> {
        let bytes = std::fs::read(path).map_err(|error| storage(path, &error))?;
        self.put(bytes).await
    }

    async fn get(&self, digest: &Digest, max: u64) -> Result<Vec<u8>, BlobError> {
        self.gets.fetch_add(1, Ordering::SeqCst);
        let bytes = self.find(digest)?;
        if bytes.len() as u64 > max {
            let size = bytes.len();
            return Err(BlobError::Storage(format!("blob {digest} has {size} bytes, more than {max}")));
        }
        Ok(bytes.to_vec())
    }

    async fn read(&self, digest: &Digest, offset: u64, max: u32) -> Result<Vec<u8>, BlobError> {
        let bytes = self.find(digest)?;
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let until = from.saturating_add(max as usize).min(bytes.len());
        Ok(bytes[from..until].to_vec())
    }

    async fn size(&self, digest: &Digest) -> Result<Option<u64>, BlobError> {
        Ok(self.lock().get(digest).map(|bytes| bytes.len() as u64))
    }

    async fn copy_to(&self, digest: &Digest, path: &Path) -> Result<(), BlobError> {
        let bytes = self.find(digest)?;
        let write = |mut file: File| file.write_all(&bytes);
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(path)
            .and_then(write)
            .map_err(|error| storage(path, &error))
    }
}
