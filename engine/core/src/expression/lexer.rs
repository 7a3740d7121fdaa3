//! The tokens of an expression, bounded, before the parser sees them.
//!
//! `stages.unit-test.outputs` would be a subtraction in CEL. A stage itself is never a number, so after `stages.` a
//! name with hyphens is meant, and the hyphens become `_` (stage names have none); no offset moves.

use super::parse::Fault;
use crate::diagnostic::codes;
use std::ops::Range;

/// An expression has at most this many bytes.
pub(super) const MAX_BYTES: usize = 2_000;
/// An expression has at most this many tokens.
const MAX_TOKENS: usize = 400;
/// Brackets, signs and choices are nested at most this deep.
const MAX_DEPTH: usize = 24;
/// At most this many operators and selections, each of which may deepen the tree by one.
const MAX_LINKS: usize = 100;

struct Lexer<'s> {
    source: &'s str,
    at: usize,
    normal: String,
    tokens: usize,
    depth: usize,
    links: usize,
    signs: usize,
    choices: usize,
    /// The two tokens before this one.
    before: [&'s str; 2],
}

/// The expression with hyphens of stage names replaced.
pub(super) fn normalize(source: &str) -> Result<String, Fault> {
    if source.len() > MAX_BYTES {
        let message = format!("the expression has {} bytes, and at most {MAX_BYTES} are read", source.len());
        return Err(Fault::new(codes::TOO_COMPLEX, 0..source.len(), message, "split it"));
    }
    let mut lexer = Lexer {
        source,
        at: 0,
        normal: source.to_owned(),
        tokens: 0,
        depth: 0,
        links: 0,
        signs: 0,
        choices: 0,
        before: ["", ""],
    };
    while lexer.skip_space() {
        lexer.token()?;
    }
    if lexer.tokens == 0 {
        return Err(syntax(0..source.len(), "the expression is empty", "write an expression"));
    }
    Ok(lexer.normal)
}

fn syntax(range: Range<usize>, message: impl Into<String>, remedy: &str) -> Fault {
    Fault::new(codes::EXPRESSION_SYNTAX, range, message, remedy)
}

