use crate::{BlobError, Blobs};
use async_trait::async_trait;
use stageway_core::call::Content;
use stageway_core::digest::Digest;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// Blobs as files of a directory, for tests in which several processes share them. Small and not durable.
#[derive(Debug, Clone)]
pub struct DirectoryBlobs {
    directory: PathBuf,
}

impl DirectoryBlobs {
    /// Those of a directory, which is made when the first blob is stored.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.directory.join("sha256").join(&hex[..2]).join(hex)
    }

    fn store(&self, bytes: &[u8]) -> io::Result<Content> {
        let content = Content { digest: Digest::of(bytes), size: bytes.len() as u64 };
        let path = self.path(&content.digest);
        if !path.exists() {
            let thread = std::thread::current().id();
            let beside = path.with_extension(format!("{}-{thread:?}", std::process::id()));
            path.parent().map_or(Ok(()), fs::create_dir_all)?;
            fs::write(&beside, bytes)?;
            fs::rename(&beside, &path)?;
        }
        Ok(content)
    }

    fn open(&self, digest: &Digest) -> Result<File, BlobError> {
        File::open(self.path(digest)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => BlobError::Missing(*digest),
            _ => storage(error),
        })
    }
}

fn storage(error: io::Error) -> BlobError {
    BlobError::Storage(error.to_string())
}

#[async_trait]
impl Blobs for DirectoryBlobs {
    async fn put(&self, bytes: Vec<u8>) -> Result<Content, BlobError> {
        self.store(&bytes).map_err(storage)
    }

    async fn put_file(&self, path: &Path) -> Result<Content, BlobError> {
        fs::read(path).and_then(|bytes| self.store(&bytes)).map_err(storage)
    }

    async fn get(&self, digest: &Digest, max: u64) -> Result<Vec<u8>, BlobError> {
        let mut bytes = Vec::new();
        self.open(digest)?.take(max + 1).read_to_end(&mut bytes).map_err(storage)?;
        if bytes.len() as u64 > max {
            return Err(BlobError::Storage(format!("blob {digest} has more than {max} bytes")));
        }
        match Digest::of(&bytes) {
            found if found == *digest => Ok(bytes),
            found => Err(BlobError::Corrupt { expected: *digest, found }),
        }
    }

    async fn read(&self, digest: &Digest, offset: u64, max: u32) -> Result<Vec<u8>, BlobError> {
        let (file, mut bytes, mut got) = (self.open(digest)?, vec![0; max as usize], 0);
        while got < bytes.len() {
            match file.read_at(&mut bytes[got..], offset + got as u64).map_err(storage)? {
                0 => break,
                n => got += n,
            }
        }
        bytes.truncate(got);
        Ok(bytes)
    }

    async fn size(&self, digest: &Digest) -> Result<Option<u64>, BlobError> {
        match fs::metadata(self.path(digest)) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(storage(error)),
        }
    }

    async fn copy_to(&self, digest: &Digest, path: &Path) -> Result<(), BlobError> {
        let mut from = self.open(digest)?;
        let copy = |mut to: File| io::copy(&mut from, &mut to).map(drop);
        OpenOptions::new().write(true).create_new(true).open(path).and_then(copy).map_err(storage)
    }
}
