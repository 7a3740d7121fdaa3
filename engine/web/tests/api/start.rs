//! Runs that a person wants: what is told to ourselves, and what is answered.

use crate::world::{World, tenant};
use serde_json::{Value as Json, json};
use stageway_core::name::WebhookId;
use stageway_ports::{DeliveryFilter, Inbox as _};

const RUN: &str = "sw_acme-run";

/// The newest delivery to ourselves.
async fn told(world: &World) -> Json {
    let filter = DeliveryFilter { webhook: Some(WebhookId::own()), before: None, max: 1 };
    let found = world.store.deliveries(&tenant("acme"), &filter).await.unwrap();
    let body = world.store.body(&tenant("acme"), &found[0].id).await.unwrap().unwrap();
    serde_json::from_slice(&body).unwrap()
}

async fn post(world: &World, path: &str, body: &Json) -> crate::world::Answer {
    let path = format!("/api/v1/tenants/acme/{path}");
    world.ask("POST", &path, RUN, &[("content-type", "application/json")], &body.to_string()).await
}

#[tokio::test]
async fn a_start_is_told_to_ourselves_with_who_wants_it() {
    let world = World::new().await;
    let wanted =
        json!({"repository": "demo", "pipeline": "release", "ref": "next", "parameters": {"n": "1"}});
    let answer = post(&world, "runs", &wanted).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    assert!(answer.json()["delivery"].is_string());
    let told = told(&world).await;
    assert_eq!((&told["kind"], &told["reference"]), (&json!("manual"), &json!("refs/heads/next")));
    assert_eq!(told["parameters"], json!({"n": "1"}));
    assert!(told["by"].as_str().unwrap().contains("acme-run"), "{told}");
    post(&world, "runs", &json!({"repository": "demo", "pipeline": "release"})).await;
    assert_eq!(self::told(&world).await["reference"], "refs/heads/main");
}

#[tokio::test]
async fn what_cannot_be_started_is_told() {
    let world = World::new().await;
    let status = async |body: Json| post(&world, "runs", &body).await.status;
    assert_eq!(status(json!({"repository": "nothing", "pipeline": "p"})).await, 404);
    assert_eq!(status(json!({"repository": "demo", "pipeline": "p", "ref": "a..b"})).await, 400);
    assert_eq!(status(json!({"repository": "demo", "pipeline": "p", "revision": "abc"})).await, 422);
    assert_eq!(status(json!({"repository": "demo"})).await, 422);
}

#[tokio::test]
async fn a_run_that_has_ended_is_done_again() {
    let world = World::new().await;
    assert_eq!(post(&world, "runs/acme-run/rerun", &json!({})).await.status, 409, "it has not ended");
    world.end().await;
    assert_eq!(post(&world, "runs/acme-run/rerun", &json!({"from": "nothing"})).await.status, 400);
    assert_eq!(post(&world, "runs/acme-run/rerun", &json!({"from": "build"})).await.status, 202);
    let told = told(&world).await;
    assert_eq!(
        (&told["kind"], &told["run"], &told["from"]),
        (&json!("again"), &json!("acme-run"), &json!("build"))
    );
}
