//! From a task to its pod.

use super::container::{container, resources};
use super::options::KubernetesOptions;
use super::secret::{self, FILES};
use super::template::PodTemplate;
use super::{helped, name};
use k8s_openapi::api::core::v1::{
    LocalObjectReference, Pod, PodSecurityContext, PodSpec, SeccompProfile, SecretVolumeSource, Toleration,
    Volume,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use stageway_core::name::TaskName;
use stageway_core::task::TaskSpec;
use stageway_ports::TaskError;

/// The task's container.
pub(super) const CONTAINER: &str = "task";
/// Who a task is in its container: nobody of any image.
const USER: i64 = 65_532;
/// What a pod has beyond its task's timeout, for its image.
const SLACK_S: u64 = 30;

/// The pod of a task.
///
/// # Errors
/// [`TaskError::Refused`] with what cannot be had in a cluster, and the remedy.
pub(super) fn pod(options: &KubernetesOptions, task: &TaskName, spec: &TaskSpec) -> Result<Pod, TaskError> {
    let helper = check(options, spec)?;
    let name = name::pod(task);
    let PodTemplate { mut labels, mut annotations, spec: base } = options.template.clone();
    labels.extend(name::labels(&spec.owner, &spec.network));
    annotations.insert(name::TASK.to_owned(), task.to_string());
    if helper.is_some() {
        annotations.insert(name::BRIEF.to_owned(), helped::Brief::text(spec)?);
        annotations.insert(name::DEFAULT.to_owned(), CONTAINER.to_owned());
    }
    let metadata = ObjectMeta {
        name: Some(name.clone()),
        labels: Some(labels),
        annotations: Some(annotations),
        finalizers: Some(vec![name::FINALIZER.into()]),
        ..ObjectMeta::default()
    };
    let timeout = spec.limits.timeout_ms.div_ceil(1000).saturating_add(SLACK_S);
    let files = secret::processes(spec).any(|(part, process)| !secret::keys(&part, process).files.is_empty());
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
    let mut task = container(options, CONTAINER, &name, &spec.process, "")?;
    task.resources = Some(resources(&spec.limits));
    task.termination_message_path = spec.message_file.clone();
    let mut pod = PodSpec {
        containers: vec![task],
        restart_policy: Some("Never".into()),
        active_deadline_seconds: Some(i64::try_from(timeout).unwrap_or(i64::MAX)),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        service_account_name: spec.identity.as_ref().or(options.service_account.as_ref()).cloned(),
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
        ..base
    };
    if let Some(helper) = helper {
        helped::add(options, helper, &name, spec, &mut pod)?;
    }
    Ok(Pod { metadata, spec: Some(pod), ..Pod::default() })
}

/// What a cluster does not do; else the image of the helper, where the task needs it.
fn check<'o>(options: &'o KubernetesOptions, spec: &TaskSpec) -> Result<Option<&'o str>, TaskError> {
    let refused = |problem: &str| Err(TaskError::Refused(problem.into()));
    if !spec.caches.is_empty() {
        return refused(
            "it has caches, which pods do not have: run this stage with the executor of the machine",
        );
    }
    if spec.unconfined {
        return refused(
            "it is to run without a sandbox, which a cluster does not do: leave `unconfined` out",
        );
    }
    if let Some(identity) = spec.identity.as_ref().filter(|name| !options.identities.contains(name)) {
        return Err(TaskError::Refused(format!(
            "it is to run as `{identity:.200}`, which the configuration does not allow: list it under `identities` of the executor"
        )));
    }
    if !helped::is_needed(spec) {
        return Ok(None);
    }
    match &options.helper {
        Some(helper) => Ok(Some(helper)),
        None => refused(
            "it has a workspace, services or something to collect, and the configuration no `helper` for pods: name its \
             image under the executor",
        ),
    }
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
        assert!(refused.contains("collect") && refused.contains("`helper`"), "{refused}");
        let task = spec(process(&["true"]));
        let refused = pod(&KubernetesOptions::new("n"), &TaskName::new("a").unwrap(), &task).unwrap_err();
        assert!(refused.to_string().contains("`toolbox`"), "{refused}");
    }
}
