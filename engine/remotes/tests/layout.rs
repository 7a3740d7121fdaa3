//! Image layouts, read by skopeo and damaged by strangers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests are tests")]

use stageway_core::call::Outcome;
use stageway_core::digest::Digest;
use stageway_ports::contract::registry as contract;
use stageway_ports::memory::MemoryBlobs;
use stageway_ports::{Registry, RegistryError};
use stageway_remotes::registry::LayoutRegistry;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

fn registry() -> (tempfile::TempDir, LayoutRegistry) {
    let folder = tempfile::tempdir().unwrap();
    let registry = LayoutRegistry::new(folder.path().join("images"));
    (folder, registry)
}

fn skopeo(arguments: &[&str]) -> String {
    let output =
        Command::new("skopeo").args(arguments).output().expect("skopeo runs: apt-get install skopeo");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "skopeo {arguments:?}: {complaint}");
    String::from_utf8(output.stdout).unwrap()
}

fn image(folder: &tempfile::TempDir, name: &str) -> String {
    format!("oci:{}/images/{name}", folder.path().display())
}

#[tokio::test]
async fn it_keeps_the_contract() {
    let (_folder, registry) = registry();
    contract::check(&registry, "contract").await;
}

#[tokio::test]
async fn skopeo_reads_what_is_written_and_finds_the_same_digest() {
    let (folder, registry) = registry();
    let blobs = MemoryBlobs::new();
    let sample = contract::sample(&blobs, "skopeo").await;
    contract::push(&registry, "team/orderbook", &blobs, &sample).await;
    registry.tag("team/orderbook", &sample.digest, "v1", None).await.unwrap();

    let reference = image(&folder, "team/orderbook:v1");
    let inspected: serde_json::Value = serde_json::from_str(&skopeo(&["inspect", &reference])).unwrap();
    assert_eq!(inspected["Digest"], sample.digest.to_string());
    assert_eq!(inspected["Env"], serde_json::json!(["TEXT=skopeo"]));
    assert_eq!(skopeo(&["inspect", "--raw", &reference]).as_bytes(), sample.manifest.bytes);

    // Copying reads every blob and checks it.
    skopeo(&["copy", "--preserve-digests", &reference, &image(&folder, "copy:v1")]);
    let copied = registry.find("copy", "v1").await.unwrap().unwrap();
    assert_eq!(copied.digest, sample.digest);
}

