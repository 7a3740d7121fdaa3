use super::{PREFIX, SIGNATURE, STATES, status};
use crate::forge::api::{self, Api, verdict};
use crate::forge::json::{self, First, Id, Name, Text};
use crate::forge::{detect, signature};
use async_trait::async_trait;
use serde::Deserialize;
use stageway_core::delivery::{
    DeliveryId, ForgeKind, ForgeRepository, HeadChange, MAX_CHANGES, Meaning, PullRequest, PullRequestAction,
    RawDelivery, Reference, RepositoryName, Revision, RevisionPrefix, SourceBranch, StatusReport,
};
use stageway_core::digest::Digest;
use stageway_ports::{Forge, ForgeError, SecretValue, Unauthentic, Unreadable};

/// A key has at most this many characters.
const KEY: usize = 40;

/// bitbucket.org.
pub(in crate::forge) struct Cloud {
    api: Api,
}

impl Cloud {
    pub(in crate::forge) fn new(api: Api) -> Self {
        Self { api }
    }
}

#[derive(Deserialize)]
struct Repository {
    uuid: Id,
    full_name: RepositoryName,
    links: Option<Links>,
}

#[derive(Deserialize)]
struct Links {
    html: Option<Link>,
}

#[derive(Deserialize)]
struct Link {
    href: String,
}

impl From<Repository> for ForgeRepository {
    fn from(given: Repository) -> Self {
        // The page's address can be cloned as well; no other is told.
        let page = given.links.and_then(|links| links.html).map(|link| link.href);
        Self { id: Some(given.uuid.0), name: given.full_name, clone_addresses: json::addresses([page]) }
    }
}

#[derive(Deserialize)]
struct Account {
    nickname: Option<Name>,
    display_name: Option<Name>,
}

impl Account {
    fn name(account: Option<Self>) -> Option<String> {
        account.and_then(|account| account.nickname.or(account.display_name)).map(|name| name.0)
    }
}

#[derive(Deserialize)]
struct PushBody {
    actor: Option<Account>,
    repository: Repository,
    push: Changes,
}

#[derive(Deserialize)]
struct Changes {
    changes: First<Change, MAX_CHANGES>,
}

#[derive(Deserialize)]
struct Change {
    old: Option<Ref>,
    new: Option<Ref>,
}

#[derive(Deserialize)]
struct Ref {
    #[serde(rename = "type")]
    kind: String,
    name: String,
    target: Target,
}

#[derive(Deserialize)]
struct Target {
    hash: Revision,
}

/// A branch or a tag; none: something that git does not have.
fn change(event: &str, given: Change) -> Result<Option<HeadChange>, Unreadable> {
    let Some(named) = given.new.as_ref().or(given.old.as_ref()) else { return Ok(None) };
    let reference = match named.kind.as_str() {
        "branch" => Reference::of_branch(&named.name),
        "tag" | "annotated_tag" => Reference::of_tag(&named.name),
        _ => return Ok(None),
    };
    let reference = reference.map_err(|error| json::invalid(event, "/push/changes", error))?;
    let (before, after) = (given.old.map(|old| old.target.hash), given.new.map(|new| new.target.hash));
    Ok(Some(HeadChange { reference, before, commit: after.clone(), after }))
}

fn push(event: &str, body: &[u8]) -> Result<Meaning, Unreadable> {
    let body: PushBody = json::parse(event, body)?;
    let First { items, more } = body.push.changes;
    let changes: Result<Vec<_>, _> =
        items.into_iter().filter_map(|given| change(event, given).transpose()).collect();
    Ok(json::pushes(body.repository.into(), Account::name(body.actor), changes?, more))
}

#[derive(Deserialize)]
struct PullRequestBody {
    actor: Option<Account>,
    repository: Repository,
    pullrequest: Pull,
}

#[derive(Deserialize)]
struct Pull {
    id: u32,
    title: Text,
    draft: Option<bool>,
    author: Option<Account>,
    source: Side,
    destination: Side,
}

#[derive(Deserialize)]
struct Side {
    branch: Branch,
    commit: Option<Commit>,
    repository: Option<Repository>,
}

#[derive(Deserialize)]
struct Branch {
    name: Text,
}

#[derive(Deserialize)]
struct Commit {
    hash: RevisionPrefix,
}

fn pull_request(event: &str, action: PullRequestAction, body: &[u8]) -> Result<Meaning, Unreadable> {
    let body: PullRequestBody = json::parse(event, body)?;
    let pull = body.pullrequest;
    // Without a commit there is nothing to run: the source is gone.
    let Some(commit) = pull.source.commit else {
        return Ok(Meaning::Unsupported { event: event.to_owned() });
    };
    let reference = Reference::new(format!("refs/pull-requests/{}/from", pull.id));
    let reference = reference.map_err(|error| json::invalid(event, "/pullrequest/id", error))?;
    let source = pull.source.repository;
    let fork = source.as_ref().is_none_or(|source| source.uuid != body.repository.uuid);
    Ok(Meaning::PullRequest(Box::new(PullRequest {
        action,
        repository: body.repository.into(),
        sender: Account::name(body.actor),
        number: pull.id,
        title: pull.title.0,
        author: Account::name(pull.author),
        source: SourceBranch { branch: pull.source.branch.name.0, repository: source.map(Into::into) },
        target: pull.destination.branch.name.0,
        head: commit.hash,
        reference,
        fetchable: false,
        fork,
        draft: pull.draft.unwrap_or(false),
    })))
}

#[async_trait]
impl Forge for Cloud {
    fn kind(&self) -> ForgeKind {
        ForgeKind::BitbucketCloud
    }

    fn authenticate(
        &self,
        delivery: &RawDelivery,
        secrets: &[SecretValue],
        _now_ms: u64,
    ) -> Result<(), Unauthentic> {
        signature::check_hex(delivery, SIGNATURE, PREFIX, secrets)
    }

    fn delivery_id(&self, delivery: &RawDelivery) -> DeliveryId {
        signature::delivery_id(delivery, &["x-request-uuid"], "x-event-key")
    }

    fn read(&self, delivery: &RawDelivery) -> Result<Meaning, Unreadable> {
        let event = detect::event(&delivery.headers, ForgeKind::BitbucketCloud)?;
        let body = &delivery.body;
        match event {
            "repo:push" => push(event, body),
            "pullrequest:created" => pull_request(event, PullRequestAction::Opened, body),
            // What was updated is not told.
            "pullrequest:updated" => pull_request(event, PullRequestAction::Updated, body),
            "pullrequest:fulfilled" => pull_request(event, PullRequestAction::Merged, body),
            "pullrequest:rejected" => pull_request(event, PullRequestAction::Closed, body),
            other => Ok(Meaning::Unsupported { event: other.to_owned() }),
        }
    }

    async fn report(
        &self,
        repository: &RepositoryName,
        revision: &Revision,
        report: &StatusReport,
    ) -> Result<(), ForgeError> {
        let mut commit = vec!["repositories"];
        commit.extend(repository.parts().chain(["commit", revision.as_str()]));
        let address = self.api.url(commit.iter().copied());
        let body = status(&STATES, key(&report.context), report, address);
        let url = self.api.url(commit.into_iter().chain(["statuses", "build"]));
        verdict(&self.api.post(url, api::JSON, &body).await?)
    }
}

/// The context, or what stands for a longer one: two contexts never share a key.
fn key(context: &str) -> String {
    match context.chars().count() {
        0..=KEY => context.to_owned(),
        _ => Digest::of(context.as_bytes()).hex()[..KEY].to_owned(),
    }
}
