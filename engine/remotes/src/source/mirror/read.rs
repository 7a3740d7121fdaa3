//! What is read from the mirror itself.

use super::Inner;
use super::ancestry::Parted;
use crate::source::git::{self, GitError};
use crate::source::objects::{Entry, Header, Objects, Taken, entries};
use crate::source::revision::check;
use crate::source::store::unsupported;
use crate::source::tree::TreeLimits;
use futures::stream::{FuturesUnordered, StreamExt as _};
use stageway_core::delivery::Revision;
use stageway_core::workspace::{Node, Tree, WorkspacePath};
use stageway_ports::SourceError;
use tokio::sync::MutexGuard;

/// A tree object or a commit has at most this many bytes.
const MAX_TREE: u64 = 64 << 20;
const MAX_COMMIT: u64 = 4 << 20;
/// Files that are stored at the same time.
const AT_ONCE: usize = 8;
/// Folders within folders.
pub(super) const MAX_DEPTH: usize = 200;

/// The open command, for as long as it is held. What fails drops it: its answers are no longer in step.
pub(super) struct Reading<'a>(MutexGuard<'a, Option<Objects>>);

impl Reading<'_> {
    pub(super) async fn object(
        &mut self,
        name: &str,
        max: u64,
    ) -> Result<Option<(Header, Vec<u8>)>, SourceError> {
        let Some(mut objects) = self.0.take() else { return Err(gone()) };
        let read = objects.object(name, max).await?;
        *self.0 = Some(objects);
        Ok(read)
    }

    /// The full name of what a name means.
    pub(super) async fn name(&mut self, name: &str) -> Result<Option<String>, SourceError> {
        Ok(self.object(name, MAX_TREE).await?.map(|(header, _)| header.object))
    }

    async fn node(&mut self, entry: &Entry, most: u64) -> Result<Taken, SourceError> {
        let Some(mut objects) = self.0.take() else { return Err(gone()) };
        let taken = objects.node(entry, most).await?;
        *self.0 = Some(objects);
        Ok(taken)
    }
}

fn gone() -> SourceError {
    SourceError::Unavailable("the reader of objects is gone".into())
}

