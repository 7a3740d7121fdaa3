//! A tree on its way into a pod: its canonical list, and then the bytes of its files in that order.

use super::helper::{self, Helper, limited, line};
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt};
use stageway_core::call::Content;
use stageway_core::digest::Digest;
use stageway_core::workspace::{Node, Tree};
use stageway_parcel::told::Received;
use stageway_ports::{BlobError, Blobs};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncWrite, AsyncWriteExt};

/// For how long nothing may move.
const SILENCE: Duration = Duration::from_secs(20);
/// How long the helper may take to put in place what came.
const PLACED: Duration = Duration::from_secs(60);
/// Files of at most so many bytes are read ahead, so many at once.
const SMALL: u64 = 256 << 10;
const AHEAD: usize = 16;
/// What is read of a larger one in one go, in bytes.
const PIECE: u32 = 256 << 10;
/// The canonical list of a tree has at most this many bytes.
const LIST: u64 = 256 << 20;

/// Why a tree did not come in.
#[derive(Debug)]
pub(super) enum Stopped {
    /// Trying again may help.
    Broken(io::Error),
    /// It does not.
    Refused(String),
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

impl From<BlobError> for Stopped {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::Storage(problem) => Self::Broken(io::Error::other(problem)),
            other => Self::Refused(other.to_string()),
        }
    }
}

/// Sends a tree, and returns when all of it is in place, also when it was before.
pub(super) fn bring<'a>(
    blobs: &'a dyn Blobs,
    helper: &'a Helper<'_>,
    digest: &'a Digest,
) -> BoxFuture<'a, Result<(), Stopped>> {
    Box::pin(brought(blobs, helper, digest))
}

async fn brought(blobs: &dyn Blobs, helper: &Helper<'_>, digest: &Digest) -> Result<(), Stopped> {
    let list = blobs.get(digest, LIST).await?;
    let tree = Tree::decode(&list).map_err(|error| Stopped::Refused(error.to_string()))?;
    let mut running = helper.receive(&digest.hex()).await?;
    let mut to = running.stdin()?;
    let helper::Running { says, broken, .. } = &mut running;
    let exchange = async {
        let mut answer = Box::pin(line::<Received>(says));
        tokio::select! {
            // It says so at once when it has the tree already, or does not want it.
            answer = &mut answer => Ok(answer?),
            sent = send(blobs, &tree, &list, &mut to) => {
                sent?;
                Ok::<_, Stopped>(limited(PLACED, answer).await?)
            }
        }
    };
    let answer = broken.unless(exchange).await?;
    match answer {
        // Whether they succeed is seen by waiting for the tree.
        Received::Whole | Received::Elsewhere => Ok(()),
        Received::Refused(problem) => Err(Stopped::Refused(problem)),
    }
}

async fn send(
    blobs: &dyn Blobs,
    tree: &Tree,
    list: &[u8],
    to: &mut (impl AsyncWrite + Unpin),
) -> Result<(), Stopped> {
    put(to, &(list.len() as u64).to_be_bytes()).await?;
    put(to, list).await?;
    let mut files =
        stream::iter(contents(tree).into_iter().map(|content| ahead(blobs, content))).buffered(AHEAD);
    while let Some(file) = files.next().await {
        match file? {
            (_, Some(bytes)) => put(to, &bytes).await?,
            (content, None) => {
                let mut offset = 0;
                while offset < content.size {
                    let bytes = blobs.read(&content.digest, offset, PIECE).await?;
                    if bytes.is_empty() {
                        return Err(Stopped::Refused(format!("the blob {} is too short", content.digest)));
                    }
                    put(to, &bytes).await?;
                    offset += bytes.len() as u64;
                }
            }
        }
    }
    limited(SILENCE, to.flush()).await?;
    Ok(())
}

fn contents(tree: &Tree) -> Vec<Content> {
    let file = |node: &Node| match node {
        Node::File { content, .. } => Some(*content),
        Node::Link { .. } | Node::Folder => None,
    };
    tree.iter().filter_map(|(_, node)| file(node)).collect()
}

/// A file, and its bytes where they are few.
type Ahead = (Content, Option<Vec<u8>>);

/// Reads a file ahead.
fn ahead(blobs: &dyn Blobs, content: Content) -> BoxFuture<'_, Result<Ahead, BlobError>> {
    Box::pin(async move {
        let small = content.size <= SMALL;
        Ok((content, if small { Some(blobs.get(&content.digest, SMALL).await?) } else { None }))
    })
}

async fn put(to: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    for piece in bytes.chunks(PIECE as usize) {
        limited(SILENCE, to.write_all(piece)).await?;
    }
    Ok(())
}
