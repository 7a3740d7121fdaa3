use crate::{Source, SourceError};
use async_trait::async_trait;
use serde_json::Value as Json;
use stageway_core::workspace::Tree;

/// A repository that a test made up. `since` is any text: the changes are always the same.
#[derive(Debug, Clone, Default)]
pub struct MemorySource {
    /// The tree of the revision.
    pub tree: Tree,
    /// Changed paths, in order.
    pub changed: Vec<String>,
    /// Commits, newest first.
    pub commits: Vec<Json>,
}

#[async_trait]
impl Source for MemorySource {
    async fn tree(&self) -> Result<Tree, SourceError> {
        Ok(self.tree.clone())
    }

    async fn changed_files(
        &self,
        _since: Option<&str>,
        after: Option<&str>,
        max: u32,
    ) -> Result<Vec<String>, SourceError> {
        let later = self.changed.iter().filter(|path| after.is_none_or(|after| path.as_str() > after));
        Ok(later.take(max as usize).cloned().collect())
    }

    async fn commits(&self, _since: Option<&str>, max: u32) -> Result<Vec<Json>, SourceError> {
        Ok(self.commits.iter().take(max as usize).cloned().collect())
    }
}
