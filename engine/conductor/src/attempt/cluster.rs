use super::{Attempt, Halt, Outcome};
use serde_json::{Value as Json, json};
use stageway_core::call::{Cluster, HostError, Value};
use stageway_core::grant::ClusterAction;

impl Attempt {
    pub(super) fn prepare_cluster(&self, call: &Cluster) -> Result<Json, Halt> {
        let (cluster, namespace, kind, action) = match call {
            Cluster::Get { cluster, kind, namespace, .. }
            | Cluster::Find { cluster, kind, namespace, .. } => {
                (cluster, namespace.clone(), kind.clone(), ClusterAction::Read)
            }
            Cluster::Rollout { cluster, kind, namespace, .. } => {
                (cluster, namespace.clone(), kind.clone(), ClusterAction::Read)
            }
            Cluster::Delete { cluster, kind, namespace, .. } => {
                (cluster, namespace.clone(), kind.clone(), ClusterAction::Delete)
            }
            Cluster::Apply { cluster, manifest, .. } => {
                let text =
                    |pointer| manifest.pointer(pointer).and_then(Json::as_str).unwrap_or_default().to_owned();
                (cluster, text("/metadata/namespace"), text("/kind"), ClusterAction::Apply)
            }
        };
        self.subject.grants.allows_cluster(cluster, &namespace, &kind, action)?;
        Ok(json!({"deadline": self.now()}))
    }

    pub(super) async fn cluster(&self, call: &Cluster) -> Outcome {
        let unavailable = |message: String| Halt::Tell(HostError::Unavailable(message));
        let Some(port) = &self.engine.cluster else {
            return Err(unavailable("no cluster is configured in this installation".into()));
        };
        let answer =
            port.call(&self.subject.writer.tenant, call).await.map_err(|e| unavailable(e.to_string()))?;
        Ok(match call {
            Cluster::Get { .. } => Value::MaybeJson((!answer.is_null()).then_some(answer)),
            Cluster::Find { .. } => Value::Jsons(answer.as_array().cloned().unwrap_or_default()),
            Cluster::Apply { .. } | Cluster::Rollout { .. } => Value::Json(answer),
            Cluster::Delete { .. } => Value::Done,
        })
    }
}
