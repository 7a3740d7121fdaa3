//! The inbox of two engines on one database.

mod claims;
mod receiving;
mod statuses;

use super::new_run;
use stageway_core::delivery::{Reference, Revision};
use stageway_core::name::{ReceiptId, RepositoryId, TenantId, WebhookId};
use stageway_ports::{
    Admission, Claimant, Claimed, Inbox as _, Moved, NewDelivery, Outcome, RunKey, Settlement,
};
use stageway_stores::PostgresStore;

fn repository(name: &str) -> RepositoryId {
    RepositoryId::new(name).unwrap()
}

fn main_branch() -> Reference {
    Reference::of_branch("main").unwrap()
}

/// A commit whose id is a number.
fn revision(number: u32) -> Revision {
    Revision::new(format!("{number:040}")).unwrap()
}

pub(crate) fn moved(before: u32, after: u32) -> Moved {
    Moved { reference: main_branch(), before: Some(revision(before)), after: Some(revision(after)) }
}

pub(crate) fn delivery(id: &str, of: &str, moves: Vec<Moved>) -> NewDelivery {
    NewDelivery {
        id: ReceiptId::new(id).unwrap(),
        webhook: WebhookId::new("hook").unwrap(),
        key: format!("key-{id}").parse().unwrap(),
        at: 1_000,
        event: "push".into(),
        headers: vec![],
        body: id.as_bytes().to_vec(),
        repository: Some(repository(of)),
        moves,
        outcome: None,
    }
}

async fn receive(store: &PostgresStore, new: NewDelivery) -> bool {
    store.receive(&TenantId::local(), new).await.unwrap().first
}

fn claimant(claimed: &Claimed) -> Claimant {
    let Claimed { tenant, delivery, fence, .. } = claimed;
    Claimant { tenant: tenant.clone(), delivery: delivery.id.clone(), fence: *fence }
}

fn settlement() -> Settlement {
    let outcome = Outcome { at: 2_000, summary: "done".into(), ..Outcome::default() };
    Settlement { outcome, ..Settlement::default() }
}

pub(crate) fn admission(id: &str, generation: u64, parameters: &str) -> Admission {
    let run = new_run(id);
    Admission {
        key: RunKey {
            repository: repository("shop"),
            pipeline: run.pipeline.clone(),
            reference: main_branch(),
            generation,
            kind: "push".into(),
            parameters: parameters.into(),
        },
        run,
        revision: revision(1),
        delivery: None,
        concurrency: None,
        context: Some("stageway/shop".into()),
        after: None,
        listened: false,
    }
}
