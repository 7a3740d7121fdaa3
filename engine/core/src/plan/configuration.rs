//! A configuration against the schema of its plugin, with holes or whole; and outputs against theirs.

use crate::diagnostic::nearest;
use crate::document::{escape, reader::cut};
use crate::expression::Type;
use jsonschema::error::ValidationErrorKind as Kind;
use jsonschema::{ValidationError, Validator};
use serde_json::Value as Json;

/// One way in which a configuration does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Misfit {
    /// JSON pointer into the configuration.
    pub(super) pointer: String,
    /// The pointer names a key, not its value.
    pub(super) of_key: bool,
    pub(super) message: String,
    pub(super) remedy: String,
}

/// A schema of a plugin, compiled once.
pub(super) struct Schema<'s> {
    schema: &'s Json,
    validator: Option<Validator>,
    words: Words,
}

/// How it is spoken of.
#[derive(Clone, Copy)]
struct Words {
    /// The whole value.
    whole: &'static str,
    /// What the plugin does with its members.
    takes: &'static str,
}

impl<'s> Schema<'s> {
    /// The manifest's reader has compiled it before, so it compiles.
    pub(super) fn new(schema: &'s Json) -> Self {
        Self::read(schema, Words { whole: "`with`", takes: "takes" })
    }

    /// Of outputs.
    pub(super) fn of_outputs(schema: &'s Json) -> Self {
        Self::read(schema, Words { whole: "the object of outputs", takes: "declares" })
    }

    fn read(schema: &'s Json, words: Words) -> Self {
        Self { schema, validator: crate::manifest::compile(schema).ok(), words }
    }

    /// What is wrong with a whole value where the first fault is; nothing if it fits.
    pub(super) fn first(&self, value: &Json) -> Vec<Misfit> {
        match self.validator.as_ref().map(|validator| validator.validate(value)) {
            Some(Ok(())) => Vec::new(),
            Some(Err(error)) => self.told(&error.instance_path().to_string(), &error),
            None => {
                let message = "the schema cannot be compiled, so nothing fits it".to_owned();
                let remedy = "build the plugin again".to_owned();
                vec![Misfit { pointer: String::new(), of_key: false, message, remedy }]
            }
        }
    }

    /// Every misfit of a value. What stands at or below one of the `holes` is not judged, and neither is what a hole
    /// above it could change.
    pub(super) fn misfits(&self, value: &Json, holes: &[&str]) -> Vec<Misfit> {
        let mut found = Vec::new();
        for error in self.validator.iter().flat_map(|validator| validator.iter_errors(value)) {
            let at = error.instance_path().to_string();
            if !hidden(&at, &error, holes) {
                found.extend(self.told(&at, &error));
            }
        }
        found
    }

    fn told(&self, at: &str, error: &ValidationError<'_>) -> Vec<Misfit> {
        let misfit = |message: String, remedy: String| {
            vec![Misfit { pointer: at.to_owned(), of_key: false, message, remedy }]
        };
        let name = at.rsplit('/').next().unwrap_or_default();
        let shown = if at.is_empty() { self.words.whole.to_owned() } else { format!("`{name}`") };
        match error.kind() {
            Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
                unexpected.iter().map(|key| self.unknown(at, key)).collect()
            }
            Kind::Required { property } => {
                let property = property.as_str().unwrap_or_default();
                misfit(format!("{shown} lacks `{property}`"), format!("add `{property}`"))
            }
            Kind::Type { .. } => {
                let expected = schema_at(self.schema, at).and_then(|inside| inside.get("type")).map(types);
                let expected = expected.unwrap_or_else(|| "another type".to_owned());
                let message = format!("{shown} must be {expected}, but this is {}", kind(error.instance()));
                misfit(message, format!("write {expected}"))
            }
            Kind::Enum { options } => {
                let options: Vec<String> =
                    options.as_array().into_iter().flatten().map(Json::to_string).collect();
                let all = options.join(", ");
                misfit(format!("{shown} is not one of {all}"), "use one of them".to_owned())
            }
            Kind::AnyOf { .. } | Kind::OneOfNotValid { .. } | Kind::OneOfMultipleValid { .. } => {
                let takes = self.words.takes;
                let message =
                    format!("{shown} has none of the forms that the plugin {takes}, or several at once");
                misfit(message, "`stageway plugin inspect` prints the schema".to_owned())
            }
            _ => misfit(cut(&error.to_string()), "`stageway plugin inspect` prints the schema".to_owned()),
        }
    }

    fn unknown(&self, at: &str, key: &str) -> Misfit {
        let known =
            schema_at(self.schema, at).and_then(|inside| inside.get("properties")).and_then(Json::as_object);
        let names: Vec<&str> =
            known.into_iter().flat_map(|fields| fields.keys().map(String::as_str)).collect();
        let takes = self.words.takes;
        let remedy = match nearest(key, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if names.is_empty() => "remove it".to_owned(),
            None => format!("the plugin {takes} {}", crate::document::reader::list(&names)),
        };
        let message = format!("the plugin {takes} no `{}` here", cut(key));
        Misfit { pointer: format!("{at}/{}", escape(key)), of_key: true, message, remedy }
    }
}

