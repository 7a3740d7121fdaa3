//! A tree that comes in: its canonical list, whose digest is known, and then the bytes of its files in that order.

use crate::ending;
use crate::place::{self, Place};
use rustix::event::{PollFd, PollFlags, poll};
use stageway_parcel::list::{self, Node};
use stageway_parcel::told::Received;
use stageway_parcel::{copy, parcel};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// For how long nothing may come before the other side is taken for gone.
const SILENCE: Duration = Duration::from_secs(20);
/// Between two looks whether somebody else receives it by now.
const LOOK: Duration = Duration::from_millis(100);
/// For how long who received it before is waited for.
const OTHERS: Duration = Duration::from_secs(10);
/// The largest list, in bytes.
const LIST: u64 = 256 << 20;

/// Puts a tree into the workspace, once. Nothing tells a broken connection from a silent one for long, so who comes later takes over
/// from who came before.
pub(crate) fn receive(place: &Place, workspace: &Path, sha256: &str) -> io::Result<()> {
    let until = Instant::now() + OTHERS;
    let mine = format!("{} {}", std::process::id(), ending::now_ms());
    place::write(&place.receiver(), mine.as_bytes())?;
    let _receiving = loop {
        if place.tree().exists() {
            return answer(&Received::Whole);
        }
        match place::lock(&place.receiving())? {
            Some(lock) => break lock,
            None if Instant::now() >= until => return Err(io::ErrorKind::WouldBlock.into()),
            None => std::thread::sleep(place::LOOK),
        }
    };
    if place.tree().exists() {
        return answer(&Received::Whole);
    }
    let began = Instant::now();
    clear(workspace)?;
    let connection = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut input = Input { connection, receiver: place.receiver(), mine };
    match tree(&mut input, workspace, sha256) {
        Ok(Ok(())) => {}
        Ok(Err(problem)) => return answer(&Received::Refused(problem)),
        Err(_) if !input.is_mine() => return answer(&Received::Elsewhere),
        Err(error) => return Err(error),
    }
    // Begun ones count, because 0 says that there was none.
    let took_ms = began.elapsed().as_micros().div_ceil(1000);
    place::write(&place.tree(), took_ms.to_string().as_bytes())?;
    answer(&Received::Whole)
}

fn answer(received: &Received) -> io::Result<()> {
    parcel::put(&mut io::stdout(), received)
}

/// What an attempt before this one left.
fn clear(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// The outer error is one of the connection or the disk, the inner one of what was sent.
fn tree(input: &mut impl Read, root: &Path, sha256: &str) -> io::Result<Result<(), String>> {
    let mut length = [0; 8];
    input.read_exact(&mut length)?;
    let length = u64::from_be_bytes(length);
    if length > LIST {
        return Ok(Err(format!("a list of {length} bytes is too large")));
    }
    let mut bytes = Vec::new();
    if copy(input, &mut bytes, length)? != sha256 {
        return Ok(Err("the list of the tree has another digest".into()));
    }
    let nodes = match list::read(&bytes) {
        Ok(nodes) => nodes,
        Err(problem) => return Ok(Err(problem)),
    };
    drop(bytes);
    for (path, node) in &nodes {
        let at = root.join(path);
        match node {
            Node::File { sha256, size, executable } => {
                fs::create_dir_all(at.parent().unwrap_or(root))?;
                if file(input, &at, *size, *executable)? != *sha256 {
                    return Ok(Err(format!("the file `{path:.200}` has another digest")));
                }
            }
            Node::Folder => fs::create_dir_all(&at)?,
            Node::Link(_) => {}
        }
    }
    // Last, so that no path above led through one.
    for (path, node) in &nodes {
        if let Node::Link(target) = node {
            let at = root.join(path);
            fs::create_dir_all(at.parent().unwrap_or(root))?;
            symlink(target, at)?;
        }
    }
    Ok(Ok(()))
}

fn file(input: &mut impl Read, at: &Path, size: u64, executable: bool) -> io::Result<String> {
    let mode = if executable { 0o755 } else { 0o644 };
    let file: File = OpenOptions::new().create_new(true).write(true).mode(mode).open(at)?;
    let mut file = BufWriter::with_capacity(128 << 10, file);
    let sha256 = copy(input, &mut file, size)?;
    file.flush()?;
    Ok(sha256)
}

/// Standard input, which may fall silent without an end.
struct Input {
    connection: File,
    /// Holds who receives the tree.
    receiver: PathBuf,
    mine: String,
}

impl Input {
    fn is_mine(&self) -> bool {
        fs::read_to_string(&self.receiver).is_ok_and(|receiver| receiver == self.mine)
    }

    fn wait(&self) -> io::Result<()> {
        let until = Instant::now() + SILENCE;
        while Instant::now() < until {
            let mut polled = [PollFd::new(&self.connection, PollFlags::IN)];
            let look = LOOK.try_into().ok();
            match poll(&mut polled, look.as_ref()) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
            if !self.is_mine() {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
        }
        Err(io::ErrorKind::TimedOut.into())
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.wait()?;
        self.connection.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stageway_parcel::Hasher;

    fn sent(nodes: &[(&str, Node)], bytes: &[u8]) -> (Vec<u8>, String) {
        let list: String = nodes.iter().map(|(path, node)| list::line(path, node)).collect();
        let mut sent = (list.len() as u64).to_be_bytes().to_vec();
        sent.extend(list.as_bytes());
        sent.extend(bytes);
        (sent, Hasher::of(list.as_bytes()))
    }

    fn script(bytes: &[u8]) -> Node {
        Node::File { sha256: Hasher::of(bytes), size: bytes.len() as u64, executable: true }
    }

    #[test]
    fn a_tree_is_put_in_place() {
        let root = tempfile::tempdir().unwrap();
        let nodes = [("a/b", script(b"abc")), ("e", Node::Folder), ("l", Node::Link("a/b".into()))];
        let (sent, digest) = sent(&nodes, b"abc");
        assert_eq!(tree(&mut sent.as_slice(), root.path(), &digest).unwrap(), Ok(()));
        assert_eq!(fs::read(root.path().join("l")).unwrap(), b"abc");
        assert!(root.path().join("e").is_dir());
        clear(root.path()).unwrap();
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }

    #[test]
    fn other_bytes_and_other_lists_are_refused_and_fewer_are_an_error() {
        let root = tempfile::tempdir().unwrap();
        let (sent, digest) = sent(&[("a", script(b"abc"))], b"xyz");
        let refused = tree(&mut sent.as_slice(), root.path(), &digest).unwrap().unwrap_err();
        assert!(refused.contains("`a` has another digest"), "{refused}");
        clear(root.path()).unwrap();
        let refused = tree(&mut sent.as_slice(), root.path(), &"0".repeat(64)).unwrap().unwrap_err();
        assert!(refused.contains("the list"), "{refused}");
        let short = &sent[..sent.len() - 1];
        let broken = tree(&mut &short[..], root.path(), &digest).unwrap_err();
        assert_eq!(broken.kind(), io::ErrorKind::UnexpectedEof);
    }
}
