use stageway_core::call::LogLevel;
use stageway_core::log::LINE_BYTES;

/// Bytes of a stream on their way to becoming lines of the log.
pub(super) struct Lines {
    level: LogLevel,
    rest: Vec<u8>,
}

impl Lines {
    pub(super) fn new(level: LogLevel) -> Self {
        Self { level, rest: Vec::new() }
    }

    /// Takes bytes; answers the lines that are now whole. One without an end is whole when it is as long as a line may be.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Vec<(LogLevel, String)> {
        let mut whole = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            for piece in piece.chunks(LINE_BYTES) {
                self.rest.extend_from_slice(piece);
                if self.rest.ends_with(b"\n") || self.rest.len() >= LINE_BYTES {
                    whole.extend(self.rest());
                }
            }
        }
        whole
    }

    /// What stands there without an end.
    pub(super) fn rest(&mut self) -> Option<(LogLevel, String)> {
        let bytes = std::mem::take(&mut self.rest);
        let text = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        (!bytes.is_empty()).then(|| (self.level, String::from_utf8_lossy(text).into_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_become_lines() {
        let mut lines = Lines::new(LogLevel::Info);
        assert!(lines.take(b"he").is_empty());
        let whole: Vec<String> =
            lines.take(b"llo\r\nworld\n\nre").into_iter().map(|(_, line)| line).collect();
        assert_eq!(whole, ["hello", "world", ""]);
        assert_eq!(lines.rest(), Some((LogLevel::Info, "re".to_owned())));
        assert_eq!(lines.rest(), None);
        assert_eq!(lines.take(&vec![b'x'; LINE_BYTES * 2 + 1]).len(), 2);
    }
}
