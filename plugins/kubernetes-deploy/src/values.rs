//! `${{ values.NAME }}` in manifests: the values of the stage's `with`, by their exact names.

use serde_json::Value;

/// A text with the values put in. A text that is one placeholder is the value itself, with its type; `$${{` is `${{`.
///
/// # Errors
/// What is no placeholder, and a value that is not there or does not fit into a text.
pub(crate) fn fill(text: &str, values: &Value) -> Result<Value, String> {
    if let Some(inner) = text.strip_prefix("${{").and_then(|rest| rest.strip_suffix("}}"))
        && !inner.contains("}}")
    {
        return look_up(inner, values).cloned();
    }
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${{") {
        if rest[..at].ends_with('$') {
            filled.push_str(&rest[..at - 1]);
            filled.push_str("${{");
            rest = &rest[at + 3..];
            continue;
        }
        filled.push_str(&rest[..at]);
        let (inner, after) = rest[at + 3..]
            .split_once("}}")
            .ok_or_else(|| "`${{` without `}}`: close it, or write `$${{` where it is text".to_owned())?;
        match look_up(inner, values)? {
            Value::String(value) => filled.push_str(value),
            value @ (Value::Bool(_) | Value::Number(_)) => filled.push_str(&value.to_string()),
            _ => return Err(format!("`{}` is a list or a map and cannot be a part of a text", inner.trim())),
        }
        rest = after;
    }
    filled.push_str(rest);
    Ok(Value::String(filled))
}

fn look_up<'v>(inner: &str, values: &'v Value) -> Result<&'v Value, String> {
    let name = inner.trim();
    let plain = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let mut parts = name.split('.');
    let path: Vec<&str> = if parts.next() == Some("values") { parts.collect() } else { Vec::new() };
    if path.is_empty() || !path.iter().all(|part| plain(part)) {
        return Err(format!(
            "`{name:.100}` is not `values.NAME`: only the stage's `values` are put in here; write `$${{{{` where it is text"
        ));
    }
    let mut found = values;
    for part in path {
        found = match found.get(part) {
            Some(Value::Null) | None => return Err(format!("`{name}` is unknown: {}", known(found))),
            Some(next) => next,
        };
    }
    Ok(found)
}

fn known(values: &Value) -> String {
    let names: Vec<&str> =
        values.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).take(20).collect();
    match names.is_empty() {
        true => "add it under `values` of the stage's `with`".to_owned(),
        false => format!("`values` has {} there", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_put_in_by_exact_name() {
        let values = json!({"replicas": 3, "host": "shop.example", "a": {"b-c": true}, "list": [1]});
        let table = [
            ("${{ values.replicas }}", json!(3)),
            ("${{values.list}}", json!([1])),
            ("https://${{ values.host }}/${{ values.a.b-c }}", json!("https://shop.example/true")),
            ("$${{ github.ref }} ${{ values.replicas }}", json!("${{ github.ref }} 3")),
            ("${{ values.host }}${{ values.host }}", json!("shop.exampleshop.example")),
        ];
        for (text, value) in table {
            assert_eq!(fill(text, &values), Ok(value), "{text}");
        }
    }

    #[test]
    fn what_is_unknown_says_what_there_is() {
        let values = json!({"host": "x", "none": null, "list": [1]});
        for (text, words) in [
            ("${{ values.hots }}", "`values` has host, list, none"),
            ("${{ values.none }}", "unknown"),
            ("${{ values.host.deep }}", "unknown"),
            ("${{ event.branch }}", "not `values.NAME`"),
            ("${{ values }}", "not `values.NAME`"),
            ("a ${{ values.host", "without"),
            ("a ${{ values.list }}", "part of a text"),
        ] {
            let problem = fill(text, &values).unwrap_err();
            assert!(problem.contains(words), "{text}: {problem}");
        }
    }
}
