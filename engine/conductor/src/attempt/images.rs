use super::{Attempt, Halt, Outcome, invalid};
use serde_json::{Value as Json, json};
use stageway_core::call::{HostError, Images, Outcome as Moved, Value};
use stageway_core::digest::Digest;
use stageway_core::grant::ImageAction;
use stageway_ports::{Manifest, Registry, RegistryError};
use std::sync::Arc;

/// A manifest has at most this many bytes (OCI distribution specification: 4 MiB).
pub(super) const MANIFEST_BYTES: usize = 4 << 20;
/// Children of an index.
const MOST_CHILDREN: usize = 100;
/// Of an image's configuration.
pub(super) const CONFIG_BYTES: u64 = 1 << 20;

impl Attempt {
    /// The registry and path of a repository written `CONNECTION/PATH`.
    pub(super) async fn registry<'a>(
        &'a self,
        repository: &'a str,
    ) -> Result<(Arc<dyn Registry>, &'a str), Halt> {
        let Some((connection, path)) = self.subject.connection(repository) else {
            return Err(invalid(format!(
                "`{repository}` is not CONNECTION/PATH of a connection of this run"
            )));
        };
        match self.engine.registries.open(&self.subject.writer.tenant, connection).await {
            Some(registry) => Ok((registry, path)),
            None => Err(Halt::Tell(HostError::NotFound(format!("no connection `{connection}`")))),
        }
    }

    /// Checks the grants and finds what the call would change.
    pub(super) async fn prepare_image(&self, call: &Images) -> Result<Json, Halt> {
        let grants = &self.subject.grants;
        match call {
            Images::Find { repository, .. }
            | Images::Tags { repository, .. }
            | Images::Manifest { repository, .. }
            | Images::Facts { repository, .. } => {
                grants.allows_image(repository, ImageAction::Read)?;
                Ok(Json::Null)
            }
            Images::Tag { repository, digest, tag, replaces } => {
                grants.allows_image(repository, ImageAction::Tag)?;
                if replaces.is_some() {
                    grants.allows_image(repository, ImageAction::Move)?;
                }
                parse(digest)?;
                let (registry, path) = self.registry(repository).await?;
                let found = registry.find(path, tag).await.map_err(told)?;
                Ok(json!({"found": found.map(|image| image.digest)}))
            }
            Images::Copy { repository, digest, target } => {
                grants.allows_image(repository, ImageAction::Read)?;
                grants
                    .allows_image(target, ImageAction::Push)
                    .or_else(|_| grants.allows_image(target, ImageAction::Tag))?;
                self.state_of(target, &parse(digest)?).await
            }
            Images::Push { repository, manifest, .. } => {
                grants.allows_image(repository, ImageAction::Push)?;
                if manifest.len() > MANIFEST_BYTES {
                    return Err(invalid("a manifest has at most 4 MiB"));
                }
                self.state_of(repository, &Images::pushed_digest(manifest)).await
            }
        }
    }

    async fn state_of(&self, repository: &str, digest: &Digest) -> Result<Json, Halt> {
        let (registry, path) = self.registry(repository).await?;
        let found = registry.find(path, &digest.to_string()).await.map_err(told)?;
        Ok(json!({"present": found.is_some(), "media-type": found.map(|image| image.media_type)}))
    }

    pub(super) async fn image(&self, call: &Images, state: &Json, doubt: bool) -> Outcome {
        match call {
            Images::Find { repository, reference } => {
                let (registry, path) = self.registry(repository).await?;
                Ok(Value::MaybeImage(registry.find(path, reference).await.map_err(told)?))
            }
            Images::Tags { repository, after, max } => {
                let (registry, path) = self.registry(repository).await?;
                Ok(Value::Texts(
                    registry.tags(path, after.as_deref(), (*max).min(10_000)).await.map_err(told)?,
                ))
            }
            Images::Manifest { repository, digest } => {
                let (registry, path) = self.registry(repository).await?;
                let manifest = registry.manifest(path, &parse(digest)?).await.map_err(told)?;
                let text =
                    String::from_utf8(manifest.bytes).map_err(|_| invalid("the manifest is not UTF-8"))?;
                Ok(Value::Text(text))
            }
            Images::Facts { repository, digest } => self.image_facts(repository, digest.as_deref()).await,
            Images::Tag { repository, digest, tag, replaces } => {
                let (registry, path) = self.registry(repository).await?;
                let replaces = replaces.as_deref().map(parse).transpose()?;
                let digest = parse(digest)?;
                let done = registry.tag(path, &digest, tag, replaces.as_ref()).await.map_err(told)?;
                Ok(Value::Outcome(if doubt { outcome_from(state, &digest) } else { done }))
            }
            Images::Copy { repository, digest, target } => {
                let digest = parse(digest)?;
                self.copy(repository, &digest, target).await?;
                let present = state["present"].as_bool().unwrap_or(false);
                Ok(Value::Outcome(if present { Moved::Already } else { Moved::Created }))
            }
            Images::Push { repository, manifest, media_type } => {
                self.push(repository, manifest, media_type).await
            }
        }
    }

    async fn image_facts(&self, repository: &str, digest: Option<&str>) -> Outcome {
        let (registry, path) = self.registry(repository).await?;
        let digest = digest.map(parse).transpose()?;
        let mut facts = registry.facts(path, digest.as_ref()).await.map_err(told)?;
        if let (Some(digest), Some(facts)) = (digest, facts.as_object_mut()) {
            let manifest = registry.manifest(path, &digest).await.map_err(told)?;
            if let Some(config) = pointer_digest(&manifest.bytes, "/config/digest") {
                registry.pull_blob(path, &config, &*self.engine.blobs).await.map_err(told)?;
                let bytes = self.engine.blobs.get(&config, CONFIG_BYTES).await?;
                facts.insert("config".into(), serde_json::from_slice(&bytes).unwrap_or(Json::Null));
            }
        }
        Ok(Value::Json(facts))
    }

    /// Brings everything that a manifest names, then the manifest; children of an index first.
    async fn copy(&self, from: &str, digest: &Digest, to: &str) -> Result<(), Halt> {
        let (source, source_path) = self.registry(from).await?;
        let (target, target_path) = self.registry(to).await?;
        let top = source.manifest(source_path, digest).await.map_err(told)?;
        let children = digests_at(&top.bytes, "/manifests");
        if children.len() > MOST_CHILDREN {
            return Err(Halt::Tell(HostError::LimitExceeded(format!(
                "an index has at most {MOST_CHILDREN} children"
            ))));
        }
        for child in children {
            let manifest = source.manifest(source_path, &child).await.map_err(told)?;
            self.copy_one(&*source, source_path, &*target, target_path, &manifest).await?;
        }
        self.copy_one(&*source, source_path, &*target, target_path, &top).await
    }

    async fn copy_one(
        &self,
        source: &dyn Registry,
        source_path: &str,
        target: &dyn Registry,
        target_path: &str,
        manifest: &Manifest,
    ) -> Result<(), Halt> {
        let blobs = &*self.engine.blobs;
        let config = pointer_digest(&manifest.bytes, "/config/digest");
        for digest in config.into_iter().chain(digests_at(&manifest.bytes, "/layers")) {
            let content = source.pull_blob(source_path, &digest, blobs).await.map_err(told)?;
            target.push_blob(target_path, &content, blobs).await.map_err(told)?;
        }
        target.push_manifest(target_path, manifest).await.map_err(told)?;
        Ok(())
    }

    /// Blobs that are artifacts of this run go first; the others must be in the repository already.
    async fn push(&self, repository: &str, manifest: &str, media_type: &str) -> Outcome {
        let (registry, path) = self.registry(repository).await?;
        let bytes = manifest.as_bytes();
        let config = pointer_digest(bytes, "/config/digest");
        for digest in config.into_iter().chain(digests_at(bytes, "/layers")) {
            if let Some(content) = self.known.get(&digest).and_then(super::artifacts::Known::content) {
                registry.push_blob(path, &content, &*self.engine.blobs).await.map_err(told)?;
            }
        }
        let manifest = Manifest { bytes: bytes.to_vec(), media_type: media_type.to_owned() };
        registry.push_manifest(path, &manifest).await.map_err(told)?;
        Ok(Value::Text(Digest::of(bytes).to_string()))
    }
}

