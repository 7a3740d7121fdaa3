use crate::digest::Digest;
use serde::{Deserialize, Serialize};

/// Images in registries. Repositories are `<connection>/<path>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "function", content = "request", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Images {
    /// Answers `MaybeImage`.
    Find { repository: String, reference: String },
    /// Answers `Texts`.
    Tags { repository: String, after: Option<String>, max: u32 },
    /// Answers `Text`: the manifest's own bytes.
    Manifest { repository: String, digest: String },
    /// Answers `Json`.
    Facts { repository: String, digest: Option<String> },
    /// Answers `Outcome`.
    Tag { repository: String, digest: String, tag: String, replaces: Option<String> },
    /// Answers `Outcome`.
    Copy { repository: String, digest: String, target: String },
    /// Answers `Text`: the digest.
    Push { repository: String, manifest: String, media_type: String },
}

impl Images {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Find { .. } => "find",
            Self::Tags { .. } => "tags",
            Self::Manifest { .. } => "manifest",
            Self::Facts { .. } => "facts",
            Self::Tag { .. } => "tag",
            Self::Copy { .. } => "copy",
            Self::Push { .. } => "push",
        }
    }

    /// The repository that the call reads or changes; `copy` reads it and changes its target.
    pub fn repository(&self) -> &str {
        match self {
            Self::Find { repository, .. }
            | Self::Tags { repository, .. }
            | Self::Manifest { repository, .. }
            | Self::Facts { repository, .. }
            | Self::Tag { repository, .. }
            | Self::Copy { repository, .. }
            | Self::Push { repository, .. } => repository,
        }
    }

    /// The digest that `push` answers: it follows from the request alone.
    pub fn pushed_digest(manifest: &str) -> Digest {
        Digest::of(manifest.as_bytes())
    }
}
