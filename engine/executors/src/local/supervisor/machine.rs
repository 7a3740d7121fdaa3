//! What of this machine the root of every command shows, whatever its task.

use super::environment;
use crate::local::sandbox::{Base, Mounted, NewRoot, Source};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What every root shows, read-only, where it is there.
const SYSTEM: &[&str] = &["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];

/// What of `/etc` every root shows: certificates, the linker's tables, and which program stands for a name.
const ETC: &[&str] = &[
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/ca-certificates.conf",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/pki",
    "/etc/protocols",
    "/etc/services",
    "/etc/ssl",
];

/// The machine as it was looked at. Two are equal when a root of the one shows what a root of the other does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Machine {
    links: Vec<(String, String)>,
    shown: Vec<Shown>,
}

/// A file or directory. What takes its place has another number.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shown {
    path: PathBuf,
    device: u64,
    number: u64,
}

impl Machine {
    /// Looks at the system, and at the directories of the toolbox.
    pub(super) fn look(toolbox: &[PathBuf]) -> Self {
        let mut machine = Self { links: vec![], shown: vec![] };
        for path in SYSTEM.iter().map(Path::new) {
            match fs::read_link(path) {
                Ok(target) => {
                    machine.links.push((path.display().to_string(), target.display().to_string()));
                }
                Err(_) => machine.show(path, |found| found.is_dir()),
            }
        }
        for path in ETC.iter().map(Path::new).chain(toolbox.iter().map(PathBuf::as_path)) {
            machine.show(path, |_| true);
        }
        machine
    }

    fn show(&mut self, path: &Path, wanted: impl Fn(&fs::Metadata) -> bool) {
        let Ok(found) = path.metadata() else { return };
        if wanted(&found) {
            self.shown.push(Shown { path: path.to_owned(), device: found.dev(), number: found.ino() });
        }
    }

    /// A root that shows it, to be mounted at `at`, and what every root has besides.
    pub(super) fn root(&self, at: PathBuf) -> NewRoot {
        let readable = |path: &Path| Mounted {
            path: path.display().to_string(),
            source: Source::Bind { from: path.to_owned(), writable: false },
        };
        let mut mounts: Vec<_> = self.shown.iter().map(|shown| readable(&shown.path)).collect();
        mounts.extend(kernel());
        NewRoot {
            at,
            base: Base::Empty,
            links: self.links.clone(),
            mounts,
            files: environment::fixed_files(),
        }
    }
}

/// What the kernel shows in every root.
pub(super) fn kernel() -> [Mounted; 2] {
    [("/proc", Source::Processes), ("/dev", Source::Devices)]
        .map(|(path, source)| Mounted { path: path.into(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_took_the_place_of_another_is_not_the_same_machine() {
        let home = tempfile::tempdir().unwrap();
        let tools = [home.path().join("tools")];
        let without = Machine::look(&tools);
        fs::create_dir(&tools[0]).unwrap();
        let before = Machine::look(&tools);
        assert_ne!(without, before);
        assert_eq!(before, Machine::look(&tools));
        fs::rename(&tools[0], home.path().join("old")).unwrap();
        fs::create_dir(&tools[0]).unwrap();
        assert_ne!(before, Machine::look(&tools));
    }
}
