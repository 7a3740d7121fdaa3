use sha2::{Digest, Sha256};
use std::io::{self, Read, Write};

/// The sha256 of bytes that pass by.
#[derive(Default)]
pub struct Hasher(Sha256);

impl Hasher {
    /// Adds bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The 64 lower-case hex digits.
    pub fn hex(self) -> String {
        let mut digits = String::with_capacity(64);
        for byte in self.0.finalize() {
            for half in [byte >> 4, byte & 15] {
                digits.push(char::from_digit(u32::from(half), 16).unwrap_or('0'));
            }
        }
        digits
    }

    /// Of all bytes at once.
    pub fn of(bytes: &[u8]) -> String {
        let mut hasher = Self::default();
        hasher.add(bytes);
        hasher.hex()
    }
}

/// Copies exactly `size` bytes and answers their digest.
///
/// # Errors
/// Those of either side, and `UnexpectedEof` when there are fewer.
pub fn copy(from: &mut impl Read, to: &mut impl Write, size: u64) -> io::Result<String> {
    let (mut hasher, mut left) = (Hasher::default(), size);
    let mut buffer = vec![0; usize::try_from(size).unwrap_or(usize::MAX).clamp(1, 128 << 10)];
    while left > 0 {
        let want = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let got = match from.read(&mut buffer[..want]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(got) => got,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.add(&buffer[..got]);
        to.write_all(&buffer[..got])?;
        left -= got as u64;
    }
    Ok(hasher.hex())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_what_was_announced_passes() {
        let mut to = Vec::new();
        let digest = copy(&mut &b"abcd"[..], &mut to, 3).unwrap();
        assert_eq!((to.as_slice(), digest), (&b"abc"[..], Hasher::of(b"abc")));
        assert_eq!(digest_of_nothing(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        let short = copy(&mut &b"ab"[..], &mut Vec::new(), 3).unwrap_err();
        assert_eq!(short.kind(), io::ErrorKind::UnexpectedEof);
    }

    fn digest_of_nothing() -> String {
        Hasher::of(b"")
    }
}
