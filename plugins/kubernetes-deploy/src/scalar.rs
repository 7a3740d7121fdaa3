//! What a plain scalar means to `kubectl`: YAML 1.1 as far as both versions agree with it.

use serde_json::{Number, Value};

/// The value of a plain scalar.
///
/// # Errors
/// What the two versions of YAML read differently, and numbers that JSON cannot hold; the text says what to write.
pub(crate) fn resolve(text: &str) -> Result<Value, String> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "true" | "True" | "TRUE" => return Ok(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Value::Bool(false)),
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => return Err(ambiguous(text, "true")),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => return Err(ambiguous(text, "false")),
        _ if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") => {
            return Err(format!("`{text}` is no number of JSON: put it into quotation marks if it is text"));
        }
        _ => {}
    }
    match number(text, unsigned) {
        Some(number) => number.ok_or_else(|| format!("`{text}` is a number that cannot be held")),
        None => Ok(Value::from(text)),
    }
}

fn ambiguous(text: &str, value: &str) -> String {
    format!(
        "`{text}` is {value} to kubectl and text in YAML 1.2: write {value}, or put it into quotation marks"
    )
}

/// A number, or one that cannot be held; none for text.
fn number(text: &str, unsigned: &str) -> Option<Option<Value>> {
    let negative = text.starts_with('-');
    let based = [("0x", 16), ("0o", 8), ("0b", 2)];
    let based = based.iter().find_map(|(prefix, radix)| Some((unsigned.strip_prefix(prefix)?, *radix)));
    // `0644`: what file modes look like.
    let octal = unsigned.strip_prefix('0').filter(|rest| !rest.is_empty()).map(|rest| (rest, 8));
    if let Some((digits, radix)) = based.or(octal)
        && !digits.is_empty()
        && digits.chars().all(|c| c.is_digit(radix))
    {
        let magnitude = i64::from_str_radix(digits, radix).ok();
        return Some(magnitude.map(|magnitude| Value::from(if negative { -magnitude } else { magnitude })));
    }
    let first = unsigned.bytes().next()?;
    if !(first.is_ascii_digit() || first == b'.') {
        return None;
    }
    if unsigned.bytes().all(|b| b.is_ascii_digit()) {
        let text = text.strip_prefix('+').unwrap_or(text);
        let whole = text.parse::<i64>().map(Number::from).or_else(|_| text.parse::<u64>().map(Number::from));
        return Some(whole.ok().map(Value::Number));
    }
    let numeric = unsigned.bytes().all(|b| b.is_ascii_digit() || b".eE+-".contains(&b));
    if !numeric || !unsigned.bytes().any(|b| b.is_ascii_digit()) {
        return None;
    }
    let float = text.parse::<f64>().ok()?;
    Some(Number::from_f64(float).map(Value::Number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn scalars_are_what_kubectl_reads() {
        let table = [
            ("", json!(null)),
            ("~", json!(null)),
            ("True", json!(true)),
            ("12", json!(12)),
            ("-3", json!(-3)),
            ("0644", json!(420)),
            ("0o644", json!(420)),
            ("-0x10", json!(-16)),
            ("1.5", json!(1.5)),
            ("1e3", json!(1000.0)),
            ("0", json!(0)),
            ("08", json!(8)),
            ("1.2.3", json!("1.2.3")),
            ("100m", json!("100m")),
            ("1Gi", json!("1Gi")),
            ("2020-01-01", json!("2020-01-01")),
            (".", json!(".")),
            ("-", json!("-")),
            ("e3", json!("e3")),
            ("a b", json!("a b")),
        ];
        for (text, value) in table {
            assert_eq!(resolve(text), Ok(value), "{text}");
        }
        for text in ["yes", "No", "on", "y", ".inf", "99999999999999999999"] {
            assert!(resolve(text).is_err(), "{text}");
        }
    }
}
