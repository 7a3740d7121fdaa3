//! A Kubernetes of one node for tests: the one that `STAGEWAY_TEST_KUBECONFIG` names, or one that is started for them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// A cluster, and its process if it is ours.
pub struct Cluster {
    kubeconfig: PathBuf,
    served: Option<Served>,
}

struct Served {
    child: Child,
    talk: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
}

impl Cluster {
    /// Starts it with `tests/kubernetes/cluster` below the project's root. It ends with its standard input, so also when this process is
    /// killed.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(root: &Path) -> Self {
        Self::start_with(root, &[])
    }

    /// The same with some of the parts that the script offers, each told in a file beside the kubeconfig.
    ///
    /// # Panics
    /// When it does not start.
    #[allow(dead_code, reason = "not every test that includes this file asks for parts")]
    pub fn start_with(root: &Path, parts: &[&str]) -> Self {
        if let Some(path) = std::env::var_os("STAGEWAY_TEST_KUBECONFIG") {
            return Self { kubeconfig: path.into(), served: None };
        }
        let script = root.join("tests/kubernetes/cluster");
        let spawned = Command::new(&script).args(parts).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = spawned.expect("the cluster's script runs");
        let mut line = String::new();
        let input = child.stdin.take().expect("its input");
        let mut output = BufReader::new(child.stdout.take().expect("its output"));
        output.read_line(&mut line).expect("text");
        assert!(
            !line.is_empty(),
            "the cluster of the tests does not start: run `engine/setup --tests`, then {}",
            script.display()
        );
        let talk = Mutex::new((input, output));
        Self { kubeconfig: line.trim().into(), served: Some(Served { child, talk }) }
    }

    /// Does something to one of its parts, as the script tells it, such as `kill` to `kubelet`; it is done when this returns.
    ///
    /// # Panics
    /// When the cluster is not ours, or the script does not know that.
    #[allow(dead_code, reason = "not every test that includes this file breaks something")]
    pub fn tell(&self, what: &str, part: &str) {
        let served = self
            .served
            .as_ref()
            .expect("a cluster of the tests' own: STAGEWAY_TEST_KUBECONFIG names another");
        let mut talk = served.talk.lock().unwrap_or_else(PoisonError::into_inner);
        let mut answer = String::new();
        writeln!(talk.0, "{what} {part}").expect("the script listens");
        talk.1.read_line(&mut answer).expect("text");
        assert_eq!(answer, "done\n", "{what} {part}");
    }

    /// A line of the file of a part: `NAME=VALUE`.
    ///
    /// # Panics
    /// When there is none.
    #[allow(dead_code, reason = "not every test that includes this file asks for parts")]
    pub fn part(&self, part: &str, name: &str) -> String {
        let text =
            std::fs::read_to_string(self.kubeconfig.with_file_name(part)).expect("the file of the part");
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.unwrap_or_else(|| panic!("no `{name}` in {text}")).to_owned()
    }

    /// The network namespace of its nodes.
    ///
    /// # Panics
    /// When the cluster does not say.
    #[allow(dead_code, reason = "not every test that includes this file enters it")]
    pub fn network(&self) -> PathBuf {
        let text = std::fs::read_to_string(self.kubeconfig.with_file_name("network"));
        text.expect("the namespace of the network").trim().into()
    }

    /// The audit of the API server: what the cluster's script says of it, one JSON object a line.
    ///
    /// # Panics
    /// When nothing tells: a cluster that is named writes it beside the kubeconfig, too.
    #[allow(dead_code, reason = "not every test that includes this file asks")]
    pub fn audit(&self) -> String {
        let path = self.kubeconfig.with_file_name("audit.log");
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// The path of its kubeconfig.
    pub fn kubeconfig(&self) -> &PathBuf {
        &self.kubeconfig
    }
}

impl Drop for Cluster {
    /// Ends it and waits until nothing is left of it.
    fn drop(&mut self) {
        if let Some(Served { mut child, talk }) = self.served.take() {
            drop(talk);
            let _ = child.wait();
        }
    }
}
