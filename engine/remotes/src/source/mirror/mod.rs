//! Mirrors of repositories: bare, one directory each, with the refs that somebody asked for.
//!
//! A mirror is only ever fetched into. Objects are read through one open `git cat-file`, so reading costs no process, by their
//! own names from the commit downwards, so that what was read lately is not read again; commits are compared by what was read
//! of them. No hook, filter or configuration of the repository runs.
//!
//! What a fetch brings becomes visible as one pack: where a commit is, everything that it leads to is, in the middle of a
//! fetch and after one that broke off as well.

mod ancestry;
mod difference;
mod fetch;
mod port;
mod read;
mod shelf;
mod source;
mod tree;

use super::git::Git;
use super::objects::Objects;
use ancestry::Kin;
use shelf::Shelf;
use stageway_core::call::Content;
use stageway_ports::{Blobs, SourceError};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

pub use fetch::Remote;

/// Objects whose bytes are known to lie in the blobs; more are forgotten all at once.
const MOST_KNOWN: usize = 500_000;

/// One repository, mirrored. A clone is the same mirror.
#[derive(Clone)]
pub struct GitMirror {
    inner: Arc<Inner>,
}

struct Inner {
    git: Git,
    remote: Remote,
    blobs: Arc<dyn Blobs>,
    /// One fetch at a time.
    fetching: tokio::sync::Mutex<()>,
    /// None before the first reading and after a failed one.
    objects: tokio::sync::Mutex<Option<Objects>>,
    shelf: Shelf,
    /// By the name of the object.
    known: Mutex<HashMap<String, Content>>,
    /// Where commits stand, by their names.
    kin: Mutex<HashMap<Arc<str>, Kin>>,
}

impl GitMirror {
    /// Opens the mirror in a directory, and makes it where there is none. Nothing is fetched yet.
    ///
    /// # Errors
    /// [`SourceError::Unavailable`] when the directory cannot be made or git is not there.
    pub async fn open(directory: &Path, remote: Remote, blobs: Arc<dyn Blobs>) -> Result<Self, SourceError> {
        make(directory).await?;
        let inner = Inner {
            git: Git::new(directory),
            remote,
            blobs,
            fetching: tokio::sync::Mutex::new(()),
            objects: tokio::sync::Mutex::new(None),
            shelf: Shelf::default(),
            known: Mutex::default(),
            kin: Mutex::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }
}

/// Makes a bare repository, whole or not at all.
async fn make(directory: &Path) -> Result<(), SourceError> {
    let failed = |error: std::io::Error| {
        SourceError::Unavailable(format!("the mirror {} cannot be made: {error}", directory.display()))
    };
    if directory.join("HEAD").is_file() {
        return Ok(());
    }
    let parent: PathBuf = directory.parent().unwrap_or(directory).to_owned();
    tokio::fs::create_dir_all(&parent).await.map_err(failed)?;
    let fresh = tempfile::tempdir_in(&parent).map_err(failed)?;
    Git::new(fresh.path()).run(&["init", "--bare", "--quiet", "--template=", "."]).await?;
    let fresh = fresh.keep();
    match tokio::fs::rename(&fresh, directory).await {
        Ok(()) => Ok(()),
        Err(_) if directory.join("HEAD").is_file() => tokio::fs::remove_dir_all(&fresh).await.map_err(failed),
        Err(error) => Err(failed(error)),
    }
}

impl Inner {
    fn known(&self, object: &str) -> Option<Content> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(object).copied()
    }

    fn learn(&self, object: &str, content: Content) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_KNOWN {
            known.clear();
        }
        known.insert(object.to_owned(), content);
    }
}
