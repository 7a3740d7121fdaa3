//! A real registry, read by skopeo as well; and registries that misbehave.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests are tests")]

mod support;

use serde_json::json;
use stageway_core::call::{Content, Outcome};
use stageway_core::digest::Digest;
use stageway_ports::contract::registry as contract;
use stageway_ports::memory::MemoryBlobs;
use stageway_ports::{
    BlobStatus, Blobs as _, LoginCredentials, Manifest, Registry, RegistryError, SecretValue,
};
use stageway_remotes::registry::{Credentials, OciConfig, OciRegistry};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use support::{Answer, RealRegistry, Scripted};

fn open(address: &str, credentials: Credentials) -> OciRegistry {
    let staging = std::env::temp_dir().join("stageway-test-staging");
    OciRegistry::new(OciConfig {
        address: address.into(),
        plain_http: true,
        pull: None,
        credentials,
        staging,
    })
    .unwrap()
}

fn robot(password: &str) -> Credentials {
    Credentials::Basic { username: "robot".into(), password: SecretValue::new(password.into()) }
}

fn skopeo(arguments: &[&str]) -> String {
    let output =
        Command::new("skopeo").args(arguments).output().expect("skopeo runs: apt-get install skopeo");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "skopeo {arguments:?}: {complaint}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn a_real_registry_keeps_the_contract() {
    let real = RealRegistry::start();
    contract::check(&open(&real.address, Credentials::Anonymous), "contract").await;
}

#[tokio::test]
async fn skopeo_reads_what_is_written_and_finds_the_same_digest() {
    let real = RealRegistry::start();
    let registry = open(&real.address, Credentials::Anonymous);
    let blobs = MemoryBlobs::new();
    let sample = contract::sample(&blobs, "skopeo").await;
    contract::push(&registry, "team/orderbook", &blobs, &sample).await;
    registry.tag("team/orderbook", &sample.digest, "v1", None).await.unwrap();

    // The name under which others pull is the one that skopeo is given.
    let facts = registry.facts("team/orderbook", None).await.unwrap();
    assert_eq!(facts["pull"], format!("{}/team/orderbook", real.address));

    let reference = format!("docker://{}/team/orderbook:v1", real.address);
    let inspected = skopeo(&["inspect", "--tls-verify=false", &reference]);
    let inspected: serde_json::Value = serde_json::from_str(&inspected).unwrap();
    assert_eq!(inspected["Digest"], sample.digest.to_string());
    assert_eq!(
        skopeo(&["inspect", "--raw", "--tls-verify=false", &reference]).as_bytes(),
        sample.manifest.bytes
    );

    let copy = format!("docker://{}/copy:v1", real.address);
    skopeo(&[
        "copy",
        "--preserve-digests",
        "--src-tls-verify=false",
        "--dest-tls-verify=false",
        &reference,
        &copy,
    ]);
    assert_eq!(registry.find("copy", "v1").await.unwrap().unwrap().digest, sample.digest);
}

#[tokio::test]
async fn what_is_attached_is_listed_where_the_registry_does_not_list_it() {
    let real = RealRegistry::start();
    let registry = open(&real.address, Credentials::Anonymous);
    let blobs = MemoryBlobs::new();
    let sample = contract::sample(&blobs, "subject").await;
    contract::push(&registry, "shop", &blobs, &sample).await;
    let empty = blobs.put(b"{}".to_vec()).await.unwrap();
    registry.push_blob("shop", &empty, &blobs).await.unwrap();
    let image = "application/vnd.oci.image.manifest.v1+json";
    let attached = |note: &str| {
        let blob = serde_json::json!({"mediaType": "application/vnd.oci.empty.v1+json", "digest": empty.digest, "size": 2});
        let manifest = serde_json::json!({
            "schemaVersion": 2, "mediaType": image, "artifactType": "application/vnd.in-toto+json", "config": blob, "layers": [blob],
            "subject": {"mediaType": image, "digest": sample.digest, "size": sample.manifest.bytes.len()}, "annotations": {"note": note}
        });
        Manifest { bytes: manifest.to_string().into_bytes(), media_type: image.into() }
    };
    let all: Vec<Manifest> = (0..16).map(|number| attached(&number.to_string())).collect();
    // Each through a connection of its own, as attempts have them.
    let pushed = all.iter().map(|manifest| async {
        open(&real.address, Credentials::Anonymous).push_manifest("shop", manifest).await
    });
    assert_eq!(futures::future::join_all(pushed).await, vec![Ok(Outcome::Created); all.len()]);
    assert_eq!(registry.push_manifest("shop", &all[0]).await, Ok(Outcome::Already));

    let list = format!("docker://{}/shop:{}", real.address, sample.digest.to_string().replace(':', "-"));
    let list: serde_json::Value =
        serde_json::from_str(&skopeo(&["inspect", "--raw", "--tls-verify=false", &list])).unwrap();
    let mut found: Vec<String> =
        list["manifests"].as_array().unwrap().iter().map(|entry| entry["digest"].to_string()).collect();
    found.sort();
    let mut expected: Vec<String> =
        all.iter().map(|manifest| format!("\"{}\"", Digest::of(&manifest.bytes))).collect();
    expected.sort();
    assert_eq!(found, expected);
    assert_eq!(list["manifests"][0]["artifactType"], "application/vnd.in-toto+json");
}

