use super::LayoutRegistry;
use crate::registry::check;
use async_trait::async_trait;
use serde_json::Value as Json;
use stageway_core::call::{Content, Image, Outcome};
use stageway_core::digest::Digest;
use stageway_ports::{BlobStatus, Blobs, Login, Manifest, Registry, RegistryError, RegistryRight};

#[async_trait]
impl Registry for LayoutRegistry {
    async fn find(&self, repository: &str, reference: &str) -> Result<Option<Image>, RegistryError> {
        let reference = check::reference(reference)?;
        self.blocking(repository, move |folder| folder.find(&reference)).await
    }

    async fn tags(
        &self,
        repository: &str,
        after: Option<&str>,
        max: u32,
    ) -> Result<Vec<String>, RegistryError> {
        let after = after.map(str::to_owned);
        self.blocking(repository, move |folder| folder.tags(after.as_deref(), max as usize)).await
    }

    async fn manifest(&self, repository: &str, digest: &Digest) -> Result<Manifest, RegistryError> {
        let digest = *digest;
        self.blocking(repository, move |folder| folder.manifest(&digest)).await
    }

    async fn facts(&self, repository: &str, digest: Option<&Digest>) -> Result<Json, RegistryError> {
        let digest = digest.copied();
        self.blocking(repository, move |folder| folder.facts(digest.as_ref())).await
    }

    async fn pull_blob(
        &self,
        repository: &str,
        digest: &Digest,
        into: &dyn Blobs,
    ) -> Result<Content, RegistryError> {
        let digest = *digest;
        let path = self
            .blocking(repository, move |folder| {
                let path = folder.blob(&digest);
                let absent = || RegistryError::NotFound(format!("blob {digest}"));
                super::file::size(&path)?.ok_or_else(absent).map(|_| path)
            })
            .await?;
        let content = into.put_file(&path).await?;
        if content.digest != digest {
            let problem = format!("{} has the bytes of {}", path.display(), content.digest);
            return Err(RegistryError::Corrupt(problem));
        }
        Ok(content)
    }

    async fn push_blob(
        &self,
        repository: &str,
        content: &Content,
        from: &dyn Blobs,
    ) -> Result<BlobStatus, RegistryError> {
        let content = *content;
        let incoming = self
            .blocking(repository, move |folder| {
                folder.ensure()?;
                if folder.has(&content)? { Ok(None) } else { folder.incoming().map(Some) }
            })
            .await?;
        let Some(incoming) = incoming else { return Ok(BlobStatus::Present) };
        from.copy_to(&content.digest, incoming.path()).await?;
        self.blocking(repository, move |folder| folder.take(incoming, &content)).await?;
        Ok(BlobStatus::Written)
    }

    async fn mount_blob(
        &self,
        repository: &str,
        content: &Content,
        from: &str,
    ) -> Result<bool, RegistryError> {
        let (content, from) = (*content, self.folder(from)?);
        self.blocking(repository, move |folder| folder.link(&content, &from)).await
    }

    async fn push_manifest(&self, repository: &str, manifest: &Manifest) -> Result<Outcome, RegistryError> {
        let manifest = manifest.clone();
        self.blocking(repository, move |folder| folder.push_manifest(&manifest)).await
    }

    async fn login(&self, _repository: &str) -> Result<Login, RegistryError> {
        let problem = "the connection is a directory of image layouts, which nothing logs in to; \
                       use `images`, or let the operator give the connection a `registry`";
        Err(RegistryError::Invalid(problem.into()))
    }

    async fn rights(&self, repository: &str) -> Result<Vec<RegistryRight>, RegistryError> {
        self.blocking(repository, |folder| folder.rights()).await
    }

    async fn tag(
        &self,
        repository: &str,
        digest: &Digest,
        tag: &str,
        replaces: Option<&Digest>,
    ) -> Result<Outcome, RegistryError> {
        let (digest, tag, replaces) = (*digest, check::tag(tag)?, replaces.copied());
        self.blocking(repository, move |folder| folder.tag(&digest, &tag, replaces.as_ref())).await
    }
}
