//! What no forge sends. Each is answered with an error, none with a panic, and none costs much.

use super::*;
use proptest::prelude::*;
use serde_json::json;
use std::time::{Duration, Instant};

/// An event of each forge whose body is read.
const EVENTS: [(ForgeKind, &str); 11] = [
    (ForgeKind::GitHub, "push"),
    (ForgeKind::GitHub, "pull_request"),
    (ForgeKind::GitLab, "Push Hook"),
    (ForgeKind::GitLab, "Merge Request Hook"),
    (ForgeKind::Gitea, "push"),
    (ForgeKind::Gitea, "delete"),
    (ForgeKind::Gitea, "pull_request"),
    (ForgeKind::BitbucketCloud, "repo:push"),
    (ForgeKind::BitbucketCloud, "pullrequest:updated"),
    (ForgeKind::BitbucketDataCenter, "repo:refs_changed"),
    (ForgeKind::BitbucketDataCenter, "pr:modified"),
];

fn read_bytes(kind: ForgeKind, event: &str, body: impl Into<Vec<u8>>) -> Result<Meaning, Unreadable> {
    let names = ["x-github-event", "x-gitlab-event", "x-gitea-event", "x-event-key", "x-event-key"];
    let at = ForgeKind::ALL.iter().position(|one| *one == kind).unwrap();
    let id = if kind == ForgeKind::BitbucketCloud { "x-request-uuid" } else { "x-request-id" };
    let headers = [(names[at], event), (id, "1"), ("content-type", "application/json")];
    forge(kind).read(&delivery(&headers, body))
}

/// Reads it as every event, and answers the errors.
fn refused(body: &[u8]) -> Vec<String> {
    let errors = EVENTS.map(|(kind, event)| match read_bytes(kind, event, body) {
        // GitLab says in its body what it is.
        Ok(Meaning::Unsupported { .. }) if kind == ForgeKind::GitLab => String::new(),
        Ok(meaning) => panic!("{kind} {event}: {meaning:?}"),
        Err(error) => error.to_string(),
    });
    assert!(errors.iter().all(|error| error.len() < 600), "{errors:?}");
    errors.into()
}

#[test]
fn what_is_not_json_is_told_with_its_place() {
    for body in [
        &b""[..],
        b"null",
        b"[]",
        b"42",
        b"\"text\"",
        b"{",
        b"{\"ref\": \"refs/heads/main\"",
        b"{\"action\": \"opened\"}}",
        b"{\"a\": \xff\xfe}",
        b"{\"object_kind\": \"\xc3\x28\"}",
        b"\x00\x01\x02",
        b"payload=%7B%7D",
    ] {
        for error in refused(body).iter().filter(|error| !error.is_empty()) {
            assert!(error.contains("line 1") || error.contains("expected"), "{error}");
        }
    }
}

#[test]
fn a_missing_field_is_named() {
    let named = |kind, event, body: Json, field: &str| {
        let error = read_bytes(kind, event, body.to_string()).unwrap_err().to_string();
        assert!(error.contains(&format!("missing field `{field}`")), "{kind} {event}: {error}");
    };
    named(ForgeKind::GitHub, "push", json!({"ref": "refs/heads/main"}), "before");
    named(ForgeKind::GitHub, "pull_request", json!({}), "action");
    named(
        ForgeKind::GitHub,
        "pull_request",
        json!({"action": "opened", "repository": {"id": 1}}),
        "full_name",
    );
    named(ForgeKind::GitLab, "Push Hook", json!({"object_kind": "push"}), "ref");
    named(ForgeKind::Gitea, "delete", json!({"ref": "a"}), "ref_type");
    named(ForgeKind::BitbucketCloud, "repo:push", json!({"push": {}}), "changes");
    named(ForgeKind::BitbucketDataCenter, "repo:refs_changed", json!({"changes": []}), "repository");
}

#[test]
fn a_field_of_the_wrong_kind_is_told_without_much_of_it() {
    let long = "x".repeat(1 << 20);
    for value in [
        json!(1),
        json!(null),
        json!([]),
        json!({"a": 1}),
        json!("main"),
        json!("refs/heads/a\u{1b}[2J"),
        json!(long),
    ] {
        let body = json!({"ref": value, "before": sha("a"), "after": sha("b")}).to_string();
        let error = read_bytes(ForgeKind::GitHub, "push", body).unwrap_err().to_string();
        assert!(error.len() < 600 && !error.contains('\u{1b}'), "{error}");
    }
    for sha in ["", "abc", "G", &"a".repeat(41), &"A".repeat(40), &"0".repeat(41)] {
        let body = json!({"ref": "refs/heads/main", "before": sha, "after": sha}).to_string();
        assert!(read_bytes(ForgeKind::GitHub, "push", body).is_err(), "{sha}");
    }
}

#[test]
fn a_bomb_costs_no_more_than_its_bytes() {
    let deep = 200_000;
    let bombs = [
        "[".repeat(deep),
        "{\"a\":".repeat(deep),
        format!("{{\"x\": {}{}}}", "[".repeat(deep), "]".repeat(deep)),
        format!("{{\"repository\": {}{}}}", "[".repeat(deep), "]".repeat(deep)),
        format!("{{\"action\": {}}}", "[".repeat(deep)),
        format!("{{\"x\": [{}0]}}", "[],".repeat(deep)),
        format!("{{\"number\": 1{}}}", "0".repeat(deep)),
        format!("{{\"x\": 1e{}}}", "9".repeat(deep)),
        format!("{{\"ref\": \"{}\"}}", "\\u0000".repeat(deep)),
        format!("{{\"changes\": [{}0]}}", "0,".repeat(deep)),
    ];
    for bomb in bombs {
        let begun = Instant::now();
        refused(bomb.as_bytes());
        let spent = begun.elapsed();
        assert!(spent < Duration::from_secs(20), "{spent:?} for {}…", &bomb[..20]);
    }
}

