//! Laying one layer over what the lower ones made, inside a directory that no entry leads out of.

use super::super::disk::Owner;
use flate2::read::MultiGzDecoder;
use rustix::fs::{
    AtFlags, Mode, OFlags, ResolveFlags, Timespec, Timestamps, futimens, linkat, mkdirat, openat, openat2,
    symlinkat,
};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};
use tar::{Archive, Entry, EntryType};

/// The most bytes and entries of an image.
const BYTES: u64 = 32 << 30;
const ENTRIES: u64 = 2_000_000;

/// In front of the name of what a layer removes.
const WHITEOUT: &[u8] = b".wh.";

/// A folder with this entry shows nothing of the lower layers.
const OPAQUE: &[u8] = b".wh..wh..opq";

/// How a layer is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Tar,
    Gzip,
}

impl Form {
    /// By the media type.
    ///
    /// # Errors
    /// One that cannot be read here.
    pub(super) fn of(media_type: &str) -> Result<Self, String> {
        let plain = media_type.split(';').next().unwrap_or_default().trim();
        if plain.ends_with(".tar.gzip") || plain.ends_with(".tar+gzip") {
            Ok(Self::Gzip)
        } else if plain.ends_with(".tar") {
            Ok(Self::Tar)
        } else {
            Err(format!("its media type `{plain}` is neither a tar nor a gzip of one"))
        }
    }
}

/// A root that layers are laid into.
pub(super) struct Unpacking {
    root: OwnedFd,
    owner: Owner,
    bytes: u64,
    entries: u64,
}

