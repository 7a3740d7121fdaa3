use async_trait::async_trait;
use serde_json::Value as Json;
use stageway_core::workspace::Tree;
use std::collections::BTreeSet;
use thiserror::Error;

/// Why a repository or work tree could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SourceError {
    /// The revision, ref or file is not there.
    #[error("not found: {0}")]
    NotFound(String),
    /// A name or link in it cannot stand in a tree.
    #[error("the tree cannot be taken: {0}")]
    Unsupported(String),
    /// A limit on files, bytes or time was reached.
    #[error("over the limit: {0}")]
    Limit(String),
    /// git or the file system failed.
    #[error("the source cannot be read: {0}")]
    Unavailable(String),
}

/// The repository at the run's revision.
#[async_trait]
pub trait Source: Send + Sync {
    /// The whole tree, with its bytes in the blobs.
    async fn tree(&self) -> Result<Tree, SourceError>;

    /// Paths that changed since a revision (by merge base), in order, after `after`, at most `max`.
    async fn changed_files(
        &self,
        since: Option<&str>,
        after: Option<&str>,
        max: u32,
    ) -> Result<Vec<String>, SourceError>;

    /// {revision, author, at, title, message}, newest first.
    async fn commits(&self, since: Option<&str>, max: u32) -> Result<Vec<Json>, SourceError>;
}

/// What of all changed paths an answer to [`Source::changed_files`] has.
pub fn page_of(changed: BTreeSet<String>, after: Option<&str>, max: u32) -> Vec<String> {
    let rest = changed.into_iter().filter(|path| after.is_none_or(|after| path.as_str() > after));
    rest.take(max as usize).collect()
}
