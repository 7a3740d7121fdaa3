//! What only a cluster does.

use crate::cluster::{Place, shell};
use k8s_openapi::api::core::v1::{Pod, ResourceQuota, Secret};
use kube::api::{DeleteParams, ListParams, PostParams};
use serde_json::json;
use stageway_core::call::{Bytes, EndingReason};
use stageway_core::name::TaskName;
use stageway_core::task::{ImageRoot, Root, TaskSpec, TaskState};
use stageway_executors::kubernetes::PodTemplate;
use stageway_ports::contract::executor::{ending, output};
use stageway_ports::{Executor, Incarnation, SecretValue, SecretValues, TaskError};
use std::collections::BTreeMap;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(60);

fn named(text: &str) -> TaskName {
    TaskName::new(text).unwrap()
}

async fn ensure(place: &Place, name: &TaskName, spec: &TaskSpec) -> Incarnation {
    place.executor.ensure(name, spec, &SecretValues::default()).await.unwrap()
}

/// An image by its reference alone.
pub fn image_root(reference: &str) -> Root {
    Root::Image(Box::new(ImageRoot {
        reference: reference.into(),
        digest: stageway_core::digest::Digest::of(b""),
        layers: vec![],
        entrypoint: vec![],
        command: vec![],
        variables: vec![],
        directory: None,
    }))
}

pub fn of_image(mut spec: TaskSpec, reference: &str) -> TaskSpec {
    spec.process.root = image_root(reference);
    spec
}

/// The first engine is killed between the creation and its journal: the second one asks without knowing anything.
pub async fn an_engine_that_is_killed_before_it_knows_makes_one_pod() {
    let (place, name, spec) = (Place::new().await, named("once"), shell("sleep 1"));
    let first = ensure(&place, &name, &spec).await;
    let second = ensure(&place, &name, &spec).await;
    assert_eq!(first, second);
    assert_eq!(ending(&place.executor, &name).await.code, Some(0));
    assert_eq!((place.pods().await.len(), place.starts(&name).await), (1, 1));
    place.end().await;
}

pub async fn a_pod_that_somebody_deletes_is_lost() {
    let (place, name) = (Place::new().await, named("deleted"));
    let known = ensure(&place, &name, &shell("while :; do sleep 1; done")).await;
    let pods = place.api::<Pod>();
    let pod = place.pods().await[0].metadata.name.clone().unwrap();
    place.started(&name).await;
    pods.delete(&pod, &DeleteParams::default().grace_period(1)).await.unwrap();
    assert_eq!(place.executor.state(&name, Some(&known), SOON).await.unwrap(), TaskState::Lost);
    place.executor.forget(&name).await.unwrap();
    assert!(place.pods().await.is_empty());
    assert_eq!(place.executor.state(&name, Some(&known), SOON).await.unwrap(), TaskState::Lost);
    place.end().await;
}

pub async fn an_image_that_cannot_be_pulled_is_said_in_words() {
    let (place, name) = (Place::within(Duration::from_secs(8)).await, named("image"));
    ensure(&place, &name, &of_image(shell("true"), "registry.invalid/absent:1")).await;
    let ending = ending(&place.executor, &name).await;
    assert_eq!((ending.reason, ending.code), (EndingReason::Image, None));
    for word in ["ImagePull", "registry.invalid/absent:1", "`pull-secrets`"] {
        assert!(ending.message.contains(word), "{}", ending.message);
    }
    place.end().await;
}

pub async fn a_task_that_no_node_takes_is_said_in_words() {
    let (place, name) = (Place::within(Duration::from_secs(3)).await, named("large"));
    let mut spec = shell("true");
    spec.limits.memory_bytes = Some(1 << 50);
    ensure(&place, &name, &spec).await;
    let ending = ending(&place.executor, &name).await;
    assert_eq!(ending.reason, EndingReason::Unschedulable);
    for word in ["Insufficient memory", "lower the limits"] {
        assert!(ending.message.contains(word), "{}", ending.message);
    }
    place.end().await;
}

pub async fn a_pod_has_what_its_operator_gives_every_one() {
    let (place, name) = (Place::new().await, named("template"));
    let labels = BTreeMap::from([("team".to_owned(), "shop".to_owned())]);
    let spec = json!({
        "hostAliases": [{ "ip": "192.0.2.7", "hostnames": ["mirror.example"] }],
        "affinity": { "nodeAffinity": { "preferredDuringSchedulingIgnoredDuringExecution": [] } },
    });
    let template = PodTemplate::new(labels.clone(), labels, spec.as_object().unwrap()).unwrap();
    let executor = place.with_template(template).await;
    executor
        .ensure(&name, &shell("grep -c mirror.example /etc/hosts"), &SecretValues::default())
        .await
        .unwrap();
    let ending = ending(&executor, &name).await;
    assert_eq!((ending.code, ending.reason), (Some(0), EndingReason::Exited), "{ending:?}");
    let pod = place.pods().await.remove(0);
    let (labels, annotations) = (pod.metadata.labels.unwrap(), pod.metadata.annotations.unwrap());
    assert_eq!((labels["team"].as_str(), annotations["team"].as_str()), ("shop", "shop"));
    assert_eq!(labels["stageway.dev/network"], "none");
    assert!(pod.spec.unwrap().security_context.unwrap().run_as_non_root.unwrap());
    place.end().await;
}

