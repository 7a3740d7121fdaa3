//! A configuration against the schema of its plugin, with holes or whole.

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

/// The schema of a configuration, compiled once.
pub(super) struct Schema<'s> {
    schema: &'s Json,
    validator: Option<Validator>,
}

impl<'s> Schema<'s> {
    /// The manifest's reader has compiled it before, so it compiles.
    pub(super) fn new(schema: &'s Json) -> Self {
        Self { schema, validator: crate::manifest::compile(schema).ok() }
    }

    /// Every misfit of a value. What stands at or below one of the `holes` is not judged, and neither is what a hole
    /// above it could change.
    pub(super) fn misfits(&self, value: &Json, holes: &[&str]) -> Vec<Misfit> {
        let mut found = Vec::new();
        for error in self.validator.iter().flat_map(|validator| validator.iter_errors(value)) {
            let at = error.instance_path().to_string();
            if !hidden(&at, &error, holes) {
                found.extend(told(self.schema, &at, &error));
            }
        }
        found
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

fn told(schema: &Json, at: &str, error: &ValidationError<'_>) -> Vec<Misfit> {
    let misfit = |message: String, remedy: String| {
        vec![Misfit { pointer: at.to_owned(), of_key: false, message, remedy }]
    };
    let name = at.rsplit('/').next().unwrap_or_default();
    let shown = if at.is_empty() { "`with`".to_owned() } else { format!("`{name}`") };
    match error.kind() {
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            unexpected.iter().map(|key| unknown(schema, at, key)).collect()
        }
        Kind::Required { property } => {
            let property = property.as_str().unwrap_or_default();
            misfit(format!("{shown} lacks `{property}`"), format!("add `{property}`"))
        }
        Kind::Type { .. } => {
            let expected = schema_at(schema, at).and_then(|inside| inside.get("type")).map(types);
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
            let message = format!("{shown} has none of the forms that the plugin takes, or several at once");
            misfit(message, "`stageway plugin inspect` prints the schema".to_owned())
        }
        _ => misfit(cut(&error.to_string()), "`stageway plugin inspect` prints the schema".to_owned()),
    }
}

fn unknown(schema: &Json, at: &str, key: &str) -> Misfit {
    let known = schema_at(schema, at).and_then(|inside| inside.get("properties")).and_then(Json::as_object);
    let names: Vec<&str> = known.into_iter().flat_map(|fields| fields.keys().map(String::as_str)).collect();
    let remedy = match nearest(key, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if names.is_empty() => "remove it".to_owned(),
        None => format!("the plugin takes {}", crate::document::reader::list(&names)),
    };
    let message = format!("the plugin takes no `{}` here", cut(key));
    Misfit { pointer: format!("{at}/{}", escape(key)), of_key: true, message, remedy }
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
    fn holes_are_not_judged_and_everything_else_is() {
        assert_eq!(told(json!({ "command": null }), &["/command"]), vec![]);
        assert_eq!(told(json!({ "command": [null], "prot": 1 }), &["/command/0"]).len(), 1);
        assert!(fits(&schema(), "/command/0", &Type::Text) && !fits(&schema(), "/port", &Type::Text));
        assert!(fits(&schema(), "/env/A", &Type::Any) && !fits(&schema(), "/env/A", &Type::Int));
    }
}
