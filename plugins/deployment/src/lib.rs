//! A deployment to Kubernetes as it stands in the history of its environment, and the way back from it.
//!
//! Two stages share it: `kubernetes-deploy` writes it down and takes a rollout back that does not come to its end; `observe` takes back
//! what came to its end and is bad.

mod back;
mod id;
mod outside;
mod record;

pub use back::{Back, explain, left, rolls_out, take_back};
pub use id::Id;
pub use outside::{Host, Outside};
pub use record::{Before, Past, ROLLED_OUT, Record, Release, of, released};

/// What a stage may deploy in its namespace, and take back. Other kinds, and what lies in no namespace, need a line of the pipeline file.
pub const KINDS: [&str; 18] = [
    "ConfigMap",
    "CronJob",
    "DaemonSet",
    "Deployment",
    "EndpointSlice",
    "HTTPRoute",
    "HorizontalPodAutoscaler",
    "Ingress",
    "Job",
    "LimitRange",
    "NetworkPolicy",
    "PersistentVolumeClaim",
    "PodDisruptionBudget",
    "ResourceQuota",
    "Service",
    "ServiceAccount",
    "ServiceMonitor",
    "StatefulSet",
];
