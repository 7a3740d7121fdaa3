use super::EcrRegistry;
use super::failure::{Asked, lacks_repository};
use crate::registry::check;
use aws_sdk_ecr::operation::put_image::PutImageError;
use aws_sdk_ecr::types::{ImageFailureCode, ImageIdentifier, TagStatus};
use stageway_core::call::Outcome;
use stageway_core::digest::Digest;
use stageway_core::image::{ImageReference, ManifestParts, RepositoryPath, TagName};
use stageway_ports::{Manifest, RegistryError};

/// The manifests that are understood; without them ECR would convert to what it thinks we are.
const ACCEPTED: [&str; 4] = [
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
];
const PAGE: i32 = 1_000;
/// More tags than that in one repository are not listed: ECR cannot start in the middle, so all are read.
const MAX_PAGES: usize = 200;

/// What became of putting an image.
enum Put {
    Done,
    /// The same image is there, under the same tag.
    Already,
    /// The tag is there and cannot move.
    TagTaken,
    /// The manifest names what the repository has not got.
    Incomplete(RegistryError),
}

impl EcrRegistry {
    /// The manifest under a tag or digest; none if there is none, or no such repository.
    pub(super) async fn read(
        &self,
        repository: &RepositoryPath,
        reference: &ImageReference,
    ) -> Result<Option<Manifest>, RegistryError> {
        let place = place(repository, reference);
        let asked = Asked { action: "ecr:BatchGetImage", what: &place };
        let call =
            self.client.batch_get_image().registry_id(&self.account).repository_name(repository.as_str());
        let call = call.set_accepted_media_types(Some(ACCEPTED.map(String::from).to_vec()));
        let answer = match call.image_ids(identifier(reference)).send().await {
            Ok(answer) => answer,
            Err(error) if lacks_repository(&error) => return Ok(None),
            Err(error) => return Err(asked.failed(error)),
        };
        let Some(image) = answer.images().first() else {
            return match answer.failures().first() {
                Some(failure) if failure.failure_code() != Some(&ImageFailureCode::ImageNotFound) => {
                    let reason: String =
                        failure.failure_reason().unwrap_or_default().chars().take(400).collect();
                    Err(RegistryError::Unavailable(format!(
                        "{place}: ECR answers {}: {reason}",
                        asked.action
                    )))
                }
                _ => Ok(None),
            };
        };
        let bytes = image.image_manifest().unwrap_or_default().as_bytes().to_vec();
        let told = image.image_id().and_then(|id| id.image_digest()).and_then(|text| text.parse().ok());
        let expected = match reference {
            ImageReference::Digest(digest) => Some(*digest),
            ImageReference::Tag(_) => told,
        };
        if let Some(expected) = expected {
            check::bytes(&place, &bytes, &expected)?;
        }
        let media_type = image.image_manifest_media_type().map(str::to_owned);
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

    /// What a tag names now.
    async fn resolve(
        &self,
        repository: &RepositoryPath,
        tag: &TagName,
    ) -> Result<Option<Digest>, RegistryError> {
        let found = self.read(repository, &ImageReference::Tag(tag.clone())).await?;
        Ok(found.map(|manifest| Digest::of(&manifest.bytes)))
    }

    /// Puts a manifest without a tag.
    pub(super) async fn store_manifest(
        &self,
        repository: &RepositoryPath,
        manifest: &Manifest,
    ) -> Result<Outcome, RegistryError> {
        let digest = Digest::of(&manifest.bytes);
        check::given(manifest)?;
        if self.read(repository, &ImageReference::Digest(digest)).await?.is_some() {
            return Ok(Outcome::Already);
        }
        match self.put(repository, &digest, manifest, None).await? {
            Put::Done => Ok(Outcome::Created),
            Put::Already | Put::TagTaken => Ok(Outcome::Already),
            Put::Incomplete(error) => Err(error),
        }
    }

    /// Compare-and-set as far as ECR lets: read, put, read again.
    pub(super) async fn set_tag(
        &self,
        repository: &RepositoryPath,
        digest: &Digest,
        tag: &TagName,
        replaces: Option<&Digest>,
    ) -> Result<Outcome, RegistryError> {
        let conflict = |found| RegistryError::conflict(repository.as_str(), tag.as_str(), found, replaces);
        let manifest = self.read_digest(repository, digest).await?;
        let now = self.resolve(repository, tag).await?;
        let outcome = Outcome::of_tag(now.as_ref(), digest, replaces).map_err(conflict)?;
        if outcome == Outcome::Already {
            return Ok(outcome);
        }
        let outcome = match self.put(repository, digest, &manifest, Some(tag)).await? {
            Put::Done => outcome,
            // Somebody was faster; what the tag names now tells whether with the same image.
            Put::Already | Put::TagTaken => Outcome::Already,
            Put::Incomplete(error) => return Err(error),
        };
        match self.resolve(repository, tag).await? {
            Some(found) if found == *digest => Ok(outcome),
            found => Err(conflict(found)),
        }
    }

    async fn put(
        &self,
        repository: &RepositoryPath,
        digest: &Digest,
        manifest: &Manifest,
        tag: Option<&TagName>,
    ) -> Result<Put, RegistryError> {
        let place = format!("{repository}@{digest}");
        let asked = Asked { action: "ecr:PutImage", what: &place };
        let text = std::str::from_utf8(&manifest.bytes).map_err(check::invalid)?;
        let call = self.client.put_image().registry_id(&self.account).repository_name(repository.as_str());
        let call = call.image_manifest(text).image_manifest_media_type(&manifest.media_type);
        let call =
            call.image_digest(digest.to_string()).set_image_tag(tag.map(|tag| tag.as_str().to_owned()));
        let Err(error) = call.send().await else { return Ok(Put::Done) };
        match error.as_service_error() {
            Some(PutImageError::ImageAlreadyExistsException(_)) => Ok(Put::Already),
            Some(PutImageError::ImageTagAlreadyExistsException(_)) => Ok(Put::TagTaken),
            Some(
                PutImageError::LayersNotFoundException(_)
                | PutImageError::ReferencedImagesNotFoundException(_),
            ) => match self.missing(repository, manifest).await? {
                missing if missing.is_empty() => Err(asked.failed(error)),
                missing => Ok(Put::Incomplete(RegistryError::Incomplete(missing))),
            },
            _ => Err(asked.failed(error)),
        }
    }

    /// What ECR refuses a manifest for, told whole.
    async fn missing(
        &self,
        repository: &RepositoryPath,
        manifest: &Manifest,
    ) -> Result<Vec<String>, RegistryError> {
        let parts = check::given(manifest)?;
        let mut missing = self.registry().await?.missing_blobs(repository, &parts).await?;
        for child in &parts.children {
            let reference = ImageReference::Digest(child.content.digest);
            if self.read(repository, &reference).await?.is_none() {
                missing.push(child.content.digest.to_string());
            }
        }
        Ok(missing)
    }

    /// Tags in order, after one.
    pub(super) async fn list_tags(
        &self,
        repository: &RepositoryPath,
        after: Option<&str>,
        max: usize,
    ) -> Result<Vec<String>, RegistryError> {
        let what = format!("the tags of {repository}");
        let asked = Asked { action: "ecr:ListImages", what: &what };
        let tagged = aws_sdk_ecr::types::ListImagesFilter::builder().tag_status(TagStatus::Tagged).build();
        let call = self.client.list_images().registry_id(&self.account).repository_name(repository.as_str());
        let mut pages = call.filter(tagged).into_paginator().page_size(PAGE).send();
        let mut tags: Vec<String> = Vec::new();
        for _ in 0..MAX_PAGES {
            let Some(page) = pages.next().await else { break };
            let page = page.map_err(|error| asked.failed(error))?;
            let found = page.image_ids().iter().filter_map(ImageIdentifier::image_tag);
            let wanted = found.filter(|tag| after.is_none_or(|after| *tag > after));
            tags.extend(wanted.filter(|tag| tag.parse::<TagName>().is_ok()).map(str::to_owned));
        }
        tags.sort();
        tags.dedup();
        tags.truncate(max);
        Ok(tags)
    }

    /// Creates a repository, if the connection may. Created meanwhile by somebody else is as well.
    pub(super) async fn create_repository(&self, repository: &RepositoryPath) -> Result<(), RegistryError> {
        let asked = Asked { action: "ecr:CreateRepository", what: repository.as_str() };
        let call = self.client.create_repository().registry_id(&self.account);
        match call.repository_name(repository.as_str()).send().await {
            Ok(_) => Ok(()),
            Err(error)
                if error.as_service_error().is_some_and(|e| e.is_repository_already_exists_exception()) =>
            {
                Ok(())
            }
            Err(error) => Err(asked.failed(error)),
        }
    }
}

fn identifier(reference: &ImageReference) -> ImageIdentifier {
    match reference {
        ImageReference::Tag(tag) => ImageIdentifier::builder().image_tag(tag.as_str()).build(),
        ImageReference::Digest(digest) => ImageIdentifier::builder().image_digest(digest.to_string()).build(),
    }
}

fn place(repository: &RepositoryPath, reference: &ImageReference) -> String {
    match reference {
        ImageReference::Tag(tag) => format!("{repository}:{tag}"),
        ImageReference::Digest(digest) => format!("{repository}@{digest}"),
    }
}
