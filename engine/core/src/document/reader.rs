//! Taking the tree apart: every helper answers what it understood and tells the rest.

use super::{Entry, Node, Value, escape};
use crate::diagnostic::{Code, Diagnostic, Place, codes, nearest};
use globset::{Glob, GlobBuilder};
use std::fmt::Display;
use std::str::FromStr;

/// Collects the problems of one document.
#[derive(Default)]
pub(crate) struct Reader {
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// A map whose keys have been checked.
#[derive(Clone, Copy)]
pub(crate) struct Map<'n> {
    entries: &'n [Entry],
    at: &'n Place,
}

impl<'n> Map<'n> {
    /// The value of a key; a key without a value counts as absent.
    pub(crate) fn get(&self, key: &str) -> Option<&'n Node> {
        self.raw(key).filter(|node| node.value != Value::Null)
    }

    /// The value of a key, null included.
    pub(crate) fn raw(&self, key: &str) -> Option<&'n Node> {
        self.entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// The entry of a key, unless it says nothing.
    pub(crate) fn entry(&self, key: &str) -> Option<&'n Entry> {
        self.entries.iter().find(|entry| entry.key == key && entry.value.value != Value::Null)
    }

    pub(crate) fn entries(&self) -> &'n [Entry] {
        self.entries
    }

    /// Where the map begins.
    pub(crate) fn at(&self) -> &'n Place {
        self.at
    }
}

impl Reader {
    pub(crate) fn error(
        &mut self,
        code: Code,
        at: &Place,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.diagnostics.push(Diagnostic::error(code, message, remedy).at(at.clone()));
    }

    pub(crate) fn wrong_type(&mut self, node: &Node, expected: &str) {
        let message = format!("{expected} is expected here, but this is {}", node.kind());
        self.error(codes::WRONG_TYPE, &node.place, message, format!("write {expected}"));
    }

    /// A map with any keys. `at` is where its problems are shown.
    pub(crate) fn any_map<'n>(&mut self, node: &'n Node, at: &'n Place) -> Option<Map<'n>> {
        match &node.value {
            Value::Map(entries) => Some(Map { entries, at }),
            _ => {
                self.wrong_type(node, "a map");
                None
            }
        }
    }

