//! Trees that stages start from, kept at hand: all stages of a run start from the same one.

use stageway_core::digest::Digest;
use stageway_core::workspace::Tree;
use stageway_ports::{BlobError, Blobs, read_tree};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Trees that are kept.
const MOST: usize = 8;
/// Nodes of one that is kept: some ten megabytes.
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
        if tree.len() <= MOST_NODES {
            let mut kept = self.lock();
            kept.truncate(MOST - 1);
            kept.insert(0, (*digest, tree.clone()));
        }
        Ok(tree)
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
