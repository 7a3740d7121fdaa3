use serde::Serialize;
use serde_json::Value as Json;

/// Canonical JSON (RFC 8785): one text for one value.
///
/// Values that JSON cannot hold (a NaN, a map with other keys than texts) become `null`; the types of the contract have none.
pub fn canonical<T: Serialize>(value: &T) -> String {
    serde_json_canonicalizer::to_string(value).unwrap_or_else(|_| "null".to_owned())
}

/// The same of a JSON value. Those without fractions and very large numbers, which are nearly all, are written directly.
pub fn canonical_value(value: &Json) -> String {
    let mut text = Vec::with_capacity(128);
    match write(value, &mut text) {
        Some(()) => String::from_utf8(text).unwrap_or_else(|_| canonical(value)),
        None => canonical(value),
    }
}

/// The largest whole number that every reader of JSON takes for itself.
const WHOLE: u64 = 1 << 53;

/// Nothing for a number that is not written as it stands.
fn write(value: &Json, text: &mut Vec<u8>) -> Option<()> {
    match value {
        Json::Number(number) => {
            let size = number.as_i64().map(i64::unsigned_abs).or(number.as_u64())?;
            (size <= WHOLE).then(|| text.extend(number.to_string().into_bytes()))
        }
        Json::Array(items) => {
            text.push(b'[');
            for (at, item) in items.iter().enumerate() {
                text.extend((at > 0).then_some(b','));
                write(item, text)?;
            }
            text.push(b']');
            Some(())
        }
        Json::Object(object) => {
            let mut members: Vec<_> = object.iter().collect();
            members.sort_by(|(one, _), (other, _)| one.encode_utf16().cmp(other.encode_utf16()));
            text.push(b'{');
            for (at, (name, item)) in members.into_iter().enumerate() {
                text.extend((at > 0).then_some(b','));
                serde_json::to_writer(&mut *text, name).ok()?;
                text.push(b':');
                write(item, text)?;
            }
            text.push(b'}');
            Some(())
        }
        plain => serde_json::to_writer(text, plain).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::{canonical, canonical_value};
    use serde_json::{Value as Json, json};

    #[test]
    fn a_value_is_written_as_anything_else_is() {
        let all: String =
            ('\0'..='\u{ff}').chain(['\u{2028}', '\u{e000}', '\u{10000}', '\u{10ffff}']).collect();
        for value in [
            Json::Null,
            json!({ "b": [1, -2, true, null, {}, []], "a": { "\u{e000}": 1, "\u{10000}": 2, "": all.clone() } }),
            json!({ all: 9_007_199_254_740_992_u64 }),
            json!([0.5, 1.0, -0.0, 1e21, u64::MAX, i64::MIN, 9_007_199_254_740_993_u64]),
        ] {
            assert_eq!(canonical_value(&value), canonical(&value));
        }
    }

    #[test]
    fn keys_are_sorted_and_numbers_plain() {
        let value = serde_json::json!({"b": 1.0, "a": [true, "ä"]});
        assert_eq!(super::canonical(&value), r#"{"a":[true,"ä"],"b":1}"#);
    }
}
