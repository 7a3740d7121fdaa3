use crate::{Source, SourceError};
use async_trait::async_trait;
use stageway_core::delivery::{Reference, Revision};
use stageway_core::name::{RepositoryId, TenantId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a commit says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitFacts {
    /// Its own name: an annotated tag leads to another one.
    pub revision: Revision,
    /// `NAME <ADDRESS>`.
    pub author: Option<String>,
    /// The whole message, at most [`stageway_core::event::MAX_TEXT`] bytes.
    pub message: String,
}

/// A repository that is kept here and fetched from where it is at home.
#[async_trait]
pub trait Mirror: Send + Sync {
    /// Brings refs up to date and answers their heads; those that are gone are missing. Of commits that no ref leads to,
    /// those are fetched that the remote gives.
    ///
    /// # Errors
    /// [`SourceError::Unavailable`] and [`SourceError::Limit`]; what was fetched before stays.
    async fn fetch(
        &self,
        refs: &[Reference],
        revisions: &[Revision],
    ) -> Result<BTreeMap<Reference, Revision>, SourceError>;

    /// The head of a ref as the last fetch of it found it; none if it never was fetched.
    async fn last_head(&self, reference: &Reference) -> Result<Option<Revision>, SourceError>;

    /// The heads of every branch and tag as they are where the repository is at home; nothing is fetched.
    ///
    /// # Errors
    /// [`SourceError::Unavailable`]; [`SourceError::Limit`] if there are more than 100,000.
    async fn heads(&self) -> Result<BTreeMap<Reference, Revision>, SourceError>;

    /// The commit that a revision leads to; none if it is not here.
    async fn commit(&self, revision: &Revision) -> Result<Option<CommitFacts>, SourceError>;

    /// Whether one commit leads to another. What is not here is in nothing.
    async fn contains(&self, head: &Revision, revision: &Revision) -> Result<bool, SourceError>;

    /// Where two commits parted; none if they have nothing in common or one is not here.
    async fn parted(&self, one: &Revision, other: &Revision) -> Result<Option<Revision>, SourceError>;

    /// The paths of the files in a folder of a commit, in order; the empty text is the root. None if it is no folder.
    async fn folder(&self, revision: &Revision, path: &str) -> Result<Vec<String>, SourceError>;

    /// The bytes of a file of a commit; none if it is no file.
    ///
    /// # Errors
    /// [`SourceError::Limit`] if it has more than `max` bytes.
    async fn file(&self, revision: &Revision, path: &str, max: u64) -> Result<Option<Vec<u8>>, SourceError>;

    /// A commit as the source of a run; changes are counted from `base`.
    fn at(&self, revision: &Revision, base: Option<&Revision>) -> Arc<dyn Source>;
}

/// The mirrors of an installation.
#[async_trait]
pub trait Mirrors: Send + Sync {
    /// The mirror of a repository; it is made where there is none yet.
    ///
    /// # Errors
    /// [`SourceError::NotFound`] if the tenant has no such repository.
    async fn open(
        &self,
        tenant: &TenantId,
        repository: &RepositoryId,
    ) -> Result<Arc<dyn Mirror>, SourceError>;
}
