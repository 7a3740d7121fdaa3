//! ECR's API played by a face in front of a real registry, and by scripts that misbehave.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests are tests")]

#[path = "../../../tests/moto/server.rs"]
mod moto;
mod support;

use serde_json::json;
use stageway_core::call::Outcome;
use stageway_core::digest::Digest;
use stageway_ports::contract::registry as contract;
use stageway_ports::memory::MemoryBlobs;
use stageway_ports::{LoginCredentials, Registry, RegistryError};
use stageway_remotes::registry::{Credentials, EcrConfig, EcrRegistry, EcrRole, OciConfig, OciRegistry};
use std::process::Command;
use support::face::{ACCOUNT, Face, refuse};
use support::{Answer, Scripted};

/// The SDK reads its credentials from the environment, and tests share one: each runs itself again with its own.
fn with_credentials(test: &str) -> bool {
    if std::env::var_os("STAGEWAY_TEST_ECR").is_some() {
        return true;
    }
    let mut again = Command::new(std::env::current_exe().unwrap());
    let folder = tempfile::tempdir().unwrap();
    again.args([test, "--exact", "--nocapture"]).env("STAGEWAY_TEST_ECR", "1");
    again.env("AWS_CONFIG_FILE", folder.path().join("config"));
    again.env("AWS_ACCESS_KEY_ID", "AKIDTEST").env("AWS_SECRET_ACCESS_KEY", "s3cret-of-the-machine");
    let output = again.output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let passed = output.status.success() && told.contains("1 passed");
    assert!(passed, "{told}{}", String::from_utf8_lossy(&output.stderr));
    false
}

async fn open(address: &str, create: bool) -> EcrRegistry {
    EcrRegistry::open(config(address, create)).await
}

fn config(address: &str, create: bool) -> EcrConfig {
    EcrConfig {
        account: ACCOUNT.into(),
        region: "eu-central-1".into(),
        role: None,
        create,
        endpoint: Some(format!("http://{address}")),
        staging: std::env::temp_dir().join("stageway-test-staging"),
    }
}

/// A repository with two images and no tag.
async fn two_images(registry: &EcrRegistry, repository: &str) -> (Digest, Digest) {
    let blobs = MemoryBlobs::new();
    let (one, two) = (contract::sample(&blobs, "one").await, contract::sample(&blobs, "two").await);
    for image in [&one, &two] {
        contract::push(registry, repository, &blobs, image).await;
    }
    (one.digest, two.digest)
}

#[tokio::test]
async fn ecr_keeps_the_contract() {
    if !with_credentials("ecr_keeps_the_contract") {
        return;
    }
    let face = Face::start().await;
    contract::check(&open(&face.address, true).await, "contract").await;
}

#[tokio::test]
async fn a_tag_that_cannot_move_is_a_conflict_with_both_digests() {
    if !with_credentials("a_tag_that_cannot_move_is_a_conflict_with_both_digests") {
        return;
    }
    let face = Face::start().await;
    let registry = open(&face.address, true).await;
    let (one, two) = two_images(&registry, "shop").await;
    face.make_immutable("shop");
    let facts = registry.facts("shop", None).await.unwrap();
    assert_eq!(facts["immutability"], "tags");
    assert!(facts["pull"].as_str().unwrap().ends_with("/shop"), "{facts}");
    assert_eq!(registry.tag("shop", &one, "v1", None).await, Ok(Outcome::Created));
    assert_eq!(registry.tag("shop", &one, "v1", None).await, Ok(Outcome::Already));
    let conflict = RegistryError::conflict("shop", "v1", Some(one), Some(&one));
    assert_eq!(registry.tag("shop", &two, "v1", Some(&one)).await, Err(conflict));
}

