//! An inspection for people.

use super::Inspection;
use serde_json::Value;
use std::fmt::{self, Display, Formatter};

impl Display for Inspection {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match (&self.name, &self.version) {
            (Some(name), Some(version)) => writeln!(f, "{name} {version}")?,
            _ => writeln!(f, "no manifest: not built with `stageway plugin build`")?,
        }
        if let Some(summary) = &self.summary {
            writeln!(f, "{summary}")?;
        }
        writeln!(f, "\n{:<10}{}", "digest", self.digest)?;
        let sizes = &self.sizes;
        writeln!(
            f,
            "{:<10}{} bytes, of them {} in {}",
            "size",
            sizes.component_bytes,
            sizes.module_bytes,
            count(sizes.modules, "core module")
        )?;
        writeln!(f, "{:<10}{}", "functions", sizes.functions)?;
        list(f, "imports", &self.imports)?;
        list(f, "exports", &self.exports)?;
        if let Some(manifest) = &self.manifest {
            show_manifest(f, manifest)?;
        }
        Ok(())
    }
}

fn count(number: u32, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

fn list(f: &mut Formatter<'_>, title: &str, lines: &[String]) -> fmt::Result {
    for (index, line) in lines.iter().enumerate() {
        writeln!(f, "{:<10}{line}", if index == 0 { title } else { "" })?;
    }
    Ok(())
}

fn show_manifest(f: &mut Formatter<'_>, manifest: &Value) -> fmt::Result {
    for (title, pointer) in [("required", "/grants/required"), ("optional", "/grants/optional")] {
        let grants = manifest.pointer(pointer).and_then(Value::as_array);
        list(f, title, &grants.into_iter().flatten().map(grant).collect::<Vec<_>>())?;
    }
    for (title, key) in [("with", "configuration"), ("outputs", "outputs")] {
        list(f, title, &properties(&manifest[key]))?;
    }
    for key in ["timeout", "skip"] {
        if let Some(text) = manifest.get(key).and_then(Value::as_str) {
            writeln!(f, "{key:<10}{text}")?;
        }
    }
    Ok(())
}

/// `images (/to: read, tag)`.
fn grant(grant: &Value) -> String {
    let interface = grant["interface"].as_str().unwrap_or("?");
    let mut parts: Vec<String> = Vec::new();
    parts.extend(grant["access"].as_str().map(str::to_owned));
    for key in ["repositories", "images", "hosts", "secrets", "clusters"] {
        parts.extend(grant[key].as_array().into_iter().flatten().map(place));
    }
    if grant["network"] == Value::Bool(true) {
        parts.push("network".to_owned());
    }
    if parts.is_empty() { interface.to_owned() } else { format!("{interface} ({})", parts.join("; ")) }
}

fn place(place: &Value) -> String {
    let from = place["from"].as_str().unwrap_or("?");
    let actions: Vec<&str> =
        place["actions"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if actions.is_empty() { format!("of {from}") } else { format!("{} in {from}", actions.join(", ")) }
}

/// `command (required): the test command`.
fn properties(schema: &Value) -> Vec<String> {
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let properties = schema["properties"].as_object().into_iter().flatten();
    let line = |(name, property): (&String, &Value)| {
        let required = if required.contains(&name.as_str()) { " (required)" } else { "" };
        match property["description"].as_str() {
            Some(description) => format!("{name}{required}: {description}"),
            None => format!("{name}{required}"),
        }
    };
    properties.map(line).collect()
}

#[cfg(test)]
mod tests {
    use crate::inspect::{Inspection, Sizes};
    use serde_json::json;
    use stageway_core::digest::Digest;

    #[test]
    fn an_inspection_is_readable() {
        let inspection = Inspection {
            digest: Digest::of(b""),
            name: Some("acme/ship".to_owned()),
            version: Some("1.2.0".to_owned()),
            summary: Some("Ships it".to_owned()),
            imports: vec!["stageway:host/log@0.1.0".to_owned(), "stageway:host/images@0.1.0".to_owned()],
            exports: vec!["stageway:stage/stage@0.1.0".to_owned()],
            world: String::new(),
            sizes: Sizes { component_bytes: 1200, module_bytes: 1000, modules: 1, functions: 40 },
            manifest: Some(json!({
                "grants": { "required": [
                    { "interface": "images", "repositories": [{ "from": "/to", "actions": ["read", "tag"] }] },
                    { "interface": "tasks", "images": [{ "from": "/image" }], "network": true },
                ], "optional": [{ "interface": "source" }] },
                "configuration": { "properties": { "to": { "description": "where to" }, "tags": {} }, "required": ["to"] },
                "outputs": { "properties": { "digest": {} } },
                "timeout": "10m", "skip": "never",
            })),
        };
        let expected = "\
acme/ship 1.2.0
Ships it

digest    sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
size      1200 bytes, of them 1000 in 1 core module
functions 40
imports   stageway:host/log@0.1.0
          stageway:host/images@0.1.0
exports   stageway:stage/stage@0.1.0
required  images (read, tag in /to)
          tasks (of /image; network)
optional  source
with      tags
          to (required): where to
outputs   digest
timeout   10m
skip      never
";
        assert_eq!(inspection.to_string(), expected);
    }
}
