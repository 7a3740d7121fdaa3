//! Receiving deliveries: authentic before it is read, durable before it is answered, and no network in between.

use super::{Hook, Site, Wake};
use stageway_core::delivery::{ForgeRepository, HeadChange, Meaning, PullRequest, Push, RawDelivery};
use stageway_core::name::{ReceiptId, TenantId, WebhookId};
use stageway_ports::{
    Clock, Forge, Inbox, Moved, NewDelivery, Outcome, Received, SecretValue, StoreError, Unreadable,
};
use std::sync::Arc;
use thiserror::Error;

/// Why a delivery was turned away.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Turned {
    /// Its signature is not right, or there is no such webhook, or it is disabled: nobody outside can tell which.
    #[error("the delivery is not authentic")]
    NotAuthentic,
    /// It is authentic and stored, but nobody understands it.
    #[error("delivery {id} cannot be read: {problem}")]
    NotUnderstood {
        /// Under which it can be looked up.
        id: ReceiptId,
        /// With the remedy, where there is one.
        problem: Unreadable,
    },
    /// It could not be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Where deliveries come in.
pub struct Reception {
    /// What the operator registered.
    pub site: Arc<Site>,
    /// Where they are kept.
    pub inbox: Arc<dyn Inbox>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Whom to wake.
    pub wake: Arc<Wake>,
    /// Stands for webhooks that are not there, so that these take the same time.
    pub decoy: Arc<dyn Forge>,
}

impl Reception {
    /// The webhook and whose it is, if the delivery is authentic.
    ///
    /// # Errors
    /// [`Turned::NotAuthentic`].
    pub fn authenticate(
        &self,
        webhook: &str,
        delivery: &RawDelivery,
    ) -> Result<(WebhookId, TenantId), Turned> {
        let now = self.clock.now_ms();
        let id = WebhookId::new(webhook).ok();
        let known = id.and_then(|id| self.site.webhooks.get_key_value(&id));
        let Some((id, hook)) = known else {
            let nobody = [SecretValue::new(b"a secret that nobody has".to_vec())];
            let _ = self.decoy.authenticate(delivery, &nobody, now);
            return Err(Turned::NotAuthentic);
        };
        match hook.forge.authenticate(delivery, &hook.secrets, now) {
            Ok(()) => Ok((id.clone(), hook.tenant.clone())),
            Err(error) => {
                tracing::info!(webhook.id = %id, tenant.id = %hook.tenant, %error, "a delivery is not authentic");
                Err(Turned::NotAuthentic)
            }
        }
    }

    /// Stores an authentic delivery. A redelivery is answered like the first.
    ///
    /// # Errors
    /// [`Turned::NotUnderstood`], once it is stored, and [`Turned::Store`].
    pub async fn take(
        &self,
        webhook: &WebhookId,
        delivery: &RawDelivery,
        id: ReceiptId,
    ) -> Result<Received, Turned> {
        let hook = self.site.webhooks.get(webhook).ok_or(Turned::NotAuthentic)?;
        let at = self.clock.now_ms();
        let read = hook.forge.read(delivery);
        let new = stored(webhook, hook, delivery, &read, (id, at));
        let open = new.outcome.is_none();
        let received = self.inbox.receive(&hook.tenant, new).await?;
        if open && received.first {
            self.wake.intake.notify_one();
        }
        match read {
            Ok(_) => Ok(received),
            Err(problem) => Err(Turned::NotUnderstood { id: received.id, problem }),
        }
    }
}

/// What is kept of a delivery.
fn stored(
    webhook: &WebhookId,
    hook: &Hook,
    delivery: &RawDelivery,
    read: &Result<Meaning, Unreadable>,
    (id, at): (ReceiptId, u64),
) -> NewDelivery {
    let done = |summary: String| Some(Outcome { at, summary, ..Outcome::default() });
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let kept = delivery.headers.kept();
    let mut new = NewDelivery {
        id,
        webhook: webhook.clone(),
        key: hook.forge.delivery_id(delivery),
        at,
        event: String::new(),
        headers: kept.iter().map(|(name, value)| (name.to_owned(), text(value))).collect(),
        body: delivery.body.to_vec(),
        repository: None,
        moves: Vec::new(),
        outcome: None,
    };
    let meaning = match read {
        Ok(meaning) => meaning,
        Err(problem) => return NewDelivery { outcome: done(problem.to_string()), ..new },
    };
    new.event = name_of(meaning);
    let Some(repository) = repository_of(meaning) else {
        let summary = match meaning {
            Meaning::Ping => "the forge tried the webhook out".to_owned(),
            _ => format!("`{}` starts nothing", new.event),
        };
        return NewDelivery { outcome: done(summary), ..new };
    };
    new.repository = hook.repositories.get(&repository.name).cloned();
    if new.repository.is_none() {
        let summary = format!("the webhook has no repository `{}`", repository.name);
        return NewDelivery { outcome: done(summary), ..new };
    }
    new.moves = moves_of(meaning);
    new.outcome = nothing_to_start(meaning, &new.moves).and_then(done);
    new
}

/// What the forge's event is called by us.
fn name_of(meaning: &Meaning) -> String {
    match meaning {
        Meaning::Ping => "ping".into(),
        Meaning::Unsupported { event } => event.clone(),
        Meaning::Push(_) => "push".into(),
        Meaning::PullRequest(_) => "pull-request".into(),
    }
}

fn repository_of(meaning: &Meaning) -> Option<&ForgeRepository> {
    match meaning {
        Meaning::Ping | Meaning::Unsupported { .. } => None,
        Meaning::Push(push) => Some(&push.repository),
        Meaning::PullRequest(pull_request) => Some(&pull_request.repository),
    }
}

/// The heads that have moved.
pub(crate) fn moves_of(meaning: &Meaning) -> Vec<Moved> {
    match meaning {
        Meaning::Push(Push { changes, .. }) => {
            let moving = changes.iter().filter(|change| !change.is_still());
            let moved = |HeadChange { reference, before, after, .. }: &HeadChange| Moved {
                reference: reference.clone(),
                before: before.clone(),
                after: after.clone(),
            };
            moving.map(moved).collect()
        }
        Meaning::PullRequest(pull_request) if pull_request.action.starts() => {
            let PullRequest { reference, head, .. } = &**pull_request;
            let whole = head.whole().into_iter();
            whole
                .map(|head| Moved { reference: reference.clone(), before: None, after: Some(head) })
                .collect()
        }
        Meaning::PullRequest(_) | Meaning::Ping | Meaning::Unsupported { .. } => Vec::new(),
    }
}

fn nothing_to_start(meaning: &Meaning, moves: &[Moved]) -> Option<String> {
    match meaning {
        Meaning::PullRequest(pull_request) if !pull_request.action.starts() => {
            Some(format!("pull request {} was closed", pull_request.number))
        }
        // The forge does not tell the whole head: it is looked up when the delivery is taken in, where it can be.
        Meaning::PullRequest(pull_request) if moves.is_empty() => {
            let number = pull_request.number;
            let why =
                || format!("the forge has no ref for the head of pull request {number}, which is of a fork");
            pull_request.own_branch().is_none().then(why)
        }
        _ if moves.is_empty() => Some("no head has moved".into()),
        _ if moves.iter().all(|moved| moved.after.is_none()) => {
            let names: Vec<_> = moves.iter().map(|moved| moved.reference.to_string()).collect();
            Some(format!("deleted: {}", names.join(", ")))
        }
        _ => None,
    }
}
