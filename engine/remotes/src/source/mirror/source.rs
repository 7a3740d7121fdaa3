//! One commit of a mirror as the source of a run.

use super::Inner;
use crate::source::history;
use crate::source::revision;
use crate::source::tree::{At, TreeLimits};
use async_trait::async_trait;
use serde_json::Value as Json;
use stageway_core::workspace::Tree;
use stageway_ports::{Source, SourceError, page_of};
use std::collections::BTreeSet;
use std::sync::Arc;

pub(super) struct Commit {
    pub(super) inner: Arc<Inner>,
    pub(super) revision: String,
    /// What changes are counted from; without one every path has changed.
    pub(super) base: Option<String>,
}

#[async_trait]
impl Source for Commit {
    async fn tree(&self) -> Result<Tree, SourceError> {
        self.inner.tree(&self.revision, TreeLimits::default()).await
    }

    async fn changed_files(
        &self,
        since: Option<&str>,
        after: Option<&str>,
        max: u32,
    ) -> Result<Vec<String>, SourceError> {
        let git = &self.inner.git;
        let changed: BTreeSet<String> = match (since, &self.base) {
            (None, None) => revision::paths(git, &self.revision).await?.into_iter().collect(),
            // Where the head came from: after a push by force what was taken back has changed as well.
            (None, Some(base)) => self.inner.differing(base, &self.revision).await?,
            (Some(since), _) => {
                history::changed(git, since, &At::Revision(self.revision.clone()), &self.revision).await?
            }
        };
        Ok(page_of(changed, after, max))
    }

    async fn commits(&self, since: Option<&str>, max: u32) -> Result<Vec<Json>, SourceError> {
        history::commits(&self.inner.git, since, &self.revision, max).await
    }
}
