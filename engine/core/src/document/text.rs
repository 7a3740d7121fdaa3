//! The text of a file: from bytes and characters to places.

use super::MAX_BYTES;
use crate::diagnostic::{Diagnostic, Place, codes};
use std::sync::Arc;

/// A file's name and text, with what finding places needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) file: Arc<str>,
    pub(crate) text: Arc<str>,
    /// Byte offsets of the starts of lines.
    lines: Arc<[u32]>,
}

impl Text {
    /// Takes bytes that are UTF-8 and not too many; a byte order mark is left out.
    pub(crate) fn read(file: &str, bytes: &[u8]) -> Result<Self, Diagnostic> {
        let file: Arc<str> = file.into();
        let start = || Place { file: file.clone(), line: 1, column: 1, offset: 0, length: 0 };
        if bytes.len() > MAX_BYTES {
            let message = format!("the file has {} bytes, and at most {MAX_BYTES} are read", bytes.len());
            return Err(Diagnostic::error(codes::TOO_LARGE, message, "split the pipeline").at(start()));
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Self::new(file, text.strip_prefix('\u{feff}').unwrap_or(text))),
            Err(error) => {
                let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
                let place = Self::new(file.clone(), &valid).place(valid.len(), valid.len());
                let message = "the bytes here are not UTF-8";
                Err(Diagnostic::error(codes::NOT_UTF8, message, "save the file as UTF-8").at(place))
            }
        }
    }

    fn new(file: Arc<str>, text: &str) -> Self {
        let starts = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at as u32 + 1);
        Self { file, text: text.into(), lines: std::iter::once(0).chain(starts).collect() }
    }

    /// The place of a stretch of bytes. Offsets outside the text or within a character are moved down to a boundary.
    pub(crate) fn place(&self, start: usize, end: usize) -> Place {
        let floor = |at: usize| {
            let mut at = at.min(self.text.len());
            while !self.text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let (start, end) = (floor(start), floor(end.max(start)));
        let line = self.lines.partition_point(|first| *first as usize <= start) - 1;
        let column = self.text[self.lines[line] as usize..start].chars().count() + 1;
        Place {
            file: self.file.clone(),
            line: line as u32 + 1,
            column: column as u32,
            offset: start as u32,
            length: (end - start) as u32,
        }
    }
}
