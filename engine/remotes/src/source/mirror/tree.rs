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
use futures::stream::{FuturesUnordered, StreamExt as _};
use stageway_core::call::Content;
use stageway_core::digest::Digest;
use stageway_core::workspace::{Node, Tree, WorkspacePath};
use stageway_ports::SourceError;

/// Files that are stored at the same time.
const AT_ONCE: usize = 8;
/// Up to so many bytes a file's name in the blobs is found at once; it would keep others waiting for longer than it saves.
const NAMED_AT_ONCE: usize = 64 << 10;

/// What is known of a tree that is being read.
struct Gathered {
    tree: Tree,
    bytes: u64,
    limits: TreeLimits,
}

impl Gathered {
    fn insert(&mut self, entry: &Entry, node: Node) -> Result<(), SourceError> {
        let path = WorkspacePath::new(entry.path.clone()).map_err(unsupported)?;
        let size = if let Node::File { content, .. } = &node { content.size } else { 0 };
        self.bytes += size;
        check(entry, size, self.tree.len(), self.bytes, self.limits)?;
        self.tree.insert(path, node);
        Ok(())
    }
}

impl Inner {
    /// The tree of a commit, with its bytes and its own in the blobs. A submodule is an empty folder.
    pub(super) async fn tree(&self, revision: &str, limits: TreeLimits) -> Result<Tree, SourceError> {
        let mut gathered = Gathered { tree: Tree::default(), bytes: 0, limits };
        // Of some that are being stored it is not known yet what they are called.
        let (mut storing, mut unnamed) = (FuturesUnordered::new(), 0);
        let mut pending = vec![(self.root(revision).await?, String::new(), 0)];
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
                if let Some(node) = self.stored(&entry) {
                    gathered.insert(&entry, node)?;
                    continue;
                }
                while storing.len() >= AT_ONCE
                    && let Some(stored) = storing.next().await
                {
                    if let Some((entry, node)) = stored? {
                        unnamed -= 1;
                        gathered.insert(&entry, node)?;
                    }
                }
                let taken = self.taken(&entry, limits.file_bytes).await?;
                let node = named(&entry, &taken);
                storing.push(self.store(entry.clone(), taken, node.is_some()));
                match node {
                    Some(node) => gathered.insert(&entry, node)?,
                    None => unnamed += 1,
                }
            }
        }
        while unnamed > 0
            && let Some(stored) = storing.next().await
        {
            if let Some((entry, node)) = stored? {
                unnamed -= 1;
                gathered.insert(&entry, node)?;
            }
        }
        let tree = gathered.tree;
        let others = async {
            while let Some(stored) = storing.next().await {
                stored?;
            }
            Ok(())
        };
        let itself = async { self.blobs.put(tree.encode()).await.map_err(ours) };
        tokio::try_join!(others, itself)?;
        Ok(tree)
    }

    /// What needs no storing.
    fn stored(&self, entry: &Entry) -> Option<Node> {
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
    async fn store(
        &self,
        entry: Entry,
        taken: Taken,
        was_named: bool,
    ) -> Result<Option<(Entry, Node)>, SourceError> {
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
