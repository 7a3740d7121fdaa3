//! The shapes of GitHub, which Gitea and Forgejo took over.

use super::api;
use super::json::{self, Head, Id, Name, Text};
use super::states::States;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value as Json, json};
use stageway_core::delivery::{
    ForgeRepository, HeadChange, Meaning, PullRequest, PullRequestAction, Reference, RepositoryName,
    Revision, SourceBranch, StatusReport,
};
use stageway_ports::Unreadable;

/// A context has at most this many characters.
const CONTEXT: usize = 255;

const STATES: States = States {
    pending: "pending",
    running: "pending",
    succeeded: "success",
    failed: "failure",
    errored: "error",
    cancelled: "error",
};

/// What is posted as a commit's status, with a description of at most so many characters.
pub(super) fn status(report: &StatusReport, description: usize) -> Json {
    json!({
        "state": STATES.of(report.state),
        "context": api::shorten(&report.context, CONTEXT),
        "description": api::shorten(&report.description, description),
        "target_url": report.link,
    })
}

/// Where it is posted.
pub(super) fn statuses<'a>(
    repository: &'a RepositoryName,
    revision: &'a Revision,
) -> impl Iterator<Item = &'a str> {
    ["repos"].into_iter().chain(repository.parts()).chain(["statuses", revision.as_str()])
}

#[derive(Deserialize)]
pub(super) struct Repository {
    id: Id,
    full_name: RepositoryName,
    clone_url: Option<String>,
    ssh_url: Option<String>,
}

impl From<Repository> for ForgeRepository {
    fn from(given: Repository) -> Self {
        Self {
            id: Some(given.id.0),
            name: given.full_name,
            clone_addresses: json::addresses([given.clone_url, given.ssh_url]),
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Account {
    login: Name,
}

impl Account {
    pub(super) fn name(account: Option<Self>) -> Option<String> {
        account.map(|account| account.login.0)
    }
}

#[derive(Deserialize)]
pub(super) struct PushBody {
    #[serde(rename = "ref")]
    reference: Reference,
    before: Head,
    after: Head,
    repository: Repository,
    sender: Option<Account>,
    head_commit: Option<Commit>,
}

#[derive(Deserialize)]
struct Commit {
    id: Revision,
}

impl PushBody {
    pub(super) fn meaning(self) -> Meaning {
        let reference = self.reference;
        if reference.branch().or(reference.tag()).is_none() {
            return Meaning::Unsupported { event: format!("push of {reference}") };
        }
        let commit = self.head_commit.map(|commit| commit.id).filter(|_| self.after.0.is_some());
        let change = HeadChange { reference, before: self.before.0, after: self.after.0, commit };
        json::push(self.repository.into(), Account::name(self.sender), change)
    }
}

/// What is read first of a delivery about a pull request: most of its actions start nothing.
#[derive(Deserialize)]
pub(super) struct ActionBody {
    pub(super) action: Name,
}

#[derive(Deserialize)]
pub(super) struct PullRequestBody {
    pub(super) pull_request: Pull,
    repository: Repository,
    sender: Option<Account>,
    pub(super) changes: Option<Changes>,
}

#[derive(Deserialize)]
pub(super) struct Pull {
    number: u32,
    pub(super) title: Text,
    pub(super) draft: Option<bool>,
    pub(super) merged: Option<bool>,
    user: Option<Account>,
    pub(super) head: Side,
    base: Side,
}

#[derive(Deserialize)]
pub(super) struct Side {
    #[serde(rename = "ref")]
    pub(super) name: Text,
    sha: Revision,
    repo: Option<Repository>,
}

/// What an edit changed: the target is `base` at GitHub and `ref` at Gitea.
#[derive(Deserialize)]
pub(super) struct Changes {
    base: Option<IgnoredAny>,
    #[serde(rename = "ref")]
    reference: Option<IgnoredAny>,
    pub(super) title: Option<Before>,
}

#[derive(Deserialize)]
pub(super) struct Before {
    pub(super) from: Text,
}

impl Changes {
    pub(super) fn retargets(&self) -> bool {
        self.base.is_some() || self.reference.is_some()
    }
}

impl PullRequestBody {
    /// `foreign`: the head was not pushed to a branch, whatever its repository.
    pub(super) fn meaning(
        self,
        event: &str,
        action: PullRequestAction,
        draft: bool,
        foreign: bool,
    ) -> Result<Meaning, Unreadable> {
        let pull = self.pull_request;
        let home = pull.base.repo.as_ref().unwrap_or(&self.repository);
        let fork = foreign || pull.head.repo.as_ref().is_none_or(|source| source.id != home.id);
        let reference = Reference::new(format!("refs/pull/{}/head", pull.number));
        let reference = reference.map_err(|error| json::invalid(event, "/pull_request/number", error))?;
        Ok(Meaning::PullRequest(Box::new(PullRequest {
            action,
            repository: self.repository.into(),
            sender: Account::name(self.sender),
            number: pull.number,
            title: pull.title.0,
            author: Account::name(pull.user),
            source: SourceBranch { branch: pull.head.name.0, repository: pull.head.repo.map(Into::into) },
            target: pull.base.name.0,
            head: pull.head.sha.into(),
            reference,
            fetchable: true,
            fork,
            draft,
        })))
    }
}