impl Inner {
    /// The reader of objects; opened where there is none.
    pub(super) async fn objects(&self) -> Result<Reading<'_>, SourceError> {
        let mut held = self.objects.lock().await;
        if held.is_none() {
            *held = Some(Objects::open(&self.git)?);
        }
        Ok(Reading(held))
    }

    /// The name of the commit that a revision leads to; none if it is not here.
    pub(super) async fn peeled(&self, revision: &str) -> Result<Option<String>, SourceError> {
        if self.knows(revision) {
            return Ok(Some(revision.to_owned()));
        }
        self.objects().await?.name(&format!("{revision}^{{commit}}")).await
    }

    /// The bytes of a commit, with its name: an annotated tag leads to one.
    pub(super) async fn commit(&self, revision: &str) -> Result<Option<(String, Vec<u8>)>, SourceError> {
        let found = self.objects().await?.object(&format!("{revision}^{{commit}}"), MAX_COMMIT).await?;
        Ok(found.map(|(header, bytes)| (header.object, bytes)))
    }

    /// A file of a commit, if it is one.
    pub(super) async fn file(
        &self,
        revision: &Revision,
        path: &str,
        max: u64,
    ) -> Result<Option<Vec<u8>>, SourceError> {
        let found = self.objects().await?.object(&format!("{revision}:{path}"), max).await?;
        Ok(found.filter(|(header, _)| header.kind == "blob").map(|(_, bytes)| bytes))
    }

    /// The entries of a folder of a commit; none if it is no folder.
    pub(super) async fn folder(&self, revision: &Revision, path: &str) -> Result<Vec<Entry>, SourceError> {
        let found = self.objects().await?.object(&format!("{revision}:{path}"), MAX_TREE).await?;
        match found.filter(|(header, _)| header.kind == "tree") {
            Some((header, bytes)) => entries(&bytes, header.object.len() / 2),
            None => Ok(Vec::new()),
        }
    }

    /// The tree of a commit, with its bytes in the blobs. A submodule is an empty folder.
    pub(super) async fn tree(&self, revision: &str, limits: TreeLimits) -> Result<Tree, SourceError> {
        let mut tree = Tree::default();
        let mut bytes = 0;
        let mut pending = vec![(format!("{revision}^{{tree}}"), String::new(), 0)];
        // While some are stored, the next ones are read.
        let (mut storing, mut wanted) = (FuturesUnordered::new(), Vec::new());
        while let Some((object, prefix, depth)) = pending.pop() {
            for mut entry in self.level(&object).await? {
                entry.path = format!("{prefix}{}", entry.path);
                if entry.is_folder() {
                    if depth == MAX_DEPTH {
                        let problem = format!("`{}` lies more than {MAX_DEPTH} folders deep", entry.path);
                        return Err(SourceError::Limit(problem));
                    }
                    pending.push((entry.object, format!("{}/", entry.path), depth + 1));
                    continue;
                }
                wanted.push(entry);
            }
            loop {
                while storing.len() < AT_ONCE
                    && let Some(entry) = wanted.pop()
                {
                    storing.push(self.stored(entry, limits.file_bytes));
                }
                let Some(stored) = storing.next().await else { break };
                let (entry, node): (Entry, Node) = stored?;
                let path = WorkspacePath::new(entry.path.clone()).map_err(unsupported)?;
                let size = if let Node::File { content, .. } = &node { content.size } else { 0 };
                bytes += size;
                check(&entry, size, tree.len(), bytes, limits)?;
                tree.insert(path, node);
            }
        }
        Ok(tree)
    }

    pub(super) async fn level(&self, object: &str) -> Result<Vec<Entry>, SourceError> {
        let found = self.objects().await?.object(object, MAX_TREE).await?;
        let (header, bytes) = found.ok_or_else(|| SourceError::NotFound(format!("tree `{object}`")))?;
        entries(&bytes, header.object.len() / 2)
    }

    async fn stored(&self, entry: Entry, most: u64) -> Result<(Entry, Node), SourceError> {
        let node = match entry.is_submodule() {
            true => Node::Folder,
            false => self.node(&entry, most).await?,
        };
        Ok((entry, node))
    }

    async fn node(&self, entry: &Entry, most: u64) -> Result<Node, SourceError> {
        if let (Some(content), false) = (self.known(&entry.object), entry.is_link()) {
            return Ok(Node::File { content, executable: entry.is_executable() });
        }
        let taken = self.objects().await?.node(entry, most).await?;
        let node = taken.keep(entry, self.blobs.as_ref()).await?;
        if let Node::File { content, .. } = &node {
            self.learn(&entry.object, *content);
        }
        Ok(node)
    }

    /// Whether one commit leads to another.
    pub(super) async fn contains(&self, head: &Revision, revision: &Revision) -> Result<bool, SourceError> {
        let (Some(head), Some(revision)) =
            (self.peeled(head.as_str()).await?, self.peeled(revision.as_str()).await?)
        else {
            return Ok(false);
        };
        match self.walk_to_parting(&head, &revision).await? {
            Parted::At(parted) => return Ok(parted == revision),
            Parted::Never => return Ok(false),
            Parted::Untold => {}
        }
        match self.git.run(&["merge-base", "--is-ancestor", &revision, &head]).await {
            Ok(_) => Ok(true),
            Err(GitError::Refused(text)) if text.contains("ended with 1:") => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Where two commits parted; none if they never met, or one is not here.
    pub(super) async fn parted(&self, one: &str, other: &str) -> Result<Option<Revision>, SourceError> {
        let (Some(one), Some(other)) = (self.peeled(one).await?, self.peeled(other).await?) else {
            return Ok(None);
        };
        match self.walk_to_parting(&one, &other).await? {
            Parted::At(parted) => return Ok(Revision::new(parted).ok()),
            Parted::Never => return Ok(None),
            Parted::Untold => {}
        }
        match self.git.line(&["merge-base", &one, &other]).await {
            Ok(found) => Ok(Revision::new(found).ok()),
            Err(GitError::Refused(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// What a commit says of itself: its author and its message.
pub(super) fn said(bytes: &[u8]) -> (Option<String>, String) {
    let text = String::from_utf8_lossy(bytes);
    let (head, message) = text.split_once("\n\n").unwrap_or((&text, ""));
    let author = head.lines().find_map(|line| line.strip_prefix("author "));
    // After the address come the time and its zone.
    let author = author.and_then(|author| Some(author[..=author.rfind('>')?].to_owned()));
    let mut message = message.trim_end_matches('\n').to_owned();
    message.truncate(message.floor_char_boundary(stageway_core::event::MAX_TEXT));
    (author.filter(|author| author.len() <= 1024 && git::text(author.as_bytes(), "author").is_ok()), message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_says_who_wrote_it_and_why() {
        let bytes = b"tree 12\nparent 34\nauthor A <a@x> 1700000000 +0100\ncommitter B <b@x> 1 +0000\n\nTitle\n\nMore\n";
        assert_eq!(said(bytes), (Some("A <a@x>".into()), "Title\n\nMore".into()));
        assert_eq!(said(b"nothing"), (None, String::new()));
    }
}
