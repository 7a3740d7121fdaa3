use super::EcrRegistry;
use crate::registry::check;
use async_trait::async_trait;
use serde_json::Value as Json;
use stageway_core::call::{Content, Image, Outcome};
use stageway_core::digest::Digest;
use stageway_ports::{BlobStatus, Blobs, Login, Manifest, Registry, RegistryError, RegistryRight};

#[async_trait]
impl Registry for EcrRegistry {
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
        let mut facts = self.immutability(&repository).await?;
        facts.extend(self.registry().await?.whereabouts(&repository));
        if let Some(digest) = digest {
            self.read_digest(&repository, digest).await?;
            let findings = self.scan_findings(&repository, digest).await?;
            facts.extend(findings.map(|findings| ("scan-findings".to_owned(), findings)));
        }
        Ok(Json::Object(facts))
    }

    async fn pull_blob(
        &self,
        repository: &str,
        digest: &Digest,
        into: &dyn Blobs,
    ) -> Result<Content, RegistryError> {
        self.registry().await?.pull_blob(repository, digest, into).await
    }

    async fn push_blob(
        &self,
        repository: &str,
        content: &Content,
        from: &dyn Blobs,
    ) -> Result<BlobStatus, RegistryError> {
        let path = check::repository(repository)?;
        let registry = self.registry().await?;
        match registry.push_blob(repository, content, from).await {
            Err(RegistryError::NotFound(_)) if self.create => {
                self.create_repository(&path).await?;
                registry.push_blob(repository, content, from).await
            }
            answer => answer,
        }
    }

    async fn mount_blob(
        &self,
        repository: &str,
        content: &Content,
        from: &str,
    ) -> Result<bool, RegistryError> {
        check::repository(repository)?;
        self.registry().await?.mount_blob(repository, content, from).await
    }

    async fn push_manifest(&self, repository: &str, manifest: &Manifest) -> Result<Outcome, RegistryError> {
        let repository = check::repository(repository)?;
        match self.store_manifest(&repository, manifest).await {
            Err(RegistryError::NotFound(_)) if self.create => {
                self.create_repository(&repository).await?;
                self.store_manifest(&repository, manifest).await
            }
            answer => answer,
        }
    }

    async fn login(&self, repository: &str) -> Result<Login, RegistryError> {
        check::repository(repository)?;
        self.registry().await?.login(repository).await
    }

    async fn rights(&self, repository: &str) -> Result<Vec<RegistryRight>, RegistryError> {
        self.tried(&check::repository(repository)?).await
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
