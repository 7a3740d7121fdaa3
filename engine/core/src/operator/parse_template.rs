//! Reading what every pod of a task has beyond what we know of: a part of Kubernetes' `PodTemplateSpec`
//! (<https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-template-v1/>), in its own words.

use super::parse::texts;
use super::types::PodTemplate;
use crate::diagnostic::codes;
use crate::document::{Entry, Node, Reader, reader::cut};

/// What an operator may say of the pod. Everything else is the engine's: its containers and volumes, who they are, how long they live.
const SPEC: &[&str] = &[
    "affinity",
    "dnsConfig",
    "dnsPolicy",
    "hostAliases",
    "hostUsers",
    "preemptionPolicy",
    "priorityClassName",
    "runtimeClassName",
    "schedulerName",
    "topologySpreadConstraints",
];
/// Labels and annotations that begin so are the engine's.
const OURS: &[&str] = &["stageway.dev/", "app.kubernetes.io/managed-by"];
/// The longest annotation, in bytes: all of an object's together have 256 KiB.
const ANNOTATION: usize = 16 << 10;

pub(super) fn template(reader: &mut Reader, node: &Node) -> Option<PodTemplate> {
    let map = reader.map(node, &node.place, &["metadata", "spec"])?;
    let metadata =
        map.get("metadata").and_then(|node| reader.map(node, &node.place, &["labels", "annotations"]));
    let named = |reader: &mut Reader, key: &str, read: fn(&mut Reader, &Node) -> Option<String>| {
        let of = |map| texts(reader, map, key, |reader, entry| theirs(reader, entry, read));
        metadata.as_ref().map(of).unwrap_or_default()
    };
    let labels = named(reader, "labels", label);
    let annotations = named(reader, "annotations", annotation);
    let spec = map.get("spec").and_then(|node| reader.map(node, &node.place, SPEC));
    let spec = spec.iter().flat_map(|map| map.entries());
    let spec = spec.map(|entry| (entry.key.clone(), entry.value.to_json())).collect();
    Some(PodTemplate { labels, annotations, spec })
}

/// What has a name that is not the engine's.
fn theirs(
    reader: &mut Reader,
    entry: &Entry,
    read: fn(&mut Reader, &Node) -> Option<String>,
) -> Option<String> {
    if OURS.iter().any(|ours| entry.key.starts_with(ours)) {
        let message = format!("`{}` is what the engine finds its pods by", cut(&entry.key));
        reader.error(codes::BAD_VALUE, &entry.at, message, "choose another name");
        return None;
    }
    read(reader, &entry.value)
}

/// A value that a label may have.
pub(super) fn label(reader: &mut Reader, node: &Node) -> Option<String> {
    let text = reader.scalar_text(node)?;
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if plain && text.len() <= 63 {
        return Some(text);
    }
    let message = format!("`{}` is not the value of a label", cut(&text));
    reader.error(codes::BAD_VALUE, &node.place, message, "use at most 63 letters, digits, `-`, `_` and `.`");
    None
}

fn annotation(reader: &mut Reader, node: &Node) -> Option<String> {
    let text = reader.scalar_text(node)?;
    if text.len() <= ANNOTATION {
        return Some(text);
    }
    reader.error(codes::BAD_VALUE, &node.place, "this annotation is longer than 16 KiB", "shorten it");
    None
}

#[cfg(test)]
mod tests {
    use crate::operator::{Operator, PodTemplate};
    use serde_json::json;

    fn parsed(template: &str) -> Result<PodTemplate, Vec<(u32, String)>> {
        let text = format!(
            "clusters: {{ work: {{}} }}\nexecutor:\n  cluster: work\n  namespace: ci\n  template:\n{template}"
        );
        match Operator::parse("config.yaml", text.as_bytes()) {
            Ok(operator) => Ok(operator.executor.unwrap().template),
            Err(found) => {
                Err(found.iter().map(|one| (one.place.as_ref().unwrap().line, one.message.clone())).collect())
            }
        }
    }

    #[test]
    fn it_is_read_in_the_words_of_kubernetes() {
        let read = parsed(
            "    metadata: { labels: { team: shop, level: 3 }, annotations: { note: \"kept\" } }
    spec: { runtimeClassName: gvisor, priorityClassName: ci, hostUsers: false, dnsConfig: { options: [{ name: ndots, value: \"1\" }] } }
",
        )
        .unwrap();
        assert_eq!((read.labels["team"].as_str(), read.labels["level"].as_str()), ("shop", "3"));
        assert_eq!(read.annotations["note"], "kept");
        assert_eq!(read.spec["hostUsers"], json!(false));
        assert_eq!(read.spec["dnsConfig"], json!({ "options": [{ "name": "ndots", "value": "1" }] }));
        assert_eq!(parsed("    {}\n").unwrap(), PodTemplate::default());
    }

    #[test]
    fn what_is_the_engines_is_refused_with_its_place() {
        let found = parsed(
            "    metadata:
      labels: { stageway.dev/tenant: acme, a: \"b c\" }
      annotations: { app.kubernetes.io/managed-by: me }
      name: mine
    spec:
      hostNetwork: true
      containers: []
      runtimeClasName: gvisor
    status: {}
",
        )
        .unwrap_err();
        let lines: Vec<u32> = found.iter().map(|(line, _)| *line).collect();
        for line in [7, 8, 9, 11, 12, 13, 14] {
            assert!(lines.contains(&line), "{line} {found:#?}");
        }
        assert_eq!(lines.iter().filter(|line| **line == 7).count(), 2, "{found:#?}");
    }
}
