use super::{PREFIX, SIGNATURE, STATES, TEXT, status};
use crate::forge::api::{self, Api, verdict};
use crate::forge::json::{self, First, Head, Id, Name, Text};
use crate::forge::states::States;
use crate::forge::{detect, signature};
use async_trait::async_trait;
use serde::Deserialize;
use stageway_core::delivery::{
    DeliveryId, ForgeKind, ForgeRepository, HeadChange, MAX_CHANGES, Meaning, PullRequest, PullRequestAction,
    RawDelivery, Reference, RepositoryName, Revision, SourceBranch, StatusReport,
};
use stageway_ports::{Forge, ForgeError, SecretValue, Unauthentic, Unreadable};

/// Bitbucket Data Center and Server.
pub(in crate::forge) struct DataCenter {
    api: Api,
}

impl DataCenter {
    pub(in crate::forge) fn new(api: Api) -> Self {
        Self { api }
    }
}

#[derive(Deserialize)]
struct Repository {
    id: Id,
    slug: String,
    project: Project,
    links: Option<Links>,
}

#[derive(Deserialize)]
struct Project {
    key: String,
}

#[derive(Deserialize)]
struct Links {
    #[serde(default)]
    clone: First<Link, 4>,
}

#[derive(Deserialize)]
struct Link {
    href: String,
}

impl Repository {
    fn known(self, event: &str) -> Result<ForgeRepository, Unreadable> {
        let name = RepositoryName::new(format!("{}/{}", self.project.key, self.slug));
        let links = self.links.into_iter().flat_map(|links| links.clone.items);
        Ok(ForgeRepository {
            id: Some(self.id.0),
            name: name.map_err(|error| json::invalid(event, "/repository/slug", error))?,
            clone_addresses: json::addresses(links.map(|link| Some(link.href))),
        })
    }
}

#[derive(Deserialize)]
struct Account {
    name: Name,
}

impl Account {
    fn name(account: Option<Self>) -> Option<String> {
        account.map(|account| account.name.0)
    }
}

#[derive(Deserialize)]
struct PushBody {
    actor: Option<Account>,
    repository: Repository,
    changes: First<Change, MAX_CHANGES>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Change {
    #[serde(rename = "ref")]
    named: Ref,
    from_hash: Head,
    to_hash: Head,
}

#[derive(Deserialize)]
struct Ref {
    id: Reference,
}

fn push(event: &str, body: &[u8]) -> Result<Meaning, Unreadable> {
    let body: PushBody = json::parse(event, body)?;
    let First { items, more } = body.changes;
    let change = |given: Change| HeadChange {
        reference: given.named.id,
        before: given.from_hash.0,
        after: given.to_hash.0,
        commit: None,
    };
    let of_git = |change: &HeadChange| change.reference.branch().or(change.reference.tag()).is_some();
    let changes = items.into_iter().map(change).filter(of_git).collect();
    Ok(json::pushes(body.repository.known(event)?, Account::name(body.actor), changes, more))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PullRequestBody {
    actor: Option<Account>,
    pull_request: Pull,
    previous_target: Option<Target>,
    previous_draft: Option<bool>,
}

#[derive(Deserialize)]
struct Target {
    id: Text,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pull {
    id: u32,
    title: Text,
    draft: Option<bool>,
    author: Option<Participant>,
    from_ref: Side,
    to_ref: Side,
}

#[derive(Deserialize)]
struct Participant {
    user: Account,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Side {
    id: Text,
    latest_commit: Revision,
    repository: Repository,
}

impl Side {
    fn branch(&self) -> String {
        self.id.0.strip_prefix("refs/heads/").unwrap_or(&self.id.0).to_owned()
    }
}

/// What a modification means: the title, description, target and draft are told together.
fn modified(body: &PullRequestBody) -> Option<PullRequestAction> {
    let draft = body.pull_request.draft.unwrap_or(false);
    if body.previous_target.as_ref().is_some_and(|target| target.id.0 != body.pull_request.to_ref.id.0) {
        Some(PullRequestAction::Retargeted)
    } else if body.previous_draft == Some(true) && !draft {
        Some(PullRequestAction::Ready)
    } else {
        None
    }
}

fn pull_request(event: &str, action: Option<PullRequestAction>, body: &[u8]) -> Result<Meaning, Unreadable> {
    let body: PullRequestBody = json::parse(event, body)?;
    let Some(action) = action.or_else(|| modified(&body)) else {
        return Ok(Meaning::Unsupported { event: event.to_owned() });
    };
    let pull = body.pull_request;
    let reference = Reference::new(format!("refs/pull-requests/{}/from", pull.id));
    let reference = reference.map_err(|error| json::invalid(event, "/pullRequest/id", error))?;
    Ok(Meaning::PullRequest(Box::new(PullRequest {
        action,
        fork: pull.from_ref.repository.id != pull.to_ref.repository.id,
        sender: Account::name(body.actor),
        number: pull.id,
        title: pull.title.0,
        author: Account::name(pull.author.map(|author| author.user)),
        target: pull.to_ref.branch(),
        repository: pull.to_ref.repository.known(event)?,
        head: pull.from_ref.latest_commit.clone().into(),
        source: SourceBranch {
            branch: pull.from_ref.branch(),
            repository: Some(pull.from_ref.repository.known(event)?),
        },
        reference,
        fetchable: true,
        draft: pull.draft.unwrap_or(false),
    })))
}

#[async_trait]
impl Forge for DataCenter {
    fn kind(&self) -> ForgeKind {
        ForgeKind::BitbucketDataCenter
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
        signature::delivery_id(delivery, &["x-request-id"], "x-event-key")
    }

    fn read(&self, delivery: &RawDelivery) -> Result<Meaning, Unreadable> {
        let event = detect::event(&delivery.headers, ForgeKind::BitbucketDataCenter)?;
        let body = &delivery.body;
        match event {
            "diagnostics:ping" => Ok(Meaning::Ping),
            "repo:refs_changed" => push(event, body),
            "pr:opened" => pull_request(event, Some(PullRequestAction::Opened), body),
            "pr:from_ref_updated" => pull_request(event, Some(PullRequestAction::Updated), body),
            "pr:modified" => pull_request(event, None, body),
            "pr:merged" => pull_request(event, Some(PullRequestAction::Merged), body),
            "pr:declined" | "pr:deleted" => pull_request(event, Some(PullRequestAction::Closed), body),
            other => Ok(Meaning::Unsupported { event: other.to_owned() }),
        }
    }

    async fn report(
        &self,
        repository: &RepositoryName,
        revision: &Revision,
        report: &StatusReport,
    ) -> Result<(), ForgeError> {
        let mut parts = repository.parts();
        let (Some(project), Some(slug), None) = (parts.next(), parts.next(), parts.next()) else {
            return Err(ForgeError::NotFound(format!("`{repository}` is no project and repository")));
        };
        let commit = ["projects", project, "repos", slug, "commits", revision.as_str()];
        let states = States { cancelled: "CANCELLED", ..STATES };
        let body = status(&states, api::shorten(&report.context, TEXT), report, self.api.url(commit));
        let url = self.api.url(commit.into_iter().chain(["builds"]));
        verdict(&self.api.post(url, api::JSON, &body).await?)
    }
}
