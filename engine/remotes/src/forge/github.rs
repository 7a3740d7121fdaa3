use super::api::{Api, header, retry_after, verdict, words};
use super::hub::{self, ActionBody, PullRequestBody, PushBody};
use super::{detect, json, signature};
use async_trait::async_trait;
use stageway_core::delivery::{
    DeliveryId, ForgeKind, Meaning, PullRequestAction, RawDelivery, RepositoryName, Revision, StatusReport,
    cut,
};
use stageway_ports::{Forge, ForgeError, HttpResponse, SecretValue, Unauthentic, Unreadable};
use std::borrow::Cow;
use std::time::{SystemTime, UNIX_EPOCH};

/// A description has at most this many characters.
const DESCRIPTION: usize = 140;

/// github.com and GitHub Enterprise.
pub(super) struct GitHub {
    api: Api,
}

impl GitHub {
    pub(super) fn new(api: Api) -> Self {
        Self { api }
    }
}

/// The JSON of a delivery, whose signature is over the form that may be around it.
fn payload(delivery: &RawDelivery) -> Result<Cow<'_, [u8]>, Unreadable> {
    let kind = delivery.headers.text("content-type").unwrap_or_default();
    match kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "application/json" => Ok(Cow::Borrowed(&delivery.body)),
        "application/x-www-form-urlencoded" => {
            let mut fields = url::form_urlencoded::parse(&delivery.body);
            let found = fields.find(|(name, _)| name == "payload").map(|(_, value)| value.into_owned());
            let found =
                found.ok_or_else(|| json::invalid("form", "payload", "the form has no such field"))?;
            Ok(Cow::Owned(found.into_bytes()))
        }
        _ => Err(Unreadable::ContentType(cut(kind, 100).to_owned())),
    }
}

fn pull_request(body: &[u8]) -> Result<Meaning, Unreadable> {
    let event = "pull_request";
    let action = json::parse::<ActionBody>(event, body)?.action.0;
    let unsupported = || Ok(Meaning::Unsupported { event: format!("{event}.{action}") });
    if !matches!(
        action.as_str(),
        "opened" | "synchronize" | "reopened" | "ready_for_review" | "edited" | "closed"
    ) {
        return unsupported();
    }
    let body: PullRequestBody = json::parse(event, body)?;
    let action = match action.as_str() {
        "opened" => PullRequestAction::Opened,
        "synchronize" => PullRequestAction::Updated,
        "reopened" => PullRequestAction::Reopened,
        "ready_for_review" => PullRequestAction::Ready,
        "closed" if body.pull_request.merged == Some(true) => PullRequestAction::Merged,
        "closed" => PullRequestAction::Closed,
        _ if body.changes.as_ref().is_some_and(|changes| changes.retargets()) => {
            PullRequestAction::Retargeted
        }
        _ => return unsupported(),
    };
    let draft = body.pull_request.draft.unwrap_or(false);
    body.meaning(event, action, draft, false)
}

#[async_trait]
impl Forge for GitHub {
    fn kind(&self) -> ForgeKind {
        ForgeKind::GitHub
    }

    fn authenticate(
        &self,
        delivery: &RawDelivery,
        secrets: &[SecretValue],
        _now_ms: u64,
    ) -> Result<(), Unauthentic> {
        signature::check_hex(delivery, "x-hub-signature-256", "sha256=", secrets)
    }

    fn delivery_id(&self, delivery: &RawDelivery) -> DeliveryId {
        signature::delivery_id(delivery, &["x-github-delivery"], "x-github-event")
    }

    fn read(&self, delivery: &RawDelivery) -> Result<Meaning, Unreadable> {
        let event = detect::event(&delivery.headers, ForgeKind::GitHub)?;
        match event {
            "ping" => Ok(Meaning::Ping),
            "push" => Ok(json::parse::<PushBody>(event, &payload(delivery)?)?.meaning()),
            "pull_request" => pull_request(&payload(delivery)?),
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
        let body = hub::status(report, DESCRIPTION);
        let answer = self.api.post(url, "application/vnd.github+json", &body).await?;
        understand(&answer)
    }
}

/// GitHub limits with 403 as well as with 429, and says 422 of a commit that it does not have.
fn understand(answer: &HttpResponse) -> Result<(), ForgeError> {
    let said = words(answer);
    let exhausted = header(answer, "x-ratelimit-remaining") == Some("0");
    let limited = exhausted || retry_after(answer).is_some() || said.contains("rate limit");
    match answer.status {
        403 | 429 if limited => {
            let after_ms = retry_after(answer).or_else(|| exhausted.then(|| until_reset(answer)).flatten());
            Err(ForgeError::Limited { problem: said, after_ms })
        }
        422 if said.contains("No commit found") => Err(ForgeError::NotFound(said)),
        _ => verdict(answer),
    }
}

/// How long until the hour of the limit is over.
fn until_reset(answer: &HttpResponse) -> Option<u64> {
    let reset: u64 = header(answer, "x-ratelimit-reset")?.parse().ok()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
    Some(reset.saturating_sub(now).min(3600) * 1000)
}