#[tokio::test]
async fn what_skopeo_writes_is_read_and_stays() {
    let (folder, registry) = registry();
    let blobs = MemoryBlobs::new();
    let ours = contract::sample(&blobs, "ours").await;
    contract::push(&registry, "a", &blobs, &ours).await;
    registry.tag("a", &ours.digest, "one", None).await.unwrap();
    skopeo(&["copy", &image(&folder, "a:one"), &image(&folder, "a:two")]);
    assert_eq!(registry.tags("a", None, 10).await.unwrap(), ["one", "two"]);

    let next = contract::sample(&blobs, "next").await;
    contract::push(&registry, "a", &blobs, &next).await;
    registry.tag("a", &next.digest, "two", Some(&ours.digest)).await.unwrap();
    let inspected: serde_json::Value =
        serde_json::from_str(&skopeo(&["inspect", &image(&folder, "a:two")])).unwrap();
    assert_eq!(inspected["Digest"], next.digest.to_string());
    skopeo(&["inspect", &image(&folder, "a:one")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_writers_one_creates_each_tag_and_none_is_lost() {
    let (folder, _) = registry();
    let blobs = Arc::new(MemoryBlobs::new());
    let mut images = Vec::new();
    for n in 0..8 {
        images.push(contract::sample(blobs.as_ref(), &format!("writer {n}")).await);
    }
    let images = Arc::new(images);
    let mut writers = tokio::task::JoinSet::new();
    for n in 0..8 {
        // A registry each, as separate processes have; the lock lies in the directory.
        let registry = LayoutRegistry::new(folder.path().join("images"));
        let (blobs, images) = (Arc::clone(&blobs), Arc::clone(&images));
        writers.spawn(async move {
            contract::push(&registry, "shared", blobs.as_ref(), &images[n]).await;
            let mine = registry.tag("shared", &images[n].digest, &format!("own-{n}"), None).await.unwrap();
            assert_eq!(mine, Outcome::Created);
            registry.tag("shared", &images[n].digest, "contended", None).await
        });
    }
    let answers = writers.join_all().await;
    let won: Vec<_> = answers.iter().filter(|answer| **answer == Ok(Outcome::Created)).collect();
    let lost = answers.iter().filter(|answer| matches!(answer, Err(RegistryError::Conflict { .. }))).count();
    assert_eq!((won.len(), lost), (1, 7), "{answers:?}");

    let registry = LayoutRegistry::new(folder.path().join("images"));
    assert_eq!(registry.tags("shared", None, 100).await.unwrap().len(), 9);
    let left = std::fs::read_dir(folder.path().join("images/shared/.incoming")).unwrap().count();
    assert_eq!(left, 0, "nothing half-written stays");
}

#[tokio::test]
async fn damage_is_told_and_never_answered() {
    let (folder, registry) = registry();
    let blobs = MemoryBlobs::new();
    let sample = contract::sample(&blobs, "damage").await;
    contract::push(&registry, "a", &blobs, &sample).await;
    registry.tag("a", &sample.digest, "v1", None).await.unwrap();
    let root = folder.path().join("images/a");
    let blob = |digest: &Digest| root.join("blobs/sha256").join(digest.hex());

    let manifest = blob(&sample.digest);
    let whole = std::fs::read(&manifest).unwrap();
    let mut flipped = whole.clone();
    flipped[0] ^= 1;
    std::fs::write(&manifest, &flipped).unwrap();
    corrupt(registry.manifest("a", &sample.digest).await);
    corrupt(registry.find("a", "v1").await);
    std::fs::remove_file(&manifest).unwrap();
    corrupt(registry.find("a", "v1").await);
    std::os::unix::fs::symlink("/etc/passwd", &manifest).unwrap();
    corrupt(registry.manifest("a", &sample.digest).await);
    std::fs::remove_file(&manifest).unwrap();
    std::fs::write(&manifest, &whole).unwrap();

    let layer = sample.blobs[1];
    let mut bytes = std::fs::read(blob(&layer.digest)).unwrap();
    bytes[0] ^= 1;
    std::fs::write(blob(&layer.digest), bytes).unwrap();
    corrupt(registry.pull_blob("a", &layer.digest, &MemoryBlobs::new()).await);

    index_damage(&registry, &root).await;
}

async fn index_damage(registry: &LayoutRegistry, root: &Path) {
    let index = root.join("index.json");
    for bad in ["", "{", "[]", "{\"schemaVersion\": 1}", "{\"schemaVersion\": 2, \"manifests\": [{}]}"] {
        std::fs::write(&index, bad).unwrap();
        corrupt(registry.find("a", "v1").await);
        corrupt(registry.tags("a", None, 1).await);
        corrupt(registry.tag("a", &Digest::of(b""), "v1", None).await);
        assert_eq!(std::fs::read_to_string(&index).unwrap(), bad, "a file that is not understood stays");
    }
    std::fs::remove_file(&index).unwrap();
    std::fs::create_dir(&index).unwrap();
    corrupt(registry.find("a", "v1").await);
}

fn corrupt<T: std::fmt::Debug>(answer: Result<T, RegistryError>) {
    assert!(matches!(answer, Err(RegistryError::Corrupt(_))), "{answer:?}");
}

#[tokio::test]
async fn names_of_the_layout_are_no_repositories() {
    let (folder, registry) = registry();
    for name in ["blobs", "a/blobs/sha256", "index.json", "a/oci-layout/b"] {
        let answer = registry.find(name, "v1").await;
        assert!(matches!(answer, Err(RegistryError::Invalid(_))), "{name}: {answer:?}");
    }
    assert!(!folder.path().join("images").exists(), "reading makes no directory");
}

#[tokio::test]
async fn a_registry_that_cannot_be_written_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("images");
    std::fs::write(&file, "not a directory").unwrap();
    let blobs = MemoryBlobs::new();
    let sample = contract::sample(&blobs, "x").await;
    let registry = LayoutRegistry::new(&file);
    let answer = registry.push_blob("a", &sample.blobs[0], &blobs).await;
    assert!(matches!(answer, Err(RegistryError::Unavailable(_))), "{answer:?}");
}

#[tokio::test]
async fn nothing_logs_in_to_a_directory() {
    let (_folder, registry) = registry();
    let said = registry.login("team/app").await;
    assert!(matches!(&said, Err(RegistryError::Invalid(why)) if why.contains("`registry`")), "{said:?}");
}
