//! What cargo knows about the plugin's crate.

use super::{BuildError, GRANTED};
use crate::toolchain::Toolchain;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// The crate that is built.
#[derive(Debug, Clone)]
pub(super) struct Package {
    /// The name in `Cargo.toml`.
    pub(super) name: String,
    /// The folder with its `Cargo.toml`.
    pub(super) directory: PathBuf,
    /// The folder that its paths are relative to.
    pub(super) workspace: PathBuf,
    /// The interfaces it asks for, sorted.
    pub(super) interfaces: Vec<String>,
    /// Folders of dependencies outside the workspace, by name.
    pub(super) neighbours: Vec<(String, PathBuf)>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Described>,
    workspace_root: PathBuf,
}

#[derive(Deserialize)]
struct Described {
    name: String,
    manifest_path: PathBuf,
    targets: Vec<Target>,
    dependencies: Vec<Dependency>,
    #[serde(default)]
    metadata: Option<Tools>,
}

#[derive(Deserialize)]
struct Target {
    crate_types: Vec<String>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    path: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Tools {
    #[serde(default)]
    stageway: Option<Settings>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    interfaces: Vec<String>,
}

impl Package {
    /// Asks cargo about the crate in `directory`, an absolute path.
    pub(super) fn read(toolchain: &Toolchain, directory: &Path, offline: bool) -> Result<Self, BuildError> {
        let wrong = |problem: String| BuildError::Package { directory: directory.to_owned(), problem };
        let manifest = directory.join("Cargo.toml");
        if !manifest.is_file() {
            return Err(wrong("there is no Cargo.toml".to_owned()));
        }
        let mut command = toolchain.cargo(directory);
        command.args(["metadata", "--no-deps", "--format-version", "1"]);
        if offline {
            command.arg("--offline");
        }
        let output =
            command.output().map_err(|source| BuildError::Files { path: toolchain.cargo.clone(), source })?;
        if !output.status.success() {
            return Err(wrong(String::from_utf8_lossy(&output.stderr).trim().chars().take(4000).collect()));
        }
        let metadata: Metadata =
            serde_json::from_slice(&output.stdout).map_err(|error| wrong(error.to_string()))?;
        let root = metadata.workspace_root;
        let described = metadata.packages.into_iter().find(|package| package.manifest_path == manifest);
        described
            .ok_or_else(|| wrong("its Cargo.toml describes no package".to_owned()))?
            .checked(directory, root)
    }
}

impl Described {
    fn checked(self, directory: &Path, workspace: PathBuf) -> Result<Package, BuildError> {
        if !self.targets.iter().any(|target| target.crate_types.iter().any(|kind| kind == "cdylib")) {
            let problem = "it has no library of `crate-type = [\"cdylib\"]`".to_owned();
            return Err(BuildError::Package { directory: directory.to_owned(), problem });
        }
        let mut interfaces = self
            .metadata
            .and_then(|tools| tools.stageway)
            .map(|settings| settings.interfaces)
            .unwrap_or_default();
        interfaces.sort();
        interfaces.dedup();
        let unknown: Vec<String> =
            interfaces.iter().filter(|name| !GRANTED.contains(&name.as_str())).cloned().collect();
        if !unknown.is_empty() {
            return Err(BuildError::UnknownInterface { unknown });
        }
        let outside = |path: &PathBuf| !path.starts_with(&workspace);
        let neighbours = self
            .dependencies
            .into_iter()
            .filter_map(|dependency| dependency.path.filter(outside).map(|path| (dependency.name, path)));
        Ok(Package {
            neighbours: neighbours.collect(),
            name: self.name,
            directory: directory.to_owned(),
            workspace,
            interfaces,
        })
    }
}
