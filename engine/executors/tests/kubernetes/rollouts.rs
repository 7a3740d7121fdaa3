//! Rollouts on a real cluster: the good ends, and each of the bad ones in words.

use crate::cluster::{Place, SHELL, block_on};
use crate::objects::{apply, call};
use libtest_mimic::Trial;
use serde_json::{Value as Json, json};
use stageway_core::call::Cluster as Call;
use stageway_ports::ClusterError;
use std::time::{Duration, Instant};

/// A workload of one pod that runs a shell script.
fn workload(place: &Place, kind: &str, script: &str) -> Json {
    let container =
        json!({"name": "main", "image": SHELL, "imagePullPolicy": "Never", "command": ["sh", "-c", script]});
    let template = json!({"metadata": {"labels": {"app": "shop"}},
                          "spec": {"containers": [container], "terminationGracePeriodSeconds": 0}});
    let mut spec = json!({"selector": {"matchLabels": {"app": "shop"}}, "template": template});
    if kind == "StatefulSet" {
        spec["serviceName"] = json!("shop");
    }
    json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "shop", "namespace": place.namespace}, "spec": spec})
}

const STAYS: &str = "trap 'exit 0' TERM; while :; do sleep 0.1; done";

fn container(workload: &mut Json) -> &mut Json {
    &mut workload["spec"]["template"]["spec"]["containers"][0]
}

async fn rollout(place: &Place, kind: &str, seconds: u32) -> Json {
    let (cluster, kind, name) = ("test".into(), kind.into(), "shop".into());
    call(Call::Rollout {
        cluster,
        kind,
        namespace: place.namespace.clone(),
        name,
        timeout_ms: seconds * 1000,
    })
    .await
    .unwrap()
}

/// Applies a workload and follows it.
async fn followed(place: &Place, workload: &Json, seconds: u32) -> Json {
    apply(workload, json!({})).await.unwrap();
    rollout(place, workload["kind"].as_str().unwrap(), seconds).await
}

fn assert_bad(answer: &Json, words: &[&str]) {
    assert_eq!(answer["complete"], false, "{answer:#}");
    for word in words {
        assert!(answer["reason"].as_str().unwrap().contains(word), "`{word}` is not in {answer:#}");
    }
}

async fn good_ones_are_complete() {
    let place = Place::new().await;
    for kind in ["Deployment", "StatefulSet", "DaemonSet"] {
        let mut wanted = workload(&place, kind, STAYS);
        container(&mut wanted)["readinessProbe"] = json!({"exec": {"command": ["true"]}, "periodSeconds": 1});
        let answer = followed(&place, &wanted, 60).await;
        assert_eq!(
            (&answer["complete"], &answer["reason"]),
            (&json!(true), &json!("")),
            "{kind}: {answer:#}"
        );
        assert_eq!(
            (&answer["replicas"], &answer["updated-replicas"], &answer["ready-replicas"]),
            (&json!(1), &json!(1), &json!(1)),
            "{kind}"
        );
    }
    // The next revision too, and without a probe.
    let mut second = workload(&place, "Deployment", STAYS);
    container(&mut second)["env"] = json!([{"name": "VERSION", "value": "2"}]);
    assert_eq!(followed(&place, &second, 60).await["complete"], true);
    place.end().await;
}

fn job(place: &Place, script: &str) -> Json {
    let mut job = workload(place, "Job", script);
    job["apiVersion"] = json!("batch/v1");
    job["spec"] = json!({"template": job["spec"]["template"], "backoffLimit": 0});
    job["spec"]["template"]["metadata"] = json!({});
    job["spec"]["template"]["spec"]["restartPolicy"] = json!("Never");
    job
}

async fn jobs_end_well_or_with_their_last_lines() {
    let place = Place::new().await;
    assert_eq!(followed(&place, &job(&place, "true"), 60).await["complete"], true);
    let mut bad = job(&place, "echo the work; sleep 2; exit 3");
    bad["metadata"]["name"] = json!("bad");
    apply(&bad, json!({})).await.unwrap();
    let call_ = Call::Rollout {
        cluster: "test".into(),
        kind: "Job".into(),
        namespace: place.namespace.clone(),
        name: "bad".into(),
        timeout_ms: 60_000,
    };
    let answer = call(call_).await.unwrap();
    assert_bad(&answer, &["BackoffLimitExceeded", "exit code 3"]);
    assert!(answer["logs"][0]["text"].as_str().unwrap().contains("the work"), "{answer:#}");
    place.end().await;
}

