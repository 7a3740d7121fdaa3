//! Statuses, told to servers that answer by a script.

use super::support::{Answer, Request, Scripted};
use super::*;
use serde_json::json;
use stageway_core::delivery::{ReportState, RepositoryName, Revision, StatusReport};
use stageway_ports::{Blame, ForgeError, Retry};
use stageway_remotes::http::EgressHttp;
use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

fn at(kind: ForgeKind, address: &str, credentials: Credentials) -> Arc<dyn Forge> {
    let open = BTreeSet::from([address.parse().unwrap()]);
    let http = Arc::new(EgressHttp::new(open));
    connect(ForgeConnection { kind, api: format!("http://{address}/api"), credentials, http }).unwrap()
}

fn report(state: ReportState) -> StatusReport {
    StatusReport {
        context: "stageway/demo".into(),
        state,
        description: "3 of 4 stages".into(),
        link: Some("https://stageway.example/runs/1".into()),
    }
}

fn name(text: &str) -> RepositoryName {
    text.parse().unwrap()
}

fn revision() -> Revision {
    sha("c").parse().unwrap()
}

/// What a forge was sent for one report.
async fn sent(kind: ForgeKind, repository: &str, report: &StatusReport) -> (Request, Json) {
    let server = Scripted::start(|_| Answer::new("201 Created", "{}")).await;
    let credentials = Credentials::Token(secret("t0ken"));
    let forge = at(kind, &server.address, credentials);
    forge.report(&name(repository), &revision(), report).await.unwrap();
    let request = server.requests().remove(0);
    let body = serde_json::from_str(&request.body).unwrap();
    (request, body)
}

async fn answered(
    kind: ForgeKind,
    answer: impl Fn() -> Answer + Send + Sync + 'static,
) -> Result<(), ForgeError> {
    let server = Scripted::start(move |_| answer()).await;
    let forge = at(kind, &server.address, Credentials::Anonymous);
    forge.report(&name("acme/demo"), &revision(), &report(ReportState::Running)).await
}

#[tokio::test]
async fn each_forge_is_told_where_and_as_it_expects() {
    let (sha, link) = (sha("c"), "https://stageway.example/runs/1");
    let named = |body: Json, fields: &[&str], link_field: &str| {
        for field in fields {
            assert_eq!(body[field], "stageway/demo", "{body}");
        }
        assert_eq!((&body["description"], &body[link_field]), (&json!("3 of 4 stages"), &json!(link)));
    };
    for (kind, repository, path, fields, link_field, scheme) in [
        (
            ForgeKind::GitHub,
            "acme/demo",
            format!("/repos/acme/demo/statuses/{sha}"),
            &["context"][..],
            "target_url",
            "bearer",
        ),
        (
            ForgeKind::GitLab,
            "a/b/demo",
            format!("/projects/a%2Fb%2Fdemo/statuses/{sha}"),
            &["name"],
            "target_url",
            "bearer",
        ),
        (
            ForgeKind::Gitea,
            "acme/demo",
            format!("/repos/acme/demo/statuses/{sha}"),
            &["context"],
            "target_url",
            "token",
        ),
        (
            ForgeKind::BitbucketCloud,
            "acme/demo",
            format!("/repositories/acme/demo/commit/{sha}/statuses/build"),
            &["key", "name"],
            "url",
            "bearer",
        ),
        (
            ForgeKind::BitbucketDataCenter,
            "ACME/demo",
            format!("/projects/ACME/repos/demo/commits/{sha}/builds"),
            &["key", "name"],
            "url",
            "bearer",
        ),
    ] {
        let (request, body) = sent(kind, repository, &report(ReportState::Succeeded)).await;
        assert_eq!(request.line, format!("POST /api{path}"), "{kind}");
        let authorization = format!("authorization: {scheme} t0ken");
        assert!(request.head.lines().any(|line| line == authorization), "{}", request.head);
        named(body, fields, link_field);
    }
}

#[tokio::test]
async fn every_forge_keeps_the_contract() {
    for kind in ForgeKind::ALL {
        let server = Scripted::start(|_| Answer::new("201 Created", "{}")).await;
        let forge = at(kind, &server.address, Credentials::Anonymous);
        stageway_ports::contract::forge::check_reports(&*forge, &name("acme/demo"), &revision()).await;
        assert_eq!(server.requests().len(), 14, "{kind}");
    }
}

