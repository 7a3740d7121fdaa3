//! The work tree that a run is about, and its pipeline files.

use crate::exit::Refused;
use anyhow::{Context, Result};
use stageway_core::definition::{PIPELINE_FILE as FILE, PIPELINE_FOLDER as FOLDER, is_pipeline_file};
use stageway_core::workspace::{Node, Tree, WorkspacePath};
use stageway_ports::{Blobs, Source};
use std::path::{Path, PathBuf};

/// A pipeline file has at most this many bytes; more is told by its parser.
const MOST_BYTES: u64 = 2 << 20;

/// Where a work tree is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The folder with the pipeline files.
    pub(crate) root: PathBuf,
}

impl Place {
    /// The nearest folder from here upwards that has a pipeline file.
    ///
    /// # Errors
    /// [`Refused`] when there is none.
    pub(crate) fn find(here: &Path) -> Result<Self> {
        let has = |folder: &&Path| folder.join(FILE).is_file() || folder.join(FOLDER).is_dir();
        let root = here.ancestors().find(has).ok_or_else(|| {
            let message = format!("there is no {FILE} in {} or above it", here.display());
            Refused::usage(message, "write one; `stageway schema` prints its schema for editors")
        })?;
        Ok(Self { root: root.to_owned() })
    }

    /// Paths of the pipeline files as they stand, below the root, in order.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub(crate) fn files(&self) -> Result<Vec<String>> {
        let mut files = Vec::new();
        if self.root.join(FILE).is_file() {
            files.push(FILE.to_owned());
        }
        let folder = self.root.join(FOLDER);
        if folder.is_dir() {
            let entries =
                std::fs::read_dir(&folder).with_context(|| format!("{} cannot be read", folder.display()))?;
            let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
            files.extend(names.map(|name| format!("{FOLDER}/{name}")).filter(|path| is_pipeline_file(path)));
            files.sort();
        }
        Ok(files)
    }
}

/// A work tree at one moment, and the bytes of its pipeline files.
pub(crate) struct Snapshot {
    /// All of it.
    pub(crate) tree: Tree,
    /// Pipeline files by path, in order.
    pub(crate) files: Vec<(String, Vec<u8>)>,
}

/// Takes the tree as it is now. The pipeline files, or the one that was named, are read out of it, so that the run is about one moment.
///
/// # Errors
/// [`Refused`] when it has no such file; the source's own errors.
pub(crate) async fn snapshot(
    source: &dyn Source,
    blobs: &dyn Blobs,
    named: Option<&str>,
) -> Result<Snapshot> {
    let tree = source.tree().await?;
    let named = named.map(|named| named.trim_start_matches("./"));
    let is_meant = |path: &str| named.map_or_else(|| is_pipeline_file(path), |named| path == named);
    let mut files = Vec::new();
    for (path, node) in tree.iter().filter(|(path, _)| is_meant(path.as_str())) {
        files.push((path.to_string(), bytes(path, node, blobs).await?));
    }
    if files.is_empty() {
        let message = format!("the tree has no {}", named.unwrap_or(FILE));
        return Err(Refused::usage(
            message,
            "add the file; is it ignored by git, or not yet in that revision?",
        )
        .into());
    }
    Ok(Snapshot { tree, files })
}

async fn bytes(path: &WorkspacePath, node: &Node, blobs: &dyn Blobs) -> Result<Vec<u8>> {
    match node {
        Node::File { content, .. } => Ok(blobs.get(&content.digest, MOST_BYTES).await?),
        Node::Link { .. } | Node::Folder => Err(Refused::usage(
            format!("{path} is not a file"),
            "a link is not followed: write the file itself",
        )
        .into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_folder_upwards_counts_and_several_files_are_listed() {
        let root = tempfile::tempdir().unwrap();
        let below = root.path().join("a/b");
        std::fs::create_dir_all(&below).unwrap();
        assert!(Place::find(&below).is_err());
        std::fs::write(root.path().join(FILE), "").unwrap();
        let place = Place::find(&below).unwrap();
        assert_eq!(place.root, root.path());
        std::fs::create_dir(root.path().join("a/.stageway")).unwrap();
        for name in ["two.yaml", "one.yaml", "notes.md"] {
            std::fs::write(root.path().join("a/.stageway").join(name), "").unwrap();
        }
        let place = Place::find(&below).unwrap();
        assert_eq!(place.root, root.path().join("a"));
        assert_eq!(place.files().unwrap(), [".stageway/one.yaml", ".stageway/two.yaml"]);
        assert!(!is_pipeline_file(".stageway/a/b.yaml") && !is_pipeline_file("a/stageway.yaml"));
    }
}
