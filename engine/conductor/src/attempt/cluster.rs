use super::{Attempt, Halt, Outcome, Wake};
use serde_json::{Value as Json, json};
use stageway_core::call::{Cluster, HostError, Value};
use stageway_core::grant::ClusterAction;
use stageway_core::name::TenantId;
use stageway_ports::ClusterError;

impl Attempt {
    /// Checks the grants. A rollout has its deadline from here.
    pub(super) fn prepare_cluster(&self, call: &Cluster) -> Result<Json, Halt> {
        let (cluster, namespace, kind, action) = match call {
            Cluster::Get { cluster, kind, namespace, .. }
            | Cluster::Find { cluster, kind, namespace, .. }
            | Cluster::Rollout { cluster, kind, namespace, .. } => {
                (cluster, namespace.as_str(), kind.as_str(), ClusterAction::Read)
            }
            Cluster::Delete { cluster, kind, namespace, .. } => {
                (cluster, namespace.as_str(), kind.as_str(), ClusterAction::Delete)
            }
            Cluster::Apply { cluster, manifest, .. } => {
                let text = |pointer| manifest.pointer(pointer).and_then(Json::as_str).unwrap_or_default();
                (cluster, text("/metadata/namespace"), text("/kind"), ClusterAction::Apply)
            }
        };
        self.subject.grants.allows_cluster(cluster, namespace, kind, action)?;
        Ok(match call {
            Cluster::Rollout { timeout_ms, .. } => {
                json!({"deadline": self.now().saturating_add(u64::from(*timeout_ms))})
            }
            _ => Json::Null,
        })
    }

    pub(super) async fn cluster(&mut self, call: &Cluster, state: &Json) -> Outcome {
        let engine = self.engine.clone();
        let Some(port) = engine.cluster.as_deref() else {
            return Err(told(ClusterError::Unknown(cluster_of(call).to_owned())));
        };
        let tenant = self.subject.writer.tenant.clone();
        let answer = match call {
            Cluster::Rollout { .. } => {
                let deadline = state["deadline"].as_u64().unwrap_or(0);
                let wake = Wake::Rollout { call: Box::new(call.clone()), deadline };
                let left = with_left(call, deadline.saturating_sub(self.now()));
                self.wait_for(port.call(&tenant, &left), wake, None).await?
            }
            _ => port.call(&tenant, call).await,
        };
        let answer = answer.map_err(told)?;
        Ok(match call {
            Cluster::Get { .. } => Value::MaybeJson((!answer.is_null()).then_some(answer)),
            Cluster::Find { .. } => Value::Jsons(answer.as_array().cloned().unwrap_or_default()),
            Cluster::Apply { .. } | Cluster::Rollout { .. } => Value::Json(answer),
            Cluster::Delete { .. } => Value::Done,
        })
    }

    /// An object applied in a plan: as the server's dry-run. Where that has no answer, an object that was not applied before is
    /// missing, and the plan ends.
    pub(super) async fn planned_apply(&mut self, call: &Cluster) -> Outcome {
        let Cluster::Apply { cluster, manifest, options } = call else {
            return Err(Halt::Stop(stageway_core::call::Stop::PlanEnd));
        };
        if options["dry-run"] == true {
            return self.cluster(call, &Json::Null).await;
        }
        let mut options = options.clone();
        options["dry-run"] = true.into();
        let tried = Cluster::Apply { cluster: cluster.clone(), manifest: manifest.clone(), options };
        match self.cluster(&tried, &Json::Null).await {
            Err(Halt::Tell(_)) => Err(Halt::Stop(stageway_core::call::Stop::PlanEnd)),
            answered => answered,
        }
    }
}

/// The same rollout with the time that is left of it.
pub(crate) fn with_left(call: &Cluster, left_ms: u64) -> Cluster {
    let mut call = call.clone();
    if let Cluster::Rollout { timeout_ms, .. } = &mut call {
        *timeout_ms = u32::try_from(left_ms).unwrap_or(u32::MAX);
    }
    call
}

/// Resolves when a rollout should be looked at by the attempt that waits for it: it has ended, or its time is over, or the cluster
/// has something else to say.
pub(crate) async fn rollout_ends(
    engine: &crate::engine::Engine,
    tenant: &TenantId,
    call: &Cluster,
    deadline: u64,
) {
    let Some(port) = engine.cluster.as_deref() else { return };
    loop {
        let left = deadline.saturating_sub(engine.clock.now_ms());
        match port.call(tenant, &with_left(call, left)).await {
            Err(ClusterError::Unavailable(_)) if left > 0 => {
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            }
            _ => return,
        }
    }
}

fn cluster_of(call: &Cluster) -> &str {
    let (Cluster::Get { cluster, .. }
    | Cluster::Find { cluster, .. }
    | Cluster::Apply { cluster, .. }
    | Cluster::Delete { cluster, .. }
    | Cluster::Rollout { cluster, .. }) = call;
    cluster
}

/// What a cluster says, in the words of the contract.
fn told(error: ClusterError) -> Halt {
    let text = error.to_string();
    Halt::Tell(match error {
        ClusterError::Unknown(_) | ClusterError::NotFound(_) => HostError::NotFound(text),
        ClusterError::Conflict(_) => HostError::Conflict(text),
        ClusterError::Invalid(_) => HostError::InvalidArgument(text),
        ClusterError::Refused(_) => HostError::Denied(text),
        ClusterError::TooLarge(_) => HostError::LimitExceeded(text),
        ClusterError::Unavailable(_) => HostError::Unavailable(text),
    })
}
