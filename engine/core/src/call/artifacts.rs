use super::value::Bytes;
use serde::{Deserialize, Serialize};

/// Content-addressed results.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "function", content = "request", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Artifacts {
    /// Answers `Json`: {digest, size, "diff-id"}.
    Save { name: String, paths: Vec<String>, form: Form },
    /// Answers `Text`: the digest.
    Put { name: String, media_type: String, bytes: Bytes },
    /// Answers `Done`.
    Restore { digest: String, path: String },
    /// Answers `Content`.
    Read { digest: String },
}

/// How paths of the workspace become one artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// The bytes of the one file that is named.
    File,
    /// An uncompressed tar.
    Tar,
    /// A reproducible, compressed layer of an OCI image.
    OciLayer,
    /// A word that is none of these; refused by `save`.
    Unknown(String),
}

impl Artifacts {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Save { .. } => "save",
            Self::Put { .. } => "put",
            Self::Restore { .. } => "restore",
            Self::Read { .. } => "read",
        }
    }
}
