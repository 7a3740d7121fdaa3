//! The parameters that a manifest takes from a stage's `with`.

use super::{
    ClusterGrant, ClusterRule, EnvironmentsGrant, Grants, HostPattern, HttpGrant, ImagePattern, ImagesGrant,
    Interface, RepositoryPattern, SecretsGrant, TaskNetwork, TasksGrant, pattern::repository_of,
};
use crate::expression::Filled;
use crate::manifest::{ClusterWanted, FromConfiguration, Parameter, RepositoryWanted, Wanted, WantedNetwork};
use crate::name::EnvironmentName;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

/// What a wanted grant comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct Derived {
    /// The parameters that are known.
    pub grants: Grants,
    /// What is wanted beside, where a hole hides the parameters.
    pub late: Option<Wanted>,
    /// Parameters that are none: JSON pointer and message.
    pub faults: Vec<(String, String)>,
}

/// Takes the parameters of a wanted grant from a configuration. `environment` is the stage's own.
pub fn derive(wanted: &Wanted, with: &Filled, environment: Option<&EnvironmentName>) -> Derived {
    let mut deriver = Deriver { with, late: Wanted::of(wanted.interface), hidden: false, faults: Vec::new() };
    let grants = deriver.grants(wanted, environment);
    let Deriver { late, hidden, faults, .. } = deriver;
    Derived { grants, late: hidden.then_some(late), faults }
}

struct Deriver<'w> {
    with: &'w Filled,
    late: Wanted,
    hidden: bool,
    faults: Vec<(String, String)>,
}

