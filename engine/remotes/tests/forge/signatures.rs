//! Who is believed and who is not. The signatures are Python's.

use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use stageway_ports::Unauthentic;
use stageway_ports::contract::forge as contract;

const BODY: &str = "{\"ref\": \"refs/heads/gr\u{f6}\u{df}e\", \"note\": \"\\u003c\"}\n";
/// 32 bytes.
const SIGNING: &str = "whsec_c2l4dGVlbiBieXRlcyEhc2l4dGVlbiBieXRlcyEh";

fn sign(orders: &[Json]) -> Vec<String> {
    let input: String = orders.iter().map(|order| format!("{order}\n")).collect();
    let lines = lines_of(Command::new("python3").arg(folder().join("sign.py")), input.as_bytes());
    assert_eq!(lines.len(), orders.len());
    lines.into_iter().map(|line| line["signature"].as_str().unwrap().to_owned()).collect()
}

fn hex_of(secret: &str, body: &str) -> String {
    sign(&[json!({"secret": secret, "body": STANDARD.encode(body)})]).remove(0)
}

fn standard(id: &str, seconds: u64) -> String {
    let order = json!({"secret": SIGNING, "body": STANDARD.encode(BODY), "id": id, "timestamp": seconds});
    sign(&[order]).remove(0)
}

/// The header of a forge and what it writes before the digits.
const HEX: [(ForgeKind, &str, &str); 5] = [
    (ForgeKind::GitHub, "x-hub-signature-256", "sha256="),
    (ForgeKind::Gitea, "x-gitea-signature", ""),
    (ForgeKind::Gitea, "x-forgejo-signature", ""),
    (ForgeKind::BitbucketCloud, "x-hub-signature", "sha256="),
    (ForgeKind::BitbucketDataCenter, "x-hub-signature", "sha256="),
];

fn verdict(kind: ForgeKind, headers: &[(&str, &str)], secrets: &[&str]) -> Result<(), Unauthentic> {
    let secrets: Vec<_> = secrets.iter().map(|text| secret(text)).collect();
    forge(kind).authenticate(&delivery(headers, BODY), &secrets, NOW_MS)
}

#[test]
fn a_right_signature_is_believed_under_either_of_two_secrets() {
    let digits = hex_of(SECRET, BODY);
    for (kind, header, prefix) in HEX {
        let value = format!("{prefix}{digits}");
        for secrets in [&[SECRET][..], &["old", SECRET], &[SECRET, "new"]] {
            assert_eq!(verdict(kind, &[(header, &value)], secrets), Ok(()), "{kind} {header}");
        }
        // Digests are compared, not how they are spelled.
        let upper = format!("{prefix}{}", digits.to_uppercase());
        assert_eq!(verdict(kind, &[(header, &upper)], &[SECRET]), Ok(()), "{kind} {header}");
    }
}

