//! What the toolbox consists of, so that a stage that ran with another one is not taken for the same.

use stageway_core::digest::Digest;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// How deep a directory of the toolbox is looked at: down to `toolchains/NAME/bin/PROGRAM`.
const DEPTH: usize = 4;

/// The most entries that are looked at.
const ENTRIES: usize = 50_000;

/// What the package managers of the system write whenever they change something, and what names the system.
const SYSTEM: &[&str] = &[
    "/etc/os-release",
    "/var/lib/dpkg/status",
    "/var/lib/rpm/rpmdb.sqlite",
    "/usr/lib/sysimage/rpm/rpmdb.sqlite",
    "/lib/apk/db/installed",
];

/// A fingerprint of the system and one of each directory of the toolbox, by path.
pub(super) fn fingerprints(toolbox: &[PathBuf]) -> io::Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    let mut system = vec![std::env::consts::ARCH.to_owned()];
    for path in SYSTEM.iter().map(Path::new).chain([Path::new("/usr/bin"), Path::new("/usr/local/bin")]) {
        system.extend(line(path, path));
    }
    found.insert("system".to_owned(), Digest::of(system.join("\n").as_bytes()).to_string());
    for path in toolbox.iter().filter(|path| path.exists()) {
        found.insert(path.display().to_string(), directory(path)?);
    }
    Ok(found)
}

fn directory(root: &Path) -> io::Result<String> {
    let (mut lines, mut open) = (Vec::new(), vec![(root.to_owned(), 0)]);
    while let Some((path, depth)) = open.pop() {
        for entry in fs::read_dir(&path)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() && depth + 1 < DEPTH {
                open.push((entry.path(), depth + 1));
            } else {
                lines.extend(line(&entry.path(), root));
            }
        }
        if lines.len() + open.len() > ENTRIES {
            return Err(io::Error::other(format!("{} has more than {ENTRIES} entries", root.display())));
        }
    }
    lines.sort();
    Ok(Digest::of(lines.join("\n").as_bytes()).to_string())
}

/// Path, size and time of what stands there; none if nothing does. Of a directory only the time says something.
fn line(path: &Path, root: &Path) -> Option<String> {
    let stat = path.metadata().ok()?;
    let relative = path.strip_prefix(root).unwrap_or(path).display();
    let size = if stat.is_dir() { 0 } else { stat.len() };
    Some(format!("{relative} {size} {}.{:09}", stat.mtime(), stat.mtime_nsec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_program_changes_the_fingerprint_of_its_directory_alone() {
        let root = tempfile::tempdir().unwrap();
        let (a, b) = (root.path().join("a"), root.path().join("b"));
        for directory in [&a, &b] {
            fs::create_dir_all(directory.join("toolchains/x/bin")).unwrap();
            fs::write(directory.join("toolchains/x/bin/tool"), "1").unwrap();
        }
        let toolbox = [a.clone(), b.clone()];
        let before = fingerprints(&toolbox).unwrap();
        assert_eq!(before, fingerprints(&toolbox).unwrap());
        fs::write(a.join("toolchains/x/bin/tool"), "12").unwrap();
        let after = fingerprints(&toolbox).unwrap();
        let changed: Vec<_> = after.iter().filter(|(name, print)| before[*name] != **print).collect();
        assert_eq!(changed.len(), 1);
        assert_eq!(*changed[0].0, a.display().to_string());
    }
}
