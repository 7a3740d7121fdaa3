use async_trait::async_trait;
use serde_json::Value as Json;
use stageway_core::digest::Digest;
use stageway_core::workspace::Tree;
use stageway_ports::{Blobs, Source, SourceError, page_of, read_tree};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Files that a person sent, as the source of a run: the tree is theirs, the history that of the commit that they began with.
pub struct Uploaded {
    /// Where the files are.
    pub blobs: Arc<dyn Blobs>,
    /// Their canonical list.
    pub tree: Digest,
    /// The commit that changes are counted from; none if none of theirs is known.
    pub base: Option<Arc<dyn Source>>,
}

#[async_trait]
impl Source for Uploaded {
    async fn tree(&self) -> Result<Tree, SourceError> {
        let read = read_tree(&*self.blobs, &self.tree).await;
        read.map_err(|error| SourceError::Unavailable(error.to_string()))
    }

    /// What differs from the commit, and what that commit has changed since an earlier one.
    async fn changed_files(
        &self,
        since: Option<&str>,
        after: Option<&str>,
        max: u32,
    ) -> Result<Vec<String>, SourceError> {
        let tree = self.tree().await?;
        let mut changed = match &self.base {
            Some(base) => differing(&base.tree().await?, &tree),
            None => tree.iter().map(|(path, _)| path.to_string()).collect(),
        };
        if let (Some(base), Some(since)) = (&self.base, since) {
            changed.extend(base.changed_files(Some(since), None, u32::MAX).await?);
        }
        Ok(page_of(changed, after, max))
    }

    async fn commits(&self, since: Option<&str>, max: u32) -> Result<Vec<Json>, SourceError> {
        match &self.base {
            Some(base) => base.commits(since, max).await,
            None => Ok(Vec::new()),
        }
    }
}

/// The paths at which two trees are not the same.
fn differing(before: &Tree, after: &Tree) -> BTreeSet<String> {
    let not_in = |one: &Tree, other: &Tree| -> Vec<String> {
        let differs = one.iter().filter(|(path, node)| other.get(path) != Some(node));
        differs.map(|(path, _)| path.to_string()).collect()
    };
    not_in(before, after).into_iter().chain(not_in(after, before)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use stageway_core::call::Content;
    use stageway_core::workspace::{Node, WorkspacePath};
    use stageway_ports::memory::MemoryBlobs;

    struct Base(Tree);

    #[async_trait]
    impl Source for Base {
        async fn tree(&self) -> Result<Tree, SourceError> {
            Ok(self.0.clone())
        }
        async fn changed_files(
            &self,
            since: Option<&str>,
            _: Option<&str>,
            _: u32,
        ) -> Result<Vec<String>, SourceError> {
            assert_eq!(since, Some("v1"));
            Ok(vec!["since".into()])
        }
        async fn commits(&self, _: Option<&str>, _: u32) -> Result<Vec<Json>, SourceError> {
            Ok(vec![Json::Null])
        }
    }

    fn tree(files: &[(&str, &[u8])]) -> Tree {
        let node = |bytes: &[u8]| Node::File {
            content: Content { digest: Digest::of(bytes), size: bytes.len() as u64 },
            executable: false,
        };
        files.iter().map(|(path, bytes)| (WorkspacePath::new(*path).unwrap(), node(bytes))).collect()
    }

    #[tokio::test]
    async fn what_differs_from_the_commit_has_changed() {
        let (before, after) =
            (tree(&[("a", b"1"), ("b", b"1"), ("c", b"1")]), tree(&[("a", b"1"), ("b", b"2"), ("d", b"1")]));
        let blobs = Arc::new(MemoryBlobs::new());
        blobs.put(after.encode()).await.unwrap();
        let sent =
            |base: Option<Arc<dyn Source>>| Uploaded { blobs: blobs.clone(), tree: after.digest(), base };
        let known = sent(Some(Arc::new(Base(before))));
        assert_eq!(known.changed_files(None, None, 9).await.unwrap(), ["b", "c", "d"]);
        assert_eq!(known.changed_files(Some("v1"), Some("c"), 2).await.unwrap(), ["d", "since"]);
        assert_eq!(known.commits(None, 1).await.unwrap().len(), 1);
        let unknown = sent(None);
        assert_eq!(unknown.changed_files(None, None, 9).await.unwrap(), ["a", "b", "d"]);
        assert!(unknown.commits(None, 1).await.unwrap().is_empty());
        let gone = Uploaded { tree: Digest::of(b"gone"), ..unknown };
        assert!(gone.tree().await.is_err());
    }
}
