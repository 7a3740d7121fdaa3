//! The line of a pipeline file that would grant something.

use super::allows::example;
use super::{Grants, Interface, TaskNetwork};
use std::fmt::Write;

/// What to write under `grants` for one interface: its parameters if they are known, else their shape.
pub fn line(grants: &Grants, interface: Interface) -> String {
    let parameters = parameters(grants, interface).unwrap_or_else(|| example(interface).to_owned());
    format!("{interface}: {parameters}")
}

fn parameters(grants: &Grants, interface: Interface) -> Option<String> {
    match interface {
        Interface::Workspace => grants.workspace.map(|access| access.to_string()),
        Interface::Artifacts => grants.artifacts.map(|access| access.to_string()),
        Interface::Source | Interface::Approvals => None,
        Interface::Tasks => tasks(grants),
        Interface::Images => {
            let repositories = &grants.images.as_ref()?.repositories;
            let each = repositories.iter().map(|(pattern, actions)| format!("{pattern}: {}", words(actions)));
            braced(each.collect())
        }
        Interface::Http => quoted(grants.http.as_ref()?.hosts.iter()),
        Interface::Secrets => words_if_any(grants.secrets.as_ref()?.names.keys()),
        Interface::Environments => words_if_any(grants.environments.as_ref()?.names.iter()),
        Interface::Cluster => {
            let clusters = &grants.cluster.as_ref()?.clusters;
            let each = clusters.iter().map(|(name, rule)| {
                let (namespaces, kinds) = (words(&rule.namespaces), words(&rule.kinds));
                format!(
                    "{name}: {{ namespaces: {namespaces}, kinds: {kinds}, actions: {} }}",
                    words(&rule.actions)
                )
            });
            braced(each.collect())
        }
    }
}

fn tasks(grants: &Grants) -> Option<String> {
    let tasks = grants.tasks.as_ref()?;
    let mut members = Vec::new();
    if let Some(images) = quoted(tasks.images.iter()) {
        members.push(format!("images: {images}"));
    }
    match &tasks.network {
        TaskNetwork::None => {}
        TaskNetwork::All => members.push("network: true".to_owned()),
        TaskNetwork::Hosts(hosts) => members.push(format!("network: {}", quoted(hosts.iter())?)),
    }
    braced(members)
}

fn braced(members: Vec<String>) -> Option<String> {
    if members.is_empty() { None } else { Some(format!("{{ {} }}", members.join(", "))) }
}

fn quoted<T: std::fmt::Display>(items: impl Iterator<Item = T>) -> Option<String> {
    let all: Vec<String> = items.map(|item| format!("\"{item}\"")).collect();
    if all.is_empty() { None } else { Some(format!("[{}]", all.join(", "))) }
}

fn words<'a, T: std::fmt::Display + 'a>(items: impl IntoIterator<Item = &'a T>) -> String {
    let mut text = String::new();
    for item in items {
        let separator = if text.is_empty() { "" } else { ", " };
        // Writing to a text does not fail.
        let _ = write!(text, "{separator}{item}");
    }
    format!("[{text}]")
}

fn words_if_any<'a, T: std::fmt::Display + 'a>(items: impl Iterator<Item = &'a T>) -> Option<String> {
    let text = words(items);
    if text == "[]" { None } else { Some(text) }
}
