//! Filling the expressions of a configuration: all of them, or those that are known before anything has run.

use super::evaluate;
use super::parse::{Expression, Fault};
use super::scope::Scope;
use super::template::{Part, Template};
use crate::diagnostic::codes;
use crate::document::reader::below;
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// A configuration, as far as it is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Filled {
    /// With null where a hole is.
    pub value: Json,
    /// What is not known yet: the text with its expressions, by JSON pointer.
    pub holes: BTreeMap<String, String>,
    /// What failed, by JSON pointer. The source of each is the expression's.
    pub faults: Vec<(String, Fault)>,
}

/// Which expressions are filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fill {
    /// Those that mention no stage; the others become holes.
    Known,
    /// All.
    All,
}

/// Fills a configuration.
pub fn fill(value: &Json, scope: &Scope, what: Fill) -> Filled {
    let mut filler = Filler { scope, what, holes: BTreeMap::new(), faults: Vec::new() };
    let value = filler.value("", value);
    Filled { value, holes: filler.holes, faults: filler.faults }
}

/// A configuration in which every text with an expression is a hole.
pub fn holes(value: &Json) -> Filled {
    let mut holes = BTreeMap::new();
    let value = hollow("", value, &mut holes);
    Filled { value, holes, faults: Vec::new() }
}

fn hollow(pointer: &str, value: &Json, holes: &mut BTreeMap<String, String>) -> Json {
    match value {
        Json::String(text) if Template::is_in(text) => {
            holes.insert(pointer.to_owned(), text.clone());
            Json::Null
        }
        Json::Array(items) => {
            let each = items.iter().enumerate();
            Json::Array(
                each.map(|(index, item)| hollow(&format!("{pointer}/{index}"), item, holes)).collect(),
            )
        }
        Json::Object(fields) => {
            let each = fields.iter();
            Json::Object(
                each.map(|(name, item)| (name.clone(), hollow(&below(pointer, name), item, holes))).collect(),
            )
        }
        other => other.clone(),
    }
}

/// Fills one text, whose value must be text.
///
/// # Errors
/// Every expression that fails.
pub fn fill_text(text: &str, scope: &Scope) -> Result<String, Vec<Fault>> {
    let filled = fill(&Json::String(text.to_owned()), scope, Fill::All);
    if !filled.faults.is_empty() {
        return Err(filled.faults.into_iter().map(|(_, fault)| fault).collect());
    }
    plain(&filled.value).ok_or_else(|| {
        let message = "the value is not text, a whole number or a bool";
        vec![Fault::new(codes::NOT_A_TEXT_PART, 0..text.len(), message, "convert it with `string()`")]
    })
}

struct Filler<'s> {
    scope: &'s Scope,
    what: Fill,
    holes: BTreeMap<String, String>,
    faults: Vec<(String, Fault)>,
}