#[test]
fn a_field_that_is_there_twice_is_refused() {
    let twice = "{\"ref\": \"refs/heads/main\", \"ref\": \"refs/heads/other\"}";
    let error = read_bytes(ForgeKind::GitHub, "push", twice).unwrap_err().to_string();
    assert!(error.contains("duplicate field `ref`"), "{error}");
    let twice = "{\"action\": \"labeled\", \"action\": \"opened\"}";
    let error = read_bytes(ForgeKind::Gitea, "pull_request", twice).unwrap_err().to_string();
    assert!(error.contains("duplicate field `action`"), "{error}");
}

#[test]
fn texts_are_cut_where_an_event_would_refuse_them() {
    let repository = json!({"id": 1, "full_name": "acme/demo"});
    let side = json!({"ref": "é".repeat(40_000), "sha": sha("c"), "repo": repository});
    let title = format!("{}\u{1F600}", "é".repeat(32_767));
    let body = json!({"action": "opened", "repository": repository, "sender": {"login": "n".repeat(9_000)},
                      "pull_request": {"number": 1, "title": title, "head": side, "base": side}});
    let pull = pull_request(read_bytes(ForgeKind::GitHub, "pull_request", body.to_string()));
    assert_eq!((pull.title.len(), pull.source.branch.len()), (65_534, 65_536));
    assert_eq!(pull.sender.unwrap().len(), 256);
}

#[test]
fn another_forges_delivery_names_the_remedy() {
    let names = ["x-github-event", "x-gitlab-event", "x-gitea-event", "x-event-key", "x-event-key"];
    for (name, sender) in names.iter().zip(ForgeKind::ALL) {
        for kind in ForgeKind::ALL.into_iter().filter(|kind| *kind != sender) {
            let mut headers = vec![(*name, "push")];
            if sender == ForgeKind::BitbucketCloud {
                headers.push(("x-request-uuid", "1"));
            }
            let error = forge(kind).read(&delivery(&headers, "{}")).unwrap_err();
            assert_eq!(error, Unreadable::WrongForge { expected: kind, found: sender });
            assert!(error.to_string().contains("register the webhook for"), "{error}");
        }
    }
}

/// JSON that is nearly what a forge sends: its own field names with any values.
fn nearly() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        "[a-f0-9]{40}".prop_map(Json::from),
        Just(Json::from(sha("0"))),
        Just(Json::from("refs/heads/main")),
        prop::sample::select(vec![
            "opened",
            "update",
            "push",
            "merge_request",
            "branch",
            "edited",
            "acme/demo"
        ])
        .prop_map(Json::from),
        any::<String>().prop_map(Json::from),
    ];
    let fields = vec![
        "ref",
        "before",
        "after",
        "repository",
        "sender",
        "head_commit",
        "id",
        "full_name",
        "action",
        "login",
        "pull_request",
        "number",
        "title",
        "head",
        "base",
        "sha",
        "repo",
        "changes",
        "object_kind",
        "project",
        "path_with_namespace",
        "object_attributes",
        "iid",
        "last_commit",
        "push",
        "old",
        "new",
        "target",
        "hash",
        "type",
        "name",
        "pullrequest",
        "source",
        "destination",
        "branch",
        "commit",
        "pullRequest",
        "fromRef",
        "toRef",
        "slug",
        "key",
        "fromHash",
        "toHash",
        "uuid",
        "actor",
        "ref_type",
        "user",
    ];
    leaf.prop_recursive(5, 80, 8, move |inner| {
        let field = prop::sample::select(fields.clone()).prop_map(str::to_owned);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::btree_map(field, inner, 0..8)
                .prop_map(|map| Json::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn nothing_panics_over_any_bytes(body in prop::collection::vec(any::<u8>(), 0..300)) {
        for (kind, event) in EVENTS {
            let _ = read_bytes(kind, event, body.clone());
        }
    }

    #[test]
    fn nothing_panics_over_nearly_the_right_json(body in nearly()) {
        for (kind, event) in EVENTS {
            let _ = read_bytes(kind, event, body.to_string());
        }
    }

    #[test]
    fn nothing_panics_over_any_headers(
        headers in prop::collection::vec((
            prop::sample::select(vec![
                "x-github-event", "x-hub-signature-256", "x-hub-signature", "x-gitea-signature", "x-event-key",
                "x-forgejo-signature", "x-gitlab-event", "x-gitlab-token", "webhook-signature", "webhook-id",
                "webhook-timestamp", "content-type", "x-gitea-event", "x-github-delivery",
            ]),
            prop::collection::vec(any::<u8>(), 0..100),
        ), 0..8),
        body in prop::collection::vec(any::<u8>(), 0..50),
    ) {
        let delivery = RawDelivery { headers: Headers::new(headers).unwrap(), body: body.into() };
        for kind in ForgeKind::ALL {
            let forge = forge(kind);
            let secrets = [secret(SECRET), secret("whsec_AAAA")];
            prop_assert!(forge.authenticate(&delivery, &secrets, NOW_MS).is_err());
            let _ = forge.read(&delivery);
            prop_assert!(!forge.delivery_id(&delivery).as_str().is_empty());
        }
    }
}
