//! Images in OCI image layout directories (OCI image specification, `image-layout.md`).
//!
//! A connection is a directory; the repository `a/b` is the image layout `DIRECTORY/a/b`, so that
//! `skopeo inspect oci:DIRECTORY/a/b:TAG` reads it. Tags are entries of `index.json` with the annotation
//! `org.opencontainers.image.ref.name`; a manifest without a tag has an entry without one. Beside what the
//! specification names, a layout holds `.lock` (taken by whoever changes `index.json`, released by the kernel when its
//! process dies) and `.incoming` (files that are not whole yet).
//!
//! # Guarantees
//! - A blob is whole, has its digest and is on disk before it has its name; `index.json` is replaced, never written to.
//! - Writers in any number of processes see each other's changes; readers never wait.
//! - Entries and annotations of other tools are kept.
//!
//! # Assumptions
//! The directory is on one file system with working `flock` and `rename`, and belongs to the user of the engine.

mod file;
mod folder;
mod index;
mod lock;
mod port;

use crate::registry::check;
use folder::Folder;
use stageway_core::image::RepositoryPath;
use stageway_ports::RegistryError;
use std::path::PathBuf;
use std::sync::Arc;

/// One connection: a directory of image layouts.
#[derive(Debug, Clone)]
pub struct LayoutRegistry {
    root: Arc<PathBuf>,
}

/// Parts of a repository's path that would stand in the way of the layout above.
const RESERVED: [&str; 3] = ["blobs", "index.json", "oci-layout"];

impl LayoutRegistry {
    /// The images below this directory, which need not exist yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: Arc::new(root.into()) }
    }

    fn folder(&self, repository: &str) -> Result<Folder, RegistryError> {
        let path: RepositoryPath = check::repository(repository)?;
        if let Some(part) = path.parts().find(|part| RESERVED.contains(part)) {
            let problem =
                format!("repository `{path}`: `{part}` is a name of the image layout; choose another");
            return Err(RegistryError::Invalid(problem));
        }
        Ok(Folder::new(&self.root, path))
    }

    /// Runs file operations where they may block.
    async fn blocking<T: Send + 'static>(
        &self,
        repository: &str,
        act: impl FnOnce(Folder) -> Result<T, RegistryError> + Send + 'static,
    ) -> Result<T, RegistryError> {
        let folder = self.folder(repository)?;
        let done = tokio::task::spawn_blocking(move || act(folder)).await;
        done.unwrap_or_else(|error| Err(RegistryError::Unavailable(error.to_string())))
    }
}
