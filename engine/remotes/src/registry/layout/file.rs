//! Files that are whole or not there.

use sha2::{Digest as _, Sha256};
use stageway_core::call::Content;
use stageway_core::digest::Digest;
use stageway_ports::RegistryError;
use std::fs::{self, File};
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tempfile::TempPath;

/// What a dead process left in `.incoming` is removed after this time.
const ABANDONED: Duration = Duration::from_secs(3600);

pub(super) fn failed(path: &Path, error: &std::io::Error) -> RegistryError {
    RegistryError::Unavailable(format!("{}: {error}", path.display()))
}

/// A regular file's bytes; none if it is not there.
///
/// # Errors
/// [`RegistryError::Corrupt`] if it is no regular file or has more than `max` bytes.
pub(super) fn read(path: &Path, max: u64) -> Result<Option<Vec<u8>>, RegistryError> {
    let Some(size) = size(path)? else { return Ok(None) };
    if size > max {
        let problem = format!("{} has {size} bytes; at most {max} are read", path.display());
        return Err(RegistryError::Corrupt(problem));
    }
    let mut bytes = Vec::new();
    match File::open(path).and_then(|file| file.take(max).read_to_end(&mut bytes)) {
        Ok(_) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(path, &error)),
    }
}

/// The length of a regular file; none if it is not there.
pub(super) fn size(path: &Path) -> Result<Option<u64>, RegistryError> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_file() => Ok(Some(found.len())),
        Ok(_) => Err(RegistryError::Corrupt(format!("{} is not a regular file", path.display()))),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(failed(path, &error)),
    }
}

/// A file in `.incoming` that vanishes when it is dropped.
pub(super) struct Incoming(TempPath);

impl Incoming {
    /// A name that no other process uses, without a file.
    pub(super) fn name(folder: &Path) -> Result<Self, RegistryError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("{}-{number}", std::process::id()));
        // A dead process may have had the same id.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(&path, &error)),
            _ => {}
        }
        TempPath::try_from_path(&path).map(Self).map_err(|error| failed(&path, &error))
    }

    /// Where it lies.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Puts the bytes there.
    pub(super) fn write(&self, bytes: &[u8]) -> Result<(), RegistryError> {
        let write = File::create_new(&self.0).and_then(|mut file| file.write_all(bytes));
        write.map_err(|error| failed(&self.0, &error))
    }

    /// Puts the file on disk and gives it its name, replacing what has it.
    pub(super) fn keep(self, target: &Path) -> Result<(), RegistryError> {
        let sync = File::open(&self.0).and_then(|file| file.sync_all());
        sync.map_err(|error| failed(&self.0, &error))?;
        self.0.persist(target).map_err(|error| failed(target, &error.error))?;
        sync_parent(target)
    }
}

/// Makes the names in the folder of a path durable.
pub(super) fn sync_parent(path: &Path) -> Result<(), RegistryError> {
    let parent = path.parent().unwrap_or(path);
    File::open(parent).and_then(|folder| folder.sync_all()).map_err(|error| failed(parent, &error))
}

/// Digest and size of a file.
pub(super) fn content(path: &Path) -> Result<Content, RegistryError> {
    let hash = || -> std::io::Result<Content> {
        let mut file = File::open(path)?;
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 256 << 10];
        let mut size = 0;
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(Content { digest: Digest::from_hash(hasher.finalize().into()), size }),
                n => {
                    hasher.update(&buffer[..n]);
                    size += n as u64;
                }
            }
        }
    };
    hash().map_err(|error| failed(path, &error))
}

/// Removes what dead processes left; failing is harmless and tried again at the next change.
pub(super) fn sweep(folder: &Path) {
    let old = |path: &PathBuf| {
        let modified = fs::symlink_metadata(path).and_then(|found| found.modified());
        modified.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > ABANDONED))
    };
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()).filter(old) {
        let _ = fs::remove_file(path);
    }
}
