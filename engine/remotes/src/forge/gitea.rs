use super::api::{self, Api, verdict};
use super::hub::{self, Account, ActionBody, PullRequestBody, PushBody, Repository};
use super::{detect, json, signature};
use async_trait::async_trait;
use serde::Deserialize;
use stageway_core::delivery::{
    DeliveryId, ForgeKind, HeadChange, Meaning, PullRequestAction, RawDelivery, Reference, RepositoryName,
    Revision, StatusReport,
};
use stageway_ports::{Forge, ForgeError, SecretValue, Unauthentic, Unreadable};

/// Gitea and Forgejo show more than this nowhere.
const DESCRIPTION: usize = 255;

/// Gitea, and Forgejo.
pub(super) struct Gitea {
    api: Api,
}

impl Gitea {
    pub(super) fn new(api: Api) -> Self {
        Self { api }
    }
}

#[derive(Deserialize)]
struct DeleteBody {
    #[serde(rename = "ref")]
    name: String,
    ref_type: String,
    repository: Repository,
    sender: Option<Account>,
}

/// A deleted branch is told by this event alone; a deleted tag by a push as well, which knows what it was.
fn delete(body: &[u8]) -> Result<Meaning, Unreadable> {
    let event = "delete";
    let body: DeleteBody = json::parse(event, body)?;
    if body.ref_type != "branch" {
        return Ok(Meaning::Unsupported { event: "delete of a tag".into() });
    }
    let reference = Reference::of_branch(&body.name).map_err(|error| json::invalid(event, "/ref", error))?;
    let change = HeadChange { reference, before: None, after: None, commit: None };
    Ok(json::push(body.repository.into(), Account::name(body.sender), change))
}

/// Gitea's mark of a pull request that is not finished, where it does not say so itself.
fn is_unfinished(title: &str) -> bool {
    let title = title.trim_start().to_ascii_lowercase();
    ["wip:", "[wip]"].iter().any(|mark| title.starts_with(mark))
}

fn pull_request(body: &[u8]) -> Result<Meaning, Unreadable> {
    let event = "pull_request";
    let action = json::parse::<ActionBody>(event, body)?.action.0;
    let unsupported = || Ok(Meaning::Unsupported { event: format!("{event}.{action}") });
    if !matches!(action.as_str(), "opened" | "synchronized" | "reopened" | "edited" | "closed") {
        return unsupported();
    }
    let body: PullRequestBody = json::parse(event, body)?;
    let draft = body.pull_request.draft.unwrap_or_else(|| is_unfinished(&body.pull_request.title.0));
    let changes = body.changes.as_ref();
    let finished = |title: &str| is_unfinished(title) && !draft;
    let action = match action.as_str() {
        "opened" => PullRequestAction::Opened,
        "synchronized" => PullRequestAction::Updated,
        "reopened" => PullRequestAction::Reopened,
        "closed" if body.pull_request.merged == Some(true) => PullRequestAction::Merged,
        "closed" => PullRequestAction::Closed,
        _ if changes.is_some_and(|changes| changes.retargets()) => PullRequestAction::Retargeted,
        // Leaving the draft is an edit of the title like any other.
        _ if changes.and_then(|c| c.title.as_ref()).is_some_and(|title| finished(&title.from.0)) => {
            PullRequestAction::Ready
        }
        _ => return unsupported(),
    };
    // Whoever may read can push to `refs/for/…`, and the forge then says that the head is of this repository.
    let foreign = body.pull_request.head.name.0.starts_with("refs/");
    body.meaning(event, action, draft, foreign)
}

#[async_trait]
impl Forge for Gitea {
    fn kind(&self) -> ForgeKind {
        ForgeKind::Gitea
    }

    fn authenticate(
        &self,
        delivery: &RawDelivery,
        secrets: &[SecretValue],
        _now_ms: u64,
    ) -> Result<(), Unauthentic> {
        let kind = delivery.headers.text("content-type").unwrap_or_default();
        if kind.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded") {
            return Err(Unauthentic::Form(ForgeKind::Gitea));
        }
        let forgejo = delivery.headers.all("x-forgejo-signature").any(|value| !value.is_empty());
        let header = if forgejo { "x-forgejo-signature" } else { "x-gitea-signature" };
        signature::check_hex(delivery, header, "", secrets)
    }

    fn delivery_id(&self, delivery: &RawDelivery) -> DeliveryId {
        signature::delivery_id(delivery, &["x-forgejo-delivery", "x-gitea-delivery"], "x-gitea-event")
    }

    fn read(&self, delivery: &RawDelivery) -> Result<Meaning, Unreadable> {
        let event = detect::event(&delivery.headers, ForgeKind::Gitea)?;
        match event {
            "push" => Ok(json::parse::<PushBody>(event, &delivery.body)?.meaning()),
            "delete" => delete(&delivery.body),
            "pull_request" => pull_request(&delivery.body),
            // `create` comes with a push that says more.
            other => Ok(Meaning::Unsupported { event: other.to_owned() }),
        }
    }

    async fn report(
        &self,
        repository: &RepositoryName,
        revision: &Revision,
        report: &StatusReport,
    ) -> Result<(), ForgeError> {
        let url = self.api.url(hub::statuses(repository, revision));
        verdict(&self.api.post(url, api::JSON, &hub::status(report, DESCRIPTION)).await?)
    }
}
