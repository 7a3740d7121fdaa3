//! The built-in policy of a single machine.

use super::types::{
    Allow, ApprovalRule, CacheRule, Connections, Egress, GrantSource, NetworkRule, PluginPattern, PluginRule,
    Policy, PolicyLimits, SecretsRule, TrustRule, TrustRules,
};
use crate::grant::Interface;
use indexmap::IndexMap;
use std::collections::{BTreeMap, BTreeSet};

/// Everything, as it is written.
pub(super) fn everything() -> TrustRule {
    TrustRule {
        allow: Allow::All,
        connections: Connections::AsWritten,
        network: NetworkRule::Granted,
        secrets: SecretsRule::All,
        cache: CacheRule::Write,
        approval: None,
    }
}

/// Nothing at all.
pub(super) fn nothing() -> TrustRule {
    TrustRule {
        allow: Allow::Only(BTreeSet::new()),
        connections: Connections::Map(BTreeMap::new()),
        network: NetworkRule::None,
        secrets: SecretsRule::Only(BTreeSet::new()),
        cache: CacheRule::None,
        approval: None,
    }
}

/// First-party plugins by their manifests, all others by what the file says.
pub(super) fn default_plugins() -> IndexMap<PluginPattern, PluginRule> {
    let rule = |pattern: &str, grants| (PluginPattern(pattern.to_owned()), PluginRule { grants });
    [rule("stageway/*", GrantSource::Default), rule("*", GrantSource::File)].into_iter().collect()
}

fn some(interfaces: &[Interface], connection: &str) -> TrustRule {
    let meant = BTreeMap::from([("build".to_owned(), connection.to_owned())]);
    TrustRule {
        allow: Allow::Only(interfaces.iter().copied().collect()),
        connections: Connections::Map(meant),
        ..nothing()
    }
}

impl Policy {
    /// The policy of a single machine without a configuration: protected trust may everything, a member what builds
    /// and tests need, a fork the same with a scratch registry, without network and secrets.
    pub fn single_machine() -> Self {
        use Interface::{Artifacts, Http, Images, Secrets, Source, Tasks, Workspace};
        let fork = TrustRule {
            cache: CacheRule::Read,
            approval: Some(ApprovalRule::Member),
            ..some(&[Tasks, Workspace, Artifacts, Source, Images], "scratch")
        };
        let member = TrustRule {
            network: NetworkRule::Granted,
            cache: CacheRule::Write,
            ..some(&[Tasks, Workspace, Artifacts, Source, Images, Http, Secrets], "build")
        };
        Self {
            trust: TrustRules { fork, member, protected: everything() },
            environments: BTreeMap::new(),
            plugins: default_plugins(),
            secrets: BTreeMap::new(),
            limits: PolicyLimits::default(),
            egress: Egress::default(),
            vars: BTreeMap::new(),
        }
    }
}