async fn a_container_that_does_not_stay_up_is_told_with_its_last_lines() {
    let place = Place::new().await;
    let begun = Instant::now();
    let answer =
        followed(&place, &workload(&place, "Deployment", "echo no database; sleep 1; exit 3"), 90).await;
    assert_bad(&answer, &["CrashLoopBackOff", "container `main`", "exit code 3", "restarted"]);
    assert!(answer["logs"][0]["text"].as_str().unwrap().contains("no database"), "{answer:#}");
    assert!(begun.elapsed() < Duration::from_secs(60), "it is not waited for until the time is over");
    place.end().await;
}

async fn an_image_that_is_not_there_is_told() {
    let place = Place::new().await;
    let mut absent = workload(&place, "Deployment", STAYS);
    container(&mut absent)["image"] = json!("stageway.test/absent:1");
    let answer = followed(&place, &absent, 60).await;
    assert_bad(&answer, &["ErrImageNeverPull", "stageway.test/absent:1", "put the image onto the nodes"]);
    container(&mut absent)["image"] = json!("registry.invalid/absent:1");
    container(&mut absent)["imagePullPolicy"] = json!("Always");
    let answer = followed(&place, &absent, 8).await;
    assert_bad(&answer, &["ImagePull", "registry.invalid/absent:1", "`imagePullSecrets`"]);
    place.end().await;
}

async fn what_no_node_takes_says_what_is_missing() {
    let place = Place::new().await;
    let mut large = workload(&place, "Deployment", STAYS);
    container(&mut large)["resources"] = json!({"requests": {"memory": "1Ei"}});
    let answer = followed(&place, &large, 3).await;
    assert_bad(
        &answer,
        &["TimedOut: after 3 s", "Unschedulable", "Insufficient memory", "resources.requests"],
    );
    place.end().await;
}

async fn a_probe_that_does_not_succeed_and_the_deadline_of_the_deployment_are_told() {
    let place = Place::new().await;
    let mut unready = workload(&place, "Deployment", STAYS);
    unready["spec"]["progressDeadlineSeconds"] = json!(4);
    container(&mut unready)["readinessProbe"] = json!({"exec": {"command": ["false"]}, "periodSeconds": 1});
    let answer = followed(&place, &unready, 60).await;
    assert_bad(&answer, &["ProgressDeadlineExceeded", "for 4 s", "readiness probe"]);
    let events = answer["events"].to_string();
    assert!(events.contains("Readiness probe failed"), "{answer:#}");
    place.end().await;
}

async fn a_quota_that_is_exceeded_is_told() {
    let place = Place::new().await;
    let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none", "namespace": place.namespace},
                       "spec": {"hard": {"pods": "0"}}});
    apply(&quota, json!({})).await.unwrap();
    let answer = followed(&place, &workload(&place, "Deployment", STAYS), 40).await;
    assert_bad(&answer, &["FailedCreate", "exceeded quota", "raise the quota"]);
    place.end().await;
}

async fn what_has_no_rollout_is_refused() {
    let place = Place::new().await;
    let of = |kind: &str| Call::Rollout {
        cluster: "test".into(),
        kind: kind.into(),
        namespace: place.namespace.clone(),
        name: "absent".into(),
        timeout_ms: 1000,
    };
    assert!(matches!(call(of("Service")).await, Err(ClusterError::Invalid(_))));
    assert!(matches!(call(of("Deployment")).await, Err(ClusterError::NotFound(_))));
    place.end().await;
}

pub fn trials() -> Vec<Trial> {
    macro_rules! trials {
        ($($case:ident)*) => {
            vec![$(Trial::test(concat!("rollouts::", stringify!($case)), || {
                block_on($case());
                Ok(())
            })),*]
        };
    }
    trials! {
        good_ones_are_complete
        jobs_end_well_or_with_their_last_lines
        a_container_that_does_not_stay_up_is_told_with_its_last_lines
        an_image_that_is_not_there_is_told
        what_no_node_takes_says_what_is_missing
        a_probe_that_does_not_succeed_and_the_deadline_of_the_deployment_are_told
        a_quota_that_is_exceeded_is_told
        what_has_no_rollout_is_refused
    }
}
