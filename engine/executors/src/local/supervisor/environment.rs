//! What a process finds: arguments, variables, directory, and the fixed files of its root.

use super::SupervisorOptions;
use super::site::Site;
use crate::local::sandbox::{INSIDE_ID, MemoryFile};
use stageway_core::call::Bytes;
use stageway_core::task::{Process, Root, TaskSpec};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where commands are found besides the toolbox.
const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The home directory in a sandbox.
const HOME: &str = "/tmp/home";

/// Everything that a process's surroundings follow from.
pub(super) struct Environment<'a> {
    pub site: &'a Site,
    pub spec: &'a TaskSpec,
    pub secrets: &'a BTreeMap<String, Bytes>,
    pub options: &'a SupervisorOptions,
}

impl Environment<'_> {
    /// argv: the process's own, else the image's.
    pub(super) fn arguments(&self, process: &Process) -> Vec<String> {
        match &process.root {
            Root::Image(image) if process.arguments.is_empty() => {
                image.entrypoint.iter().chain(&image.command).cloned().collect()
            }
            _ => process.arguments.clone(),
        }
    }

    /// Where it starts. Without a sandbox the workspace stands somewhere else.
    pub(super) fn directory(&self, process: &Process) -> String {
        let image = match &process.root {
            Root::Image(image) => image.directory.clone().filter(|directory| !directory.is_empty()),
            Root::Toolbox => None,
        };
        let mount = self.spec.workspace.as_ref().map(|workspace| workspace.path.clone());
        let directory = process.directory.clone().or(image).or(mount).unwrap_or_else(|| "/".into());
        if self.spec.unconfined { self.site.outside(&directory) } else { directory }
    }

    /// All variables: the sandbox's, the caches', the image's, the process's own, and its secrets, the later ones winning.
    ///
    /// # Errors
    /// A secret whose value did not come along.
    pub(super) fn variables(&self, process: &Process) -> Result<BTreeMap<String, Bytes>, String> {
        let mut variables = self.basic();
        variables.extend(self.site.variables.iter().cloned());
        if let Root::Image(image) = &process.root {
            let given = image.variables.iter().filter_map(|variable| variable.split_once('='));
            variables.extend(given.map(|(name, value)| (name.to_owned(), value.to_owned())));
        }
        variables.extend(process.variables.clone());
        let mut variables: BTreeMap<_, _> =
            variables.into_iter().map(|(name, value)| (name, Bytes(value.into_bytes()))).collect();
        for (variable, secret) in &process.secret_variables {
            variables.insert(variable.clone(), self.secret(secret)?);
        }
        Ok(variables)
    }

    fn basic(&self) -> BTreeMap<String, String> {
        let mut variables = BTreeMap::new();
        let mut set = |name: &str, value: String| drop(variables.insert(name.to_owned(), value));
        let inherited = |name: &str| std::env::var(name).ok().filter(|_| self.spec.unconfined);
        set("PATH", self.path(inherited("PATH")));
        set("HOME", inherited("HOME").unwrap_or_else(|| HOME.into()));
        set("TMPDIR", if self.spec.unconfined { self.site.outside("/tmp") } else { "/tmp".into() });
        set("LANG", "C.UTF-8".into());
        set("USER", inherited("USER").unwrap_or_else(|| "task".into()));
        if let Some(rustup) = self.options.toolbox.iter().find(|path| path.join("toolchains").is_dir()) {
            set("RUSTUP_HOME", rustup.display().to_string());
        }
        variables
    }

    fn path(&self, inherited: Option<String>) -> String {
        let bins = self.options.toolbox.iter().filter_map(|path| bin_of(path));
        let bins = bins.map(|path| path.display().to_string());
        bins.chain([inherited.unwrap_or_else(|| SYSTEM_PATH.into())]).collect::<Vec<_>>().join(":")
    }

    /// The files of a process that exist in memory only.
    ///
    /// # Errors
    /// A secret whose value did not come along.
    pub(super) fn files(&self, process: &Process) -> Result<Vec<MemoryFile>, String> {
        let mut files = process.files.clone();
        for (path, secret) in &process.secret_files {
            files.insert(path.clone(), self.secret(secret)?);
        }
        Ok(files.into_iter().map(|(path, bytes)| MemoryFile { path, bytes }).collect())
    }

    fn secret(&self, name: &str) -> Result<Bytes, String> {
        self.secrets
            .get(name)
            .cloned()
            .ok_or_else(|| format!("the value of the secret `{name}` did not come along"))
    }
}

/// The file in memory that every root has.
pub(super) fn hosts() -> MemoryFile {
    fixed("/etc/hosts", "127.0.0.1 localhost task\n::1 localhost\n".into())
}

/// The files in memory that every root of a command of this machine has.
pub(super) fn fixed_files() -> Vec<MemoryFile> {
    vec![
        hosts(),
        fixed("/etc/passwd", format!("task:x:{INSIDE_ID}:{INSIDE_ID}::{HOME}:/bin/sh\n")),
        fixed("/etc/group", format!("task:x:{INSIDE_ID}:\n")),
        fixed("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n".into()),
    ]
}

fn fixed(path: &str, text: String) -> MemoryFile {
    MemoryFile { path: path.into(), bytes: Bytes(text.into_bytes()) }
}

fn bin_of(path: &Path) -> Option<PathBuf> {
    if path.file_name().is_some_and(|name| name == "bin") {
        return Some(path.to_owned());
    }
    Some(path.join("bin")).filter(|bin| bin.is_dir())
}
