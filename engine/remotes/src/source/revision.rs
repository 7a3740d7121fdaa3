//! The tree of a commit, from the repository's objects.

use super::git::{self, Git};
use super::store::{SMALL, ours, unsupported};
use super::tree::TreeLimits;
use stageway_core::workspace::{Node, Tree, WorkspacePath};
use stageway_ports::{Blobs, SourceError};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout};

/// One object may take this long.
const PATIENCE: Duration = Duration::from_secs(60);
/// Submodules within submodules are followed this deep.
const MAX_DEPTH: usize = 16;
/// The longest path of the system.
const MAX_LINK: u64 = 4096;

/// One line of `git ls-tree`.
struct Line {
    mode: u32,
    object: String,
    size: u64,
    path: String,
}

const EXECUTABLE: u32 = 0o100_755;
const LINK: u32 = 0o120_000;
const SUBMODULE: u32 = 0o160_000;

/// The paths of a commit below the folder, in order.
pub(super) async fn paths(git: &Git, commit: &str) -> Result<Vec<String>, SourceError> {
    Ok(lines(git, commit).await?.into_iter().map(|line| line.path).collect())
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
            let path = WorkspacePath::new(format!("{prefix}{}", line.path)).map_err(unsupported)?;
            if line.mode == SUBMODULE {
                match submodule(&git, &line).await {
                    Some(inner) if depth < MAX_DEPTH => {
                        pending.push((inner, line.object, format!("{path}/"), depth + 1));
                    }
                    _ => tree.insert(path, Node::Folder),
                }
                continue;
            }
            bytes += line.size;
            check(&line, tree.len(), bytes, limits)?;
            let node = objects.node(&line, blobs).await?;
            tree.insert(path, node);
        }
    }
    Ok(tree)
}

fn check(line: &Line, files: usize, bytes: u64, limits: TreeLimits) -> Result<(), SourceError> {
    let problem = if files >= limits.files {
        format!("the tree has more than {} files", limits.files)
    } else if line.size > limits.file_bytes {
        format!("`{}` has {} bytes; at most {} are taken", line.path, line.size, limits.file_bytes)
    } else if bytes > limits.bytes {
        format!("the files of the tree have more than {} bytes", limits.bytes)
    } else {
        return Ok(());
    };
    Err(SourceError::Limit(problem))
}

/// The repository of a submodule, if it is here and has the commit.
async fn submodule(git: &Git, line: &Line) -> Option<Git> {
    let folder = git.folder().join(&line.path);
    folder.join(".git").symlink_metadata().ok()?;
    let inner = Git::new(folder);
    inner.commit(&line.object).await.ok()?;
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
    Ok(Line {
        mode: u32::from_str_radix(mode, 8).map_err(|_| malformed())?,
        object,
        // A submodule has no size.
        size: if size == "-" { 0 } else { size.parse().map_err(|_| malformed())? },
        path: git::text(&bytes[tab + 1..], "path")?,
    })
}

/// `git cat-file --batch`, kept open.
struct Objects {
    _child: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Objects {
    fn open(git: &Git) -> Result<Self, SourceError> {
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

    async fn node(&mut self, line: &Line, blobs: &dyn Blobs) -> Result<Node, SourceError> {
        let taken = tokio::time::timeout(PATIENCE, self.take(line, blobs)).await;
        taken.unwrap_or_else(|_| {
            Err(SourceError::Limit(format!("`{}` took longer than {PATIENCE:?}", line.path)))
        })
    }

    async fn take(&mut self, line: &Line, blobs: &dyn Blobs) -> Result<Node, SourceError> {
        let size = self.begin(line).await.map_err(|problem| unread(line, &problem))?;
        if size != line.size {
            return Err(unread(line, &format!("it has {size} bytes, not {}", line.size)));
        }
        if line.mode == LINK && size > MAX_LINK {
            return Err(SourceError::Unsupported(format!("`{}` is a link of {size} bytes", line.path)));
        }
        let content = if line.mode == LINK || size <= SMALL {
            let bytes = self.bytes(size).await.map_err(|error| unread(line, &error))?;
            if line.mode == LINK {
                return Ok(Node::Link { target: git::text(&bytes, "link target")? });
            }
            blobs.put(bytes).await.map_err(ours)?
        } else {
            let file = self.file(size).await.map_err(|error| unread(line, &error))?;
            blobs.put_file(file.path()).await.map_err(ours)?
        };
        if content.size != size {
            return Err(unread(line, &"it was stored with another size"));
        }
        Ok(Node::File { content, executable: line.mode == EXECUTABLE })
    }

    /// Asks for an object and reads its header; answers its size.
    async fn begin(&mut self, line: &Line) -> Result<u64, String> {
        let ask = format!("{}\n", line.object);
        self.ask.write_all(ask.as_bytes()).await.map_err(|error| error.to_string())?;
        let mut header = Vec::new();
        let mut answers = (&mut self.answers).take(512);
        answers.read_until(b'\n', &mut header).await.map_err(|error| error.to_string())?;
        let header = String::from_utf8_lossy(&header);
        match header.split_ascii_whitespace().collect::<Vec<_>>()[..] {
            [object, "blob", size] if object == line.object => size.parse().map_err(|_| header.to_string()),
            _ => Err(format!("git answers `{}`", header.trim())),
        }
    }

    async fn bytes(&mut self, size: u64) -> std::io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(size).map_err(std::io::Error::other)?];
        self.answers.read_exact(&mut bytes).await?;
        self.answers.read_u8().await?;
        Ok(bytes)
    }

    async fn file(&mut self, size: u64) -> std::io::Result<tempfile::NamedTempFile> {
        let file = tempfile::NamedTempFile::new()?;
        let mut target = tokio::fs::File::from_std(file.reopen()?);
        let copied = tokio::io::copy(&mut (&mut self.answers).take(size), &mut target).await?;
        target.flush().await?;
        self.answers.read_u8().await?;
        if copied == size { Ok(file) } else { Err(std::io::ErrorKind::UnexpectedEof.into()) }
    }
}

fn unread(line: &Line, problem: &dyn std::fmt::Display) -> SourceError {
    SourceError::Unavailable(format!("object {} of `{}` cannot be read: {problem}", line.object, line.path))
}
