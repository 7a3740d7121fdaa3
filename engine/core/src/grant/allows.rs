//! The check at each call: may it, and if not, which line of the pipeline file would let it.

use super::{Access, ClusterAction, Grants, ImageAction, Interface, RepositoryPattern, Sink};
use crate::name::EnvironmentName;
use std::collections::BTreeSet;
use thiserror::Error;

/// A call that is not granted. The text is what the plugin is told.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("not granted; the stage would need `grants: {{ {line} }}`, and the policy must allow it")]
pub struct Denied {
    /// The interface of the call.
    pub interface: Interface,
    /// What would have to stand under `grants`.
    pub line: String,
}

fn denied(interface: Interface, parameter: impl std::fmt::Display) -> Denied {
    let parameter: String = parameter.to_string().chars().filter(|c| !c.is_control()).take(300).collect();
    Denied { interface, line: format!("{interface}: {parameter}") }
}

/// Every check answers `Ok` or the line that would grant the call.
impl Grants {
    /// Calls of an interface whose parameters do not matter here.
    ///
    /// # Errors
    /// [`Denied`], as for every check of this type.
    pub fn allows(&self, interface: Interface) -> Result<(), Denied> {
        if self.has(interface) {
            return Ok(());
        }
        Err(denied(interface, example(interface)))
    }

    /// `workspace`: reading, or `write` and `remove`.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn allows_workspace(&self, access: Access) -> Result<(), Denied> {
        reach(self.workspace, access, Interface::Workspace)
    }

    /// `artifacts`: reading, or `save` and `put`.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn allows_artifacts(&self, access: Access) -> Result<(), Denied> {
        reach(self.artifacts, access, Interface::Artifacts)
    }

    /// `source`.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn allows_source(&self) -> Result<(), Denied> {
        reach(self.source, Access::Read, Interface::Source)
    }

    /// `approvals.ask`.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn allows_approvals(&self) -> Result<(), Denied> {
        self.allows(Interface::Approvals)
    }

    /// `tasks.start` with this image; `None` is the executor's own toolbox.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn allows_task(&self, image: Option<&str>) -> Result<(), Denied> {
        let tasks = self.tasks.as_ref().ok_or_else(|| denied(Interface::Tasks, "true"))?;
        match image {
            Some(image) if !tasks.images.iter().any(|pattern| pattern.matches(image)) => {
                Err(denied(Interface::Tasks, format_args!("{{ images: [\"{image}\"] }}")))
            }
            _ => Ok(()),
        }
    }

    /// A task that wants the network.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn allows_task_network(&self) -> Result<(), Denied> {
        match &self.tasks {
            Some(tasks) if tasks.network.is_some() => Ok(()),
            _ => Err(denied(Interface::Tasks, "{ network: true }")),
        }
    }

    /// `images`: an action in a repository, written `CONNECTION/PATH` as in the pipeline file.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn allows_image(&self, repository: &str, action: ImageAction) -> Result<(), Denied> {
        let rules = self.images.iter().flat_map(|images| &images.repositories);
        let mut found = rules.filter(|(pattern, _)| pattern.matches(repository));
        if found.any(|(_, actions)| actions.contains(&action)) {
            return Ok(());
        }
        Err(denied(Interface::Images, format_args!("{{ {repository}: [{action}] }}")))
    }

    /// `http.send` to this host and port.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn allows_http(&self, host: &str, port: u16) -> Result<(), Denied> {
        let mut hosts = self.http.iter().flat_map(|http| &http.hosts);
        if hosts.any(|pattern| pattern.matches(host, port)) {
            return Ok(());
        }
        Err(denied(Interface::Http, format_args!("[\"{host}:{port}\"]")))
    }

    /// `secrets.get`.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn allows_secret(&self, name: &str) -> Result<(), Denied> {
        self.sinks(name).map(|_| ())
    }

    /// A secret flowing into a request.
    ///
    /// # Errors
    /// [`Denied`] if the secret is not granted or may not flow to that host.
    pub fn allows_secret_in_request(&self, name: &str, host: &str, port: u16) -> Result<(), Denied> {
        let flows = |sink: &Sink| matches!(sink, Sink::Http(pattern) if pattern.matches(host, port));
        self.flow(name, flows, &format!("http:{host}:{port}"))
    }

    /// A secret flowing into a task with this image; `None` is the executor's own toolbox.
    ///
    /// # Errors
    /// [`Denied`] if the secret is not granted or may not flow to that task.
    pub fn allows_secret_in_task(&self, name: &str, image: Option<&str>) -> Result<(), Denied> {
        let flows = |sink: &Sink| match (sink, image) {
            (Sink::Task(pattern), Some(image)) => pattern.matches(image),
            (Sink::Toolbox, None) => true,
            _ => false,
        };
        self.flow(name, flows, &format!("task:{}", image.unwrap_or("toolbox")))
    }

    /// `environments`: the history of one environment.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn allows_environment(&self, name: &str) -> Result<(), Denied> {
        let mut names = self.environments.iter().flat_map(|environments| &environments.names);
        if names.any(|granted: &EnvironmentName| granted.as_str() == name) {
            return Ok(());
        }
        Err(denied(Interface::Environments, format_args!("[{name}]")))
    }

    /// `cluster`: an action on objects of a kind in a namespace.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn allows_cluster(
        &self,
        cluster: &str,
        namespace: &str,
        kind: &str,
        action: ClusterAction,
    ) -> Result<(), Denied> {
        let rule = self.cluster.as_ref().and_then(|grant| grant.clusters.get(cluster));
        let allowed = rule.is_some_and(|rule| {
            rule.namespaces.contains(namespace) && rule.kinds.contains(kind) && rule.actions.contains(&action)
        });
        if allowed {
            return Ok(());
        }
        let namespace = if namespace.is_empty() { "\"\"" } else { namespace };
        let line =
            format!("{{ {cluster}: {{ namespaces: [{namespace}], kinds: [{kind}], actions: [{action}] }} }}");
        Err(denied(Interface::Cluster, line))
    }

    /// The repositories in which an action is granted.
    pub fn repositories(&self, action: ImageAction) -> impl Iterator<Item = &RepositoryPattern> {
        let rules = self.images.iter().flat_map(|images| &images.repositories);
        rules.filter(move |(_, actions)| actions.contains(&action)).map(|(pattern, _)| pattern)
    }

    fn sinks(&self, name: &str) -> Result<&BTreeSet<Sink>, Denied> {
        let granted = self.secrets.as_ref().and_then(|secrets| secrets.names.get(name));
        granted.ok_or_else(|| denied(Interface::Secrets, format_args!("[{name}]")))
    }

    fn flow(&self, name: &str, flows: impl Fn(&Sink) -> bool, sink: &str) -> Result<(), Denied> {
        if self.sinks(name)?.iter().any(flows) {
            return Ok(());
        }
        // The sinks of a secret stand in the policy, so that is where the line belongs.
        Err(denied(Interface::Secrets, format_args!("[{name}] with `to: [\"{sink}\"]` in the policy")))
    }
}

