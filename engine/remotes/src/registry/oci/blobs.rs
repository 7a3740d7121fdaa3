use super::auth;
use super::call::Call;
use super::failure::Failure;
use super::{OciRegistry, retry};
use reqwest::header::{CONTENT_RANGE, HeaderMap, HeaderValue, RANGE};
use reqwest::{Method, Response, StatusCode};
use sha2::{Digest as _, Sha256};
use stageway_core::call::Content;
use stageway_core::digest::Digest;
use stageway_core::image::RepositoryPath;
use stageway_ports::{Blobs, RegistryError};
use tempfile::NamedTempFile;
use tokio::fs::File;
use tokio::io::{AsyncSeekExt as _, AsyncWriteExt as _};

/// A blob has at most this many bytes.
const MAX_BLOB: u64 = 64 << 30;

/// A download on its way.
struct Download {
    file: NamedTempFile,
    writer: File,
    hasher: Sha256,
    size: u64,
}

fn staging(error: std::io::Error) -> RegistryError {
    RegistryError::Blobs(format!("staging a download: {error}"))
}

impl OciRegistry {
    pub(super) fn blob_call(&self, method: Method, repository: &RepositoryPath, digest: &Digest) -> Call {
        let url = self.url(&format!("{repository}/blobs/{digest}"));
        Call::new(method, url, auth::pull(repository.as_str()), format!("blob {repository}@{digest}"))
    }

    pub(super) async fn has_blob(
        &self,
        repository: &RepositoryPath,
        digest: &Digest,
    ) -> Result<bool, RegistryError> {
        let call = self.blob_call(Method::HEAD, repository, digest);
        let response = self.send(&call).await?;
        match response.status() {
            StatusCode::OK => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            _ => Err(Failure::of(response, &call.what).await.into()),
        }
    }

    /// Downloads a blob, going on where the connection broke, and hands it to the blobs when it has its digest.
    pub(super) async fn download(
        &self,
        repository: &RepositoryPath,
        digest: &Digest,
        into: &dyn Blobs,
    ) -> Result<Content, RegistryError> {
        let mut download = Download::open(&self.staging).await?;
        let mut tried = 0;
        loop {
            let mut call = self.blob_call(Method::GET, repository, digest);
            if download.size > 0 {
                let range = format!("bytes={}-", download.size);
                call.headers.insert(RANGE, HeaderValue::from_str(&range).expect("digits are a header"));
            }
            let response = self.send(&call).await?;
            match response.status() {
                StatusCode::OK => download.restart().await?,
                StatusCode::PARTIAL_CONTENT if continues(response.headers(), download.size) => {}
                StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
                    return Err(RegistryError::Corrupt(format!(
                        "{}: another part than asked for",
                        call.what
                    )));
                }
                _ => return Err(Failure::of(response, &call.what).await.into()),
            }
            tried += 1;
            match download.take(response, &call.what).await {
                Ok(()) => return download.finish(digest, &call.what, into).await,
                Err(RegistryError::Unavailable(_)) if tried < retry::TRIES => {
                    tokio::time::sleep(retry::pause(tried, None)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// Whether a partial answer starts where the download stands.
fn continues(headers: &HeaderMap, size: u64) -> bool {
    let range = headers.get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
    range.is_some_and(|range| range.starts_with(&format!("bytes {size}-")))
}

impl Download {
    async fn open(folder: &std::path::Path) -> Result<Self, RegistryError> {
        tokio::fs::create_dir_all(folder).await.map_err(staging)?;
        let file = NamedTempFile::new_in(folder).map_err(staging)?;
        let writer = File::from_std(file.reopen().map_err(staging)?);
        Ok(Self { file, writer, hasher: Sha256::new(), size: 0 })
    }

    async fn restart(&mut self) -> Result<(), RegistryError> {
        self.hasher = Sha256::new();
        self.size = 0;
        self.writer.set_len(0).await.map_err(staging)?;
        self.writer.rewind().await.map(|_| ()).map_err(staging)
    }

    /// Takes what comes.
    ///
    /// # Errors
    /// [`RegistryError::Unavailable`] if the connection breaks; what came stays.
    async fn take(&mut self, mut response: Response, what: &str) -> Result<(), RegistryError> {
        loop {
            let chunk = response.chunk().await.map_err(|error| super::failure::broken(what, &error))?;
            let Some(chunk) = chunk else { return Ok(()) };
            self.size += chunk.len() as u64;
            if self.size > MAX_BLOB {
                return Err(RegistryError::Corrupt(format!("{what}: more than {MAX_BLOB} bytes")));
            }
            self.hasher.update(&chunk);
            self.writer.write_all(&chunk).await.map_err(staging)?;
        }
    }

    async fn finish(
        mut self,
        digest: &Digest,
        what: &str,
        into: &dyn Blobs,
    ) -> Result<Content, RegistryError> {
        self.writer.flush().await.map_err(staging)?;
        let found = Digest::from_hash(self.hasher.finalize().into());
        if found != *digest {
            return Err(RegistryError::Corrupt(format!("{what} has the bytes of {found}")));
        }
        let content = into.put_file(self.file.path()).await?;
        if content == (Content { digest: found, size: self.size }) {
            return Ok(content);
        }
        Err(RegistryError::Blobs(format!("{found} was stored as {}", content.digest)))
    }
}
