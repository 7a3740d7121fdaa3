//! What a tenant's operator allows: `policy.yaml`, read from the operator's configuration and never from a repository.
//!
//! The policy narrows by trust; it never widens what the pipeline file gives.

mod defaults;
mod parse;
mod types;

pub(crate) use parse::{egress, source};
pub use types::{
    Allow, ApprovalRule, CacheRule, Connections, Egress, EnvironmentRule, GrantSource, NetworkRule,
    PluginPattern, PluginRule, Policy, PolicyLimits, SecretRule, SecretSource, SecretsRule, TrustRule,
    TrustRules,
};
