//! Lines for people, measures, annotations and test reports: not entries of the journal, but keyed by it.

use crate::call::LogLevel;
use crate::name::{StageName, TaskName};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// A line has at most this many bytes before it is cut.
pub const LINE_BYTES: usize = 16 << 10;

/// Writes a character for readers: one that would move a terminal or turn the text around it is escaped. Tabs stay.
pub fn push_shown(text: &mut String, character: char) {
    match character {
        '\t' => text.push('\t'),
        c if c.is_control() => text.extend(c.escape_default()),
        // Characters that turn the direction of text make a line read as another.
        c @ ('\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') => {
            text.extend(c.escape_unicode());
        }
        c => text.push(c),
    }
}

/// One line, as it is written. The store numbers lines in order of arrival.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Line {
    /// The stage; none for a line about the run.
    pub stage: Option<StageName>,
    /// The attempt, from 1; 0 for a line about the run.
    pub attempt: u32,
    /// Milliseconds since 1970.
    pub at: u64,
    /// How much it matters.
    pub level: LogLevel,
    /// Where it comes from, which is also its key.
    pub origin: Origin,
    /// At most 16 KiB; control characters escaped, secrets masked.
    pub text: String,
}

/// Where a line comes from. Writing the same origin twice writes one line.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// The plugin: the last seq before it, and its number since then. Struck out when that seq did not survive.
    Plugin {
        /// The last entry before the line.
        seq: u32,
        /// From 0 after each entry.
        ordinal: u32,
    },
    /// The output of a task: never struck out, because it happened.
    Task {
        /// The task.
        task: TaskName,
        /// Bytes of output before the line.
        cursor: u64,
    },
    /// The engine itself.
    Engine {
        /// Unique within (stage, attempt).
        key: String,
    },
}

/// A measure, an annotation or a test report, with the key of a plugin's line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// The stage.
    pub stage: StageName,
    /// From 1.
    pub attempt: u32,
    /// The last entry before it.
    pub seq: u32,
    /// From 0 after each entry, counted together with the lines.
    pub ordinal: u32,
    /// Milliseconds since 1970.
    pub at: u64,
    /// What it is.
    pub kind: ReportKind,
    /// The request, or the ingested report.
    pub body: Json,
}

/// What a report is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReportKind {
    /// {tests, failures, errors, skipped, "duration-ms", failed, cases}.
    Tests,
    /// {name, value, unit}.
    Measure,
    /// {level, path, line, message}.
    Annotation,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let mut shown = String::new();
        text.chars().for_each(|c| push_shown(&mut shown, c));
        shown
    }

    #[test]
    fn what_moves_a_terminal_or_turns_text_is_escaped() {
        for (text, expected) in [
            ("a\tb ä 🐌", "a\tb ä 🐌"),
            ("\u{1b}[31mred\u{7}\r\n\0", "\\u{1b}[31mred\\u{7}\\r\\n\\u{0}"),
            ("\u{7f}\u{9b}2J", "\\u{7f}\\u{9b}2J"),
            ("a\u{202e}b\u{2066}\u{200f}", "a\\u{202e}b\\u{2066}\\u{200f}"),
            ("a\\n", "a\\n"),
        ] {
            assert_eq!(shown(text), expected);
        }
    }
}
