use super::InboxFixture;
use super::fixture::{delivery, moved, outcome, receipt, tenant};
use crate::{DeliveryFilter, Received};
use stageway_core::name::WebhookId;

/// A redelivery is answered like the first, by every handle.
pub async fn a_delivery_is_received_once(fixture: &dyn InboxFixture) {
    let (one, other) = (fixture.open().await, fixture.open().await);
    let first = one.receive(&tenant("one"), delivery("d1", vec![moved('a', 'b')])).await.unwrap();
    assert_eq!(first, Received { id: receipt("d1"), first: true });
    let mut again = delivery("d2", vec![moved('a', 'b')]);
    again.key = "key-d1".parse().unwrap();
    let second = other.receive(&tenant("one"), again).await.unwrap();
    assert_eq!(second, Received { id: receipt("d1"), first: false });
    assert_eq!(one.delivery(&tenant("one"), &receipt("d2")).await.unwrap(), None);
    assert_eq!(one.body(&tenant("one"), &receipt("d2")).await.unwrap(), None);
}

/// The same key elsewhere is another delivery.
pub async fn every_webhook_and_tenant_has_keys_of_its_own(fixture: &dyn InboxFixture) {
    let inbox = fixture.open().await;
    for (name, webhook) in [("one", "hook"), ("one", "other"), ("two", "hook")] {
        let mut new = delivery(&format!("{name}-{webhook}"), vec![]);
        new.key = "same".parse().unwrap();
        new.webhook = WebhookId::new(webhook).unwrap();
        assert!(inbox.receive(&tenant(name), new).await.unwrap().first);
    }
}

/// Nothing is lost on the way.
pub async fn a_delivery_is_kept_as_it_came(fixture: &dyn InboxFixture) {
    let inbox = fixture.open().await;
    let body: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let mut new = delivery("d1", vec![moved('a', 'b')]);
    new.body.clone_from(&body);
    new.outcome = Some(outcome("a test of the forge"));
    inbox.receive(&tenant("one"), new.clone()).await.unwrap();
    let kept = inbox.delivery(&tenant("one"), &receipt("d1")).await.unwrap().unwrap();
    assert_eq!((kept.key, kept.at, kept.event, kept.size), (new.key, new.at, new.event, 100_000));
    assert_eq!((kept.headers, kept.repository, kept.outcome), (new.headers, new.repository, new.outcome));
    assert_eq!(inbox.body(&tenant("one"), &receipt("d1")).await.unwrap(), Some(body));
}

/// With pages and filters.
pub async fn deliveries_are_listed_newest_first(fixture: &dyn InboxFixture) {
    let inbox = fixture.open().await;
    for id in ["d1", "d2", "d3"] {
        let mut new = delivery(id, vec![]);
        if id == "d2" {
            new.webhook = WebhookId::new("other").unwrap();
        }
        inbox.receive(&tenant("one"), new).await.unwrap();
    }
    let ids = async |filter: DeliveryFilter| {
        let found = inbox.deliveries(&tenant("one"), &filter).await.unwrap();
        found.into_iter().map(|delivery| (delivery.id.to_string(), delivery.number)).collect::<Vec<_>>()
    };
    let all = ids(DeliveryFilter { max: 10, ..DeliveryFilter::default() }).await;
    assert_eq!(all.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["d3", "d2", "d1"]);
    let page = ids(DeliveryFilter { before: Some(all[0].1), max: 1, webhook: None }).await;
    assert_eq!(page, all[1..2]);
    let webhook = Some(WebhookId::new("hook").unwrap());
    let of_one = ids(DeliveryFilter { webhook, before: None, max: 10 }).await;
    assert_eq!(of_one, [all[0].clone(), all[2].clone()]);
}

/// Neither by list nor by name.
pub async fn a_tenant_sees_no_letter_of_another(fixture: &dyn InboxFixture) {
    let inbox = fixture.open().await;
    inbox.receive(&tenant("one"), delivery("d1", vec![moved('a', 'b')])).await.unwrap();
    let other = tenant("two");
    let filter = DeliveryFilter { max: 10, ..DeliveryFilter::default() };
    assert_eq!(inbox.deliveries(&other, &filter).await.unwrap(), []);
    assert_eq!(inbox.delivery(&other, &receipt("d1")).await.unwrap(), None);
    assert_eq!(inbox.body(&other, &receipt("d1")).await.unwrap(), None);
    assert!(inbox.reopen(&other, &receipt("d1")).await.is_err());
}
