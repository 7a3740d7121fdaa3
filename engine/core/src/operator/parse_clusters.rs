//! Reading what the names of clusters mean, with all problems.

use super::parse::{check_name, place};
use super::types::ClusterAccess;
use crate::diagnostic::codes;
use crate::document::{Node, Reader, reader::cut};
use std::collections::BTreeMap;

pub(super) fn clusters(reader: &mut Reader, node: &Node) -> BTreeMap<String, ClusterAccess> {
    let mut found = BTreeMap::new();
    let Some(map) = reader.any_map(node, &node.place) else { return found };
    for entry in map.entries() {
        check_name(reader, entry, "cluster");
        let Some(map) = reader.map(&entry.value, &entry.at, &["kubeconfig", "context"]) else { continue };
        let kubeconfig = place(reader, &map, "kubeconfig");
        let context = map.get("context").and_then(|node| context(reader, node));
        found.insert(entry.key.clone(), ClusterAccess { kubeconfig, context });
    }
    found
}

/// A kubeconfig takes any text as a name.
fn context(reader: &mut Reader, node: &Node) -> Option<String> {
    let text = reader.text(node)?;
    if text.is_empty() || text.len() > 1024 || text.chars().any(char::is_control) {
        let message = format!("`{}` is not the name of a context", cut(text));
        let remedy =
            "write a name that `kubectl config get-contexts` shows, or leave it out for the current one";
        reader.error(codes::BAD_VALUE, &node.place, message, remedy);
        return None;
    }
    Some(text.to_owned())
}

#[cfg(test)]
mod tests {
    use crate::operator::{ClusterAccess, Operator};

    #[test]
    fn a_cluster_is_a_kubeconfig_and_a_context_or_what_the_surroundings_say() {
        let text =
            "clusters:\n  here: {}\n  production: { kubeconfig: ~/.kube/prod, context: \"ops@prod\" }\n";
        let operator = Operator::parse("config.yaml", text.as_bytes()).unwrap();
        assert_eq!(operator.clusters["here"], ClusterAccess::default());
        let production =
            ClusterAccess { kubeconfig: Some("~/.kube/prod".into()), context: Some("ops@prod".into()) };
        assert_eq!(operator.clusters["production"], production);
    }

    #[test]
    fn every_problem_is_told_with_its_place() {
        let text = "clusters:\n  Prod: {}\n  a: { kubconfig: x }\n  b: { kubeconfig: \"\", context: \"\" }\n  c: there\n";
        let found = Operator::parse("config.yaml", text.as_bytes()).unwrap_err();
        let told: Vec<String> =
            found.iter().map(|d| format!("{}:{}", d.place.as_ref().unwrap().line, d.code)).collect();
        assert_eq!(told, ["2:SW0114", "3:SW0110", "4:SW0123", "4:SW0113", "5:SW0112"], "{found:#?}");
        assert!(found[1].remedy.contains("`kubeconfig`"), "{}", found[1]);
    }
}
