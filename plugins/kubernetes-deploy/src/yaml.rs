//! Documents of YAML as JSON, read as `kubectl` reads them and with every problem in its line.
//!
//! Where YAML 1.1, which `kubectl` reads, and YAML 1.2 disagree about a value, the file is refused rather than guessed at.

use crate::scalar;
use saphyr_parser::{Event, Parser, ScalarStyle, Span};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Levels of a document, and values of a file, aliases followed.
const MAX_DEPTH: usize = 64;
const MAX_VALUES: usize = 200_000;

/// One document, and the line in which it begins.
#[derive(Debug, PartialEq)]
pub(crate) struct Document {
    pub(crate) line: usize,
    pub(crate) value: Value,
}

/// A line and what is wrong there.
pub(crate) type Problem = (usize, String);

/// Reads all documents of a file; `fill` puts values into its texts. Empty documents are left out.
pub(crate) fn read(
    text: &str,
    fill: &dyn Fn(&str) -> Result<Value, String>,
) -> (Vec<Document>, Vec<Problem>) {
    let mut reader = Reader {
        fill,
        frames: Vec::new(),
        anchors: BTreeMap::new(),
        values: 0,
        root: None,
        documents: Vec::new(),
        problems: Vec::new(),
    };
    for next in Parser::new_from_str(text.strip_prefix('\u{feff}').unwrap_or(text)) {
        let taken = match next {
            Ok((event, span)) => reader.take(event, span),
            Err(error) => Err((error.marker().line(), format!("{:.200}", error.info()))),
        };
        if let Err(problem) = taken {
            reader.problems.push(problem);
            break;
        }
    }
    (reader.documents, reader.problems)
}

struct Frame {
    anchor: usize,
    line: usize,
    content: Content,
}

enum Content {
    List(Vec<Value>),
    /// Entries, and the key whose value comes next: `Some(None)` is a key that was refused.
    Map(Map<String, Value>, Option<Option<String>>),
}

struct Reader<'f> {
    fill: &'f dyn Fn(&str) -> Result<Value, String>,
    frames: Vec<Frame>,
    /// A value with how many values it holds.
    anchors: BTreeMap<usize, (Value, usize)>,
    values: usize,
    root: Option<Document>,
    documents: Vec<Document>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Problem> {
        let line = span.start.line();
        match event {
            Event::DocumentStart(_) => self.anchors.clear(),
            Event::DocumentEnd => {
                self.documents.extend(self.root.take().filter(|document| !document.value.is_null()));
            }
            Event::SequenceStart(anchor, tag) => {
                self.no_tag(tag.is_some(), line);
                self.open(anchor, line, Content::List(Vec::new()))?;
            }
            Event::MappingStart(anchor, tag) => {
                self.no_tag(tag.is_some(), line);
                self.open(anchor, line, Content::Map(Map::new(), None))?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Scalar(text, style, anchor, tag) => {
                self.no_tag(tag.is_some(), line);
                self.count(1, line)?;
                let is_key = matches!(self.frames.last(), Some(Frame { content: Content::Map(_, None), .. }));
                let value = self.scalar(&text, style == ScalarStyle::Plain, is_key, line);
                if anchor > 0 {
                    self.anchors.insert(anchor, (value.clone(), 1));
                }
                self.add(value, line);
            }
            Event::Alias(anchor) => {
                let within = || {
                    (line, "the alias stands within the value that it names: write the value out".to_owned())
                };
                let (value, count) = self.anchors.get(&anchor).cloned().ok_or_else(within)?;
                self.count(count, line)?;
                self.add(value, line);
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd => {}
        }
        Ok(())
    }

    fn scalar(&mut self, text: &str, plain: bool, is_key: bool, line: usize) -> Value {
        let filled = if text.contains("${{") && !is_key { (self.fill)(text) } else { Ok(Value::from(text)) };
        let read = match filled {
            // What was put in keeps the type that it has.
            Ok(Value::String(same)) if plain && same == text => scalar::resolve(text),
            other => other,
        };
        read.unwrap_or_else(|problem| {
            self.problems.push((line, problem));
            // A value that harms nothing where it stands, so that the rest is looked at too.
            Value::from(text)
        })
    }

    fn open(&mut self, anchor: usize, line: usize, content: Content) -> Result<(), Problem> {
        self.count(1, line)?;
        if self.frames.len() >= MAX_DEPTH {
            return Err((line, format!("values are nested more than {MAX_DEPTH} levels deep")));
        }
        self.frames.push(Frame { anchor, line, content });
        Ok(())
    }

    fn close(&mut self) {
        let Some(Frame { anchor, line, content }) = self.frames.pop() else { return };
        let value = match content {
            Content::List(items) => Value::Array(items),
            Content::Map(entries, _) => Value::Object(entries),
        };
        if anchor > 0 {
            self.anchors.insert(anchor, (value.clone(), size(&value)));
        }
        self.add(value, line);
    }

    /// Puts a complete value where it belongs: a list, a key or a value of a map, or the document.
    fn add(&mut self, value: Value, line: usize) {
        let Some(frame) = self.frames.last_mut() else {
            self.root = Some(Document { line, value });
            return;
        };
        match &mut frame.content {
            Content::List(items) => items.push(value),
            Content::Map(entries, waiting) => match waiting.take() {
                Some(Some(key)) => {
                    entries.insert(key, value);
                }
                Some(None) => {}
                None => {
                    let key = key(value, entries);
                    *waiting = Some(key.map_err(|problem| self.problems.push((line, problem))).ok());
                }
            },
        }
    }

    fn no_tag(&mut self, tagged: bool, line: usize) {
        if tagged {
            self.problems.push((line, "a tag (`!`) has no meaning here: remove it".to_owned()));
        }
    }

    fn count(&mut self, more: usize, line: usize) -> Result<(), Problem> {
        self.values = self.values.saturating_add(more);
        if self.values > MAX_VALUES {
            return Err((
                line,
                format!("the file has more than {MAX_VALUES} values, aliases followed: split it"),
            ));
        }
        Ok(())
    }
}

fn size(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Object(entries) => 1 + entries.values().map(size).sum::<usize>(),
        _ => 1,
    }
}

