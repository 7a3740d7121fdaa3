use super::large::INLINE_BYTES;
use serde::Serialize;
use serde_json::ser::{CharEscape, CompactFormatter, Formatter, Serializer};
use std::io::{self, Write};

/// About what an object that names a blob takes.
const REFERENCE_BYTES: u64 = 110;

/// How many bytes a record takes as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size {
    /// With references in the place of its large texts.
    pub inline: u64,
    /// With its large texts.
    pub whole: u64,
}

impl Size {
    /// Counts without writing anywhere. What JSON cannot hold is larger than any limit.
    pub fn of<T: Serialize>(value: &T) -> Self {
        let (mut written, mut large) = (0, Large::default());
        let mut counter = Serializer::with_formatter(Counter(&mut written), Texts::new(&mut large));
        if value.serialize(&mut counter).is_err() {
            return Self { inline: u64::MAX, whole: u64::MAX };
        }
        Self { inline: written - large.bytes + large.texts * REFERENCE_BYTES, whole: written }
    }
}

/// Adds up; what does not fit any more is larger than any limit.
impl std::ops::AddAssign for Size {
    fn add_assign(&mut self, other: Self) {
        self.inline = self.inline.saturating_add(other.inline);
        self.whole = self.whole.saturating_add(other.whole);
    }
}

struct Counter<'a>(&'a mut u64);

impl Write for Counter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        *self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The large texts of a value: how many, and their bytes as JSON without the quotes.
#[derive(Default)]
struct Large {
    texts: u64,
    bytes: u64,
}

/// Looks at every text that is not a member's name, while it passes.
struct Texts<'a> {
    large: &'a mut Large,
    is_name: bool,
    length: usize,
    written: u64,
}

impl<'a> Texts<'a> {
    fn new(large: &'a mut Large) -> Self {
        Self { large, is_name: false, length: 0, written: 0 }
    }
}

impl Formatter for Texts<'_> {
    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.is_name = true;
        CompactFormatter.begin_object_key(writer, first)
    }

    fn end_object_key<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.is_name = false;
        CompactFormatter.end_object_key(writer)
    }

    fn begin_string<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        (self.length, self.written) = (0, 0);
        CompactFormatter.begin_string(writer)
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, part: &str) -> io::Result<()> {
        self.length += part.len();
        self.written += part.len() as u64;
        CompactFormatter.write_string_fragment(writer, part)
    }

    fn write_char_escape<W: ?Sized + Write>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        self.length += 1;
        self.written += if matches!(escape, CharEscape::AsciiControl(_)) { 6 } else { 2 };
        CompactFormatter.write_char_escape(writer, escape)
    }

    fn end_string<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        if self.length > INLINE_BYTES && !self.is_name {
            self.large.texts += 1;
            self.large.bytes += self.written;
        }
        CompactFormatter.end_string(writer)
    }
}

#[cfg(test)]
mod tests {
    use super::super::externalize;
    use super::*;
    use serde_json::{Value as Json, json};

    #[test]
    fn what_is_counted_is_what_would_be_written() {
        let long = "é\u{1}\"\\\n\t".repeat(1_000);
        let values = [
            json!({"a": [1, -1.5, null, true, "x\ny"], "é\u{7}": {}}),
            json!({"a": long, "b": [long, "x".repeat(INLINE_BYTES), "x".repeat(INLINE_BYTES + 1)]}),
            json!({"k".repeat(INLINE_BYTES + 1): "v"}),
        ];
        for value in values {
            let size = Size::of(&value);
            let (stored, large) = externalize(value.clone());
            assert_eq!(size.whole, value.to_string().len() as u64);
            let close = size.inline.abs_diff(stored.to_string().len() as u64);
            assert!(close <= 16 * large.len() as u64, "{size:?} for {}", stored.to_string().len());
        }
    }

    #[test]
    fn what_cannot_be_written_is_larger_than_any_limit() {
        let strange = std::collections::BTreeMap::from([(vec![1], 2)]);
        let mut size = Size::of(&strange);
        assert_eq!(size.inline, u64::MAX);
        size += Size::of(&Json::Null);
        assert_eq!(size.whole, u64::MAX);
    }
}