/// An authentic push of each forge.
fn samples() -> Vec<(ForgeKind, contract::ForgeSample)> {
    let repository = json!({"id": 1, "full_name": "acme/demo"});
    let (before, after) = (sha("a"), sha("b"));
    let hub = json!({"ref": "refs/heads/main", "before": before, "after": after, "repository": repository});
    let project = json!({"id": 1, "path_with_namespace": "acme/demo"});
    let lab = json!({"object_kind": "push", "ref": "refs/heads/main", "before": before, "after": after,
                     "project": project});
    let new = json!({"type": "branch", "name": "main", "target": {"hash": after}});
    let cloud = json!({"repository": {"uuid": "{1}", "full_name": "acme/demo"},
                       "push": {"changes": [{"old": null, "new": new}]}});
    let moved = json!({"ref": {"id": "refs/heads/main"}, "fromHash": before, "toHash": after});
    let center =
        json!({"repository": {"id": 1, "slug": "demo", "project": {"key": "ACME"}}, "changes": [moved]});
    let signed = |body: &Json| hex_of(SECRET, &body.to_string());
    let hub_256 = format!("sha256={}", signed(&hub));
    let (hub_hex, cloud_256, center_256) =
        (signed(&hub), format!("sha256={}", signed(&cloud)), format!("sha256={}", signed(&center)));
    let json_type = ("content-type", "application/json");
    let sample = |kind, body: &Json, headers: &[(&str, &str)]| {
        let delivery = delivery(headers, body.to_string());
        (kind, contract::ForgeSample { delivery, secret: secret(SECRET), now_ms: NOW_MS })
    };
    vec![
        sample(
            ForgeKind::GitHub,
            &hub,
            &[("x-github-event", "push"), json_type, ("x-hub-signature-256", &hub_256)],
        ),
        sample(ForgeKind::GitLab, &lab, &[("x-gitlab-event", "Push Hook"), ("x-gitlab-token", SECRET)]),
        sample(
            ForgeKind::Gitea,
            &hub,
            &[("x-gitea-event", "push"), json_type, ("x-gitea-signature", &hub_hex)],
        ),
        sample(
            ForgeKind::BitbucketCloud,
            &cloud,
            &[("x-event-key", "repo:push"), ("x-request-uuid", "1"), ("x-hub-signature", &cloud_256)],
        ),
        sample(
            ForgeKind::BitbucketDataCenter,
            &center,
            &[("x-event-key", "repo:refs_changed"), ("x-hub-signature", &center_256)],
        ),
    ]
}

#[test]
fn every_forge_keeps_the_contract() {
    for (kind, sample) in samples() {
        contract::check_deliveries(&*forge(kind), &sample);
    }
}

#[test]
fn everything_else_is_refused() {
    let digits = hex_of(SECRET, BODY);
    let other = hex_of(SECRET, &BODY[1..]);
    for (kind, header, prefix) in HEX {
        let right = format!("{prefix}{digits}");
        let check = |value: &str| verdict(kind, &[(header, value)], &[SECRET]);
        let missing = if header == "x-forgejo-signature" { "x-gitea-signature" } else { header };
        assert_eq!(verdict(kind, &[], &[SECRET]), Err(Unauthentic::Missing(missing)), "{kind}");
        assert_eq!(check(""), Err(Unauthentic::Missing(missing)), "{kind}");
        if !prefix.is_empty() {
            assert_eq!(check(prefix), Err(Unauthentic::Missing(header)), "{kind}");
        }
        let twice = [(header, right.as_str()), (header, right.as_str())];
        assert_eq!(verdict(kind, &twice, &[SECRET]), Err(Unauthentic::Doubled(header)), "{kind}");
        for value in [format!("{prefix}{other}"), format!("{prefix}{}", "0".repeat(64))] {
            assert_eq!(check(&value), Err(Unauthentic::Mismatch(header)), "{kind} {value}");
        }
        for value in [
            format!("{prefix}{}", &digits[..63]),
            format!("{prefix}{}", &digits[..62]),
            format!("{prefix}{digits}0"),
            format!("{prefix}{digits}00"),
            format!("{prefix}{}g", &digits[..63]),
            format!("{prefix} {digits}"),
            format!("sha1={digits}"),
            format!("sha256=sha256={digits}"),
            format!("{right},{right}"),
            if prefix.is_empty() { format!("sha256={digits}") } else { digits.clone() },
        ] {
            assert!(matches!(check(&value), Err(Unauthentic::Malformed { .. })), "{kind} {value}");
        }
        for secrets in [&[][..], &[""], &["", ""]] {
            assert_eq!(verdict(kind, &[(header, &right)], secrets), Err(Unauthentic::NoSecret), "{kind}");
        }
        assert_eq!(verdict(kind, &[(header, &right)], &["x"]), Err(Unauthentic::Mismatch(header)));
    }
}

