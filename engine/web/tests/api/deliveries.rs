//! Deliveries.

use crate::world::{MARK, World, tenant};
use futures::FutureExt as _;
use serde_json::json;
use stageway_ports::Inbox as _;

#[tokio::test]
async fn a_delivery_is_shown_with_its_body_and_what_became_of_it() {
    let world = World::new().await;
    let listed = world.get("/deliveries?webhook=hook").await.json();
    assert_eq!(listed.as_array().map(Vec::len), Some(1));
    let shown = world.get("/deliveries/acme-delivery").await.json();
    assert_eq!(shown["headers"], json!([{"name": "x-event", "value": MARK}]));
    assert_eq!(
        (&shown["key"], &shown["outcome"]["summary"]),
        (&json!("key-acme-delivery"), &json!(format!("nothing to do {MARK}")))
    );
    let body = world.get("/deliveries/acme-delivery/body").await;
    assert_eq!((body.body.as_str(), body.header("content-disposition")), (MARK, "attachment"));
    assert_eq!(world.get("/deliveries?webhook=absent").await.json(), json!([]));
    assert_eq!(world.get("/deliveries/absent").await.status, 404);
    assert_eq!(world.get("/deliveries/absent/body").await.status, 404);
}

#[tokio::test]
async fn a_delivery_is_taken_in_once_more() {
    let world = World::new().await;
    let path = "/deliveries/acme-delivery/redeliver";
    let answer = world.post(path, &json!({})).await;
    assert_eq!((answer.status, answer.json()["outcome"].clone()), (202, json!(null)), "{answer:?}");
    assert!(world.wake.intake.notified().now_or_never().is_some(), "the intake is woken");
    let open =
        world.store.delivery(&tenant("acme"), &"acme-delivery".parse().unwrap()).await.unwrap().unwrap();
    assert!(open.outcome.is_none());
    let again = world.post(path, &json!({})).await;
    assert_eq!((again.status, again.code().as_str()), (409, "SW0813"), "it is open already");
    assert_eq!(world.post("/deliveries/absent/redeliver", &json!({})).await.status, 404);
}
