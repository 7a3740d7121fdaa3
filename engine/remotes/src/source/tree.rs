use super::git::{Git, GitError};
use super::{history, listing, revision, store};
use async_trait::async_trait;
use serde_json::Value as Json;
use stageway_core::workspace::Tree;
use stageway_ports::{Blobs, Source, SourceError, page_of};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How large a tree may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeLimits {
    /// Files, links and empty folders.
    pub files: usize,
    /// Bytes of all files.
    pub bytes: u64,
    /// Bytes of one file.
    pub file_bytes: u64,
}

impl Default for TreeLimits {
    fn default() -> Self {
        Self { files: 500_000, bytes: 8 << 30, file_bytes: 4 << 30 }
    }
}

/// What of the folder is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum At {
    /// As it stands.
    Present,
    /// A commit of its repository, by its full name.
    Revision(String),
}

/// A folder on this machine as the source of a run; in git or not, at the root of its repository or below.
pub struct WorkTree {
    pub(super) root: PathBuf,
    pub(super) git: Option<Git>,
    pub(super) at: At,
    base: Option<String>,
    cache: Option<PathBuf>,
    limits: TreeLimits,
    blobs: Arc<dyn Blobs>,
}

impl WorkTree {
    /// The folder as it stands. A folder that its repository ignores is outside git.
    ///
    /// # Errors
    /// [`SourceError::NotFound`] if it is no folder; [`SourceError::Unavailable`] if it lies in a repository that git
    /// cannot or will not read, with git's own words and remedy (such as `safe.directory`).
    pub async fn open(root: &Path, blobs: Arc<dyn Blobs>) -> Result<Self, SourceError> {
        let absent = || SourceError::NotFound(format!("folder {}", root.display()));
        let root = tokio::fs::canonicalize(root).await.map_err(|_| absent())?;
        if !root.is_dir() {
            return Err(absent());
        }
        let git = repository_of(&root).await?;
        Ok(Self { root, git, at: At::Present, base: None, cache: None, limits: TreeLimits::default(), blobs })
    }

    /// A commit instead of what stands there. Takes objects of the repository alone: nothing is fetched, and files that
    /// a filter such as LFS would change are taken as they were committed.
    ///
    /// # Errors
    /// [`SourceError::NotFound`] if the folder is not in git or the revision is not in the repository.
    pub async fn at_revision(mut self, revision: &str) -> Result<Self, SourceError> {
        let outside = || SourceError::NotFound(format!("revision `{revision}`: the folder is not in git"));
        let commit = self.git.as_ref().ok_or_else(outside)?.commit(revision).await?;
        self.at = At::Revision(commit);
        Ok(self)
    }

    /// What `changed_files` and `commits` count from when they are not told: the event's base. Without one, every path
    /// has changed.
    #[must_use]
    pub fn with_base(mut self, base: Option<String>) -> Self {
        self.base = base;
        self
    }

    /// Remembers digests of files by their size, times and inode in this folder, which belongs to the engine's state.
    #[must_use]
    pub fn with_cache(mut self, folder: impl Into<PathBuf>) -> Self {
        self.cache = Some(folder.into());
        self
    }

    /// Other limits than the default.
    #[must_use]
    pub fn with_limits(mut self, limits: TreeLimits) -> Self {
        self.limits = limits;
        self
    }

    /// The folder, absolute.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether it lies in a repository.
    pub fn in_git(&self) -> bool {
        self.git.is_some()
    }

    /// The commit that stands for the present head in comparisons.
    pub(super) fn head(&self) -> &str {
        match &self.at {
            At::Present => "HEAD",
            At::Revision(commit) => commit,
        }
    }

    /// Every path, in order.
    async fn paths(&self) -> Result<BTreeSet<String>, SourceError> {
        match (&self.git, &self.at) {
            (Some(git), At::Revision(commit)) => revision::paths(git, commit).await.map(BTreeSet::from_iter),
            _ => {
                let found = listing::list(&self.root, self.git.as_ref(), self.limits).await?;
                Ok(found.into_iter().map(|entry| entry.path).collect())
            }
        }
    }
}

/// The repository of a folder; none if there is none, or if it ignores the folder.
async fn repository_of(root: &Path) -> Result<Option<Git>, SourceError> {
    if !root.ancestors().any(|folder| folder.join(".git").symlink_metadata().is_ok()) {
        return Ok(None);
    }
    let git = Git::new(root);
    match git.line(&["rev-parse", "--is-inside-work-tree"]).await {
        Ok(answer) if answer == "true" => {}
        Ok(_) => return Ok(None),
        // A `.git` that is no repository, such as an empty folder: git looked on and found nothing.
        Err(GitError::Refused(text)) if text.contains("not a git repository") => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let ignored = git.run(&["check-ignore", "--quiet", "."]).await.is_ok();
    if ignored && git.run(&["ls-files", "-z", "--cached"]).await?.is_empty() {
        return Ok(None);
    }
    Ok(Some(git))
}

#[async_trait]
impl Source for WorkTree {
    async fn tree(&self) -> Result<Tree, SourceError> {
        match (&self.git, &self.at) {
            (Some(git), At::Revision(commit)) => {
                revision::tree(git, commit, self.limits, self.blobs.as_ref()).await
            }
            _ => {
                let found = listing::list(&self.root, self.git.as_ref(), self.limits).await?;
                store::tree(&self.root, found, self.cache.as_deref(), self.blobs.as_ref()).await
            }
        }
    }

    async fn changed_files(
        &self,
        since: Option<&str>,
        after: Option<&str>,
        max: u32,
    ) -> Result<Vec<String>, SourceError> {
        let changed = match (&self.git, since.or(self.base.as_deref())) {
            (None, Some(since)) => {
                return Err(SourceError::NotFound(format!("revision `{since}`: the folder is not in git")));
            }
            (_, None) => self.paths().await?,
            (Some(git), Some(since)) => history::changed(git, since, &self.at, self.head()).await?,
        };
        Ok(page_of(changed, after, max))
    }

    async fn commits(&self, since: Option<&str>, max: u32) -> Result<Vec<Json>, SourceError> {
        match (&self.git, since) {
            (None, None) => Ok(Vec::new()),
            (None, Some(since)) => {
                Err(SourceError::NotFound(format!("revision `{since}`: the folder is not in git")))
            }
            (Some(git), since) => history::commits(git, since, self.head(), max).await,
        }
    }
}
