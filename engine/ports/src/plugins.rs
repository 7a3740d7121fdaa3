use crate::Component;
use async_trait::async_trait;
use semver::Version;
use stageway_core::definition::Definition;
use stageway_core::digest::Digest;
use stageway_core::manifest::Manifest;
use stageway_core::plugin::{PluginName, PluginRef};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use thiserror::Error;

/// How the lock beside a pipeline file is called.
pub const LOCK: &str = "stageway.lock";
/// A component has at most this many bytes; the host says so too.
pub const MOST_COMPONENT: u64 = 32 << 20;
/// A lock has at most this many bytes.
const MOST_LOCK: u64 = 1 << 20;
/// The files beside a pipeline file have at most this many bytes together.
const MOST_BESIDE: usize = 64 << 20;

/// What lies beside a pipeline file and says what its references mean: a lock, and components of its own.
#[derive(Debug, Clone, Default)]
pub struct Beside {
    folder: PathBuf,
    files: BTreeMap<String, Result<Vec<u8>, String>>,
    bytes: usize,
}

impl Beside {
    /// Nothing yet; `folder` is how messages call the folder of the pipeline file.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), ..Self::default() }
    }

    /// The files that matter to a definition, by their paths below the folder, and how many bytes each may have.
    pub fn wanted(definition: &Definition) -> BTreeSet<(String, u64)> {
        let references = definition.stages.values().map(|stage| &stage.uses);
        let own = references.filter_map(|reference| match reference {
            PluginRef::File(path) => Some((below(path).to_owned(), MOST_COMPONENT)),
            PluginRef::Named { .. } => None,
        });
        own.chain([(LOCK.to_owned(), MOST_LOCK)]).collect()
    }

    /// What a file of the folder has, or why it cannot be read. One that is not there is left out.
    pub fn put(&mut self, path: String, bytes: Result<Vec<u8>, String>) {
        let bytes = bytes.and_then(|bytes| match self.bytes.saturating_add(bytes.len()) {
            all if all > MOST_BESIDE => {
                Err(format!("with the files before it more than {MOST_BESIDE} bytes"))
            }
            all => {
                self.bytes = all;
                Ok(bytes)
            }
        });
        self.files.insert(path, bytes);
    }

    /// How messages call a file.
    pub fn place(&self, path: &str) -> PathBuf {
        self.folder.join(below(path))
    }

    /// How messages call the folder: the root of a repository is `.`.
    pub fn folder(&self) -> String {
        match self.folder.as_os_str().is_empty() {
            true => ".".to_owned(),
            false => self.folder.display().to_string(),
        }
    }

    /// The bytes of a file; none if there is none.
    ///
    /// # Errors
    /// [`PluginError::Unreadable`].
    pub fn file(&self, path: &str) -> Result<Option<&[u8]>, PluginError> {
        match self.files.get(below(path)) {
            None => Ok(None),
            Some(Ok(bytes)) => Ok(Some(bytes)),
            Some(Err(problem)) => Err(PluginError::Unreadable {
                file: self.place(path).display().to_string(),
                problem: problem.clone(),
            }),
        }
    }
}

/// The path of a file below the folder, as references and we write it.
fn below(path: &str) -> &str {
    path.strip_prefix("./").unwrap_or(path)
}

/// A component that a reference names.
#[derive(Debug, Clone)]
pub struct FoundPlugin {
    /// What its binary says.
    pub component: Component,
    /// What its manifest says.
    pub manifest: Manifest,
    /// Its bytes.
    pub bytes: Vec<u8>,
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
    /// The component that a reference names: the highest version that matches, over all that there are. Where a lock lies
    /// beside the pipeline file, that alone decides: each line is `REFERENCE DIGEST`, empty lines and lines after `#` say
    /// nothing.
    async fn find(&self, reference: &PluginRef, beside: &Beside) -> Result<FoundPlugin, PluginError>;

    /// Everything that a name may mean, by name and version. What cannot be read is left out.
    ///
    /// # Errors
    /// When a directory cannot be read.
    async fn list(&self) -> Result<Vec<ListedPlugin>, PluginError>;
}
