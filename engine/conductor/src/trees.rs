//! Trees that stages start from, kept at hand: all stages of a run start from the same one, and whoever makes a run has just
//! had its tree in hand.

use stageway_core::digest::Digest;
use stageway_core::workspace::Tree;
use stageway_ports::{BlobError, Blobs, read_tree};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Trees that are kept.
const MOST: usize = 64;
/// Nodes of all that are kept: some ten megabytes.
const MOST_NODES: usize = 50_000;

/// The trees that were read last.
#[derive(Default)]
pub struct Trees(Mutex<Vec<(Digest, Arc<Tree>)>>);

impl Trees {
    /// The tree of this digest.
    ///
    /// # Errors
    /// [`BlobError`] when it is not at hand and cannot be read.
    pub async fn read(&self, blobs: &dyn Blobs, digest: &Digest) -> Result<Arc<Tree>, BlobError> {
        if let Some(tree) = self.kept(digest) {
            return Ok(tree);
        }
        let tree = Arc::new(read_tree(blobs, digest).await?);
        self.keep(*digest, tree.clone());
        Ok(tree)
    }

    /// Keeps a tree, and as many of those before it as there is room for.
    pub fn keep(&self, digest: Digest, tree: Arc<Tree>) {
        let mut kept = self.lock();
        kept.retain(|(of, _)| *of != digest);
        kept.insert(0, (digest, tree));
        let mut nodes = 0;
        let fits = kept.iter().take(MOST).take_while(|(_, tree)| {
            nodes += tree.len();
            nodes <= MOST_NODES
        });
        let fits = fits.count();
        kept.truncate(fits);
    }

    /// The newest first.
    fn kept(&self, digest: &Digest) -> Option<Arc<Tree>> {
        let mut kept = self.lock();
        let at = kept.iter().position(|(of, _)| of == digest)?;
        kept[..=at].rotate_right(1);
        kept.first().map(|(_, tree)| tree.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Digest, Arc<Tree>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stageway_core::call::Content;
    use stageway_core::workspace::{Node, WorkspacePath};

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
        let large = tree(0, MOST_NODES - 2);
        trees.keep(large.0, large.1);
        let has = |at: usize| trees.lock().iter().any(|(of, _)| *of == made[at].0);
        assert!(has(2) && has(MOST + 1) && !has(MOST));
        let (digest, too_large) = tree(1, MOST_NODES + 1);
        trees.keep(digest, too_large);
        assert!(trees.lock().is_empty());
    }
}
