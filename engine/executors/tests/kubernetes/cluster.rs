//! The cluster that all tests of this executable share, and a namespace of it for each.

#[path = "../../../../tests/src/cluster.rs"]
mod shared;

use crate::cut::Cut;
use k8s_openapi::api::core::v1::{Event, Namespace, Pod};
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use shared::Cluster;
use stageway_core::name::TaskName;
use stageway_core::task::TaskSpec;
use stageway_executors::kubernetes::{KubernetesExecutor, KubernetesOptions, PodTemplate};
use stageway_ports::contract::executor::{process, spec};
use stageway_ports::memory::DirectoryBlobs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The shell that the nodes of the tests have.
pub const SHELL: &str = "stageway.test/shell:1";
/// Our helper, which they have too.
pub const HELPER: &str = "stageway.test/pod:1";

static CLUSTER: Mutex<Option<Cluster>> = Mutex::new(None);

/// Runs a test.
pub fn block_on<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(test)
}

/// The kubeconfig of the cluster, which is started when it is first asked for.
pub fn kubeconfig() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut cluster = CLUSTER.lock().unwrap_or_else(PoisonError::into_inner);
    cluster.get_or_insert_with(|| Cluster::start(&root)).kubeconfig().clone()
}

/// Ends the cluster and waits until nothing is left of it.
pub fn end() {
    drop(CLUSTER.lock().unwrap_or_else(PoisonError::into_inner).take());
}

/// A namespace of its own; removed by [`Place::end`], or with the cluster.
pub struct Place {
    client: Client,
    pub namespace: String,
    pub executor: KubernetesExecutor,
    pub blobs: Arc<DirectoryBlobs>,
    folder: tempfile::TempDir,
}

impl Place {
    pub async fn new() -> Self {
        Self::within(Duration::from_secs(60)).await
    }

    /// One in which tasks must start within a time.
    pub async fn within(start_within: Duration) -> Self {
        let file = Kubeconfig::read_from(kubeconfig()).unwrap();
        let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.unwrap();
        let client = Client::try_from(config).unwrap();
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let mut wanted = Namespace::default();
        wanted.metadata.generate_name = Some("test-".into());
        let namespace =
            namespaces.create(&PostParams::default(), &wanted).await.unwrap().metadata.name.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let blobs = Arc::new(DirectoryBlobs::new(folder.path().join("blobs")));
        let executor = open(&namespace, start_within, blobs.clone()).await;
        let place = Self { client, namespace, executor, blobs, folder };
        place.account().await;
        place
    }

    /// Another engine on the same namespace and blobs.
    pub async fn another(&self) -> KubernetesExecutor {
        open(&self.namespace, Duration::from_secs(60), self.blobs.clone()).await
    }

    /// Another engine, whose connections pass through something.
    pub async fn through(&self, cut: &Cut) -> KubernetesExecutor {
        let text = std::fs::read_to_string(kubeconfig()).unwrap();
        let path = self.folder.path().join("through.yaml");
        std::fs::write(&path, text.replace(&self.server(), &cut.address().to_string())).unwrap();
        let options = KubernetesOptions { kubeconfig: Some(path), ..options(&self.namespace) };
        KubernetesExecutor::open(options, self.blobs.clone()).await.unwrap()
    }

    /// Another engine, whose operator lets some images be root.
    pub async fn with_roots(&self, images: &[&str]) -> KubernetesExecutor {
        let root_images = images.iter().map(|image| image.parse().unwrap()).collect();
        let options = KubernetesOptions { root_images, ..options(&self.namespace) };
        KubernetesExecutor::open(options, self.blobs.clone()).await.unwrap()
    }

    /// Another engine, whose operator gives every pod more.
    pub async fn with_template(&self, template: PodTemplate) -> KubernetesExecutor {
        let options = KubernetesOptions { template, ..options(&self.namespace) };
        KubernetesExecutor::open(options, self.blobs.clone()).await.unwrap()
    }

    /// Another engine, whose operator names an image of the helper.
    pub async fn with_helper(&self, image: &str) -> KubernetesExecutor {
        let options = KubernetesOptions { helper: Some(image.into()), ..options(&self.namespace) };
        KubernetesExecutor::open(options, self.blobs.clone()).await.unwrap()
    }

    /// The address of the API server.
    pub fn server(&self) -> String {
        let file = Kubeconfig::read_from(kubeconfig()).unwrap();
        let server = file.clusters[0].cluster.as_ref().unwrap().server.clone().unwrap();
        server.trim_start_matches("https://").trim_end_matches('/').to_owned()
    }

    /// A pod needs the account that the controllers give to each namespace.
    async fn account(&self) {
        let accounts: Api<k8s_openapi::api::core::v1::ServiceAccount> = self.api();
        for _ in 0..600 {
            if accounts.get_opt("default").await.unwrap().is_some() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the namespace got no service account");
    }

    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub async fn pods(&self) -> Vec<Pod> {
        self.api::<Pod>().list(&ListParams::default()).await.unwrap().items
    }

    /// How often a container of a task was started, as the node tells the cluster.
    pub async fn starts(&self, name: &TaskName) -> usize {
        let pods = self.pods().await;
        let is = |pod: &&Pod| {
            pod.metadata.annotations.as_ref().is_some_and(|a| a["stageway.dev/task"] == name.as_str())
        };
        let pod = pods.iter().find(is).and_then(|pod| pod.metadata.name.clone()).unwrap_or_default();
        let events = self.api::<Event>().list(&ListParams::default()).await.unwrap().items;
        let started = |event: &&Event| {
            event.reason.as_deref() == Some("Started")
                && event.involved_object.name.as_deref() == Some(&pod)
                && event.involved_object.field_path.as_deref() == Some("spec.containers{task}")
        };
        events.iter().filter(started).map(|event| usize::try_from(event.count.unwrap_or(1)).unwrap()).sum()
    }

    /// Waits until a container of a task was started.
    pub async fn started(&self, name: &TaskName) {
        for _ in 0..600 {
            if self.starts(name).await > 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("`{name}` does not start");
    }

    pub async fn end(self) {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        namespaces.delete(&self.namespace, &DeleteParams::default()).await.unwrap();
    }
}

async fn open(namespace: &str, start_within: Duration, blobs: Arc<DirectoryBlobs>) -> KubernetesExecutor {
    let options = KubernetesOptions { start_within, ..options(namespace) };
    KubernetesExecutor::open(options, blobs).await.unwrap()
}

fn options(namespace: &str) -> KubernetesOptions {
    KubernetesOptions {
        kubeconfig: Some(kubeconfig()),
        toolbox: Some(SHELL.into()),
        helper: Some(HELPER.into()),
        start_within: Duration::from_secs(60),
        ..KubernetesOptions::new(namespace)
    }
}

/// A task that is a shell script.
pub fn shell(script: &str) -> TaskSpec {
    spec(process(&["sh", "-c", script]))
}