#[tokio::test]
async fn a_login_lets_other_tools_in() {
    let real = RealRegistry::with_password();
    let registry = open(&real.address, robot("s3cret"));
    let blobs = MemoryBlobs::new();
    let sample = contract::sample(&blobs, "login").await;
    contract::push(&registry, "private", &blobs, &sample).await;
    registry.tag("private", &sample.digest, "v1", None).await.unwrap();

    let login = registry.login("private").await.unwrap();
    assert_eq!(login.server, real.address);
    let LoginCredentials::Basic { username, password } = login.credentials else { panic!("a password") };
    let credentials = format!("{username}:{}", String::from_utf8_lossy(password.expose()));
    let reference = format!("docker://{}/private:v1", real.address);
    skopeo(&["inspect", "--tls-verify=false", "--creds", &credentials, &reference]);

    let nobody = open(&real.address, Credentials::Anonymous).login("private").await;
    assert!(matches!(&nobody, Err(RegistryError::NotFound(why)) if why.contains("`login`")), "{nobody:?}");
}

#[tokio::test]
async fn credentials_open_a_registry_and_wrong_ones_do_not() {
    let real = RealRegistry::with_password();
    let registry = open(&real.address, robot("s3cret"));
    let blobs = MemoryBlobs::new();
    let sample = contract::sample(&blobs, "private").await;
    contract::push(&registry, "private", &blobs, &sample).await;
    assert_eq!(registry.tag("private", &sample.digest, "v1", None).await, Ok(Outcome::Created));

    for credentials in
        [Credentials::Anonymous, robot("wr0ng"), Credentials::Token(SecretValue::new(b"s3cret".into()))]
    {
        let answer = open(&real.address, credentials).find("private", "v1").await;
        match answer {
            Err(RegistryError::Refused(text)) => {
                assert!(!text.contains("wr0ng") && !text.contains("s3cret"), "{text}")
            }
            other => panic!("{other:?}"),
        }
    }
    let rights = open(&real.address, robot("wr0ng")).rights("private").await.unwrap();
    let refused: Vec<_> =
        rights.iter().filter(|right| right.refused.is_some()).map(|right| right.action).collect();
    assert_eq!(refused, ["pull", "push"], "{rights:?}");
}

/// Runs itself again with the registry's certificate among the system's roots, because those are read once a process.
#[tokio::test]
async fn tls_is_spoken_with_whom_the_system_believes_and_nobody_else() {
    let tls = |address: String| {
        let staging = std::env::temp_dir().join("stageway-test-staging");
        let credentials = Credentials::Anonymous;
        OciRegistry::new(OciConfig { address, plain_http: false, pull: None, credentials, staging }).unwrap()
    };
    if let Ok(address) = std::env::var("STAGEWAY_TEST_REGISTRY") {
        contract::check(&tls(address), "contract").await;
        return;
    }
    let real = RealRegistry::with_tls();
    let answer = tls(real.address.clone()).find("a", "v1").await;
    match answer {
        Err(RegistryError::Unavailable(text)) => assert!(text.contains("certificate"), "{text}"),
        other => panic!("{other:?}"),
    }
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", "tls_is_spoken_with_whom_the_system_believes_and_nobody_else"]);
    again
        .env("SSL_CERT_FILE", real.folder.path().join("cert.pem"))
        .env("STAGEWAY_TEST_REGISTRY", &real.address);
    let output = again.output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && shown.contains("1 passed"), "{shown}");
}

