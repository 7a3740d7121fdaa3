//! Reading a manifest: every fault at once, none trusted.

use super::schema::{self, check_outputs};
use super::{MAX_BYTES, MAX_DEPTH, Manifest, Skip, WantedGrants};
use crate::diagnostic::{Code, Diagnostic, codes, nearest};
use crate::document::reader::{cut, duration};
use crate::plugin::PluginName;
use semver::Version;
use serde_json::{Map, Value as Json};

const MEMBERS: [&str; 9] =
    ["name", "version", "summary", "configuration", "outputs", "grants", "timeout", "skip", "idempotent"];

/// The summary has at most this many bytes.
const MAX_SUMMARY: usize = 400;

impl Manifest {
    /// Reads the bytes of the custom section `stageway:manifest`.
    ///
    /// # Errors
    /// Every fault, each with a JSON pointer into the manifest.
    pub fn parse(bytes: &[u8]) -> Result<Self, Vec<Diagnostic>> {
        let mut faults = Faults(Vec::new());
        let manifest = faults.read(bytes);
        match manifest {
            Some(manifest) if faults.0.is_empty() => Ok(manifest),
            _ => Err(faults.0),
        }
    }
}

/// The faults found so far.
pub(super) struct Faults(pub(super) Vec<Diagnostic>);

impl Faults {
    pub(super) fn tell(&mut self, code: Code, pointer: &str, message: impl Into<String>, remedy: &str) {
        self.0.push(Diagnostic::error(code, message, remedy).pointing(pointer));
    }

    fn read(&mut self, bytes: &[u8]) -> Option<Manifest> {
        if bytes.len() > MAX_BYTES {
            let message = format!("the manifest has {} bytes, and at most {MAX_BYTES} are read", bytes.len());
            self.tell(codes::MANIFEST_SIZE, "", message, "shorten the schemas");
            return None;
        }
        let value: Json = match serde_json::from_slice(bytes) {
            Ok(value) => value,
            Err(error) => {
                let remedy = "build the component with `stageway plugin build`";
                self.tell(codes::MANIFEST_JSON, "", format!("the manifest is not JSON: {error}"), remedy);
                return None;
            }
        };
        if depth(&value) > MAX_DEPTH {
            let message = format!("the manifest is nested more than {MAX_DEPTH} levels deep");
            self.tell(codes::MANIFEST_SIZE, "", message, "flatten the schemas; `$defs` helps");
            return None;
        }
        let Json::Object(members) = value else {
            self.tell(codes::MANIFEST_MEMBER, "", "the manifest is not an object", "write an object");
            return None;
        };
        self.members(&members)
    }

    fn members(&mut self, members: &Map<String, Json>) -> Option<Manifest> {
        self.unknown_members(members);
        let name = self.text(members, "name").and_then(|text| self.parsed("/name", PluginName::new(text)));
        let version =
            self.text(members, "version").and_then(|text| self.parsed("/version", Version::parse(&text)));
        let summary = self.summary(members);
        let configuration = self.schema(members, "configuration");
        let outputs = self.schema(members, "outputs");
        if let Some(outputs) = &outputs {
            check_outputs(self, outputs);
        }
        let grants = self.grants(members.get("grants"));
        let timeout_ms = self.timeout(members);
        let skip = self.word(members, "skip", &["allowed", "never"]);
        let idempotent = self.idempotent(members);
        Some(Manifest {
            name: name?,
            version: version?,
            summary: summary?,
            configuration: configuration?,
            outputs: outputs?,
            grants,
            timeout_ms,
            skip: if skip == Some("never") { Skip::Never } else { Skip::Allowed },
            idempotent,
        })
    }

