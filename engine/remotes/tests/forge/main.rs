//! Forges: what they deliver, signed by somebody else than the engine, and what they are told.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests are tests")]

mod bitbucket;
mod gitea;
mod github;
mod gitlab;
mod hostile;
mod reports;
mod signatures;
#[path = "../support/signed.rs"]
mod signed;
#[path = "../support/mod.rs"]
mod support;

use serde_json::Value as Json;
use signed::lines_of;
use stageway_core::delivery::{ForgeKind, Headers, Meaning, PullRequest, Push, RawDelivery};
use stageway_ports::memory::MemoryHttp;
use stageway_ports::{Forge, SecretValue, Unreadable};
use stageway_remotes::forge::{ForgeConnection, connect};
use stageway_remotes::registry::Credentials;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

const SECRET: &str = "s3cret-for-tests";
/// When the deliveries of the tests come.
const NOW_MS: u64 = 1_780_000_000_000;

/// A forge that reaches nobody.
fn forge(kind: ForgeKind) -> Arc<dyn Forge> {
    let (api, http) = ("https://forge.example/api".to_owned(), Arc::new(MemoryHttp::default()));
    connect(ForgeConnection { kind, api, credentials: Credentials::Anonymous, http }).unwrap()
}

fn secret(text: &str) -> SecretValue {
    SecretValue::new(text.as_bytes().to_vec())
}

fn delivery(headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> RawDelivery {
    RawDelivery { headers: Headers::new(headers.iter().copied()).unwrap(), body: body.into().into() }
}

/// What a forge reads of a JSON body under its event.
fn read(kind: ForgeKind, event: &str, body: &Json) -> Result<Meaning, Unreadable> {
    let header = match kind {
        ForgeKind::GitHub => "x-github-event",
        ForgeKind::GitLab => "x-gitlab-event",
        ForgeKind::Gitea => "x-gitea-event",
        ForgeKind::BitbucketCloud | ForgeKind::BitbucketDataCenter => "x-event-key",
    };
    let id = if kind == ForgeKind::BitbucketCloud { "x-request-uuid" } else { "x-request-id" };
    let headers = [(header, event), (id, "1"), ("content-type", "application/json")];
    forge(kind).read(&delivery(&headers, body.to_string()))
}

fn push(meaning: Result<Meaning, Unreadable>) -> Push {
    match meaning {
        Ok(Meaning::Push(push)) => push,
        other => panic!("no push: {other:?}"),
    }
}

fn pull_request(meaning: Result<Meaning, Unreadable>) -> PullRequest {
    match meaning {
        Ok(Meaning::PullRequest(pull)) => *pull,
        other => panic!("no pull request: {other:?}"),
    }
}

/// The first change of a push, as its ref and the first digits of before, after and commit.
fn change(push: &Push) -> String {
    let short = |revision: &Option<stageway_core::delivery::Revision>| {
        revision.as_ref().map_or("-", |revision| &revision.as_str()[..2]).to_owned()
    };
    let change = &push.changes[0];
    let sides = [&change.before, &change.after, &change.commit].map(short);
    format!("{} {}", change.reference, sides.join(" "))
}

/// An object id of one digit.
fn sha(digit: &str) -> String {
    digit.repeat(40)
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/forge")
}
