//! A bucket keeps the contract of blobs: the one of moto, which answers as S3 does.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use async_trait::async_trait;
use stageway_core::digest::Digest;
use stageway_ports::contract::blobs::BlobsFixture;
use stageway_ports::{BlobError, Blobs};
use stageway_stores::BucketBlobs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};

#[path = "../../../tests/moto/server.rs"]
mod moto;

/// A bucket of moto.
struct Bucket(moto::Moto);

impl Bucket {
    fn start() -> Self {
        let moto = moto::Moto::start();
        assert!(moto.ask("PUT /stageway", "", "").starts_with("HTTP/1.1 200"), "a bucket is made");
        Self(moto)
    }

    fn open(&self, address: &str) -> Result<BucketBlobs, BlobError> {
        let variables = [
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "key".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "secret".to_owned()),
            ("AWS_ENDPOINT_URL_S3", format!("http://127.0.0.1:{}", self.0.port)),
            ("PATH", "not read".to_owned()),
        ];
        BucketBlobs::open_with(address, variables.map(|(name, value)| (name.to_owned(), value)))
    }
}

static BUCKET: LazyLock<Bucket> = LazyLock::new(Bucket::start);
static PREFIXES: AtomicU32 = AtomicU32::new(0);

/// A prefix of the bucket that is nobody else's.
struct InBucket {
    prefix: u32,
    scratch: tempfile::TempDir,
}

impl InBucket {
    fn new() -> Self {
        let scratch = tempfile::tempdir().expect("the temporary directory is writable");
        Self { prefix: PREFIXES.fetch_add(1, Ordering::Relaxed), scratch }
    }

    fn blobs(&self) -> BucketBlobs {
        BUCKET.open(&format!("s3://stageway/tests/{}", self.prefix)).expect("an address")
    }
}

#[async_trait]
impl BlobsFixture for InBucket {
    async fn open(&self) -> Arc<dyn Blobs> {
        Arc::new(self.blobs())
    }

    fn scratch(&self) -> PathBuf {
        self.scratch.path().to_owned()
    }
}

mod blobs {
    use super::InBucket;
    stageway_ports::blobs_contract!(InBucket::new());
}

/// More than one part of an upload and more than one request of a download.
#[tokio::test]
async fn a_large_file_goes_in_parts_and_comes_back_the_same() {
    let bucket = InBucket::new();
    let (from, to) = (bucket.scratch.path().join("from"), bucket.scratch.path().join("to"));
    let bytes: Vec<u8> = (0_u32..9 << 20).flat_map(|n| n.wrapping_mul(0x9E37_79B9).to_le_bytes()).collect();
    std::fs::write(&from, &bytes).unwrap();
    let content = bucket.blobs().put_file(&from).await.unwrap();
    assert_eq!((content.digest, content.size), (Digest::of(&bytes), bytes.len() as u64));
    let other = bucket.blobs();
    assert_eq!(other.size(&content.digest).await.unwrap(), Some(content.size));
    other.copy_to(&content.digest, &to).await.unwrap();
    assert!(std::fs::read(&to).unwrap() == bytes, "other bytes came back");
    let (offset, max) = (30 << 20, 5_000);
    let part = other.read(&content.digest, offset, max).await.unwrap();
    assert!(part == bytes[offset as usize..][..max as usize], "another part came back");
}

#[tokio::test]
async fn what_is_wrong_is_told_with_the_place() {
    for (address, words) in [
        ("s3://no-such-bucket/ci", "s3://no-such-bucket/ci: "),
        ("s3:/stageway", "an address of a bucket is s3://BUCKET"),
    ] {
        let done = match BUCKET.open(address) {
            Ok(blobs) => blobs.put(b"text".to_vec()).await,
            Err(error) => Err(error),
        };
        let told = done.expect_err("there is no such bucket").to_string();
        assert!(told.contains(words), "{told}");
    }
}