fn reach(granted: Option<Access>, wanted: Access, interface: Interface) -> Result<(), Denied> {
    if granted >= Some(wanted) {
        return Ok(());
    }
    Err(denied(interface, wanted))
}

/// The shape of a line that grants the interface.
pub(crate) fn example(interface: Interface) -> &'static str {
    match interface {
        Interface::Workspace | Interface::Artifacts => "write",
        Interface::Source => "read",
        Interface::Tasks | Interface::Approvals => "true",
        Interface::Images => "{ CONNECTION/PATH: [read] }",
        Interface::Http => "[\"HOST:443\"]",
        Interface::Secrets => "[NAME]",
        Interface::Environments => "[NAME]",
        Interface::Cluster => "{ NAME: { namespaces: [NAME], kinds: [KIND], actions: [read] } }",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn grants() -> Grants {
        serde_json::from_value(json!({
            "workspace": "read", "artifacts": "write",
            "tasks": { "images": ["build/*"], "network": false },
            "images": { "build/orderbook": ["read", "push"] },
            "http": ["hooks.example.com:443"],
            "secrets": { "CHAT": ["http:hooks.example.com:443"], "NPM": ["task:toolbox"] },
            "environments": ["production"],
            "cluster": { "blue": { "namespaces": ["shop"], "kinds": ["Deployment"], "actions": ["read"] } },
        }))
        .unwrap()
    }

    #[test]
    fn what_is_granted_goes_through() {
        let grants = grants();
        grants.allows_workspace(Access::Read).unwrap();
        grants.allows_artifacts(Access::Read).unwrap();
        grants.allows_task(None).unwrap();
        grants.allows_task(Some("build/orderbook@sha256:00")).unwrap();
        grants.allows_image("build/orderbook", ImageAction::Push).unwrap();
        grants.allows_http("hooks.example.com", 443).unwrap();
        grants.allows_secret_in_request("CHAT", "hooks.example.com", 443).unwrap();
        grants.allows_secret_in_task("NPM", None).unwrap();
        grants.allows_environment("production").unwrap();
        grants.allows_cluster("blue", "shop", "Deployment", ClusterAction::Read).unwrap();
    }

    #[test]
    fn what_is_not_granted_names_its_line() {
        let grants = grants();
        let lines = [
            grants.allows_workspace(Access::Write),
            grants.allows_source(),
            grants.allows_approvals(),
            grants.allows_task(Some("evil/x:1")),
            grants.allows_task_network(),
            grants.allows_image("build/orderbook", ImageAction::Move),
            grants.allows_http("evil.example.com", 443),
            grants.allows_secret("TOKEN"),
            grants.allows_environment("staging"),
            grants.allows_cluster("blue", "shop", "Secret", ClusterAction::Read),
        ]
        .map(|answer| answer.unwrap_err().line);
        assert_eq!(
            lines,
            [
                "workspace: write",
                "source: read",
                "approvals: true",
                "tasks: { images: [\"evil/x:1\"] }",
                "tasks: { network: true }",
                "images: { build/orderbook: [move] }",
                "http: [\"evil.example.com:443\"]",
                "secrets: [TOKEN]",
                "environments: [staging]",
                "cluster: { blue: { namespaces: [shop], kinds: [Secret], actions: [read] } }",
            ]
        );
    }

    #[test]
    fn a_secret_flows_only_into_its_sinks() {
        let grants = grants();
        assert!(grants.allows_secret_in_request("CHAT", "hooks.example.com", 80).is_err());
        assert!(grants.allows_secret_in_request("NPM", "hooks.example.com", 443).is_err());
        assert!(grants.allows_secret_in_task("CHAT", None).is_err());
        assert!(grants.allows_secret_in_task("NPM", Some("build/a")).is_err());
    }
}
