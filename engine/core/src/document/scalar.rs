//! Plain scalars by the core schema of YAML 1.2: `yes`, `no`, `on` and `off` are text.

use super::Value;
use serde_json::Number;

/// A scalar that has no JSON value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotANumber;

/// What a plain scalar means.
///
/// # Errors
/// Infinite and not-a-number floats, and integers beyond 64 bits.
pub(crate) fn resolve(text: &str) -> Result<Value, NotANumber> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "true" | "True" | "TRUE" => return Ok(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Value::Bool(false)),
        _ => {}
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Err(NotANumber);
    }
    let radix = match (text.get(..2), text.get(2..)) {
        (Some("0x"), Some(digits)) => Some((digits, 16)),
        (Some("0o"), Some(digits)) => Some((digits, 8)),
        _ => None,
    };
    if let Some((digits, radix)) = radix {
        if !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix)) {
            let number = u64::from_str_radix(digits, radix).map_err(|_| NotANumber)?;
            return Ok(Value::Number(number.into()));
        }
        return Ok(Value::Text(text.to_owned()));
    }
    if !unsigned.is_empty() && unsigned.bytes().all(|b| b.is_ascii_digit()) {
        return integer(text.strip_prefix('+').unwrap_or(text));
    }
    if is_float(unsigned) {
        let number = text.parse::<f64>().ok().and_then(Number::from_f64).ok_or(NotANumber)?;
        return Ok(Value::Number(number));
    }
    Ok(Value::Text(text.to_owned()))
}

fn integer(text: &str) -> Result<Value, NotANumber> {
    let number = text.parse::<i64>().map(Number::from).or_else(|_| text.parse::<u64>().map(Number::from));
    number.map(Value::Number).map_err(|_| NotANumber)
}

/// `[0-9]*` with a point or an exponent, and a digit before the exponent.
fn is_float(text: &str) -> bool {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let pointed = mantissa.contains('.') || exponent.is_some();
    let numbered = digits(whole) && digits(fraction) && whole.len() + fraction.len() > 0;
    let powered = exponent.is_none_or(|text| {
        let text = text.strip_prefix(['-', '+']).unwrap_or(text);
        !text.is_empty() && digits(text)
    });
    pointed && numbered && powered
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Json, json};

    #[test]
    fn the_core_schema() {
        let table: [(&str, Json); 22] = [
            ("", json!(null)),
            ("~", json!(null)),
            ("null", json!(null)),
            ("true", json!(true)),
            ("False", json!(false)),
            ("yes", json!("yes")),
            ("on", json!("on")),
            ("12", json!(12)),
            ("+12", json!(12)),
            ("-12", json!(-12)),
            ("0o17", json!(15)),
            ("0x1F", json!(31)),
            ("0xZZ", json!("0xZZ")),
            ("1.5", json!(1.5)),
            (".5", json!(0.5)),
            ("1e3", json!(1000.0)),
            ("1.", json!(1.0)),
            (".", json!(".")),
            ("-", json!("-")),
            ("1.2.3", json!("1.2.3")),
            ("18446744073709551615", json!(18_446_744_073_709_551_615_u64)),
            ("012", json!(12)),
        ];
        for (text, expected) in table {
            let place =
                crate::diagnostic::Place { file: "x".into(), line: 1, column: 1, offset: 0, length: 0 };
            let value = super::super::Node { value: resolve(text).unwrap(), place }.to_json();
            assert_eq!(value, expected, "{text}");
        }
        for text in [".inf", "-.inf", ".nan", "18446744073709551616", "1e999"] {
            assert_eq!(resolve(text), Err(NotANumber), "{text}");
        }
    }
}
