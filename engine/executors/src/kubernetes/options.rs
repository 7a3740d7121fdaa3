//! What the operator says about pods.

use super::template::PodTemplate;
use stageway_core::grant::ImagePattern;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// How a cluster is reached, and what its operator gives every pod. One executor works in one namespace.
#[derive(Debug, Clone)]
pub struct KubernetesOptions {
    /// The kubeconfig; none is the pod's own service account, else the user's configuration.
    pub kubeconfig: Option<PathBuf>,
    /// The context in it; none is the current one.
    pub context: Option<String>,
    /// The namespace of the pods; it exists.
    pub namespace: String,
    /// The image of tasks that name none.
    pub toolbox: Option<String>,
    /// The image of our helper, for tasks with a workspace, services or something to collect.
    pub helper: Option<String>,
    /// Images that may run as root in their container: `CONNECTION/PATH` patterns as in the policy.
    pub root_images: Vec<ImagePattern>,
    /// The folder of this machine in which large files lie on their way into the blobs.
    pub scratch: PathBuf,
    /// Connection to the address under which the nodes pull its images, as in `registry.example.com/team`.
    pub registries: BTreeMap<String, String>,
    /// The service account of pods whose task names no identity; no token of the cluster is mounted.
    pub service_account: Option<String>,
    /// Service accounts that a task may name as its identity.
    pub identities: Vec<String>,
    /// Names of secrets of the namespace with which images are pulled.
    pub pull_secrets: Vec<String>,
    /// Labels that a node must have.
    pub node_selector: BTreeMap<String, String>,
    /// Taints that are tolerated.
    pub tolerations: Vec<Toleration>,
    /// For how long a task may wait for its node and its image before that ends it.
    pub start_within: Duration,
    /// What every pod has besides.
    pub template: PodTemplate,
}

/// A taint that is tolerated, as Kubernetes writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toleration {
    /// The taint's key; none is every key.
    pub key: Option<String>,
    /// The taint's value; none is every value.
    pub value: Option<String>,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`; none is every effect.
    pub effect: Option<String>,
}

impl KubernetesOptions {
    /// Those of a namespace, with nothing particular.
    pub fn new(namespace: impl Into<String>) -> Self {
        Self {
            kubeconfig: None,
            context: None,
            namespace: namespace.into(),
            toolbox: None,
            helper: None,
            root_images: Vec::new(),
            scratch: std::env::temp_dir(),
            registries: BTreeMap::new(),
            service_account: None,
            identities: Vec::new(),
            pull_secrets: Vec::new(),
            node_selector: BTreeMap::new(),
            tolerations: Vec::new(),
            start_within: Duration::from_secs(300),
            template: PodTemplate::default(),
        }
    }
}
