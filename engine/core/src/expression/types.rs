//! The types that the checker knows: those of JSON, and what may be absent.

use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::fmt;

/// References within a schema are followed this often.
const MAX_REFERENCES: usize = 16;

/// What is known about a value before it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    /// Nothing is known.
    Any,
    /// Null.
    Null,
    /// True or false.
    Bool,
    /// A whole number of 64 bits.
    Int,
    /// A fraction.
    Double,
    /// A whole number or a fraction: JSON does not tell.
    Number,
    /// Text.
    Text,
    /// A list of one type.
    List(Box<Type>),
    /// A map from text to one type.
    Map(Box<Type>),
    /// A map with known fields.
    Object(Object),
    /// A value that may be absent, asked for with `.?`.
    Optional(Box<Type>),
}

/// A map with known fields.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Object {
    /// By name.
    pub fields: BTreeMap<String, Type>,
    /// Others may be there too.
    pub open: bool,
}

impl Type {
    /// The type of a constant.
    pub fn of_value(value: &Json) -> Self {
        match value {
            Json::Null => Self::Null,
            Json::Bool(_) => Self::Bool,
            Json::Number(number) if number.is_f64() => Self::Double,
            Json::Number(_) => Self::Int,
            Json::String(_) => Self::Text,
            Json::Array(items) => Self::List(Box::new(Self::common(items.iter().map(Self::of_value)))),
            Json::Object(fields) => {
                let fields = fields.iter().map(|(name, value)| (name.clone(), Self::of_value(value)));
                Self::Object(Object { fields: fields.collect(), open: false })
            }
        }
    }

    /// The type that a JSON Schema describes; `Any` where it says too much or too little.
    pub fn of_schema(schema: &Json) -> Self {
        Self::within(schema, schema, MAX_REFERENCES)
    }

    fn within(schema: &Json, root: &Json, references: usize) -> Self {
        if let Some(target) = schema.get("$ref").and_then(Json::as_str) {
            let found = target.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
            return match (found, references) {
                (Some(found), 1..) => Self::within(found, root, references - 1),
                _ => Self::Any,
            };
        }
        match schema.get("type").and_then(Json::as_str) {
            Some("null") => Self::Null,
            Some("boolean") => Self::Bool,
            Some("integer") => Self::Int,
            Some("number") => Self::Number,
            Some("string") => Self::Text,
            Some("array") => {
                let items =
                    schema.get("items").map_or(Self::Any, |items| Self::within(items, root, references));
                Self::List(Box::new(items))
            }
            Some("object") => Self::object(schema, root, references),
            _ => match schema.get("const") {
                Some(value) => Self::of_value(value),
                None => Self::Any,
            },
        }
    }

    fn object(schema: &Json, root: &Json, references: usize) -> Self {
        let additional = schema.get("additionalProperties");
        let open = additional != Some(&Json::Bool(false));
        let properties = schema.get("properties").and_then(Json::as_object);
        match (properties, additional) {
            (None, Some(Json::Object(_))) => {
                let inside = additional.map_or(Self::Any, |inside| Self::within(inside, root, references));
                Self::Map(Box::new(inside))
            }
            _ => {
                let fields = properties.into_iter().flatten();
                let typed =
                    fields.map(|(name, inside)| (name.clone(), Self::within(inside, root, references)));
                Self::Object(Object { fields: typed.collect(), open })
            }
        }
    }

    /// One type for several.
    pub fn common(types: impl IntoIterator<Item = Self>) -> Self {
        let mut types = types.into_iter();
        let Some(first) = types.next() else { return Self::Any };
        types.fold(first, |common, next| match common == next {
            true => common,
            false if common.is_number() && next.is_number() => Self::Number,
            false => Self::Any,
        })
    }

    /// Whether it is certainly a number.
    pub fn is_number(&self) -> bool {
        matches!(self, Self::Int | Self::Double | Self::Number)
    }

    /// Whether a value of this type can equal one of the other.
    pub fn may_equal(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any | Self::Null, _) | (_, Self::Any | Self::Null) => true,
            (Self::List(a), Self::List(b)) => a.may_equal(b),
            (Self::Map(_) | Self::Object(_), Self::Map(_) | Self::Object(_)) => true,
            (Self::Optional(a), Self::Optional(b)) => a.may_equal(b),
            _ => self == other || self.is_number() && other.is_number(),
        }
    }

    /// Whether a value of this type can satisfy a JSON Schema's `type`; unknown parts count as yes.
    pub fn may_satisfy(&self, schema: &Json) -> bool {
        let named = |name: &str| match self {
            Self::Any | Self::Optional(_) => true,
            Self::Null => name == "null",
            Self::Bool => name == "boolean",
            Self::Int => matches!(name, "integer" | "number"),
            // A JSON number without a fraction is an integer for a schema.
            Self::Double | Self::Number => matches!(name, "integer" | "number"),
            Self::Text => name == "string",
            Self::List(_) => name == "array",
            Self::Map(_) | Self::Object(_) => name == "object",
        };
        match schema.get("type") {
            Some(Json::String(name)) => named(name),
            Some(Json::Array(names)) => names.iter().filter_map(Json::as_str).any(named),
            _ => true,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Null => f.write_str("null"),
            Self::Bool => f.write_str("bool"),
            Self::Int => f.write_str("int"),
            Self::Double => f.write_str("double"),
            Self::Number => f.write_str("number"),
            Self::Text => f.write_str("string"),
            Self::List(item) => write!(f, "list({item})"),
            Self::Map(value) => write!(f, "map(string, {value})"),
            Self::Object(_) => f.write_str("object"),
            Self::Optional(inside) => write!(f, "optional({inside})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn schemas_become_types() {
        let shown = |schema: Json| Type::of_schema(&schema).to_string();
        assert_eq!(shown(json!({"type": "string"})), "string");
        assert_eq!(shown(json!({"type": "array", "items": {"type": "integer"}})), "list(int)");
        assert_eq!(shown(json!({"$ref": "#/$defs/a", "$defs": {"a": {"type": "number"}}})), "number");
        assert_eq!(shown(json!({"$ref": "#", "type": "string"})), "any");
        assert_eq!(
            shown(json!({"type": "object", "additionalProperties": {"type": "string"}})),
            "map(string, string)"
        );
        assert_eq!(shown(json!(true)), "any");
    }

    #[test]
    fn what_can_satisfy_a_schema() {
        assert!(Type::Int.may_satisfy(&json!({"type": "number"})) && Type::Text.may_satisfy(&json!(true)));
        assert!(!Type::Text.may_satisfy(&json!({"type": "integer"})));
        assert!(Type::Null.may_satisfy(&json!({"type": ["string", "null"]})));
    }
}
