//! Sending files that were not pushed: one request, whose body is read from the blobs as it goes out.

use super::client::{RemoteServer, of};
use super::error::ServerError;
use super::views::{RemoteKnown, RemoteRepository};
use bytes::Bytes;
use futures::stream::{self, Stream};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Body, Method};
use serde::Deserialize;
use serde_json::Value as Json;
use stageway_core::digest::Digest;
use stageway_core::name::{RepositoryId, RunId, TenantId};
use stageway_ports::{BlobError, Blobs};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// From the request to the answer.
const WHOLE: Duration = Duration::from_secs(960);
/// Bytes that are read at once.
const PIECE: u32 = 256 << 10;

/// What is sent.
pub struct Pack {
    /// The first line: what is wanted. `list` is written into it.
    pub wanted: Json,
    /// The canonical list of the tree.
    pub list: Vec<u8>,
    /// Files to be sent, each once, with their sizes.
    pub files: Vec<(Digest, u64)>,
    /// Becomes true when the last of it was given to the connection: from then on there may be a run.
    pub sent: Arc<AtomicBool>,
}

impl Pack {
    /// Nothing of it is sent yet.
    pub fn new(wanted: Json, list: Vec<u8>, files: Vec<(Digest, u64)>) -> Self {
        Self { wanted, list, files, sent: Arc::default() }
    }
}

/// What became of a pack.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Begun {
    /// The run.
    Run {
        /// Its id.
        id: RunId,
        /// Its number.
        number: u64,
    },
    /// It takes longer: the delivery says what becomes of it.
    Later {
        /// Its id.
        delivery: String,
    },
}

impl RemoteServer {
    /// The repositories of a tenant.
    ///
    /// # Errors
    /// [`ServerError`].
    pub async fn repositories(&self, tenant: &TenantId) -> Result<Vec<RemoteRepository>, ServerError> {
        self.json(Method::GET, &of(tenant, &["repositories"]), &[], None).await
    }

    /// What of a tree need not be sent.
    ///
    /// # Errors
    /// [`ServerError`].
    pub async fn known(
        &self,
        tenant: &TenantId,
        repository: &RepositoryId,
    ) -> Result<RemoteKnown, ServerError> {
        let path = of(tenant, &["repositories", repository.as_str(), "preflight"]);
        self.json(Method::GET, &path, &[], None).await
    }

    /// Sends a pack and has it run. At most one piece of a file is in memory.
    ///
    /// # Errors
    /// [`ServerError`].
    ///
    /// # Cancellation
    /// What was sent is kept by the server; a run exists when this has answered, or shortly after.
    pub async fn preflight(
        &self,
        tenant: &TenantId,
        repository: &RepositoryId,
        pack: Pack,
        blobs: Arc<dyn Blobs>,
    ) -> Result<Begun, ServerError> {
        let path = of(tenant, &["repositories", repository.as_str(), "preflight"]);
        let (length, stream) = outgoing(pack, blobs);
        let request = self
            .client
            .request(Method::POST, self.address(&path, &[])?)
            .timeout(WHOLE)
            .header(AUTHORIZATION, self.authorization()?)
            .header(ACCEPT, "*/*")
            .header(CONTENT_TYPE, "application/octet-stream")
            .header(CONTENT_LENGTH, length)
            .body(Body::wrap_stream(stream));
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status().as_u16();
        let body = self.whole(response).await?;
        if !(200..300).contains(&status) {
            return Err(self.refused(status, &body));
        }
        serde_json::from_slice(&body).map_err(|error| self.strange(&error.to_string()))
    }
}

/// What is still to go out.
struct Outgoing {
    blobs: Arc<dyn Blobs>,
    ready: VecDeque<Bytes>,
    files: std::vec::IntoIter<(Digest, u64)>,
    /// The file that is being sent, how far, and its size.
    file: Option<(Digest, u64, u64)>,
    sent: Arc<AtomicBool>,
}

/// A pack as bytes, and how many there are.
fn outgoing(
    Pack { mut wanted, list, files, sent }: Pack,
    blobs: Arc<dyn Blobs>,
) -> (u64, impl Stream<Item = Result<Bytes, BlobError>> + Send) {
    wanted["list"] = list.len().into();
    let first = format!("{wanted}\n");
    let framed = files.iter().map(|(digest, size)| line(digest, *size).len() as u64 + size);
    let length = (first.len() + list.len()) as u64 + framed.sum::<u64>();
    let ready = [first.into(), list.into()].into();
    let outgoing = Outgoing { blobs, ready, files: files.into_iter(), file: None, sent };
    let stream = stream::unfold(Some(outgoing), async |outgoing| {
        let mut outgoing = outgoing?;
        match outgoing.next().await {
            Ok(Some(bytes)) => Some((Ok(bytes), Some(outgoing))),
            Ok(None) => None,
            Err(error) => Some((Err(error), None)),
        }
    });
    (length, stream)
}

fn line(digest: &Digest, size: u64) -> String {
    format!("{digest} {size}\n")
}

impl Outgoing {
    async fn next(&mut self) -> Result<Option<Bytes>, BlobError> {
        if let Some(ready) = self.ready.pop_front() {
            return Ok(Some(ready));
        }
        if let Some((digest, at, size)) = self.file.take().filter(|(_, at, size)| at < size) {
            let bytes = self.blobs.read(&digest, at, PIECE).await?;
            if bytes.is_empty() {
                return Err(BlobError::Storage(format!("blob {digest} ends too early")));
            }
            self.file = Some((digest, at + bytes.len() as u64, size));
            return Ok(Some(bytes.into()));
        }
        let Some((digest, size)) = self.files.next() else {
            self.sent.store(true, Ordering::Release);
            return Ok(None);
        };
        self.file = Some((digest, 0, size));
        Ok(Some(line(&digest, size).into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::TryStreamExt as _;
    use serde_json::json;
    use stageway_ports::memory::MemoryBlobs;

    #[tokio::test]
    async fn a_pack_is_its_first_line_its_list_and_its_files() {
        let blobs = Arc::new(MemoryBlobs::new());
        let large = vec![b'x'; PIECE as usize + 1];
        let mut files = Vec::new();
        for bytes in [b"one".to_vec(), Vec::new(), large.clone()] {
            let content = blobs.put(bytes).await.unwrap();
            files.push((content.digest, content.size));
        }
        let expected = [
            b"{\"branch\":\"main\",\"list\":5}\nlist\n".to_vec(),
            format!("{} 3\none{} 0\n{} {}\n", files[0].0, files[1].0, files[2].0, large.len()).into_bytes(),
            large,
        ]
        .concat();
        let pack = Pack::new(json!({"branch": "main"}), b"list\n".to_vec(), files);
        let sent_whole = pack.sent.clone();
        let (length, stream) = outgoing(pack, blobs.clone());
        let sent = stream.try_collect::<Vec<_>>().await.unwrap().concat();
        assert_eq!((length, sent.len()), (expected.len() as u64, expected.len()));
        assert!(sent == expected && sent_whole.load(Ordering::Acquire));
        let absent = Pack::new(json!({}), vec![], vec![(Digest::of(b"absent"), 6)]);
        let (_, stream) = outgoing(absent, blobs);
        assert!(stream.try_collect::<Vec<_>>().await.is_err());
    }
}
