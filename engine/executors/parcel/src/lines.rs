/// A line longer than this is passed on in pieces, in bytes.
const LINE: usize = 16 << 10;

/// Lines of one process among several, so that they do not mix: whole, and with a name in front where it has one.
pub struct Lines {
    prefix: Vec<u8>,
    partial: Vec<u8>,
}

impl Lines {
    /// With a name in front of each line, or without.
    pub fn new(name: Option<&str>) -> Self {
        let prefix = name.map(|name| format!("{name} | ").into_bytes()).unwrap_or_default();
        Self { prefix, partial: Vec::new() }
    }

    /// Takes bytes and answers the lines that are whole now.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut whole = Vec::with_capacity(bytes.len() + self.prefix.len());
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            for piece in piece.chunks(LINE) {
                self.partial.extend(piece);
                if piece.ends_with(b"\n") || self.partial.len() >= LINE {
                    self.flush(&mut whole);
                }
            }
        }
        whole
    }

    /// The last line, which nobody ended.
    pub fn rest(mut self) -> Vec<u8> {
        let mut whole = Vec::new();
        if !self.partial.is_empty() {
            self.flush(&mut whole);
        }
        whole
    }

    fn flush(&mut self, whole: &mut Vec<u8>) {
        whole.extend(&self.prefix);
        whole.append(&mut self.partial);
        if !whole.ends_with(b"\n") {
            whole.push(b'\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_whole_and_with_their_name() {
        let mut lines = Lines::new(Some("db"));
        assert_eq!(lines.take(b"a\nb"), b"db | a\n");
        assert_eq!(lines.take(b"c\n"), b"db | bc\n");
        assert_eq!(lines.take(b"end"), b"");
        assert_eq!(lines.rest(), b"db | end\n");
    }

    #[test]
    fn a_line_without_end_is_bounded() {
        let mut lines = Lines::new(None);
        let passed = lines.take(&vec![b'x'; 3 * LINE]);
        assert_eq!(passed.len(), 3 * (LINE + 1));
        assert!(lines.partial.is_empty());
    }
}
