//! What the operator gives every pod besides.

use k8s_openapi::api::core::v1::PodSpec;
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;

/// Labels, annotations and fields of a `PodSpec`. Where the engine says something itself, that stands.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PodTemplate {
    pub(super) labels: BTreeMap<String, String>,
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) spec: PodSpec,
}

impl PodTemplate {
    /// # Errors
    /// When a field is not what Kubernetes knows under its name, with its path.
    pub fn new(
        labels: BTreeMap<String, String>,
        annotations: BTreeMap<String, String>,
        spec: &Map<String, Json>,
    ) -> Result<Self, String> {
        // One after the other first, because no error tells its path.
        for (key, value) in spec {
            let one = parsed(Map::from_iter([(key.clone(), value.clone())]));
            let one = one.map_err(|error| format!("`spec.{key}`: {error}"))?;
            let kept = serde_json::to_value(one).unwrap_or_default();
            if let Some(lost) = lost(value, &kept[key]) {
                return Err(format!("Kubernetes knows no `spec.{key}{lost}`"));
            }
        }
        let spec = parsed(spec.clone()).map_err(|error| error.to_string())?;
        Ok(Self { labels, annotations, spec })
    }
}

fn parsed(mut spec: Map<String, Json>) -> serde_json::Result<PodSpec> {
    // No pod is without them.
    spec.insert("containers".to_owned(), Json::Array(Vec::new()));
    serde_json::from_value(Json::Object(spec))
}

/// The path of something that was given and not kept.
fn lost(given: &Json, kept: &Json) -> Option<String> {
    match (given, kept) {
        (Json::Object(given), Json::Object(kept)) => given.iter().find_map(|(key, value)| {
            let inside = lost(value, kept.get(key).unwrap_or(&Json::Null));
            inside.map(|inside| format!(".{key}{inside}"))
        }),
        (Json::Array(given), Json::Array(kept)) => {
            given.iter().zip(kept).enumerate().find_map(|(place, (given, kept))| {
                lost(given, kept).map(|inside| format!("[{place}]{inside}"))
            })
        }
        (Json::Null, _) => None,
        (_, Json::Null) => Some(String::new()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(spec: Json) -> Result<PodTemplate, String> {
        let Json::Object(spec) = spec else { panic!("{spec}") };
        PodTemplate::new(BTreeMap::new(), BTreeMap::new(), &spec)
    }

    #[test]
    fn all_fields_are_kept() {
        let affinity = json!({ "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms":
            [{ "matchExpressions": [{ "key": "pool", "operator": "In", "values": ["ci"] }] }] } } });
        let read =
            read(json!({ "affinity": affinity, "hostUsers": false, "runtimeClassName": "gvisor" })).unwrap();
        assert_eq!(
            (read.spec.host_users, read.spec.runtime_class_name.as_deref()),
            (Some(false), Some("gvisor"))
        );
        assert_eq!(serde_json::to_value(read.spec.affinity).unwrap(), affinity);
    }

    #[test]
    fn what_kubernetes_does_not_know_is_told_with_its_path() {
        let told = |spec| read(spec).unwrap_err();
        assert!(told(json!({ "hostUsers": "no" })).contains("`spec.hostUsers`"));
        assert_eq!(
            told(json!({ "dnsConfig": { "options": [{ "name": "a" }, { "nam": "b" }] } })),
            "Kubernetes knows no `spec.dnsConfig.options[1].nam`"
        );
        assert_eq!(told(json!({ "runtimeClas": "gvisor" })), "Kubernetes knows no `spec.runtimeClas`");
        assert!(
            told(json!({ "affinity": { "nodeAffinity": { "required": {} } } }))
                .ends_with("nodeAffinity.required`")
        );
    }
}
