//! From bytes to the tree, within bounds.

use super::scalar::{NotANumber, resolve};
use super::text::Text;
use super::{Entry, MAX_DEPTH, MAX_VALUES, Node, Places, Value};
use crate::diagnostic::{Code, Diagnostic, Place, codes};
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput};
use std::collections::BTreeMap;

/// What was read of a file.
pub(crate) struct Loaded {
    /// Nothing if the text could not be read to its end.
    pub(crate) document: Option<(Node, Places)>,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// Reads one document. Never fails: what is wrong is in the diagnostics.
pub(crate) fn load(file: &str, bytes: &[u8]) -> Loaded {
    let text = match Text::read(file, bytes) {
        Ok(text) => text,
        Err(problem) => return Loaded { document: None, diagnostics: vec![problem] },
    };
    let mut builder = Builder::new(&text);
    let finished = builder.run();
    let Builder { root, mut diagnostics, .. } = builder;
    if let Err(problem) = finished {
        diagnostics.push(problem);
        return Loaded { document: None, diagnostics };
    }
    let root = root.unwrap_or(Node { value: Value::Null, place: text.place(0, 0) });
    let places = Places::of(text.clone(), &root);
    Loaded { document: Some((root, places)), diagnostics }
}

/// A list or map that is not complete yet.
struct Frame {
    anchor: usize,
    place: Place,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    /// Entries, and the key whose value comes next: `Some(None)` is a key that was refused.
    Map(Vec<Entry>, Option<Option<(String, Place)>>),
}

struct Builder<'t> {
    text: &'t Text,
    parser: Parser<'t, StrInput<'t>>,
    /// Byte offsets of characters, found in order.
    cursor: (usize, usize),
    frames: Vec<Frame>,
    anchors: BTreeMap<usize, Node>,
    values: usize,
    root: Option<Node>,
    diagnostics: Vec<Diagnostic>,
}

impl<'t> Builder<'t> {
    fn new(text: &'t Text) -> Self {
        Self {
            text,
            parser: Parser::new_from_str(&text.text),
            cursor: (0, 0),
            frames: Vec::new(),
            anchors: BTreeMap::new(),
            values: 0,
            root: None,
            diagnostics: Vec::new(),
        }
    }

