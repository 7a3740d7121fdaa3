use super::error::Fault;
use super::{FsBlobs, MAX_BLOB_BYTES, key};
use object_store::{MultipartUpload, ObjectStoreExt as _, PutPayload};
use sha2::{Digest as _, Sha256};
use stageway_core::call::Content;
use stageway_core::digest::Digest;
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::Path;
use tokio::task::spawn_blocking;

/// What is read of a file at a time.
const CHUNK: usize = 4 << 20;

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
        let told = |error: std::io::Error| Fault::Refused(format!("{}: {error}", path.display()));
        let content = hash_file(open(path).map_err(told)?).await?;
        if self.is_durable(&content).await? {
            return Ok(content);
        }
        let mut upload = self.files.put_multipart(&key(&content.digest)).await?;
        match copy_into(&mut *upload, open(path).map_err(told)?, &content).await {
            Ok(()) => {
                upload.complete().await?;
                self.flushed.add(content.digest);
            }
            Err(fault) => {
                upload.abort().await?;
                return Err(fault);
            }
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

fn open(path: &Path) -> std::io::Result<File> {
    let file = File::open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(ErrorKind::IsADirectory.into()) }
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

async fn hash_file(mut file: File) -> Result<Content, Fault> {
    let (mut hash, mut size) = (Sha256::new(), 0);
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

/// Writes the file's bytes, which must be those that were hashed.
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
