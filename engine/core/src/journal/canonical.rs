use serde::Serialize;

/// Canonical JSON (RFC 8785): one text for one value.
///
/// Values that JSON cannot hold (a NaN, a map with other keys than texts) become `null`; the types of the contract have none.
pub fn canonical<T: Serialize>(value: &T) -> String {
    serde_json_canonicalizer::to_string(value).unwrap_or_else(|_| "null".to_owned())
}

#[cfg(test)]
mod tests {
    #[test]
    fn keys_are_sorted_and_numbers_plain() {
        let value = serde_json::json!({"b": 1.0, "a": [true, "ä"]});
        assert_eq!(super::canonical(&value), r#"{"a":[true,"ä"],"b":1}"#);
    }
}