pub async fn memory_is_bounded_and_said_in_words() {
    let (place, name) = (Place::new().await, named("memory"));
    let mut spec = shell("exec dd if=/dev/zero of=/dev/null bs=256M count=4");
    spec.limits.memory_bytes = Some(32 << 20);
    ensure(&place, &name, &spec).await;
    let ending = ending(&place.executor, &name).await;
    assert_eq!(ending.reason, EndingReason::OutOfMemory, "{ending:?}");
    assert!(ending.message.contains("OOMKilled") && ending.message.contains("raise the limit"));
    place.end().await;
}

pub async fn secrets_and_files_reach_the_task_and_no_specification() {
    let (place, name) = (Place::new().await, named("secrets"));
    let mut spec = shell("echo $TOKEN; cat /run/secret/key /run/plain");
    spec.process.secret_variables.insert("TOKEN".into(), "token".into());
    spec.process.secret_files.insert("/run/secret/key".into(), "key".into());
    spec.process.files.insert("/run/plain".into(), Bytes(b"plain\n".to_vec()));
    let values = [("token", "hunter2"), ("key", "hunter3\n")];
    let values = values.map(|(name, value)| (name.to_owned(), SecretValue::new(value.as_bytes().to_vec())));
    place.executor.ensure(&name, &spec, &SecretValues(values.into())).await.unwrap();
    ending(&place.executor, &name).await;
    assert_eq!(output(&place.executor, &name, 4096).await, "hunter2\nhunter3\nplain\n");
    let written = serde_json::to_string(&place.pods().await).unwrap();
    assert!(!written.contains("hunter"), "{written}");
    place.executor.forget(&name).await.unwrap();
    for _ in 0..100 {
        if place.api::<Secret>().list(&ListParams::default()).await.unwrap().items.is_empty() {
            return place.end().await;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    panic!("the secret outlives its pod");
}

pub async fn a_long_output_is_read_whole_and_in_order() {
    let (place, name) = (Place::new().await, named("long"));
    // containerd 1.6 loses the end of what a container writes just before it exits; `kubectl logs` shows the same.
    ensure(&place, &name, &shell("seq 1 1000000; sleep 2")).await;
    let read = output(&place.executor, &name, 1 << 20).await;
    let expected: String = (1..=1_000_000).map(|number| format!("{number}\n")).collect();
    assert!(read == expected, "{} of {} bytes", read.len(), expected.len());
    place.end().await;
}

pub async fn cancelling_and_forgetting_leave_nothing() {
    let (place, name) = (Place::new().await, named("cancelled"));
    ensure(&place, &name, &shell("trap 'echo asked; exit 0' TERM; while :; do sleep 0.1; done")).await;
    place.started(&name).await;
    place.executor.cancel(&name, Duration::from_secs(10)).await.unwrap();
    assert_eq!(ending(&place.executor, &name).await.reason, EndingReason::Cancelled);
    assert_eq!(output(&place.executor, &name, 4096).await, "asked\n");
    place.executor.forget(&name).await.unwrap();
    assert!(place.pods().await.is_empty() && place.executor.sweep().await.unwrap().is_empty());
    place.end().await;
}

pub async fn an_image_without_a_place_is_refused() {
    let (place, name) = (Place::new().await, named("unplaced"));
    let spec = of_image(shell("true"), "build/app@sha256:00");
    let refused = place.executor.ensure(&name, &spec, &SecretValues::default()).await.unwrap_err();
    assert!(matches!(&refused, TaskError::Refused(why) if why.contains("`registries`")), "{refused}");
    assert!(place.pods().await.is_empty());
    place.end().await;
}

/// Room for so many pods.
async fn quota(place: &Place, pods: u32) {
    let quota = serde_json::json!({ "metadata": { "name": "small" }, "spec": { "hard": { "pods": pods.to_string() } } });
    let quota: ResourceQuota = serde_json::from_value(quota).unwrap();
    place.api::<ResourceQuota>().create(&PostParams::default(), &quota).await.unwrap();
    // Until the controller has counted, nothing is let in at all.
    for _ in 0..600 {
        let found = place.api::<ResourceQuota>().get("small").await.unwrap();
        if found.status.is_some_and(|status| status.used.is_some()) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("nobody counts the quota");
}

pub async fn where_a_quota_is_full_tasks_wait_for_their_turn() {
    let place = Place::new().await;
    quota(&place, 2).await;
    let names: Vec<TaskName> = (0..5).map(|number| named(&format!("turn.{number}"))).collect();
    let ends = names.iter().map(|name| async {
        ensure(&place, name, &shell("sleep 0.2")).await;
        ending(&place.executor, name).await
    });
    let ends = futures::future::join_all(ends).await;
    assert!(ends.iter().all(|ending| ending.code == Some(0)), "{ends:?}");
    // Two had their places at once.
    assert_eq!(ends.iter().filter(|ending| ending.times.queued_ms >= 500).count(), 3, "{ends:?}");
    place.end().await;
}

pub async fn room_that_does_not_come_is_said_in_words() {
    let place = Place::within(Duration::from_secs(2)).await;
    quota(&place, 0).await;
    let answer = place.executor.ensure(&named("none"), &shell("true"), &SecretValues::default()).await;
    let Err(TaskError::Refused(words)) = answer else { panic!("{answer:?}") };
    assert!(
        words.contains("no room for 2 s") && words.contains("exceeded quota") && words.contains("raise"),
        "{words}"
    );
    place.end().await;
}
