//! Cutting grants down to what the policy allows at a trust. It only ever takes away.

use super::{Grants, ImagePattern, Interface, SecretName, Sink, TaskNetwork};
use crate::diagnostic::{Code, codes};
use crate::event::Trust;
use crate::policy::{NetworkRule, Policy, TrustRule};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The most that any stage of a run may be granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ceiling {
    /// Of the run.
    pub trust: Trust,
    /// What the policy says about it.
    pub rule: TrustRule,
    /// The secrets that are open at it, with their sinks.
    pub secrets: BTreeMap<SecretName, BTreeSet<Sink>>,
    /// The names of all secrets that the policy knows.
    pub known_secrets: BTreeSet<SecretName>,
}

/// Something that was asked for and not given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub code: Code,
    /// Of which interface.
    pub interface: Interface,
    /// What was refused, in words.
    pub message: String,
    /// What to do.
    pub remedy: &'static str,
}

impl Ceiling {
    /// The ceiling of a policy at a trust.
    pub fn of(policy: &Policy, trust: Trust) -> Self {
        let rule = policy.at(trust).clone();
        let open = policy.secrets.iter().filter(|(name, _)| rule.secrets.has(name.as_str()));
        let secrets = open.map(|(name, secret)| (name.clone(), secret.to.clone())).collect();
        Self { trust, secrets, known_secrets: policy.secrets.keys().cloned().collect(), rule }
    }

    /// The part of the grants that the policy allows, and everything that it refuses. A secret comes out with the
    /// sinks that the policy gives it.
    pub fn narrow(&self, mut grants: Grants) -> (Grants, Vec<Refusal>) {
        let mut refused = Vec::new();
        for interface in grants.interfaces() {
            if !self.rule.allow.has(interface) {
                grants.remove(interface);
                let message = format!("the policy gives no `{interface}` at {} trust", self.trust);
                let remedy = "ask for less, or let a person of higher trust start the run";
                refused.push(Refusal { code: codes::GRANT_REFUSED, interface, message, remedy });
            }
        }
        self.narrow_images(&mut grants, &mut refused);
        self.narrow_tasks(&mut grants, &mut refused);
        self.narrow_secrets(&mut grants, &mut refused);
        (grants, refused)
    }

    /// Why a repository of this connection may not be used.
    fn connection(&self, connection: &str, interface: Interface) -> Option<Refusal> {
        if self.rule.connections.resolve(connection).is_some() {
            return None;
        }
        Some(Refusal {
            code: codes::CONNECTION_REFUSED,
            interface,
            message: format!("the connection `{connection}` is not open at {} trust", self.trust),
            remedy: "use a connection that the policy names for this trust, or guard the stage with `when`",
        })
    }

    fn narrow_images(&self, grants: &mut Grants, refused: &mut Vec<Refusal>) {
        let Some(images) = &mut grants.images else { return };
        images.repositories.retain(|pattern, _| {
            let refusal = self.connection(pattern.connection(), Interface::Images);
            let open = refusal.is_none();
            refused.extend(refusal);
            open
        });
    }

    fn narrow_tasks(&self, grants: &mut Grants, refused: &mut Vec<Refusal>) {
        let Some(tasks) = &mut grants.tasks else { return };
        tasks.images.retain(|pattern| {
            let refusal = connection_of(pattern).and_then(|name| self.connection(name, Interface::Tasks));
            let open = refusal.is_none();
            refused.extend(refusal);
            open
        });
        if tasks.network.is_some() && self.rule.network == NetworkRule::None {
            tasks.network = TaskNetwork::None;
            refused.push(Refusal {
                code: codes::NETWORK_REFUSED,
                interface: Interface::Tasks,
                message: format!("the policy gives tasks no network at {} trust", self.trust),
                remedy: "remove `network`, or let a person of higher trust start the run",
            });
        }
    }

    fn narrow_secrets(&self, grants: &mut Grants, refused: &mut Vec<Refusal>) {
        let Some(secrets) = &mut grants.secrets else { return };
        secrets.names.retain(|name, sinks| match self.secret(name, Interface::Secrets) {
            Ok(open) => {
                sinks.clone_from(open);
                true
            }
            Err(refusal) => {
                refused.push(refusal);
                false
            }
        });
    }

    /// The sinks of a secret that is open.
    ///
    /// # Errors
    /// The refusal, if the policy does not know it or does not open it at this trust.
    pub fn secret(&self, name: &SecretName, interface: Interface) -> Result<&BTreeSet<Sink>, Refusal> {
        self.secrets.get(name).ok_or_else(|| match self.known_secrets.contains(name) {
            true => Refusal {
                code: codes::SECRET_REFUSED,
                interface,
                message: format!("the secret `{name}` is not open at {} trust", self.trust),
                remedy: "guard the stage with `when`, or let the policy list the secret for this trust",
            },
            false => Refusal {
                code: codes::SECRET_UNKNOWN,
                interface,
                message: format!("the policy knows no secret `{name}`"),
                remedy: "use a name that the policy has, or add it there",
            },
        })
    }
}

/// The connection that an image of a task goes through: its first part, unless that is a registry's host or there is
/// only one part.
fn connection_of(pattern: &ImagePattern) -> Option<&str> {
    let (first, _) = pattern.as_str().split_once('/')?;
    let host = first.contains(['.', ':', '@']) || first == "localhost";
    (!host).then_some(first)
}