    /// A map with these keys only; others are told with the nearest known one.
    pub(crate) fn map<'n>(&mut self, node: &'n Node, at: &'n Place, known: &[&str]) -> Option<Map<'n>> {
        let map = self.any_map(node, at)?;
        for entry in map.entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            let remedy = match nearest(&entry.key, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the keys here are {}", list(known)),
            };
            self.error(
                codes::UNKNOWN_KEY,
                &entry.at,
                format!("the key `{}` is not known here", cut(&entry.key)),
                remedy,
            );
        }
        Some(map)
    }

    /// The value of a key that must be there.
    pub(crate) fn needed<'n>(&mut self, map: &Map<'n>, key: &str) -> Option<&'n Node> {
        let found = map.get(key);
        if found.is_none() {
            let message = format!("the key `{key}` is missing");
            self.error(codes::MISSING_KEY, map.at, message, format!("add `{key}`"));
        }
        found
    }

    pub(crate) fn text<'n>(&mut self, node: &'n Node) -> Option<&'n str> {
        match &node.value {
            Value::Text(text) => Some(text),
            _ => {
                self.wrong_type(node, "text");
                None
            }
        }
    }

    /// Text, or a boolean or number taken as it is written.
    pub(crate) fn scalar_text(&mut self, node: &Node) -> Option<String> {
        match &node.value {
            Value::Text(text) => Some(text.clone()),
            Value::Bool(value) => Some(value.to_string()),
            Value::Number(number) => Some(number.to_string()),
            _ => {
                self.wrong_type(node, "text, a number or a boolean");
                None
            }
        }
    }

    pub(crate) fn boolean(&mut self, node: &Node) -> Option<bool> {
        match &node.value {
            Value::Bool(value) => Some(*value),
            _ => {
                self.wrong_type(node, "`true` or `false`");
                None
            }
        }
    }

    /// A whole number within bounds.
    pub(crate) fn integer(&mut self, node: &Node, least: u64, most: u64) -> Option<u64> {
        let Value::Number(number) = &node.value else {
            self.wrong_type(node, "a whole number");
            return None;
        };
        match number.as_u64() {
            Some(value) if (least..=most).contains(&value) => Some(value),
            _ => {
                let message = format!("{number} is not a whole number between {least} and {most}");
                self.error(codes::OUT_OF_RANGE, &node.place, message, "use a number within these bounds");
                None
            }
        }
    }

    pub(crate) fn list<'n>(&mut self, node: &'n Node) -> Option<&'n [Node]> {
        match &node.value {
            Value::List(items) => Some(items),
            _ => {
                self.wrong_type(node, "a list");
                None
            }
        }
    }

    /// A list of texts, or one text in its place, each with its node.
    pub(crate) fn texts<'n>(&mut self, node: &'n Node) -> Vec<(&'n str, &'n Node)> {
        match &node.value {
            Value::Text(text) => vec![(text, node)],
            _ => {
                let items = self.list(node).unwrap_or_default();
                items.iter().filter_map(|item| Some((self.text(item)?, item))).collect()
            }
        }
    }

    /// A list of texts that parse, none of them twice.
    pub(crate) fn parsed<T: FromStr<Err: Display> + PartialEq>(&mut self, node: &Node, code: Code) -> Vec<T> {
        let mut found: Vec<T> = Vec::new();
        for (text, item) in self.texts(node) {
            let Some(value) = self.parse::<T>(text, &item.place, code) else { continue };
            if found.contains(&value) {
                self.duplicate(text, &item.place);
            } else {
                found.push(value);
            }
        }
        found
    }

    pub(crate) fn duplicate(&mut self, text: &str, at: &Place) {
        let message = format!("`{}` is written twice", cut(text));
        self.error(codes::DUPLICATE_ENTRY, at, message, "remove one of the two");
    }

    /// A text that parses into its type, whose error states the rule.
    pub(crate) fn parse<T: FromStr<Err: Display>>(
        &mut self,
        text: &str,
        at: &Place,
        code: Code,
    ) -> Option<T> {
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.error(code, at, error.to_string(), "write it by this rule");
                None
            }
        }
    }

    /// One of some words.
    pub(crate) fn word<'w>(&mut self, node: &Node, words: &[&'w str]) -> Option<&'w str> {
        let text = self.text(node)?;
        if let Some(word) = words.iter().find(|word| **word == text) {
            return Some(word);
        }
        let remedy = match nearest(text, words.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("use one of {}", list(words)),
        };
        let message = format!("`{}` is not one of {}", cut(text), list(words));
        self.error(codes::BAD_VALUE, &node.place, message, remedy);
        None
    }

    /// A duration in milliseconds, within bounds.
    pub(crate) fn duration(&mut self, node: &Node, least: u64, most: u64) -> Option<u64> {
        let text = match &node.value {
            Value::Text(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => {
                self.wrong_type(node, "a duration such as `10m`");
                return None;
            }
        };
        let Some(milliseconds) = duration(&text) else {
            let message = format!("`{}` is not a duration", cut(&text));
            self.error(codes::BAD_DURATION, &node.place, message, "write it as in `90s`, `10m` or `1h30m`");
            return None;
        };
        if !(least..=most).contains(&milliseconds) {
            let message = format!("{} is not between {} and {}", cut(&text), spell(least), spell(most));
            self.error(codes::OUT_OF_RANGE, &node.place, message, "use a duration within these bounds");
            return None;
        }
        Some(milliseconds)
    }

    /// Path patterns.
    pub(crate) fn globs(&mut self, node: &Node) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        for (text, item) in self.texts(node) {
            match glob(text) {
                Ok(_) if found.iter().any(|earlier| earlier == text) => self.duplicate(text, &item.place),
                Ok(_) => found.push(text.to_owned()),
                Err(why) => {
                    let message = format!("`{}` is not a path pattern: {why}", cut(text));
                    self.error(codes::BAD_GLOB, &item.place, message, "mend the pattern");
                }
            }
        }
        found
    }

    /// A path below the root of the tree.
    pub(crate) fn path(&mut self, node: &Node) -> Option<String> {
        let text = self.text(node)?;
        let inside = text.split('/').all(|part| !part.is_empty() && part != ".." && part != ".");
        let plain = inside && text.len() <= 4096 && !text.contains(['\0', '\\']);
        if !plain {
            let message = format!("`{}` is not a path below the root of the tree", cut(text));
            let remedy = "write a relative path with `/`, without `..` and without a trailing `/`";
            self.error(codes::BAD_PATH, &node.place, message, remedy);
            return None;
        }
        Some(text.to_owned())
    }
}