#[tokio::test]
async fn two_promotions_at_once_leave_one_digest_under_a_tag() {
    if !with_credentials("two_promotions_at_once_leave_one_digest_under_a_tag") {
        return;
    }
    let face = Face::start().await;
    let (a, b) = (open(&face.address, true).await, open(&face.address, true).await);
    let (one, two) = two_images(&a, "shop").await;
    face.make_immutable("shop");
    for round in 0..50 {
        let (same, other) = (format!("same-{round}"), format!("other-{round}"));
        let (left, right) = tokio::join!(a.tag("shop", &one, &same, None), b.tag("shop", &one, &same, None));
        for outcome in [left, right] {
            assert!(matches!(outcome, Ok(Outcome::Created | Outcome::Already)), "{outcome:?}");
        }
        let (left, right) =
            tokio::join!(a.tag("shop", &one, &other, None), b.tag("shop", &two, &other, None));
        let found = a.find("shop", &other).await.unwrap().unwrap().digest;
        for (answer, digest) in [(left, one), (right, two)] {
            match answer {
                Ok(_) => assert_eq!(digest, found, "who was told yes has the tag"),
                Err(error) => assert_eq!(error, RegistryError::conflict("shop", &other, Some(found), None)),
            }
        }
    }
}

/// Every situation of a promotion's tags, and what a registry answers in it.
async fn situations(registry: &dyn Registry) -> Vec<(&'static str, Result<String, RegistryError>)> {
    let (source, target) = ("build/orderbook", "production/orderbook");
    let blobs = MemoryBlobs::new();
    let (one, two) = (contract::sample(&blobs, "one").await, contract::sample(&blobs, "two").await);
    for repository in [source, target] {
        for image in [&one, &two] {
            registry.push_manifest(repository, &image.manifest).await.unwrap();
        }
    }
    let (one, two, absent) = (one.digest, two.digest, Digest::of(b"absent"));
    let said = |outcome: Result<Outcome, RegistryError>| outcome.map(|outcome| format!("{outcome:?}"));
    let named = |found: Result<Option<stageway_core::call::Image>, RegistryError>| {
        found.map(|image| image.map_or("nothing".to_owned(), |image| image.digest.to_string()))
    };
    let put = |digest, tag, replaces| async move { said(registry.tag(target, digest, tag, replaces).await) };
    vec![
        ("an absent tag", named(registry.find(target, "v1").await)),
        ("an absent image", named(registry.find(target, &absent.to_string()).await)),
        ("a version tag is put", put(&one, "v1", None).await),
        ("it is put again", put(&one, "v1", None).await),
        ("it names another image", put(&two, "v1", None).await),
        ("it stays where it was", named(registry.find(target, "v1").await)),
        ("the moving tag is put", put(&one, "production", None).await),
        ("it is moved", put(&two, "production", Some(&one)).await),
        ("it was moved meanwhile", put(&one, "production", Some(&one)).await),
        ("it is there already", put(&two, "production", Some(&one)).await),
        (
            "a tag of an image that is not there",
            put(&absent, "v2", None).await.map_err(|error| match error {
                RegistryError::NotFound(_) => RegistryError::NotFound(String::new()),
                other => other,
            }),
        ),
        (
            "the same image once more",
            said(registry.push_manifest(target, &contract::sample(&blobs, "one").await.manifest).await),
        ),
        ("all tags", registry.tags(target, None, 10).await.map(|tags| tags.join(" "))),
        ("the tags after one", registry.tags(target, Some("production"), 1).await.map(|tags| tags.join(" "))),
        ("the source has no tag of the target", named(registry.find(source, "v1").await)),
    ]
}

