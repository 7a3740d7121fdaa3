//! What a task leaves: opened beneath its root, following no link out.

use futures::stream::{self, TryStreamExt};
use rustix::fs::{FileType, OFlags, fstat};
use stageway_core::call::Content;
use stageway_core::task::Collected;
use stageway_core::workspace::{Node, Tree, WorkspacePath};
use stageway_parcel::{Entry, Places, beneath, entries, kind};
use stageway_ports::Blobs;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;

/// Files stored at the same time.
const AT_ONCE: usize = 8;

/// Collects a file or folder, with at most `budget` bytes, which become fewer.
///
/// # Errors
/// Why there is nothing, for the ending.
pub(super) async fn one(
    blobs: &dyn Blobs,
    places: &Places<'_>,
    path: &str,
    budget: &mut u64,
) -> Result<Collected, String> {
    let opened = places.open(path)?;
    match kind(opened.as_fd())? {
        FileType::RegularFile => {
            let (content, executable) = store(blobs, opened, budget).await?;
            Ok(Collected::File { content, executable })
        }
        FileType::Directory => folder(blobs, opened, budget).await,
        _ => Err("it is neither a file nor a folder".into()),
    }
}

async fn store(blobs: &dyn Blobs, opened: OwnedFd, budget: &mut u64) -> Result<(Content, bool), String> {
    let stat = fstat(&opened).map_err(|e| e.to_string())?;
    spend(budget, stat.st_size.unsigned_abs())?;
    put(blobs, opened, stat.st_mode & 0o111 != 0).await
}

async fn put(blobs: &dyn Blobs, opened: OwnedFd, executable: bool) -> Result<(Content, bool), String> {
    // The very file that was checked, whatever stands at its path by now.
    let path = PathBuf::from(format!("/proc/self/fd/{}", opened.as_raw_fd()));
    let content = blobs.put_file(&path).await.map_err(|e| e.to_string())?;
    drop(opened);
    Ok((content, executable))
}

fn spend(budget: &mut u64, bytes: u64) -> Result<(), String> {
    *budget = budget.checked_sub(bytes).ok_or("more is collected than the limit `collect-bytes` allows")?;
    Ok(())
}

async fn folder(blobs: &dyn Blobs, root: OwnedFd, budget: &mut u64) -> Result<Collected, String> {
    let (root, entries) = tokio::task::spawn_blocking(move || entries(&root).map(|entries| (root, entries)))
        .await
        .map_err(|e| e.to_string())??;
    let (files, others): (Vec<_>, Vec<_>) =
        entries.into_iter().partition(|(_, entry)| matches!(entry, Entry::File { .. }));
    let sizes = files.iter().map(|(_, entry)| if let Entry::File { size, .. } = entry { *size } else { 0 });
    spend(budget, sizes.sum())?;
    let root = &root;
    let stored = stream::iter(files.into_iter().map(Ok::<_, String>)).map_ok(|(path, _)| async move {
        let opened =
            beneath(root.as_fd(), path.as_str(), OFlags::NONBLOCK).map_err(|e| format!("`{path}`: {e}"))?;
        let stat = fstat(&opened).map_err(|e| e.to_string())?;
        let (content, executable) = put(blobs, opened, stat.st_mode & 0o111 != 0).await?;
        Ok((plain(path)?, Node::File { content, executable }))
    });
    let mut nodes: Vec<(WorkspacePath, Node)> = stored.try_buffer_unordered(AT_ONCE).try_collect().await?;
    for (path, entry) in others {
        match entry {
            Entry::Link { target } => nodes.push((plain(path)?, Node::Link { target })),
            Entry::Folder => nodes.push((plain(path)?, Node::Folder)),
            Entry::File { .. } => {}
        }
    }
    let tree: Tree = nodes.into_iter().collect();
    let content = blobs.put(tree.encode()).await.map_err(|e| e.to_string())?;
    Ok(Collected::Tree { digest: content.digest, size: tree.size() })
}

fn plain(path: String) -> Result<WorkspacePath, String> {
    WorkspacePath::new(path).map_err(|error| error.to_string())
}
