//! Where tasks run: on this machine, and as pods where the operator says so.

use super::engine::THIS_PROGRAM;
use crate::config::Settings;
use crate::exit::Refused;
use anyhow::{Context, Result};
use stageway_core::operator::{ClusterAccess, Connection, PodTasks, PodToleration, Pods};
use stageway_executors::kubernetes::{KubernetesExecutor, KubernetesOptions, PodTemplate, Toleration};
use stageway_executors::local::{LocalExecutor, LocalOptions};
use stageway_executors::{DividedExecutor, PodExecutors};
use stageway_ports::{Blobs, Executor};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long a supervisor may take until it answers.
const START_WITHIN: Duration = Duration::from_secs(20);

/// The executor of an installation whose state is in a directory.
///
/// # Errors
/// When nothing says how the cluster is reached, or no client can be made of that.
pub(crate) async fn executor(
    settings: &Settings,
    directory: &Path,
    blobs: Arc<dyn Blobs>,
) -> Result<Arc<dyn Executor>> {
    let here = executor_here(settings, directory);
    let Some(pods) = &settings.executor else { return Ok(here) };
    let access = settings.clusters.get(&pods.cluster).cloned().unwrap_or_default();
    let mut options = options(pods, pod_template(pods)?, access, directory.join("scratch"));
    options.registries = registries(settings, pods);
    std::fs::create_dir_all(&options.scratch)
        .with_context(|| format!("{} cannot be made", options.scratch.display()))?;
    let open = async |namespace: &String| {
        let options = KubernetesOptions { namespace: namespace.clone(), ..options.clone() };
        let executor = KubernetesExecutor::open(options, blobs.clone()).await;
        executor.map(Arc::new).with_context(|| format!("tasks cannot run on the cluster `{}`", pods.cluster))
    };
    let mut executors = PodExecutors { usual: open(&pods.namespace).await?, tenants: BTreeMap::new() };
    for (tenant, namespace) in &pods.namespaces {
        executors.tenants.insert(tenant.clone(), open(namespace).await?);
    }
    Ok(Arc::new(DividedExecutor::new(here, executors, pods.tasks == PodTasks::All)))
}

/// The executor of this machine alone.
pub(crate) fn executor_here(settings: &Settings, directory: &Path) -> Arc<dyn Executor> {
    let tasks = &directory.join("tasks");
    Arc::new(LocalExecutor::new(LocalOptions {
        state: tasks.to_owned(),
        supervisor: supervisor(settings, tasks),
        toolbox: settings.toolbox.clone(),
        start_within: START_WITHIN,
    }))
}

/// The command line of the supervisor; `commands::supervisor` reads it.
fn supervisor(settings: &Settings, tasks: &Path) -> Vec<OsString> {
    let mut words: Vec<OsString> = [THIS_PROGRAM, "supervisor", "serve"].map(OsString::from).into();
    let mut option = |name: &str, value: OsString| {
        words.push(name.into());
        words.push(value);
    };
    option("--directory", tasks.into());
    option("--blobs", (&settings.blobs).into());
    for path in &settings.toolbox {
        option("--toolbox", path.into());
    }
    if let Some(path) = &settings.cargo_home {
        option("--cargo-home", path.into());
    }
    words
}

/// Where nodes find the images of each connection: as the connection itself says, unless the executor knows better.
fn registries(settings: &Settings, pods: &Pods) -> BTreeMap<String, String> {
    let connections = settings.connections.iter().flatten();
    let named = connections.filter_map(|(name, connection)| match connection {
        Connection::Registry(registry) => {
            Some((name.clone(), registry.pull.clone().unwrap_or_else(|| registry.address.clone())))
        }
        Connection::Layout(_) | Connection::Ecr(_) => None,
    });
    named.chain(pods.registries.clone()).collect()
}

fn options(pods: &Pods, template: PodTemplate, access: ClusterAccess, scratch: PathBuf) -> KubernetesOptions {
    let usual = KubernetesOptions::new(&pods.namespace);
    KubernetesOptions {
        kubeconfig: access.kubeconfig.map(PathBuf::from),
        context: access.context,
        toolbox: pods.toolbox.clone(),
        helper: pods.helper.clone(),
        root_images: pods.root_images.clone(),
        scratch,
        service_account: pods.service_account.clone(),
        identities: pods.identities.clone(),
        pull_secrets: pods.pull_secrets.clone(),
        node_selector: pods.node_selector.clone(),
        tolerations: pods.tolerations.iter().cloned().map(toleration).collect(),
        start_within: pods.start_within_ms.map_or(usual.start_within, Duration::from_millis),
        template,
        ..usual
    }
}

/// What the configuration gives every pod besides.
///
/// # Errors
/// [`Refused`] where Kubernetes does not know it so.
pub(crate) fn pod_template(pods: &Pods) -> Result<PodTemplate, Refused> {
    let said = &pods.template;
    PodTemplate::new(said.labels.clone(), said.annotations.clone(), &said.spec).map_err(|problem| {
        let message = format!("`template` of the executor: {problem}");
        Refused::usage(message, "write it as a `spec` of Kubernetes' PodTemplate")
    })
}

fn toleration(toleration: PodToleration) -> Toleration {
    Toleration { key: toleration.key, value: toleration.value, effect: toleration.effect }
}
