//! What every registry must do. Each check takes a repository name of its own, so that one registry serves all of them.

use crate::memory::MemoryBlobs;
use crate::{BlobStatus, Blobs, Manifest, Registry, RegistryError};
use serde_json::json;
use stageway_core::call::{Content, Outcome};
use stageway_core::digest::Digest;

const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// An image whose layer holds `text`: its blobs are put, its manifest is not.
pub struct Sample {
    /// The manifest.
    pub manifest: Manifest,
    /// sha256 of its bytes.
    pub digest: Digest,
    /// Configuration and layer.
    pub blobs: Vec<Content>,
}

/// Makes a small, valid image and puts its blobs.
///
/// # Panics
/// When the blobs cannot be put.
pub async fn sample(blobs: &dyn Blobs, text: &str) -> Sample {
    let layer = tar_of("hello", text.as_bytes());
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": {"Env": [format!("TEXT={text}")]},
        "rootfs": {"type": "layers", "diff_ids": [Digest::of(&layer)]},
    });
    let config = blobs.put(config.to_string().into_bytes()).await.expect("blobs take a configuration");
    let layer = blobs.put(layer).await.expect("blobs take a layer");
    let bytes = json!({
        "schemaVersion": 2, "mediaType": IMAGE,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config.digest, "size": config.size},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": layer.digest, "size": layer.size}],
    });
    let bytes = bytes.to_string().into_bytes();
    let digest = Digest::of(&bytes);
    let manifest = Manifest { bytes, media_type: IMAGE.into() };
    Sample { manifest, digest, blobs: vec![config, layer] }
}

