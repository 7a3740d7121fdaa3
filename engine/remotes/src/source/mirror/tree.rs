//! The tree of a commit, with its bytes in the blobs.
//!
//! One object after the other is read, and what was read is stored meanwhile: storing waits for the disk. What a small file is
//! called in the blobs is known before it lies there, so the tree itself is stored beside the last of its files.

use super::Inner;
use super::read::MAX_DEPTH;
use crate::source::objects::{Entry, Taken};
use crate::source::revision::check;
use crate::source::store::{ours, unsupported};
use crate::source::tree::TreeLimits;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt as _};
use stageway_core::call::Content;
use stageway_core::digest::Digest;
use stageway_core::workspace::{Node, Tree, WorkspacePath};
use stageway_ports::SourceError;
use std::pin::pin;

/// Files that are stored at the same time.
const AT_ONCE: usize = 8;
/// Up to so many bytes a file's name in the blobs is found at once; it would keep others waiting for longer than it saves.
const NAMED_AT_ONCE: usize = 64 << 10;

/// What became of a file that was stored: its node, where its name was not known before.
type Stored = Result<Option<(Entry, Node)>, SourceError>;

/// A tree that is being read.
struct Gathering<'a> {
    tree: Tree,
    bytes: u64,
    limits: TreeLimits,
    storing: FuturesUnordered<BoxFuture<'a, Stored>>,
    /// How many of those that are being stored are not in the tree yet.
    unnamed: usize,
}

impl Gathering<'_> {
    fn insert(&mut self, entry: &Entry, node: Node) -> Result<(), SourceError> {
        let path = WorkspacePath::new(entry.path.clone()).map_err(unsupported)?;
        let size = if let Node::File { content, .. } = &node { content.size } else { 0 };
        self.bytes += size;
        check(entry, size, self.tree.len(), self.bytes, self.limits)?;
        self.tree.insert(path, node);
        Ok(())
    }

    fn stored(&mut self, stored: Stored) -> Result<(), SourceError> {
        if let Some((entry, node)) = stored? {
            self.unnamed -= 1;
            self.insert(&entry, node)?;
        }
        Ok(())
    }

    /// Stores on until something else is done.
    async fn until<T>(
        &mut self,
        done: impl Future<Output = Result<T, SourceError>>,
    ) -> Result<T, SourceError> {
        let mut done = pin!(done);
        loop {
            tokio::select! {
                biased;
                done = &mut done => return done,
                Some(stored) = self.storing.next() => self.stored(stored)?,
            }
        }
    }

    /// Stores on while there are so many, or so many are not in the tree yet.
    async fn while_more(&mut self, storing: usize, unnamed: usize) -> Result<(), SourceError> {
        while (self.storing.len() > storing || self.unnamed > unnamed)
            && let Some(stored) = self.storing.next().await
        {
            self.stored(stored)?;
        }
        Ok(())
    }
}

impl Inner {
    /// The tree of a commit, with its bytes and its own in the blobs. A submodule is an empty folder.
    pub(super) async fn tree(&self, revision: &str, limits: TreeLimits) -> Result<Tree, SourceError> {
        let (tree, storing) = (Tree::default(), FuturesUnordered::new());
        let mut gathering = Gathering { tree, bytes: 0, limits, storing, unnamed: 0 };
        let mut pending = vec![(self.root(revision).await?, String::new(), 0)];
        while let Some((object, prefix, depth)) = pending.pop() {
            for mut entry in gathering.until(self.level(&object)).await? {
                entry.path = format!("{prefix}{}", entry.path);
                if entry.is_folder() {
                    if depth == MAX_DEPTH {
                        let problem = format!("`{}` lies more than {MAX_DEPTH} folders deep", entry.path);
                        return Err(SourceError::Limit(problem));
                    }
                    pending.push((entry.object, format!("{}/", entry.path), depth + 1));
                    continue;
                }
                if let Some(node) = self.at_hand(&entry) {
                    gathering.insert(&entry, node)?;
                    continue;
                }
                gathering.while_more(AT_ONCE - 1, usize::MAX).await?;
                let taken = gathering.until(self.taken(&entry, limits.file_bytes)).await?;
                let node = named(&entry, &taken);
                gathering.storing.push(Box::pin(self.store(entry.clone(), taken, node.is_some())));
                match node {
                    Some(node) => gathering.insert(&entry, node)?,
                    None => gathering.unnamed += 1,
                }
            }
        }
        gathering.while_more(usize::MAX, 0).await?;
        let encoded = gathering.tree.encode();
        gathering.until(async { self.blobs.put(encoded).await.map_err(ours) }).await?;
        gathering.while_more(0, 0).await?;
        Ok(gathering.tree)
    }

    /// What needs no storing.
    fn at_hand(&self, entry: &Entry) -> Option<Node> {
        match entry.is_submodule() {
            true => Some(Node::Folder),
            false if entry.is_link() => None,
            false => {
                let content = self.known(&entry.object)?;
                Some(Node::File { content, executable: entry.is_executable() })
            }
        }
    }

    async fn taken(&self, entry: &Entry, most: u64) -> Result<Taken, SourceError> {
        match self.shelf.find(&entry.object).filter(|_| entry.is_file()) {
            Some(file) if file.header.size <= most => Ok(Taken::Small(file.bytes.clone())),
            _ => self.objects().await?.node(entry, most).await,
        }
    }

    /// Stores what was read; answers it where its name was not known before.
    async fn store(&self, entry: Entry, taken: Taken, was_named: bool) -> Stored {
        let node = taken.keep(&entry, self.blobs.as_ref()).await?;
        if let Node::File { content, .. } = &node {
            self.learn(&entry.object, *content);
        }
        Ok((!was_named).then_some((entry, node)))
    }
}

/// What an entry is, where that is quickly told.
fn named(entry: &Entry, taken: &Taken) -> Option<Node> {
    match taken {
        Taken::Link(target) => Some(Node::Link { target: target.clone() }),
        Taken::Small(bytes) if bytes.len() <= NAMED_AT_ONCE => {
            let content = Content { digest: Digest::of(bytes), size: bytes.len() as u64 };
            Some(Node::File { content, executable: entry.is_executable() })
        }
        Taken::Small(_) | Taken::Large(..) => None,
    }
}
