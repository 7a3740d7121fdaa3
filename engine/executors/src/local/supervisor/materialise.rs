//! A private copy of a tree.

use super::disk::{Owner, blocking};
use super::life::Outcome;
use futures::stream::{self, TryStreamExt};
use stageway_core::call::EndingReason;
use stageway_core::digest::Digest;
use stageway_core::workspace::{Node, Tree, WorkspacePath};
use stageway_ports::{Blobs, read_tree};
use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// Files copied at the same time.
const AT_ONCE: usize = 16;

/// Puts a tree into a new directory that the task owns. Times are those of now: constant ones would make build tools take
/// a cached result for fresh.
pub(super) async fn tree(blobs: &dyn Blobs, digest: &Digest, to: &Path, owner: Owner) -> Result<(), Outcome> {
    let failed = |problem: String| {
        Outcome::never(
            EndingReason::Unschedulable,
            format!("the workspace {digest} cannot be put in place: {problem}"),
        )
    };
    let tree = read_tree(blobs, digest).await.map_err(|e| failed(e.to_string()))?;
    let (folders, links) = skeleton(&tree, to);
    let root = to.to_owned();
    let made = blocking(move || {
        owner.folder(&root)?;
        folders.iter().try_for_each(|folder| owner.folder(folder))?;
        links.iter().try_for_each(|(path, target)| symlink(target, path).and_then(|()| owner.give(path)))
    });
    made.await.map_err(|e| failed(e.to_string()))?;
    let files = tree.iter().filter_map(|(path, node)| match node {
        Node::File { content, executable } => Some((to.join(path.as_str()), content.digest, *executable)),
        Node::Link { .. } | Node::Folder => None,
    });
    stream::iter(files.map(Ok))
        .try_for_each_concurrent(AT_ONCE, |(path, digest, executable)| async move {
            blobs.copy_to(&digest, &path).await.map_err(|e| e.to_string())?;
            finish(&path, executable, owner).map_err(|e| format!("{}: {e}", path.display()))
        })
        .await
        .map_err(failed)
}

/// The folders, those above first, and the links with their targets. A tree has nothing below a link, so no path leads
/// through one.
fn skeleton(tree: &Tree, to: &Path) -> (BTreeSet<PathBuf>, Vec<(PathBuf, String)>) {
    let (mut folders, mut links) = (BTreeSet::new(), Vec::new());
    for (path, node) in tree.iter() {
        match node {
            Node::Folder => drop(folders.insert(to.join(path.as_str()))),
            Node::Link { target } => links.push((to.join(path.as_str()), target.clone())),
            Node::File { .. } => {}
        }
        folders.extend(parents(path).map(|parent| to.join(parent)));
    }
    (folders, links)
}

fn parents(path: &WorkspacePath) -> impl Iterator<Item = &str> {
    let text = path.as_str();
    text.match_indices('/').map(move |(at, _)| &text[..at])
}

fn finish(path: &Path, executable: bool, owner: Owner) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(if executable { 0o755 } else { 0o644 }))?;
    owner.give(path)
}