/// Whether a hole explains an error.
fn hidden(at: &str, error: &ValidationError<'_>, holes: &[&str]) -> bool {
    let below =
        |a: &str, b: &str| a.strip_prefix(b).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let within = holes.iter().any(|hole| below(at, hole));
    let above = holes.iter().any(|hole| below(hole, at));
    let certain = matches!(
        error.kind(),
        Kind::AdditionalProperties { .. }
            | Kind::Required { .. }
            | Kind::Type { .. }
            | Kind::MinItems { .. }
            | Kind::MaxItems { .. }
            | Kind::MinProperties { .. }
            | Kind::MaxProperties { .. }
            | Kind::PropertyNames { .. }
            | Kind::FalseSchema
    );
    within || above && !certain
}

fn types(value: &Json) -> String {
    let name = |name: &str| match name {
        "string" => "text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "a map",
        _ => "null",
    };
    match value {
        Json::String(one) => name(one).to_owned(),
        Json::Array(several) => {
            several.iter().filter_map(Json::as_str).map(name).collect::<Vec<_>>().join(" or ")
        }
        _ => "another type".to_owned(),
    }
}

fn kind(value: &Json) -> &'static str {
    match value {
        Json::Null => "nothing",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => "text",
        Json::Array(_) => "a list",
        Json::Object(_) => "a map",
    }
}

/// The part of a schema that a pointer into an instance leads to, as far as that is plain.
pub(super) fn schema_at<'s>(schema: &'s Json, pointer: &str) -> Option<&'s Json> {
    let mut inside = follow(schema, schema)?;
    for part in pointer.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        let property = inside.get("properties").and_then(|properties| properties.get(&part));
        let next = property
            .or_else(|| inside.get("items").filter(|_| part.bytes().all(|b| b.is_ascii_digit())))
            .or_else(|| inside.get("additionalProperties"))?;
        inside = follow(schema, next)?;
    }
    Some(inside)
}

/// A schema behind its references.
fn follow<'s>(root: &'s Json, mut schema: &'s Json) -> Option<&'s Json> {
    for _ in 0..16 {
        match schema.get("$ref").and_then(Json::as_str) {
            Some(target) => schema = root.pointer(target.strip_prefix('#')?)?,
            None => return Some(schema),
        }
    }
    None
}

/// Whether a value of the type can stand at a place of the configuration; where that is not plain, yes.
pub(super) fn fits(schema: &Json, pointer: &str, of: &Type) -> bool {
    schema_at(schema, pointer).is_none_or(|inside| of.may_satisfy(inside))
}

/// What a place of the configuration takes, in words.
pub(super) fn expected(schema: &Json, pointer: &str) -> String {
    schema_at(schema, pointer)
        .and_then(|inside| inside.get("type"))
        .map_or_else(|| "another type".to_owned(), types)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn schema() -> Json {
        json!({
            "type": "object",
            "properties": {
                "command": { "type": "array", "items": { "type": "string" }, "minItems": 1 },
                "port": { "$ref": "#/$defs/port" },
                "mode": { "enum": ["a", "b"] },
                "env": { "type": "object", "additionalProperties": { "type": "string" } },
            },
            "required": ["command"], "additionalProperties": false,
            "$defs": { "port": { "type": "integer" } },
        })
    }

    fn told(value: Json, holes: &[&str]) -> Vec<(String, String)> {
        Schema::new(&schema())
            .misfits(&value, holes)
            .into_iter()
            .map(|misfit| (misfit.pointer, misfit.remedy))
            .collect()
    }

    #[test]
    fn every_misfit_is_told_with_its_place() {
        let one = |pointer: &str, remedy: &str| vec![(pointer.to_owned(), remedy.to_owned())];
        assert_eq!(told(json!({}), &[]), one("", "add `command`"));
        assert_eq!(told(json!({ "command": ["a"], "prot": 1 }), &[]), one("/prot", "did you mean `port`?"));
        assert_eq!(told(json!({ "command": ["a"], "port": "x" }), &[]), one("/port", "write a whole number"));
        assert_eq!(told(json!({ "command": [1] }), &[]), one("/command/0", "write text"));
        assert_eq!(told(json!({ "command": ["a"], "mode": "c" }), &[]), one("/mode", "use one of them"));
        assert_eq!(told(json!({ "command": [], "prot": 1 }), &[]).len(), 2);
    }

    #[test]
    fn outputs_are_judged_up_to_the_first_misfit() {
        let first = |value: Json| {
            let schema = schema();
            let found = Schema::of_outputs(&schema).first(&value).into_iter();
            found.map(|misfit| format!("{}: {}", misfit.pointer, misfit.message)).collect::<Vec<_>>()
        };
        assert!(first(json!({ "command": ["a"], "port": 1 })).is_empty());
        assert_eq!(first(json!({})), [": the object of outputs lacks `command`"]);
        assert_eq!(
            first(json!({ "command": [1, 2] })),
            ["/command/0: `0` must be text, but this is a number"]
        );
        assert_eq!(first(json!({ "command": ["a"], "x": 1 })), ["/x: the plugin declares no `x` here"]);
        assert_eq!(Schema::of_outputs(&json!({ "type": 7 })).first(&json!({})).len(), 1);
    }

    #[test]
    fn holes_are_not_judged_and_everything_else_is() {
        assert_eq!(told(json!({ "command": null }), &["/command"]), vec![]);
        assert_eq!(told(json!({ "command": [null], "prot": 1 }), &["/command/0"]).len(), 1);
        assert!(fits(&schema(), "/command/0", &Type::Text) && !fits(&schema(), "/port", &Type::Text));
        assert!(fits(&schema(), "/env/A", &Type::Any) && !fits(&schema(), "/env/A", &Type::Int));
    }
}
