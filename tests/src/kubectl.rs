//! `kubectl`, and what it tells of pods.

use crate::cluster::Cluster;
use crate::root;
use serde_json::{Value as Json, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

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
        let mut command = self.anywhere();
        command.args(["--namespace", &self.namespace]);
        command
    }

    fn anywhere(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["kubectl", "--kubeconfig"]).arg(&self.kubeconfig);
        command
    }

    /// Applies a file or a folder, whose objects say where they are.
    ///
    /// # Panics
    /// When something of it is refused.
    pub fn apply(&self, what: &Path) {
        let output = self.anywhere().args(["apply", "--filename"]).arg(what).output().expect("kubectl runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {said}", what.display());
    }

    /// Runs it to its end, which must be a good one; answers what it wrote.
    ///
    /// # Panics
    /// When it is none.
    pub fn must(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The same with something on its standard input.
    ///
    /// # Panics
    /// As [`Kubectl::must`].
    pub fn must_with(&self, arguments: &[&str], input: &str) -> String {
        let mut command = self.command();
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("kubectl runs");
        child.stdin.take().expect("its input").write_all(input.as_bytes()).expect("it reads");
        let output = child.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{arguments:?} of {input}");
        String::from_utf8_lossy(&output.stdout).into_owned()
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

    /// A kubeconfig with which one is a service account of this namespace, for an hour.
    ///
    /// # Panics
    /// When there is no such account.
    pub fn kubeconfig_of(&self, account: &str) -> String {
        let token = self.must(&["create", "token", account]);
        let config = self.must(&["config", "view", "--raw", "--output", "json"]);
        let mut config: Json = serde_json::from_str(&config).expect("JSON");
        for user in config["users"].as_array_mut().into_iter().flatten() {
            user["user"] = json!({ "token": token.trim() });
        }
        config.to_string()
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

/// `kubectl proxy`: the API server without credentials, on this machine's loopback.
pub struct Proxy {
    process: Child,
    /// Where it listens.
    pub port: u16,
}

impl Proxy {
    /// One for a cluster; ended when dropped.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(kubectl: &Kubectl) -> Self {
        let mut command = kubectl.command();
        let proxy = command.args(["proxy", "--port=0"]).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = proxy.spawn().expect("kubectl runs");
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("its output")).read_line(&mut line).expect("text");
        let port = line.trim().rsplit(':').next().and_then(|port| port.parse().ok());
        Self { process, port: port.unwrap_or_else(|| panic!("no port in {line:?}")) }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