#[tokio::test]
async fn a_large_blob_is_streamed_both_ways() {
    let real = RealRegistry::with_password();
    let registry = open(&real.address, robot("s3cret"));
    let blobs = MemoryBlobs::new();
    let large = b"0123456789abcdef".repeat(2 << 20);
    let content = blobs.put(large).await.unwrap();
    assert_eq!(registry.push_blob("large", &content, &blobs).await, Ok(BlobStatus::Written));
    assert_eq!(registry.push_blob("large", &content, &blobs).await, Ok(BlobStatus::Present));
    let elsewhere = MemoryBlobs::new();
    assert_eq!(registry.pull_blob("large", &content.digest, &elsewhere).await, Ok(content));
    assert_eq!(registry.mount_blob("other", &content, "large").await, Ok(true));
    assert_eq!(registry.push_blob("other", &content, &blobs).await, Ok(BlobStatus::Present));

    let lost = Content { digest: Digest::of(b"lost"), size: 5 << 20 };
    let answer = registry.push_blob("large", &lost, &blobs).await;
    assert!(matches!(answer, Err(RegistryError::Blobs(_))), "{answer:?}");
}

#[tokio::test]
async fn a_registry_whose_disk_lies_is_told() {
    let real = RealRegistry::start();
    let registry = open(&real.address, Credentials::Anonymous);
    let blobs = MemoryBlobs::new();
    let sample = contract::sample(&blobs, "rot").await;
    contract::push(&registry, "rot", &blobs, &sample).await;
    let layer = sample.blobs[1];
    let path = real.blob(&layer.digest.to_string());
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[0] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let elsewhere = MemoryBlobs::new();
    let answer = registry.pull_blob("rot", &layer.digest, &elsewhere).await;
    assert!(matches!(answer, Err(RegistryError::Corrupt(_))), "{answer:?}");
    assert_eq!(elsewhere.size(&layer.digest).await.unwrap(), None);
}

const TYPE: &str = "application/vnd.oci.image.manifest.v1+json";

fn manifest() -> (String, Digest) {
    let config = json!({"mediaType": "x/y", "digest": Digest::of(b"c"), "size": 1});
    let text = json!({"schemaVersion": 2, "mediaType": TYPE, "config": config, "layers": []}).to_string();
    let digest = Digest::of(text.as_bytes());
    (text, digest)
}

fn whole() -> Answer {
    Answer::new("200 OK", manifest().0).header("Content-Type", TYPE)
}

#[tokio::test]
async fn a_busy_registry_is_asked_again_and_not_for_ever() {
    let server = Scripted::start(|request| match request.number {
        0 => Answer::new("429 Too Many Requests", "").header("Retry-After", "0"),
        1 => Answer::new("503 Service Unavailable", ""),
        2 => whole().cut(0).header("X", "y"),
        _ => whole(),
    })
    .await;
    let registry = open(&server.address, Credentials::Anonymous);
    assert!(registry.find("a", "v1").await.unwrap().is_some());
    assert_eq!(server.lines().len(), 4);

    let down = Scripted::start(|_| Answer::new("502 Bad Gateway", "").header("Retry-After", "0")).await;
    let answer = open(&down.address, Credentials::Anonymous).find("a", "v1").await;
    assert!(matches!(answer, Err(RegistryError::Unavailable(_))), "{answer:?}");
    assert_eq!(down.lines().len(), 5);
}