    fn unknown_members(&mut self, members: &Map<String, Json>) {
        for name in members.keys().filter(|name| !MEMBERS.contains(&name.as_str())) {
            let remedy = match nearest(name, MEMBERS) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "remove it".to_owned(),
            };
            let pointer = format!("/{}", crate::document::escape(name));
            self.tell(
                codes::MANIFEST_MEMBER,
                &pointer,
                format!("the member `{}` is not known", cut(name)),
                &remedy,
            );
        }
    }

    fn idempotent(&mut self, members: &Map<String, Json>) -> bool {
        match members.get("idempotent") {
            None => false,
            Some(Json::Bool(value)) => *value,
            Some(_) => {
                self.tell(
                    codes::MANIFEST_MEMBER,
                    "/idempotent",
                    "`idempotent` is true or false",
                    "write a boolean",
                );
                false
            }
        }
    }

    fn text(&mut self, members: &Map<String, Json>, name: &str) -> Option<String> {
        match members.get(name) {
            Some(Json::String(text)) => Some(text.clone()),
            Some(_) => {
                let message = format!("`{name}` is not text");
                self.tell(codes::MANIFEST_MEMBER, &format!("/{name}"), message, "write text");
                None
            }
            None => {
                let message = format!("the member `{name}` is missing");
                self.tell(codes::MANIFEST_MEMBER, "", message, "add it");
                None
            }
        }
    }

    fn parsed<T, E: std::fmt::Display>(&mut self, pointer: &str, result: Result<T, E>) -> Option<T> {
        result
            .map_err(|error| {
                self.tell(codes::MANIFEST_MEMBER, pointer, error.to_string(), "write it by this rule")
            })
            .ok()
    }

    fn summary(&mut self, members: &Map<String, Json>) -> Option<String> {
        let summary = self.text(members, "summary")?;
        if summary.is_empty() || summary.len() > MAX_SUMMARY || summary.chars().any(char::is_control) {
            let message = format!("the summary is one line of 1 to {MAX_SUMMARY} bytes");
            self.tell(codes::MANIFEST_MEMBER, "/summary", message, "write one line");
            return None;
        }
        Some(summary)
    }

    fn schema(&mut self, members: &Map<String, Json>, name: &str) -> Option<Json> {
        let pointer = format!("/{name}");
        match members.get(name) {
            Some(value) => {
                schema::check(self, &pointer, value);
                Some(value.clone())
            }
            None => {
                self.tell(codes::MANIFEST_MEMBER, "", format!("the member `{name}` is missing"), "add it");
                None
            }
        }
    }

    fn word<'w>(&mut self, members: &Map<String, Json>, name: &str, words: &[&'w str]) -> Option<&'w str> {
        let value = members.get(name)?;
        let found = words.iter().find(|word| value.as_str() == Some(word)).copied();
        if found.is_none() {
            let message = format!("`{name}` is not one of {}", crate::document::reader::list(words));
            self.tell(codes::MANIFEST_MEMBER, &format!("/{name}"), message, "use one of them");
        }
        found
    }

    fn timeout(&mut self, members: &Map<String, Json>) -> Option<u64> {
        let value = members.get("timeout")?;
        let milliseconds =
            value.as_str().and_then(duration).filter(|time| (1..=30 * 86_400_000).contains(time));
        if milliseconds.is_none() {
            let message = "`timeout` is not a duration of at most 30 days";
            self.tell(codes::MANIFEST_MEMBER, "/timeout", message, "write it as in `10m`");
        }
        milliseconds
    }

    fn grants(&mut self, value: Option<&Json>) -> WantedGrants {
        let Some(value) = value else { return WantedGrants::default() };
        let mut grants = WantedGrants::default();
        let Json::Object(kinds) = value else {
            let remedy = "write `required` and `optional`";
            self.tell(codes::MANIFEST_GRANT, "/grants", "`grants` is not an object", remedy);
            return grants;
        };
        for (kind, list) in kinds {
            let target = match kind.as_str() {
                "required" => &mut grants.required,
                "optional" => &mut grants.optional,
                _ => {
                    let message = format!("the member `{}` is not known", cut(kind));
                    let pointer = format!("/grants/{}", crate::document::escape(kind));
                    self.tell(codes::MANIFEST_GRANT, &pointer, message, "use `required` and `optional`");
                    continue;
                }
            };
            let Some(list) = list.as_array() else {
                let message = format!("`{kind}` is not a list");
                self.tell(codes::MANIFEST_GRANT, &format!("/grants/{kind}"), message, "write a list");
                continue;
            };
            for (index, item) in list.iter().enumerate() {
                target.extend(self.wanted(&format!("/grants/{kind}/{index}"), item));
            }
        }
        self.repeated(&grants);
        grants
    }

    fn wanted(&mut self, pointer: &str, item: &Json) -> Option<super::Wanted> {
        let wanted: super::Wanted = match serde_json::from_value(item.clone()) {
            Ok(wanted) => wanted,
            Err(error) => {
                let message = format!("this is no wanted grant: {}", cut(&error.to_string()));
                self.tell(codes::MANIFEST_GRANT, pointer, message, "use the members that the interface has");
                return None;
            }
        };
        for member in wanted.strangers() {
            let message = format!("`{}` has no member `{member}`", wanted.interface);
            self.tell(codes::MANIFEST_GRANT, &format!("{pointer}/{member}"), message, "remove it");
        }
        for place in wanted.pointers() {
            if !place.starts_with('/') {
                let message = format!("`{}` is not a JSON pointer into the configuration", cut(place));
                self.tell(codes::MANIFEST_GRANT, pointer, message, "write it as in `/image`");
            }
        }
        for repository in &wanted.repositories {
            if repository.from.is_some() == repository.repository.is_some() || repository.actions.is_empty() {
                let message = "a repository has `from` or `repository`, and `actions`";
                self.tell(
                    codes::MANIFEST_GRANT,
                    pointer,
                    message,
                    "give one of the two, and at least one action",
                );
            }
        }
        Some(wanted)
    }

    fn repeated(&mut self, grants: &WantedGrants) {
        let all: Vec<_> =
            grants.required.iter().chain(&grants.optional).map(|wanted| wanted.interface).collect();
        for (index, interface) in all.iter().enumerate() {
            if all[..index].contains(interface) {
                let message = format!("`{interface}` is wanted twice");
                self.tell(codes::MANIFEST_GRANT, "/grants", message, "put its parameters into one entry");
            }
        }
    }
}

