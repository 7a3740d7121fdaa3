//! Blobs in a bucket of S3, or of what speaks like it: for servers on several machines that share no directory.
//!
//! S3 shows an object whole or not at all, and answers when it is durable; so a blob is stored by one request, or in parts
//! where it is large. Small blobs are written without asking whether they are there: they would be the same.

use super::error::Fault;
use super::flushed::Flushed;
use super::{copy, file, key, objects};
use async_trait::async_trait;
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::prefix::PrefixStore;
use object_store::{BackoffConfig, ClientOptions, ObjectStoreExt as _, RetryConfig};
use sha2::{Digest as _, Sha256};
use stageway_core::call::Content;
use stageway_core::digest::Digest;
use stageway_ports::{BlobError, Blobs};
use std::ffi::OsString;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::spawn_blocking;

/// Up to so many bytes are sent in one request, and without asking first whether they are there.
const SMALL: u64 = 8 << 20;
/// What one request of a download brings, so that each has its own timeout and its own retries.
const STRIDE: u64 = 16 << 20;
/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(60);
/// How long a request is tried again.
const PATIENCE: Duration = Duration::from_secs(120);

/// Blobs in a bucket. A clone is another handle to the same one.
///
/// Where it is and who asks come from the variables that the tools of AWS read: `AWS_REGION`, `AWS_ACCESS_KEY_ID` and
/// `AWS_SECRET_ACCESS_KEY`, `AWS_WEB_IDENTITY_TOKEN_FILE` with `AWS_ROLE_ARN`, `AWS_CONTAINER_CREDENTIALS_FULL_URI`; without them the
/// machine's own identity. `AWS_ENDPOINT_URL_S3` names another server than that of AWS.
#[derive(Debug, Clone)]
pub struct BucketBlobs {
    place: Arc<str>,
    objects: Arc<PrefixStore<AmazonS3>>,
    /// What is known to be there.
    stored: Arc<Flushed>,
}

impl BucketBlobs {
    /// Takes `s3://BUCKET` or `s3://BUCKET/PREFIX`. Nothing is asked yet.
    ///
    /// # Errors
    /// [`BlobError::Storage`] when that is no such address, or the variables of the environment contradict each other.
    pub fn open(address: &str) -> Result<Self, BlobError> {
        let texts =
            |(name, value): (OsString, OsString)| name.into_string().ok().zip(value.into_string().ok());
        Self::open_with(address, std::env::vars_os().filter_map(texts))
    }

