//! Codes and the pages that explain them.

use super::pages::FAMILIES;
use crate::text::text_conversions;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// `SW` and four digits; the first two are the family. Every code has a [`Page`], because codes come from the
/// table of pages alone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Code(u16);

impl Code {
    pub(super) const fn of(number: u16) -> Self {
        Self(number)
    }

    /// The four digits as a number.
    pub fn number(self) -> u16 {
        self.0
    }

    /// The page that explains it.
    pub fn page(self) -> Option<&'static Page> {
        pages().find(|page| page.code == self)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SW{:04}", self.0)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text names no code of this engine.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is not a code of this engine: `SW` and four digits, such as SW0110, are expected")]
pub struct UnknownCode(pub String);

impl FromStr for Code {
    type Err = UnknownCode;
    fn from_str(text: &str) -> Result<Self, UnknownCode> {
        explain(text).map(|page| page.code)
    }
}

text_conversions!(Code);

/// What `stageway explain` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// The code it explains.
    pub code: Code,
    /// A short name of the problem.
    pub title: &'static str,
    /// What it means and why it is refused.
    pub text: &'static str,
    /// What leads to it.
    pub example: &'static str,
    /// What to write or do instead.
    pub remedy: &'static str,
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}\n\n{}\n\nLeads to it:\n", self.code, self.title, self.text)?;
        for line in self.example.lines() {
            writeln!(f, "    {line}")?;
        }
        write!(f, "\nRemedy: {}", self.remedy)
    }
}

/// All pages, in the order of their codes.
pub fn pages() -> impl Iterator<Item = &'static Page> {
    FAMILIES.iter().flat_map(|family| family.iter())
}

/// The page of a code written as a person writes it: `SW0110`, `sw0110` or `0110`.
///
/// # Errors
/// [`UnknownCode`] if there is no such code.
pub fn explain(text: &str) -> Result<&'static Page, UnknownCode> {
    let unknown = || UnknownCode(text.chars().take(40).collect());
    let digits = text.strip_prefix("SW").or_else(|| text.strip_prefix("sw")).unwrap_or(text);
    if digits.len() != 4 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(unknown());
    }
    let number: u16 = digits.parse().map_err(|_| unknown())?;
    Code(number).page().ok_or_else(unknown)
}
