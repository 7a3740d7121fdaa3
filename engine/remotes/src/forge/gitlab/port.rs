use super::proof;
use super::shapes::{Kind, MergeRequestBody, PushBody};
use crate::forge::api::{self, Api, verdict, words};
use crate::forge::states::States;
use crate::forge::{detect, json, signature};
use async_trait::async_trait;
use serde_json::json;
use stageway_core::delivery::{
    DeliveryId, ForgeKind, Meaning, RawDelivery, RepositoryName, Revision, StatusReport,
};
use stageway_ports::{Forge, ForgeError, SecretValue, Unauthentic, Unreadable};

/// Descriptions and names have at most this many characters.
const MAX_TEXT: usize = 255;

const STATES: States = States {
    pending: "pending",
    running: "running",
    succeeded: "success",
    failed: "failed",
    errored: "failed",
    cancelled: "canceled",
};

/// gitlab.com and a GitLab of one's own.
pub(in crate::forge) struct GitLab {
    api: Api,
}

impl GitLab {
    pub(in crate::forge) fn new(api: Api) -> Self {
        Self { api }
    }
}

#[async_trait]
impl Forge for GitLab {
    fn kind(&self) -> ForgeKind {
        ForgeKind::GitLab
    }

    fn authenticate(
        &self,
        delivery: &RawDelivery,
        secrets: &[SecretValue],
        now_ms: u64,
    ) -> Result<(), Unauthentic> {
        proof::check(delivery, secrets, now_ms)
    }

    fn delivery_id(&self, delivery: &RawDelivery) -> DeliveryId {
        // The first is signed where there is a signature, and the same as the second.
        let headers = ["webhook-id", "idempotency-key", "x-gitlab-event-uuid"];
        signature::delivery_id(delivery, &headers, "x-gitlab-event")
    }

    fn read(&self, delivery: &RawDelivery) -> Result<Meaning, Unreadable> {
        let named = detect::event(&delivery.headers, ForgeKind::GitLab)?;
        // System webhooks say what it is in the body alone.
        let kind: Kind = json::parse(named, &delivery.body)?;
        match kind.name() {
            Some(event @ ("push" | "tag_push")) => {
                Ok(json::parse::<PushBody>(event, &delivery.body)?.meaning())
            }
            Some(event @ "merge_request") => {
                json::parse::<MergeRequestBody>(event, &delivery.body)?.meaning(event)
            }
            other => Ok(Meaning::Unsupported { event: other.unwrap_or(named).to_owned() }),
        }
    }

    async fn report(
        &self,
        repository: &RepositoryName,
        revision: &Revision,
        report: &StatusReport,
    ) -> Result<(), ForgeError> {
        let url = self.api.url(["projects", repository.as_str(), "statuses", revision.as_str()]);
        let state = STATES.of(report.state);
        let body = json!({
            "state": state,
            "name": api::shorten(&report.context, MAX_TEXT),
            "description": api::shorten(&report.description, MAX_TEXT),
            "target_url": report.link,
        });
        let answer = self.api.post(url, api::JSON, &body).await?;
        // GitLab refuses to go from a state to the same one: it was told before.
        if answer.status == 400 && words(&answer).contains(&format!("from :{state}")) {
            return Ok(());
        }
        verdict(&answer)
    }
}
