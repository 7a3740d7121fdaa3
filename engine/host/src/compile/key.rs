use hmac::{Hmac, KeyInit, Mac};
use rustix::rand::{GetRandomFlags, getrandom};
use sha2::Sha256;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;
use tempfile::NamedTempFile;

/// Bytes of the key and of a code.
const SIZE: usize = 32;

/// Authenticates compiled code: only who can read the key can have written it.
pub(super) struct Key([u8; SIZE]);

impl Key {
    /// Reads the key, or makes one that only this user can read.
    ///
    /// # Errors
    /// When the file cannot be read or written, or is no key.
    pub(super) fn read_or_make(path: &Path) -> io::Result<Self> {
        if !path.exists() {
            make(path)?;
        }
        let bytes = fs::read(path)?;
        let key = bytes.try_into().map_err(|_| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                "the key has another size; remove the file to get a new one",
            )
        })?;
        Ok(Self(key))
    }

    /// The code of a named file's content.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn code(&self, name: &str, file: &mut File) -> io::Result<[u8; SIZE]> {
        Ok(self.digest(name, file)?.finalize().into_bytes().into())
    }

    /// Whether the code is that of the file's content, compared in constant time.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn is_genuine(&self, name: &str, file: &mut File, code: &[u8]) -> io::Result<bool> {
        Ok(self.digest(name, file)?.verify_slice(code).is_ok())
    }

    fn digest(&self, name: &str, file: &mut File) -> io::Result<Hmac<Sha256>> {
        let mut digest = Hmac::<Sha256>::new_from_slice(&self.0).map_err(io::Error::other)?;
        digest.update(b"stageway compiled component\0");
        digest.update(name.as_bytes());
        digest.update(b"\0");
        let mut buffer = vec![0; 1 << 20];
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(digest),
                count => digest.update(&buffer[..count]),
            }
        }
    }
}

/// Writes a fresh key; another process that was faster wins.
fn make(path: &Path) -> io::Result<()> {
    let mut key = [0; SIZE];
    let filled = getrandom(&mut key, GetRandomFlags::empty())?;
    if filled != SIZE {
        return Err(io::Error::other("the system has no random bytes"));
    }
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut file = NamedTempFile::new_in(directory)?;
    file.write_all(&key)?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error.error),
    }
}
