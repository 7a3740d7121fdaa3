use super::OciRegistry;
use super::auth;
use super::call::{Call, Fetched};
use super::failure::Failure;
use crate::registry::check;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use stageway_core::call::Outcome;
use stageway_core::digest::Digest;
use stageway_core::image::{
    ImageReference, MAX_MANIFEST, ManifestKind, ManifestParts, RepositoryPath, TagName,
};
use stageway_ports::{Manifest, RegistryError};

const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

impl OciRegistry {
    /// The manifest under a tag or digest; none if there is none.
    pub(super) async fn read(
        &self,
        repository: &RepositoryPath,
        reference: &ImageReference,
    ) -> Result<Option<Manifest>, RegistryError> {
        let place = place(repository, reference);
        let call = self.manifest_call(Method::GET, repository, reference);
        let (headers, bytes) = match self.fetch(&call, MAX_MANIFEST).await? {
            Fetched::Whole(headers, bytes) => (headers, bytes),
            Fetched::Other(response) if response.status() == StatusCode::NOT_FOUND => return Ok(None),
            Fetched::Other(response) => return Err(Failure::of(response, &place).await.into()),
        };
        let expected = match reference {
            ImageReference::Digest(digest) => Some(*digest),
            ImageReference::Tag(_) => content_digest(&headers),
        };
        if let Some(expected) = expected {
            check::bytes(&place, &bytes, &expected)?;
        }
        let media_type = media_type(&headers).filter(|text| ManifestKind::of(text).is_some());
        let media_type = media_type.or_else(|| ManifestParts::media_type_of(&bytes));
        let unknown = || RegistryError::Corrupt(format!("{place}: no manifest"));
        let manifest = Manifest { media_type: media_type.ok_or_else(unknown)?, bytes };
        check::received(&place, &manifest)?;
        Ok(Some(manifest))
    }

    pub(super) async fn read_digest(
        &self,
        repository: &RepositoryPath,
        digest: &Digest,
    ) -> Result<Manifest, RegistryError> {
        let reference = ImageReference::Digest(*digest);
        let found = self.read(repository, &reference).await?;
        found.ok_or_else(|| RegistryError::NotFound(place(repository, &reference)))
    }

    /// What a tag or digest names now.
    pub(super) async fn resolve(
        &self,
        repository: &RepositoryPath,
        reference: &ImageReference,
    ) -> Result<Option<Digest>, RegistryError> {
        let response = self.send(&self.manifest_call(Method::HEAD, repository, reference)).await?;
        match (response.status(), content_digest(response.headers())) {
            (StatusCode::OK, Some(digest)) => Ok(Some(digest)),
            (StatusCode::NOT_FOUND, _) => Ok(None),
            // Some registries answer HEAD without the digest, or not at all.
            _ => Ok(self.read(repository, reference).await?.map(|manifest| Digest::of(&manifest.bytes))),
        }
    }

    /// Puts a manifest under its digest or a tag.
    pub(super) async fn put(
        &self,
        repository: &RepositoryPath,
        reference: &ImageReference,
        manifest: &Manifest,
    ) -> Result<Result<(), Failure>, RegistryError> {
        let mut call = self.manifest_call(Method::PUT, repository, reference);
        let media_type = HeaderValue::from_str(&manifest.media_type).map_err(check::invalid)?;
        call.headers.insert(CONTENT_TYPE, media_type);
        call.body = manifest.bytes.clone().into();
        call.scopes = vec![auth::push(repository.as_str())];
        let response = self.send(&call).await?;
        match response.status() {
            StatusCode::CREATED | StatusCode::OK | StatusCode::ACCEPTED => Ok(Ok(())),
            _ => Ok(Err(Failure::of(response, &call.what).await)),
        }
    }

    pub(super) async fn store_manifest(
        &self,
        repository: &RepositoryPath,
        manifest: &Manifest,
    ) -> Result<Outcome, RegistryError> {
        let outcome = self.store(repository, manifest).await?;
        self.list_as_attached(repository, manifest).await?;
        Ok(outcome)
    }

