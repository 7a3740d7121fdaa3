//! The schemas of a manifest: 2020-12, nothing fetched, patterns in linear time.

use super::parse::Faults;
use crate::diagnostic::codes;
use crate::document::{escape, reader::cut};
use jsonschema::{PatternOptions, Validator};
use serde_json::{Value as Json, json};

/// A compiled pattern has at most this many bytes.
const MAX_PATTERN: usize = 1 << 20;

/// A validator that fetches nothing and matches in linear time.
///
/// # Errors
/// What is wrong with the schema, in one line.
pub fn compile(schema: &Json) -> Result<Validator, String> {
    let patterns = PatternOptions::regex().size_limit(MAX_PATTERN).dfa_size_limit(MAX_PATTERN);
    jsonschema::draft202012::options()
        .offline()
        .with_pattern_options(patterns)
        .should_validate_formats(false)
        .build(schema)
        .map_err(|error| cut(&error.to_string()))
}

/// Tells what is wrong with a schema that stands at `pointer`.
pub(super) fn check(faults: &mut Faults, pointer: &str, schema: &Json) {
    let before = faults.0.len();
    walk(faults, pointer, schema);
    let meta = jsonschema::draft202012::meta::validator();
    for error in meta.iter_errors(schema) {
        let at = format!("{pointer}{}", error.instance_path());
        let message = format!("this is not JSON Schema: {}", cut(&error.to_string()));
        faults.tell(codes::SCHEMA_INVALID, &at, message, "mend the schema");
    }
    if faults.0.len() == before
        && let Err(message) = compile(schema)
    {
        faults.tell(codes::SCHEMA_INVALID, pointer, message, "mend the schema");
    }
    if schema.get("type") != Some(&json!("object")) && faults.0.len() == before {
        let code = if pointer == "/outputs" { codes::OUTPUTS_SCHEMA } else { codes::SCHEMA_INVALID };
        faults.tell(code, pointer, "the schema does not say `type: object`", "say so");
    }
}

/// References that leave the manifest, other dialects, and patterns.
fn walk(faults: &mut Faults, pointer: &str, value: &Json) {
    match value {
        Json::Object(fields) => {
            for (name, inside) in fields {
                let at = format!("{pointer}/{}", escape(name));
                match (name.as_str(), inside) {
                    ("$ref" | "$dynamicRef", Json::String(target)) if !target.starts_with('#') => {
                        let message = format!("`{}` lies outside of the manifest", cut(target));
                        faults.tell(codes::SCHEMA_REMOTE, &at, message, "copy what is meant into `$defs`");
                    }
                    ("$schema", Json::String(dialect)) if !dialect.contains("/draft/2020-12/") => {
                        let message = format!("`{}` is another dialect", cut(dialect));
                        faults.tell(codes::SCHEMA_INVALID, &at, message, "use JSON Schema 2020-12");
                    }
                    ("pattern", Json::String(pattern)) => check_pattern(faults, &at, pattern),
                    ("patternProperties", Json::Object(patterns)) => {
                        for pattern in patterns.keys() {
                            check_pattern(faults, &at, pattern);
                        }
                        walk(faults, &at, inside);
                    }
                    // What stands here is data, not a schema.
                    ("const" | "enum" | "default" | "examples", _) => {}
                    _ => walk(faults, &at, inside),
                }
            }
        }
        Json::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                walk(faults, &format!("{pointer}/{index}"), item);
            }
        }
        _ => {}
    }
}

fn check_pattern(faults: &mut Faults, pointer: &str, pattern: &str) {
    if compile(&json!({ "pattern": pattern })).is_err() {
        let message =
            format!("the pattern `{}` does not compile to one that is matched in linear time", cut(pattern));
        let remedy = "rewrite it without look-around and back-references, and with smaller repetitions";
        faults.tell(codes::SCHEMA_PATTERN, pointer, message, remedy);
    }
}

/// Outputs are read by name.
pub(super) fn check_outputs(faults: &mut Faults, schema: &Json) {
    if schema.get("properties").is_none_or(|properties| !properties.is_object())
        && schema.get("type") == Some(&json!("object"))
    {
        let message = "the outputs have no `properties`";
        faults.tell(codes::OUTPUTS_SCHEMA, "/outputs", message, "declare every output under `properties`");
    }
}
