//! A file or folder on its way: lines that say what comes, each followed by the bytes it announces.
//!
//! First [`Head::Missing`] alone, or [`Head::File`] or [`Head::Folder`] with the bytes of everything, so that a bound is checked before
//! anything moves. Then the items in order of path, of which only files have bytes, and last the digest of it all: that of the file, or
//! that of the folder's canonical list.

use crate::beneath::{Entry, Places, beneath, entries, kind};
use crate::hash::{Hasher, copy};
use crate::list::{self, Node};
use rustix::fs::{FileType, OFlags, fstat};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};

/// The longest line, in bytes: a path and the target of a link have at most 4 KiB each, which escaping makes longer.
pub const LINE: usize = 64 << 10;

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Head {
    /// Nothing follows, and why.
    Missing(String),
    /// One file: its bytes and the last line follow.
    File {
        /// In bytes.
        size: u64,
        /// Whether it may be executed.
        executable: bool,
    },
    /// A folder: its items and the last line follow.
    Folder {
        /// Bytes of all files.
        size: u64,
        /// How many items there are.
        items: u64,
    },
}

/// What stands at a path of a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Item {
    /// So many bytes follow.
    File {
        /// Below the folder.
        path: String,
        /// In bytes.
        size: u64,
        /// Whether it may be executed.
        executable: bool,
    },
    /// A symbolic link.
    Link {
        /// Below the folder.
        path: String,
        /// As written.
        target: String,
    },
    /// A folder with nothing in it.
    Folder {
        /// Below the folder.
        path: String,
    },
}

/// The last line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Last {
    /// The 64 hex digits.
    pub sha256: String,
}

/// Sends what stands at a path, or why nothing does.
///
/// # Errors
/// When the other side is gone, or a file changes while it is read.
pub fn send(places: &Places<'_>, path: &str, to: &mut impl Write) -> io::Result<()> {
    match open(places, path) {
        Ok(Opened::File(file)) => send_file(file, to),
        Ok(Opened::Folder(root, entries)) => send_folder(&root, entries, to),
        Err(problem) => put(to, &Head::Missing(problem)),
    }
}

enum Opened {
    File(OwnedFd),
    Folder(OwnedFd, Vec<(String, Entry)>),
}

fn open(places: &Places<'_>, path: &str) -> Result<Opened, String> {
    let opened = places.open(path)?;
    match kind(opened.as_fd())? {
        FileType::RegularFile => Ok(Opened::File(opened)),
        FileType::Directory => {
            let mut entries = entries(&opened)?;
            entries.sort_by(|(a, _), (b, _)| a.cmp(b));
            Ok(Opened::Folder(opened, entries))
        }
        _ => Err("it is neither a file nor a folder".into()),
    }
}

fn send_file(file: OwnedFd, to: &mut impl Write) -> io::Result<()> {
    let stat = fstat(&file)?;
    let size = stat.st_size.unsigned_abs();
    put(to, &Head::File { size, executable: stat.st_mode & 0o111 != 0 })?;
    let sha256 = copy(&mut File::from(file), to, size)?;
    put(to, &Last { sha256 })
}

fn send_folder(root: &OwnedFd, entries: Vec<(String, Entry)>, to: &mut impl Write) -> io::Result<()> {
    let sizes = entries.iter().map(|(_, entry)| if let Entry::File { size, .. } = entry { *size } else { 0 });
    put(to, &Head::Folder { size: sizes.sum(), items: entries.len() as u64 })?;
    let mut whole = Hasher::default();
    for (path, entry) in entries {
        let node = match entry {
            Entry::File { size, executable } => {
                let opened = beneath(root.as_fd(), &path, OFlags::NONBLOCK)?;
                put(to, &Item::File { path: path.clone(), size, executable })?;
                Node::File { sha256: copy(&mut File::from(opened), to, size)?, size, executable }
            }
            Entry::Link { target } => {
                put(to, &Item::Link { path: path.clone(), target: target.clone() })?;
                Node::Link(target)
            }
            Entry::Folder => {
                put(to, &Item::Folder { path: path.clone() })?;
                Node::Folder
            }
        };
        whole.add(list::line(&path, &node).as_bytes());
    }
    put(to, &Last { sha256: whole.hex() })
}

/// Writes a line.
///
/// # Errors
/// Those of the other side.
pub fn put<T: Serialize>(to: &mut impl Write, line: &T) -> io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    to.write_all(&text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_folder_is_told_with_the_digest_of_its_list() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("out/empty")).unwrap();
        std::fs::write(root.path().join("out/a"), "abc").unwrap();
        symlink("/etc", root.path().join("out/link")).unwrap();
        let places = Places { workspace: Some(("/workspace", root.path())), root: None };
        let mut sent = Vec::new();
        send(&places, "out", &mut sent).unwrap();
        let file = Node::File { sha256: Hasher::of(b"abc"), size: 3, executable: false };
        let list = list::line("a", &file)
            + &list::line("empty", &Node::Folder)
            + &list::line("link", &Node::Link("/etc".into()));
        let expected = format!(
            "{{\"folder\":{{\"size\":3,\"items\":3}}}}\n\
             {{\"file\":{{\"path\":\"a\",\"size\":3,\"executable\":false}}}}\nabc\
             {{\"folder\":{{\"path\":\"empty\"}}}}\n\
             {{\"link\":{{\"path\":\"link\",\"target\":\"/etc\"}}}}\n\
             {{\"sha256\":\"{}\"}}\n",
            Hasher::of(list.as_bytes())
        );
        assert_eq!(String::from_utf8(sent).unwrap(), expected);
        let mut sent = Vec::new();
        send(&places, "nothing", &mut sent).unwrap();
        assert_eq!(sent, b"{\"missing\":\"it is not there\"}\n");
    }
}
