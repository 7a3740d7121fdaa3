//! How a cluster is reached: what pods and objects have in common.

use futures::StreamExt as _;
use kube::api::WatchParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::path::Path;
use std::time::Duration;
use thiserror::Error;

/// How long a connection and an answer may take; a watch is shorter.
const CONNECT: Duration = Duration::from_secs(10);
pub(crate) const ANSWER: Duration = Duration::from_secs(60);

/// Why a cluster cannot be reached.
#[derive(Debug, Error)]
pub enum OpenError {
    /// No configuration says how the cluster is reached.
    #[error("the cluster's configuration cannot be read: {0}")]
    Configuration(String),
    /// It was read, and no client can be made of it.
    #[error("no client of the cluster can be made: {0}")]
    Client(String),
}

/// A client of a cluster: of a kubeconfig and a context in it, where they are given; else with the service account of the pod that
/// this process runs in; else as the user's own kubeconfig says. Nothing is asked of the cluster yet.
pub(crate) async fn client(kubeconfig: Option<&Path>, context: Option<&str>) -> Result<Client, OpenError> {
    let mut config = configuration(kubeconfig, context).await.map_err(OpenError::Configuration)?;
    config.connect_timeout = Some(CONNECT);
    config.read_timeout = Some(ANSWER);
    Client::try_from(config).map_err(|error| OpenError::Client(error.to_string()))
}

async fn configuration(kubeconfig: Option<&Path>, context: Option<&str>) -> Result<Config, String> {
    let options = KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
    match (kubeconfig, context) {
        (Some(path), _) => {
            let file = Kubeconfig::read_from(path).map_err(|error| error.to_string())?;
            Config::from_custom_kubeconfig(file, &options).await.map_err(|error| error.to_string())
        }
        (None, Some(_)) => Config::from_kubeconfig(&options).await.map_err(|error| error.to_string()),
        (None, None) => Config::infer().await.map_err(|error| error.to_string()),
    }
}

/// How long the server keeps a watch, in seconds; who watches may go earlier.
const WATCH: u32 = 10;

/// Returns when an object may have changed since a version of it, at the latest after a while, and then where no watch can be had.
pub(crate) async fn changed<K>(api: &Api<K>, name: &str, version: &str, within: Duration)
where
    K: Clone + DeserializeOwned + Debug,
{
    let parameters = WatchParams::default().fields(&format!("metadata.name={name}")).timeout(WATCH);
    let watch = async {
        match api.watch(&parameters, version).await {
            Ok(events) => drop(Box::pin(events).next().await),
            Err(_) => std::future::pending().await,
        }
    };
    let _ = tokio::time::timeout(within, watch).await;
}