#[tokio::test]
async fn each_state_has_a_word_at_each_forge() {
    // Pending, running, succeeded, failed, errored, cancelled, skipped.
    for (kind, words) in [
        (ForgeKind::GitHub, ["pending", "pending", "success", "failure", "error", "error", "success"]),
        (ForgeKind::GitLab, ["pending", "running", "success", "failed", "failed", "canceled", "success"]),
        (ForgeKind::Gitea, ["pending", "pending", "success", "failure", "error", "error", "success"]),
        (
            ForgeKind::BitbucketCloud,
            ["INPROGRESS", "INPROGRESS", "SUCCESSFUL", "FAILED", "FAILED", "STOPPED", "SUCCESSFUL"],
        ),
        (
            ForgeKind::BitbucketDataCenter,
            ["INPROGRESS", "INPROGRESS", "SUCCESSFUL", "FAILED", "FAILED", "CANCELLED", "SUCCESSFUL"],
        ),
    ] {
        for (state, word) in ReportState::ALL.into_iter().zip(words) {
            let (_, body) = sent(kind, "acme/demo", &report(state)).await;
            assert_eq!(body["state"], word, "{kind} {state:?}");
        }
    }
}

#[tokio::test]
async fn what_is_too_long_for_a_forge_is_cut() {
    let long = StatusReport {
        context: "c".repeat(300),
        description: format!("first\nsecond {}", "é".repeat(300)),
        link: None,
        state: ReportState::Failed,
    };
    let count = |body: &Json, field: &str| body[field].as_str().unwrap().chars().count();
    for (kind, context, most) in [
        (ForgeKind::GitHub, "context", 140),
        (ForgeKind::GitLab, "name", 255),
        (ForgeKind::Gitea, "context", 255),
        (ForgeKind::BitbucketCloud, "name", 255),
        (ForgeKind::BitbucketDataCenter, "name", 255),
    ] {
        let (_, body) = sent(kind, "acme/demo", &long).await;
        assert_eq!((count(&body, "description"), count(&body, context)), (most, 255), "{kind}");
        let description = body["description"].as_str().unwrap();
        assert!(description.starts_with("first second é") && description.ends_with('…'), "{kind}");
    }
    // Bitbucket knows a status by its key, and takes none without an address.
    let (_, one) = sent(ForgeKind::BitbucketCloud, "acme/demo", &long).await;
    let (_, other) = sent(
        ForgeKind::BitbucketCloud,
        "acme/demo",
        &StatusReport { context: "c".repeat(299), ..long.clone() },
    )
    .await;
    assert_eq!(count(&one, "key"), 40);
    assert_ne!(one["key"], other["key"]);
    assert!(one["url"].as_str().unwrap().ends_with(&format!("/commit/{}", sha("c"))));
}

#[tokio::test]
async fn an_answer_says_whether_to_report_again() {
    for kind in ForgeKind::ALL {
        let error =
            answered(kind, || Answer::new("401 Unauthorized", "{\"message\": \"Bad credentials\"}")).await;
        let error = error.unwrap_err();
        assert_eq!(error, ForgeError::Refused("401 Bad credentials".into()), "{kind}");
        assert_eq!((error.blame(), error.retry()), (Blame::User, Retry::Never));
        let error = answered(kind, || Answer::new("404 Not Found", "<html>no</html>")).await.unwrap_err();
        assert_eq!(error, ForgeError::NotFound("404".into()), "{kind}");
        let limited = || Answer::new("429 Too Many Requests", "").header("Retry-After", "12");
        let error = answered(kind, limited).await.unwrap_err();
        assert_eq!(error.retry(), Retry::Later { after_ms: Some(12_000) }, "{kind}");
        for status in
            ["500 Internal Server Error", "502 Bad Gateway", "503 Service Unavailable", "409 Conflict"]
        {
            let error = answered(kind, move || Answer::new(status, "")).await.unwrap_err();
            assert_eq!(error.retry(), Retry::Later { after_ms: None }, "{kind} {status}");
            assert_eq!(error.blame(), Blame::Platform);
        }
        let error =
            answered(kind, || Answer::new("422 Unprocessable Content", "{\"message\": \"no\"}")).await;
        assert_eq!(error.unwrap_err().retry(), Retry::Never, "{kind}");
        let broken = answered(kind, || Answer::new("201 Created", "{}").cut(1)).await.unwrap_err();
        assert_eq!(broken.retry(), Retry::Later { after_ms: None }, "{kind}");
    }
}

