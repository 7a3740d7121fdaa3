use crate::Component;
use async_trait::async_trait;
use semver::Version;
use stageway_core::digest::Digest;
use stageway_core::manifest::Manifest;
use stageway_core::plugin::{PluginName, PluginRef};
use std::path::PathBuf;
use thiserror::Error;

/// A component that a reference names.
#[derive(Debug, Clone)]
pub struct FoundPlugin {
    /// What its binary says.
    pub component: Component,
    /// What its manifest says.
    pub manifest: Manifest,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Where it lies.
    pub file: PathBuf,
}

/// A plugin as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedPlugin {
    /// `NAMESPACE/NAME`.
    pub name: PluginName,
    /// Its version.
    pub version: Version,
    /// What it does, in a sentence.
    pub summary: String,
    /// Of the component's bytes.
    pub digest: Digest,
    /// Imported interfaces as they are spelled, in order.
    pub imports: Vec<String>,
}

/// Why a reference names no component.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PluginError {
    /// No component has that name and version.
    #[error("no plugin `{reference}` in {}", .looked_in.join(", "))]
    NotFound {
        /// What the pipeline file says.
        reference: String,
        /// Directories that were looked into.
        looked_in: Vec<String>,
        /// What is there instead, nearest first: other versions, the highest before the others, then names that are alike.
        nearest: Vec<String>,
    },
    /// One version with two digests.
    #[error("`{name}` {version} is in {} with another digest each", .files.join(" and "))]
    Ambiguous {
        /// The plugin.
        name: String,
        /// The version.
        version: String,
        /// Both files.
        files: Vec<String>,
    },
    /// The lock pins another digest than what is there.
    #[error("plugin `{reference}` has no component with digest {pinned}, which the lock pins")]
    Locked {
        /// What the pipeline file says.
        reference: String,
        /// What the lock says.
        pinned: Digest,
    },
    /// A file cannot be read, or is no plugin.
    #[error("{file}: {problem}")]
    Unreadable {
        /// The file.
        file: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// Where plugins come from.
#[async_trait]
pub trait Plugins: Send + Sync {
    /// The component that a reference names: the highest version that matches.
    async fn find(&self, reference: &PluginRef) -> Result<FoundPlugin, PluginError>;

    /// Everything that a name may mean, by name and version. What cannot be read is left out.
    ///
    /// # Errors
    /// When a directory cannot be read.
    async fn list(&self) -> Result<Vec<ListedPlugin>, PluginError>;
}
