//! From files to the objects that are applied, in the order in which they need each other.

use crate::{values, yaml};
use serde_json::Value;
use stageway_deployment::Id;
use std::collections::BTreeMap;

/// Which deployment an object belongs to.
pub(crate) const LABEL: &str = "stageway.dev/deployment";
/// The most objects of a deployment.
pub(crate) const MOST_OBJECTS: usize = 500;

/// An object with where it is written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Object {
    pub(crate) id: Id,
    pub(crate) value: Value,
    pub(crate) file: String,
    pub(crate) line: usize,
}

impl Object {
    /// `FILE:LINE`
    pub(crate) fn place(&self) -> String {
        format!("{}:{}", self.file, self.line)
    }
}

/// A file of the workspace: its path and its text.
pub(crate) type File = (String, String);

/// What is said about every object.
pub(crate) struct Terms<'a> {
    /// Where objects go that name no namespace.
    pub(crate) namespace: Option<&'a str>,
    /// The deployment's name, for their label.
    pub(crate) deployment: &'a str,
    /// What `${{ values.NAME }}` stands for.
    pub(crate) values: &'a Value,
}

/// The objects of some files, in order, and every problem as `FILE:LINE: …`.
pub(crate) fn objects(files: &[File], terms: &Terms<'_>) -> (Vec<Object>, Vec<String>) {
    let (mut objects, mut problems) = (Vec::new(), Vec::new());
    for (file, text) in files {
        let (documents, wrong) = yaml::read(text, &|text| values::fill(text, terms.values));
        problems.extend(wrong.into_iter().map(|(line, what)| format!("{file}:{line}: {what}")));
        for document in documents {
            take(file, document.line, document.value, terms, (&mut objects, &mut problems));
        }
    }
    let mut seen: BTreeMap<Id, String> = BTreeMap::new();
    for object in &objects {
        if let Some(first) = seen.insert(object.id.clone(), object.place()) {
            problems.push(format!("{}: {} is written twice, first at {first}", object.place(), object.id));
        }
    }
    if objects.len() > MOST_OBJECTS {
        problems.push(format!(
            "{} objects are more than {MOST_OBJECTS}: divide them among stages",
            objects.len()
        ));
    }
    // Stable: what is written first is applied first among equals.
    objects.sort_by_key(|object| rank(&object.id.kind));
    (objects, problems)
}

fn take(
    file: &str,
    line: usize,
    mut value: Value,
    terms: &Terms<'_>,
    (objects, problems): (&mut Vec<Object>, &mut Vec<String>),
) {
    if value["kind"] == "List" && value["items"].is_array() {
        for item in value["items"].as_array_mut().map(std::mem::take).unwrap_or_default() {
            take(file, line, item, terms, (objects, problems));
        }
        return;
    }
    match identified(&mut value, terms) {
        Ok(id) => {
            label(&mut value, terms.deployment);
            objects.push(Object { id, value, file: file.to_owned(), line });
        }
        Err(all) => problems.extend(all.into_iter().map(|what| format!("{file}:{line}: {what}"))),
    }
}

/// The id of an object, whose namespace is put in where it has one.
fn identified(value: &mut Value, terms: &Terms<'_>) -> Result<Id, Vec<String>> {
    if !value.is_object() {
        return Err(vec![
            "this is no object of Kubernetes: a map with `apiVersion`, `kind` and `metadata`".to_owned(),
        ]);
    }
    let mut problems = Vec::new();
    let mut text = |pointer: &str, key: &str| {
        let found = value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        if found.is_empty() {
            problems.push(format!("`{key}` is missing, or is no text"));
        }
        found
    };
    let (api_version, kind) = (text("/apiVersion", "apiVersion"), text("/kind", "kind"));
    let name = text("/metadata/name", "metadata.name");
    if value.pointer("/metadata/generateName").is_some() {
        problems.push(
            "`metadata.generateName` would make a new object each time: write `metadata.name`".to_owned(),
        );
    }
    let written = value.pointer("/metadata/namespace").cloned();
    let namespace = match &written {
        Some(Value::String(namespace)) => namespace.clone(),
        Some(_) => {
            problems.push("`metadata.namespace` is no text".to_owned());
            String::new()
        }
        None if has_no_namespace(&kind) => String::new(),
        None => {
            match terms.namespace {
                Some(namespace) => namespace.to_owned(),
                None => {
                    problems.push("no namespace is named: write `metadata.namespace`, or `namespace` in the stage's `with`".to_owned());
                    String::new()
                }
            }
        }
    };
    if !problems.is_empty() {
        return Err(problems);
    }
    if let Some(meta) = value.pointer_mut("/metadata").and_then(Value::as_object_mut) {
        match namespace.is_empty() {
            true => meta.remove("namespace"),
            false => meta.insert("namespace".to_owned(), Value::from(namespace.clone())),
        };
    }
    // What the cluster writes is no wish.
    value.as_object_mut().map(|members| members.remove("status"));
    Ok(Id { api_version, kind, namespace, name })
}

