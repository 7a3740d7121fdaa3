use super::error::Fault;
use stageway_core::digest::Digest;
use std::fs::File;
use std::io;
use std::path::Path;

/// Copies a blob's file to a new one: its blocks are shared where the file system can, else the kernel copies.
pub(super) fn copy(digest: &Digest, from: &Path, to: &Path) -> Result<(), Fault> {
    let source = File::open(from).map_err(|error| Fault::from(error).or_missing(digest))?;
    let target = create(to)?;
    or_nothing(to, copy_bytes(&source, &target).map_err(Fault::from))
}

/// Makes the file that a blob is copied to.
pub(super) fn create(to: &Path) -> Result<File, Fault> {
    File::create_new(to).map_err(|error| Fault::Refused(format!("{}: {error}", to.display())))
}

/// Takes a copy away that did not succeed: what is half there is worse than nothing.
pub(super) fn or_nothing(to: &Path, done: Result<(), Fault>) -> Result<(), Fault> {
    if done.is_err() {
        // The first error is the one that matters.
        let _ = std::fs::remove_file(to);
    }
    done
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
