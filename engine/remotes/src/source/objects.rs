//! The objects of a repository: one `git cat-file --batch`, kept open.

use super::git::{self, Git};
use super::store::{SMALL, ours};
use stageway_core::workspace::Node;
use stageway_ports::{Blobs, SourceError};
use std::fmt::Display;
use std::process::Stdio;
use std::time::Duration;
use tempfile::NamedTempFile;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout};

/// One object may take this long.
const PATIENCE: Duration = Duration::from_secs(60);
/// The longest path of the system.
const MAX_LINK: u64 = 4096;

const FOLDER: u32 = 0o040_000;
const EXECUTABLE: u32 = 0o100_755;
const LINK: u32 = 0o120_000;
const SUBMODULE: u32 = 0o160_000;

/// One entry of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) mode: u32,
    pub(super) object: String,
    pub(super) path: String,
}

impl Entry {
    pub(super) fn is_folder(&self) -> bool {
        self.mode == FOLDER
    }

    pub(super) fn is_submodule(&self) -> bool {
        self.mode == SUBMODULE
    }

    pub(super) fn is_executable(&self) -> bool {
        self.mode == EXECUTABLE
    }

    pub(super) fn is_file(&self) -> bool {
        self.mode & 0o170_000 == 0o100_000
    }

    pub(super) fn is_link(&self) -> bool {
        self.mode == LINK
    }
}

/// What an object is, before its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) object: String,
    pub(super) kind: String,
    pub(super) size: u64,
}

/// What was read of a file or link. Others read while it is stored.
pub(super) enum Taken {
    Link(String),
    Small(Vec<u8>),
    /// In a temporary file, of so many bytes.
    Large(NamedTempFile, u64),
}

impl Taken {
    /// The node, with its bytes in the blobs.
    pub(super) async fn keep(self, entry: &Entry, blobs: &dyn Blobs) -> Result<Node, SourceError> {
        let (content, size) = match self {
            Self::Link(target) => return Ok(Node::Link { target }),
            Self::Small(bytes) => {
                let size = bytes.len() as u64;
                (blobs.put(bytes).await.map_err(ours)?, size)
            }
            Self::Large(file, size) => (blobs.put_file(file.path()).await.map_err(ours)?, size),
        };
        if content.size != size {
            return Err(unread(entry, &"it was stored with another size"));
        }
        Ok(Node::File { content, executable: entry.is_executable() })
    }
}

fn unread(Entry { object, path, .. }: &Entry, problem: &dyn Display) -> SourceError {
    SourceError::Unavailable(format!("object {object} of `{path}` cannot be read: {problem}"))
}

