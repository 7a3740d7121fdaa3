//! A namespace of a real cluster, pods of ours in it and raw ones.

use super::shared::Cluster;
use crate::Bench;
use anyhow::{Context as _, Result, bail, ensure};
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::{Namespace, Pod, ResourceQuota, ServiceAccount};
use kube::api::{DeleteParams, PostParams, WatchEvent, WatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;
use stageway_core::name::TaskName;
use stageway_core::task::{TaskSpec, TaskState};
use stageway_executors::kubernetes::{KubernetesExecutor, KubernetesOptions};
use stageway_ports::{Blobs, Cursor, Executor, SecretValues};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// The shell that the nodes of the tests have.
const SHELL: &str = "stageway.test/shell:1";
/// Our helper, which they have too.
const HELPER: &str = "stageway.test/pod:1";
/// What a pod does: it says when its code runs, in seconds since this machine was started.
pub(super) const SAYS_WHEN: [&str; 2] = ["/bin/cat", "/proc/uptime"];
/// A pod must have ended by then.
const WITHIN: Duration = Duration::from_secs(300);

/// Seconds since a pod was asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// Its code runs; none where containerd lost what it wrote just before it ended, as version 1.6 does now and then.
    pub(super) runs: Option<f64>,
    /// Its end is known.
    pub(super) ended: f64,
}

/// A namespace of the cluster, which ends with it.
pub(super) struct Place {
    _cluster: Cluster,
    pods: Api<Pod>,
    quotas: Api<ResourceQuota>,
    pub(super) executor: Arc<KubernetesExecutor>,
    options: KubernetesOptions,
    blobs: Arc<dyn Blobs>,
    numbers: AtomicU32,
}

impl Place {
    /// Starts the cluster of the tests, or takes the one that is named.
    pub(super) async fn open(bench: &Bench, blobs: Arc<dyn Blobs>) -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        bench.say("pods: the cluster");
        let cluster = tokio::task::spawn_blocking(move || Cluster::start(&root)).await?;
        let kubeconfig = cluster.kubeconfig().clone();
        let file = Kubeconfig::read_from(&kubeconfig)?;
        let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
        let client = Client::try_from(config)?;
        let mut wanted = Namespace::default();
        wanted.metadata.generate_name = Some("bench-".into());
        let made = Api::all(client.clone()).create(&PostParams::default(), &wanted).await?;
        let namespace = made.metadata.name.context("a namespace has a name")?;
        account(&Api::namespaced(client.clone(), &namespace)).await?;
        let options = KubernetesOptions {
            kubeconfig: Some(kubeconfig),
            toolbox: Some(SHELL.into()),
            helper: Some(HELPER.into()),
            ..KubernetesOptions::new(&namespace)
        };
        Ok(Self {
            _cluster: cluster,
            pods: Api::namespaced(client.clone(), &namespace),
            quotas: Api::namespaced(client, &namespace),
            executor: Arc::new(KubernetesExecutor::open(options.clone(), blobs.clone()).await?),
            options,
            blobs,
            numbers: AtomicU32::new(0),
        })
    }

    /// The executor of an engine that has just started.
    pub(super) async fn another(&self) -> Result<Arc<KubernetesExecutor>> {
        Ok(Arc::new(KubernetesExecutor::open(self.options.clone(), self.blobs.clone()).await?))
    }

    /// From now on at most so many pods at once.
    pub(super) async fn quota(&self, pods: usize) -> Result<()> {
        let quota =
            json!({ "metadata": { "name": "bench" }, "spec": { "hard": { "pods": pods.to_string() } } });
        self.quotas.create(&PostParams::default(), &serde_json::from_value(quota)?).await?;
        for _ in 0..600 {
            if self.quotas.get("bench").await?.status.is_some_and(|status| status.used.is_some()) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("nobody counts the quota")
    }

    fn number(&self) -> u32 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// A pod as anybody would make it, followed by a watch.
    pub(super) async fn raw(&self) -> Result<Times> {
        let name = format!("raw-{}", self.number());
        let pod: Pod = serde_json::from_value(json!({
            "metadata": { "name": name },
            "spec": {
                "restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "automountServiceAccountToken": false,
                "containers": [{ "name": "task", "image": SHELL, "imagePullPolicy": "IfNotPresent", "command": SAYS_WHEN }],
            },
        }))?;
        let begun = booted();
        self.pods.create(&PostParams::default(), &pod).await?;
        tokio::time::timeout(WITHIN, self.succeeded(&name)).await??;
        let ended = booted() - begun;
        let said = self.pods.logs(&name, &Default::default()).await?;
        let runs = moment(&said)?.map(|moment| moment - begun);
        self.pods.delete(&name, &DeleteParams::default().grace_period(0)).await?;
        Ok(Times { runs, ended })
    }

    async fn succeeded(&self, name: &str) -> Result<()> {
        loop {
            let of_it = WatchParams::default().fields(&format!("metadata.name={name}")).timeout(60);
            let mut events = self.pods.watch(&of_it, "0").await?.boxed();
            while let Some(event) = events.next().await {
                let (WatchEvent::Added(pod) | WatchEvent::Modified(pod)) = event? else { continue };
                match pod.status.and_then(|status| status.phase).as_deref() {
                    Some("Succeeded") => return Ok(()),
                    Some("Failed") => bail!("the pod {name} failed"),
                    _ => {}
                }
            }
        }
    }

    /// A task of ours that [`SAYS_WHEN`].
    pub(super) async fn task(&self, spec: &TaskSpec) -> Result<Times> {
        let (name, times) = self.kept(spec).await?;
        self.executor.forget(&name).await?;
        Ok(times)
    }

    /// The same, whose pod stays when it has ended.
    pub(super) async fn kept(&self, spec: &TaskSpec) -> Result<(TaskName, Times)> {
        let name = TaskName::new(format!("bench.{}", self.number()))?;
        let begun = booted();
        let known = self.executor.ensure(&name, spec, &SecretValues::default()).await?;
        let TaskState::Ended(ending) = self.executor.state(&name, Some(&known), WITHIN).await? else {
            bail!("the task {name} does not end");
        };
        let ended = booted() - begun;
        ensure!(ending.code == Some(0), "the task {name} ended as {ending:?}");
        let said = self.executor.output(&name, &Cursor::default(), 1024).await?;
        let runs = moment(&String::from_utf8_lossy(&said.bytes))?.map(|moment| moment - begun);
        Ok((name, Times { runs, ended }))
    }
}

/// A pod needs the account that the controllers give to each namespace.
async fn account(accounts: &Api<ServiceAccount>) -> Result<()> {
    for _ in 0..600 {
        if accounts.get_opt("default").await?.is_some() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bail!("the namespace got no service account")
}

/// Seconds since this machine was started, as `/proc/uptime` counts them.
fn booted() -> f64 {
    let time = clock_gettime(ClockId::Boottime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32).as_secs_f64()
}

fn moment(uptime: &str) -> Result<Option<f64>> {
    Ok(uptime.split_whitespace().next().map(str::parse).transpose()?)
}