impl Deriver<'_> {
    fn grants(&mut self, wanted: &Wanted, environment: Option<&EnvironmentName>) -> Grants {
        let mut grants = Grants::default();
        let access = wanted.access.unwrap_or(super::Access::Read);
        match wanted.interface {
            Interface::Workspace => grants.workspace = Some(access),
            Interface::Artifacts => grants.artifacts = Some(access),
            Interface::Source => grants.source = Some(super::Access::Read),
            Interface::Approvals => grants.approvals = true,
            Interface::Tasks => grants.tasks = Some(self.tasks(wanted)),
            Interface::Images => grants.images = Some(self.images(&wanted.repositories)),
            Interface::Http => grants.http = Some(self.http(&wanted.hosts)),
            Interface::Secrets => {
                let names =
                    self.parameters(&wanted.secrets, |late| &mut late.secrets, |text| text.parse().ok());
                let names = names.into_iter().map(|name| (name, BTreeSet::new())).collect();
                grants.secrets = Some(SecretsGrant { names });
            }
            Interface::Environments => {
                let named = self.parameters(&wanted.names, |late| &mut late.names, |text| text.parse().ok());
                let own = environment.filter(|_| wanted.names.is_empty()).cloned();
                grants.environments =
                    Some(EnvironmentsGrant { names: named.into_iter().chain(own).collect() });
            }
            Interface::Cluster => grants.cluster = Some(self.cluster(&wanted.clusters)),
        }
        grants
    }

    fn tasks(&mut self, wanted: &Wanted) -> TasksGrant {
        let images = self.parameters(&wanted.images, |late| &mut late.images, exact::<ImagePattern>);
        let network = match &wanted.network {
            None | Some(WantedNetwork::Always(false)) => TaskNetwork::None,
            Some(WantedNetwork::Always(true)) => TaskNetwork::All,
            Some(WantedNetwork::From(place)) => self.network(place),
        };
        TasksGrant { images: images.into_iter().collect(), network }
    }

    fn network(&mut self, place: &FromConfiguration) -> TaskNetwork {
        if self.is_hidden(&place.from) {
            self.hidden = true;
            self.late.network = Some(WantedNetwork::From(place.clone()));
            return TaskNetwork::None;
        }
        match self.with.value.pointer(&place.from) {
            Some(Json::Bool(true)) => TaskNetwork::All,
            Some(Json::Array(_) | Json::String(_)) => {
                let hosts: BTreeSet<HostPattern> = self.texts(&place.from, &exact_host).into_iter().collect();
                if hosts.is_empty() { TaskNetwork::None } else { TaskNetwork::Hosts(hosts) }
            }
            _ => TaskNetwork::None,
        }
    }

    fn images(&mut self, wanted: &[RepositoryWanted]) -> ImagesGrant {
        let mut repositories: BTreeMap<RepositoryPattern, BTreeSet<_>> = BTreeMap::new();
        let repository = |text: &str| exact::<RepositoryPattern>(repository_of(text));
        for one in wanted {
            let found = match (&one.from, &one.repository) {
                (Some(pointer), _) => {
                    if self.is_hidden(pointer) {
                        self.hidden = true;
                        self.late.repositories.push(one.clone());
                    }
                    self.texts(pointer, &repository)
                }
                (None, Some(constant)) => repository(constant).into_iter().collect(),
                (None, None) => Vec::new(),
            };
            for pattern in found {
                repositories.entry(pattern).or_default().extend(one.actions.iter().copied());
            }
        }
        ImagesGrant { repositories }
    }

    fn http(&mut self, wanted: &[Parameter]) -> HttpGrant {
        let hosts = self.parameters(wanted, |late| &mut late.hosts, exact_host);
        HttpGrant { hosts: hosts.into_iter().collect() }
    }

    fn cluster(&mut self, wanted: &[ClusterWanted]) -> ClusterGrant {
        let mut clusters: BTreeMap<String, ClusterRule> = BTreeMap::new();
        let name = |text: &str| (!text.is_empty() && !text.contains('*')).then(|| text.to_owned());
        for one in wanted {
            let places = one.namespaces.iter().chain(&one.kinds).filter_map(|parameter| match parameter {
                Parameter::From(place) => Some(&place.from),
                Parameter::Constant(_) => None,
            });
            if places.chain([&one.from]).any(|pointer| self.is_hidden(pointer)) {
                self.hidden = true;
                self.late.clusters.push(one.clone());
                continue;
            }
            let rule = ClusterRule {
                namespaces: self.values(&one.namespaces, &name).into_iter().collect(),
                kinds: self.values(&one.kinds, &name).into_iter().collect(),
                actions: one.actions.iter().copied().collect(),
            };
            for cluster in self.texts(&one.from, &name) {
                let mine = clusters.entry(cluster).or_default();
                mine.namespaces.extend(rule.namespaces.clone());
                mine.kinds.extend(rule.kinds.clone());
                mine.actions.extend(rule.actions.clone());
            }
        }
        ClusterGrant { clusters }
    }

    /// The values of some parameters; hidden ones are noted.
    fn parameters<T>(
        &mut self,
        parameters: &[Parameter],
        late: impl Fn(&mut Wanted) -> &mut Vec<Parameter>,
        read: impl Fn(&str) -> Option<T>,
    ) -> Vec<T> {
        for parameter in parameters {
            if let Parameter::From(place) = parameter
                && self.is_hidden(&place.from)
            {
                self.hidden = true;
                late(&mut self.late).push(parameter.clone());
            }
        }
        self.values(parameters, &read)
    }

    fn values<T>(&mut self, parameters: &[Parameter], read: &dyn Fn(&str) -> Option<T>) -> Vec<T> {
        let mut found = Vec::new();
        for parameter in parameters {
            match parameter {
                Parameter::Constant(text) => found.extend(read(text)),
                Parameter::From(place) => found.extend(self.texts(&place.from, read)),
            }
        }
        found
    }

    /// The texts at a pointer, or in the list there.
    fn texts<T>(&mut self, pointer: &str, read: &dyn Fn(&str) -> Option<T>) -> Vec<T> {
        let items = match self.with.value.pointer(pointer) {
            Some(Json::Array(items)) => items.as_slice(),
            Some(value) => std::slice::from_ref(value),
            None => &[],
        };
        let mut found = Vec::new();
        for text in items.iter().filter_map(Json::as_str) {
            match read(text) {
                Some(value) => found.push(value),
                None => {
                    let message =
                        format!("`{}` cannot be a parameter of a grant", crate::document::reader::cut(text));
                    self.faults.push((pointer.to_owned(), message));
                }
            }
        }
        found
    }

    /// Whether a hole stands at, above or below a pointer.
    fn is_hidden(&self, pointer: &str) -> bool {
        let below =
            |a: &str, b: &str| a.strip_prefix(b).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        self.with.holes.keys().any(|hole| below(hole, pointer) || below(pointer, hole))
    }
}

/// A value out of a configuration names one thing; patterns belong to the file's `grants`.
fn exact<T: FromStr>(text: &str) -> Option<T> {
    if text.contains('*') { None } else { text.parse().ok() }
}

fn exact_host(text: &str) -> Option<HostPattern> {
    if text.contains("://") { HostPattern::of_url(text) } else { exact(text) }
}
