//! What the user's cargo registry has that a task could not read: some crates were packed with files for their owner alone, and where
//! the supervisor is root a task is somebody else.

use super::disk::folders_in;
use std::collections::HashMap;
use std::fs::{self, Metadata, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// What others may do, in a mode.
const READ: u32 = 0o004;
const SEARCH: u32 = 0o005;
/// Files of all crates that are given to one task; whoever keeps more from others means it.
const MOST: usize = 10_000;
/// The most folders in one another.
const DEEP: usize = 64;

/// The crates that were looked at: they stay as they are once they are unpacked.
#[derive(Default)]
pub(super) struct Registry(Mutex<HashMap<PathBuf, Arc<[PathBuf]>>>);

impl Registry {
    /// Puts copies that everybody can read into `upper`, at the places that their files have in `lower`, a `registry` of cargo.
    pub(super) fn mend(&self, lower: &Path, upper: &Path) -> io::Result<()> {
        for file in self.unreadable(lower)?.into_iter().take(MOST) {
            let Ok(inside) = file.strip_prefix(lower) else { continue };
            let to = upper.join(inside);
            if let Some(folder) = to.parent() {
                open_folder(folder)?;
            }
            fs::copy(&file, &to)?;
            let mode = fs::metadata(&to)?.permissions().mode();
            fs::set_permissions(&to, Permissions::from_mode(mode | 0o444))?;
        }
        Ok(())
    }

    fn unreadable(&self, registry: &Path) -> io::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        let src = registry.join("src");
        if !src.is_dir() {
            return Ok(found);
        }
        for index in folders_in(&src)? {
            let index = src.join(index);
            for unpacked in folders_in(&index)? {
                found.extend(self.of_crate(&index.join(unpacked))?.iter().cloned());
            }
        }
        Ok(found)
    }

    fn of_crate(&self, unpacked: &Path) -> io::Result<Arc<[PathBuf]>> {
        let known = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known().get(unpacked) {
            return Ok(found.clone());
        }
        let mut found = Vec::new();
        walk(unpacked, true, DEEP, &mut found)?;
        let found: Arc<[PathBuf]> = found.into();
        // Cargo writes this when it has unpacked all.
        if unpacked.join(".cargo-ok").exists() {
            known().insert(unpacked.to_owned(), found.clone());
        }
        Ok(found)
    }
}

/// Makes a folder that everybody may enter, with those above it.
fn open_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(above) = path.parent() {
        open_folder(above)?;
    }
    fs::create_dir(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o755))
}

/// The files below a folder that others cannot read, or whose folder they cannot enter.
fn walk(folder: &Path, is_open: bool, deep: usize, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let about = entry.metadata()?;
        let lets = |bits| is_open && mode(&about) & bits == bits;
        if about.is_dir() && deep > 0 {
            walk(&entry.path(), lets(SEARCH), deep - 1, found)?;
        } else if about.is_file() && !lets(READ) {
            found.push(entry.path());
        }
    }
    Ok(())
}

fn mode(about: &Metadata) -> u32 {
    about.permissions().mode()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_cannot_read_is_put_above_for_everybody() {
        let place = tempfile::tempdir().unwrap();
        let (lower, upper) = (place.path().join("registry"), place.path().join("upper"));
        let unpacked = lower.join("src/index/fnv-1.0.7");
        let file = |name: &str, mode| {
            let path = unpacked.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, name).unwrap();
            fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        };
        let files = [
            ("lib.rs", 0o640),
            ("Cargo.toml", 0o644),
            ("run.sh", 0o700),
            ("hidden/a.rs", 0o644),
            (".cargo-ok", 0o644),
        ];
        for (name, mode) in files {
            file(name, mode);
        }
        fs::set_permissions(unpacked.join("hidden"), Permissions::from_mode(0o700)).unwrap();

        let registry = Registry::default();
        for upper in [&upper, &place.path().join("again")] {
            registry.mend(&lower, upper).unwrap();
            let above = upper.join("src/index/fnv-1.0.7");
            for (name, mode) in [("lib.rs", 0o644), ("run.sh", 0o744), ("hidden/a.rs", 0o644)] {
                let copy = above.join(name);
                assert_eq!(
                    (
                        fs::read_to_string(&copy).unwrap().as_str(),
                        super::mode(&fs::metadata(&copy).unwrap()) & 0o777
                    ),
                    (name, mode)
                );
            }
            assert_eq!(super::mode(&fs::metadata(above.join("hidden")).unwrap()) & 0o777, 0o755);
            assert!(!above.join("Cargo.toml").exists());
        }
    }
}
