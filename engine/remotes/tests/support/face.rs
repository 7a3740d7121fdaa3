//! The face of ECR: its API as far as the adapter speaks it, in front of a real registry that has the blobs.

use super::{Answer, RealRegistry, Request, Scripted};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};
use stageway_core::digest::Digest;
use stageway_core::image::ManifestParts;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) const ACCOUNT: &str = "123456789012";
/// Small, so that lists have pages.
const PAGE: usize = 10;

#[derive(Default)]
struct Repository {
    immutable: bool,
    manifests: BTreeMap<String, (String, String)>,
    tags: BTreeMap<String, String>,
}

#[derive(Default)]
struct State {
    repositories: BTreeMap<String, Repository>,
    throttled: usize,
    asked: Vec<String>,
    /// An operation that nobody may call.
    denied: Option<&'static str>,
}

/// A whole ECR on loopback; ended when dropped.
pub(crate) struct Face {
    pub(crate) address: String,
    state: Arc<Mutex<State>>,
    _real: RealRegistry,
}

impl Face {
    pub(crate) async fn start() -> Self {
        let real = RealRegistry::start();
        let state = Arc::new(Mutex::new(State::default()));
        let (kept, endpoint) = (Arc::clone(&state), real.address.clone());
        let data = real.folder.path().join("data/docker/registry/v2/repositories");
        let api =
            Scripted::start(move |request| answer(&mut kept.lock().unwrap(), request, &endpoint, &data))
                .await;
        Self { address: api.address, state, _real: real }
    }

    /// Tags of a repository stay where they are from now on.
    pub(crate) fn make_immutable(&self, repository: &str) {
        self.state.lock().unwrap().repositories.get_mut(repository).unwrap().immutable = true;
    }

    /// So many calls are told to come later.
    pub(crate) fn throttle(&self, calls: usize) {
        self.state.lock().unwrap().throttled = calls;
    }

    /// Lets nobody call an operation.
    pub(crate) fn deny(&self, operation: &'static str) {
        self.state.lock().unwrap().denied = Some(operation);
    }

    /// How often an operation was called.
    pub(crate) fn asked(&self, operation: &str) -> usize {
        self.state.lock().unwrap().asked.iter().filter(|asked| *asked == operation).count()
    }
}

/// ECR's way to say no.
pub(crate) fn refuse(code: &str, message: &str) -> Answer {
    Answer::new("400 Bad Request", json!({ "__type": code, "message": message }).to_string())
        .header("Content-Type", "application/x-amz-json-1.1")
}

fn answer(state: &mut State, request: &Request, endpoint: &str, data: &std::path::Path) -> Answer {
    let operation = request.head.split("x-amz-target: amazonec2containerregistry_v20150921.").nth(1);
    let operation = operation.and_then(|rest| rest.lines().next()).unwrap_or_default().trim().to_owned();
    let body: Json = serde_json::from_str(&request.body).unwrap();
    if state.throttled > 0 {
        state.throttled -= 1;
        return refuse("ThrottlingException", "Rate exceeded");
    }
    let name = body["repositoryName"].as_str().or(body["repositoryNames"][0].as_str()).unwrap_or_default();
    // Heads are kept in lower case.
    let operation = match operation.as_str() {
        "getauthorizationtoken" => "GetAuthorizationToken",
        "createrepository" => "CreateRepository",
        "describerepositories" => "DescribeRepositories",
        "batchgetimage" => "BatchGetImage",
        "putimage" => "PutImage",
        "listimages" => "ListImages",
        "describeimagescanfindings" => "DescribeImageScanFindings",
        _ => return refuse("UnknownOperationException", &operation),
    };
    state.asked.push(operation.to_owned());
    if state.denied == Some(operation) {
        return refuse("AccessDeniedException", "not authorized");
    }
    match operation {
        "GetAuthorizationToken" => return token(endpoint),
        "CreateRepository" => {
            state.repositories.entry(name.to_owned()).or_default();
            return whole(json!({ "repository": { "repositoryName": name } }));
        }
        _ => {}
    }
    let Some(repository) = state.repositories.get_mut(name) else {
        return refuse("RepositoryNotFoundException", "no such repository");
    };
    match operation {
        "DescribeRepositories" => {
            let mutability = if repository.immutable { "IMMUTABLE" } else { "MUTABLE" };
            whole(json!({ "repositories": [{ "repositoryName": name, "imageTagMutability": mutability }] }))
        }
        "BatchGetImage" => get(repository, &body),
        "PutImage" => put(repository, &body, &data.join(name).join("_layers/sha256")),
        "ListImages" => list(repository, &body),
        _ => refuse("ScanNotFoundException", "not scanned"),
    }
}