/// Milliseconds of a text such as `1h30m`: whole numbers with units, from large to small, each unit once.
pub(crate) fn duration(text: &str) -> Option<u64> {
    const UNITS: [(&str, u64); 5] =
        [("d", 86_400_000), ("h", 3_600_000), ("ms", 1), ("m", 60_000), ("s", 1_000)];
    let (mut rest, mut total, mut last) = (text, 0_u64, u64::MAX);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let (unit, size) = UNITS.iter().find(|(unit, _)| rest.starts_with(unit))?;
        if *size >= last {
            return None;
        }
        total = total.checked_add(number.checked_mul(*size)?)?;
        (rest, last) = (&rest[unit.len()..], *size);
    }
    (last != u64::MAX).then_some(total)
}

/// A duration as a person writes it.
pub(crate) fn spell(milliseconds: u64) -> String {
    const UNITS: [(&str, u64); 5] =
        [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
    let mut rest = milliseconds;
    let mut text = String::new();
    for (unit, size) in UNITS {
        if rest >= size {
            text.push_str(&format!("{}{unit}", rest / size));
            rest %= size;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// A path pattern relative to the root of the tree.
pub(crate) fn glob(text: &str) -> Result<Glob, String> {
    if text.is_empty() || text.len() > 1024 {
        return Err("it is empty, or longer than 1024 bytes".into());
    }
    if text.starts_with('/') || text.split('/').any(|part| part == ".." || part == ".") {
        return Err("patterns are relative to the root of the tree".into());
    }
    let built = GlobBuilder::new(text).literal_separator(true).backslash_escape(true).build();
    built.map_err(|error| error.kind().to_string())
}

/// Words as people list them.
pub(crate) fn list(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// A text short enough for a message, on one line.
pub(crate) fn cut(text: &str) -> String {
    let mut short: String = text.chars().take(80).flat_map(char::escape_debug).collect();
    if text.chars().nth(80).is_some() {
        short.push('…');
    }
    short.replace("\\\"", "\"").replace("\\'", "'")
}

/// A pointer one level deeper.
pub(crate) fn below(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", escape(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, expected) in [
            ("10m", 600_000),
            ("1h30m", 5_400_000),
            ("90s", 90_000),
            ("5ms", 5),
            ("1d", 86_400_000),
            ("0s", 0),
        ] {
            assert_eq!(duration(text), Some(expected), "{text}");
            if expected > 0 {
                assert_eq!(duration(&spell(expected)), Some(expected));
            }
        }
        for text in ["", "10", "m", "10 m", "1m1h", "1m1m", "-1m", "1.5h", "99999999999999999999s", "1h30"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn globs() {
        let matches = |pattern: &str, path: &str| glob(pattern).unwrap().compile_matcher().is_match(path);
        assert!(matches("src/**", "src/a/b.rs") && matches("Cargo.*", "Cargo.toml"));
        assert!(!matches("Cargo.*", "a/Cargo.toml") && !matches("src/*", "src/a/b.rs"));
        for text in ["", "/src", "../x", "src/[a", "a/../b"] {
            assert!(glob(text).is_err(), "{text}");
        }
    }
}
