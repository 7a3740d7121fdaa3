use super::GitMirror;
use super::read::said;
use super::source::Commit;
use async_trait::async_trait;
use stageway_core::delivery::{Reference, Revision};
use stageway_ports::{CommitFacts, Mirror, Source, SourceError};
use std::collections::BTreeMap;
use std::sync::Arc;

#[async_trait]
impl Mirror for GitMirror {
    async fn fetch(
        &self,
        refs: &[Reference],
        revisions: &[Revision],
    ) -> Result<BTreeMap<Reference, Revision>, SourceError> {
        self.inner.fetch(refs, revisions).await
    }

    async fn last_head(&self, reference: &Reference) -> Result<Option<Revision>, SourceError> {
        self.inner.last_head(reference).await
    }

    async fn heads(&self) -> Result<BTreeMap<Reference, Revision>, SourceError> {
        self.inner.all_heads().await
    }

    async fn commit(&self, revision: &Revision) -> Result<Option<CommitFacts>, SourceError> {
        let Some(commit) = self.inner.commit(revision.as_str()).await? else { return Ok(None) };
        let name = commit.header.object.clone();
        let revision = Revision::new(name).map_err(|error| SourceError::Unavailable(error.to_string()))?;
        let (author, message) = said(&commit.bytes);
        Ok(Some(CommitFacts { revision, author, message }))
    }

    async fn contains(&self, head: &Revision, revision: &Revision) -> Result<bool, SourceError> {
        self.inner.contains(head, revision).await
    }

    async fn parted(&self, one: &Revision, other: &Revision) -> Result<Option<Revision>, SourceError> {
        self.inner.parted(one.as_str(), other.as_str()).await
    }

    async fn folder(&self, revision: &Revision, path: &str) -> Result<Vec<String>, SourceError> {
        let files = self.inner.folder(revision, path).await?.into_iter().filter(|entry| entry.is_file());
        let below = |name: String| if path.is_empty() { name } else { format!("{path}/{name}") };
        Ok(files.map(|entry| below(entry.path)).collect())
    }

    async fn file(&self, revision: &Revision, path: &str, max: u64) -> Result<Option<Vec<u8>>, SourceError> {
        self.inner.file(revision, path, max).await
    }

    fn at(&self, revision: &Revision, base: Option<&Revision>) -> Arc<dyn Source> {
        Arc::new(Commit {
            inner: self.inner.clone(),
            revision: revision.to_string(),
            base: base.map(Revision::to_string),
        })
    }
}