impl<'s> Lexer<'s> {
    fn rest(&self) -> &'s str {
        &self.source[self.at..]
    }

    fn skip_space(&mut self) -> bool {
        self.at += self.rest().len() - self.rest().trim_start_matches([' ', '\t', '\n', '\r']).len();
        self.at < self.source.len()
    }

    fn token(&mut self) -> Result<(), Fault> {
        let start = self.at;
        let first = self.rest().chars().next().unwrap_or(' ');
        match first {
            'a'..='z' | 'A'..='Z' | '_' => self.name()?,
            '0'..='9' => self.number(),
            '"' | '\'' => self.string(first)?,
            _ => self.mark()?,
        }
        self.tokens += 1;
        let token = &self.source[start..self.at];
        self.bound(token, start)?;
        self.before = [self.before[1], token];
        Ok(())
    }

    fn bound(&mut self, token: &str, start: usize) -> Result<(), Fault> {
        match token {
            "(" | "[" | "{" => self.depth += 1,
            ")" | "]" | "}" => self.depth = self.depth.saturating_sub(1),
            "?" => self.choices += 1,
            _ => {}
        }
        let mark = token.starts_with(|c: char| c.is_ascii_punctuation() && !"_\"'".contains(c));
        let after_operand = matches!(self.before[1].chars().last(), Some(c) if c.is_ascii_alphanumeric() || "_)]}\"'".contains(c));
        match token {
            "!" => self.signs += 1,
            "-" if !after_operand => self.signs += 1,
            _ if mark && !matches!(token, "(" | ")" | "]" | "}" | "," | ":") => self.links += 1,
            _ => {}
        }
        let all = [
            (self.tokens, MAX_TOKENS, "tokens"),
            (self.depth, MAX_DEPTH, "levels"),
            (self.signs, MAX_DEPTH, "signs"),
            (self.choices, MAX_DEPTH, "choices"),
            (self.links, MAX_LINKS, "operators and selections"),
        ];
        match all.iter().find(|(count, most, _)| count > most) {
            Some((_, most, what)) => {
                let message = format!("the expression has more than {most} {what}");
                Err(Fault::new(codes::TOO_COMPLEX, start..self.at, message, "split it"))
            }
            None => Ok(()),
        }
    }

    fn name(&mut self) -> Result<(), Fault> {
        let start = self.at;
        let of_stage = self.before[0] == "stages" && matches!(self.before[1], "." | ".?");
        let inside = |c: char| c.is_ascii_alphanumeric() || c == '_' || of_stage && c == '-';
        let length = self.rest().find(|c| !inside(c)).unwrap_or(self.rest().len());
        let name = self.rest()[..length].trim_end_matches('-');
        self.at += name.len();
        if self.rest().starts_with(['"', '\'']) {
            let message = format!("texts have no prefix such as `{name}`");
            return Err(syntax(start..self.at, message, "write plain text in quotes"));
        }
        if name.contains('-') {
            self.normal.replace_range(start..self.at, &name.replace('-', "_"));
        }
        Ok(())
    }

    fn number(&mut self) {
        let rest = self.rest();
        let mut end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '.').unwrap_or(rest.len());
        if rest[..end].ends_with(['e', 'E']) && !rest.starts_with("0x") && rest[end..].starts_with(['-', '+'])
        {
            let after = &rest[end + 1..];
            end += 1 + after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
        }
        self.at += end;
    }

    fn string(&mut self, quote: char) -> Result<(), Fault> {
        let start = self.at;
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((offset, c)) = chars.next() {
            match c {
                '\\' => match chars.next() {
                    Some((_, 'n' | 't' | 'r' | '\\' | '"' | '\'')) => {}
                    _ => {
                        let range = start + offset..start + offset + 1;
                        let remedy = "the escapes are \\n, \\t, \\r, \\\\, \\\" and \\'";
                        return Err(syntax(range, "this escape is not known", remedy));
                    }
                },
                '\n' | '\r' => break,
                _ if c == quote => {
                    self.at = start + offset + 1;
                    if self.rest().starts_with(['"', '\'']) {
                        let remedy = "put an operator between the two";
                        return Err(syntax(start..self.at, "a text follows a text", remedy));
                    }
                    return Ok(());
                }
                _ => {}
            }
        }
        Err(syntax(start..start + 1, "the text has no closing quote", "close the quote in the same line"))
    }

    fn mark(&mut self) -> Result<(), Fault> {
        const MARKS: [&str; 27] = [
            "&&", "||", "==", "!=", "<=", ">=", ".?", "[?", "//", "(", ")", "[", "]", "{", "}", ".", ",",
            ":", "?", "!", "+", "-", "*", "/", "%", "<", ">",
        ];
        let Some(mark) = MARKS.iter().find(|mark| self.rest().starts_with(**mark)) else {
            let c = self.rest().chars().next().unwrap_or(' ');
            let remedy = match c {
                '=' => "equality is `==`",
                '&' | '|' => "and is `&&`, or is `||`",
                '`' => "write the name in brackets, as in `vars[\"a-b\"]`",
                '$' => "an expression here stands without `${{ }}`",
                _ => "remove it, or put it into a text",
            };
            let message = format!("`{}` has no meaning here", c.escape_debug());
            return Err(syntax(self.at..self.at + c.len_utf8(), message, remedy));
        };
        if *mark == "//" {
            return Err(syntax(self.at..self.at + 2, "comments have no place in an expression", "remove it"));
        }
        // `[?` opens a bracket; it is taken apart so that the bracket is counted.
        self.at += if *mark == "[?" { 1 } else { mark.len() };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stage_names_keep_their_offsets() {
        let source = "stages.unit-test.outputs.a - 1 == 2 && 'stages.a-b' != \"\" && a-b == 1";
        let expected = "stages.unit_test.outputs.a - 1 == 2 && 'stages.a-b' != \"\" && a-b == 1";
        assert_eq!(normalize(source).unwrap(), expected);
        assert_eq!(normalize("stages.a - 1").unwrap(), "stages.a - 1");
    }

    #[test]
    fn strange_texts_are_refused() {
        for source in [
            "", " ", "a = b", "a & b", "'a", "'a\\x'", "r'a'", "'''a'''", "a // b", "a `b`", "${{ a }}", "ä",
            "a\u{0}",
        ] {
            assert_eq!(normalize(source).unwrap_err().code, codes::EXPRESSION_SYNTAX, "{source}");
        }
    }

    #[test]
    fn depth_and_length_are_bounded() {
        let deep = format!("{}1{}", "(".repeat(25), ")".repeat(25));
        for source in
            [deep, "!".repeat(25) + "a", "a".repeat(2001), "a+".repeat(101) + "a", "a?b:".repeat(25) + "c"]
        {
            assert_eq!(normalize(&source).unwrap_err().code, codes::TOO_COMPLEX, "{source}");
        }
        assert!(normalize(&"a+".repeat(99)).is_ok() && normalize(&("-".repeat(24) + "1")).is_ok());
    }
}
