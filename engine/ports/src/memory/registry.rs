use crate::{BlobStatus, Blobs, Login, Manifest, Registry, RegistryError, RegistryRight};
use async_trait::async_trait;
use serde_json::{Value as Json, json};
use stageway_core::call::{Content, Image, Outcome};
use stageway_core::digest::Digest;
use stageway_core::image::{ImageReference, MAX_MANIFEST, ManifestParts, RepositoryPath, TagName};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What a hook makes of one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistryFault {
    /// It fails, and nothing has happened.
    Before(RegistryError),
    /// It happens, and its answer is lost.
    After(RegistryError),
}

type Hook = Box<dyn Fn(&str) -> Option<RegistryFault> + Send + Sync>;

#[derive(Default)]
struct Repository {
    blobs: BTreeMap<Digest, Vec<u8>>,
    manifests: BTreeMap<Digest, Manifest>,
    tags: BTreeMap<String, Digest>,
}

#[derive(Default)]
struct State {
    repositories: BTreeMap<String, Repository>,
    effects: BTreeMap<String, u32>,
}

/// A registry in memory.
///
/// Every change is counted under a key that says what was changed to what: `blob REPOSITORY DIGEST`,
/// `manifest REPOSITORY DIGEST`, `tag REPOSITORY:TAG DIGEST`. A call that finds everything done changes nothing and
/// counts nothing.
#[derive(Default)]
pub struct MemoryRegistry {
    state: Mutex<State>,
    latency: Duration,
    hook: Option<Hook>,
    login: Option<Login>,
}

impl MemoryRegistry {
    /// Empty, at once, without faults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Every call takes this long.
    #[must_use]
    pub fn with_latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// What a connection with credentials has; without it there are none.
    #[must_use]
    pub fn with_login(mut self, login: Login) -> Self {
        self.login = Some(login);
        self
    }

    /// Asks `hook` at every call, with `FUNCTION REPOSITORY SUBJECT` (as in `tag orderbook v1`), whether it fails.
    #[must_use]
    pub fn with_faults(
        mut self,
        hook: impl Fn(&str) -> Option<RegistryFault> + Send + Sync + 'static,
    ) -> Self {
        self.hook = Some(Box::new(hook));
        self
    }

    /// How often each change was made.
    pub fn effects(&self) -> BTreeMap<String, u32> {
        self.lock().effects.clone()
    }

    /// The end state: repository and tag to digest.
    pub fn state(&self) -> BTreeMap<String, Digest> {
        let state = self.lock();
        let tags = state.repositories.iter().flat_map(|(name, repository)| {
            repository.tags.iter().map(move |(tag, digest)| (format!("{name}:{tag}"), *digest))
        });
        tags.collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One call: waits, asks the hook, acts.
    async fn act<T>(
        &self,
        label: String,
        act: impl FnOnce(&mut State) -> Result<T, RegistryError> + Send,
    ) -> Result<T, RegistryError> {
        if !self.latency.is_zero() {
            tokio::time::sleep(self.latency).await;
        }
        match self.hook.as_ref().and_then(|hook| hook(&label)) {
            Some(RegistryFault::Before(error)) => Err(error),
            Some(RegistryFault::After(error)) => act(&mut self.lock()).and(Err(error)),
            None => act(&mut self.lock()),
        }
    }
}

fn invalid(error: impl std::fmt::Display) -> RegistryError {
    RegistryError::Invalid(error.to_string())
}

fn check_repository(name: &str) -> Result<(), RegistryError> {
    name.parse::<RepositoryPath>().map(|_| ()).map_err(invalid)
}

impl State {
    fn repository(&self, name: &str) -> Result<&Repository, RegistryError> {
        check_repository(name)?;
        self.repositories.get(name).ok_or_else(|| RegistryError::NotFound(name.to_owned()))
    }

    fn change(&mut self, name: &str, key: String) -> Result<&mut Repository, RegistryError> {
        check_repository(name)?;
        *self.effects.entry(key).or_default() += 1;
        Ok(self.repositories.entry(name.to_owned()).or_default())
    }

    fn put_blob(&mut self, name: &str, bytes: Vec<u8>) -> Result<BlobStatus, RegistryError> {
        check_repository(name)?;
        let digest = Digest::of(&bytes);
        if self.repositories.get(name).is_some_and(|r| r.blobs.contains_key(&digest)) {
            return Ok(BlobStatus::Present);
        }
        self.change(name, format!("blob {name} {digest}"))?.blobs.insert(digest, bytes);
        Ok(BlobStatus::Written)
    }

