//! What is attached to an image: a manifest that names it as its `subject`.
//!
//! A registry of version 1.1 of the distribution specification lists them by itself. In older ones an index under a tag that follows
//! from the subject's digest lists them, and who pushes keeps it (section "Referrers Tag Schema"). Such a registry has no
//! compare-and-set: of two engines that write one list in the same instant, one may lose its entry. Within an engine one writes after
//! the other.

use super::OciRegistry;
use super::auth;
use super::call::Call;
use super::failure::Failure;
use reqwest::header::ACCEPT;
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value as Json, json};
use stageway_core::digest::Digest;
use stageway_core::image::{ImageReference, RepositoryPath, TagName};
use stageway_ports::{Manifest, RegistryError};
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use tokio::sync::Mutex;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// How often the list is written again when somebody else wrote it meanwhile.
const TRIES: u32 = 5;
/// Whose turn it is to write a list, over every connection of this process; a list belongs to one of them by its name.
static TURNS: [Mutex<()>; 64] = [const { Mutex::const_new(()) }; 64];

/// What a manifest says of itself as an attachment.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Attached {
    subject: Option<Subject>,
    artifact_type: Option<String>,
    config: Option<Configuration>,
    annotations: Option<Json>,
}

#[derive(Deserialize)]
struct Subject {
    digest: Digest,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    media_type: String,
}

impl OciRegistry {
    /// Lists a manifest that is there among what is attached to its subject; nothing is done where it has none.
    pub(super) async fn list_as_attached(
        &self,
        repository: &RepositoryPath,
        manifest: &Manifest,
    ) -> Result<(), RegistryError> {
        let Ok(Attached { subject: Some(subject), artifact_type, config, annotations }) =
            serde_json::from_slice(&manifest.bytes)
        else {
            return Ok(());
        };
        if self.lists_by_itself(repository, &subject.digest).await? {
            return Ok(());
        }
        let kind = artifact_type.or(config.map(|config| config.media_type));
        let mut descriptor = json!({
            "mediaType": manifest.media_type,
            "digest": Digest::of(&manifest.bytes),
            "size": manifest.bytes.len(),
            "artifactType": kind,
        });
        if let (Some(annotations), Some(members)) = (annotations, descriptor.as_object_mut()) {
            members.insert("annotations".into(), annotations);
        }
        self.add_to_list(repository, &subject.digest, &descriptor).await
    }

    async fn lists_by_itself(
        &self,
        repository: &RepositoryPath,
        subject: &Digest,
    ) -> Result<bool, RegistryError> {
        let url = self.url(&format!("{repository}/referrers/{subject}"));
        let what = format!("what is attached to {repository}@{subject}");
        let call = Call::new(Method::GET, url, auth::pull(repository.as_str()), what).header(ACCEPT, INDEX);
        let response = self.send(&call).await?;
        match response.status() {
            StatusCode::OK => Ok(true),
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => Ok(false),
            _ => Err(Failure::of(response, &call.what).await.into()),
        }
    }

    /// What was written is read again, because somebody else may have written meanwhile.
    async fn add_to_list(
        &self,
        repository: &RepositoryPath,
        subject: &Digest,
        descriptor: &Json,
    ) -> Result<(), RegistryError> {
        let reference = ImageReference::Tag(tag(subject)?);
        let list = self.url(&format!("{repository}/manifests/{reference}"));
        let _turn = turn(list.as_str()).lock().await;
        for _ in 0..TRIES {
            let found = self.read(repository, &reference).await?;
            let Some(index) = with(found.as_ref(), descriptor) else { return Ok(()) };
            let index = Manifest { bytes: index.to_string().into_bytes(), media_type: INDEX.into() };
            self.put(repository, &reference, &index).await?.map_err(RegistryError::from)?;
        }
        let busy = format!("{repository}:{reference}: others write this list all the time");
        Err(RegistryError::Unavailable(busy))
    }
}

fn turn(list: &str) -> &'static Mutex<()> {
    let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(list);
    let [first, ..] = hash.to_le_bytes();
    &TURNS[usize::from(first) % TURNS.len()]
}

fn tag(subject: &Digest) -> Result<TagName, RegistryError> {
    subject.to_string().replace(':', "-").parse().map_err(super::super::check::invalid)
}

/// The list with one more entry; none if it is there already.
fn with(found: Option<&Manifest>, descriptor: &Json) -> Option<Json> {
    let found = found.and_then(|manifest| serde_json::from_slice::<Json>(&manifest.bytes).ok());
    let mut entries = match found {
        Some(mut index) => index["manifests"].as_array_mut().map(std::mem::take).unwrap_or_default(),
        None => Vec::new(),
    };
    if entries.iter().any(|entry| entry["digest"] == descriptor["digest"]) {
        return None;
    }
    entries.push(descriptor.clone());
    Some(json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_grows_by_what_is_not_in_it() {
        let entry = |digest: &str| json!({ "digest": digest });
        let first = with(None, &entry("a")).unwrap();
        let manifest = Manifest { bytes: first.to_string().into_bytes(), media_type: INDEX.into() };
        assert_eq!(with(Some(&manifest), &entry("a")), None);
        let second = with(Some(&manifest), &entry("b")).unwrap();
        assert_eq!(second["manifests"], json!([{ "digest": "a" }, { "digest": "b" }]));
    }

    #[test]
    fn the_tag_follows_from_the_subject() {
        let digest = Digest::of(b"");
        assert_eq!(tag(&digest).unwrap().as_str(), digest.to_string().replace(':', "-"));
    }
}
