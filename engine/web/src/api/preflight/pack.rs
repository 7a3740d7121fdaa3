//! The pack of a preflight: what is wanted, the list of the tree, and the files that the server has not.
//!
//! ```text
//! WANTED      one line of JSON; `list` says how many bytes the list has
//! LIST        the canonical list of the tree
//! FILE*       `sha256:… SIZE`, a line feed, and SIZE bytes; each file once, in any order
//! ```

use crate::problem::Problem;
use axum::body::{Body, BodyDataStream};
use axum::http::StatusCode;
use bytes::{Buf as _, Bytes, BytesMut};
use futures::StreamExt as _;
use stageway_core::diagnostic::codes;
use stageway_core::digest::Digest;
use std::time::Duration;

/// A line between the parts, at most.
const FILE_LINE: usize = 100;

/// What is read from a pack.
pub(super) struct Pack {
    body: BodyDataStream,
    held: BytesMut,
    /// Bytes that may still come, all in all.
    left: u64,
    /// Nobody waits longer for the next bytes.
    patience: Duration,
}

/// A file of the pack is announced.
pub(super) struct Announced {
    pub(super) digest: Digest,
    pub(super) size: u64,
}

impl Pack {
    /// Reads at most so many bytes.
    pub(super) fn new(body: Body, most: u64, patience: Duration) -> Self {
        Self { body: body.into_data_stream(), held: BytesMut::new(), left: most, patience }
    }

    /// The next line without its end; none at the end of the pack.
    ///
    /// # Errors
    /// When it is longer than `most`, or does not end.
    pub(super) async fn line(&mut self, most: usize) -> Result<Option<Bytes>, Problem> {
        let mut searched = 0;
        loop {
            if let Some(at) = self.held[searched..].iter().position(|byte| *byte == b'\n') {
                let line = self.held.split_to(searched + at).freeze();
                self.held.advance(1);
                return if line.len() > most { Err(long(most)) } else { Ok(Some(line)) };
            }
            searched = self.held.len();
            if searched > most {
                return Err(long(most));
            }
            if !self.more().await? {
                return if self.held.is_empty() { Ok(None) } else { Err(broken("a line does not end")) };
            }
        }
    }

    /// So many bytes.
    ///
    /// # Errors
    /// When fewer come.
    pub(super) async fn bytes(&mut self, count: usize) -> Result<BytesMut, Problem> {
        while self.held.len() < count {
            if !self.more().await? {
                return Err(broken(format!("{} bytes are missing", count - self.held.len())));
            }
        }
        Ok(self.held.split_to(count))
    }

    /// The next file's line; none at the end of the pack.
    ///
    /// # Errors
    /// When it is none.
    pub(super) async fn file(&mut self) -> Result<Option<Announced>, Problem> {
        let Some(line) = self.line(FILE_LINE).await? else { return Ok(None) };
        let parsed = std::str::from_utf8(&line).ok().and_then(|line| line.split_once(' '));
        let parsed = parsed.and_then(|(digest, size)| Some((digest.parse().ok()?, size.parse().ok()?)));
        let (digest, size) =
            parsed.ok_or_else(|| broken("a file begins with `sha256:…`, a space and its size"))?;
        Ok(Some(Announced { digest, size }))
    }

    /// Waits for more; answers whether any came.
    async fn more(&mut self) -> Result<bool, Problem> {
        let incomplete = || Problem::new(StatusCode::BAD_REQUEST, codes::BODY_INCOMPLETE);
        let Ok(next) = tokio::time::timeout(self.patience, self.body.next()).await else {
            return Err(incomplete());
        };
        let Some(chunk) = next else { return Ok(false) };
        let chunk = chunk.map_err(|_| incomplete())?;
        self.left =
            self.left.checked_sub(chunk.len() as u64).ok_or_else(|| too_large("the pack is too large"))?;
        self.held.extend_from_slice(&chunk);
        Ok(true)
    }
}

/// The pack is not what it should be.
pub(super) fn broken(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, codes::NOT_UNDERSTOOD).because(detail)
}

pub(super) fn too_large(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, codes::BODY_TOO_LARGE).because(detail)
}

fn long(most: usize) -> Problem {
    broken(format!("a line has more than {most} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn pack(chunks: &[&'static str], most: u64) -> Pack {
        let chunks: Vec<Result<&'static str, Infallible>> = chunks.iter().copied().map(Ok).collect();
        Pack::new(Body::from_stream(futures::stream::iter(chunks)), most, Duration::from_secs(9))
    }

    #[tokio::test]
    async fn lines_and_bytes_come_in_whatever_pieces() {
        let digest = Digest::of(b"abc");
        let text = format!("wanted\nlist{digest} 3\nabc").leak();
        let (one, two) = text.split_at(9);
        for chunks in [vec![&*text], vec![one, two], vec![one, "", two]] {
            let mut pack = pack(&chunks, 1_000);
            assert_eq!(pack.line(10).await.unwrap().unwrap(), "wanted");
            assert_eq!(&pack.bytes(4).await.unwrap()[..], b"list");
            let file = pack.file().await.unwrap().unwrap();
            assert_eq!((file.digest, file.size), (digest, 3));
            assert_eq!(&pack.bytes(3).await.unwrap()[..], b"abc");
            assert!(pack.file().await.unwrap().is_none());
        }
    }

    #[tokio::test]
    async fn what_is_too_long_or_breaks_off_is_refused() {
        assert!(pack(&["abcdef\n"], 1_000).line(5).await.is_err());
        assert!(pack(&["abcdef"], 1_000).line(5).await.is_err());
        assert!(pack(&["abc"], 1_000).line(5).await.is_err(), "it does not end");
        assert!(pack(&["abc"], 1_000).bytes(4).await.is_err());
        assert!(pack(&["abc"], 2).bytes(3).await.is_err(), "more than may come");
        assert!(pack(&["sha256:00 3\n"], 1_000).file().await.is_err());
        assert!(pack(&["\n"], 1_000).file().await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_ever() {
        let body = Body::from_stream(futures::stream::pending::<Result<&'static str, Infallible>>());
        assert!(Pack::new(body, 9, Duration::from_secs(9)).bytes(1).await.is_err());
    }
}
