//! A file of somebody's on its way into an object store: read a piece at a time, never whole.

use super::error::Fault;
use super::{MAX_BLOB_BYTES, key};
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt as _, PutPayload};
use sha2::{Digest as _, Sha256};
use stageway_core::call::Content;
use stageway_core::digest::Digest;
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::Path;
use tokio::task::spawn_blocking;

/// What is read of a file at a time, and one part of an upload: S3 takes 10,000 parts, none but the last below 5 MiB.
const CHUNK: usize = 8 << 20;

/// What a file holds.
pub(super) async fn hash(path: &Path) -> Result<Content, Fault> {
    let (mut file, mut hash, mut size) = (open(path)?, Sha256::new(), 0);
    loop {
        let chunk;
        (file, hash, chunk) = next_chunk(file, hash).await?;
        size += chunk.len() as u64;
        if size > MAX_BLOB_BYTES {
            return Err(Fault::Refused(format!("the file has more than {MAX_BLOB_BYTES} bytes")));
        }
        if chunk.is_empty() {
            return Ok(Content { digest: Digest::from_hash(hash.finalize().into()), size });
        }
    }
}

/// A file's bytes, if it has at most `max`.
pub(super) async fn small(path: &Path, max: u64) -> Result<Option<Vec<u8>>, Fault> {
    let file = open(path)?;
    spawn_blocking(move || {
        let mut bytes = Vec::new();
        file.take(max + 1).read_to_end(&mut bytes)?;
        Ok((bytes.len() as u64 <= max).then_some(bytes))
    })
    .await?
}

/// Stores a file's bytes, which must be those that were hashed.
pub(super) async fn upload(objects: &dyn ObjectStore, path: &Path, content: &Content) -> Result<(), Fault> {
    let mut upload = objects.put_multipart(&key(&content.digest)).await?;
    let done = match copy_into(&mut *upload, open(path)?, content).await {
        Ok(()) => upload.complete().await.map(|_| ()).map_err(Fault::from),
        Err(fault) => Err(fault),
    };
    if done.is_err()
        && let Err(error) = upload.abort().await
    {
        tracing::warn!(blob = %content.digest, %error, "the parts of a broken upload are left in the object store");
    }
    done
}

fn open(path: &Path) -> Result<File, Fault> {
    let open = || {
        let file = File::open(path)?;
        if file.metadata()?.is_file() { Ok(file) } else { Err(ErrorKind::IsADirectory.into()) }
    };
    open().map_err(|error: std::io::Error| Fault::Refused(format!("{}: {error}", path.display())))
}

/// The next bytes of a file; none at its end. The file and the hash go along, because the work is done on another thread.
async fn next_chunk(mut file: File, mut hash: Sha256) -> Result<(File, Sha256, Vec<u8>), Fault> {
    spawn_blocking(move || {
        let mut chunk = Vec::with_capacity(CHUNK);
        (&mut file).take(CHUNK as u64).read_to_end(&mut chunk)?;
        hash.update(&chunk);
        Ok((file, hash, chunk))
    })
    .await?
}

async fn copy_into(upload: &mut dyn MultipartUpload, mut file: File, content: &Content) -> Result<(), Fault> {
    let (mut hash, mut size) = (Sha256::new(), 0);
    while size <= content.size {
        let chunk;
        (file, hash, chunk) = next_chunk(file, hash).await?;
        if chunk.is_empty() {
            break;
        }
        size += chunk.len() as u64;
        upload.put_part(PutPayload::from(chunk)).await?;
    }
    if Digest::from_hash(hash.finalize().into()) == content.digest {
        return Ok(());
    }
    Err(Fault::Refused("the file was changed while it was stored: store it again".into()))
}
