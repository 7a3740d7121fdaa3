use super::copy::Copy;
use super::{Attempt, Halt, Outcome, invalid};
use serde_json::{Value as Json, json};
use stageway_core::call::{HostError, Images, Outcome as Moved, Stop, Value};
use stageway_core::digest::Digest;
use stageway_core::grant::ImageAction;
use stageway_core::image::{MAX_MANIFEST, ManifestParts};
use stageway_ports::{Manifest, Registry, RegistryError};
use std::sync::Arc;

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
                if manifest.len() > MAX_MANIFEST {
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
            if let Some(config) = parts(&manifest)?.config {
                registry.pull_blob(path, &config.content.digest, &*self.engine.blobs).await.map_err(told)?;
                let bytes = self.engine.blobs.get(&config.content.digest, CONFIG_BYTES).await?;
                facts.insert("config".into(), serde_json::from_slice(&bytes).unwrap_or(Json::Null));
            }
        }
        Ok(Value::Json(facts))
    }

    /// Copies an image between two repositories, with everything that it names.
    async fn copy(&self, from: &str, digest: &Digest, to: &str) -> Result<(), Halt> {
        let (source, source_path) = self.registry(from).await?;
        let (target, target_path) = self.registry(to).await?;
        let is_one_connection =
            self.subject.connection(from).map(|c| c.0) == self.subject.connection(to).map(|c| c.0);
        let copy = Copy {
            source: (&*source, source_path),
            target: (&*target, target_path),
            is_one_connection,
            blobs: &*self.engine.blobs,
        };
        let top = source.manifest(source_path, digest).await.map_err(told)?;
        if parts(&top)?.children.len() > MOST_CHILDREN {
            let limit = format!("an index has at most {MOST_CHILDREN} children");
            return Err(Halt::Tell(HostError::LimitExceeded(limit)));
        }
        copy.image(&top).await.map_err(told)
    }

    /// Blobs that are artifacts of this run go first; the others must be in the repository already.
    async fn push(&self, repository: &str, manifest: &str, media_type: &str) -> Outcome {
        let (registry, path) = self.registry(repository).await?;
        let manifest = Manifest { bytes: manifest.as_bytes().to_vec(), media_type: media_type.to_owned() };
        for content in parts(&manifest)?.blobs() {
            if let Some(content) = self.known.get(&content.digest).and_then(super::artifacts::Known::content)
            {
                registry.push_blob(path, &content, &*self.engine.blobs).await.map_err(told)?;
            }
        }
        registry.push_manifest(path, &manifest).await.map_err(told)?;
        Ok(Value::Text(Digest::of(&manifest.bytes).to_string()))
    }
}

fn parse(digest: &str) -> Result<Digest, Halt> {
    digest.parse().map_err(|e: stageway_core::digest::DigestError| invalid(e.to_string()))
}

/// What a manifest names.
pub(super) fn parts(manifest: &Manifest) -> Result<ManifestParts, Halt> {
    ManifestParts::read(&manifest.bytes, &manifest.media_type).map_err(|e| invalid(e.to_string()))
}

/// What a tag call answers, from the state that was found before it was performed.
fn outcome_from(state: &Json, digest: &Digest) -> Moved {
    let found = state["found"].as_str().and_then(|text| text.parse::<Digest>().ok());
    Moved::of_tag(found.as_ref(), digest, found.as_ref()).unwrap_or(Moved::Moved)
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
    Moved::of_tag(found.as_ref(), &digest, expected.as_ref())
        .map_err(|found| told(RegistryError::conflict(repository, tag, found, expected.as_ref())))
}

/// What a registry says, in the words of the contract; a fault of our own blobs is told to nobody.
pub(super) fn told(error: RegistryError) -> Halt {
    let text = error.to_string();
    Halt::Tell(match error {
        RegistryError::Blobs(_) => return Halt::Stop(Stop::Fault(text)),
        RegistryError::NotFound(_) | RegistryError::Incomplete(_) => HostError::NotFound(text),
        RegistryError::Conflict { .. } | RegistryError::Corrupt(_) => HostError::Conflict(text),
        RegistryError::Invalid(_) => HostError::InvalidArgument(text),
        RegistryError::Refused(_) => HostError::Denied(text),
        RegistryError::Unavailable(_) => HostError::Unavailable(text),
    })
}
