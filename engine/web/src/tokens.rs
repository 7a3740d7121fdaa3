//! Who asks: tokens, looked up by their hash.

use stageway_core::digest::Digest;
use stageway_core::name::{TenantId, TokenName};
use stageway_core::operator::{Scope, Token};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// Who holds a token.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// What the operator calls it; written down as who did what.
    pub(crate) name: TokenName,
    token: Token,
}

impl Identity {
    pub(crate) fn tenant(&self) -> &TenantId {
        &self.token.tenant
    }

    pub(crate) fn scopes(&self) -> &BTreeSet<Scope> {
        &self.token.scopes
    }

    pub(crate) fn expires(&self) -> Option<u64> {
        self.token.expires
    }

    pub(crate) fn may(&self, scope: Scope) -> bool {
        self.token.scopes.contains(&scope)
    }

    /// Whether one of these names is the holder's or a group of its.
    pub(crate) fn is_one_of(&self, names: &[String]) -> bool {
        names.iter().any(|name| name == self.name.as_str() || self.token.groups.contains(name))
    }
}

/// Every token of the configuration.
#[derive(Debug, Default)]
pub struct Tokens(Vec<Arc<Identity>>);

impl Tokens {
    /// Takes those of the configuration.
    pub fn new(configured: &BTreeMap<TokenName, Token>) -> Self {
        let identity = |(name, token): (&TokenName, &Token)| {
            Arc::new(Identity { name: name.clone(), token: token.clone() })
        };
        Self(configured.iter().map(identity).collect())
    }

    /// Who holds what was given, if it is good at this time. How long that takes says nothing about the tokens: what is compared
    /// are hashes, each whole, and every one of them.
    pub(crate) fn holder(&self, given: &str, now_ms: u64) -> Option<Arc<Identity>> {
        let hash = Digest::of(given.as_bytes());
        let mut found = None;
        for identity in &self.0 {
            if bool::from(identity.token.hash.as_bytes().ct_eq(hash.as_bytes())) {
                found = Some(identity);
            }
        }
        found.filter(|identity| identity.token.is_good(now_ms)).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_whole_and_while_it_is_good() {
        let token = Token {
            tenant: "acme".parse().unwrap(),
            scopes: [Scope::Read].into(),
            groups: ["release-team".to_owned()].into(),
            hash: Digest::of(b"sw_one"),
            expires: Some(10),
        };
        let tokens = Tokens::new(&[("ci".parse().unwrap(), token)].into());
        let holder = tokens.holder("sw_one", 9).unwrap();
        assert!(holder.may(Scope::Read) && !holder.may(Scope::Admin));
        for (names, expected) in
            [(vec!["ci"], true), (vec!["x", "release-team"], true), (vec!["acme"], false), (vec![], false)]
        {
            let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
            assert_eq!(holder.is_one_of(&names), expected, "{names:?}");
        }
        for (given, now) in [("sw_one", 10), ("sw_on", 9), ("sw_one ", 9), ("", 9)] {
            assert_eq!(tokens.holder(given, now), None, "{given} at {now}");
        }
        assert_eq!(Tokens::default().holder("", 0), None);
    }
}
