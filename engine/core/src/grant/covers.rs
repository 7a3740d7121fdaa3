//! Whether one set of grants lies within another.

use super::{Grants, TaskNetwork};

impl Grants {
    /// Whether everything that `less` allows is allowed by this too.
    pub fn covers(&self, less: &Grants) -> bool {
        self.workspace >= less.workspace
            && self.artifacts >= less.artifacts
            && self.source >= less.source
            && self.approvals >= less.approvals
            && self.covers_tasks(less)
            && self.covers_images(less)
            && self.covers_http(less)
            && self.covers_secrets(less)
            && self.covers_environments(less)
            && self.covers_cluster(less)
    }

    fn covers_tasks(&self, less: &Grants) -> bool {
        let Some(wanted) = &less.tasks else { return true };
        self.tasks.as_ref().is_some_and(|tasks| {
            let image = |one| tasks.images.iter().any(|pattern| pattern.covers(one));
            wanted.images.iter().all(image) && tasks.network.covers(&wanted.network)
        })
    }

    fn covers_images(&self, less: &Grants) -> bool {
        let Some(wanted) = &less.images else { return true };
        self.images.as_ref().is_some_and(|images| {
            wanted.repositories.iter().all(|(repository, actions)| {
                let rules = images.repositories.iter().filter(|(pattern, _)| pattern.covers(repository));
                let granted: Vec<_> = rules.flat_map(|(_, actions)| actions).collect();
                actions.iter().all(|action| granted.contains(&action))
            })
        })
    }

    fn covers_http(&self, less: &Grants) -> bool {
        let Some(wanted) = &less.http else { return true };
        let covered =
            |host| self.http.iter().flat_map(|http| &http.hosts).any(|pattern| pattern.covers(host));
        self.http.is_some() && wanted.hosts.iter().all(covered)
    }

    fn covers_secrets(&self, less: &Grants) -> bool {
        let Some(wanted) = &less.secrets else { return true };
        self.secrets.as_ref().is_some_and(|secrets| {
            let covered =
                |name, sinks| secrets.names.get(name).is_some_and(|granted| granted.is_superset(sinks));
            wanted.names.iter().all(|(name, sinks)| covered(name, sinks))
        })
    }

    fn covers_environments(&self, less: &Grants) -> bool {
        let Some(wanted) = &less.environments else { return true };
        self.environments.as_ref().is_some_and(|environments| environments.names.is_superset(&wanted.names))
    }

    fn covers_cluster(&self, less: &Grants) -> bool {
        let Some(wanted) = &less.cluster else { return true };
        self.cluster.as_ref().is_some_and(|cluster| {
            wanted.clusters.iter().all(|(name, rule)| {
                cluster.clusters.get(name).is_some_and(|granted| {
                    granted.namespaces.is_superset(&rule.namespaces)
                        && granted.kinds.is_superset(&rule.kinds)
                        && granted.actions.is_superset(&rule.actions)
                })
            })
        })
    }
}

impl TaskNetwork {
    /// Whether everything that `less` reaches is reached by this too.
    pub fn covers(&self, less: &Self) -> bool {
        match (self, less) {
            (Self::All, _) | (_, Self::None) => true,
            (Self::Hosts(mine), Self::Hosts(theirs)) => {
                theirs.iter().all(|host| mine.iter().any(|pattern| pattern.covers(host)))
            }
            (Self::None, _) | (Self::Hosts(_), Self::All) => false,
        }
    }
}
