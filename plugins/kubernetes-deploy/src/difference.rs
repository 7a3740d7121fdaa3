//! What applying an object would change, for people.

use serde_json::Value;

/// Lines of one object, and characters of one value.
const MOST_LINES: usize = 60;
const MOST_TEXT: usize = 160;
/// What the cluster writes into every object, or what changes with every apply.
const VOLATILE: [&str; 6] =
    ["managedFields", "resourceVersion", "generation", "creationTimestamp", "uid", "selfLink"];

/// An object without what the cluster writes into it: what could be applied again.
pub(crate) fn wish(mut object: Value) -> Value {
    if let Some(members) = object.as_object_mut() {
        members.remove("status");
        if let Some(meta) = members.get_mut("metadata").and_then(Value::as_object_mut) {
            VOLATILE.iter().for_each(|key| drop(meta.remove(*key)));
            if let Some(annotations) = meta.get_mut("annotations").and_then(Value::as_object_mut) {
                annotations.retain(|key, _| !key.starts_with("deployment.kubernetes.io/"));
            }
        }
    }
    object
}

/// What differs between two states of an object, a line for each place; nothing where nothing does. Values of a Secret are not shown.
pub(crate) fn lines(before: &Value, after: &Value) -> Vec<String> {
    let hides = after["kind"] == "Secret";
    let mut lines = Vec::new();
    compare("", before, after, &mut |path, before, after| {
        let shown = |value: &Value| if hides { "(not shown)".to_owned() } else { short(value) };
        lines.push(match (before, after) {
            (None, Some(after)) => format!("+ {path}: {}", shown(after)),
            (Some(before), None) => format!("- {path}: {}", shown(before)),
            (Some(before), Some(after)) => format!("~ {path}: {} -> {}", shown(before), shown(after)),
            (None, None) => return,
        });
    });
    if lines.len() > MOST_LINES {
        let more = lines.len() - MOST_LINES;
        lines.truncate(MOST_LINES);
        lines.push(format!("and {more} more"));
    }
    lines
}

type Told<'a> = &'a mut dyn FnMut(&str, Option<&Value>, Option<&Value>);

fn compare(path: &str, before: &Value, after: &Value, told: Told<'_>) {
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            for (key, value) in old {
                let path = below(path, key);
                match new.get(key) {
                    Some(after) => compare(&path, value, after, told),
                    None => told(&path, Some(value), None),
                }
            }
            for (key, value) in new.iter().filter(|(key, _)| !old.contains_key(*key)) {
                told(&below(path, key), None, Some(value));
            }
        }
        (Value::Array(old), Value::Array(new)) => compare_lists(path, old, new, told),
        _ if before == after => {}
        _ => told(path, Some(before), Some(after)),
    }
}

/// Lists of named things are compared by name, as Kubernetes merges them; others by place.
fn compare_lists(path: &str, old: &[Value], new: &[Value], told: Told<'_>) {
    let name = |value: &Value| value["name"].as_str().map(str::to_owned);
    let named = |list: &[Value]| list.iter().all(|value| name(value).is_some());
    if named(old) && named(new) {
        for value in old {
            let key = name(value).unwrap_or_default();
            let path = format!("{path}[{key}]");
            match new.iter().find(|other| name(other).as_ref() == Some(&key)) {
                Some(after) => compare(&path, value, after, told),
                None => told(&path, Some(value), None),
            }
        }
        let is_new = |value: &&Value| !old.iter().any(|other| name(other) == name(value));
        for value in new.iter().filter(is_new) {
            told(&format!("{path}[{}]", name(value).unwrap_or_default()), None, Some(value));
        }
        return;
    }
    for index in 0..old.len().max(new.len()) {
        let path = format!("{path}[{index}]");
        match (old.get(index), new.get(index)) {
            (Some(before), Some(after)) => compare(&path, before, after, told),
            (before, after) => told(&path, before, after),
        }
    }
}

fn below(path: &str, key: &str) -> String {
    let key = if key.contains(['.', '/']) { format!("[{key}]") } else { key.to_owned() };
    if path.is_empty() || key.starts_with('[') { format!("{path}{key}") } else { format!("{path}.{key}") }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(MOST_TEXT) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn differences_are_readable() {
        let before = json!({"metadata": {"labels": {"a.b/c": "1"}, "resourceVersion": "7", "annotations": {"deployment.kubernetes.io/revision": "1"}},
                            "spec": {"replicas": 1, "containers": [{"name": "web", "image": "a"}, {"name": "old"}], "ports": [1, 2]}, "status": {"x": 1}});
        let after = json!({"metadata": {"labels": {"a.b/c": "2"}, "annotations": {}},
                           "spec": {"replicas": 2, "containers": [{"name": "web", "image": "b"}, {"name": "new"}], "ports": [1]}});
        let expected = [
            "~ metadata.labels[a.b/c]: \"1\" -> \"2\"",
            "~ spec.containers[web].image: \"a\" -> \"b\"",
            "- spec.containers[old]: {\"name\":\"old\"}",
            "+ spec.containers[new]: {\"name\":\"new\"}",
            "- spec.ports[1]: 2",
            "~ spec.replicas: 1 -> 2",
        ];
        assert_eq!(lines(&wish(before), &wish(after)), expected);
    }

    #[test]
    fn a_secret_is_not_shown() {
        let secret = |value: &str| json!({"kind": "Secret", "data": {"token": value}});
        assert_eq!(
            lines(&secret("aHVudGVyMg=="), &secret("eA==")),
            ["~ data.token: (not shown) -> (not shown)"]
        );
    }
}
