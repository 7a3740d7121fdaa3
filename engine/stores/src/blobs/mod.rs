//! The port [`Blobs`](stageway_ports::Blobs) in a directory or in a bucket of S3: `sha256/ab/abcd…` below it, one file or object
//! per blob, named by its digest.
//!
//! # What a directory guarantees
//! A blob is whole or not there: it is written under another name, flushed, renamed, and the directory flushed, before
//! `put` or `put_file` answers. So what was acknowledged survives a power loss. A killed process leaves at most a file with
//! `#` in its name, which nothing reads. `put_file` reads the file twice, for its name and for its bytes, and refuses one
//! that changed in between. `get` compares the bytes with the digest; `read` and `copy_to` do not, because they see a part
//! or let the kernel copy.
//!
//! Any number of processes may use one directory. The files are never changed, and never shared with what is copied out
//! of them: a copy is a reflink where the file system has them, else bytes.

mod bucket;
mod copy;
mod error;
mod file;
mod flushed;
mod objects;
mod place;
mod port;
mod put;

pub use bucket::BucketBlobs;
pub use place::BlobPlace;

use error::Fault;
use flushed::Flushed;
use object_store::local::LocalFileSystem;
use stageway_core::digest::Digest;
use stageway_ports::BlobError;
use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::task::spawn_blocking;

/// What blobs are named by.
const ALGORITHM: &str = "sha256";

/// No blob is larger: 64 GiB.
pub const MAX_BLOB_BYTES: u64 = 64 << 30;

/// Blobs in a directory. A clone is another handle to the same one.
#[derive(Debug, Clone)]
pub struct FsBlobs {
    directory: Arc<Path>,
    files: Arc<LocalFileSystem>,
    flushed: Arc<Flushed>,
}

impl FsBlobs {
    /// Opens the directory, and makes it where there is none.
    ///
    /// # Errors
    /// [`BlobError::Storage`] with the directory and a remedy.
    pub fn open(directory: impl AsRef<Path>) -> Result<Self, BlobError> {
        let directory = directory.as_ref();
        Self::make(directory).map_err(|fault| fault.at(&directory.display()))
    }

    fn make(directory: &Path) -> Result<Self, Fault> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let directory = directory.canonicalize()?;
        if let Some(parent) = directory.parent() {
            File::open(parent)?.sync_all()?;
        }
        let files = LocalFileSystem::new_with_prefix(&directory)?.with_fsync(true);
        Ok(Self { directory: directory.into(), files: Arc::new(files), flushed: Arc::default() })
    }

    /// Makes every folder that blobs lie in: the first blob of each would wait for it, and for two flushes.
    async fn make_folders(&self) -> Result<(), Fault> {
        let directory = self.directory.clone();
        spawn_blocking(move || {
            let all = directory.join(ALGORITHM);
            DirBuilder::new().recursive(true).create(&all)?;
            for byte in 0..=u8::MAX {
                DirBuilder::new().recursive(true).create(all.join(format!("{byte:02x}")))?;
            }
            File::open(&all)?.sync_all()?;
            Ok(File::open(&directory)?.sync_all()?)
        })
        .await?
    }

    /// The file of a blob.
    fn path(&self, digest: &Digest) -> PathBuf {
        self.directory.join(key(digest).as_ref())
    }
}

/// Where a blob lies below the directory or the prefix.
fn key(digest: &Digest) -> object_store::path::Path {
    let hex = digest.hex();
    object_store::path::Path::from(format!("{ALGORITHM}/{}/{hex}", &hex[..2]))
}