    async fn store(
        &self,
        repository: &RepositoryPath,
        manifest: &Manifest,
    ) -> Result<Outcome, RegistryError> {
        let parts = check::given(manifest)?;
        let reference = ImageReference::Digest(Digest::of(&manifest.bytes));
        if self.resolve(repository, &reference).await?.is_some() {
            return Ok(Outcome::Already);
        }
        match self.put(repository, &reference, manifest).await? {
            Ok(()) => Ok(Outcome::Created),
            Err(failure) if failure.is_incomplete() || failure.is_absent() => {
                match self.missing(repository, &parts).await? {
                    missing if missing.is_empty() => Err(failure.into()),
                    missing => Err(RegistryError::Incomplete(missing)),
                }
            }
            Err(failure) => Err(failure.into()),
        }
    }

    /// What the registry refuses a manifest for, told whole.
    async fn missing(
        &self,
        repository: &RepositoryPath,
        parts: &ManifestParts,
    ) -> Result<Vec<String>, RegistryError> {
        let mut missing = self.missing_blobs(repository, parts).await?;
        for child in &parts.children {
            let reference = ImageReference::Digest(child.content.digest);
            if self.resolve(repository, &reference).await?.is_none() {
                missing.push(child.content.digest.to_string());
            }
        }
        Ok(missing)
    }

    /// The blobs of a manifest that the repository does not have.
    pub(in crate::registry) async fn missing_blobs(
        &self,
        repository: &RepositoryPath,
        parts: &ManifestParts,
    ) -> Result<Vec<String>, RegistryError> {
        let mut missing = Vec::new();
        for content in parts.blobs() {
            if !self.has_blob(repository, &content.digest).await? {
                missing.push(content.digest.to_string());
            }
        }
        Ok(missing)
    }

    /// Compare-and-set as far as the protocol lets: read, put, read again.
    pub(super) async fn set_tag(
        &self,
        repository: &RepositoryPath,
        digest: &Digest,
        tag: &TagName,
        replaces: Option<&Digest>,
    ) -> Result<Outcome, RegistryError> {
        let conflict = |found| RegistryError::conflict(repository.as_str(), tag.as_str(), found, replaces);
        let manifest = self.read_digest(repository, digest).await?;
        let reference = ImageReference::Tag(tag.clone());
        let now = self.resolve(repository, &reference).await?;
        let outcome = Outcome::of_tag(now.as_ref(), digest, replaces).map_err(conflict)?;
        if outcome == Outcome::Already {
            return Ok(outcome);
        }
        self.put(repository, &reference, &manifest).await?.map_err(RegistryError::from)?;
        match self.resolve(repository, &reference).await? {
            Some(found) if found == *digest => Ok(outcome),
            found => Err(conflict(found)),
        }
    }

    fn manifest_call(&self, method: Method, repository: &RepositoryPath, reference: &ImageReference) -> Call {
        let accept = "application/vnd.oci.image.manifest.v1+json, \
                      application/vnd.docker.distribution.manifest.v2+json, \
                      application/vnd.oci.image.index.v1+json, \
                      application/vnd.docker.distribution.manifest.list.v2+json";
        let url = self.url(&format!("{repository}/manifests/{reference}"));
        let what = place(repository, reference);
        Call::new(method, url, auth::pull(repository.as_str()), what).header(ACCEPT, accept)
    }
}

fn place(repository: &RepositoryPath, reference: &ImageReference) -> String {
    match reference {
        ImageReference::Tag(tag) => format!("{repository}:{tag}"),
        ImageReference::Digest(digest) => format!("{repository}@{digest}"),
    }
}

fn content_digest(headers: &HeaderMap) -> Option<Digest> {
    headers.get(CONTENT_DIGEST)?.to_str().ok()?.parse().ok()
}

fn media_type(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    Some(text.split(';').next().unwrap_or(text).trim().to_owned())
}
