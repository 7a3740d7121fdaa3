//! Text with `${{ }}` in it.

use std::ops::Range;

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// As it is, with `$${{` already turned into `${{`.
    Text(String),
    /// The inside of `${{ }}`, trimmed, and where it stands in the text, in bytes.
    Expression {
        /// CEL.
        source: String,
        /// Of the trimmed inside.
        range: Range<usize>,
    },
}

/// A text taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// In order; no two texts follow each other.
    pub parts: Vec<Part>,
}

/// The `${{` at this byte has no end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`${{{{` has no end")]
pub struct Unclosed(pub usize);

impl Template {
    /// Whether a text has an expression in it, escaped or not.
    pub fn is_in(text: &str) -> bool {
        text.contains("${{")
    }

    /// Takes a text apart.
    ///
    /// # Errors
    /// [`Unclosed`] if a `${{` has no `}}`.
    pub fn parse(text: &str) -> Result<Self, Unclosed> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut at = 0;
        while let Some(found) = text[at..].find("${{") {
            let open = at + found;
            if text[at..open].ends_with('$') {
                plain.push_str(&text[at..open - 1]);
                plain.push_str("${{");
                at = open + 3;
                continue;
            }
            plain.push_str(&text[at..open]);
            let inside = open + 3;
            let close = inside + end_of(&text[inside..]).ok_or(Unclosed(open))?;
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            let source = text[inside..close].trim();
            let start = inside + (text[inside..close].len() - text[inside..close].trim_start().len());
            parts.push(Part::Expression { source: source.to_owned(), range: start..start + source.len() });
            at = close + 2;
        }
        plain.push_str(&text[at..]);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self { parts })
    }

    /// The expression, if the text is exactly one.
    pub fn single(&self) -> Option<&str> {
        match &self.parts[..] {
            [Part::Expression { source, .. }] => Some(source),
            _ => None,
        }
    }

    /// The expressions and their places in the text.
    pub fn expressions(&self) -> impl Iterator<Item = (&str, &Range<usize>)> {
        self.parts.iter().filter_map(|part| match part {
            Part::Expression { source, range } => Some((source.as_str(), range)),
            Part::Text(_) => None,
        })
    }

    /// The whole text, if there is no expression in it.
    pub fn literal(&self) -> Option<&str> {
        match &self.parts[..] {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }
}

/// Where the `}}` is that ends an expression: outside of quotes and of braces of its own.
fn end_of(text: &str) -> Option<usize> {
    let (mut quote, mut depth, mut escaped) = (None, 0_usize, false);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '{') => depth += 1,
            (None, '}') if depth > 0 => depth -= 1,
            (None, '}') if text[at..].starts_with("}}") => return Some(at),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let parts = Template::parse(text).unwrap().parts;
        let show = |part| match part {
            Part::Text(text) => text,
            Part::Expression { source, range } => format!("<{source}@{range:?}>"),
        };
        parts.into_iter().map(show).collect()
    }

    #[test]
    fn parts_and_their_places() {
        assert_eq!(shown("a-${{ x }}-b"), ["a-", "<x@6..7>", "-b"]);
        assert_eq!(shown("${{x}}"), ["<x@3..4>"]);
        assert_eq!(shown("$${{ x }}"), ["${{ x }}"]);
        assert_eq!(shown("${{ {'a': {'}}': 1}} }}"), ["<{'a': {'}}': 1}}@4..20>"]);
        assert_eq!(shown("${{ '\\'}}' }}"), ["<'\\'}}'@4..10>"]);
        assert_eq!(shown("$ {{ }}"), ["$ {{ }}"]);
        assert!(shown("").is_empty());
    }

    #[test]
    fn what_does_not_end_is_told() {
        assert_eq!(Template::parse("a ${{ x }"), Err(Unclosed(2)));
        assert_eq!(Template::parse("${{ 'x }}"), Err(Unclosed(0)));
    }
}