#[tokio::test]
async fn a_download_that_breaks_goes_on_where_it_stopped() {
    let blob: Vec<u8> = (0..200_000_u32).flat_map(|n| n.to_le_bytes()).collect();
    let digest = Digest::of(&blob);
    let served = blob.clone();
    let server = Scripted::start(move |request| {
        let from = request.head.split("range: bytes=").nth(1).and_then(|rest| rest.split('-').next());
        match from.and_then(|from| from.parse::<usize>().ok()) {
            None => Answer::new("200 OK", served.clone()).cut(300_000),
            Some(from) => {
                let range = format!("bytes {from}-{}/{}", served.len() - 1, served.len());
                Answer::new("206 Partial Content", &served[from..]).header("Content-Range", range)
            }
        }
    })
    .await;
    let blobs = MemoryBlobs::new();
    let answer = open(&server.address, Credentials::Anonymous).pull_blob("a", &digest, &blobs).await;
    assert_eq!(answer, Ok(Content { digest, size: blob.len() as u64 }));
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    assert!(requests[1].head.contains("range: bytes=300000-"), "{}", requests[1].head);
}

#[tokio::test]
async fn a_token_is_fetched_once_for_its_scope() {
    let address = std::sync::Arc::new(std::sync::OnceLock::<String>::new());
    let own = std::sync::Arc::clone(&address);
    let server = Scripted::start(move |request| {
        if request.line.starts_with("GET /token") {
            return Answer::new("200 OK", r#"{"token": "t0ken", "expires_in": 300}"#);
        }
        if request.head.contains("authorization: bearer t0ken") {
            return whole();
        }
        let realm = format!("Bearer realm=\"http://{}/token\",service=\"test\"", own.get().unwrap());
        Answer::new("401 Unauthorized", "").header("WWW-Authenticate", realm)
    })
    .await;
    address.set(server.address.clone()).unwrap();
    let registry = open(&server.address, robot("s3cret"));
    for _ in 0..3 {
        assert!(registry.find("team/a", "v1").await.unwrap().is_some());
    }
    let lines = server.lines();
    let token = "GET /token?service=test&scope=repository%3Ateam%2Fa%3Apull";
    let read = "GET /v2/team/a/manifests/v1";
    assert_eq!(lines, [read, token, read, read, read]);
    assert!(server.requests()[1].head.contains("authorization: basic "), "the service sees the password");
    assert!(!server.requests()[0].head.contains("authorization"), "the registry does not");
}

#[tokio::test]
async fn a_token_service_elsewhere_than_it_may_be_gets_nothing() {
    for realm in ["http://169.254.169.254/token", "https://user:x@a.example/", "ftp://a.example", "nonsense"]
    {
        let server = Scripted::start(move |_| {
            let challenge = format!("Bearer realm=\"{realm}\",service=\"test\"");
            Answer::new("401 Unauthorized", "").header("WWW-Authenticate", challenge)
        })
        .await;
        let answer = open(&server.address, robot("s3cret")).find("a", "v1").await;
        assert!(matches!(answer, Err(RegistryError::Refused(_))), "{realm}: {answer:?}");
    }
}

#[tokio::test]
async fn a_redirect_does_not_carry_credentials_and_not_everywhere() {
    let blob = b"behind the registry".to_vec();
    let digest = Digest::of(&blob);
    let storage = Scripted::start(move |_| Answer::new("200 OK", blob.clone())).await;
    let target = format!("http://{}/signed?key=1", storage.address);
    let server = Scripted::start(move |_| {
        Answer::new("307 Temporary Redirect", "").header("Location", target.clone())
    })
    .await;
    let token = Credentials::Token(SecretValue::new(b"s3cret".to_vec()));
    let registry = open(&server.address, token);
    registry.pull_blob("a", &digest, &MemoryBlobs::new()).await.unwrap();
    assert!(server.requests()[0].head.contains("authorization: bearer s3cret"));
    assert!(!storage.requests()[0].head.contains("s3cret"), "{}", storage.requests()[0].head);

    for location in
        ["http://169.254.169.254/latest", "http://[::ffff:169.254.169.254]/", "http://[fd00:ec2::254]/"]
    {
        let server =
            Scripted::start(move |_| Answer::new("307 Temporary Redirect", "").header("Location", location))
                .await;
        let answer =
            open(&server.address, robot("s3cret")).pull_blob("a", &digest, &MemoryBlobs::new()).await;
        assert!(matches!(answer, Err(RegistryError::Unavailable(_))), "{location}: {answer:?}");
        assert_eq!(server.lines().len(), 1, "{location}");
    }
}

#[tokio::test]
async fn a_manifest_with_other_bytes_is_corrupt() {
    let (text, digest) = manifest();
    for body in [text.replace("size\":1", "size\":2"), String::new(), "x".repeat(5 << 20)] {
        let server =
            Scripted::start(move |_| Answer::new("200 OK", body.clone()).header("Content-Type", TYPE)).await;
        let registry = open(&server.address, Credentials::Anonymous);
        for answer in [
            registry.manifest("a", &digest).await.map(|_| ()),
            registry.find("a", &digest.to_string()).await.map(|_| ()),
        ] {
            assert!(matches!(answer, Err(RegistryError::Corrupt(_))), "{answer:?}");
        }
    }
    let server =
        Scripted::start(|_| whole().header("Docker-Content-Digest", Digest::of(b"other").to_string())).await;
    let answer = open(&server.address, Credentials::Anonymous).find("a", "v1").await;
    assert!(matches!(answer, Err(RegistryError::Corrupt(_))), "{answer:?}");
}

#[tokio::test]
async fn a_tag_that_somebody_else_puts_in_between_is_a_conflict() {
    let (_, digest) = manifest();
    let other = Digest::of(b"theirs");
    let reads = AtomicUsize::new(0);
    let server = Scripted::start(move |request| match request.line.split(' ').next() {
        Some("HEAD") if reads.fetch_add(1, Ordering::SeqCst) == 0 => Answer::new("404 Not Found", ""),
        Some("HEAD") => whole().header("Docker-Content-Digest", other.to_string()),
        Some("PUT") => Answer::new("201 Created", ""),
        _ => whole(),
    })
    .await;
    let answer = open(&server.address, Credentials::Anonymous).tag("a", &digest, "v1", None).await;
    assert_eq!(answer, Err(RegistryError::conflict("a", "v1", Some(other), None)));
}

#[tokio::test]
async fn tags_are_in_order_whatever_the_registry_does() {
    let server = Scripted::start(|request| match request.line.contains("page=2") {
        false => Answer::new("200 OK", r#"{"tags": ["c", "a", "not a tag"]}"#)
            .header("Link", "</v2/a/tags/list?page=2>; rel=\"next\""),
        true => Answer::new("200 OK", r#"{"tags": ["b", "d"]}"#),
    })
    .await;
    let registry = open(&server.address, Credentials::Anonymous);
    assert_eq!(registry.tags("a", None, 2).await.unwrap(), ["a", "b"]);
    assert_eq!(registry.tags("a", Some("b"), 10).await.unwrap(), ["c", "d"]);
    let endless = Scripted::start(|request| {
        let link = format!("</v2/a/tags/list?page={}>; rel=\"next\"", request.number);
        Answer::new("200 OK", r#"{"tags": ["b", "a"]}"#).header("Link", link)
    })
    .await;
    let answer = open(&endless.address, Credentials::Anonymous).tags("a", None, 5).await;
    assert_eq!(answer.unwrap(), ["a", "b"], "a list without end is given up");
}

#[tokio::test]
async fn an_upload_that_is_sent_elsewhere_is_not_followed() {
    let server = Scripted::start(|request| match request.line.split(' ').next() {
        Some("POST") => Answer::new("202 Accepted", "").header("Location", "http://evil.example/upload"),
        _ => Answer::new("404 Not Found", ""),
    })
    .await;
    let blobs = MemoryBlobs::new();
    let content = blobs.put(b"x".to_vec()).await.unwrap();
    let answer = open(&server.address, robot("s3cret")).push_blob("a", &content, &blobs).await;
    assert!(matches!(answer, Err(RegistryError::Unavailable(_))), "{answer:?}");
}

#[tokio::test]
async fn a_registry_that_is_not_there_is_unavailable() {
    let (_kept, port) = support::closed_port();
    let registry = open(&format!("127.0.0.1:{port}"), robot("s3cret"));
    match registry.find("a", "v1").await {
        Err(RegistryError::Unavailable(text)) => {
            assert!(text.contains("a:v1") && !text.contains("s3cret"), "{text}")
        }
        other => panic!("{other:?}"),
    }
}
