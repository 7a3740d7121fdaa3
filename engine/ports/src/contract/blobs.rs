//! The contract of the port [`Blobs`].

use crate::{BlobError, Blobs};
use async_trait::async_trait;
use stageway_core::digest::Digest;
use std::path::PathBuf;
use std::sync::Arc;

/// One set of blobs, empty at first.
#[async_trait]
pub trait BlobsFixture: Send + Sync {
    /// A handle of its own to the same blobs.
    async fn open(&self) -> Arc<dyn Blobs>;

    /// An empty directory beside them, for files that are put and copied.
    fn scratch(&self) -> PathBuf;
}

/// Runs every case of the blobs' contract; the expression makes a [`BlobsFixture`] with a set of its own.
#[macro_export]
macro_rules! blobs_contract {
    ($fixture:expr) => {
        $crate::contract_cases! { blobs, $fixture,
            bytes_come_back_under_their_digest
            the_same_bytes_are_stored_once
            what_is_not_there_is_missing
            a_blob_larger_than_allowed_is_not_loaded
            a_blob_is_read_in_pieces
            a_file_is_stored_without_loading_it
            a_file_that_is_not_there_is_not_stored
            a_copy_belongs_to_the_caller
            a_copy_replaces_no_file
            many_put_the_same_at_once
        }
    };
}

/// Bytes that differ in every block.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at ^ (at >> 8) ^ (at >> 16)) as u8).collect()
}

/// Nothing, little, much.
pub async fn bytes_come_back_under_their_digest(fixture: &dyn BlobsFixture) {
    let (blobs, other) = (fixture.open().await, fixture.open().await);
    for bytes in [vec![], b"abc".to_vec(), pattern(3_000_000)] {
        let content = blobs.put(bytes.clone()).await.unwrap();
        assert_eq!((content.digest, content.size), (Digest::of(&bytes), bytes.len() as u64));
        assert_eq!(other.size(&content.digest).await.unwrap(), Some(content.size));
        assert_eq!(other.get(&content.digest, content.size).await.unwrap(), bytes);
    }
}

/// The second time answers the same.
pub async fn the_same_bytes_are_stored_once(fixture: &dyn BlobsFixture) {
    let blobs = fixture.open().await;
    let first = blobs.put(b"twice".to_vec()).await.unwrap();
    assert_eq!(blobs.put(b"twice".to_vec()).await.unwrap(), first);
    assert_eq!(blobs.get(&first.digest, 9).await.unwrap(), b"twice");
}

/// Every method says which.
pub async fn what_is_not_there_is_missing(fixture: &dyn BlobsFixture) {
    let (blobs, digest) = (fixture.open().await, Digest::of(b"nobody"));
    assert_eq!(blobs.size(&digest).await.unwrap(), None);
    let missing = |found: Option<BlobError>| matches!(found, Some(BlobError::Missing(of)) if of == digest);
    assert!(missing(blobs.get(&digest, 10).await.err()));
    assert!(missing(blobs.read(&digest, 0, 10).await.err()));
    let path = fixture.scratch().join("copy");
    assert!(missing(blobs.copy_to(&digest, &path).await.err()));
    assert!(!path.exists());
}

/// `max` is the last length that is loaded.
pub async fn a_blob_larger_than_allowed_is_not_loaded(fixture: &dyn BlobsFixture) {
    let blobs = fixture.open().await;
    let content = blobs.put(pattern(1_000)).await.unwrap();
    assert!(matches!(blobs.get(&content.digest, 999).await, Err(BlobError::Storage(_))));
    assert_eq!(blobs.get(&content.digest, 1_000).await.unwrap().len(), 1_000);
}

