//! What is turned away, and how.

use crate::world::{SECRET, World, headers, sign};
use stageway_tests::server::request;

#[test]
fn what_is_not_authentic_looks_the_same_and_leaves_nothing() {
    let world = World::new();
    let server = world.start();
    let body = world.pushed("main", "", &"a".repeat(40));
    let (right, wrong) = (sign(SECRET, &body), sign("another", &body));
    let answers: Vec<_> = [
        ("/webhooks/demo", wrong.as_str()),
        ("/webhooks/demo", ""),
        ("/webhooks/demo", &right[..62]),
        ("/webhooks/unknown", right.as_str()),
        ("/webhooks/off", right.as_str()),
    ]
    .iter()
    .map(|(path, signature)| server.request("POST", path, &headers("push", "d1", signature), &body))
    .collect();
    assert_eq!(answers[0].status, 401);
    assert!(answers[0].body.contains("SW0801"), "{answers:?}");
    for answer in &answers {
        assert_eq!((answer.status, &answer.body), (401, &answers[0].body));
    }
    let mut twice = headers("push", "d1", &right).to_vec();
    twice.push(("X-Gitea-Signature", right.as_str()));
    assert_eq!(server.request("POST", "/webhooks/demo", &twice, &body).status, 401);
    let changed = [body.as_slice(), b" "].concat();
    assert_eq!(
        server.request("POST", "/webhooks/demo", &headers("push", "d1", &right), &changed).status,
        401
    );
    let metrics = server.request("GET", "/metrics", &[], b"").body;
    assert!(
        metrics.contains("{verdict=\"stored\"} 0") && metrics.contains("{verdict=\"refused\"} 7"),
        "{metrics}"
    );
}

#[test]
fn bodies_and_rates_have_their_bounds() {
    let world = World::new();
    let server = world.start();
    let signed = |path: &str, id: &str, body: &[u8]| {
        let signature = sign(SECRET, body);
        server.request("POST", path, &headers("push", id, &signature), body)
    };
    assert_eq!(signed("/webhooks/demo", "d1", b"{").status, 422);
    assert_eq!(signed("/webhooks/demo", "d2", b"").status, 422);
    let nested = "[".repeat(1 << 20);
    assert_eq!(signed("/webhooks/demo", "d3", nested.as_bytes()).status, 422);
    let large = vec![b' '; (25 << 20) + 1];
    assert_eq!(server.request("POST", "/webhooks/demo", &headers("push", "d4", "x"), &large).status, 413);
    let form = b"payload=%7B%7D";
    let signature = sign(SECRET, form);
    let mut headers = headers("push", "d5", &signature);
    headers[0].1 = "application/x-www-form-urlencoded";
    assert_eq!(server.request("POST", "/webhooks/demo", &headers, form).status, 401);
    let body = world.pushed("main", "", &"a".repeat(40));
    let limited: Vec<_> = (0..3).map(|n| signed("/webhooks/slow", &format!("s{n}"), &body)).collect();
    assert_eq!(limited.iter().map(|answer| answer.status).collect::<Vec<_>>(), [202, 202, 429]);
    assert!(limited[2].head.to_lowercase().contains("retry-after: "), "{limited:?}");
    assert_eq!(server.request("GET", "/webhooks/demo", &[], b"").status, 404);
    assert_eq!(server.request("GET", "/nothing", &[], b"").status, 404);
    assert_eq!(server.request("GET", "/health", &[], b"").status, 200);
    assert_eq!(server.request("GET", "/ready", &[], b"").status, 200);
}

#[test]
fn a_server_stops_within_its_time_and_takes_nothing_more() {
    let world = World::new();
    let server = world.start();
    let port = server.port;
    let (code, took) = server.terminate();
    assert_eq!(code, Some(0));
    assert!(took.as_secs() < 25, "{took:?}");
    assert!(request(port, "GET", "/health", &[], b"").is_err());
}
