//! A tar or layer that a plugin saved, back as a tree.

use super::{Halt, invalid};
use flate2::read::GzDecoder;
use stageway_core::call::{Content, HostError, Stop};
use stageway_core::workspace::{Node, Tree, WorkspacePath};
use stageway_ports::Blobs;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use tar::{Archive, EntryType};

enum Found {
    File { at: PathBuf, executable: bool },
    Node(Node),
}

/// Unpacks within the quotas; what is no file, folder or symbolic link is refused.
pub(super) async fn unpack(
    blobs: &dyn Blobs,
    content: &Content,
    max_bytes: u64,
    max_files: u64,
) -> Result<Tree, Halt> {
    let folder = tempfile::tempdir().map_err(fault)?;
    let packed = folder.path().join("packed");
    blobs.copy_to(&content.digest, &packed).await?;
    let into = folder.path().to_owned();
    let found = tokio::task::spawn_blocking(move || extract(&packed, &into, max_bytes, max_files));
    let found = found.await.map_err(|e| Halt::Stop(Stop::Fault(e.to_string())))??;
    let mut tree = Tree::default();
    for (path, what) in found {
        let node = match what {
            Found::File { at, executable } => Node::File { content: blobs.put_file(&at).await?, executable },
            Found::Node(node) => node,
        };
        tree.insert(path, node);
    }
    Ok(tree)
}

fn extract(
    packed: &Path,
    into: &Path,
    max_bytes: u64,
    max_files: u64,
) -> Result<Vec<(WorkspacePath, Found)>, Halt> {
    let mut magic = [0; 2];
    let compressed =
        File::open(packed).and_then(|mut file| file.read_exact(&mut magic)).is_ok() && magic == [0x1f, 0x8b];
    let file = File::open(packed).map_err(fault)?;
    let source: Box<dyn Read> = if compressed { Box::new(GzDecoder::new(file)) } else { Box::new(file) };
    let mut found = Vec::new();
    let mut left = max_bytes;
    for entry in Archive::new(source).entries().map_err(malformed)? {
        let mut entry = entry.map_err(malformed)?;
        let path = entry.path().map_err(malformed)?.to_string_lossy().trim_end_matches('/').to_owned();
        let path = WorkspacePath::new(path).map_err(|e| invalid(e.to_string()))?;
        let executable = entry.header().mode().map_err(malformed)? & 0o100 != 0;
        let what = match entry.header().entry_type() {
            EntryType::Directory => continue,
            EntryType::Symlink => {
                let target = entry.link_name().map_err(malformed)?.map(|t| t.to_string_lossy().into_owned());
                Found::Node(Node::Link { target: target.unwrap_or_default() })
            }
            EntryType::Regular => {
                let at = into.join(format!("f{}", found.len()));
                let written = io::copy(
                    &mut (&mut entry).take(left.saturating_add(1)),
                    &mut File::create(&at).map_err(fault)?,
                );
                let written = written.map_err(malformed)?;
                left = left.checked_sub(written).ok_or_else(|| limit("workspace-bytes"))?;
                Found::File { at, executable }
            }
            _ => return Err(invalid(format!("`{path}` is neither file, folder nor symbolic link"))),
        };
        found.push((path, what));
        if found.len() as u64 > max_files {
            return Err(limit("workspace-files"));
        }
    }
    Ok(found)
}

fn limit(name: &str) -> Halt {
    Halt::Tell(HostError::LimitExceeded(name.to_owned()))
}

fn malformed(error: io::Error) -> Halt {
    invalid(format!("the artifact is not a tar: {error}"))
}

fn fault(error: io::Error) -> Halt {
    Halt::Stop(Stop::Fault(format!("unpacking failed: {error}")))
}
