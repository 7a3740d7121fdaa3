use super::error::Fault;
use stageway_core::digest::Digest;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

/// Copies a blob's file to a new one: its blocks are shared where the file system can, else the kernel copies.
pub(super) fn copy(digest: &Digest, from: &Path, to: &Path) -> Result<(), Fault> {
    let source = File::open(from).map_err(|error| Fault::from(error).or_missing(digest))?;
    let target = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(to)
        .map_err(|error| Fault::Refused(format!("{}: {error}", to.display())))?;
    let done = copy_bytes(&source, &target);
    if done.is_err() {
        // What is half there is worse than nothing; the first error is the one that matters.
        let _ = std::fs::remove_file(to);
    }
    Ok(done?)
}

fn copy_bytes(mut source: &File, mut target: &File) -> io::Result<()> {
    if rustix::fs::ioctl_ficlone(target, source).is_ok() {
        return Ok(());
    }
    // Between two files this is `copy_file_range`.
    let expected = source.metadata()?.len();
    let copied = io::copy(&mut source, &mut target)?;
    if copied == expected { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}
