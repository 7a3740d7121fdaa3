//! What the terminal can show.

use rustix::termios::{isatty, tcgetwinsize};
use std::ffi::OsString;
use std::os::fd::AsFd;

/// Columns of what is no terminal.
const WIDTH: usize = 100;

/// How output may look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Look {
    /// Colours may be used.
    pub(crate) colour: bool,
    /// Marks beyond ASCII may be used.
    pub(crate) unicode: bool,
    /// Lines may be drawn again.
    pub(crate) live: bool,
    /// Columns.
    pub(crate) width: usize,
    /// Rows.
    pub(crate) rows: usize,
}

/// What is meant; how it is painted is the look's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// A name, a heading.
    Strong,
    /// What matters less.
    Faint,
    /// It went well.
    Good,
    /// It went wrong.
    Bad,
    /// It should be looked at.
    Notice,
    /// It goes on.
    Active,
}

impl Look {
    /// Nothing but text.
    pub(crate) const PLAIN: Self =
        Self { colour: false, unicode: false, live: false, width: WIDTH, rows: 24 };

    /// What a stream and the environment allow.
    pub(crate) fn of(stream: impl AsFd, variable: &dyn Fn(&str) -> Option<OsString>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let text = |name: &str| set(name).and_then(|value| value.into_string().ok()).unwrap_or_default();
        let terminal = isatty(&stream) && text("TERM") != "dumb";
        let locale =
            ["LC_ALL", "LC_CTYPE", "LANG"].iter().map(|name| text(name)).find(|value| !value.is_empty());
        let locale = locale.unwrap_or_default().to_uppercase();
        let size = tcgetwinsize(&stream).ok().filter(|size| size.ws_col > 0 && size.ws_row > 0);
        Self {
            colour: terminal && set("NO_COLOR").is_none(),
            unicode: locale.contains("UTF-8") || locale.contains("UTF8"),
            live: terminal,
            width: size.map_or(WIDTH, |size| usize::from(size.ws_col)),
            rows: size.map_or(Self::PLAIN.rows, |size| usize::from(size.ws_row)),
        }
    }

    /// The text as its meaning looks here.
    pub(crate) fn paint(&self, style: Style, text: &str) -> String {
        if !self.colour || text.is_empty() {
            return text.to_owned();
        }
        let code = match style {
            Style::Strong => "1",
            Style::Faint => "2",
            Style::Good => "32",
            Style::Bad => "31",
            Style::Notice => "33",
            Style::Active => "36",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_terminal_gets_no_colours_and_is_not_drawn_again() {
        let file = tempfile::tempfile().unwrap();
        let look = Look::of(&file, &|name| (name == "LANG").then(|| "de_DE.UTF-8".into()));
        assert_eq!(look, Look { unicode: true, ..Look::PLAIN });
        assert_eq!(look.paint(Style::Bad, "no"), "no");
    }

    #[test]
    fn a_colour_ends_where_its_text_ends() {
        let look = Look { colour: true, ..Look::PLAIN };
        assert_eq!(look.paint(Style::Good, "yes"), "\x1b[32myes\x1b[0m");
        assert_eq!(look.paint(Style::Good, ""), "");
    }
}