#[test]
fn an_empty_secret_signs_nothing() {
    let digits = hex_of("", BODY);
    for (kind, header, prefix) in HEX {
        let value = format!("{prefix}{digits}");
        assert!(verdict(kind, &[(header, &value)], &["", SECRET]).is_err(), "{kind}");
    }
}

#[test]
fn the_old_sha1_header_counts_for_nothing() {
    let digits = hex_of(SECRET, BODY);
    let value = format!("sha256={digits}");
    let answer = verdict(ForgeKind::GitHub, &[("x-hub-signature", &value)], &[SECRET]);
    assert_eq!(answer, Err(Unauthentic::Missing("x-hub-signature-256")));
}

#[test]
fn forgejo_decides_before_gitea_and_an_empty_one_is_missing() {
    let (right, wrong) = (hex_of(SECRET, BODY), hex_of("other", BODY));
    let both = |forgejo: &str, gitea: &str| {
        let headers = [("x-gitea-signature", gitea), ("x-forgejo-signature", forgejo)];
        verdict(ForgeKind::Gitea, &headers, &[SECRET])
    };
    assert_eq!(both(&right, &wrong), Ok(()));
    assert_eq!(both(&wrong, &right), Err(Unauthentic::Mismatch("x-forgejo-signature")));
    assert_eq!(both("", &right), Ok(()));
    assert_eq!(both("", ""), Err(Unauthentic::Missing("x-gitea-signature")));
}

#[test]
fn a_form_of_gitea_is_refused_with_the_remedy() {
    let digits = hex_of(SECRET, BODY);
    let headers =
        [("x-gitea-signature", digits.as_str()), ("content-type", "application/x-www-form-urlencoded")];
    let error = verdict(ForgeKind::Gitea, &headers, &[SECRET]).unwrap_err();
    assert_eq!(error, Unauthentic::Form(ForgeKind::Gitea));
    assert!(error.to_string().contains("set the webhook's content type to JSON"), "{error}");
    // GitHub signs the raw body, whatever it is.
    let value = format!("sha256={digits}");
    let headers = [("x-hub-signature-256", value.as_str()), headers[1]];
    assert_eq!(verdict(ForgeKind::GitHub, &headers, &[SECRET]), Ok(()));
}

#[test]
fn no_error_repeats_what_was_sent() {
    let digits = hex_of("other", BODY);
    for (kind, header, prefix) in HEX {
        for value in [format!("{prefix}{digits}"), format!("{prefix}{}", &digits[1..])] {
            let error = verdict(kind, &[(header, &value)], &[SECRET]).unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains(&digits[1..9]) && !shown.contains(SECRET), "{shown}");
        }
    }
}

const AT: u64 = NOW_MS / 1000;

fn gitlab(headers: &[(&str, &str)], secrets: &[&str]) -> Result<(), Unauthentic> {
    verdict(ForgeKind::GitLab, headers, secrets)
}

/// The three headers of Standard Webhooks.
fn signed<'a>(id: &'a str, seconds: &'a str, signature: &'a str) -> [(&'a str, &'a str); 3] {
    [("webhook-id", id), ("webhook-timestamp", seconds), ("webhook-signature", signature)]
}

