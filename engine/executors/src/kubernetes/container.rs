//! The container of a process: of the task's own, or of one of its services.

use super::options::KubernetesOptions;
use super::secret::{self, FILES};
use k8s_openapi::api::core::v1::{
    Capabilities, Container, EnvVar, EnvVarSource, ResourceRequirements, SecretKeySelector, SecurityContext,
    VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use stageway_core::task::{ImageRoot, Process, Root, TaskLimits};
use stageway_ports::TaskError;
use std::collections::BTreeMap;

/// A container that runs a process by its own command.
///
/// # Errors
/// [`TaskError::Refused`] where nothing says which image it is.
pub(super) fn container(
    options: &KubernetesOptions,
    name: &str,
    pod: &str,
    process: &Process,
    part: &str,
) -> Result<Container, TaskError> {
    let keys = secret::keys(part, process);
    let mounts = keys.files.iter().map(|(key, path)| VolumeMount {
        name: FILES.into(),
        mount_path: (*path).to_owned(),
        sub_path: Some(key.clone()),
        read_only: Some(true),
        ..VolumeMount::default()
    });
    Ok(Container {
        name: name.to_owned(),
        image: Some(image(options, &process.root)?),
        image_pull_policy: Some("IfNotPresent".into()),
        command: (!process.arguments.is_empty())
            .then(|| process.arguments.iter().map(|word| literal(word)).collect()),
        working_dir: process.directory.clone(),
        env: Some(variables(pod, process, &keys)),
        volume_mounts: (!keys.files.is_empty()).then(|| mounts.collect()),
        security_context: Some(security(is_root(options, &process.root))),
        ..Container::default()
    })
}

/// Whether the operator lets an image run as root in its container.
pub(super) fn is_root(options: &KubernetesOptions, root: &Root) -> bool {
    match root {
        Root::Toolbox => false,
        Root::Image(image) => options.root_images.iter().any(|pattern| pattern.matches(&image.reference)),
    }
}

/// What a container may: as nobody nothing, as root what the runtime gives by itself.
pub(super) fn security(root: bool) -> SecurityContext {
    if root {
        return SecurityContext {
            run_as_user: Some(0),
            run_as_group: Some(0),
            run_as_non_root: Some(false),
            ..SecurityContext::default()
        };
    }
    SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities { drop: Some(vec!["ALL".into()]), ..Capabilities::default() }),
        ..SecurityContext::default()
    }
}

/// The kubelet expands `$(NAME)`; what a plugin wrote is what it meant.
pub(super) fn literal(text: &str) -> String {
    text.replace("$(", "$$(")
}

fn variables(pod: &str, process: &Process, keys: &secret::Keys<'_>) -> Vec<EnvVar> {
    let plain = process.variables.iter().filter(|(name, _)| !process.secret_variables.contains_key(*name));
    let plain = plain.map(|(name, value)| variable(name, value));
    let secret = keys.variables.iter().map(|(key, name, _)| EnvVar {
        name: (*name).to_owned(),
        value_from: Some(EnvVarSource {
            secret_key_ref: Some(SecretKeySelector {
                key: key.clone(),
                name: pod.to_owned(),
                ..SecretKeySelector::default()
            }),
            ..EnvVarSource::default()
        }),
        ..EnvVar::default()
    });
    plain.chain(secret).collect()
}

/// A variable with the very text.
pub(super) fn variable(name: &str, value: &str) -> EnvVar {
    EnvVar { name: name.to_owned(), value: Some(literal(value)), ..EnvVar::default() }
}

/// The bounds of a task, which are also what is kept free for it.
pub(super) fn resources(limits: &TaskLimits) -> ResourceRequirements {
    let mut bounds = BTreeMap::new();
    if let Some(bytes) = limits.memory_bytes {
        bounds.insert("memory".to_owned(), Quantity(bytes.to_string()));
    }
    if let Some(millis) = limits.cpu_millis {
        bounds.insert("cpu".to_owned(), Quantity(format!("{millis}m")));
    }
    let bounds = (!bounds.is_empty()).then_some(bounds);
    ResourceRequirements { limits: bounds.clone(), requests: bounds, ..ResourceRequirements::default() }
}

fn image(options: &KubernetesOptions, root: &Root) -> Result<String, TaskError> {
    let refused = |problem: String| Err(TaskError::Refused(problem));
    match root {
        Root::Toolbox => match &options.toolbox {
            Some(image) => Ok(image.clone()),
            None => refused(
                "it names no image, and the operator's configuration no `toolbox` for pods: name one".into(),
            ),
        },
        Root::Image(image) => {
            let ImageRoot { reference, .. } = image.as_ref();
            let (first, rest) = reference.split_once('/').unwrap_or((reference, ""));
            // A host has a dot or a port, the name of a connection neither.
            if first.contains(['.', ':']) {
                return Ok(reference.clone());
            }
            match options.registries.get(first) {
                Some(address) => Ok(format!("{address}/{rest}")),
                None => refused(format!(
                    "the nodes pull `{reference:.200}`, and the configuration does not say where: name the address of \
                     connection `{first:.80}` under `registries` of the executor"
                )),
            }
        }
    }
}