impl Unpacking {
    /// Into an empty directory.
    pub(super) fn new(root: &Path, owner: Owner) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self { root: openat(rustix::fs::CWD, root, flags, Mode::empty())?, owner, bytes: 0, entries: 0 })
    }

    /// Lays one layer on top.
    pub(super) fn lay(&mut self, layer: File, form: Form) -> io::Result<()> {
        match form {
            Form::Tar => self.entries(Archive::new(io::BufReader::new(layer))),
            Form::Gzip => self.entries(Archive::new(MultiGzDecoder::new(io::BufReader::new(layer)))),
        }
    }

    fn entries(&mut self, mut archive: Archive<impl Read>) -> io::Result<()> {
        let mut laid = BTreeSet::new();
        for entry in archive.entries()? {
            let mut entry = entry?;
            self.entries += 1;
            self.bytes = self.bytes.saturating_add(entry.size());
            if self.entries > ENTRIES || self.bytes > BYTES {
                return Err(io::Error::other("the image is larger than this executor takes"));
            }
            let path = plain(&entry.path()?)?;
            let Some(name) = path.file_name().map(OsStr::to_owned) else { continue };
            let named = |error: io::Error| io::Error::other(format!("`{}`: {error}", path.display()));
            let parent = path.parent().unwrap_or(Path::new(""));
            if name.as_bytes() == OPAQUE {
                self.uncover(parent, &laid).map_err(named)?;
            } else if let Some(removed) = name.as_bytes().strip_prefix(WHITEOUT) {
                let removed = plain(Path::new(OsStr::from_bytes(removed)))?;
                self.remove(parent, removed.as_os_str()).map_err(named)?;
            } else {
                self.put(&mut entry, parent, &name).map_err(named)?;
                laid.insert(path);
            }
        }
        Ok(())
    }

    /// Opens a folder inside the root, links resolved inside it, and makes what is missing.
    fn folder(&self, path: &Path) -> io::Result<OwnedFd> {
        let mut prefix = PathBuf::new();
        let mut current = self.inside(Path::new("."))?;
        for part in path.components() {
            prefix.push(part);
            current = match self.inside(&prefix) {
                Err(Errno::NOENT) => {
                    mkdirat(&current, part.as_os_str(), Mode::from_raw_mode(0o755))?;
                    let made = self.inside(&prefix)?;
                    self.owner.give(&real(&made, None))?;
                    made
                }
                other => other?,
            };
        }
        Ok(current)
    }

    fn inside(&self, path: &Path) -> Result<OwnedFd, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        openat2(&self.root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS)
    }

    fn put(&self, entry: &mut Entry<'_, impl Read>, parent: &Path, name: &OsStr) -> io::Result<()> {
        let folder = self.folder(parent)?;
        let at = real(&folder, Some(name));
        let kind = entry.header().entry_type();
        let mode = entry.header().mode()? & 0o777;
        match kind {
            EntryType::Directory => {
                if !at.symlink_metadata().is_ok_and(|there| there.is_dir()) {
                    clear(&at)?;
                    mkdirat(&folder, name, Mode::from_raw_mode(0o755))?;
                }
                fs::set_permissions(&at, Permissions::from_mode(mode | 0o700))?;
            }
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                clear(&at)?;
                let flags =
                    OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let mut file = File::from(openat(&folder, name, flags, Mode::from_raw_mode(0o600))?);
                io::copy(entry, &mut file)?;
                file.set_permissions(Permissions::from_mode(mode | 0o400))?;
                set_time(&file, entry.header().mtime().unwrap_or_default())?;
            }
            EntryType::Symlink => {
                clear(&at)?;
                symlinkat(&*target(entry)?, &folder, name)?;
            }
            EntryType::Link => {
                clear(&at)?;
                let target = plain(&target(entry)?)?;
                let (above, last) = (target.parent().unwrap_or(Path::new("")), target.file_name());
                let from = self.folder(above)?;
                linkat(&from, last.ok_or(io::ErrorKind::InvalidData)?, &folder, name, AtFlags::empty())?;
            }
            // A sandbox has devices of its own, and fifos of an image serve nothing.
            _ => return Ok(()),
        }
        self.owner.give(&at)
    }

    fn remove(&self, parent: &Path, name: &OsStr) -> io::Result<()> {
        match self.inside(if parent.as_os_str().is_empty() { Path::new(".") } else { parent }) {
            Ok(folder) => clear(&real(&folder, Some(name))),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes what lower layers put into a folder, and keeps what this one did.
    fn uncover(&self, parent: &Path, laid: &BTreeSet<PathBuf>) -> io::Result<()> {
        let folder = self.folder(parent)?;
        for entry in fs::read_dir(real(&folder, None))? {
            let name = entry?.file_name();
            let path = parent.join(&name);
            let kept = laid.range(path.clone()..).next().is_some_and(|first| first.starts_with(&path));
            if !kept {
                clear(&real(&folder, Some(&name)))?;
            }
        }
        Ok(())
    }
}

/// The path of an open folder, or of an entry in it, that no rename can lead elsewhere.
fn real(folder: &OwnedFd, name: Option<&OsStr>) -> PathBuf {
    let path = PathBuf::from(format!("/proc/self/fd/{}/", folder.as_fd().as_raw_fd()));
    match name {
        Some(name) => path.join(name),
        None => path.join("."),
    }
}

fn clear(at: &Path) -> io::Result<()> {
    match at.symlink_metadata() {
        Ok(there) if there.is_dir() => fs::remove_dir_all(at),
        Ok(_) => fs::remove_file(at),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// A path without its root and `.`.
///
/// # Errors
/// One with `..`.
fn plain(path: &Path) -> io::Result<PathBuf> {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(part) => plain.push(part),
            Component::RootDir | Component::CurDir => {}
            Component::ParentDir | Component::Prefix(_) => {
                return Err(io::Error::other(format!("`{}` leads out of the image", path.display())));
            }
        }
    }
    Ok(plain)
}

fn target(entry: &Entry<'_, impl Read>) -> io::Result<PathBuf> {
    let target = entry.link_name()?.ok_or_else(|| io::Error::other("a link without a target"))?;
    Ok(target.into_owned())
}

fn set_time(file: &File, seconds: u64) -> io::Result<()> {
    let time = Timespec { tv_sec: i64::try_from(seconds).unwrap_or_default(), tv_nsec: 0 };
    Ok(futimens(file, &Timestamps { last_access: time, last_modification: time })?)
}
