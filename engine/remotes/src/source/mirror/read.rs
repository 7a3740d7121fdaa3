//! What is read from the mirror itself.

use super::Inner;
use super::ancestry::Parted;
use super::shelf::Object;
use crate::source::git::{self, GitError};
use crate::source::objects::{Entry, Header, Objects, Taken, entries};
use stageway_core::delivery::Revision;
use stageway_ports::SourceError;
use std::sync::Arc;
use tokio::sync::MutexGuard;

/// A tree object or a commit has at most this many bytes.
const MAX_TREE: u64 = 64 << 20;
const MAX_COMMIT: u64 = 4 << 20;
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

    pub(super) async fn node(&mut self, entry: &Entry, most: u64) -> Result<Taken, SourceError> {
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

    /// An object, by its whole name.
    async fn object(&self, name: &str, max: u64) -> Result<Option<Arc<Object>>, SourceError> {
        self.asked(name, name, max).await
    }

    /// What is asked for in git's words; from the shelf where it was read lately under this name.
    async fn asked(&self, name: &str, words: &str, max: u64) -> Result<Option<Arc<Object>>, SourceError> {
        let on_shelf = || self.shelf.find(name).filter(|object| object.header.size <= max);
        if let Some(object) = on_shelf() {
            return Ok(Some(object));
        }
        let mut reading = self.objects().await?;
        // Whoever had its turn before may have read the same.
        if let Some(object) = on_shelf() {
            return Ok(Some(object));
        }
        let found = reading.object(words, max).await?;
        Ok(found.map(|(header, bytes)| self.shelf.keep(Object { header, bytes })))
    }

    /// The name of the commit that a revision leads to; none if it is not here.
    pub(super) async fn peeled(&self, revision: &str) -> Result<Option<String>, SourceError> {
        if self.knows(revision) {
            return Ok(Some(revision.to_owned()));
        }
        Ok(self.commit(revision).await?.map(|commit| commit.header.object.clone()))
    }

    /// A commit: an annotated tag leads to one.
    pub(super) async fn commit(&self, revision: &str) -> Result<Option<Arc<Object>>, SourceError> {
        let words = format!("{revision}^{{commit}}");
        let found = self.asked(revision, &words, MAX_COMMIT).await?;
        Ok(found.filter(|object| object.header.kind == "commit"))
    }

    /// A file of a commit, if it is one.
    pub(super) async fn file(
        &self,
        revision: &Revision,
        path: &str,
        max: u64,
    ) -> Result<Option<Vec<u8>>, SourceError> {
        let Some(entry) = self.entry(revision, path).await? else { return Ok(None) };
        if !(entry.is_file() || entry.is_link()) {
            return Ok(None);
        }
        let found = self.asked(&entry.object, &format!("{revision}:{path}"), max).await?;
        Ok(found.map(|file| file.bytes.clone()))
    }

    /// The entries of a folder of a commit; none if it is no folder.
    pub(super) async fn folder(&self, revision: &Revision, path: &str) -> Result<Vec<Entry>, SourceError> {
        let tree = match path {
            "" => self.tree_of(revision.as_str()).await?,
            _ => self.entry(revision, path).await?.filter(Entry::is_folder).map(|folder| folder.object),
        };
        match tree {
            Some(tree) => self.level(&tree).await,
            None => Ok(Vec::new()),
        }
    }

    /// What lies under a path of a commit.
    async fn entry(&self, revision: &Revision, path: &str) -> Result<Option<Entry>, SourceError> {
        let Some(mut tree) = self.tree_of(revision.as_str()).await? else { return Ok(None) };
        let mut names = path.split('/').peekable();
        while let Some(name) = names.next() {
            let level = self.level(&tree).await?;
            let Some(entry) = level.into_iter().find(|entry| entry.path == name) else { return Ok(None) };
            if names.peek().is_none() {
                return Ok(Some(entry));
            }
            if !entry.is_folder() {
                return Ok(None);
            }
            tree = entry.object;
        }
        Ok(None)
    }

    /// The name of the tree of a commit; none if the commit is not here.
    async fn tree_of(&self, revision: &str) -> Result<Option<String>, SourceError> {
        Ok(self.commit(revision).await?.and_then(|commit| tree_of(&commit.bytes)))
    }

    /// The name of the tree of a commit that is here.
    pub(super) async fn root(&self, revision: &str) -> Result<String, SourceError> {
        let tree = self.tree_of(revision).await?;
        tree.ok_or_else(|| SourceError::NotFound(format!("commit `{revision}`")))
    }

    pub(super) async fn level(&self, object: &str) -> Result<Vec<Entry>, SourceError> {
        let found = self.object(object, MAX_TREE).await?;
        let tree = found.ok_or_else(|| SourceError::NotFound(format!("tree `{object}`")))?;
        entries(&tree.bytes, tree.header.object.len() / 2)
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

/// The name of a commit's tree, which is its first line.
fn tree_of(bytes: &[u8]) -> Option<String> {
    let line = bytes.split(|&byte| byte == b'\n').next()?;
    String::from_utf8(line.strip_prefix(b"tree ")?.to_vec()).ok()
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
