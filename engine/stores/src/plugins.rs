//! Components in directories, found by their manifests.

use async_trait::async_trait;
use semver::Version;
use stageway_core::digest::Digest;
use stageway_core::manifest::Manifest;
use stageway_core::plugin::{PluginRef, VersionRef};
use stageway_ports::{Component, FoundPlugin, Guests, PluginError, Plugins};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Files looked at in one directory.
const MOST_FILES: usize = 1_000;
/// Of one component.
const COMPONENT_BYTES: u64 = 32 << 20;

/// Directories of `.wasm` files, looked into in order. A lock, where there is one, decides alone.
pub struct PluginDirectories {
    directories: Vec<PathBuf>,
    /// Where `./x.wasm` is looked up.
    beside: PathBuf,
    lock: BTreeMap<String, Digest>,
    guests: Arc<dyn Guests>,
}

/// A component that was looked at.
struct Candidate {
    version: Version,
    name: String,
    found: FoundPlugin,
}

impl PluginDirectories {
    /// Looks into `directories`; `beside` is the pipeline file's directory.
    pub fn new(
        directories: Vec<PathBuf>,
        beside: PathBuf,
        lock: BTreeMap<String, Digest>,
        guests: Arc<dyn Guests>,
    ) -> Self {
        Self { directories, beside, lock, guests }
    }

    fn read(&self, file: &Path) -> Result<FoundPlugin, PluginError> {
        let unreadable = |problem: String| PluginError::Unreadable { file: file.display().to_string(), problem };
        let size = std::fs::metadata(file).map_err(|e| unreadable(e.to_string()))?.len();
        if size > COMPONENT_BYTES {
            return Err(unreadable(format!("it has {size} bytes; a component has at most {COMPONENT_BYTES}")));
        }
        let bytes = std::fs::read(file).map_err(|e| unreadable(e.to_string()))?;
        let component = self.guests.inspect(&bytes).map_err(|e| unreadable(e.to_string()))?;
        Ok(FoundPlugin { component, bytes, file: file.to_owned() })
    }

    fn candidates(&self) -> Result<Vec<Candidate>, PluginError> {
        let mut candidates = Vec::new();
        for directory in &self.directories {
            let Ok(entries) = std::fs::read_dir(directory) else { continue };
            let mut files: Vec<_> = entries.flatten().take(MOST_FILES).map(|entry| entry.path()).collect();
            files.retain(|file| file.extension().is_some_and(|extension| extension == "wasm"));
            files.sort();
            for file in files {
                let found = self.read(&file)?;
                if let Some(manifest) = named(&found.component) {
                    candidates.push(Candidate { version: manifest.1, name: manifest.0, found });
                }
            }
        }
        Ok(candidates)
    }

    fn named(&self, reference: &PluginRef, name: &str, version: &VersionRef) -> Result<FoundPlugin, PluginError> {
        let all = self.candidates()?;
        if let Some(pinned) = self.lock.get(&reference.to_string()) {
            let locked = all.into_iter().find(|candidate| candidate.found.component.digest == *pinned);
            let missing = || PluginError::Locked { reference: reference.to_string(), pinned: *pinned };
            return locked.map(|candidate| candidate.found).ok_or_else(missing);
        }
        let fits = |candidate: &&Candidate| candidate.name == name && version.matches(&candidate.version);
        let Some(best) = all.iter().filter(fits).max_by(|a, b| a.version.cmp(&b.version)) else {
            return Err(self.not_found(reference, name, &all));
        };
        let same = all.iter().filter(|other| other.name == best.name && other.version == best.version);
        let others: Vec<_> = same.filter(|other| other.found.component.digest != best.found.component.digest).collect();
        if let Some(other) = others.first() {
            return Err(PluginError::Ambiguous {
                name: best.name.clone(),
                version: best.version.to_string(),
                files: vec![best.found.file.display().to_string(), other.found.file.display().to_string()],
            });
        }
        Ok(best.found.clone())
    }

    fn not_found(&self, reference: &PluginRef, name: &str, all: &[Candidate]) -> PluginError {
        let other_versions: Vec<_> =
            all.iter().filter(|c| c.name == name).map(|c| format!("{}@{}", c.name, c.version)).collect();
        let nearest = if other_versions.is_empty() {
            all.iter().map(|c| format!("{}@{}", c.name, c.version)).take(10).collect()
        } else {
            other_versions
        };
        PluginError::NotFound {
            reference: reference.to_string(),
            looked_in: self.directories.iter().map(|d| d.display().to_string()).collect(),
            nearest,
        }
    }
}

/// Name and version of a component, as far as its manifest says them.
fn named(component: &Component) -> Option<(String, Version)> {
    let manifest = Manifest::parse(component.manifest.as_deref()?.as_bytes()).ok()?;
    Some((manifest.name.to_string(), manifest.version))
}

#[async_trait]
impl Plugins for PluginDirectories {
    async fn find(&self, reference: &PluginRef) -> Result<FoundPlugin, PluginError> {
        match reference {
            PluginRef::Named { name, version } => self.named(reference, name.as_str(), version),
            PluginRef::File(path) => self.read(&self.beside.join(path)),
        }
    }
}