fn label(value: &mut Value, deployment: &str) {
    let Some(meta) = value.pointer_mut("/metadata").and_then(Value::as_object_mut) else { return };
    let labels = meta.entry("labels").or_insert(Value::Null);
    if labels.is_null() {
        *labels = Value::Object(serde_json::Map::new());
    }
    if let Some(labels) = labels.as_object_mut() {
        labels.insert(LABEL.to_owned(), Value::from(deployment));
    }
}

/// Kinds of Kubernetes itself whose objects lie in no namespace. Another such kind writes `namespace: ""`.
fn has_no_namespace(kind: &str) -> bool {
    matches!(
        kind,
        "Namespace"
            | "CustomResourceDefinition"
            | "ClusterRole"
            | "ClusterRoleBinding"
            | "PersistentVolume"
            | "StorageClass"
            | "IngressClass"
            | "PriorityClass"
            | "RuntimeClass"
            | "CSIDriver"
            | "APIService"
            | "ValidatingWebhookConfiguration"
            | "MutatingWebhookConfiguration"
            | "ValidatingAdmissionPolicy"
            | "ValidatingAdmissionPolicyBinding"
    )
}

/// What is applied before what: what others need comes first.
fn rank(kind: &str) -> u8 {
    match kind {
        "Namespace" => 0,
        "CustomResourceDefinition" => 1,
        "PriorityClass" | "StorageClass" | "IngressClass" | "RuntimeClass" | "CSIDriver" => 2,
        "ServiceAccount" => 3,
        "Role" | "ClusterRole" => 4,
        "RoleBinding" | "ClusterRoleBinding" => 5,
        "ResourceQuota" | "LimitRange" | "NetworkPolicy" => 6,
        "ConfigMap" | "Secret" => 7,
        "PersistentVolume" => 8,
        "PersistentVolumeClaim" => 9,
        "Service" => 10,
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Pod" => 12,
        "Job" | "CronJob" => 13,
        "HorizontalPodAutoscaler" | "PodDisruptionBudget" => 14,
        "Ingress" | "APIService" | "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration" => 15,
        // Of definitions that this manifest or somebody else brought: workloads may need them.
        _ => 11,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(text: &str, namespace: Option<&str>) -> (Vec<Object>, Vec<String>) {
        let values = json!({"port": 80});
        let terms = Terms { namespace, deployment: "deploy.shop", values: &values };
        objects(&[("k8s/shop.yaml".to_owned(), text.to_owned())], &terms)
    }

    #[test]
    fn objects_are_ordered_by_what_they_need() {
        let text = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n---\napiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Service, metadata: {name: web}, spec: {ports: [{port: \"${{ values.port }}\"}]}}\n- {apiVersion: v1, kind: Namespace, metadata: {name: shop}}\n---\napiVersion: x/v1\nkind: Widget\nmetadata: {name: w, namespace: \"\", labels: {a: b}}\n";
        let (objects, problems) = read(text, Some("shop"));
        assert!(problems.is_empty(), "{problems:?}");
        let names: Vec<String> = objects.iter().map(|object| object.id.to_string()).collect();
        assert_eq!(names, ["Namespace shop", "Service shop/web", "Widget w", "Deployment shop/web"]);
        assert_eq!(objects[1].value["spec"]["ports"][0]["port"], 80);
        assert_eq!(
            objects[2].value["metadata"]["labels"],
            json!({"a": "b", "stageway.dev/deployment": "deploy.shop"})
        );
        assert_eq!(
            (objects[3].place().as_str(), &objects[3].value["metadata"]["namespace"]),
            ("k8s/shop.yaml:1", &json!("shop"))
        );
    }

    #[test]
    fn every_problem_is_told_at_once_with_file_and_line() {
        let text = "apiVersion: v1\nkind: ConfigMap\ndata: {a: \"${{ values.absent }}\"}\n---\n- 1\n---\napiVersion: v1\nkind: Service\nmetadata: {name: a}\n";
        let (_, problems) = read(text, None);
        assert_eq!(problems.len(), 5, "{problems:?}");
        for (problem, words) in problems.iter().zip([
            "k8s/shop.yaml:3: `values.absent` is unknown",
            "k8s/shop.yaml:1: `metadata.name` is missing",
            "k8s/shop.yaml:1: no namespace is named",
            "k8s/shop.yaml:5: this is no object",
            "k8s/shop.yaml:7: no namespace is named",
        ]) {
            assert!(problem.starts_with(words), "{problem}");
        }
        let twice = "{apiVersion: v1, kind: Service, metadata: {name: a}}\n---\n{apiVersion: v1, kind: Service, metadata: {name: a}}\n";
        assert_eq!(
            read(twice, Some("x")).1,
            ["k8s/shop.yaml:3: Service x/a is written twice, first at k8s/shop.yaml:1"]
        );
    }
}
