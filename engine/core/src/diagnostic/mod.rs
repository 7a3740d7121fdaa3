//! What is wrong with something that a person wrote: a code, a place and a remedy.
//!
//! This room holds the data, the table of all codes with their pages, and a plain rendering. Colours and
//! source excerpts belong to the terminal, which has the byte span of every place.

mod code;
mod nearest;
mod pages;
mod place;
mod render;

pub use code::{Code, Page, UnknownCode, explain, pages as all_pages};
pub use nearest::nearest;
pub use pages::codes;
pub use place::Place;

use serde::{Deserialize, Serialize};

/// How much a diagnostic weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// It goes on, but is probably not what was meant.
    Warning,
    /// Nothing runs before it is mended.
    Error,
}

/// One problem, told once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// Which kind of problem; `stageway explain` prints its page.
    pub code: Code,
    /// Whether it stops the run.
    pub severity: Severity,
    /// What is wrong, in one line, with the operands.
    pub message: String,
    /// Where, if it is in a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Which value of a document that has no lines of its own: a JSON pointer (RFC 6901).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// What to do about it, in one line.
    pub remedy: String,
}

impl Diagnostic {
    /// An error without a place.
    pub fn error(code: Code, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: message.into(),
            place: None,
            pointer: None,
            remedy: remedy.into(),
        }
    }

    /// A warning without a place.
    pub fn warning(code: Code, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message, remedy) }
    }

    /// The same with a place.
    #[must_use]
    pub fn at(mut self, place: impl Into<Option<Place>>) -> Self {
        self.place = place.into();
        self
    }

    /// The same with a JSON pointer.
    #[must_use]
    pub fn pointing(mut self, pointer: impl Into<String>) -> Self {
        self.pointer = Some(pointer.into());
        self
    }

    /// Whether it stops the run.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// Whether one of them stops the run.
pub fn any_error(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(Diagnostic::is_error)
}

/// Sorts by place, then code, then text, and drops what is told twice.
pub fn sort(diagnostics: &mut Vec<Diagnostic>) {
    diagnostics.sort_by(|a, b| {
        let key = |d: &Diagnostic| d.place.as_ref().map(|p| (p.file.clone(), p.offset));
        key(a).cmp(&key(b)).then_with(|| a.code.cmp(&b.code)).then_with(|| a.message.cmp(&b.message))
    });
    diagnostics.dedup();
}