/// A tar of one file, made by hand so that no library is needed here.
fn tar_of(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut header = [0_u8; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[100..108].copy_from_slice(b"0000644\0");
    header[108..116].copy_from_slice(b"0000000\0");
    header[116..124].copy_from_slice(b"0000000\0");
    header[124..136].copy_from_slice(format!("{:011o}\0", bytes.len()).as_bytes());
    header[136..148].copy_from_slice(b"00000000000\0");
    header[148..156].copy_from_slice(b"        ");
    header[156] = b'0';
    header[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u32 = header.iter().map(|b| u32::from(*b)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut tar = header.to_vec();
    tar.extend_from_slice(bytes);
    tar.resize(tar.len().div_ceil(512) * 512 + 1024, 0);
    tar
}

/// Pushes a sample with its blobs and without a tag.
///
/// # Panics
/// When the registry does not take it.
pub async fn push(registry: &dyn Registry, repository: &str, blobs: &dyn Blobs, sample: &Sample) {
    for content in &sample.blobs {
        registry.push_blob(repository, content, blobs).await.expect("the registry takes a blob");
    }
    registry.push_manifest(repository, &sample.manifest).await.expect("the registry takes a manifest");
}

/// Every check, each in a repository below `prefix`, which must not have been used before.
///
/// # Panics
/// At the first difference from the contract.
pub async fn check(registry: &dyn Registry, prefix: &str) {
    let blobs = MemoryBlobs::new();
    pushes_and_pulls(registry, &format!("{prefix}/push"), &blobs).await;
    holds_an_index(registry, &format!("{prefix}/index"), &blobs).await;
    compares_and_sets(registry, &format!("{prefix}/tag"), &blobs).await;
    lists_tags(registry, &format!("{prefix}/tags"), &blobs).await;
    says_what_is_not_there(registry, &format!("{prefix}/absent"), &blobs).await;
    refuses_bad_names(registry, &blobs).await;
    mounts(registry, &format!("{prefix}/mount"), &blobs).await;
    tells_rights(registry, &format!("{prefix}/rights")).await;
}

/// Of whoever may pull and push; the repository is not there, and is not made.
async fn tells_rights(registry: &dyn Registry, repository: &str) {
    let rights = registry.rights(repository).await.expect("rights are answered");
    for action in ["pull", "push"] {
        let allowed = rights.iter().any(|right| right.action == action && right.refused.is_none());
        assert!(allowed, "{action} of {rights:?}");
    }
    let there = registry.tags(repository, None, 1).await;
    assert!(matches!(&there, Err(RegistryError::NotFound(_))) || there == Ok(Vec::new()), "{there:?}");
}

async fn pushes_and_pulls(registry: &dyn Registry, repository: &str, blobs: &MemoryBlobs) {
    let image = sample(blobs, "push").await;
    let incomplete = registry.push_manifest(repository, &image.manifest).await;
    let all: Vec<String> = image.blobs.iter().map(|c| c.digest.to_string()).collect();
    match incomplete {
        Err(RegistryError::Incomplete(mut missing)) => {
            missing.sort();
            let mut all = all.clone();
            all.sort();
            assert_eq!(missing, all, "every missing blob is named");
        }
        other => panic!("a manifest without its blobs is incomplete, not {other:?}"),
    }
    for content in &image.blobs {
        assert_eq!(registry.push_blob(repository, content, blobs).await, Ok(BlobStatus::Written));
        assert_eq!(registry.push_blob(repository, content, blobs).await, Ok(BlobStatus::Present));
    }
    assert_eq!(registry.push_manifest(repository, &image.manifest).await, Ok(Outcome::Created));
    assert_eq!(registry.push_manifest(repository, &image.manifest).await, Ok(Outcome::Already));
    assert_eq!(registry.manifest(repository, &image.digest).await, Ok(image.manifest.clone()));

    let found = registry.find(repository, &image.digest.to_string()).await.expect("find answers");
    let found = found.expect("the image is found by its digest");
    assert_eq!((found.digest, found.media_type.as_str()), (image.digest, IMAGE));
    let size: u64 = image.blobs.iter().map(|c| c.size).sum();
    assert_eq!(found.details["size"], json!(size));

    let facts = registry.facts(repository, Some(&image.digest)).await.expect("facts answer");
    assert!(facts["immutability"].is_string(), "{facts}");

    let elsewhere = MemoryBlobs::new();
    for content in &image.blobs {
        assert_eq!(registry.pull_blob(repository, &content.digest, &elsewhere).await, Ok(*content));
        assert_eq!(elsewhere.size(&content.digest).await.ok().flatten(), Some(content.size));
    }
}

async fn holds_an_index(registry: &dyn Registry, repository: &str, blobs: &MemoryBlobs) {
    let child = sample(blobs, "child").await;
    let bytes = json!({
        "schemaVersion": 2, "mediaType": INDEX,
        "manifests": [{
            "mediaType": IMAGE, "digest": child.digest, "size": child.manifest.bytes.len(),
            "platform": {"os": "linux", "architecture": "amd64"},
        }],
    });
    let index = Manifest { bytes: bytes.to_string().into_bytes(), media_type: INDEX.into() };
    let digest = Digest::of(&index.bytes);
    let lacking = registry.push_manifest(repository, &index).await;
    assert_eq!(lacking, Err(RegistryError::Incomplete(vec![child.digest.to_string()])));
    push(registry, repository, blobs, &child).await;
    assert_eq!(registry.push_manifest(repository, &index).await, Ok(Outcome::Created));
    assert_eq!(registry.tag(repository, &digest, "both", None).await, Ok(Outcome::Created));
    let found = registry.find(repository, "both").await.expect("find answers").expect("the tag is there");
    assert_eq!((found.digest, found.media_type.as_str()), (digest, INDEX));
    assert_eq!(found.details["platforms"], json!(["linux/amd64"]));
    let found = registry.find(repository, &child.digest.to_string()).await.expect("find answers");
    assert!(found.is_some(), "a child is found by its digest");
}

async fn compares_and_sets(registry: &dyn Registry, repository: &str, blobs: &MemoryBlobs) {
    let (one, two) = (sample(blobs, "one").await, sample(blobs, "two").await);
    for image in [&one, &two] {
        push(registry, repository, blobs, image).await;
    }
    let tag = async |digest: &Digest, replaces: Option<&Digest>| {
        registry.tag(repository, digest, "production", replaces).await
    };
    let conflict = |found: Option<Digest>, expected: Option<&Digest>| {
        Err(RegistryError::conflict(repository, "production", found, expected))
    };
    assert_eq!(tag(&one.digest, Some(&two.digest)).await, conflict(None, Some(&two.digest)));
    assert_eq!(tag(&one.digest, None).await, Ok(Outcome::Created));
    assert_eq!(tag(&one.digest, None).await, Ok(Outcome::Already));
    assert_eq!(tag(&one.digest, Some(&two.digest)).await, Ok(Outcome::Already));
    assert_eq!(tag(&two.digest, None).await, conflict(Some(one.digest), None));
    assert_eq!(tag(&two.digest, Some(&two.digest)).await, conflict(Some(one.digest), Some(&two.digest)));
    assert_eq!(tag(&two.digest, Some(&one.digest)).await, Ok(Outcome::Moved));
    let found = registry.find(repository, "production").await.expect("find answers");
    assert_eq!(found.map(|image| image.digest), Some(two.digest));
    assert_eq!(
        registry.manifest(repository, &one.digest).await,
        Ok(one.manifest.clone()),
        "the old image stays"
    );

    let absent = Digest::of(b"no such manifest");
    let answer = registry.tag(repository, &absent, "absent", None).await;
    assert!(matches!(answer, Err(RegistryError::NotFound(_))), "{answer:?}");
}

async fn lists_tags(registry: &dyn Registry, repository: &str, blobs: &MemoryBlobs) {
    let image = sample(blobs, "tags").await;
    push(registry, repository, blobs, &image).await;
    let tags: Vec<String> = (0..25).map(|n| format!("v{n:02}")).collect();
    for tag in tags.iter().rev() {
        assert_eq!(registry.tag(repository, &image.digest, tag, None).await, Ok(Outcome::Created));
    }
    assert!(registry.facts(repository, None).await.expect("facts answer").is_object());
    assert_eq!(registry.tags(repository, None, 100).await, Ok(tags.clone()));
    assert_eq!(registry.tags(repository, None, 3).await, Ok(tags[..3].to_vec()));
    assert_eq!(registry.tags(repository, Some("v02"), 4).await, Ok(tags[3..7].to_vec()));
    assert_eq!(registry.tags(repository, Some("v24"), 4).await, Ok(Vec::new()));
    assert_eq!(registry.tags(repository, None, 0).await, Ok(Vec::new()));
}

async fn says_what_is_not_there(registry: &dyn Registry, repository: &str, blobs: &MemoryBlobs) {
    let nothing = Digest::of(b"nothing");
    assert_eq!(registry.find(repository, "v1").await, Ok(None));
    assert_eq!(registry.find(repository, &nothing.to_string()).await, Ok(None));
    let answers = [
        registry.tags(repository, None, 10).await.map(|_| ()),
        registry.manifest(repository, &nothing).await.map(|_| ()),
        registry.pull_blob(repository, &nothing, blobs).await.map(|_| ()),
        registry.facts(repository, Some(&nothing)).await.map(|_| ()),
        registry.tag(repository, &nothing, "v1", None).await.map(|_| ()),
    ];
    for answer in answers {
        assert!(matches!(answer, Err(RegistryError::NotFound(_))), "{answer:?}");
    }
}

async fn refuses_bad_names(registry: &dyn Registry, blobs: &MemoryBlobs) {
    let image = sample(blobs, "names").await;
    let long = "a/".repeat(200);
    for repository in
        ["", "..", "../a", "a/../b", "/etc", "a//b", "A", "a\0b", "a b", "a?x=1", "a%2f..", &long]
    {
        let answers = [
            registry.find(repository, "v1").await.map(|_| ()),
            registry.tags(repository, None, 1).await.map(|_| ()),
            registry.manifest(repository, &image.digest).await.map(|_| ()),
            registry.push_blob(repository, &image.blobs[0], blobs).await.map(|_| ()),
            registry.push_manifest(repository, &image.manifest).await.map(|_| ()),
            registry.tag(repository, &image.digest, "v1", None).await.map(|_| ()),
        ];
        for answer in answers {
            assert!(matches!(answer, Err(RegistryError::Invalid(_))), "{repository:?}: {answer:?}");
        }
    }
    for reference in ["", "../v1", "a/b", "sha256:00", "v 1", ".v1", "v1?x"] {
        let answer = registry.find("names", reference).await;
        assert!(matches!(answer, Err(RegistryError::Invalid(_))), "{reference:?}: {answer:?}");
    }
    let text = Manifest { bytes: b"{}".to_vec(), media_type: "text/plain".into() };
    let answer = registry.push_manifest("names", &text).await;
    assert!(matches!(answer, Err(RegistryError::Invalid(_))), "{answer:?}");
}

async fn mounts(registry: &dyn Registry, repository: &str, blobs: &MemoryBlobs) {
    let image = sample(blobs, "mount").await;
    push(registry, repository, blobs, &image).await;
    let target = format!("{repository}/target");
    let absent = Content { digest: Digest::of(b"absent"), size: 6 };
    assert_eq!(registry.mount_blob(&target, &absent, repository).await, Ok(false));
    for content in &image.blobs {
        if registry.mount_blob(&target, content, repository).await == Ok(false) {
            registry.push_blob(&target, content, blobs).await.expect("what is not mounted is pushed");
        }
    }
    assert_eq!(registry.push_manifest(&target, &image.manifest).await, Ok(Outcome::Created));
    assert_eq!(registry.manifest(&target, &image.digest).await, Ok(image.manifest));
}
