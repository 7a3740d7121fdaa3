//! What is the same for every object store.

use super::error::Fault;
use super::key;
use object_store::{ObjectStore, ObjectStoreExt as _};
use stageway_core::call::Content;
use stageway_core::digest::Digest;
use tokio::task::spawn_blocking;

/// At most this much is read at once, whatever the caller allows: 64 MiB.
const READ_BYTES: u64 = 64 << 20;
/// Hashing so many bytes takes less time than handing them to another thread and back.
const QUICK: usize = 32 << 10;

/// Bytes with the name that they are stored under.
pub(super) async fn named(bytes: Vec<u8>) -> Result<(Content, Vec<u8>), Fault> {
    let (digest, bytes) = hashed(bytes).await?;
    Ok((Content { digest, size: bytes.len() as u64 }, bytes))
}

/// Bytes with their digest.
async fn hashed<B: AsRef<[u8]> + Send + 'static>(bytes: B) -> Result<(Digest, B), Fault> {
    if bytes.as_ref().len() <= QUICK {
        return Ok((Digest::of(bytes.as_ref()), bytes));
    }
    Ok(spawn_blocking(move || (Digest::of(bytes.as_ref()), bytes)).await?)
}

/// How long a blob is.
pub(super) async fn length(objects: &dyn ObjectStore, digest: &Digest) -> Result<u64, Fault> {
    let found = objects.head(&key(digest)).await;
    Ok(found.map_err(|error| Fault::from(error).or_missing(digest))?.size)
}

/// A blob that has at most `max` bytes, compared with its digest.
pub(super) async fn whole(objects: &dyn ObjectStore, digest: &Digest, max: u64) -> Result<Vec<u8>, Fault> {
    let found = objects.get(&key(digest)).await;
    let found = found.map_err(|error| Fault::from(error).or_missing(digest))?;
    let size = found.meta.size;
    if size > max {
        return Err(Fault::Refused(format!("blob {digest} has {size} bytes, more than {max}")));
    }
    match hashed(found.bytes().await?).await? {
        (found, bytes) if found == *digest => Ok(bytes.into()),
        (found, _) => Err(Fault::Corrupt { expected: *digest, found }),
    }
}

/// At most `max` bytes of a blob from `offset`; none at its end.
pub(super) async fn part(
    objects: &dyn ObjectStore,
    digest: &Digest,
    offset: u64,
    max: u32,
) -> Result<Vec<u8>, Fault> {
    let size = length(objects, digest).await?;
    let until = size.min(offset.saturating_add(READ_BYTES.min(u64::from(max))));
    if offset >= until {
        return Ok(Vec::new());
    }
    Ok(objects.get_range(&key(digest), offset..until).await?.into())
}