fn parse(digest: &str) -> Result<Digest, Halt> {
    digest.parse().map_err(|e: stageway_core::digest::DigestError| invalid(e.to_string()))
}

/// A digest that a manifest names.
pub(super) fn pointer_digest(manifest: &[u8], pointer: &str) -> Option<Digest> {
    let manifest: Json = serde_json::from_slice(manifest).ok()?;
    manifest.pointer(pointer)?.as_str()?.parse().ok()
}

/// The digests of a list of descriptors that a manifest holds.
pub(super) fn digests_at(manifest: &[u8], pointer: &str) -> Vec<Digest> {
    let manifest: Json = serde_json::from_slice(manifest).unwrap_or_default();
    let list = manifest.pointer(pointer).and_then(Json::as_array).cloned().unwrap_or_default();
    list.iter().filter_map(|item| item.get("digest")?.as_str()?.parse().ok()).collect()
}

/// What a tag call answers, from the state that was found before it was performed.
fn outcome_from(state: &Json, digest: &Digest) -> Moved {
    match state["found"].as_str().and_then(|text| text.parse::<Digest>().ok()) {
        None => Moved::Created,
        Some(found) if found == *digest => Moved::Already,
        Some(_) => Moved::Moved,
    }
}

/// The rule of `images.tag`, for a plan: what putting `digest` under a tag that names `found` answers.
pub(super) fn tag_outcome(
    repository: &str,
    tag: &str,
    digest: Digest,
    found: Option<Digest>,
    replaces: Option<&str>,
) -> Result<Moved, Halt> {
    let expected = replaces.map(parse).transpose()?;
    match found {
        Some(found) if found == digest => Ok(Moved::Already),
        found if found == expected => Ok(if found.is_some() { Moved::Moved } else { Moved::Created }),
        found => {
            let name = |digest: Option<Digest>| digest.map_or("nothing".to_owned(), |d| d.to_string());
            let conflict = RegistryError::Conflict {
                repository: repository.to_owned(),
                tag: tag.to_owned(),
                found: name(found),
                expected: name(expected),
            };
            Err(told(conflict))
        }
    }
}

/// What a registry says, in the words of the contract.
pub(super) fn told(error: RegistryError) -> Halt {
    let text = error.to_string();
    Halt::Tell(match error {
        RegistryError::NotFound(_) | RegistryError::Incomplete(_) => HostError::NotFound(text),
        RegistryError::Conflict { .. } => HostError::Conflict(text),
        RegistryError::Invalid(_) => HostError::InvalidArgument(text),
        RegistryError::Refused(_) => HostError::Denied(text),
        RegistryError::Corrupt(_) => HostError::Conflict(text),
        RegistryError::Unavailable(_) => HostError::Unavailable(text),
    })
}