#[tokio::test]
async fn github_limits_in_three_ways_and_says_422_of_an_absent_commit() {
    let limited = |answer: fn() -> Answer| answered(ForgeKind::GitHub, answer);
    let secondary = limited(|| {
        Answer::new("403 Forbidden", "{\"message\": \"You have exceeded a secondary rate limit\"}")
            .header("retry-after", "60")
    });
    assert_eq!(secondary.await.unwrap_err().retry(), Retry::Later { after_ms: Some(60_000) });
    let silent = limited(|| Answer::new("403 Forbidden", "{\"message\": \"secondary rate limit\"}"));
    assert_eq!(silent.await.unwrap_err().retry(), Retry::Later { after_ms: None });
    let hourly = limited(|| {
        let reset = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 100;
        Answer::new("403 Forbidden", "{}")
            .header("x-ratelimit-remaining", "0")
            .header("x-ratelimit-reset", reset.to_string())
    });
    match hourly.await.unwrap_err().retry() {
        Retry::Later { after_ms: Some(after) } => assert!((50_000..=100_000).contains(&after), "{after}"),
        other => panic!("{other:?}"),
    }
    let refused = limited(|| {
        Answer::new("403 Forbidden", "{\"message\": \"Resource not accessible by integration\"}")
            .header("x-ratelimit-remaining", "4999")
    });
    assert_eq!(refused.await.unwrap_err().retry(), Retry::Never);
    let absent = limited(|| Answer::new("422 x", "{\"message\": \"No commit found for SHA: ccc\"}"));
    assert!(matches!(absent.await, Err(ForgeError::NotFound(_))));
}

#[tokio::test]
async fn gitlab_was_told_before_what_it_refuses_to_be_told_again() {
    let transition = |from: &'static str| {
        let body =
            format!("{{\"message\": \"Cannot transition status via :run from :{from} (Reason(s): x)\"}}");
        answered(ForgeKind::GitLab, move || Answer::new("400 Bad Request", body.clone()))
    };
    assert_eq!(transition("running").await, Ok(()));
    let error = transition("success").await.unwrap_err();
    assert!(matches!(error, ForgeError::Invalid(_)), "{error}");
}

#[tokio::test]
async fn a_name_and_a_password_go_as_basic_and_nothing_is_shown() {
    let server = Scripted::start(|_| Answer::new("201 Created", "{}")).await;
    let credentials = Credentials::Basic { username: "robot".into(), password: secret("s3cret") };
    let forge = at(ForgeKind::Gitea, &server.address, credentials);
    forge.report(&name("acme/demo"), &revision(), &report(ReportState::Pending)).await.unwrap();
    let head = server.requests().remove(0).head;
    // The server of the tests writes heads in lower case: `cm9ib3Q6czNjcmV0`.
    assert!(head.lines().any(|line| line == "authorization: basic cm9ib3q6cznjcmv0"), "{head}");
}

#[tokio::test]
async fn a_renamed_repository_still_gets_its_statuses() {
    let server = Scripted::start(|request| match request.number {
        0 => Answer::new("307 Temporary Redirect", "").header("Location", "/api/repositories/1/statuses/c"),
        _ => Answer::new("201 Created", "{}"),
    })
    .await;
    let forge = at(ForgeKind::GitHub, &server.address, Credentials::Token(secret("t0ken")));
    forge.report(&name("acme/old"), &revision(), &report(ReportState::Failed)).await.unwrap();
    let second = server.requests().remove(1);
    assert_eq!(second.line, "POST /api/repositories/1/statuses/c");
    assert!(second.head.contains("bearer t0ken") && second.body.contains("failure"));
}

#[tokio::test]
async fn a_forge_that_is_not_there_is_asked_again_and_one_that_is_forbidden_is_not() {
    let (_kept, port) = support::closed_port();
    let absent = at(ForgeKind::Gitea, &format!("127.0.0.1:{port}"), Credentials::Anonymous);
    let error =
        absent.report(&name("acme/demo"), &revision(), &report(ReportState::Pending)).await.unwrap_err();
    assert_eq!((error.blame(), error.retry()), (Blame::Platform, Retry::Later { after_ms: None }));

    // Loopback is for the operator alone to open.
    let http = Arc::new(EgressHttp::default());
    let api = format!("http://127.0.0.1:{port}/api");
    let connection =
        ForgeConnection { kind: ForgeKind::Gitea, api, credentials: Credentials::Anonymous, http };
    let denied = connect(connection).unwrap();
    let error =
        denied.report(&name("acme/demo"), &revision(), &report(ReportState::Pending)).await.unwrap_err();
    assert_eq!((error.blame(), error.retry()), (Blame::User, Retry::Never));
}
