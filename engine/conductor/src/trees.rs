//! Trees that stages start from, kept at hand: all stages of a run start from the same one, and whoever makes a run has just
//! had its tree in hand.

use stageway_core::digest::Digest;
use stageway_core::workspace::Tree;
use stageway_ports::{BlobError, Blobs, read_tree};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Trees that are kept.
const MOST: usize = 64;
/// Nodes of one that is kept, and of all: some twenty megabytes.
const MOST_OF_ONE: usize = 50_000;
const MOST_NODES: usize = 2 * MOST_OF_ONE;

/// The trees that were read last.
#[derive(Default)]
pub struct Trees {
    /// The newest first.
    kept: Mutex<Vec<(Digest, Arc<Tree>)>>,
    /// Those that runs were made with.
    made: Option<Arc<Trees>>,
}

impl Trees {
    /// Those of one run, which may find its first one among those that runs were made with.
    pub fn of_run(made: Arc<Self>) -> Self {
        Self { kept: Mutex::default(), made: Some(made) }
    }

    /// The tree of this digest.
    ///
    /// # Errors
    /// [`BlobError`] when it is not at hand and cannot be read.
    pub async fn read(&self, blobs: &dyn Blobs, digest: &Digest) -> Result<Arc<Tree>, BlobError> {
        if let Some(tree) = self.kept(digest) {
            return Ok(tree);
        }
        let tree = match self.made.as_ref().and_then(|made| made.kept(digest)) {
            Some(tree) => tree,
            None => Arc::new(read_tree(blobs, digest).await?),
        };
        self.keep(*digest, tree.clone());
        Ok(tree)
    }

    /// Keeps a tree, and as many of those before it as there is room for.
    pub fn keep(&self, digest: Digest, tree: Arc<Tree>) {
        if tree.len() > MOST_OF_ONE {
            return;
        }
        let mut kept = self.lock();
        kept.retain(|(of, _)| *of != digest);
        kept.insert(0, (digest, tree));
        let mut nodes = 0;
        kept.truncate(MOST);
        kept.retain(|(_, tree)| {
            nodes += tree.len();
            nodes <= MOST_NODES
        });
    }

    /// One of them, which becomes the newest.
    fn kept(&self, digest: &Digest) -> Option<Arc<Tree>> {
        let mut kept = self.lock();
        let at = kept.iter().position(|(of, _)| of == digest)?;
        kept[..=at].rotate_right(1);
        kept.first().map(|(_, tree)| tree.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Digest, Arc<Tree>)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stageway_core::call::Content;
    use stageway_core::workspace::{Node, WorkspacePath};
    use stageway_ports::memory::MemoryBlobs;

    fn tree(name: usize, files: usize) -> (Digest, Arc<Tree>) {
        let mut tree = Tree::default();
        for file in 0..files {
            let content = Content { digest: Digest::of(b""), size: 0 };
            let path = WorkspacePath::new(format!("{name}/{file}")).unwrap();
            tree.insert(path, Node::File { content, executable: false });
        }
        (tree.digest(), Arc::new(tree))
    }

    #[test]
    fn the_last_ones_are_kept_as_far_as_they_have_room() {
        let trees = Trees::default();
        let made: Vec<_> = (0..MOST + 2).map(|name| tree(name, 1)).collect();
        made.iter().for_each(|(digest, tree)| trees.keep(*digest, tree.clone()));
        assert!(trees.kept(&made[1].0).is_none() && trees.kept(&made[2].0).is_some());
        // What was looked at last stays longest.
        let has = |at: usize| trees.lock().iter().any(|(of, _)| *of == made[at].0);
        for (name, files) in [(0, MOST_OF_ONE), (1, MOST_OF_ONE - 2)] {
            let (digest, large) = tree(name, files);
            trees.keep(digest, large);
        }
        assert!(has(2) && has(MOST + 1) && !has(MOST));
        let (digest, too_large) = tree(2, MOST_OF_ONE + 1);
        trees.keep(digest, too_large);
        assert!(trees.kept(&digest).is_none() && has(2), "it drives nobody out");
    }

    #[tokio::test]
    async fn a_run_finds_the_tree_that_it_was_made_with_and_keeps_it() {
        let (made, (digest, tree)) = (Arc::new(Trees::default()), tree(0, 3));
        let (of_run, of_another) = (Trees::of_run(made.clone()), Trees::of_run(made.clone()));
        let blobs = MemoryBlobs::default();
        made.keep(digest, tree.clone());
        assert!(Arc::ptr_eq(&of_run.read(&blobs, &digest).await.unwrap(), &tree));
        made.lock().clear();
        assert!(Arc::ptr_eq(&of_run.read(&blobs, &digest).await.unwrap(), &tree));
        assert!(matches!(of_another.read(&blobs, &digest).await, Err(BlobError::Missing(_))));
    }
}