    /// The same with other variables than those of the environment.
    ///
    /// # Errors
    /// As [`BucketBlobs::open`].
    pub fn open_with(
        address: &str,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, BlobError> {
        let refused = |why: String| BlobError::Storage(format!("{address}: {why}"));
        let (bucket, prefix) = split(address).ok_or_else(|| {
            refused(
                "an address of a bucket is s3://BUCKET or s3://BUCKET/PREFIX, in S3's own characters".into(),
            )
        })?;
        // Only the first one of a process counts, and every one here is ring's.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut settings = AmazonS3Builder::new().with_bucket_name(bucket);
        for (name, value) in variables {
            let key = name.to_ascii_lowercase();
            if let (true, Ok(key)) = (key.starts_with("aws_"), key.parse()) {
                settings = settings.with_config(key, value);
            }
        }
        let is_plain = [AmazonS3ConfigKey::S3Endpoint, AmazonS3ConfigKey::Endpoint]
            .iter()
            .find_map(|key| settings.get_config_value(key))
            .is_some_and(|endpoint| endpoint.starts_with("http://"));
        // An address without TLS is the operator's own word.
        let client = ClientOptions::new()
            .with_allow_http(is_plain)
            .with_timeout(REQUEST)
            .with_connect_timeout(Duration::from_secs(5));
        let retry =
            RetryConfig { backoff: BackoffConfig::default(), max_retries: 8, retry_timeout: PATIENCE };
        let objects = settings
            .with_client_options(client)
            .with_retry(retry)
            .build()
            .map_err(|error| refused(error.to_string()))?;
        Ok(Self {
            place: address.into(),
            objects: Arc::new(PrefixStore::new(objects, prefix)),
            stored: Arc::default(),
        })
    }

    fn told<T>(&self, done: Result<T, Fault>) -> Result<T, BlobError> {
        done.map_err(|fault| fault.at(&self.place))
    }

    async fn put_bytes(&self, bytes: Vec<u8>) -> Result<Content, Fault> {
        let (content, bytes) = objects::named(bytes).await?;
        if !self.is_stored(&content).await? {
            self.objects.put(&key(&content.digest), bytes.into()).await?;
            self.stored.add(content.digest);
        }
        Ok(content)
    }

    async fn put_path(&self, path: &Path) -> Result<Content, Fault> {
        if let Some(bytes) = file::small(path, SMALL).await? {
            return self.put_bytes(bytes).await;
        }
        let content = file::hash(path).await?;
        if !self.is_stored(&content).await? {
            file::upload(&*self.objects, path, &content).await?;
            self.stored.add(content.digest);
        }
        Ok(content)
    }

    async fn is_stored(&self, content: &Content) -> Result<bool, Fault> {
        if self.stored.has(&content.digest) {
            return Ok(true);
        }
        if content.size <= SMALL {
            return Ok(false);
        }
        match objects::length(&*self.objects, &content.digest).await {
            // One of another length was damaged: it is written again.
            Ok(size) => Ok(size == content.size),
            Err(Fault::Missing(_)) => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    async fn copied(&self, digest: &Digest, path: &Path) -> Result<(), Fault> {
        let size = objects::length(&*self.objects, digest).await?;
        let file = copy::create(path)?;
        let done = self.download(digest, size, file).await;
        copy::or_nothing(path, done)
    }

    async fn download(&self, digest: &Digest, size: u64, mut file: File) -> Result<(), Fault> {
        let (mut hash, mut offset) = (Sha256::new(), 0);
        while offset < size {
            let until = size.min(offset + STRIDE);
            let bytes = self.objects.get_range(&key(digest), offset..until).await?;
            (file, hash) = spawn_blocking(move || {
                hash.update(&bytes);
                file.write_all(&bytes).map(|()| (file, hash))
            })
            .await??;
            offset = until;
        }
        match Digest::from_hash(hash.finalize().into()) {
            found if found == *digest => Ok(()),
            found => Err(Fault::Corrupt { expected: *digest, found }),
        }
    }
}

/// The bucket and the prefix of an address.
fn split(address: &str) -> Option<(&str, &str)> {
    let rest = address.strip_prefix("s3://")?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let in_bucket = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
    let in_prefix = |b: u8| b.is_ascii_alphanumeric() || b"-._/".contains(&b);
    let is_bucket = (3..=63).contains(&bucket.len()) && bucket.bytes().all(in_bucket);
    let is_prefix = prefix.len() <= 512 && prefix.bytes().all(in_prefix);
    (is_bucket && is_prefix).then_some((bucket, prefix.trim_matches('/')))
}

#[async_trait]
impl Blobs for BucketBlobs {
    async fn put(&self, bytes: Vec<u8>) -> Result<Content, BlobError> {
        self.told(self.put_bytes(bytes).await)
    }

    async fn put_file(&self, path: &Path) -> Result<Content, BlobError> {
        self.told(self.put_path(path).await)
    }

    async fn get(&self, digest: &Digest, max: u64) -> Result<Vec<u8>, BlobError> {
        self.told(objects::whole(&*self.objects, digest, max).await)
    }

    async fn read(&self, digest: &Digest, offset: u64, max: u32) -> Result<Vec<u8>, BlobError> {
        self.told(objects::part(&*self.objects, digest, offset, max).await)
    }

    async fn size(&self, digest: &Digest) -> Result<Option<u64>, BlobError> {
        match objects::length(&*self.objects, digest).await {
            Err(Fault::Missing(_)) => Ok(None),
            found => self.told(found.map(Some)),
        }
    }

    async fn copy_to(&self, digest: &Digest, path: &Path) -> Result<(), BlobError> {
        self.told(self.copied(digest, path).await)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_bucket_and_perhaps_a_prefix() {
        assert_eq!(split("s3://stageway-blobs"), Some(("stageway-blobs", "")));
        assert_eq!(split("s3://stageway-blobs/"), Some(("stageway-blobs", "")));
        assert_eq!(split("s3://stageway-blobs/ci/one/"), Some(("stageway-blobs", "ci/one")));
        for wrong in
            ["", "s3://", "s3://ab", "s3:///ci", "s3://Upper", "s3://b u", "gs://bucket", "s3://bucket/a b"]
        {
            assert_eq!(split(wrong), None, "{wrong}");
        }
    }
}
