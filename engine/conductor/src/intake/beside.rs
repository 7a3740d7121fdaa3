//! What lies beside a pipeline file: a lock, and the components that its stages name by their files.

use super::Trouble;
use stageway_core::definition::Definition;
use stageway_core::delivery::Revision;
use stageway_core::workspace::{Node, Tree, WorkspacePath};
use stageway_ports::{Beside, Blobs, Mirror, SourceError};
use std::path::Path;

/// That of a file of a commit.
pub(super) async fn of_commit(
    mirror: &dyn Mirror,
    revision: &Revision,
    (file, definition): (&str, &Definition),
) -> Result<Beside, Trouble> {
    let mut beside = of(file);
    for (path, most) in Beside::wanted(definition) {
        match mirror.file(revision, &place(&beside, &path), most).await {
            Ok(Some(bytes)) => beside.put(path, Ok(bytes)),
            Ok(None) => {}
            Err(SourceError::Limit(problem)) => beside.put(path, Err(problem)),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(beside)
}

/// That of a file of a tree whose bytes are in the blobs.
pub(super) async fn of_tree(
    blobs: &dyn Blobs,
    tree: &Tree,
    (file, definition): (&str, &Definition),
) -> Result<Beside, Trouble> {
    let mut beside = of(file);
    for (path, most) in Beside::wanted(definition) {
        let node = WorkspacePath::new(place(&beside, &path)).ok().and_then(|path| tree.get(&path).cloned());
        let Some(Node::File { content, .. }) = node else { continue };
        if content.size > most {
            beside.put(path, Err(format!("it has more than {most} bytes")));
            continue;
        }
        let bytes = blobs.get(&content.digest, most).await;
        beside.put(path, Ok(bytes.map_err(|error| Trouble::Later(error.to_string()))?));
    }
    Ok(beside)
}

fn of(file: &str) -> Beside {
    Beside::new(Path::new(file).parent().unwrap_or(Path::new("")))
}

fn place(beside: &Beside, path: &str) -> String {
    beside.place(path).display().to_string()
}
