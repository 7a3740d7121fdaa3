//! From a task to its pod.

use super::options::KubernetesOptions;
use super::{name, secret};
use k8s_openapi::api::core::v1::{
    Capabilities, Container, EnvVar, EnvVarSource, LocalObjectReference, Pod, PodSecurityContext, PodSpec,
    ResourceRequirements, SeccompProfile, SecretKeySelector, SecretVolumeSource, SecurityContext, Toleration,
    Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use stageway_core::name::TaskName;
use stageway_core::task::{ImageRoot, Network, Process, Root, TaskLimits, TaskSpec};
use stageway_ports::TaskError;
use std::collections::BTreeMap;

/// The task's container.
pub(super) const CONTAINER: &str = "task";
/// The volume of files.
const FILES: &str = "files";
/// Who a task is in its container: nobody of any image.
const USER: i64 = 65_532;
/// What a pod has beyond its task's timeout, for its image.
const SLACK_S: u64 = 30;

/// The pod of a task.
///
/// # Errors
/// [`TaskError::Refused`] with what cannot be had in a cluster, and the remedy.
pub(super) fn pod(options: &KubernetesOptions, task: &TaskName, spec: &TaskSpec) -> Result<Pod, TaskError> {
    check(spec)?;
    let name = name::pod(task);
    let metadata = ObjectMeta {
        name: Some(name.clone()),
        labels: Some(name::labels(&spec.owner)),
        annotations: Some(BTreeMap::from([(name::TASK.to_owned(), task.to_string())])),
        finalizers: Some(vec![name::FINALIZER.into()]),
        ..ObjectMeta::default()
    };
    let timeout = spec.limits.timeout_ms.div_ceil(1000).saturating_add(SLACK_S);
    let files = !secret::keys(&spec.process).files.is_empty();
    let volume = || Volume {
        name: FILES.into(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(name.clone()),
            default_mode: Some(0o444),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    };
    let selector = (!options.node_selector.is_empty()).then(|| options.node_selector.clone());
    let pull = options.pull_secrets.iter().map(|name| LocalObjectReference { name: name.clone() });
    let spec = PodSpec {
        containers: vec![container(options, &name, spec)?],
        restart_policy: Some("Never".into()),
        active_deadline_seconds: Some(i64::try_from(timeout).unwrap_or(i64::MAX)),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        service_account_name: options.service_account.clone(),
        image_pull_secrets: (!options.pull_secrets.is_empty()).then(|| pull.collect()),
        node_selector: selector,
        tolerations: tolerations(options),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(USER),
            run_as_group: Some(USER),
            fs_group: Some(USER),
            seccomp_profile: Some(SeccompProfile {
                type_: "RuntimeDefault".into(),
                ..SeccompProfile::default()
            }),
            ..PodSecurityContext::default()
        }),
        volumes: files.then(|| vec![volume()]),
        ..PodSpec::default()
    };
    Ok(Pod { metadata, spec: Some(spec), ..Pod::default() })
}

fn check(spec: &TaskSpec) -> Result<(), TaskError> {
    let local = "run this stage with the executor of the machine";
    let problem = if spec.workspace.is_some() || !spec.collect.is_empty() {
        "it mounts the workspace or collects from it, which pods do not do yet"
    } else if !spec.services.is_empty() {
        "it has services, which pods do not do yet"
    } else if !spec.caches.is_empty() {
        "it has caches, which pods do not do yet"
    } else if matches!(spec.network, Network::Proxy(_)) {
        "it was granted a network, which pods do not do yet"
    } else if spec.unconfined {
        "it is to run without a sandbox, which a cluster does not do"
    } else {
        return Ok(());
    };
    Err(TaskError::Refused(format!("{problem}: {local}")))
}

fn tolerations(options: &KubernetesOptions) -> Option<Vec<Toleration>> {
    let all = options.tolerations.iter().map(|one| Toleration {
        key: one.key.clone(),
        operator: Some(if one.value.is_some() { "Equal" } else { "Exists" }.into()),
        value: one.value.clone(),
        effect: one.effect.clone(),
        ..Toleration::default()
    });
    (!options.tolerations.is_empty()).then(|| all.collect())
}

fn container(options: &KubernetesOptions, pod: &str, spec: &TaskSpec) -> Result<Container, TaskError> {
    let process = &spec.process;
    let keys = secret::keys(process);
    let mounts = keys.files.iter().map(|(key, path)| VolumeMount {
        name: FILES.into(),
        mount_path: (*path).to_owned(),
        sub_path: Some(key.clone()),
        read_only: Some(true),
        ..VolumeMount::default()
    });
    Ok(Container {
        name: CONTAINER.into(),
        image: Some(image(options, &process.root)?),
        image_pull_policy: Some("IfNotPresent".into()),
        command: (!process.arguments.is_empty())
            .then(|| process.arguments.iter().map(|word| literal(word)).collect()),
        working_dir: process.directory.clone(),
        env: Some(variables(pod, process, &keys)),
        resources: Some(resources(&spec.limits)),
        termination_message_path: spec.message_file.clone(),
        volume_mounts: (!keys.files.is_empty()).then(|| mounts.collect()),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            capabilities: Some(Capabilities { drop: Some(vec!["ALL".into()]), ..Capabilities::default() }),
            ..SecurityContext::default()
        }),
        ..Container::default()
    })
}

/// The kubelet expands `$(NAME)`; what a plugin wrote is what it meant.
fn literal(text: &str) -> String {
    text.replace("$(", "$$(")
}

fn variables(pod: &str, process: &Process, keys: &secret::Keys<'_>) -> Vec<EnvVar> {
    let plain = process.variables.iter().filter(|(name, _)| !process.secret_variables.contains_key(*name));
    let plain = plain.map(|(name, value)| EnvVar {
        name: name.clone(),
        value: Some(literal(value)),
        ..EnvVar::default()
    });
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

fn resources(limits: &TaskLimits) -> ResourceRequirements {
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

#[cfg(test)]
mod tests {
    use super::*;
    use stageway_ports::contract::executor::{process, spec};

    fn options() -> KubernetesOptions {
        KubernetesOptions { toolbox: Some("shell:1".into()), ..KubernetesOptions::new("tasks") }
    }

    #[test]
    fn values_of_secrets_are_no_part_of_a_pod() {
        let mut task = spec(process(&["sh", "-c", "echo $(HOME)"]));
        task.process.secret_variables.insert("TOKEN".into(), "token".into());
        task.process.secret_files.insert("/run/key".into(), "key".into());
        let pod = pod(&options(), &TaskName::new("a").unwrap(), &task).unwrap();
        let container = &pod.spec.as_ref().unwrap().containers[0];
        let variable = &container.env.as_ref().unwrap()[0];
        assert_eq!((variable.name.as_str(), &variable.value), ("TOKEN", &None));
        assert_eq!(container.volume_mounts.as_ref().unwrap()[0].mount_path, "/run/key");
        assert_eq!(container.command.as_ref().unwrap()[2], "echo $$(HOME)");
    }

    #[test]
    fn what_is_not_done_is_refused_with_a_remedy() {
        let mut task = spec(process(&["true"]));
        task.collect.insert("binary".into(), "/workspace/binary".into());
        let refused = pod(&options(), &TaskName::new("a").unwrap(), &task).unwrap_err().to_string();
        assert!(refused.contains("collects") && refused.contains("executor of the machine"), "{refused}");
        let task = spec(process(&["true"]));
        let refused = pod(&KubernetesOptions::new("n"), &TaskName::new("a").unwrap(), &task).unwrap_err();
        assert!(refused.to_string().contains("`toolbox`"), "{refused}");
    }
}
