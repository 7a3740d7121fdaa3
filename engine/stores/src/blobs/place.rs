use super::{BucketBlobs, FsBlobs};
use stageway_ports::{BlobError, Blobs};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

/// Where blobs lie, as it is written in a configuration or on a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlobPlace {
    /// A directory; it need not exist.
    Directory(PathBuf),
    /// `s3://BUCKET` or `s3://BUCKET/PREFIX`.
    Bucket(String),
}

impl BlobPlace {
    /// The bucket that a text names; none if it names none.
    pub fn bucket(text: &str) -> Option<Self> {
        text.starts_with("s3://").then(|| Self::Bucket(text.to_owned()))
    }

    /// Opens it; a directory is made where there is none.
    ///
    /// # Errors
    /// Those of [`FsBlobs::open`] and [`BucketBlobs::open`].
    pub fn open(&self) -> Result<Arc<dyn Blobs>, BlobError> {
        Ok(match self {
            Self::Directory(directory) => Arc::new(FsBlobs::open(directory)?),
            Self::Bucket(address) => Arc::new(BucketBlobs::open(address)?),
        })
    }
}

impl From<OsString> for BlobPlace {
    fn from(text: OsString) -> Self {
        let bucket = text.to_str().and_then(Self::bucket);
        bucket.unwrap_or_else(|| Self::Directory(text.into()))
    }
}

impl From<&BlobPlace> for OsString {
    fn from(place: &BlobPlace) -> Self {
        match place {
            BlobPlace::Directory(directory) => directory.into(),
            BlobPlace::Bucket(address) => address.into(),
        }
    }
}
