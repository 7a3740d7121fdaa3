use super::key::Key;
use crate::host::SetupError;
use sha2::{Digest as _, Sha256};
use stageway_core::digest::Digest;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tempfile::{Builder, NamedTempFile};
use wasmtime::Engine;
use wasmtime::component::Component;

/// Ends the name of compiled code.
const CODE: &str = "code";
/// Ends the name of the file that authenticates it.
const SEAL: &str = "seal";

/// Begins the name of a file that is being written.
const FRESH: &str = "compiling-";
/// After this time nobody is writing a fresh file any more.
const ABANDONED: Duration = Duration::from_secs(3600);

/// Compiled components in a directory that only this user can read.
///
/// A component lies in `NAME.code`, authenticated by `NAME.seal`, where NAME hashes the component's digest and everything
/// that decides what the compiler makes of it. What does not fit together is as good as absent.
pub(super) struct Cache {
    directory: PathBuf,
    key: Key,
    compatibility: u64,
    most_bytes: u64,
}

impl Cache {
    /// # Errors
    /// When the directory or the key cannot be had.
    pub(super) fn open(directory: &Path, engine: &Engine, most_bytes: u64) -> Result<Self, SetupError> {
        let trouble = |source| SetupError::Directory { path: directory.to_owned(), source };
        let components = directory.join("components");
        DirBuilder::new().recursive(true).mode(0o700).create(&components).map_err(trouble)?;
        let key = Key::read_or_make(&directory.join("components.key")).map_err(trouble)?;
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Ok(Self { directory: components, key, compatibility: hasher.finish(), most_bytes })
    }

    fn name(&self, digest: Digest) -> String {
        let mut hash = Sha256::new();
        hash.update(digest.as_bytes());
        hash.update(self.compatibility.to_le_bytes());
        hash.update(env!("CARGO_PKG_VERSION"));
        hex::encode(hash.finalize())
    }

    fn path(&self, name: &str, kind: &str) -> PathBuf {
        self.directory.join(format!("{name}.{kind}"))
    }

    /// A fresh file for the compiler, gone if it is not kept.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(super) fn place(&self) -> io::Result<NamedTempFile> {
        Builder::new().prefix(FRESH).tempfile_in(&self.directory)
    }

    /// Seals what the compiler wrote and puts it in its place. The seal comes last: code without one is absent.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(super) fn keep(&self, digest: Digest, output: NamedTempFile) -> io::Result<()> {
        let name = self.name(digest);
        let code = self.key.code(&name, &mut output.reopen()?)?;
        let _ = fs::remove_file(self.path(&name, SEAL));
        output.persist(self.path(&name, CODE)).map_err(|error| error.error)?;
        let mut seal = self.place()?;
        seal.write_all(&code)?;
        seal.persist(self.path(&name, SEAL)).map_err(|error| error.error)?;
        self.trim(&name)
    }

    /// The component, if it is here and genuine.
    pub(super) fn load(&self, engine: &Engine, digest: Digest) -> Option<Component> {
        let name = self.name(digest);
        let path = self.path(&name, CODE);
        let seal = fs::read(self.path(&name, SEAL)).ok()?;
        let mut file = open_own(&path).ok()?;
        if !self.key.is_genuine(&name, &mut file, &seal).ok()? {
            tracing::warn!(component.digest = %digest, "compiled code is not genuine and is compiled again");
            return None;
        }
        match load(engine, &path) {
            Ok(component) => {
                let _ = file.set_modified(SystemTime::now());
                Some(component)
            }
            Err(error) => {
                tracing::warn!(component.digest = %digest, error = %error, "compiled code cannot be loaded");
                None
            }
        }
    }

    /// Removes what was used longest ago while there is too much, and what a killed process left behind.
    fn trim(&self, keep: &str) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let path = entry.path();
            // Another compilation may take its fresh file away in between.
            let Ok(metadata) = entry.metadata() else { continue };
            let modified = metadata.modified()?;
            if path.extension().is_some_and(|kind| kind == CODE) {
                files.push((modified, metadata.len(), path));
            } else if entry.file_name().to_string_lossy().starts_with(FRESH)
                && modified.elapsed().is_ok_and(|age| age > ABANDONED)
            {
                let _ = fs::remove_file(path);
            }
        }
        files.sort();
        let mut bytes: u64 = files.iter().map(|(_, size, _)| size).sum();
        for (_, size, path) in files {
            if bytes <= self.most_bytes {
                break;
            }
            if path.file_stem().is_some_and(|stem| stem != keep) {
                let _ = fs::remove_file(path.with_extension(SEAL));
                let _ = fs::remove_file(&path);
                bytes -= size;
            }
        }
        Ok(())
    }
}

/// Opens a file that nobody else could have written.
fn open_own(path: &Path) -> io::Result<File> {
    let follow_no_link = rustix::fs::OFlags::NOFOLLOW.bits();
    let file = OpenOptions::new().read(true).custom_flags(follow_no_link.cast_signed()).open(path)?;
    let metadata = file.metadata()?;
    let is_own = metadata.uid() == rustix::process::geteuid().as_raw() && metadata.mode() & 0o077 == 0;
    if metadata.is_file() && is_own {
        Ok(file)
    } else {
        Err(io::Error::new(io::ErrorKind::PermissionDenied, "others could have written it"))
    }
}

/// Maps compiled code into memory.
#[allow(unsafe_code, reason = "loading machine code cannot be safe by itself; the argument stands below")]
fn load(engine: &Engine, path: &Path) -> wasmtime::Result<Component> {
    // SAFETY: the file must be what `precompile_component` of a compatible wasmtime wrote, and must not change while it is
    // mapped.
    // * It is: the seal just checked is an HMAC over its content under a key that only this user can read, and this user
    //   seals nothing but the output of the compiler. wasmtime itself checks version and settings at the head of the file.
    // * It does not change: the directory has mode 0700 and the file mode 0600, so only this user can reach it, and this
    //   program never writes into a file under its final name: it replaces the name, and a mapping keeps the old file.
    unsafe { Component::deserialize_file(engine, path) }
}
