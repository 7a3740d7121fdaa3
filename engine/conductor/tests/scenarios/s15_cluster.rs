//! Calls of clusters: who may, what is said, and rollouts that outlast an engine.

use crate::world::World;
use async_trait::async_trait;
use serde_json::{Value as Json, json};
use stageway_core::call::{Cluster as Call, Function, HostError, Value};
use stageway_core::name::TenantId;
use stageway_core::run::{RunStatus, StageStatus};
use stageway_ports::{Cluster, ClusterError};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;

/// Answers reads as the script says, and a rollout when it has ended.
struct Scripted {
    said: fn(&str) -> Result<Json, ClusterError>,
    ended: watch::Receiver<bool>,
    /// The times that rollouts were given, in milliseconds.
    within: Mutex<Vec<u32>>,
}

#[async_trait]
impl Cluster for Scripted {
    async fn call(&self, _: &TenantId, call: &Call) -> Result<Json, ClusterError> {
        match call {
            Call::Get { name, .. } => (self.said)(name),
            Call::Rollout { timeout_ms, .. } => {
                self.within.lock().unwrap().push(*timeout_ms);
                let _ = self.ended.clone().wait_for(|ended| *ended).await;
                Ok(json!({"complete": true, "reason": ""}))
            }
            _ => Ok(Json::Null),
        }
    }
}

fn scripted(said: fn(&str) -> Result<Json, ClusterError>) -> (Arc<Scripted>, watch::Sender<bool>) {
    let (end, ended) = watch::channel(false);
    (Arc::new(Scripted { said, ended, within: Mutex::default() }), end)
}

fn get(cluster: &str, kind: &str, name: &str) -> Function {
    let (cluster, kind, namespace) = (cluster.into(), kind.into(), "default".into());
    Function::Cluster(Call::Get { cluster, api_version: "v1".into(), kind, namespace, name: name.into() })
}

fn rollout() -> Function {
    let (cluster, kind, namespace) = ("none".into(), "Pod".into(), "default".into());
    Function::Cluster(Call::Rollout { cluster, kind, namespace, name: "shop".into(), timeout_ms: 3_600_000 })
}

#[tokio::test(start_paused = true)]
async fn each_refusal_of_a_cluster_has_its_word() {
    let (cluster, _end) = scripted(|name| match name {
        "absent" => Ok(Json::Null),
        "conflict" => Err(ClusterError::Conflict("others manage `spec.x`".into())),
        "invalid" => Err(ClusterError::Invalid("no kind".into())),
        "refused" => Err(ClusterError::Refused("no right".into())),
        "large" => Err(ClusterError::TooLarge("2 MiB".into())),
        "unknown" => Err(ClusterError::Unknown("none".into())),
        _ => Err(ClusterError::Unavailable("no answer".into())),
    });
    let world = World { cluster: Some(cluster), ..World::new() };
    let stage = world.stage("look", |mut host| {
        Box::pin(async move {
            assert_eq!(host.value(get("none", "Pod", "absent")).await?, Value::MaybeJson(None));
            let mut words = Vec::new();
            for name in ["conflict", "invalid", "refused", "large", "unknown", "silent"] {
                words.push(match host.call(get("none", "Pod", name)).await? {
                    Err(HostError::Conflict(_)) => "conflict",
                    Err(HostError::InvalidArgument(_)) => "invalid",
                    Err(HostError::Denied(_)) => "denied",
                    Err(HostError::LimitExceeded(_)) => "limit",
                    Err(HostError::NotFound(_)) => "not-found",
                    Err(HostError::Unavailable(_)) => "unavailable",
                    _ => "other",
                });
            }
            // Not granted, so nobody is asked.
            let secret = host.call(get("none", "Secret", "absent")).await?;
            assert!(matches!(secret, Err(HostError::Denied(told)) if told.contains("kinds: [Secret]")));
            Ok(json!({ "words": words }))
        })
    });
    let run = world.create("r", [stage]).await;
    assert_eq!(world.drive(&run).await, RunStatus::Succeeded);
    let words = json!(["conflict", "invalid", "denied", "limit", "not-found", "unavailable"]);
    assert_eq!(world.outputs(&run, "look").await["words"], words);
}

#[tokio::test(start_paused = true)]
async fn a_rollout_leaves_memory_and_another_engine_waits_for_its_end_with_the_same_deadline() {
    let (cluster, end) = scripted(|_| Ok(Json::Null));
    let world = World { cluster: Some(cluster.clone()), ..World::new() };
    let stage = world.stage("deploy", |mut host| {
        Box::pin(async move {
            let Value::Json(answer) = host.value(rollout()).await? else { panic!("an answer is JSON") };
            Ok(json!({"complete": answer["complete"]}))
        })
    });
    let mut plan = world.plan([stage]);
    plan.stages.values_mut().for_each(|stage| stage.timeout_ms = 3 * 3_600_000);
    let run = world.create_plan("r", plan).await;
    let is_parked = |state: &stageway_core::run::RunState| {
        state.stages.values().any(|stage| matches!(stage.status, StageStatus::Parked(_)))
    };
    world.drive_until(&run, world.when(&run, is_parked)).await;
    assert_eq!(world.guests.live(), 0, "a parked attempt is in memory");
    tokio::time::sleep(Duration::from_secs(60)).await;
    let ends = async {
        tokio::time::sleep(Duration::from_secs(30)).await;
        end.send(true).unwrap();
        std::future::pending::<()>().await;
    };
    let status = tokio::select! { status = world.drive(&run) => status, () = ends => RunStatus::Queued };
    assert_eq!(status, RunStatus::Succeeded);
    assert_eq!(world.outputs(&run, "deploy").await["complete"], true);
    let within = cluster.within.lock().unwrap().clone();
    assert_eq!(within[0], 3_600_000);
    assert!(within.iter().skip(1).any(|left| *left <= 3_540_000), "{within:?}");
}
