//! Where each value of a document stands, by JSON pointer.

use super::text::Text;
use super::{Node, Value};
use crate::diagnostic::Place;
use std::collections::BTreeMap;

/// The places of a document's keys and values. The pointers are those of the document as JSON (RFC 6901).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    text: Text,
    keys: BTreeMap<String, Place>,
    values: BTreeMap<String, Place>,
}

/// Writes a key as a part of a JSON pointer.
pub(crate) fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

impl Places {
    pub(crate) fn of(text: Text, root: &Node) -> Self {
        let mut places = Self { text, keys: BTreeMap::new(), values: BTreeMap::new() };
        places.visit(String::new(), root);
        places
    }

    fn visit(&mut self, pointer: String, node: &Node) {
        match &node.value {
            Value::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.visit(format!("{pointer}/{index}"), item);
                }
            }
            Value::Map(entries) => {
                for entry in entries {
                    let below = format!("{pointer}/{}", escape(&entry.key));
                    self.keys.insert(below.clone(), entry.at.clone());
                    self.visit(below, &entry.value);
                }
            }
            _ => {}
        }
        self.values.insert(pointer, node.place.clone());
    }

    /// The file's name.
    pub fn file(&self) -> &str {
        &self.text.file
    }

    /// The file's text, for excerpts.
    pub fn text(&self) -> &str {
        &self.text.text
    }

    /// Whether the document has this value.
    pub fn has(&self, pointer: &str) -> bool {
        self.values.contains_key(pointer)
    }

    /// The place of a value, or of the nearest value above that is there. A list or map is shown by its key.
    pub fn value(&self, pointer: &str) -> Option<Place> {
        self.nearest(pointer, |pointer| match (self.values.get(pointer), self.keys.get(pointer)) {
            (Some(place), _) if place.length > 0 => Some(place),
            (_, Some(key)) => Some(key),
            (place, None) => place,
        })
    }

    /// The place of a key, or of the nearest key above that is there.
    pub fn key(&self, pointer: &str) -> Option<Place> {
        self.nearest(pointer, |pointer| self.keys.get(pointer).or_else(|| self.values.get(pointer)))
    }

    fn nearest<'a>(&'a self, pointer: &str, find: impl Fn(&str) -> Option<&'a Place>) -> Option<Place> {
        let mut pointer = pointer;
        loop {
            if let Some(place) = find(pointer) {
                return Some(place.clone());
            }
            pointer = &pointer[..pointer.rfind('/')?];
        }
    }

    /// The place of a part of a text: where `part` is written within the value for the `nth` time, if it stands there
    /// as it is; else the whole value.
    pub(crate) fn part(&self, pointer: &str, part: &str, nth: usize) -> Option<Place> {
        let whole = self.value(pointer)?;
        let written = self.text.text.get(whole.span())?;
        let found = written.match_indices(part).nth(nth).map(|(at, _)| whole.offset as usize + at);
        Some(found.map_or_else(|| whole.clone(), |start| self.text.place(start, start + part.len())))
    }

    /// A stretch within a place, in bytes from its start.
    pub(crate) fn within(&self, place: &Place, start: usize, end: usize) -> Place {
        let first = place.offset as usize;
        let last = first + place.length as usize;
        self.text.place((first + start).min(last), (first + end).min(last))
    }
}