    fn put_manifest(&mut self, name: &str, manifest: &Manifest) -> Result<Outcome, RegistryError> {
        check_repository(name)?;
        let parts = ManifestParts::read(&manifest.bytes, &manifest.media_type).map_err(invalid)?;
        let digest = Digest::of(&manifest.bytes);
        let empty = Repository::default();
        let repository = self.repositories.get(name).unwrap_or(&empty);
        if repository.manifests.contains_key(&digest) {
            return Ok(Outcome::Already);
        }
        let blobs = parts.blobs().into_iter().map(|c| c.digest).filter(|d| !repository.blobs.contains_key(d));
        let children = parts.children.iter().map(|c| c.content.digest);
        let missing: Vec<_> =
            blobs.chain(children.filter(|d| !repository.manifests.contains_key(d))).collect();
        if !missing.is_empty() {
            return Err(RegistryError::Incomplete(missing.iter().map(Digest::to_string).collect()));
        }
        self.change(name, format!("manifest {name} {digest}"))?.manifests.insert(digest, manifest.clone());
        Ok(Outcome::Created)
    }

    fn put_tag(
        &mut self,
        name: &str,
        digest: &Digest,
        tag: &str,
        replaces: Option<&Digest>,
    ) -> Result<Outcome, RegistryError> {
        tag.parse::<TagName>().map_err(invalid)?;
        let repository = self.repository(name)?;
        if !repository.manifests.contains_key(digest) {
            return Err(RegistryError::NotFound(format!("{name}@{digest}")));
        }
        let now = repository.tags.get(tag).copied();
        let outcome = Outcome::of_tag(now.as_ref(), digest, replaces)
            .map_err(|found| RegistryError::conflict(name, tag, found, replaces))?;
        if outcome != Outcome::Already {
            self.change(name, format!("tag {name}:{tag} {digest}"))?.tags.insert(tag.to_owned(), *digest);
        }
        Ok(outcome)
    }

    fn find(&self, name: &str, reference: &str) -> Result<Option<Image>, RegistryError> {
        check_repository(name)?;
        let reference: ImageReference = reference.parse().map_err(invalid)?;
        let Some(repository) = self.repositories.get(name) else { return Ok(None) };
        let digest = match reference {
            ImageReference::Tag(tag) => repository.tags.get(tag.as_str()).copied(),
            ImageReference::Digest(digest) => Some(digest),
        };
        let found = digest.and_then(|d| Some((d, repository.manifests.get(&d)?)));
        found
            .map(|(digest, manifest)| {
                let parts = ManifestParts::read(&manifest.bytes, &manifest.media_type).map_err(invalid)?;
                Ok(Image { digest, media_type: manifest.media_type.clone(), details: parts.details() })
            })
            .transpose()
    }

    fn manifest(&self, name: &str, digest: &Digest) -> Result<Manifest, RegistryError> {
        let found = self.repository(name)?.manifests.get(digest).cloned();
        found.ok_or_else(|| RegistryError::NotFound(format!("{name}@{digest}")))
    }

    fn facts(&self, name: &str, digest: Option<&Digest>) -> Result<Json, RegistryError> {
        match digest {
            Some(digest) => self.manifest(name, digest).map(|_| ())?,
            None => self.repository(name).map(|_| ())?,
        }
        Ok(json!({ "immutability": "none" }))
    }
}

#[async_trait]
impl Registry for MemoryRegistry {
    async fn find(&self, repository: &str, reference: &str) -> Result<Option<Image>, RegistryError> {
        self.act(format!("find {repository} {reference}"), |state| state.find(repository, reference)).await
    }

    async fn tags(
        &self,
        repository: &str,
        after: Option<&str>,
        max: u32,
    ) -> Result<Vec<String>, RegistryError> {
        self.act(format!("tags {repository}"), |state| {
            let tags = state.repository(repository)?.tags.keys();
            let rest = tags.filter(|tag| after.is_none_or(|after| tag.as_str() > after));
            Ok(rest.take(max as usize).cloned().collect())
        })
        .await
    }

    async fn manifest(&self, repository: &str, digest: &Digest) -> Result<Manifest, RegistryError> {
        self.act(format!("manifest {repository} {digest}"), |state| state.manifest(repository, digest)).await
    }

