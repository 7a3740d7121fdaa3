//! The tree of a commit, from the repository's objects.

use super::git::{self, Git};
use super::objects::{Entry, Objects};
use super::store::unsupported;
use super::tree::TreeLimits;
use stageway_core::workspace::{Node, Tree, WorkspacePath};
use stageway_ports::{Blobs, SourceError};

/// Submodules within submodules are followed this deep.
const MAX_DEPTH: usize = 16;
/// One line of `git ls-tree`.
struct Line {
    entry: Entry,
    size: u64,
}

/// The paths of a commit below the folder, in order.
pub(super) async fn paths(git: &Git, commit: &str) -> Result<Vec<String>, SourceError> {
    Ok(lines(git, commit).await?.into_iter().map(|line| line.entry.path).collect())
}

/// The tree of a commit below the folder. A submodule is taken at the commit that stands there, if its repository is
/// checked out and has it; otherwise it is an empty folder, as git leaves one.
pub(super) async fn tree(
    git: &Git,
    commit: &str,
    limits: TreeLimits,
    blobs: &dyn Blobs,
) -> Result<Tree, SourceError> {
    let mut tree = Tree::default();
    let mut bytes = 0;
    let mut pending = vec![(git.clone(), commit.to_owned(), String::new(), 0)];
    while let Some((git, commit, prefix, depth)) = pending.pop() {
        let lines = lines(&git, &commit).await?;
        let mut objects = Objects::open(&git)?;
        for line in lines {
            let Line { entry, size } = line;
            let path = WorkspacePath::new(format!("{prefix}{}", entry.path)).map_err(unsupported)?;
            if entry.is_submodule() {
                match submodule(&git, &entry).await {
                    Some(inner) if depth < MAX_DEPTH => {
                        pending.push((inner, entry.object, format!("{path}/"), depth + 1));
                    }
                    _ => tree.insert(path, Node::Folder),
                }
                continue;
            }
            bytes += size;
            check(&entry, size, tree.len(), bytes, limits)?;
            let taken = objects.node(&entry, limits.file_bytes).await?;
            let node = taken.keep(&entry, blobs).await?;
            tree.insert(path, node);
        }
    }
    Ok(tree)
}

pub(super) fn check(
    entry: &Entry,
    size: u64,
    files: usize,
    bytes: u64,
    limits: TreeLimits,
) -> Result<(), SourceError> {
    let problem = if files >= limits.files {
        format!("the tree has more than {} files", limits.files)
    } else if size > limits.file_bytes {
        format!("`{}` has {} bytes; at most {} are taken", entry.path, size, limits.file_bytes)
    } else if bytes > limits.bytes {
        format!("the files of the tree have more than {} bytes", limits.bytes)
    } else {
        return Ok(());
    };
    Err(SourceError::Limit(problem))
}

/// The repository of a submodule, if it is here and has the commit.
async fn submodule(git: &Git, entry: &Entry) -> Option<Git> {
    let folder = git.folder().join(&entry.path);
    folder.join(".git").symlink_metadata().ok()?;
    let inner = Git::new(folder);
    inner.commit(&entry.object).await.ok()?;
    Some(inner)
}

async fn lines(git: &Git, commit: &str) -> Result<Vec<Line>, SourceError> {
    let output = git.run(&["ls-tree", "-r", "-z", "-l", commit]).await?;
    git::parts(&output).map(line).collect()
}

fn line(bytes: &[u8]) -> Result<Line, SourceError> {
    let malformed = || SourceError::Unavailable(format!("git listed `{}`", bytes.escape_ascii()));
    let tab = bytes.iter().position(|b| *b == b'\t').ok_or_else(malformed)?;
    let head = std::str::from_utf8(&bytes[..tab]).map_err(|_| malformed())?;
    let mut words = head.split_ascii_whitespace();
    let mut word = || words.next().ok_or_else(malformed);
    let (mode, _kind, object, size) = (word()?, word()?, word()?.to_owned(), word()?);
    let mode = u32::from_str_radix(mode, 8).map_err(|_| malformed())?;
    Ok(Line {
        entry: Entry { mode, object, path: git::text(&bytes[tab + 1..], "path")? },
        // A submodule has no size.
        size: if size == "-" { 0 } else { size.parse().map_err(|_| malformed())? },
    })
}
