use crate::{Claimant, Claimed, Freezes, Inbox, Most, Moved, NewDelivery, Outcome, Queue, Settlement, Store};
use async_trait::async_trait;
use stageway_core::delivery::{Reference, Revision};
use stageway_core::name::{ReceiptId, RepositoryId, TenantId, WebhookId};
use std::sync::Arc;

/// The ports of one handle: they share their transactions.
pub trait Memory: Store + Inbox + Queue + Freezes {}

impl<T: Store + Inbox + Queue + Freezes> Memory for T {}

/// One set of data, empty at first.
#[async_trait]
pub trait InboxFixture: Send + Sync {
    /// A handle of its own to the same data, as another process would open it.
    async fn open(&self) -> Arc<dyn Memory>;
}

pub(super) fn tenant(name: &str) -> TenantId {
    TenantId::new(name).unwrap()
}

pub(super) fn repository() -> RepositoryId {
    RepositoryId::new("shop").unwrap()
}

/// A commit whose id is one digit, 40 times.
pub(super) fn revision(digit: char) -> Revision {
    Revision::new(digit.to_string().repeat(40)).unwrap()
}

pub(super) fn main_branch() -> Reference {
    Reference::of_branch("main").unwrap()
}

pub(super) fn receipt(id: &str) -> ReceiptId {
    ReceiptId::new(id).unwrap()
}

/// `-` is none.
pub(super) fn moved(before: char, after: char) -> Moved {
    let head = |digit: char| (digit != '-').then(|| revision(digit));
    Moved { reference: main_branch(), before: head(before), after: head(after) }
}

pub(super) fn delivery(id: &str, moves: Vec<Moved>) -> NewDelivery {
    NewDelivery {
        id: receipt(id),
        webhook: WebhookId::new("hook").unwrap(),
        key: format!("key-{id}").parse().unwrap(),
        at: 1_000,
        event: "push".into(),
        headers: vec![("x-event".into(), "push".into())],
        body: id.as_bytes().to_vec(),
        repository: Some(repository()),
        moves,
        outcome: None,
    }
}

pub(super) fn claimant(claimed: &Claimed) -> Claimant {
    let Claimed { tenant, delivery, fence, .. } = claimed;
    Claimant { tenant: tenant.clone(), delivery: delivery.id.clone(), fence: *fence }
}

pub(super) fn outcome(summary: &str) -> Outcome {
    Outcome { at: 2_000, summary: summary.into(), ..Outcome::default() }
}

/// Receives a delivery of the tenant `one`, claims it and settles it; answers what was claimed.
pub(super) async fn taken_in(
    inbox: &dyn Memory,
    id: &str,
    moves: Vec<Moved>,
    settle: impl FnOnce(&mut Settlement),
) -> Claimed {
    inbox.receive(&tenant("one"), delivery(id, moves)).await.unwrap();
    let mut claimed = inbox.take_up(5_000, 6_000, Most::of(1), None).await.unwrap();
    let claimed = claimed.pop().unwrap();
    assert_eq!(claimed.delivery.id, receipt(id));
    let mut settlement = Settlement { outcome: outcome("done"), ..Settlement::default() };
    settle(&mut settlement);
    inbox.settle(&claimant(&claimed), settlement).await.unwrap();
    claimed
}