#[tokio::test]
async fn every_situation_is_answered_alike_by_moto_by_the_face_and_by_a_registry_alone() {
    if !with_credentials("every_situation_is_answered_alike_by_moto_by_the_face_and_by_a_registry_alone") {
        return;
    }
    let face = Face::start().await;
    let real = support::RealRegistry::start();
    let moto = moto::Moto::start();
    // Of an absent repository moto says 500, which no caller can tell from a fault of its own.
    for name in ["build/orderbook", "production/orderbook"] {
        let head = "x-amz-target: AmazonEC2ContainerRegistry_V20150921.CreateRepository\r\n\
                    content-type: application/x-amz-json-1.1\r\n\
                    authorization: AWS4-HMAC-SHA256 Credential=k/20260101/eu-central-1/ecr/aws4_request\r\n";
        let answer = moto.ask("POST /", head, &json!({ "repositoryName": name }).to_string());
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    let ecr = open(&face.address, true).await;
    let alone = OciRegistry::new(OciConfig {
        address: real.address.clone(),
        plain_http: true,
        pull: None,
        credentials: Credentials::Anonymous,
        staging: std::env::temp_dir().join("stageway-test-staging"),
    })
    .unwrap();
    // Their blobs must be there; moto knows of none.
    for registry in [&ecr as &dyn Registry, &alone] {
        for repository in ["build/orderbook", "production/orderbook"] {
            let blobs = MemoryBlobs::new();
            for image in [contract::sample(&blobs, "one").await, contract::sample(&blobs, "two").await] {
                for content in &image.blobs {
                    registry.push_blob(repository, content, &blobs).await.unwrap();
                }
            }
        }
    }
    let by_face = situations(&ecr).await;
    for (situation, answer) in &by_face {
        println!("{situation}: {answer:?}");
    }
    assert_eq!(by_face, situations(&open(&format!("127.0.0.1:{}", moto.port), true).await).await);
    assert_eq!(by_face, situations(&alone).await);
}

#[tokio::test]
async fn throttling_passes_and_one_password_serves_many_calls() {
    if !with_credentials("throttling_passes_and_one_password_serves_many_calls") {
        return;
    }
    let face = Face::start().await;
    let registry = open(&face.address, true).await;
    face.throttle(3);
    assert_eq!(registry.find("shop", "v1").await, Ok(None));
    two_images(&registry, "shop").await;
    assert_eq!(face.asked("GetAuthorizationToken"), 1);
    let login = registry.login("shop").await.unwrap();
    assert!(matches!(login.credentials, LoginCredentials::Basic { username, .. } if username == "AWS"));
    let shown = format!("{registry:?}");
    assert!(!shown.contains("s3cret"), "{shown}");
}

#[tokio::test]
async fn an_absent_repository_says_how_it_is_created() {
    if !with_credentials("an_absent_repository_says_how_it_is_created") {
        return;
    }
    let face = Face::start().await;
    let registry = open(&face.address, false).await;
    let answer = registry.tags("shop", None, 1).await;
    assert!(
        matches!(&answer, Err(RegistryError::NotFound(why)) if why.contains("`create: true`")),
        "{answer:?}"
    );
}

#[tokio::test]
async fn refusals_name_the_permission_and_no_secret() {
    if !with_credentials("refusals_name_the_permission_and_no_secret") {
        return;
    }
    let denied = Scripted::start(|_| refuse("AccessDeniedException", "not authorized")).await;
    let registry = open(&denied.address, false).await;
    let answer = registry.find("shop", "v1").await;
    let Err(RegistryError::Refused(why)) = answer else { panic!("{answer:?}") };
    assert!(why.contains("`ecr:BatchGetImage`") && !why.contains("s3cret"), "{why}");
    assert_eq!(denied.requests().len(), 1, "a refusal is not tried again");

    let rights = open(&denied.address, false).await.rights("shop").await.unwrap();
    assert_eq!((rights.len(), rights[0].action), (1, "ecr:GetAuthorizationToken"), "{rights:?}");

    let throttled = Scripted::start(|_| refuse("ThrottlingException", "slow down")).await;
    let answer = open(&throttled.address, false).await.find("shop", "v1").await;
    assert!(matches!(answer, Err(RegistryError::Unavailable(_))), "{answer:?}");
    assert_eq!(throttled.requests().len(), 5, "tries have an end");
}

#[tokio::test]
async fn what_a_role_may_not_is_told_by_its_action() {
    if !with_credentials("what_a_role_may_not_is_told_by_its_action") {
        return;
    }
    let face = Face::start().await;
    face.deny("ListImages");
    let rights = open(&face.address, false).await.rights("nobodys/shop").await.unwrap();
    let allowed: Vec<_> =
        rights.iter().filter(|right| right.refused.is_none()).map(|right| right.action).collect();
    let reads = ["ecr:DescribeRepositories", "ecr:BatchGetImage", "ecr:DescribeImageScanFindings"];
    assert_eq!(allowed, [&["ecr:GetAuthorizationToken"], &reads[..], &["pull", "push"]].concat());
    let refused: Vec<_> = rights.iter().filter_map(|right| right.refused.as_deref()).collect();
    assert!(refused.len() == 1 && refused[0].contains("needs `ecr:ListImages`"), "{refused:?}");
}

const ASSUMED: &str = r#"<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>
<AssumedRoleUser><AssumedRoleId>AROA:stageway</AssumedRoleId><Arn>arn:aws:sts::210987654321:assumed-role/acme/stageway</Arn></AssumedRoleUser>
<Credentials><AccessKeyId>ASIAOFACME</AccessKeyId><SecretAccessKey>s3cret-of-the-role</SecretAccessKey>
<SessionToken>token-of-the-role</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>
</AssumeRoleResult></AssumeRoleResponse>"#;

#[tokio::test]
async fn a_role_is_assumed_on_top_of_the_machines_credentials() {
    if !with_credentials("a_role_is_assumed_on_top_of_the_machines_credentials") {
        return;
    }
    let sts = Scripted::start(|_| Answer::new("200 OK", ASSUMED)).await;
    let services = format!(
        "[default]\nservices = test\n[services test]\nsts =\n  endpoint_url = http://{}\n",
        sts.address
    );
    std::fs::write(std::env::var_os("AWS_CONFIG_FILE").unwrap(), services).unwrap();
    let ecr =
        Scripted::start(|_| Answer::new("200 OK", json!({ "images": [], "failures": [] }).to_string())).await;
    let arn = "arn:aws:iam::210987654321:role/acme".to_owned();
    let role = Some(EcrRole { arn, external_id: Some("acme-1".into()) });
    let registry = EcrRegistry::open(EcrConfig { role, ..config(&ecr.address, false) }).await;
    for _ in 0..2 {
        registry.find("shop", "v1").await.unwrap();
    }

    let [asked] = &sts.requests()[..] else { panic!("it is assumed once: {:?}", sts.lines()) };
    assert!(asked.head.contains("credential=akidtest/"), "{}", asked.head);
    for word in
        ["Action=AssumeRole&", "RoleArn=arn%3Aaws%3Aiam%3A%3A210987654321%3Arole%2Facme", "ExternalId=acme-1"]
    {
        assert!(asked.body.contains(word), "{}", asked.body);
    }
    for request in ecr.requests() {
        for word in ["credential=asiaofacme/", "x-amz-security-token: token-of-the-role"] {
            assert!(request.head.contains(word), "{}", request.head);
        }
    }
}

#[tokio::test]
async fn other_bytes_than_asked_for_are_corrupt() {
    if !with_credentials("other_bytes_than_asked_for_are_corrupt") {
        return;
    }
    let liar = Scripted::start(|_| {
        let body = json!({ "images": [{ "imageManifest": "{}", "imageId": {} }], "failures": [] });
        Answer::new("200 OK", body.to_string())
    })
    .await;
    let answer = open(&liar.address, false).await.manifest("shop", &Digest::of(b"asked for")).await;
    assert!(matches!(answer, Err(RegistryError::Corrupt(_))), "{answer:?}");
}