    async fn facts(&self, repository: &str, digest: Option<&Digest>) -> Result<Json, RegistryError> {
        self.act(format!("facts {repository}"), |state| state.facts(repository, digest)).await
    }

    async fn login(&self, repository: &str) -> Result<Login, RegistryError> {
        check_repository(repository)?;
        self.login.clone().ok_or_else(|| RegistryError::NotFound("credentials of this connection".into()))
    }

    async fn pull_blob(
        &self,
        repository: &str,
        digest: &Digest,
        into: &dyn Blobs,
    ) -> Result<Content, RegistryError> {
        let bytes = self
            .act(format!("pull-blob {repository} {digest}"), |state| {
                let blob = state.repository(repository)?.blobs.get(digest).cloned();
                blob.ok_or_else(|| RegistryError::NotFound(format!("{repository}@{digest}")))
            })
            .await?;
        Ok(into.put(bytes).await?)
    }

    async fn push_blob(
        &self,
        repository: &str,
        content: &Content,
        from: &dyn Blobs,
    ) -> Result<BlobStatus, RegistryError> {
        let bytes = from.get(&content.digest, content.size).await?;
        let label = format!("push-blob {repository} {}", content.digest);
        self.act(label, |state| state.put_blob(repository, bytes)).await
    }

    async fn mount_blob(
        &self,
        repository: &str,
        content: &Content,
        from: &str,
    ) -> Result<bool, RegistryError> {
        self.act(format!("mount-blob {repository} {}", content.digest), |state| {
            check_repository(repository)?;
            let source = state.repositories.get(from).and_then(|r| r.blobs.get(&content.digest)).cloned();
            source.map_or(Ok(false), |bytes| state.put_blob(repository, bytes).map(|_| true))
        })
        .await
    }

    async fn push_manifest(&self, repository: &str, manifest: &Manifest) -> Result<Outcome, RegistryError> {
        if manifest.bytes.len() > MAX_MANIFEST {
            return Err(RegistryError::Invalid(format!("a manifest of {} bytes", manifest.bytes.len())));
        }
        let label = format!("push-manifest {repository} {}", Digest::of(&manifest.bytes));
        self.act(label, |state| state.put_manifest(repository, manifest)).await
    }

    async fn rights(&self, repository: &str) -> Result<Vec<RegistryRight>, RegistryError> {
        check_repository(repository)?;
        Ok(["pull", "push"].map(|action| RegistryRight { action, refused: None }).into())
    }

    async fn tag(
        &self,
        repository: &str,
        digest: &Digest,
        tag: &str,
        replaces: Option<&Digest>,
    ) -> Result<Outcome, RegistryError> {
        self.act(format!("tag {repository} {tag}"), |state| state.put_tag(repository, digest, tag, replaces))
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::registry as contract;
    use crate::memory::MemoryBlobs;

    #[tokio::test]
    async fn it_keeps_the_contract() {
        contract::check(&MemoryRegistry::new(), "contract").await;
    }

    #[tokio::test]
    async fn an_answer_that_is_lost_has_its_effect_once() {
        let lost = || Some(RegistryFault::After(RegistryError::Unavailable("lost".into())));
        let first = std::sync::atomic::AtomicBool::new(true);
        let registry =
            MemoryRegistry::new().with_latency(Duration::from_millis(1)).with_faults(move |call| {
                let hit = call == "tag a v1" && first.swap(false, std::sync::atomic::Ordering::SeqCst);
                hit.then(lost).flatten()
            });
        let blobs = MemoryBlobs::new();
        let image = contract::sample(&blobs, "a").await;
        contract::push(&registry, "a", &blobs, &image).await;
        registry.tag("a", &image.digest, "v1", None).await.unwrap_err();
        assert_eq!(registry.tag("a", &image.digest, "v1", None).await, Ok(Outcome::Already));
        assert_eq!(registry.effects()[&format!("tag a:v1 {}", image.digest)], 1);
        assert_eq!(registry.state()["a:v1"], image.digest);
    }

    #[tokio::test]
    async fn a_call_that_fails_before_changes_nothing() {
        let registry = MemoryRegistry::new()
            .with_faults(|_| Some(RegistryFault::Before(RegistryError::Unavailable("down".into()))));
        let blobs = MemoryBlobs::new();
        let image = contract::sample(&blobs, "a").await;
        registry.push_blob("a", &image.blobs[0], &blobs).await.unwrap_err();
        assert!(registry.effects().is_empty());
    }
}
