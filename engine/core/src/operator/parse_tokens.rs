//! Reading `tokens`.

use super::token::{Scope, TOKEN_PREFIX, Token};
use crate::diagnostic::codes;
use crate::digest::Digest;
use crate::document::{Entry, Map, Node, Reader, reader::cut};
use crate::instant;
use crate::name::TenantId;
use std::collections::BTreeSet;

/// The keys of one token.
pub(super) const KEYS: &[&str] = &["tenant", "scopes", "groups", "hash", "expires"];

pub(super) fn token(reader: &mut Reader, entry: &Entry, map: &Map<'_>) -> Option<Token> {
    let tenant = reader.needed(map, "tenant").and_then(|node| {
        let text = reader.text(node)?;
        reader.parse::<TenantId>(text, &node.place, codes::BAD_NAME)
    });
    let scopes = reader.needed(map, "scopes").map(|node| scopes(reader, entry, node));
    let groups = map.get("groups").map(|node| groups(reader, node)).unwrap_or_default();
    let hash = reader.needed(map, "hash").and_then(|node| hash(reader, node));
    let expires = match map.get("expires") {
        Some(node) => Some(expires(reader, node)?),
        None => None,
    };
    Some(Token { tenant: tenant?, scopes: scopes?, groups, hash: hash?, expires })
}

fn scopes(reader: &mut Reader, entry: &Entry, node: &Node) -> BTreeSet<Scope> {
    let written = reader.texts(node).len();
    let found: Vec<Scope> = reader.parsed(node, codes::BAD_VALUE);
    if written == 0 {
        let message = format!("token `{}` may do nothing", cut(&entry.key));
        reader.error(codes::BAD_VALUE, &node.place, message, "name at least one scope, such as `read`");
    }
    found.into_iter().collect()
}

fn groups(reader: &mut Reader, node: &Node) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (text, item) in reader.texts(node) {
        if !found.insert(text.to_owned()) {
            reader.duplicate(text, &item.place);
        }
    }
    found
}

/// What is written here may be the token itself, so it is never repeated.
fn hash(reader: &mut Reader, node: &Node) -> Option<Digest> {
    let text = reader.text(node)?;
    if let Ok(digest) = text.parse() {
        return Some(digest);
    }
    if text.starts_with(TOKEN_PREFIX) {
        let message = "the configuration holds a token itself";
        let remedy = "whoever has read this file has the token: make another with `stageway token`, and write its hash";
        reader.error(codes::TOKEN_IN_CLEAR, &node.place, message, remedy);
    } else {
        let message = "this is not the hash of a token";
        let remedy = "write `sha256:` and 64 lower-case hex digits; `stageway token` prints them";
        reader.error(codes::BAD_VALUE, &node.place, message, remedy);
    }
    None
}

fn expires(reader: &mut Reader, node: &Node) -> Option<u64> {
    let text = reader.text(node)?;
    let found = instant::parse(text);
    if found.is_none() {
        let message = format!("`{}` is not a time", cut(text));
        let remedy = "write it in UTC as in `2027-01-31T00:00:00Z` or `2027-01-31`";
        reader.error(codes::BAD_VALUE, &node.place, message, remedy);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::Operator;
    use super::*;

    const BASE: &str = "tenants: { acme: {} }\ntokens:\n";

    fn hash_of(text: &str) -> String {
        Digest::of(text.as_bytes()).to_string()
    }

    #[test]
    fn tokens_are_read() {
        let text = format!(
            "{BASE}  ci: {{ tenant: acme, scopes: [read, run], hash: \"{}\", expires: \"2027-01-31T00:00:00Z\" }}
  lead: {{ tenant: acme, scopes: approve, groups: [release-team], hash: \"{}\" }}\n",
            hash_of("a"),
            hash_of("b")
        );
        let tokens = Operator::parse("config.yaml", text.as_bytes()).unwrap().service.tokens;
        let ci = &tokens["ci"];
        assert_eq!(ci.scopes, BTreeSet::from([Scope::Read, Scope::Run]));
        assert_eq!(ci.expires, Some(1_801_353_600_000));
        assert!(ci.is_good(1_801_353_599_999) && !ci.is_good(1_801_353_600_000));
        assert!(tokens["lead"].groups.contains("release-team") && tokens["lead"].is_good(u64::MAX));
    }

    #[test]
    fn every_problem_is_told_and_no_token_is_repeated() {
        let text = format!(
            "{BASE}  Ci: {{ tenant: acme, scopes: [read], hash: \"{hash}\" }}
  a: {{ tenant: acme, scopes: [], hash: sw_0123456789 }}
  b: {{ tenant: acme, scopes: [raed], hash: 0123456789 }}
  c: {{ tenant: acme, scopes: [read, read], hash: \"{hash}\", expires: tomorrow }}
  d: {{ tenant: amce, scopes: [read], hash: \"{hash}\", secret: x }}
  e: {{ tenant: acme, scopes: [read], hash: \"{hash}\" }}
  f: {{}}\n",
            hash = hash_of("a")
        );
        let found = Operator::parse("config.yaml", text.as_bytes()).unwrap_err();
        let told: Vec<String> =
            found.iter().map(|d| format!("{}:{}", d.place.as_ref().unwrap().line, d.code)).collect();
        let expected = [
            "3:SW0114", "4:SW0113", "4:SW0817", "5:SW0113", "5:SW0112", "6:SW0120", "6:SW0113", "7:SW0113",
            "7:SW0110", "8:SW0126", "9:SW0111", "9:SW0111", "9:SW0111",
        ];
        assert_eq!(told, expected, "{found:#?}");
        assert!(!found.iter().any(|d| format!("{d:?}").contains("0123456789")), "{found:#?}");
    }
}