impl Filler<'_> {
    fn value(&mut self, pointer: &str, value: &Json) -> Json {
        match value {
            Json::String(text) if Template::is_in(text) => self.text(pointer, text),
            Json::Array(items) => {
                let each = items.iter().enumerate();
                Json::Array(
                    each.map(|(index, item)| self.value(&format!("{pointer}/{index}"), item)).collect(),
                )
            }
            Json::Object(fields) => {
                let each = fields.iter();
                Json::Object(
                    each.map(|(name, item)| (name.clone(), self.value(&below(pointer, name), item)))
                        .collect(),
                )
            }
            other => other.clone(),
        }
    }

    fn text(&mut self, pointer: &str, text: &str) -> Json {
        let Ok(template) = Template::parse(text) else {
            let fault = Fault::new(codes::UNCLOSED_TEMPLATE, 0..text.len(), "`${{` has no end", "add `}}`");
            self.faults.push((pointer.to_owned(), fault));
            return Json::Null;
        };
        let mut expressions = Vec::new();
        for (source, _) in template.expressions() {
            match Expression::parse(source) {
                Ok(expression) => expressions.push(expression),
                Err(fault) => self.faults.push((pointer.to_owned(), fault)),
            }
        }
        if self.what == Fill::Known && expressions.iter().any(Expression::reads_stages) {
            self.holes.insert(pointer.to_owned(), text.to_owned());
            return Json::Null;
        }
        let mut values = Vec::new();
        for expression in &expressions {
            match evaluate(expression, self.scope) {
                Ok(Json::Null) => {
                    let whole = 0..expression.source().len();
                    let fault =
                        Fault::new(codes::NULL_VALUE, whole, "the expression gives null", "give a value");
                    self.faults.push((pointer.to_owned(), fault));
                }
                Ok(value) => values.push(value),
                Err(fault) => self.faults.push((pointer.to_owned(), fault)),
            }
        }
        if values.len() != template.expressions().count() {
            return Json::Null;
        }
        if template.single().is_some() {
            return values.pop().unwrap_or(Json::Null);
        }
        self.joined(pointer, &template, values)
    }

    fn joined(&mut self, pointer: &str, template: &Template, values: Vec<Json>) -> Json {
        let mut values = values.into_iter();
        let mut text = String::new();
        for part in &template.parts {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Expression { source, .. } => match values.next().as_ref().and_then(plain) {
                    Some(value) => text.push_str(&value),
                    None => {
                        let message = "the value is not text, a whole number or a bool";
                        let remedy = "let the expression stand alone, or make text of it";
                        let fault = Fault::new(codes::NOT_A_TEXT_PART, 0..source.len(), message, remedy);
                        self.faults.push((pointer.to_owned(), fault));
                    }
                },
            }
        }
        Json::String(text)
    }
}

/// The text of a value that can be a part of text.
fn plain(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Bool(value) => Some(value.to_string()),
        Json::Number(number) if !number.is_f64() => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, Trust};
    use serde_json::json;

    fn scope() -> Scope {
        let vars = BTreeMap::from([("n".to_owned(), json!(3)), ("list".to_owned(), json!([1]))]);
        Scope::new(&Event::push("main", "abc", Trust::Protected), &vars, &BTreeMap::new())
    }

    #[test]
    fn a_single_expression_keeps_its_type_and_parts_are_joined() {
        let value = json!({
            "whole": "${{ vars.n }}", "list": "${{ vars.list }}", "text": "v${{ vars.n }}-${{ event.branch }}-${{ true }}",
            "escaped": "$${{ vars.n }}", "plain": [1, null],
        });
        let filled = fill(&value, &scope(), Fill::All);
        let expected = json!({
            "whole": 3, "list": [1], "text": "v3-main-true", "escaped": "${{ vars.n }}", "plain": [1, null],
        });
        assert_eq!((filled.value, filled.faults), (expected, vec![]));
    }

    #[test]
    fn what_a_stage_decides_is_a_hole() {
        let value = json!({ "a": ["${{ stages.x.outputs.y }}", "${{ vars.n }}"], "b/c": "${{ stages.x.outputs.y }}" });
        let filled = fill(&value, &scope(), Fill::Known);
        assert_eq!(filled.value, json!({ "a": [null, 3], "b/c": null }));
        assert_eq!(filled.holes.keys().collect::<Vec<_>>(), ["/a/0", "/b~1c"]);
    }

    #[test]
    fn null_fractions_and_lists_are_no_parts() {
        for (text, code) in [
            ("${{ null }}", codes::NULL_VALUE),
            ("a${{ vars.list }}", codes::NOT_A_TEXT_PART),
            ("a${{ 1.5 }}", codes::NOT_A_TEXT_PART),
            ("${{ event.target }}", codes::EVALUATION_FAILED),
            ("${{ 1", codes::UNCLOSED_TEMPLATE),
        ] {
            let faults = fill(&json!(text), &scope(), Fill::All).faults;
            assert_eq!(faults.iter().map(|(_, fault)| fault.code).collect::<Vec<_>>(), [code], "{text}");
        }
        assert!(fill_text("${{ vars.list }}", &scope()).is_err());
        assert_eq!(fill_text("${{ vars.n }}", &scope()).unwrap(), "3");
    }
}
