//! What stands in a folder: which paths belong to its tree, and what each of them is.

use super::git::{self, Git};
use super::scan::{Kind, Scanner};
use super::tree::TreeLimits;
use stageway_ports::SourceError;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Repositories within repositories are followed this deep.
const MAX_DEPTH: usize = 16;

/// One path of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) path: String,
    pub(super) kind: Kind,
}

/// Everything that belongs to the tree of a folder, in no order.
pub(super) async fn list(
    root: &Path,
    git: Option<&Git>,
    limits: TreeLimits,
) -> Result<Vec<Entry>, SourceError> {
    let Some(git) = git else {
        let root = root.to_owned();
        return blocking(move || Scanner::open(&root, limits)?.walk()).await;
    };
    let mut entries = Vec::new();
    let mut scanner = Scanner::open(root, limits)?;
    let mut pending = vec![(git.clone(), Vec::new(), 0)];
    while let Some((git, prefix, depth)) = pending.pop() {
        let paths = known_paths(&git, &prefix).await?;
        let (back, found) = blocking(move || {
            let found = scanner.look(&paths)?;
            Ok((scanner, found))
        })
        .await?;
        scanner = back;
        for entry in found {
            match entry.kind {
                Kind::Repository if depth == MAX_DEPTH => {
                    let problem = format!("{} lies in more than {MAX_DEPTH} repositories", entry.path);
                    return Err(SourceError::Limit(problem));
                }
                Kind::Repository => {
                    let folder: PathBuf = root.join(&entry.path);
                    let prefix = format!("{}/", entry.path).into_bytes();
                    pending.push((Git::new(folder), prefix, depth + 1));
                }
                _ => entries.push(entry),
            }
        }
    }
    Ok(entries)
}

/// What git knows or does not ignore below a folder, with `prefix` in front.
async fn known_paths(git: &Git, prefix: &[u8]) -> Result<BTreeSet<Vec<u8>>, SourceError> {
    let output = git.run(&["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).await?;
    // A repository of its own that is not a submodule ends with `/`.
    let whole = |path: &[u8]| [prefix, path.strip_suffix(b"/").unwrap_or(path)].concat();
    Ok(git::parts(&output).map(whole).collect())
}

async fn blocking<T: Send + 'static>(
    act: impl FnOnce() -> Result<T, SourceError> + Send + 'static,
) -> Result<T, SourceError> {
    let done = tokio::task::spawn_blocking(act).await;
    done.unwrap_or_else(|error| Err(SourceError::Unavailable(error.to_string())))
}
