//! The values of a task's secrets and its files: an object of the cluster that the pod owns, never a part of the pod.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use stageway_core::task::{Process, TaskSpec};
use stageway_ports::{SecretValues, TaskError};
use std::collections::BTreeMap;

/// The most bytes of all values together: the cluster keeps no object over 1 MiB.
const MOST: usize = 1 << 20;

/// Which key holds what; the same every time for the same process.
pub(super) struct Keys<'a> {
    /// Key to the variable and its secret.
    pub variables: Vec<(String, &'a str, &'a str)>,
    /// Key to the path.
    pub files: Vec<(String, &'a str)>,
}

/// The volume of files.
pub(super) const FILES: &str = "files";

/// What stands before the keys of a service.
pub(super) fn part(service: usize) -> String {
    format!("service-{service}-")
}

/// Every process of a task, with what stands before its keys.
pub(super) fn processes(spec: &TaskSpec) -> impl Iterator<Item = (String, &Process)> {
    let services = spec.services.iter().enumerate().map(|(number, one)| (part(number), &one.process));
    std::iter::once((String::new(), &spec.process)).chain(services)
}

/// The keys of a process.
pub(super) fn keys<'p>(part: &str, process: &'p Process) -> Keys<'p> {
    let variables = process.secret_variables.iter().enumerate();
    let files = process.files.keys().chain(process.secret_files.keys()).enumerate();
    Keys {
        variables: variables
            .map(|(number, (name, secret))| {
                (format!("{part}variable-{number}"), name.as_str(), secret.as_str())
            })
            .collect(),
        files: files.map(|(number, path)| (format!("{part}file-{number}"), path.as_str())).collect(),
    }
}

/// Every value under its key; none where no process has secrets or files.
///
/// # Errors
/// [`TaskError::Refused`] where a value did not come along, or there are too many bytes.
pub(super) fn values(
    spec: &TaskSpec,
    secrets: &SecretValues,
) -> Result<Option<BTreeMap<String, ByteString>>, TaskError> {
    let value = |name: &str| {
        let missing = || TaskError::Refused(format!("the value of the secret `{name}` did not come along"));
        secrets.0.get(name).map(|value| value.expose().to_vec()).ok_or_else(missing)
    };
    let mut found = BTreeMap::new();
    for (part, process) in processes(spec) {
        let keys = keys(&part, process);
        for (key, _, secret) in &keys.variables {
            found.insert(key.clone(), ByteString(value(secret)?));
        }
        for (key, path) in &keys.files {
            let bytes = match (process.secret_files.get(*path), process.files.get(*path)) {
                (Some(secret), _) => value(secret)?,
                (None, Some(bytes)) => bytes.0.clone(),
                (None, None) => Vec::new(),
            };
            found.insert(key.clone(), ByteString(bytes));
        }
    }
    if found.values().map(|value| value.0.len()).sum::<usize>() > MOST - (64 << 10) {
        let problem = "its files and secrets have more than 960 KiB together, which a cluster does not keep";
        return Err(TaskError::Refused(format!("{problem}: put large files into an image")));
    }
    Ok((!found.is_empty()).then_some(found))
}

/// The object of a pod. It goes with the pod, whoever deletes that.
pub(super) fn object(pod: &str, uid: &str, data: BTreeMap<String, ByteString>) -> Secret {
    let owner = OwnerReference {
        api_version: "v1".into(),
        kind: "Pod".into(),
        name: pod.to_owned(),
        uid: uid.to_owned(),
        ..OwnerReference::default()
    };
    let metadata = ObjectMeta {
        name: Some(pod.to_owned()),
        owner_references: Some(vec![owner]),
        ..ObjectMeta::default()
    };
    Secret { metadata, data: Some(data), immutable: Some(true), ..Secret::default() }
}
