use crate::{BlobError, Blobs, SecretValue};
use async_trait::async_trait;
use serde_json::Value as Json;
use stageway_core::call::{Content, Image, Outcome};
use stageway_core::digest::Digest;
use thiserror::Error;

/// A manifest, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Its own bytes.
    pub bytes: Vec<u8>,
    /// Its media type.
    pub media_type: String,
}

/// What a container tool logs in to a registry with.
#[derive(Debug, Clone)]
pub struct Login {
    /// `HOST` or `HOST:PORT`, as references to images name the registry.
    pub server: String,
    /// What it shows there.
    pub credentials: LoginCredentials,
}

/// What a login shows.
#[derive(Debug, Clone)]
pub enum LoginCredentials {
    /// A user with a password.
    Basic {
        /// The user.
        username: String,
        /// Never shown.
        password: SecretValue,
    },
    /// A bearer token.
    Token(SecretValue),
}

/// Whether a blob had to be moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlobStatus {
    /// It was there.
    Present,
    /// It was written.
    Written,
}

/// Something that an account needs of a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryRight {
    /// As the registry calls it: `pull`, `push`, `ecr:BatchGetImage`.
    pub action: &'static str,
    /// Why the account may not, with what to change; none: it may.
    pub refused: Option<String>,
}

impl RegistryRight {
    /// What an answer says of it: only a refusal means that the account may not.
    ///
    /// # Errors
    /// Errors of a registry that did not come to decide.
    pub fn told<T>(action: &'static str, answer: Result<T, RegistryError>) -> Result<Self, RegistryError> {
        match answer {
            Err(RegistryError::Refused(why)) => Ok(Self { action, refused: Some(why) }),
            Err(error @ (RegistryError::Unavailable(_) | RegistryError::Blobs(_))) => Err(error),
            _ => Ok(Self { action, refused: None }),
        }
    }
}

/// Why a registry did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RegistryError {
    /// The repository, tag or digest is not there.
    #[error("not found: {0}")]
    NotFound(String),
    /// A tag names another digest than the call demands.
    #[error("tag `{tag}` of {repository} names {found}, not {expected}")]
    Conflict {
        /// Without the connection.
        repository: String,
        /// The tag.
        tag: String,
        /// What it names; `nothing` if it is not there.
        found: String,
        /// What the call demands.
        expected: String,
    },
    /// The name of a repository, tag or digest is not one.
    #[error("invalid: {0}")]
    Invalid(String),
    /// A manifest names blobs or manifests that are not in the repository.
    #[error("the repository lacks {}", .0.join(", "))]
    Incomplete(Vec<String>),
    /// Bytes do not have the digest they should have.
    #[error("corrupt: {0}")]
    Corrupt(String),
    /// The registry refuses these credentials.
    #[error("refused: {0}")]
    Refused(String),
    /// It does not answer, or with an error of its own.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// The engine's own blobs failed: a fault of ours, never an answer to a plugin.
    #[error("the engine's blobs failed: {0}")]
    Blobs(String),
}

impl RegistryError {
    /// The conflict of a compare-and-set: `found` is what the tag names, `expected` what the call demands; none is
    /// nothing.
    pub fn conflict(repository: &str, tag: &str, found: Option<Digest>, expected: Option<&Digest>) -> Self {
        let text = |digest: Option<&Digest>| digest.map_or_else(|| "nothing".to_owned(), Digest::to_string);
        Self::Conflict {
            repository: repository.to_owned(),
            tag: tag.to_owned(),
            found: text(found.as_ref()),
            expected: text(expected),
        }
    }
}

impl From<BlobError> for RegistryError {
    fn from(error: BlobError) -> Self {
        Self::Blobs(error.to_string())
    }
}

/// One connection to a registry or image layout. Repositories are given without the connection's name.
#[async_trait]
pub trait Registry: Send + Sync {
    /// The manifest under a tag or digest.
    async fn find(&self, repository: &str, reference: &str) -> Result<Option<Image>, RegistryError>;

    /// At most `max` tags in order, after `after`. A repository without any tag may answer `NotFound`: registries do.
    async fn tags(
        &self,
        repository: &str,
        after: Option<&str>,
        max: u32,
    ) -> Result<Vec<String>, RegistryError>;

    /// A manifest's own bytes, checked against the digest.
    async fn manifest(&self, repository: &str, digest: &Digest) -> Result<Manifest, RegistryError>;

    /// What is known of a repository or an image, as an object: `immutability` (`none` or `tags`), `scan-findings`; of a
    /// registry `pull`, where nodes and tools find the repository (`HOST[:PORT]/PATH`), and `insecure` where that is plain HTTP. The
    /// configuration of an image is not among it: it is a blob.
    async fn facts(&self, repository: &str, digest: Option<&Digest>) -> Result<Json, RegistryError>;

    /// Brings a blob of the repository into the blobs, checked.
    async fn pull_blob(
        &self,
        repository: &str,
        digest: &Digest,
        into: &dyn Blobs,
    ) -> Result<Content, RegistryError>;

    /// Makes sure that the repository has a blob, taking it from the blobs.
    async fn push_blob(
        &self,
        repository: &str,
        content: &Content,
        from: &dyn Blobs,
    ) -> Result<BlobStatus, RegistryError>;

    /// Makes sure that the repository has a blob, taking it from another repository of this connection without moving
    /// its bytes through the engine. False: not possible here, and nothing was done; pull and push it instead.
    async fn mount_blob(
        &self,
        repository: &str,
        content: &Content,
        from: &str,
    ) -> Result<bool, RegistryError>;

    /// Makes sure that the repository has a manifest, without a tag. Its blobs and children must be there.
    async fn push_manifest(&self, repository: &str, manifest: &Manifest) -> Result<Outcome, RegistryError>;

    /// The connection's own credentials, for a tool that must push or pull by itself.
    ///
    /// # Errors
    /// [`RegistryError::NotFound`] if the connection has none; [`RegistryError::Invalid`] if it is nothing to log in to.
    async fn login(&self, repository: &str) -> Result<Login, RegistryError>;

    /// What the account may do with a repository, which need not exist. Each action is tried with nothing that stays; what cannot be
    /// tried so is not among them.
    async fn rights(&self, repository: &str) -> Result<Vec<RegistryRight>, RegistryError>;

    /// Compare-and-set of one tag. Names `digest` already: `Already`. `replaces` none: the tag must be absent; some: it
    /// must name that digest.
    async fn tag(
        &self,
        repository: &str,
        digest: &Digest,
        tag: &str,
        replaces: Option<&Digest>,
    ) -> Result<Outcome, RegistryError>;
}
