use super::{Attempt, Outcome};
use stageway_core::call::{Bytes, Handles, Log, LogLevel, Value};
use stageway_core::log::{LINE_BYTES, Line, Origin, push_shown};

/// Bytes of one read.
const MOST_READ: u32 = 1 << 20;

impl Attempt {
    pub(super) async fn read_content(&self, call: &Handles) -> Outcome {
        let Handles::Next { digest, offset, max } = call;
        let bytes = self.engine.blobs.read(digest, *offset, (*max).min(MOST_READ)).await?;
        Ok(Value::Bytes(Bytes(bytes)))
    }

    /// Takes a line of the plugin; what is over the limit is dropped, and one line says so.
    pub(super) fn write_line(&mut self, seq: u32, call: &Log) -> Outcome {
        let Log::Write { level, message } = call;
        let limit = self.header.limits.log_bytes;
        let before = self.log_bytes;
        self.log_bytes = self.log_bytes.saturating_add(message.len() as u64 + 1);
        if before > limit {
            return Ok(Value::Done);
        }
        if self.log_bytes > limit {
            self.line(
                seq,
                LogLevel::Warn,
                format!("the plugin's log has reached its limit of {limit} bytes; what follows is dropped"),
            );
            return Ok(Value::Done);
        }
        for text in message.lines() {
            let text = self.mask.text(text);
            self.line(seq, *level, printable(&text));
        }
        Ok(Value::Done)
    }

    fn line(&mut self, seq: u32, level: LogLevel, text: String) {
        let ordinal = self.next_ordinal(seq);
        let line = Line {
            stage: Some(self.subject.stage.clone()),
            attempt: self.subject.attempt,
            at: self.at,
            level,
            origin: Origin::Plugin { seq, ordinal },
            text,
        };
        if self.stands(seq) {
            return;
        }
        if matches!(self.mode, super::Mode::Live) {
            self.engine.observer.line(&self.subject.writer.run, &line);
        }
        self.ledger.lines.push(line);
    }
}

/// A line for readers: bounded, with control characters and terminal sequences escaped.
pub(super) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if shown.len() >= LINE_BYTES {
            shown.push_str(&format!("… ({} bytes in all)", text.len()));
            break;
        }
        push_shown(&mut shown, character);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_sequences_do_not_pass() {
        assert_eq!(printable("\u{1b}[31mred\u{7}\r\tx"), "\\u{1b}[31mred\\u{7}\\r\tx");
        assert_eq!(printable("a\u{202e}b"), "a\\u{202e}b");
    }

    #[test]
    fn a_long_line_is_cut_and_says_so() {
        let shown = printable(&"x".repeat(100_000));
        assert!(shown.len() < LINE_BYTES + 40 && shown.ends_with("(100000 bytes in all)"));
    }
}
