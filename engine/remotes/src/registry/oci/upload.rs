use super::auth;
use super::call::Call;
use super::failure::{Failure, broken};
use super::{OciRegistry, retry};
use bytes::Bytes;
use futures::SinkExt as _;
use futures::channel::mpsc;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, LOCATION};
use reqwest::{Body, Method, Response, StatusCode, Url};
use stageway_core::call::Content;
use stageway_core::image::RepositoryPath;
use stageway_ports::{BlobStatus, Blobs, RegistryError};
use std::time::Duration;

/// Up to this size a blob is sent from memory.
const SMALL: u64 = 4 << 20;
/// Larger ones are read in pieces of this size, a few of them ahead of the connection.
const PIECE: u32 = 1 << 20;
const AHEAD: usize = 2;
/// A piece must be taken, and the end be confirmed, within this time.
const SILENCE: Duration = Duration::from_secs(120);

impl OciRegistry {
    /// Makes sure that the registry has a blob.
    pub(super) async fn upload(
        &self,
        repository: &RepositoryPath,
        content: &Content,
        from: &dyn Blobs,
    ) -> Result<BlobStatus, RegistryError> {
        if self.has_blob(repository, &content.digest).await? {
            return Ok(BlobStatus::Present);
        }
        let mut tried = 0;
        loop {
            let session = match self.begin(repository, &[]).await? {
                Begun::Session(url) => url,
                Begun::Mounted => return Ok(BlobStatus::Present),
            };
            let sent = match content.size {
                size if size <= SMALL => self.send_whole(repository, session, content, from).await,
                _ => self.send_pieces(repository, session, content, from).await,
            };
            tried += 1;
            match sent {
                Ok(()) => return Ok(BlobStatus::Written),
                Err(RegistryError::Unavailable(_)) if tried < retry::TRIES => {
                    tokio::time::sleep(retry::pause(tried, None)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Asks the registry to take a blob from another of its repositories. False: it does not, or has not got it.
    pub(super) async fn mount(
        &self,
        repository: &RepositoryPath,
        content: &Content,
        from: &RepositoryPath,
    ) -> Result<bool, RegistryError> {
        if self.has_blob(repository, &content.digest).await? {
            return Ok(true);
        }
        let digest = content.digest.to_string();
        match self.begin(repository, &[("mount", digest.as_str()), ("from", from.as_str())]).await {
            Ok(Begun::Mounted) => Ok(true),
            Ok(Begun::Session(url)) => {
                self.give_up(repository, url).await;
                Ok(false)
            }
            // Not every registry lets the credentials of one repository read another.
            Err(RegistryError::Refused(_) | RegistryError::NotFound(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether the account may push: an upload is begun and given up.
    pub(super) async fn may_push(&self, repository: &RepositoryPath) -> Result<(), RegistryError> {
        if let Begun::Session(url) = self.begin(repository, &[]).await? {
            self.give_up(repository, url).await;
        }
        Ok(())
    }

    /// Ends an upload that nobody uses; it ends by itself if that fails.
    async fn give_up(&self, repository: &RepositoryPath, session: Url) {
        let _ = self.send(&self.session_call(Method::DELETE, repository, session)).await;
    }

    async fn begin(
        &self,
        repository: &RepositoryPath,
        query: &[(&str, &str)],
    ) -> Result<Begun, RegistryError> {
        let mut url = self.url(&format!("{repository}/blobs/uploads/"));
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut call = self.session_call(Method::POST, repository, url);
        call.scopes.extend(query.iter().find(|(name, _)| *name == "from").map(|(_, from)| auth::pull(from)));
        let response = self.send(&call).await?;
        match response.status() {
            StatusCode::CREATED => Ok(Begun::Mounted),
            StatusCode::ACCEPTED => self.session(&call.url, response.headers()).map(Begun::Session),
            _ => Err(Failure::of(response, &call.what).await.into()),
        }
    }

    /// Where the bytes go. Credentials go along, so it must be the registry itself; its scheme is the one that we use,
    /// because registries behind a TLS proxy name the wrong one.
    fn session(&self, from: &Url, headers: &HeaderMap) -> Result<Url, RegistryError> {
        let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
        let url = location.and_then(|location| from.join(location).ok());
        let wrong =
            || RegistryError::Unavailable("the registry names no place of its own for an upload".into());
        let mut url = url.filter(|url| url.host() == from.host()).ok_or_else(wrong)?;
        if url.scheme() != self.base.scheme() {
            url.set_scheme(self.base.scheme())
                .and_then(|()| url.set_port(self.base.port()))
                .map_err(|()| wrong())?;
        }
        if url.port_or_known_default() == from.port_or_known_default() { Ok(url) } else { Err(wrong()) }
    }

    fn session_call(&self, method: Method, repository: &RepositoryPath, url: Url) -> Call {
        Call::new(method, url, auth::push(repository.as_str()), format!("an upload to {repository}"))
    }

    async fn send_whole(
        &self,
        repository: &RepositoryPath,
        mut session: Url,
        content: &Content,
        from: &dyn Blobs,
    ) -> Result<(), RegistryError> {
        session.query_pairs_mut().append_pair("digest", &content.digest.to_string());
        let mut call = self.session_call(Method::PUT, repository, session);
        call = call.header(CONTENT_TYPE, "application/octet-stream");
        call.body = from.get(&content.digest, content.size).await?.into();
        confirmed(self.send(&call).await?, &call.what).await
    }

    /// Sends one request whose body is read from the blobs as the connection takes it.
    async fn send_pieces(
        &self,
        repository: &RepositoryPath,
        mut session: Url,
        content: &Content,
        from: &dyn Blobs,
    ) -> Result<(), RegistryError> {
        session.query_pairs_mut().append_pair("digest", &content.digest.to_string());
        let call = self.session_call(Method::PUT, repository, session);
        let mut headers = HeaderMap::new();
        self.auth.apply(&call.scopes, &mut headers);
        let (pieces, body) = mpsc::channel::<Result<Bytes, std::io::Error>>(AHEAD);
        let request = self
            .clients
            .uploads
            .put(call.url)
            .headers(headers)
            .header(CONTENT_TYPE, "application/octet-stream")
            .header(CONTENT_LENGTH, content.size)
            .body(Body::wrap_stream(body));
        let response = tokio::select! {
            answer = request.send() => answer.map_err(|error| broken(&call.what, &error))?,
            stopped = feed(pieces, content, from) => return Err(stopped),
        };
        confirmed(response, &call.what).await
    }
}

/// What asking for an upload gave.
enum Begun {
    /// Where the bytes go.
    Session(Url),
    /// Nothing is to be sent: the blob is there.
    Mounted,
}

/// Feeds the pieces, then waits for the answer, which ends it; resolves only when something is wrong.
async fn feed(
    mut pieces: mpsc::Sender<Result<Bytes, std::io::Error>>,
    content: &Content,
    from: &dyn Blobs,
) -> RegistryError {
    let stuck = || RegistryError::Unavailable("the registry takes no more of an upload".into());
    let mut offset = 0;
    while offset < content.size {
        let piece = match from.read(&content.digest, offset, PIECE).await {
            Ok(piece) if piece.is_empty() => {
                return RegistryError::Blobs(format!(
                    "{} ends at {offset} of {}",
                    content.digest, content.size
                ));
            }
            Ok(piece) => piece,
            Err(error) => return error.into(),
        };
        offset += piece.len() as u64;
        match tokio::time::timeout(SILENCE, pieces.send(Ok(piece.into()))).await {
            Ok(Ok(())) => {}
            // The connection is gone: its own error comes with the answer.
            Ok(Err(_)) => break,
            Err(_) => return stuck(),
        }
    }
    drop(pieces);
    tokio::time::sleep(SILENCE).await;
    stuck()
}

async fn confirmed(response: Response, what: &str) -> Result<(), RegistryError> {
    match response.status() {
        StatusCode::CREATED | StatusCode::NO_CONTENT | StatusCode::ACCEPTED => Ok(()),
        // The session is gone: another one may do.
        StatusCode::NOT_FOUND => Err(RegistryError::Unavailable(format!("{what}: the registry lost it"))),
        _ => Err(Failure::of(response, what).await.into()),
    }
}