fn whole(body: Json) -> Answer {
    Answer::new("200 OK", body.to_string()).header("Content-Type", "application/x-amz-json-1.1")
}

fn token(endpoint: &str) -> Answer {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let token = STANDARD.encode("AWS:s3cret-of-the-registry");
    let endpoint = format!("http://{endpoint}");
    whole(json!({ "authorizationData": [
        { "authorizationToken": token, "expiresAt": now + 12 * 3600, "proxyEndpoint": endpoint },
    ] }))
}

fn get(repository: &Repository, body: &Json) -> Answer {
    let id = &body["imageIds"][0];
    let tagged = id["imageTag"].as_str().and_then(|tag| repository.tags.get(tag).map(String::as_str));
    let digest = id["imageDigest"].as_str().or(tagged).unwrap_or_default();
    match repository.manifests.get(digest) {
        Some((manifest, media_type)) => whole(json!({ "failures": [], "images": [{
            "imageId": { "imageDigest": digest }, "imageManifest": manifest, "imageManifestMediaType": media_type,
        }] })),
        None => {
            whole(json!({ "images": [], "failures": [{ "imageId": id, "failureCode": "ImageNotFound" }] }))
        }
    }
}

fn put(repository: &mut Repository, body: &Json, layers: &std::path::Path) -> Answer {
    let manifest = body["imageManifest"].as_str().unwrap().to_owned();
    let media_type = body["imageManifestMediaType"].as_str().unwrap().to_owned();
    let digest = Digest::of(manifest.as_bytes()).to_string();
    if body["imageDigest"].as_str().is_some_and(|told| told != digest) {
        return refuse("ImageDigestDoesNotMatchException", "another digest");
    }
    let parts = ManifestParts::read(manifest.as_bytes(), &media_type).unwrap();
    let link = |digest: &Digest| -> PathBuf {
        layers.join(digest.to_string().trim_start_matches("sha256:")).join("link")
    };
    if parts.blobs().into_iter().any(|content| !link(&content.digest).exists()) {
        return refuse("LayersNotFoundException", "layers are missing");
    }
    let absent = |digest: String| !repository.manifests.contains_key(&digest);
    if parts.children.iter().any(|child| absent(child.content.digest.to_string())) {
        return refuse("ReferencedImagesNotFoundException", "images are missing");
    }
    let tag = body["imageTag"].as_str();
    let named = tag.and_then(|tag| repository.tags.get(tag));
    let known = repository.manifests.contains_key(&digest);
    if known && (tag.is_none() || named == Some(&digest)) {
        return refuse("ImageAlreadyExistsException", "the image is there");
    }
    if repository.immutable && named.is_some() {
        return refuse("ImageTagAlreadyExistsException", "the tag is there");
    }
    repository.tags.extend(tag.map(|tag| (tag.to_owned(), digest.clone())));
    repository.manifests.insert(digest.clone(), (manifest, media_type));
    whole(json!({ "image": { "imageId": { "imageDigest": digest, "imageTag": tag } } }))
}

/// Tags in no order that anybody may count on, page by page.
fn list(repository: &Repository, body: &Json) -> Answer {
    let start: usize = body["nextToken"].as_str().map_or(0, |token| token.parse().unwrap());
    let tags: BTreeSet<_> =
        repository.tags.iter().map(|(tag, digest)| (digest, std::cmp::Reverse(tag))).collect();
    let page: Vec<Json> = tags
        .iter()
        .skip(start)
        .take(PAGE)
        .map(|(digest, tag)| json!({ "imageDigest": digest, "imageTag": tag.0 }))
        .collect();
    let next = (start + PAGE < tags.len()).then(|| (start + PAGE).to_string());
    whole(json!({ "imageIds": page, "nextToken": next }))
}
