//! Paths of a workspace as a tar or as a layer of an OCI image: the same bytes for the same files, whatever the machine.

use super::Halt;
use flate2::{Compression, GzBuilder, write::GzEncoder};
use sha2::{Digest as _, Sha256};
use stageway_core::call::{Content, Stop};
use stageway_core::digest::Digest;
use stageway_core::workspace::{Node, Tree, WorkspacePath};
use stageway_ports::Blobs;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use tar::{Builder, EntryType, Header};
use tempfile::NamedTempFile;

/// Files up to this size are read whole.
const WHOLE_BYTES: u64 = 8 << 20;

/// What packing made.
pub(super) struct Packed {
    pub(super) content: Content,
    /// sha256 of the uncompressed tar.
    pub(super) diff_id: Digest,
}

/// The nodes that `paths` name, by their place in the archive. `PATH => PLACE` puts a file, or what a folder holds, elsewhere.
pub(super) fn select(tree: &Tree, paths: &[String]) -> Result<BTreeMap<String, Node>, String> {
    if paths.is_empty() || paths.len() > 10_000 {
        return Err("1 to 10000 paths are saved at once".into());
    }
    let mut selected = BTreeMap::new();
    for path in paths {
        let (from, place) = path.split_once(" => ").unwrap_or((path, path));
        let place =
            if place == "." { None } else { Some(WorkspacePath::new(place).map_err(|e| e.to_string())?) };
        let from = WorkspacePath::new(from).map_err(|e| e.to_string())?;
        let before = selected.len();
        match (tree.get(&from), &place) {
            (Some(Node::Folder) | None, _) => {
                for (inner, node) in tree.subtree(&from).iter() {
                    let at = place.as_ref().map_or_else(|| inner.clone(), |place| inner.below(place));
                    selected.insert(at.as_str().to_owned(), node.clone());
                }
                if let (Some(Node::Folder), Some(place)) = (tree.get(&from), &place) {
                    selected.insert(place.as_str().to_owned(), Node::Folder);
                }
            }
            (Some(_), None) => return Err(format!("`{from}` is a file: `.` takes what a folder holds")),
            (Some(node), Some(place)) => {
                selected.insert(place.as_str().to_owned(), node.clone());
            }
        }
        if selected.len() == before && tree.get(&from).is_none() && tree.below(&from).next().is_none() {
            return Err(format!("nothing is at `{from}`"));
        }
    }
    Ok(selected)
}

/// Packs nodes in order of place, owned by root, without times.
pub(super) async fn pack(
    blobs: &dyn Blobs,
    nodes: BTreeMap<String, Node>,
    gzip: bool,
) -> Result<Packed, Halt> {
    let file = NamedTempFile::new().map_err(fault)?;
    let sink = Sink::new(file.reopen().map_err(fault)?, gzip);
    let mut builder = Builder::new(sink);
    let mut folders = std::collections::BTreeSet::new();
    for (place, node) in nodes {
        for (at, _) in place.match_indices('/') {
            if folders.insert(place[..at].to_owned()) {
                folder(&mut builder, &place[..at]).map_err(fault)?;
            }
        }
        match node {
            Node::Folder => {
                if folders.insert(place.clone()) {
                    folder(&mut builder, &place).map_err(fault)?;
                }
            }
            Node::Link { target } => link(&mut builder, &place, &target).map_err(fault)?,
            Node::File { content, executable } => {
                builder = add(blobs, builder, place, content, executable).await?
            }
        }
    }
    let sink = builder.into_inner().map_err(fault)?;
    let diff_id = sink.finish().map_err(fault)?;
    let content = blobs.put_file(file.path()).await?;
    Ok(Packed { content, diff_id })
}

async fn add(
    blobs: &dyn Blobs,
    mut builder: Builder<Sink>,
    place: String,
    content: Content,
    executable: bool,
) -> Result<Builder<Sink>, Halt> {
    let mut header = plain(EntryType::Regular, if executable { 0o755 } else { 0o644 });
    header.set_size(content.size);
    let mut source: Box<dyn io::Read + Send> = if content.size <= WHOLE_BYTES {
        Box::new(io::Cursor::new(blobs.get(&content.digest, WHOLE_BYTES).await?))
    } else {
        let folder = tempfile::tempdir().map_err(fault)?;
        let path = folder.path().join("blob");
        blobs.copy_to(&content.digest, &path).await?;
        Box::new(File::open(path).map_err(fault)?)
    };
    let packed = tokio::task::spawn_blocking(move || {
        builder.append_data(&mut header, place, &mut source)?;
        io::Result::Ok(builder)
    });
    packed.await.map_err(|e| Halt::Stop(Stop::Fault(e.to_string())))?.map_err(fault)
}

fn plain(kind: EntryType, mode: u32) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(0);
    header
}

fn folder(builder: &mut Builder<Sink>, place: &str) -> io::Result<()> {
    builder.append_data(&mut plain(EntryType::Directory, 0o755), format!("{place}/"), io::empty())
}

fn link(builder: &mut Builder<Sink>, place: &str, target: &str) -> io::Result<()> {
    builder.append_link(&mut plain(EntryType::Symlink, 0o777), place, target)
}

fn fault(error: io::Error) -> Halt {
    Halt::Stop(Stop::Fault(format!("packing failed: {error}")))
}

/// Hashes the tar on its way into a file, compressed or not.
struct Sink {
    hash: Sha256,
    out: Out,
}

enum Out {
    Plain(File),
    Gzip(Box<GzEncoder<File>>),
}

impl Sink {
    fn new(file: File, gzip: bool) -> Self {
        // No name, no time: the same tar gives the same bytes.
        let out = if gzip {
            Out::Gzip(Box::new(
                GzBuilder::new().mtime(0).operating_system(255).write(file, Compression::new(6)),
            ))
        } else {
            Out::Plain(file)
        };
        Self { hash: Sha256::new(), out }
    }

    fn finish(self) -> io::Result<Digest> {
        match self.out {
            Out::Plain(mut file) => file.flush()?,
            Out::Gzip(encoder) => encoder.finish()?.flush()?,
        }
        Ok(Digest::from_hash(self.hash.finalize().into()))
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = match &mut self.out {
            Out::Plain(file) => file.write(bytes)?,
            Out::Gzip(encoder) => encoder.write(bytes)?,
        };
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.out {
            Out::Plain(file) => file.flush(),
            Out::Gzip(encoder) => encoder.flush(),
        }
    }
}
