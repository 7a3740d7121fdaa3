use super::git::{self, Git, GitError};
use super::history::{self, Commit};
use super::tree::{At, WorkTree};
use stageway_ports::SourceError;

/// What is known about a work tree: the parts of the event that a push of it would be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// Whether the folder is in git.
    pub in_git: bool,
    /// The present branch; none where HEAD is detached.
    pub branch: Option<String>,
    /// The commit: HEAD, or the one that was asked for. None before the first commit.
    pub revision: Option<String>,
    /// The folder differs from the commit: changes, or files that git neither knows nor ignores.
    pub dirty: bool,
    /// The default branch of `origin`, as it was told at the last fetch or clone.
    pub default_branch: Option<String>,
    /// What a push would be compared with: where the commit parted from its upstream, or else from origin's default
    /// branch; its first parent where all of it is there already. None if there is nothing before it.
    pub base: Option<String>,
    /// The first line of the commit's message.
    pub title: Option<String>,
    /// The whole message.
    pub message: Option<String>,
    /// `NAME <ADDRESS>`, as the commit says.
    pub author: Option<String>,
    /// When it was committed, RFC 3339.
    pub at: Option<String>,
}

/// What `git status` tells.
#[derive(Debug, Default, PartialEq, Eq)]
struct Status {
    branch: Option<String>,
    upstream: Option<String>,
    dirty: bool,
}

impl WorkTree {
    /// Asks git for all of it; outside git there is nothing to know.
    ///
    /// # Errors
    /// [`SourceError::Unavailable`] or [`SourceError::Limit`] when git fails or takes too long.
    pub async fn facts(&self) -> Result<Facts, SourceError> {
        let Some(git) = &self.git else { return Ok(Facts::default()) };
        let (status, commit, default_branch) =
            tokio::join!(status(git), newest(git, self.head()), default_branch(git));
        let (status, commit, default_branch) = (status?, commit?, default_branch?);
        let mut facts = Facts {
            in_git: true,
            branch: status.branch,
            dirty: status.dirty && self.at == At::Present,
            default_branch,
            ..Facts::default()
        };
        if let Some(commit) = commit {
            facts.base = base(git, &commit, status.upstream, facts.default_branch.as_deref()).await?;
            facts.revision = Some(commit.revision);
            facts.title = Some(commit.title);
            facts.message = Some(commit.message);
            facts.author = Some(commit.author);
            facts.at = Some(commit.at);
        }
        Ok(facts)
    }
}

impl WorkTree {
    /// Where `origin` is fetched from, absolute; none outside git or without that remote.
    ///
    /// # Errors
    /// [`SourceError::Unavailable`] when git fails.
    pub async fn origin(&self) -> Result<Option<String>, SourceError> {
        let Some(git) = &self.git else { return Ok(None) };
        let address = match git.line(&["config", "--get", "remote.origin.url"]).await {
            Ok(address) => address,
            Err(GitError::Refused(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        // A path is told as seen from the folder.
        let path = self.root.join(&address);
        Ok(Some(match tokio::fs::canonicalize(&path).await {
            Ok(path) if path.is_dir() => path.display().to_string(),
            _ => address,
        }))
    }

    /// Where the head parted from a branch of `origin`, as it was fetched last; none if that is not known.
    ///
    /// # Errors
    /// [`SourceError::Unavailable`] when git fails.
    pub async fn parted(&self, branch: &str) -> Result<Option<String>, SourceError> {
        let Some(git) = &self.git else { return Ok(None) };
        let branch = format!("refs/remotes/origin/{branch}");
        match git.line(&["merge-base", &branch, self.head()]).await {
            Ok(base) if !base.is_empty() => Ok(Some(base)),
            Ok(_) | Err(GitError::Refused(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// How far the folder lies below the root of its repository; empty at the root and outside git.
    ///
    /// # Errors
    /// [`SourceError::Unavailable`] when git fails.
    pub async fn prefix(&self) -> Result<String, SourceError> {
        let Some(git) = &self.git else { return Ok(String::new()) };
        Ok(git.line(&["rev-parse", "--show-prefix"]).await?.trim_end_matches('/').to_owned())
    }
}

async fn status(git: &Git) -> Result<Status, GitError> {
    let output = git
        .run(&[
            "status",
            "--porcelain=v2",
            "--branch",
            "-z",
            "--untracked-files=normal",
            "--no-renames",
            "--",
            ".",
        ])
        .await?;
    Ok(read_status(&output))
}

fn read_status(output: &[u8]) -> Status {
    let mut status = Status::default();
    for line in git::parts(output) {
        let Some(header) = line.strip_prefix(b"# ") else {
            status.dirty = true;
            continue;
        };
        let header = String::from_utf8_lossy(header);
        match header.split_once(' ') {
            Some(("branch.head", "(detached)")) => {}
            Some(("branch.head", branch)) => status.branch = Some(branch.to_owned()),
            Some(("branch.upstream", upstream)) => status.upstream = Some(upstream.to_owned()),
            _ => {}
        }
    }
    status
}

/// None before the first commit.
async fn newest(git: &Git, head: &str) -> Result<Option<Commit>, SourceError> {
    match git.commit(head).await {
        Ok(commit) => Ok(history::log(git, 1, &commit).await?.pop()),
        Err(SourceError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn default_branch(git: &Git) -> Result<Option<String>, SourceError> {
    match git.line(&["symbolic-ref", "--quiet", "refs/remotes/origin/HEAD"]).await {
        Ok(name) => Ok(name.strip_prefix("refs/remotes/origin/").map(str::to_owned)),
        Err(GitError::Refused(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn base(
    git: &Git,
    commit: &Commit,
    upstream: Option<String>,
    default_branch: Option<&str>,
) -> Result<Option<String>, SourceError> {
    let upstream = upstream.map(|name| format!("refs/remotes/{name}"));
    let default = default_branch.map(|name| format!("refs/remotes/origin/{name}"));
    for candidate in [upstream, default].into_iter().flatten() {
        match git.line(&["merge-base", &candidate, &commit.revision]).await {
            Ok(base) if base != commit.revision => return Ok(Some(base)),
            Ok(_) => break,
            Err(GitError::Refused(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    match git.commit(&format!("{}^", commit.revision)).await {
        Ok(parent) => Ok(Some(parent)),
        Err(SourceError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_is_read() {
        let clean =
            b"# branch.oid abc\0# branch.head main\0# branch.upstream origin/main\0# branch.ab +0 -0\0";
        let expected =
            Status { branch: Some("main".into()), upstream: Some("origin/main".into()), dirty: false };
        assert_eq!(read_status(clean), expected);
        assert_eq!(read_status(b"# branch.head (detached)\0? new\nfile\0").branch, None);
        assert!(read_status(b"# branch.head main\0? # branch.head\0").dirty);
    }
}
