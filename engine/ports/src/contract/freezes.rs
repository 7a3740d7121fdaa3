//! The contract of the port [`Freezes`].

use super::store::new_run;
use crate::{Claim, ClaimAnswer, Freeze, FreezeEvent, Freezes, Store, Writer};
use async_trait::async_trait;
use stageway_core::name::{EnvironmentName, RunId, TenantId};
use std::sync::Arc;
use std::time::Duration;

/// Both ports of one handle: they share their transactions.
pub trait Freezing: Store + Freezes {}

impl<T: Store + Freezes> Freezing for T {}

/// One set of data, empty at first.
#[async_trait]
pub trait FreezesFixture: Send + Sync {
    /// A handle of its own to the same data, as another process would open it.
    async fn open(&self) -> Arc<dyn Freezing>;
}

/// Runs every case of the contract of freezes; the expression makes a [`FreezesFixture`] with a set of data of its own.
#[macro_export]
macro_rules! freezes_contract {
    ($fixture:expr) => {
        $crate::contract_cases! { freezes, $fixture,
            what_is_frozen_stays_so_until_it_is_thawed
            freezing_again_changes_the_reason
            what_happened_is_kept
            a_frozen_environment_is_given_to_nobody
            a_freeze_is_of_one_tenant
            a_freeze_is_a_change
        }
    };
}

fn tenant(name: &str) -> TenantId {
    TenantId::new(name).unwrap()
}

/// An empty environment is the whole tenant.
fn freeze(environment: &str, reason: &str, at: u64) -> Freeze {
    let environment = EnvironmentName::new(environment).ok();
    Freeze { environment, reason: reason.into(), by: "ada".into(), at }
}

async fn leased(store: &dyn Store, id: &str) -> Writer {
    let run = RunId::new(id).unwrap();
    store.create_run(&tenant("one"), new_run(id)).await.unwrap();
    let lease = store.lease(&tenant("one"), &run, "contract", 2_000, 60_000, true).await.unwrap().unwrap();
    Writer { tenant: tenant("one"), run, fence: lease.fence }
}

async fn claim(store: &dyn Store, writer: &Writer) -> ClaimAnswer {
    let claim = Claim {
        environment: EnvironmentName::new("production").unwrap(),
        run: writer.run.clone(),
        stage: "deploy".parse().unwrap(),
        group: writer.run.to_string(),
        order: 1,
    };
    store.claim(writer, &claim).await.unwrap()
}

/// The tenant comes first, then its environments by name.
pub async fn what_is_frozen_stays_so_until_it_is_thawed(fixture: &dyn FreezesFixture) {
    let (port, other) = (fixture.open().await, fixture.open().await);
    let one = tenant("one");
    assert_eq!(port.frozen(&one).await.unwrap(), []);
    let all = [freeze("", "audit", 3), freeze("production", "sale", 2), freeze("staging", "", 1)];
    for freeze in all.iter().rev() {
        port.freeze(&one, freeze.clone()).await.unwrap();
    }
    assert_eq!(other.frozen(&one).await.unwrap(), all);
    assert!(other.thaw(&one, freeze("production", "", 4)).await.unwrap());
    assert!(!other.thaw(&one, freeze("production", "", 5)).await.unwrap(), "it was thawed already");
    assert_eq!(port.frozen(&one).await.unwrap(), [all[0].clone(), all[2].clone()]);
}

/// The last reason counts.
pub async fn freezing_again_changes_the_reason(fixture: &dyn FreezesFixture) {
    let port = fixture.open().await;
    let one = tenant("one");
    port.freeze(&one, freeze("production", "sale", 1)).await.unwrap();
    port.freeze(&one, freeze("production", "audit", 2)).await.unwrap();
    assert_eq!(port.frozen(&one).await.unwrap(), [freeze("production", "audit", 2)]);
}

/// Newest first, and only what changed something.
pub async fn what_happened_is_kept(fixture: &dyn FreezesFixture) {
    let port = fixture.open().await;
    let one = tenant("one");
    port.freeze(&one, freeze("", "audit", 1)).await.unwrap();
    port.thaw(&one, freeze("", "done", 2)).await.unwrap();
    port.thaw(&one, freeze("", "again", 3)).await.unwrap();
    let event = |frozen, what| FreezeEvent { frozen, what };
    let expected = [event(false, freeze("", "done", 2)), event(true, freeze("", "audit", 1))];
    assert_eq!(port.freeze_events(&one, 9).await.unwrap(), expected);
    assert_eq!(port.freeze_events(&one, 1).await.unwrap(), expected[..1]);
}

/// Who holds its lock keeps it, and gives it back as always.
pub async fn a_frozen_environment_is_given_to_nobody(fixture: &dyn FreezesFixture) {
    let port = fixture.open().await;
    let (holder, waiting) = (leased(&*port, "r1").await, leased(&*port, "r2").await);
    let one = tenant("one");
    assert_eq!(claim(&*port, &holder).await, ClaimAnswer::Held(1));
    port.freeze(&one, freeze("production", "sale", 1)).await.unwrap();
    port.freeze(&one, freeze("", "a tenant holds up its queue, not its locks", 1)).await.unwrap();
    assert_eq!(claim(&*port, &holder).await, ClaimAnswer::Held(1));
    assert_eq!(claim(&*port, &waiting).await, ClaimAnswer::Busy(holder.run.clone()));
    let back = (EnvironmentName::new("production").unwrap(), "deploy".parse().unwrap());
    let batch = crate::Batch { release_claims: vec![back], ..Default::default() };
    port.append(&holder, batch).await.unwrap();
    assert_eq!(claim(&*port, &waiting).await, ClaimAnswer::Frozen(freeze("production", "sale", 1)));
    port.thaw(&one, freeze("production", "", 2)).await.unwrap();
    assert_eq!(claim(&*port, &waiting).await, ClaimAnswer::Held(2));
}

/// Another tenant sees and thaws nothing.
pub async fn a_freeze_is_of_one_tenant(fixture: &dyn FreezesFixture) {
    let port = fixture.open().await;
    port.freeze(&tenant("one"), freeze("production", "sale", 1)).await.unwrap();
    assert_eq!(port.frozen(&tenant("two")).await.unwrap(), []);
    assert_eq!(port.freeze_events(&tenant("two"), 9).await.unwrap(), []);
    assert!(!port.thaw(&tenant("two"), freeze("production", "", 2)).await.unwrap());
    assert_eq!(port.frozen(&tenant("one")).await.unwrap().len(), 1);
}

/// So that whoever waits for the thaw is woken.
pub async fn a_freeze_is_a_change(fixture: &dyn FreezesFixture) {
    let port = fixture.open().await;
    let one = tenant("one");
    let count = || port.changed(&one, 0, Duration::ZERO);
    let before = count().await;
    port.freeze(&one, freeze("production", "sale", 1)).await.unwrap();
    let frozen = count().await;
    assert!(frozen > before);
    port.thaw(&one, freeze("production", "", 2)).await.unwrap();
    let thawed = count().await;
    assert!(thawed > frozen);
    port.thaw(&one, freeze("production", "", 3)).await.unwrap();
    assert_eq!(count().await, thawed, "nothing is different");
}
