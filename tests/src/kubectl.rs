//! `kubectl`, and what it tells of pods.

use crate::cluster::Cluster;
use crate::root;
use serde_json::Value as Json;
use std::path::PathBuf;
use std::process::{Command, Output};

/// `kubectl` of one cluster and namespace.
#[derive(Debug, Clone)]
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
    namespace: String,
}

impl Kubectl {
    /// Of a cluster in a namespace, from the binary that `tests/kubernetes/setup` builds.
    ///
    /// # Panics
    /// When that cannot be had.
    pub fn of(cluster: &Cluster, namespace: &str) -> Self {
        let built = Command::new(root().join("tests/kubernetes/setup")).output().expect("the set-up runs");
        let program = PathBuf::from(String::from_utf8(built.stdout).expect("a path").trim());
        Self { program, kubeconfig: cluster.kubeconfig().clone(), namespace: namespace.to_owned() }
    }

    /// The command, ready for its arguments.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(["kubectl", "--kubeconfig"])
            .arg(&self.kubeconfig)
            .args(["--namespace", &self.namespace]);
        command
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// When it does not start.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command().args(arguments).output().expect("kubectl runs")
    }

    /// What it gets, as JSON; null is nothing.
    pub fn get(&self, arguments: &[&str]) -> Json {
        let output = self.run(&[&["get", "--output", "json"], arguments].concat());
        serde_json::from_slice(&output.stdout).unwrap_or(Json::Null)
    }

    /// For each pod of an application that is ready, where the API server passes requests to its port 8080 on.
    pub fn pods(&self, app: &str) -> Vec<String> {
        let pods = self.get(&["pods", "--selector", &format!("app={app}")]);
        let ready = |pod: &&Json| {
            pod["metadata"]["deletionTimestamp"].is_null()
                && pod["status"]["containerStatuses"][0]["ready"] == true
        };
        let pods = pods["items"].as_array().into_iter().flatten().filter(ready);
        let names = pods.filter_map(|pod| pod["metadata"]["name"].as_str());
        names.map(|name| format!("/api/v1/namespaces/{}/pods/{name}:8080/proxy", self.namespace)).collect()
    }
}
