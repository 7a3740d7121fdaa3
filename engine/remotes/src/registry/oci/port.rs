use super::OciRegistry;
use crate::registry::check;
use async_trait::async_trait;
use serde_json::Value as Json;
use stageway_core::call::{Content, Image, Outcome};
use stageway_core::digest::Digest;
use stageway_ports::{BlobStatus, Blobs, Login, Manifest, Registry, RegistryError, RegistryRight};

#[async_trait]
impl Registry for OciRegistry {
    async fn find(&self, repository: &str, reference: &str) -> Result<Option<Image>, RegistryError> {
        let (repository, reference) = (check::repository(repository)?, check::reference(reference)?);
        let found = self.read(&repository, &reference).await?;
        found.map(|manifest| check::image(&repository, &manifest)).transpose()
    }

    async fn tags(
        &self,
        repository: &str,
        after: Option<&str>,
        max: u32,
    ) -> Result<Vec<String>, RegistryError> {
        self.list_tags(&check::repository(repository)?, after, max as usize).await
    }

    async fn manifest(&self, repository: &str, digest: &Digest) -> Result<Manifest, RegistryError> {
        self.read_digest(&check::repository(repository)?, digest).await
    }

    async fn facts(&self, repository: &str, digest: Option<&Digest>) -> Result<Json, RegistryError> {
        let repository = check::repository(repository)?;
        match digest {
            Some(digest) => self.read_digest(&repository, digest).await.map(|_| ())?,
            // A repository is there from its first push on.
            None => match self.list_tags(&repository, None, 1).await {
                Ok(_) | Err(RegistryError::NotFound(_)) => {}
                Err(other) => return Err(other),
            },
        }
        let mut facts = check::facts();
        facts.extend(self.whereabouts(&repository));
        Ok(Json::Object(facts))
    }

    async fn pull_blob(
        &self,
        repository: &str,
        digest: &Digest,
        into: &dyn Blobs,
    ) -> Result<Content, RegistryError> {
        self.download(&check::repository(repository)?, digest, into).await
    }

    async fn push_blob(
        &self,
        repository: &str,
        content: &Content,
        from: &dyn Blobs,
    ) -> Result<BlobStatus, RegistryError> {
        self.upload(&check::repository(repository)?, content, from).await
    }

    async fn mount_blob(
        &self,
        repository: &str,
        content: &Content,
        from: &str,
    ) -> Result<bool, RegistryError> {
        self.mount(&check::repository(repository)?, content, &check::repository(from)?).await
    }

    async fn push_manifest(&self, repository: &str, manifest: &Manifest) -> Result<Outcome, RegistryError> {
        self.store_manifest(&check::repository(repository)?, manifest).await
    }

    async fn login(&self, repository: &str) -> Result<Login, RegistryError> {
        check::repository(repository)?;
        self.own_login()
    }

    async fn rights(&self, repository: &str) -> Result<Vec<RegistryRight>, RegistryError> {
        let path = check::repository(repository)?;
        Ok(vec![
            RegistryRight::told("pull", self.list_tags(&path, None, 1).await)?,
            RegistryRight::told("push", self.may_push(&path).await)?,
        ])
    }

    async fn tag(
        &self,
        repository: &str,
        digest: &Digest,
        tag: &str,
        replaces: Option<&Digest>,
    ) -> Result<Outcome, RegistryError> {
        self.set_tag(&check::repository(repository)?, digest, &check::tag(tag)?, replaces).await
    }
}
