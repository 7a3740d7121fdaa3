//! What every adapter checks alike.

use serde_json::{Map, Value as Json, json};
use stageway_core::call::Image;
use stageway_core::digest::Digest;
use stageway_core::image::{ImageReference, ManifestParts, RepositoryPath, TagName};
use stageway_ports::{Manifest, RegistryError};
use std::fmt::Display;

pub(super) fn invalid(error: impl Display) -> RegistryError {
    RegistryError::Invalid(error.to_string())
}

pub(super) fn repository(text: &str) -> Result<RepositoryPath, RegistryError> {
    text.parse().map_err(invalid)
}

pub(super) fn tag(text: &str) -> Result<TagName, RegistryError> {
    text.parse().map_err(invalid)
}

pub(super) fn reference(text: &str) -> Result<ImageReference, RegistryError> {
    text.parse().map_err(invalid)
}

/// What the caller gives is invalid where it is no manifest.
pub(super) fn given(manifest: &Manifest) -> Result<ManifestParts, RegistryError> {
    ManifestParts::read(&manifest.bytes, &manifest.media_type).map_err(invalid)
}

/// What a registry gives is corrupt where it is no manifest.
pub(super) fn received(place: &impl Display, manifest: &Manifest) -> Result<ManifestParts, RegistryError> {
    ManifestParts::read(&manifest.bytes, &manifest.media_type)
        .map_err(|error| RegistryError::Corrupt(format!("{place}: {error}")))
}

/// The bytes must be those of the digest.
pub(super) fn bytes(place: &impl Display, bytes: &[u8], expected: &Digest) -> Result<(), RegistryError> {
    match Digest::of(bytes) {
        found if found == *expected => Ok(()),
        found => Err(RegistryError::Corrupt(format!("{place} has the bytes of {found}, not of {expected}"))),
    }
}

/// What `find` answers of a manifest.
pub(super) fn image(place: &impl Display, manifest: &Manifest) -> Result<Image, RegistryError> {
    let details = received(place, manifest)?.details();
    let digest = Digest::of(&manifest.bytes);
    Ok(Image { digest, media_type: manifest.media_type.clone(), details })
}

/// What `facts` answers: nothing here keeps a tag from moving.
pub(super) fn facts() -> Map<String, Json> {
    Map::from_iter([("immutability".to_owned(), json!("none"))])
}
