//! `stageway/image-assemble`: an OCI image from files of the workspace, reproducibly and without a daemon or a build container.

mod assembly;
mod base;

use std::collections::BTreeMap;

use assembly::{Blob, CONFIG_TYPE, MANIFEST_TYPE, Settings};
use base::Base;
use serde::{Deserialize, Serialize};
use stageway_sdk::artifacts::{self, Form};
use stageway_sdk::images::{self, Reference};
use stageway_sdk::manifest::Access;
use stageway_sdk::{Doing, Grant, HostError, Issue, Manifest, Stage, Verdict, log, testing};

struct ImageAssemble;

/// `with`, as `configuration.json` describes it.
#[derive(Debug, Deserialize)]
struct Configuration {
    repository: String,
    base: Option<Reference>,
    files: BTreeMap<String, String>,
    platform: Option<String>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(flatten)]
    settings: Settings,
}

#[derive(Debug, Serialize)]
struct Outputs {
    reference: String,
    repository: String,
    digest: String,
    size: u64,
}

const OUTPUTS: &str = r#"{
  "type": "object",
  "properties": {
    "reference": { "type": "string", "description": "the image: CONNECTION/PATH@sha256:DIGEST" },
    "repository": { "type": "string", "description": "CONNECTION/PATH" },
    "digest": { "type": "string", "description": "sha256:DIGEST" },
    "size": { "type": "integer", "description": "bytes of all its layers, as they are stored" }
  },
  "required": ["reference", "repository", "digest", "size"]
}"#;

impl Stage for ImageAssemble {
    type Configuration = Configuration;
    type Outputs = Outputs;

    fn describe() -> Manifest {
        Manifest::new(
            "stageway/image-assemble",
            env!("CARGO_PKG_VERSION"),
            "Assembles an OCI image from files of the workspace",
        )
        .configuration(include_str!("configuration.json"))
        .outputs(OUTPUTS)
        .requires(Grant::artifacts(Access::Write))
        .requires(Grant::images().repository("/repository", &["push", "tag"]).repository("/base", &["read"]))
        .timeout("15m")
        .idempotent()
    }

    fn validate(configuration: &Configuration) -> Vec<Issue> {
        let mut issues = Vec::new();
        issues.extend(images::check_repository("/repository", &configuration.repository));
        for (place, path) in &configuration.files {
            let pointer = format!("/files/{}", place.replace('~', "~0").replace('/', "~1"));
            let inside = place.trim_start_matches('/');
            issues.extend(testing::check_path(&pointer, path));
            issues.extend((!inside.is_empty()).then(|| testing::check_path(&pointer, inside)).flatten());
        }
        issues.extend(images::check_tags("/tags", &configuration.tags));
        issues
    }

    fn run(configuration: Configuration) -> Result<Outputs, Verdict> {
        let base = match &configuration.base {
            Some(reference) => Base::read(reference, configuration.platform.as_deref())?,
            None => Base::empty(configuration.platform.as_deref()),
        };
        let paths = assembly::paths(&configuration.files);
        let layer = artifacts::save("layer", &paths, Form::OciLayer).map_err(missing_file)?;
        let layer = Blob::layer(&layer)
            .ok_or_else(|| Verdict::errored("stageway/unexpected-answer", "the layer has no diff-id"))?;
        let image_configuration = assembly::configuration(&base, &configuration.settings, &layer);
        let digest = artifacts::put("config", CONFIG_TYPE, image_configuration.as_bytes())
            .doing("saving the configuration")?;
        let manifest = assembly::manifest(&base, &layer, &digest, image_configuration.len());
        push(&configuration, &base, &manifest, &layer)
    }
}

stageway_sdk::export!(ImageAssemble);

fn push(
    configuration: &Configuration,
    base: &Base,
    manifest: &str,
    layer: &Blob,
) -> Result<Outputs, Verdict> {
    let repository = &configuration.repository;
    if let Some((from, digest)) = base.source.as_ref().filter(|(from, _)| from != repository) {
        images::copy(from, digest, repository).doing(format_args!("copying the base {from}@{digest}"))?;
    }
    let digest =
        images::push(repository, manifest, MANIFEST_TYPE).doing(format_args!("pushing to {repository}"))?;
    images::put_tags(repository, &digest, &configuration.tags)?;
    let reference = Reference::by_digest(repository, &digest).to_string();
    log::info(format!("assembled {reference}"));
    let size = base.layers.iter().map(|layer| layer.size).sum::<u64>() + layer.size;
    Ok(Outputs { reference, repository: repository.clone(), digest, size })
}

/// A file that is not there is the pipeline's mistake, not the registry's.
fn missing_file(error: HostError) -> Verdict {
    match error {
        HostError::InvalidArgument(why) | HostError::NotFound(why) => Verdict::failed(
            "stageway/file-missing",
            format!("the files cannot be taken: {why}; look at `files`, `inputs` and `from` of the stage"),
        ),
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn every_issue_is_found_at_once() {
        let configuration = json!({"repository": "orderbook", "files": {"/app": "../x", "/a/../b": "y", "/": "root"}, "tags": ["a b"], "user": "1"});
        let configuration: Configuration = serde_json::from_value(configuration).unwrap();
        let pointers: Vec<String> =
            ImageAssemble::validate(&configuration).into_iter().map(|issue| issue.pointer).collect();
        assert_eq!(pointers, ["/repository", "/files/~1a~1..~1b", "/files/~1app", "/tags/0"]);
    }

    #[test]
    fn the_manifest_is_json() {
        let manifest: Value = serde_json::from_str(&ImageAssemble::describe().to_json()).unwrap();
        assert_eq!(manifest["grants"]["required"][0], json!({"interface": "artifacts", "access": "write"}));
    }
}
