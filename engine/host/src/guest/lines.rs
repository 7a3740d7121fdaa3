//! What a guest says to people: bounded, and without characters that move a terminal or turn a text around.

use stageway_core::log::{LINE_BYTES, push_shown};
use std::fmt::Write as _;

/// What is left of the bytes that a guest may log.
pub(crate) struct LogBudget {
    left: u64,
    limit: u64,
    is_closed: bool,
}

impl LogBudget {
    pub(crate) fn new(limit: u64) -> Self {
        Self { left: limit, limit, is_closed: false }
    }

    /// What is written for a message: itself while there is room, then once a line that says what is dropped, then nothing.
    pub(crate) fn admit(&mut self, message: &str) -> Option<String> {
        if self.is_closed {
            return None;
        }
        let text = clean(message);
        match self.left.checked_sub(text.len() as u64) {
            Some(left) => {
                self.left = left;
                Some(text)
            }
            None => {
                self.is_closed = true;
                Some(format!(
                    "the log limit of {} bytes is reached: everything after this line is dropped",
                    self.limit
                ))
            }
        }
    }
}

/// The message with its line ends and tabs, everything else that controls escaped, cut where a line ends being one.
fn clean(message: &str) -> String {
    let mut text = String::with_capacity(message.len().min(LINE_BYTES));
    for (at, c) in message.char_indices() {
        if text.len() + c.len_utf8() > LINE_BYTES {
            let _ = write!(text, "… ({} more bytes)", message.len() - at);
            break;
        }
        match c {
            '\n' => text.push('\n'),
            c => push_shown(&mut text, c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_sequences_are_escaped_and_lines_kept() {
        assert_eq!(clean("a\n\tb\x1b[31mred\u{202e}"), "a\n\tb\\u{1b}[31mred\\u{202e}");
    }

    #[test]
    fn a_long_message_is_cut_at_a_character() {
        let text = clean(&"ä".repeat(LINE_BYTES));
        assert!(
            text.len() <= LINE_BYTES + 40 && text.ends_with("more bytes)"),
            "{}",
            &text[text.len() - 40..]
        );
    }

    #[test]
    fn the_budget_ends_with_one_line() {
        let mut budget = LogBudget::new(10);
        assert_eq!(budget.admit("12345678").as_deref(), Some("12345678"));
        assert!(budget.admit("123").is_some_and(|line| line.contains("limit of 10 bytes")));
        assert_eq!(budget.admit("1"), None);
    }
}
