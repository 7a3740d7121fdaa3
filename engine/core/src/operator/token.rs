//! Tokens: who may ask a server for what.

use crate::digest::Digest;
use crate::name::TenantId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// What every token begins with, so that people and scanners of secrets know one when they see it.
pub const TOKEN_PREFIX: &str = "sw_";

/// What a token may do for its tenant. None holds another: who starts runs need not read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// See everything of the tenant.
    Read,
    /// Start, cancel and repeat runs, and have deliveries taken in again.
    Run,
    /// Answer the questions of stages.
    Approve,
    /// Freeze the tenant or an environment, and thaw it.
    Admin,
}

impl Scope {
    /// Every scope, from the weakest on.
    pub const ALL: [Self; 4] = [Self::Read, Self::Run, Self::Approve, Self::Admin];

    /// The word for people and tools.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Run => "run",
            Self::Approve => "approve",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|scope| scope.as_str() == text);
        found.ok_or_else(|| "a scope is `read`, `run`, `approve` or `admin`".to_owned())
    }
}

/// A token, as far as the configuration knows it: never the token itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Token {
    /// Whose things it is about; there is none for several tenants.
    pub tenant: TenantId,
    /// What it may do.
    pub scopes: BTreeSet<Scope>,
    /// Groups that its holder belongs to, as `approvers` names them.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub groups: BTreeSet<String>,
    /// The sha256 of the token. It has 256 random bits, which nobody guesses, so a slow or salted hash would protect nothing.
    pub hash: Digest,
    /// It is nothing from then on, in milliseconds since 1970; none is never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
}

impl Token {
    /// Whether it is still good.
    pub fn is_good(&self, now_ms: u64) -> bool {
        self.expires.is_none_or(|end| now_ms < end)
    }
}