/// The open command. After an error its answers are no longer in step: it must be dropped.
pub(super) struct Objects {
    _child: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Objects {
    pub(super) fn open(git: &Git) -> Result<Self, SourceError> {
        let failed =
            |problem: String| SourceError::Unavailable(format!("`git cat-file` cannot be run: {problem}"));
        let mut command = git.command(&["cat-file", "--batch"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(ask), Some(out)) => {
                Ok(Self { _child: child, ask, answers: BufReader::with_capacity(256 << 10, out) })
            }
            _ => Err(failed("its pipes are missing".into())),
        }
    }

    /// A file or link of a tree, read.
    pub(super) async fn node(&mut self, entry: &Entry, most: u64) -> Result<Taken, SourceError> {
        let taken = tokio::time::timeout(PATIENCE, self.take(entry, most)).await;
        taken.unwrap_or_else(|_| {
            Err(SourceError::Limit(format!("`{}` took longer than {PATIENCE:?}", entry.path)))
        })
    }

    async fn take(&mut self, entry: &Entry, most: u64) -> Result<Taken, SourceError> {
        let unread = |problem: &dyn Display| unread(entry, problem);
        let header = self.begin(&entry.object).await.map_err(|problem| unread(&problem))?;
        let header = header.ok_or_else(|| unread(&"it is missing"))?;
        let size = header.size;
        if header.kind != "blob" {
            return Err(unread(&format!("it is a {}", header.kind)));
        }
        if size > most {
            let problem = format!("`{}` has {size} bytes; at most {most} are taken", entry.path);
            return Err(SourceError::Limit(problem));
        }
        if entry.mode == LINK && size > MAX_LINK {
            return Err(SourceError::Unsupported(format!("`{}` is a link of {size} bytes", entry.path)));
        }
        if entry.mode != LINK && size > SMALL {
            return Ok(Taken::Large(self.file(size).await.map_err(|error| unread(&error))?, size));
        }
        let bytes = self.bytes(size).await.map_err(|error| unread(&error))?;
        Ok(match entry.mode {
            LINK => Taken::Link(git::text(&bytes, "link target")?),
            _ => Taken::Small(bytes),
        })
    }

    /// A whole object of at most `max` bytes; none if nothing has that name.
    pub(super) async fn object(
        &mut self,
        name: &str,
        max: u64,
    ) -> Result<Option<(Header, Vec<u8>)>, SourceError> {
        let unread =
            |problem: String| SourceError::Unavailable(format!("`{name}` cannot be read: {problem}"));
        let read = async {
            let Some(header) = self.begin(name).await.map_err(unread)? else { return Ok(None) };
            if header.size > max {
                let problem = format!("`{name}` has {} bytes; at most {max} are taken", header.size);
                return Err(SourceError::Limit(problem));
            }
            let bytes = self.bytes(header.size).await.map_err(|error| unread(error.to_string()))?;
            Ok(Some((header, bytes)))
        };
        tokio::time::timeout(PATIENCE, read)
            .await
            .unwrap_or_else(|_| Err(SourceError::Limit(format!("`{name}` took longer than {PATIENCE:?}"))))
    }

    /// Asks for an object and reads its header.
    async fn begin(&mut self, name: &str) -> Result<Option<Header>, String> {
        if name.contains('\n') {
            return Ok(None);
        }
        let ask = format!("{name}\n");
        self.ask.write_all(ask.as_bytes()).await.map_err(|error| error.to_string())?;
        let mut header = Vec::new();
        let mut answers = (&mut self.answers).take(4096);
        answers.read_until(b'\n', &mut header).await.map_err(|error| error.to_string())?;
        let header = String::from_utf8_lossy(&header);
        let header = header.trim_end();
        if header.ends_with(" missing") {
            return Ok(None);
        }
        match header.split_ascii_whitespace().collect::<Vec<_>>()[..] {
            [object, kind, size] => {
                let size = size.parse().map_err(|_| header.to_owned())?;
                Ok(Some(Header { object: object.to_owned(), kind: kind.to_owned(), size }))
            }
            _ => Err(format!("git answers `{header}`")),
        }
    }

    async fn bytes(&mut self, size: u64) -> std::io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(size).map_err(std::io::Error::other)?];
        self.answers.read_exact(&mut bytes).await?;
        self.answers.read_u8().await?;
        Ok(bytes)
    }

    async fn file(&mut self, size: u64) -> std::io::Result<NamedTempFile> {
        let file = NamedTempFile::new()?;
        let mut target = tokio::fs::File::from_std(file.reopen()?);
        let copied = tokio::io::copy(&mut (&mut self.answers).take(size), &mut target).await?;
        target.flush().await?;
        self.answers.read_u8().await?;
        if copied == size { Ok(file) } else { Err(std::io::ErrorKind::UnexpectedEof.into()) }
    }
}

/// The entries of a tree object; `hash` bytes name an object.
pub(super) fn entries(tree: &[u8], hash: usize) -> Result<Vec<Entry>, SourceError> {
    let malformed = || SourceError::Unavailable("a tree object cannot be read".into());
    let mut rest = tree;
    let mut entries = Vec::new();
    while !rest.is_empty() {
        let space = rest.iter().position(|b| *b == b' ').ok_or_else(malformed)?;
        let end = rest.iter().position(|b| *b == 0).ok_or_else(malformed)?;
        let object = rest.get(end + 1..end + 1 + hash).ok_or_else(malformed)?;
        let name = rest.get(space + 1..end).ok_or_else(malformed)?;
        let mode = std::str::from_utf8(&rest[..space]).ok().and_then(|m| u32::from_str_radix(m, 8).ok());
        entries.push(Entry {
            mode: mode.ok_or_else(malformed)?,
            object: hex::encode(object),
            path: git::text(name, "path")?,
        });
        rest = &rest[end + 1 + hash..];
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_object_is_read_and_a_damaged_one_refused() {
        let mut tree = b"100644 a.txt\0".to_vec();
        tree.extend([0xab; 20]);
        tree.extend(b"40000 folder\0");
        tree.extend([0x01; 20]);
        let read = entries(&tree, 20).unwrap();
        assert_eq!(read[0], Entry { mode: 0o100_644, object: "ab".repeat(20), path: "a.txt".into() });
        assert!(read[1].is_folder() && !read[1].is_submodule());
        for cut in [1, 5, 12, 20, tree.len() - 1] {
            assert!(entries(&tree[..cut], 20).is_err(), "{cut}");
        }
    }
}
