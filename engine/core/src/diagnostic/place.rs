//! Where something stands in a file.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// A stretch of a text file. Lines and columns count from 1, columns in characters; the span is in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The file's name as the reader knows it, `/`-separated.
    pub file: Arc<str>,
    /// Counts from 1.
    pub line: u32,
    /// Counts from 1, in characters.
    pub column: u32,
    /// Bytes from the start of the file.
    pub offset: u32,
    /// Bytes; 0 is a point.
    pub length: u32,
}

impl Place {
    /// The bytes it covers.
    pub fn span(&self) -> Range<usize> {
        let start = self.offset as usize;
        start..start + self.length as usize
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}
