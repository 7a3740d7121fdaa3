//! Bytes that are read piece by piece.

use crate::HostError;
pub use crate::bindings::stageway::host::handles::Reader;

/// How much is asked for at once.
const PIECE: u32 = 256 * 1024;

impl Reader {
    /// Everything that is left, if that is at most `limit` bytes.
    ///
    /// # Errors
    /// `LimitExceeded` when there is more; what the host says when a piece cannot be read.
    pub fn read_to_end(&self, limit: usize) -> Result<Vec<u8>, HostError> {
        let mut all = Vec::new();
        loop {
            let piece = self.next(PIECE)?;
            if piece.is_empty() {
                return Ok(all);
            }
            if all.len() + piece.len() > limit {
                return Err(HostError::LimitExceeded(format!("there are more than {limit} bytes")));
            }
            all.extend_from_slice(&piece);
        }
    }

    /// Everything that is left, as UTF-8 text of at most `limit` bytes.
    ///
    /// # Errors
    /// As [`read_to_end`](Self::read_to_end); `InvalidArgument` when it is not UTF-8.
    pub fn read_to_string(&self, limit: usize) -> Result<String, HostError> {
        String::from_utf8(self.read_to_end(limit)?)
            .map_err(|error| HostError::InvalidArgument(format!("it is not UTF-8 text: {error}")))
    }
}
