//! Definitions and plans as canonical YAML or JSON, with the defaults filled in.

use serde::Serialize;
use serde_json::Value as Json;
use std::fmt::Write;

/// As JSON with sorted keys and two spaces of indentation.
///
/// # Panics
/// Never for the types of this crate: their keys are text.
pub fn to_json<T: Serialize>(value: &T) -> String {
    let value = serde_json::to_value(value).expect("definitions and plans are plain data with text keys");
    serde_json::to_string_pretty(&value).expect("plain data with text keys")
}

/// As YAML 1.2 in block style. Texts are quoted wherever a reader could take them for something else.
///
/// # Panics
/// Never for the types of this crate: their keys are text.
pub fn to_yaml<T: Serialize>(value: &T) -> String {
    let value = serde_json::to_value(value).expect("definitions and plans are plain data with text keys");
    let mut text = String::new();
    block(&mut text, &value, 0);
    text
}

/// Writes a value that starts at the beginning of a line.
fn block(out: &mut String, value: &Json, depth: usize) {
    let indent = "  ".repeat(depth);
    match value {
        Json::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                out.push_str(&indent);
                entry(out, &format!("{}:", scalar(name)), value, depth);
            }
        }
        Json::Array(items) if !items.is_empty() => {
            for item in items {
                out.push_str(&indent);
                entry(out, "-", item, depth);
            }
        }
        plain => {
            // Writing to a text does not fail.
            let _ = writeln!(out, "{indent}{}", flow(plain));
        }
    }
}

/// Writes what stands after a key or a dash.
fn entry(out: &mut String, head: &str, value: &Json, depth: usize) {
    let nested = match value {
        Json::Object(fields) => !fields.is_empty(),
        Json::Array(items) => !items.is_empty(),
        _ => false,
    };
    out.push_str(head);
    if nested {
        out.push('\n');
        block(out, value, depth + 1);
    } else {
        let _ = writeln!(out, " {}", flow(value));
    }
}

fn flow(value: &Json) -> String {
    match value {
        Json::String(text) => scalar(text),
        Json::Array(_) => "[]".to_owned(),
        Json::Object(_) => "{}".to_owned(),
        other => other.to_string(),
    }
}

/// A text as a scalar: plain if it is a simple word that means nothing else, else in double quotes, as JSON has it.
fn scalar(text: &str) -> String {
    let simple = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '.' || c == '/')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./@".contains(&b));
    let lower = text.to_ascii_lowercase();
    let means = ["null", "true", "false", "yes", "no", "on", "off", "y", "n", ".inf", ".nan", "."];
    if simple && !means.contains(&lower.as_str()) {
        return text.to_owned();
    }
    Json::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::load;
    use proptest::prelude::*;
    use serde_json::json;

    fn back(yaml: &str) -> Json {
        load("x", yaml.as_bytes()).document.unwrap().0.to_json()
    }

    #[test]
    fn it_reads_like_yaml() {
        let value = json!({ "a": { "b": [1, "x", { "c": [] }], "d": {} }, "e": "no", "f": "a: b\n" });
        let expected = "a:\n  b:\n    - 1\n    - x\n    -\n      c: []\n  d: {}\ne: \"no\"\nf: \"a: b\\n\"\n";
        assert_eq!(to_yaml(&value), expected);
        assert_eq!(back(&to_yaml(&value)), value);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn whatever_text_comes_back(key in "\\PC{0,12}", text in any::<String>()) {
            let value = json!({ key: [text] });
            prop_assert_eq!(back(&to_yaml(&value)), value);
        }
    }
}
