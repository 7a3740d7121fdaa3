use crate::{BlobError, Blobs};
use stageway_core::digest::Digest;
use stageway_core::workspace::Tree;

/// The canonical list of a tree has at most this many bytes.
const TREE_BYTES: u64 = 256 << 20;

/// Reads a tree whose canonical list is a blob.
///
/// # Errors
/// Those of [`Blobs::get`]; [`BlobError::Storage`] also when the bytes are not the list of a tree.
pub async fn read_tree(blobs: &dyn Blobs, digest: &Digest) -> Result<Tree, BlobError> {
    let list = blobs.get(digest, TREE_BYTES).await?;
    Tree::decode(&list).map_err(|error| BlobError::Storage(format!("blob {digest} is no tree: {error}")))
}
