//! What holds for every request.

use crate::world::{ALL, World, acme, request};
use serde_json::json;
use stageway_web::Limits;
use std::time::Duration;

#[tokio::test]
async fn what_is_not_understood_is_a_problem_with_a_code() {
    let world = World::new().await;
    let json = [("content-type", "application/json")];
    let cancel = acme("/runs/1/cancel");
    let large = format!("{{\"reason\": \"{}\"}}", "x".repeat(1 << 20));
    let long = json!({"reason": "x".repeat(1_001)}).to_string();
    for (method, path, headers, body, status, code) in [
        ("GET", acme("/runs?max=many"), &[][..], "", 400, "SW0812"),
        ("GET", acme("/runs?max=0"), &[], "", 400, "SW0812"),
        ("GET", acme("/runs?max=1001"), &[], "", 400, "SW0812"),
        ("GET", acme("/runs?colour=red"), &[], "", 400, "SW0812"),
        ("GET", acme("/runs?pipeline=A"), &[], "", 400, "SW0812"),
        ("GET", acme("/runs/99"), &[], "", 404, "SW0807"),
        ("GET", acme("/runs/a%20b"), &[], "", 404, "SW0807"),
        ("GET", acme("/runs/%ff"), &[], "", 404, "SW0807"),
        ("GET", acme("/runs/1/stages/build/attempts/7/journal"), &[], "", 404, "SW0807"),
        ("GET", acme("/runs/1/logs?stage=absent"), &[], "", 404, "SW0807"),
        ("GET", acme("/nothing"), &[], "", 404, "SW0807"),
        ("GET", "/api/v2".into(), &[], "", 404, "SW0807"),
        ("DELETE", acme("/runs"), &[], "", 405, "SW0815"),
        ("POST", cancel.clone(), &json, "{", 400, "SW0812"),
        ("POST", cancel.clone(), &json, "{\"reason\": 1}", 422, "SW0812"),
        ("POST", cancel.clone(), &json, "{\"why\": \"\"}", 422, "SW0812"),
        ("POST", cancel.clone(), &[], "{}", 415, "SW0812"),
        ("POST", cancel.clone(), &json, &large, 413, "SW0803"),
        ("POST", cancel.clone(), &json, &long, 400, "SW0812"),
    ] {
        let answer = world.ask(method, &path, ALL, headers, body).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{method} {path}: {answer:?}");
        assert!(answer.json()["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()), "{path}");
    }
    let answer = world.ask("DELETE", &acme("/runs"), ALL, &[], "").await;
    assert!(answer.header("allow").contains("GET"), "{answer:?}");
}

#[tokio::test]
async fn nothing_is_kept_by_caches_and_nothing_is_a_page() {
    let world = World::new().await;
    for path in ["/runs", "/runs/1", "/runs/99", "/deliveries/acme-delivery/body"] {
        let answer = world.get(path).await;
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert!(answer.header("content-security-policy").contains("default-src 'none'"), "{path}");
    }
}

#[tokio::test]
async fn what_has_not_changed_is_not_sent_again() {
    let world = World::new().await;
    for path in ["/runs", "/runs/1", "/runs/1/logs", "/deliveries", "/environments", "/approvals"] {
        let first = world.get(path).await;
        let tag = first.header("etag").to_owned();
        assert!(tag.starts_with("W/\""), "{path}: {first:?}");
        let again = world.ask("GET", &acme(path), ALL, &[("if-none-match", &tag)], "").await;
        assert_eq!(
            (again.status, again.body.as_str(), again.header("etag")),
            (304, "", tag.as_str()),
            "{path}"
        );
        let listed = format!("\"x\", {tag}");
        assert_eq!(world.ask("GET", &acme(path), ALL, &[("if-none-match", &listed)], "").await.status, 304);
        let other = format!("{path}?max=1");
        let elsewhere = world.ask("GET", &acme(&other), ALL, &[("if-none-match", &tag)], "").await;
        assert_ne!(elsewhere.status, 304, "{path}: a tag is of one address");
        assert_eq!(world.ask("GET", &acme(path), "", &[("if-none-match", &tag)], "").await.status, 401);
    }
    let tag = world.get("/runs").await.header("etag").to_owned();
    world.say(10..11).await;
    let changed = world.ask("GET", &acme("/runs"), ALL, &[("if-none-match", &tag)], "").await;
    assert_eq!(changed.status, 200);
}

#[tokio::test]
async fn a_token_asks_only_so_often() {
    let world = World::with(Limits { of_token: 3, ..Limits::default() }).await;
    for _ in 0..3 {
        assert_eq!(world.get("/runs").await.status, 200);
    }
    let answer = world.get("/runs").await;
    assert_eq!((answer.status, answer.code().as_str()), (429, "SW0805"));
    assert!(answer.header("retry-after").parse::<u64>().is_ok(), "{answer:?}");
    assert_eq!(
        world.ask("GET", &acme("/runs"), "sw_acme-read", &[], "").await.status,
        200,
        "another has its own"
    );
}

/// Whoever has a good token is not locked out by others who have none.
#[tokio::test]
async fn requests_without_a_good_token_are_only_so_many() {
    let world = World::with(Limits { of_stranger: 2, ..Limits::default() }).await;
    let ask = async |token: &str, from: &str| {
        let mut request = request("GET", &acme("/runs"), token, &[], "");
        let peer: std::net::SocketAddr = from.parse().unwrap();
        request.extensions_mut().insert(axum::extract::ConnectInfo(peer));
        world.send(request).await
    };
    for (token, from, status) in [
        ("sw_wrong", "192.0.2.1:1", 401),
        ("", "192.0.2.1:2", 401),
        ("sw_wrong", "192.0.2.1:3", 429),
        ("sw_wrong", "192.0.2.2:1", 401),
        ("sw_acme-read", "192.0.2.1:4", 200),
    ] {
        let answer = ask(token, from).await;
        assert_eq!(answer.status(), status, "{token} from {from}");
        assert_eq!(answer.headers().contains_key("retry-after"), status == 429);
    }
}

#[tokio::test]
async fn a_header_that_is_no_bearer_token_is_none() {
    let world = World::new().await;
    for (headers, status) in [
        (&[("authorization", "Basic c3c6")][..], 401),
        (&[("authorization", "Bearer")], 401),
        (&[("authorization", "bearer sw_acme-read")], 200),
        (&[("authorization", "Bearer sw_acme-read"), ("authorization", "Bearer sw_acme-run")], 401),
    ] {
        assert_eq!(world.ask("GET", &acme("/runs"), "", headers, "").await.status, status, "{headers:?}");
    }
}

#[tokio::test]
async fn whoever_asks_whose_its_token_is_is_told() {
    let world = World::new().await;
    let answer = world.ask("GET", "/api/v1/token", "sw_acme-read", &[], "").await;
    assert_eq!(answer.json(), json!({"name": "acme-read", "tenant": "acme", "scopes": ["read"]}));
    assert_eq!(world.ask("GET", "/api/v1/token", "", &[], "").await.status, 401);
    let version = world.ask("GET", "/api/v1/version", "", &[], "").await;
    assert_eq!(version.json(), json!({"version": env!("CARGO_PKG_VERSION")}));
    let document = world.ask("GET", "/api/v1/openapi.json", "", &[], "").await;
    assert_eq!(document.json()["openapi"], "3.1.0");
}

#[tokio::test]
async fn a_change_is_waited_for_and_a_stop_ends_the_wait() {
    let world = World::new().await;
    let count = world.get("/changes").await.json()["changes"].as_u64().unwrap();
    assert!(count > 0);
    assert_eq!(world.get(&format!("/changes?since={count}&within-ms=20")).await.json()["changes"], count);
    let path = format!("/changes?since={count}&within-ms=30000");
    let changing = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        world.say(20..21).await;
    };
    let (answer, ()) = tokio::join!(world.get(&path), changing);
    assert!(answer.json()["changes"].as_u64().unwrap() > count);
    let count = world.get("/changes").await.json()["changes"].as_u64().unwrap();
    let path = format!("/changes?since={count}&within-ms=30000");
    let stopping = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        world.stop.send(true).unwrap();
    };
    let (answer, ()) = tokio::join!(world.get(&path), stopping);
    assert_eq!(answer.json()["changes"], count);
    assert_eq!(world.get("/changes?within-ms=30001").await.status, 400);
}
