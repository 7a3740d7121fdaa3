//! What was found of one part of an installation.

use crate::terminal::{Look, Style};
use serde::Serialize;

/// How a part was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// It is as it should be.
    Good,
    /// It works, and somebody should know.
    Notice,
    /// It does not work.
    Wrong,
}

/// One part, and how it was found. It never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// Which part.
    pub(super) what: String,
    pub(super) state: State,
    /// What was seen.
    pub(super) seen: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) remedy: Option<String>,
}

impl Finding {
    pub(super) fn good(what: impl Into<String>, seen: impl Into<String>) -> Self {
        Self { what: what.into(), state: State::Good, seen: seen.into(), remedy: None }
    }

    pub(super) fn notice(
        what: impl Into<String>,
        seen: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { what: what.into(), state: State::Notice, seen: seen.into(), remedy: Some(remedy.into()) }
    }

    pub(super) fn wrong(what: impl Into<String>, seen: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { what: what.into(), state: State::Wrong, seen: seen.into(), remedy: Some(remedy.into()) }
    }

    /// For people: one line, and the remedy below it.
    pub(super) fn text(&self, look: &Look) -> String {
        let (style, word) = match self.state {
            State::Good => (Style::Good, "good  "),
            State::Notice => (Style::Notice, "notice"),
            State::Wrong => (Style::Bad, "wrong "),
        };
        let mut text = format!("{}  {}: {}\n", look.paint(style, word), self.what, self.seen);
        if let Some(remedy) = &self.remedy {
            text += &format!("        {remedy}\n");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_a_line_with_its_remedy_below() {
        let plain = Look::PLAIN;
        assert_eq!(Finding::good("git", "2.39").text(&plain), "good    git: 2.39\n");
        let wrong = Finding::wrong("database", "it does not answer", "start it");
        assert_eq!(wrong.text(&plain), "wrong   database: it does not answer\n        start it\n");
    }
}