#[test]
fn gitlabs_signature_is_over_id_time_and_body() {
    let (now, right) = (AT.to_string(), standard("msg-1", AT));
    let other_key = "whsec_b3RoZXIga2V5IG90aGVyIGtleSBvdGhlciBrZXkh";
    for secrets in [&[SIGNING][..], &[other_key, SIGNING], &["token", SIGNING]] {
        assert_eq!(gitlab(&signed("msg-1", &now, &right), secrets), Ok(()), "{secrets:?}");
    }
    let several = format!("v2,abc v1,{} {right}", STANDARD.encode([0; 32]));
    assert_eq!(gitlab(&signed("msg-1", &now, &several), &[SIGNING]), Ok(()));

    let mismatch = Err(Unauthentic::Mismatch("webhook-signature"));
    assert_eq!(gitlab(&signed("msg-2", &now, &right), &[SIGNING]), mismatch);
    assert_eq!(gitlab(&signed("msg-1", &(AT + 1).to_string(), &right), &[SIGNING]), mismatch);
    assert_eq!(gitlab(&signed("msg-1", &now, &right), &[other_key]), mismatch);
    for bad in ["v1,", "v1", "v2,abc", "v1,!!!!", &right[..right.len() - 4], &right[3..]] {
        let answer = gitlab(&signed("msg-1", &now, bad), &[SIGNING]);
        assert!(matches!(answer, Err(Unauthentic::Malformed { .. })), "{bad}: {answer:?}");
    }
    for bad in ["", "-1", "1e9", "now", "99999999999999999999999"] {
        assert!(gitlab(&signed("msg-1", bad, &right), &[SIGNING]).is_err(), "{bad}");
    }
    for missing in 0..3 {
        let mut headers = signed("msg-1", &now, &right).to_vec();
        let (name, value) = headers.remove(missing);
        assert!(matches!(gitlab(&headers, &[SIGNING]), Err(Unauthentic::Missing(_))), "{name}");
        headers.extend([(name, value), (name, value)]);
        assert!(matches!(gitlab(&headers, &[SIGNING]), Err(Unauthentic::Doubled(_))), "{name}");
    }
}

#[test]
fn gitlabs_signature_lives_five_minutes() {
    for (seconds, fresh) in
        [(AT - 300, true), (AT + 300, true), (AT - 301, false), (AT + 301, false), (0, false)]
    {
        let answer = gitlab(&signed("msg-1", &seconds.to_string(), &standard("msg-1", seconds)), &[SIGNING]);
        match answer {
            Ok(()) => assert!(fresh, "{seconds}"),
            Err(Unauthentic::Stale { tolerance: 300, .. }) => assert!(!fresh, "{seconds}"),
            Err(other) => panic!("{seconds}: {other}"),
        }
    }
}

#[test]
fn gitlabs_token_is_the_older_way_and_never_a_way_back() {
    let token = |value| [("x-gitlab-token", value)];
    assert_eq!(gitlab(&token(SECRET), &["old", SECRET]), Ok(()));
    for wrong in ["s3cret-for-test", "s3cret-for-tests ", "S3CRET-FOR-TESTS", "x"] {
        assert_eq!(gitlab(&token(wrong), &[SECRET]), Err(Unauthentic::Mismatch("x-gitlab-token")), "{wrong}");
    }
    assert_eq!(gitlab(&token(""), &[SECRET]), Err(Unauthentic::Missing("x-gitlab-token")));
    assert_eq!(gitlab(&[], &[SECRET]), Err(Unauthentic::Missing("x-gitlab-token")));
    assert_eq!(gitlab(&token(SECRET), &[]), Err(Unauthentic::NoSecret));
    let twice = [("x-gitlab-token", SECRET), ("x-gitlab-token", SECRET)];
    assert_eq!(gitlab(&twice, &[SECRET]), Err(Unauthentic::Doubled("x-gitlab-token")));

    // A signing secret is no token, and with a signature the token is not asked.
    assert!(gitlab(&token(SIGNING), &[SIGNING]).is_err());
    assert!(gitlab(&token(SIGNING), &[SIGNING, SECRET]).is_err());
    let now = AT.to_string();
    let wrong = format!("v1,{}", STANDARD.encode([0; 32]));
    let mut both = signed("msg-1", &now, &wrong).to_vec();
    both.push(("x-gitlab-token", SECRET));
    assert_eq!(gitlab(&both, &[SIGNING, SECRET]), Err(Unauthentic::Mismatch("webhook-signature")));
    // A webhook that has only a token takes it, whatever else is sent.
    assert_eq!(gitlab(&both, &[SECRET]), Ok(()));
    // A signing secret that is none.
    assert_eq!(gitlab(&signed("msg-1", &now, &wrong), &["whsec_???"]), Err(Unauthentic::NoSecret));
}