/// Any offset and length; beyond the end there is nothing.
pub async fn a_blob_is_read_in_pieces(fixture: &dyn BlobsFixture) {
    let (blobs, bytes) = (fixture.open().await, pattern(10_000));
    let digest = blobs.put(bytes.clone()).await.unwrap().digest;
    for (offset, max, from, until) in [
        (0, 4, 0, 4),
        (9_998, 4, 9_998, 10_000),
        (5_000, 0, 5_000, 5_000),
        (0, u32::MAX, 0, 10_000),
        (10_000, 4, 10_000, 10_000),
        (u64::MAX, u32::MAX, 10_000, 10_000),
    ] {
        let piece = blobs.read(&digest, offset, max).await.unwrap();
        assert!(piece == bytes[from..until], "{max} bytes from {offset}");
    }
    let empty = blobs.put(vec![]).await.unwrap().digest;
    assert_eq!(blobs.read(&empty, 0, 10).await.unwrap(), b"");
}

/// Larger than any buffer, with an odd end.
pub async fn a_file_is_stored_without_loading_it(fixture: &dyn BlobsFixture) {
    let (blobs, bytes) = (fixture.open().await, pattern(12_345_678));
    let path = fixture.scratch().join("large");
    std::fs::write(&path, &bytes).unwrap();
    let content = blobs.put_file(&path).await.unwrap();
    assert_eq!((content.digest, content.size), (Digest::of(&bytes), bytes.len() as u64));
    assert_eq!(blobs.put_file(&path).await.unwrap(), content);
    std::fs::write(&path, b"changed later").unwrap();
    assert!(blobs.get(&content.digest, u64::MAX).await.unwrap() == bytes);
    std::fs::write(&path, b"").unwrap();
    assert_eq!(blobs.put_file(&path).await.unwrap().digest, Digest::of(b""));
}

/// Neither is a directory.
pub async fn a_file_that_is_not_there_is_not_stored(fixture: &dyn BlobsFixture) {
    let blobs = fixture.open().await;
    for path in [fixture.scratch().join("none"), fixture.scratch()] {
        assert!(matches!(blobs.put_file(&path).await, Err(BlobError::Storage(_))));
    }
}

/// Writing to the copy leaves the blob as it is.
pub async fn a_copy_belongs_to_the_caller(fixture: &dyn BlobsFixture) {
    let (blobs, bytes) = (fixture.open().await, pattern(200_000));
    let digest = blobs.put(bytes.clone()).await.unwrap().digest;
    let path = fixture.scratch().join("copy");
    blobs.copy_to(&digest, &path).await.unwrap();
    assert!(std::fs::read(&path).unwrap() == bytes);
    std::fs::write(&path, b"mine").unwrap();
    assert!(blobs.get(&digest, u64::MAX).await.unwrap() == bytes);
}

/// Nor does it write through a link.
pub async fn a_copy_replaces_no_file(fixture: &dyn BlobsFixture) {
    let blobs = fixture.open().await;
    let digest = blobs.put(b"blob".to_vec()).await.unwrap().digest;
    let path = fixture.scratch().join("there");
    std::fs::write(&path, b"already").unwrap();
    assert!(matches!(blobs.copy_to(&digest, &path).await, Err(BlobError::Storage(_))));
    assert_eq!(std::fs::read(&path).unwrap(), b"already");
    let nowhere = fixture.scratch().join("no/such/directory/file");
    assert!(matches!(blobs.copy_to(&digest, &nowhere).await, Err(BlobError::Storage(_))));
}

/// All of them succeed, and one blob is there.
pub async fn many_put_the_same_at_once(fixture: &dyn BlobsFixture) {
    let bytes = pattern(300_000);
    let mut puts = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (blobs, bytes) = (fixture.open().await, bytes.clone());
        puts.spawn(async move { blobs.put(bytes).await });
    }
    for content in puts.join_all().await {
        assert_eq!(content.unwrap().digest, Digest::of(&bytes));
    }
    let found = fixture.open().await.get(&Digest::of(&bytes), u64::MAX).await.unwrap();
    assert!(found == bytes);
}