    /// Takes every event. An error ends the reading.
    fn run(&mut self) -> Result<(), Diagnostic> {
        let mut documents = 0;
        while let Some(next) = self.parser.next_event() {
            let (event, span) = next.map_err(|error| self.syntax(&error))?;
            match event {
                Event::DocumentStart(_) => documents += 1,
                Event::StreamEnd => break,
                Event::Nothing | Event::StreamStart | Event::DocumentEnd => {}
                _ if documents > 1 => {
                    let (message, remedy) =
                        ("a second document starts here", "put every pipeline into a file of its own");
                    return Err(self.problem(codes::SEVERAL_DOCUMENTS, message, remedy, span));
                }
                event => self.take(event, span)?,
            }
        }
        Ok(())
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Diagnostic> {
        match event {
            Event::SequenceStart(anchor, tag) => {
                self.refuse_tag(tag.is_some(), span);
                self.open(anchor, Content::List(Vec::new()), span)
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_tag(tag.is_some(), span);
                self.open(anchor, Content::Map(Vec::new(), None), span)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                self.close();
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(tag.is_some(), span);
                let node = self.scalar(&text, style, span);
                self.counted(1, span)?;
                self.anchor(anchor, &node);
                self.add(node, style == ScalarStyle::Plain && text == "<<");
                Ok(())
            }
            Event::Alias(anchor) => self.alias(anchor, span),
            _ => Ok(()),
        }
    }

    fn open(&mut self, anchor: usize, content: Content, span: Span) -> Result<(), Diagnostic> {
        self.counted(1, span)?;
        if self.frames.len() >= MAX_DEPTH {
            let message = format!("values are nested more than {MAX_DEPTH} levels deep");
            return Err(self.problem(codes::TOO_DEEP, message, "flatten the value", span));
        }
        let place = self.place(Span::empty(span.start));
        self.frames.push(Frame { anchor, place, content });
        Ok(())
    }

    fn close(&mut self) {
        let Some(frame) = self.frames.pop() else { return };
        let value = match frame.content {
            Content::List(items) => Value::List(items),
            Content::Map(entries, _) => Value::Map(entries),
        };
        let node = Node { value, place: frame.place };
        self.anchor(frame.anchor, &node);
        self.add(node, false);
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, span: Span) -> Node {
        let place = self.place(span);
        let value = match style {
            ScalarStyle::Plain => resolve(text).unwrap_or_else(|NotANumber| {
                let message = format!("`{text}` is a number that cannot be held");
                let remedy = "use a finite number of at most 64 bits, or quote the text";
                self.diagnostics
                    .push(Diagnostic::error(codes::YAML_FEATURE, message, remedy).at(place.clone()));
                Value::Null
            }),
            _ => Value::Text(text.to_owned()),
        };
        Node { value, place }
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<(), Diagnostic> {
        let Some(mut node) = self.anchors.get(&anchor).cloned() else {
            let message = "the alias stands within the value that it names";
            return Err(self.problem(codes::ALIAS, message, "write the value out", span));
        };
        if self.values + node.count() > MAX_VALUES || self.frames.len() + node.height() > MAX_DEPTH {
            let message =
                format!("aliases make more than {MAX_VALUES} values, or more than {MAX_DEPTH} levels");
            return Err(self.problem(codes::ALIAS, message, "write the values out", span));
        }
        self.values += node.count();
        node.place = self.place(span);
        self.add(node, false);
        Ok(())
    }

    fn anchor(&mut self, anchor: usize, node: &Node) {
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
    }

    fn counted(&mut self, more: usize, span: Span) -> Result<(), Diagnostic> {
        self.values += more;
        if self.values > MAX_VALUES {
            let message = format!("the file has more than {MAX_VALUES} values");
            return Err(self.problem(codes::TOO_LARGE, message, "split the pipeline", span));
        }
        Ok(())
    }

    /// Puts a complete value where it belongs: a list, a key or a value of a map, or the root.
    fn add(&mut self, node: Node, merge: bool) {
        let Some(frame) = self.frames.last_mut() else {
            self.root = Some(node);
            return;
        };
        match &mut frame.content {
            Content::List(items) => items.push(node),
            Content::Map(entries, waiting) => match waiting.take() {
                Some(Some((key, at))) => entries.push(Entry { key, at, value: node }),
                Some(None) => {}
                None => *waiting = Some(key(node, merge, entries, &mut self.diagnostics)),
            },
        }
    }

    fn refuse_tag(&mut self, tagged: bool, span: Span) {
        if tagged {
            let problem =
                self.problem(codes::YAML_FEATURE, "a tag has no meaning here", "remove the tag", span);
            self.diagnostics.push(problem);
        }
    }

    fn syntax(&mut self, error: &ScanError) -> Diagnostic {
        let at = self.byte(error.marker().index());
        let place = self.text.place(at, at);
        let first = self.text.text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let indent = self.text.text[first..].split(|c: char| !c.is_whitespace() || c == '\n').next();
        if let Some(tab) = indent.and_then(|indent| indent.find('\t')) {
            let place = self.text.place(first + tab, first + tab + 1);
            let remedy = "indent with spaces";
            return Diagnostic::error(codes::TAB, "a tab indents this line", remedy).at(place);
        }
        let message: String = error.info().chars().take(200).collect();
        Diagnostic::error(codes::YAML_SYNTAX, message, "mend the syntax here or just before").at(place)
    }

    fn problem(&mut self, code: Code, message: impl Into<String>, remedy: &str, span: Span) -> Diagnostic {
        Diagnostic::error(code, message, remedy).at(self.place(span))
    }

    /// The place of a span. Line and column are the parser's own, because counting them again would take long in a
    /// file of one line.
    fn place(&mut self, span: Span) -> Place {
        let (start, end) = (self.byte(span.start.index()), self.byte(span.end.index()));
        Place {
            file: self.text.file.clone(),
            line: span.start.line() as u32,
            column: span.start.col() as u32 + 1,
            offset: start as u32,
            length: end.saturating_sub(start) as u32,
        }
    }

    /// The byte offset of a character. Asked in rising order but for a few steps back, so it goes on from the last.
    fn byte(&mut self, character: usize) -> usize {
        let (chars, bytes) = self.cursor;
        let text = &self.text.text;
        let (steps, moved) = match character.checked_sub(chars) {
            Some(ahead) => {
                let walk = text[bytes..].chars().take(ahead);
                walk.fold((chars, bytes), |(chars, bytes), c| (chars + 1, bytes + c.len_utf8()))
            }
            None => {
                let walk = text[..bytes].chars().rev().take(chars - character);
                walk.fold((chars, bytes), |(chars, bytes), c| (chars - 1, bytes - c.len_utf8()))
            }
        };
        self.cursor = (steps, moved);
        moved
    }
}

/// Checks a key; `None` if it is refused, with its problem told.
fn key(
    node: Node,
    merge: bool,
    entries: &[Entry],
    problems: &mut Vec<Diagnostic>,
) -> Option<(String, Place)> {
    let at = node.place.clone();
    let mut refuse = |code, message: String, remedy: &str| {
        problems.push(Diagnostic::error(code, message, remedy).at(at.clone()));
        None
    };
    let text = match node.value {
        _ if merge => {
            return refuse(
                codes::ALIAS,
                "`<<` merges are not part of YAML 1.2".into(),
                "write the entries out",
            );
        }
        Value::Text(text) => text,
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::List(_) | Value::Map(_) => {
            let message = format!("a key is text, but this is {}", node.kind());
            return refuse(codes::YAML_FEATURE, message, "write the key as text");
        }
    };
    if let Some(first) = entries.iter().find(|entry| entry.key == text) {
        let message = format!("the key `{text}` is written twice, first in line {}", first.at.line);
        return refuse(codes::DUPLICATE_KEY, message, "remove or rename one of the two");
    }
    Some((text, node.place))
}