/// Levels of lists and objects. The parser itself stops at 128.
fn depth(value: &Json) -> usize {
    match value {
        Json::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Json::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn valid() -> Json {
        json!({
            "name": "stageway/unit-test", "version": "1.0.0", "summary": "Runs a test command",
            "configuration": { "type": "object", "properties": { "command": { "type": "array" } } },
            "outputs": { "type": "object", "properties": { "tests": { "type": "integer" } } },
            "grants": {
                "required": [
                    { "interface": "workspace", "access": "read" },
                    { "interface": "tasks", "images": [{ "from": "/image" }, "build/base"], "network": { "from": "/net" } },
                    { "interface": "images", "repositories": [
                        { "from": "/to", "actions": ["read", "tag"] }, { "repository": "build/base", "actions": ["read"] }
                    ] },
                    { "interface": "cluster", "clusters": [
                        { "from": "/cluster", "namespaces": [{ "from": "/namespace" }], "kinds": ["Deployment"], "actions": ["read"] }
                    ] },
                ],
                "optional": [{ "interface": "http", "hosts": [{ "from": "/url" }] }],
            },
            "timeout": "10m", "skip": "never", "idempotent": true,
        })
    }

    fn faults(change: impl FnOnce(&mut Json)) -> Vec<(String, String)> {
        let mut manifest = valid();
        change(&mut manifest);
        let faults = Manifest::parse(manifest.to_string().as_bytes()).unwrap_err();
        faults.into_iter().map(|fault| (fault.code.to_string(), fault.pointer.unwrap_or_default())).collect()
    }

    fn one(code: Code, pointer: &str) -> Vec<(String, String)> {
        vec![(code.to_string(), pointer.to_owned())]
    }

    #[test]
    fn a_manifest_is_read() {
        let manifest = Manifest::parse(valid().to_string().as_bytes()).unwrap();
        assert_eq!(
            (manifest.timeout_ms, manifest.skip, manifest.idempotent),
            (Some(600_000), Skip::Never, true)
        );
        assert_eq!(manifest.grants.required.len(), 4);
        let written = serde_json::to_value(&manifest.grants).unwrap();
        assert_eq!(written, valid()["grants"]);
    }

    #[test]
    fn every_fault_has_its_code_and_pointer() {
        let table = [
            (faults(|m| m["versoin"] = json!(1)), one(codes::MANIFEST_MEMBER, "/versoin")),
            (faults(|m| m["name"] = json!("Unit")), one(codes::MANIFEST_MEMBER, "/name")),
            (faults(|m| m["version"] = json!("1")), one(codes::MANIFEST_MEMBER, "/version")),
            (faults(|m| m["summary"] = json!("a\nb")), one(codes::MANIFEST_MEMBER, "/summary")),
            (faults(|m| m["timeout"] = json!("ten")), one(codes::MANIFEST_MEMBER, "/timeout")),
            (faults(|m| m["skip"] = json!("maybe")), one(codes::MANIFEST_MEMBER, "/skip")),
            (
                faults(|m| m["configuration"]["type"] = json!("objekt")),
                one(codes::SCHEMA_INVALID, "/configuration/type"),
            ),
            (
                faults(|m| {
                    m["configuration"]["properties"]["a"] = json!({ "$ref": "https://example.com/x" })
                }),
                one(codes::SCHEMA_REMOTE, "/configuration/properties/a/$ref"),
            ),
            (
                faults(|m| m["configuration"]["properties"]["a"] = json!({ "pattern": "^(?=a)" })),
                one(codes::SCHEMA_PATTERN, "/configuration/properties/a/pattern"),
            ),
            (
                faults(|m| m["configuration"]["properties"]["a"] = json!({ "pattern": "(a{1000}){1000}" })),
                one(codes::SCHEMA_PATTERN, "/configuration/properties/a/pattern"),
            ),
            (faults(|m| m["outputs"] = json!({ "type": "string" })), one(codes::OUTPUTS_SCHEMA, "/outputs")),
            (
                faults(|m| m["grants"]["optional"][0]["images"] = json!(["a"])),
                one(codes::MANIFEST_GRANT, "/grants/optional/0/images"),
            ),
            (
                faults(|m| m["grants"]["optional"][0]["interface"] = json!("htp")),
                one(codes::MANIFEST_GRANT, "/grants/optional/0"),
            ),
            (
                faults(|m| m["grants"]["optional"][0]["hosts"] = json!([{ "from": "url" }])),
                one(codes::MANIFEST_GRANT, "/grants/optional/0"),
            ),
            (
                faults(|m| m["grants"]["optional"] = json!([{ "interface": "workspace" }])),
                one(codes::MANIFEST_GRANT, "/grants"),
            ),
            (faults(|m| m["grants"]["wished"] = json!([])), one(codes::MANIFEST_GRANT, "/grants/wished")),
        ];
        for (found, expected) in table {
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let found = faults(|m| {
            m["name"] = json!(7);
            m["skip"] = json!("x");
            m.as_object_mut().unwrap().remove("outputs");
        });
        assert_eq!(found.len(), 3, "{found:?}");
    }

    #[test]
    fn what_is_no_manifest_is_refused() {
        let code = |bytes: &[u8]| Manifest::parse(bytes).unwrap_err()[0].code;
        assert_eq!(code(b"{"), codes::MANIFEST_JSON);
        assert_eq!(code(b"\xff"), codes::MANIFEST_JSON);
        assert_eq!(code(b"[]"), codes::MANIFEST_MEMBER);
        assert_eq!(code(&vec![b' '; MAX_BYTES + 1]), codes::MANIFEST_SIZE);
        let deep = "[".repeat(60) + &"]".repeat(60);
        assert_eq!(code(deep.as_bytes()), codes::MANIFEST_SIZE);
        assert_eq!(code("[".repeat(60_000).as_bytes()), codes::MANIFEST_JSON);
    }
}
