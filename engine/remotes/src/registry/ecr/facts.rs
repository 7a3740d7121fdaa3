use super::EcrRegistry;
use super::failure::Asked;
use aws_sdk_ecr::types::{ImageIdentifier, ImageTagMutability, Repository};
use serde_json::{Map, Value as Json, json};
use stageway_core::digest::Digest;
use stageway_core::image::RepositoryPath;
use stageway_ports::RegistryError;

impl EcrRegistry {
    /// Whether tags of a repository move.
    pub(super) async fn immutability(
        &self,
        repository: &RepositoryPath,
    ) -> Result<Map<String, Json>, RegistryError> {
        let asked = Asked { action: "ecr:DescribeRepositories", what: repository.as_str() };
        let call = self.client.describe_repositories().registry_id(&self.account);
        let answer = call.repository_names(repository.as_str()).send().await;
        let answer = answer.map_err(|error| asked.failed(error))?;
        let absent = || RegistryError::NotFound(repository.to_string());
        Ok(mutability(answer.repositories().first().ok_or_else(absent)?))
    }

    /// What a scan of an image found: its state, and how many findings of each severity. None: it was not scanned.
    pub(super) async fn scan_findings(
        &self,
        repository: &RepositoryPath,
        digest: &Digest,
    ) -> Result<Option<Json>, RegistryError> {
        let what = format!("{repository}@{digest}");
        let asked = Asked { action: "ecr:DescribeImageScanFindings", what: &what };
        let image = ImageIdentifier::builder().image_digest(digest.to_string()).build();
        let call = self.client.describe_image_scan_findings().registry_id(&self.account);
        let answer = match call.repository_name(repository.as_str()).image_id(image).send().await {
            Ok(answer) => answer,
            Err(error) if error.as_service_error().is_some_and(|e| e.is_scan_not_found_exception()) => {
                return Ok(None);
            }
            Err(error) => return Err(asked.failed(error)),
        };
        let state = answer.image_scan_status().and_then(|status| status.status());
        let counts = answer.image_scan_findings().and_then(|findings| findings.finding_severity_counts());
        let counts = counts.into_iter().flatten();
        let counts: Map<String, Json> =
            counts.map(|(severity, n)| (severity.as_str().to_ascii_lowercase(), json!(n))).collect();
        let state = state.map(|state| state.as_str().to_ascii_lowercase());
        Ok(Some(json!({ "status": state, "counts": counts })))
    }
}

/// `immutability`, and the tags that are excepted from it.
fn mutability(repository: &Repository) -> Map<String, Json> {
    let excepted = repository.image_tag_mutability_exclusion_filters().iter();
    let excepted: Vec<&str> = excepted.map(|filter| filter.filter()).collect();
    let (kept, exception) = match repository.image_tag_mutability() {
        Some(ImageTagMutability::Immutable) => ("tags", None),
        Some(ImageTagMutability::ImmutableWithExclusion) => ("tags", Some("mutable-tags")),
        Some(ImageTagMutability::MutableWithExclusion) => ("none", Some("immutable-tags")),
        _ => ("none", None),
    };
    let mut facts = Map::from_iter([("immutability".to_owned(), json!(kept))]);
    facts.extend(exception.map(|key| (key.to_owned(), json!(excepted))));
    facts
}
