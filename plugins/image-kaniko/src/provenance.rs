//! What an image was made of, as a statement that the registry keeps beside it.
//!
//! Sources: SLSA provenance v1 (<https://slsa.dev/spec/v1.0/provenance>), in-toto statement v1
//! (<https://github.com/in-toto/attestation>), the `subject` of a manifest (OCI image specification 1.1).

use crate::inputs::Inputs;
use serde_json::{Value as Json, json};
use stageway_sdk::images::Reference;

pub(crate) const STATEMENT_TYPE: &str = "application/vnd.in-toto+json";
pub(crate) const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const EMPTY_TYPE: &str = "application/vnd.oci.empty.v1+json";
/// What every manifest without a configuration names as one.
pub(crate) const EMPTY: &[u8] = b"{}";

/// Who built, as far as the engine tells it.
pub(crate) struct Invocation<'a> {
    pub(crate) run: String,
    pub(crate) stage: String,
    pub(crate) attempt: u32,
    pub(crate) event: &'a Json,
}

/// A statement about one image.
pub(crate) fn statement(
    repository: &str,
    digest: &str,
    inputs: &Inputs,
    kaniko: &Reference,
    by: &Invocation,
) -> String {
    let files = inputs.files.iter().filter_map(|file| {
        let digest = hex(file.digest.as_deref()?);
        Some(json!({"uri": format!("workspace:{}", file.path), "digest": {"sha256": digest}}))
    });
    let tool =
        kaniko.digest().map(|digest| json!({"uri": kaniko.to_string(), "digest": {"sha256": hex(digest)}}));
    let text = |name: &str| by.event.get(name).and_then(Json::as_str);
    // A revision that is no commit is the digest of files that nobody pushed.
    let commit = text("revision").filter(|revision| revision.len() == 40).map(|revision| {
        let place = text("repository").unwrap_or_default();
        json!({"uri": format!("git+{place}@{}", text("ref").unwrap_or_default()), "digest": {"gitCommit": revision}})
    });
    let dependencies: Vec<Json> = commit.into_iter().chain(tool).chain(files).collect();
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": repository, "digest": {"sha256": hex(digest)}}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": "https://stageway.dev/image-kaniko/v1",
                "externalParameters": {"build": inputs.build, "platforms": inputs.platforms},
                "internalParameters": {"kaniko": kaniko},
                "resolvedDependencies": dependencies
            },
            "runDetails": {
                "builder": {
                    "id": "https://stageway.dev/plugins/image-kaniko",
                    "version": {"stageway/image-kaniko": env!("CARGO_PKG_VERSION")}
                },
                "metadata": {"invocationId": format!("{}/{}/{}", by.run, by.stage, by.attempt)}
            }
        }
    })
    .to_string()
}

/// An image as its registry describes it.
pub(crate) struct Described {
    pub(crate) digest: String,
    pub(crate) media_type: String,
    pub(crate) size: usize,
}

impl Described {
    fn descriptor(&self) -> Json {
        json!({"mediaType": self.media_type, "digest": self.digest, "size": self.size})
    }
}

/// The manifest that attaches a statement to an image.
pub(crate) fn manifest(subject: &Described, statement: &Described, empty: &Described) -> String {
    json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "artifactType": STATEMENT_TYPE,
        "config": empty.descriptor(),
        "layers": [statement.descriptor()],
        "subject": subject.descriptor()
    })
    .to_string()
}

/// The index of images for several platforms.
pub(crate) fn index(images: &[(&str, Described)]) -> String {
    let manifests: Vec<Json> = images
        .iter()
        .map(|(platform, image)| {
            let mut descriptor = image.descriptor();
            let mut parts = platform.split('/');
            descriptor["platform"] = json!({
                "os": parts.next().unwrap_or_default(),
                "architecture": parts.next().unwrap_or_default()
            });
            if let Some(variant) = parts.next() {
                descriptor["platform"]["variant"] = variant.into();
            }
            descriptor
        })
        .collect();
    json!({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": manifests}).to_string()
}

pub(crate) const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";

fn hex(digest: &str) -> &str {
    digest.strip_prefix("sha256:").unwrap_or(digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::example;

    #[test]
    fn a_statement_names_the_image_and_everything_it_was_made_of() {
        let configuration = example(json!({"target": "release"}));
        let files = vec![
            serde_json::from_value(json!({"path": "Dockerfile", "kind": "file", "digest": "sha256:aa"}))
                .unwrap(),
            serde_json::from_value(json!({"path": "link", "kind": "link", "target": "x"})).unwrap(),
        ];
        let inputs = Inputs::of(&configuration, files);
        let revision = "1".repeat(40);
        let event = json!({"revision": revision, "repository": "acme/orderbook", "ref": "refs/heads/main"});
        let by = Invocation { run: "r".into(), stage: "image".into(), attempt: 1, event: &event };
        let text = statement("build/orderbook", "sha256:bb", &inputs, &configuration.kaniko, &by);
        let statement: Json = serde_json::from_str(&text).unwrap();
        assert_eq!(statement["subject"][0], json!({"name": "build/orderbook", "digest": {"sha256": "bb"}}));
        let dependencies = &statement["predicate"]["buildDefinition"]["resolvedDependencies"];
        assert_eq!(dependencies[0]["digest"]["gitCommit"], revision);
        assert_eq!(dependencies[0]["uri"], "git+acme/orderbook@refs/heads/main");
        assert_eq!(dependencies[1]["uri"], configuration.kaniko.to_string());
        assert_eq!(dependencies[2], json!({"uri": "workspace:Dockerfile", "digest": {"sha256": "aa"}}));
        assert_eq!(statement["predicate"]["runDetails"]["metadata"]["invocationId"], "r/image/1");
    }

    #[test]
    fn an_index_names_its_platforms() {
        let image =
            |digest: &str| Described { digest: digest.into(), media_type: MANIFEST_TYPE.into(), size: 2 };
        let index: Json =
            serde_json::from_str(&index(&[("linux/amd64", image("a")), ("linux/arm/v7", image("b"))]))
                .unwrap();
        assert_eq!(index["manifests"][0]["platform"], json!({"os": "linux", "architecture": "amd64"}));
        assert_eq!(index["manifests"][1]["platform"]["variant"], "v7");
    }
}
