//! `parameters`: what a person gives to a run.

use crate::diagnostic::{Diagnostic, codes};
use crate::document::{Node, Reader, Value};
use crate::expression::Type;
use serde::Serialize;
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// The type of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ParameterType {
    /// Text.
    String,
    /// A whole number.
    Int,
    /// A number.
    Number,
    /// True or false.
    Bool,
}

/// One parameter.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Parameter {
    /// Its type.
    #[serde(rename = "type")]
    pub of: ParameterType,
    /// Taken when none is given; without it one must be given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Json>,
    /// The only values it may have; empty takes all.
    pub choices: Vec<Json>,
    /// For people.
    pub description: String,
}

impl ParameterType {
    const WORDS: [&'static str; 4] = ["string", "int", "number", "bool"];

    fn of(word: &str) -> Self {
        match word {
            "int" => Self::Int,
            "number" => Self::Number,
            "bool" => Self::Bool,
            _ => Self::String,
        }
    }

    /// As the checker of expressions knows it.
    pub fn checked(self) -> Type {
        match self {
            Self::String => Type::Text,
            Self::Int => Type::Int,
            Self::Number => Type::Number,
            Self::Bool => Type::Bool,
        }
    }

    fn takes(self, value: &Json) -> bool {
        match self {
            Self::String => value.is_string(),
            Self::Int => value.is_i64(),
            Self::Number => value.is_number(),
            Self::Bool => value.is_boolean(),
        }
    }

    fn word(self) -> &'static str {
        Self::WORDS[self as usize]
    }

    /// A value that a person wrote at a terminal.
    fn read(self, text: &str) -> Option<Json> {
        match self {
            Self::String => Some(Json::String(text.to_owned())),
            Self::Int => text.parse::<i64>().ok().map(Json::from),
            Self::Number => serde_json::from_str::<serde_json::Number>(text).ok().map(Json::Number),
            Self::Bool => text.parse::<bool>().ok().map(Json::Bool),
        }
    }
}

impl Parameter {
    fn takes(&self, value: &Json) -> bool {
        self.of.takes(value) && (self.choices.is_empty() || self.choices.contains(value))
    }

    /// What it takes, in words.
    fn rule(&self) -> String {
        if self.choices.is_empty() {
            return format!("a value of type {}", self.of.word());
        }
        let choices: Vec<String> = self.choices.iter().map(Json::to_string).collect();
        format!("one of {}", choices.join(", "))
    }
}

/// The values of all parameters of a run: what was given, else the defaults. Texts are converted.
///
/// # Errors
/// Every parameter that is unknown, missing or of the wrong type.
pub(crate) fn resolve(
    declared: &BTreeMap<String, Parameter>,
    given: &BTreeMap<String, Json>,
) -> Result<BTreeMap<String, Json>, Vec<Diagnostic>> {
    let (mut values, mut found) = (BTreeMap::new(), Vec::new());
    let mut problem = |message: String, remedy: String| {
        found.push(Diagnostic::error(codes::BAD_PARAMETER, message, remedy));
    };
    for name in given.keys().filter(|name| !declared.contains_key(*name)) {
        let known: Vec<&str> = declared.keys().map(String::as_str).collect();
        let remedy = match crate::diagnostic::nearest(name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "give only parameters that the pipeline declares".to_owned(),
        };
        problem(format!("the pipeline has no parameter `{name}`"), remedy);
    }
    for (name, parameter) in declared {
        let value = match given.get(name) {
            Some(Json::String(text)) => parameter.of.read(text),
            Some(value) => Some(value.clone()),
            None => parameter.default.clone(),
        };
        match value {
            Some(value) if parameter.takes(&value) => {
                values.insert(name.clone(), value);
            }
            None if !given.contains_key(name) => {
                problem(format!("the parameter `{name}` is missing"), format!("give {}", parameter.rule()));
            }
            _ => problem(
                format!("the parameter `{name}` does not take this value"),
                format!("give {}", parameter.rule()),
            ),
        }
    }
    if found.is_empty() { Ok(values) } else { Err(found) }
}

pub(super) fn read(reader: &mut Reader, node: &Node) -> BTreeMap<String, Parameter> {
    let Some(map) = reader.any_map(node, &node.place) else { return BTreeMap::new() };
    let mut parameters = BTreeMap::new();
    for entry in map.entries() {
        let plain = entry.key.starts_with(|c: char| c.is_ascii_alphabetic())
            && entry.key.len() <= 63
            && entry.key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if !plain {
            let message = "a parameter has 1 to 63 letters, digits, `_` and `-`, and starts with a letter";
            reader.error(codes::BAD_NAME, &entry.at, message, "rename it");
        }
        if let Some(parameter) = parameter(reader, &entry.value, &entry.at)
            && plain
        {
            parameters.insert(entry.key.clone(), parameter);
        }
    }
    parameters
}

fn parameter(reader: &mut Reader, node: &Node, at: &crate::diagnostic::Place) -> Option<Parameter> {
    let map = reader.map(node, at, &["type", "default", "choices", "description"])?;
    let of = reader.needed(&map, "type").and_then(|node| reader.word(node, &ParameterType::WORDS));
    let of = ParameterType::of(of?);
    let typed = |reader: &mut Reader, node: &Node| {
        let value = node.to_json();
        if of.takes(&value) {
            return Some(value);
        }
        let message = format!("the parameter is of type {}, but this is {}", of.word(), node.kind());
        reader.error(codes::WRONG_TYPE, &node.place, message, format!("write a value of type {}", of.word()));
        None
    };
    let choices: Vec<Json> = match map.get("choices") {
        Some(node) => {
            let items = reader.list(node).unwrap_or_default();
            items.iter().filter_map(|item| typed(reader, item)).collect()
        }
        None => Vec::new(),
    };
    let default = map.get("default").and_then(|node| {
        let value = typed(reader, node)?;
        if !choices.is_empty() && !choices.contains(&value) {
            reader.error(
                codes::BAD_VALUE,
                &node.place,
                "the default is not one of the choices",
                "use a choice",
            );
        }
        Some(value)
    });
    let description = match map.get("description").map(|node| &node.value) {
        Some(Value::Text(text)) => text.clone(),
        _ => String::new(),
    };
    Some(Parameter { of, default, choices, description })
}