fn key(value: Value, entries: &Map<String, Value>) -> Result<String, String> {
    let key = match value {
        Value::String(text) if text == "<<" => {
            return Err("`<<` merges are not taken: write the entries out".to_owned());
        }
        Value::String(text) if text.contains("${{") => {
            return Err(format!("values are not put into keys, as in `{text}`: write the key out"));
        }
        Value::String(text) => text,
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        _ => return Err("a key is text: write it as text".to_owned()),
    };
    if entries.contains_key(&key) {
        return Err(format!("the key `{key}` is written twice: remove one of the two"));
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn documents(text: &str) -> Vec<(usize, Value)> {
        let (documents, problems) = read(text, &|text| Ok(Value::from(text)));
        assert!(problems.is_empty(), "{problems:?}");
        documents.into_iter().map(|document| (document.line, document.value)).collect()
    }

    fn problems(text: &str) -> Vec<usize> {
        read(text, &|_| Err("unknown".to_owned())).1.into_iter().map(|(line, _)| line).collect()
    }

    #[test]
    fn several_documents_with_their_lines() {
        let text = "# a comment\nkind: A\n---\n---\nkind: B\nitems: &x [1, {a: b}]\nmore: *x\n";
        let b = json!({"kind": "B", "items": [1, {"a": "b"}], "more": [1, {"a": "b"}]});
        assert_eq!(documents(text), [(2, json!({"kind": "A"})), (5, b)]);
        assert_eq!(documents("{\"a\": [\"0644\", 0644]}"), [(1, json!({"a": ["0644", 420]}))]);
    }

    #[test]
    fn every_problem_has_its_line() {
        assert_eq!(problems("a: 1\na: 2\nb: yes\nc: !t x\nd:\n  ? [x]\n  : 1\n"), [2, 3, 4, 6]);
        assert_eq!(problems("a:\n  b: \"${{ values.x }}\"\n"), [2]);
        assert_eq!(problems("a: [\n"), [2]);
        assert_eq!(problems("a: &x [*x]\n"), [1]);
        let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x]\n");
        for n in 1..9 {
            let before = format!("*a{}, ", n - 1).repeat(8);
            laughs.push_str(&format!("a{n}: &a{n} [{before}]\n"));
        }
        assert_eq!(problems(&laughs).len(), 1);
    }
}
