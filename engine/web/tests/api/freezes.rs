//! Freezes.

use crate::world::{ALL, World, acme};
use futures::FutureExt as _;
use serde_json::json;

#[tokio::test]
async fn what_is_frozen_says_why_until_it_is_thawed() {
    let world = World::new().await;
    let headers = [("content-type", "application/json")];
    let environment = acme("/environments/production/freeze");
    let frozen = world.ask("PUT", &environment, ALL, &headers, "{\"reason\": \"sale\"}").await;
    assert_eq!((frozen.status, &frozen.json()["reason"]), (200, &json!("sale")), "{frozen:?}");
    assert_eq!(world.ask("PUT", &acme("/freeze"), ALL, &headers, "{}").await.status, 200);
    let environments = world.get("/environments").await.json();
    assert_eq!(environments[0]["frozen"]["by"], "acme-read-run-approve-admin");
    let shown = world.get("/freezes").await.json();
    assert_eq!(
        (shown["frozen"].as_array().map(Vec::len), shown["events"].as_array().map(Vec::len)),
        (Some(2), Some(2))
    );
    assert!(world.wake.scheduler.notified().now_or_never().is_none());
    let thawed = world.ask("DELETE", &environment, ALL, &[], "").await;
    assert_eq!(thawed.json(), json!({"thawed": true}));
    assert!(world.wake.scheduler.notified().now_or_never().is_some(), "what waited is looked at");
    assert_eq!(world.ask("DELETE", &environment, ALL, &[], "").await.json(), json!({"thawed": false}));
    assert_eq!(world.ask("DELETE", &acme("/freeze"), ALL, &[], "").await.json(), json!({"thawed": true}));
    let shown = world.get("/freezes").await.json();
    assert_eq!((&shown["frozen"], &shown["events"][0]["frozen"]), (&json!([]), &json!(false)));
    assert_eq!(shown["events"].as_array().map(Vec::len), Some(4));
}
