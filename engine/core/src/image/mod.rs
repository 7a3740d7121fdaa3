//! Images as the OCI specifications have them: names of repositories and tags, and what a manifest names.
//!
//! Only what several rooms must agree on. Moving bytes is the registry adapters' work.

mod manifest;
mod name;

pub use manifest::{Child, MAX_MANIFEST, ManifestError, ManifestKind, ManifestParts, Part};
pub use name::{ImageNameError, ImageReference, RepositoryPath, TagName};
