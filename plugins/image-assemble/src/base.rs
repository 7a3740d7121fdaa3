//! The image that an image starts from.

use serde::Deserialize;
use serde_json::{Map, Value};
use stageway_sdk::images::{self, Reference};
use stageway_sdk::{Doing, Verdict};

use crate::assembly::{Blob, LAYER_TYPE};

const PLATFORM: &str = "linux/amd64";

/// Configuration and layers of the base, or of nothing.
#[derive(Debug, Clone)]
pub(crate) struct Base {
    /// Repository and digest that the layers are copied from; none for nothing.
    pub(crate) source: Option<(String, String)>,
    /// The image's configuration (OCI image specification).
    pub(crate) configuration: Map<String, Value>,
    pub(crate) layers: Vec<Blob>,
}

/// An index or a manifest, whichever it is; of Docker or of OCI.
#[derive(Deserialize)]
struct Document {
    manifests: Option<Vec<Child>>,
    layers: Option<Vec<Layer>>,
}

#[derive(Deserialize)]
struct Child {
    digest: String,
    platform: Option<Platform>,
}

#[derive(Deserialize)]
struct Platform {
    os: String,
    architecture: String,
    variant: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layer {
    media_type: String,
    digest: String,
    size: u64,
}

#[derive(Deserialize)]
struct Facts {
    config: Option<Map<String, Value>>,
}

impl Base {
    /// Nothing, for a platform.
    pub(crate) fn empty(platform: Option<&str>) -> Self {
        let mut parts = platform.unwrap_or(PLATFORM).split('/');
        let names = ["os", "architecture", "variant"];
        let configuration =
            names.iter().filter_map(|name| Some(((*name).to_owned(), Value::from(parts.next()?))));
        Self { source: None, configuration: configuration.collect(), layers: Vec::new() }
    }

    /// Reads an image; of an index the child for the platform.
    pub(crate) fn read(reference: &Reference, platform: Option<&str>) -> Result<Self, Verdict> {
        let repository = &reference.repository;
        let found = images::find(repository, reference.version())
            .doing(format_args!("looking for the base {reference}"))?;
        let mut digest = found
            .ok_or_else(|| {
                Verdict::failed("stageway/base-missing", format!("there is no image {reference}"))
            })?
            .digest;
        let mut document = document(repository, &digest)?;
        if let Some(children) = &document.manifests {
            digest = child(children, platform.unwrap_or(PLATFORM))
                .ok_or_else(|| no_platform(reference, platform))?
                .to_owned();
            document = self::document(repository, &digest)?;
        }
        let layers = document.layers.unwrap_or_default().into_iter().map(Layer::into_blob).collect();
        let facts: Facts = images::facts(repository, Some(&digest))
            .doing(format_args!("reading the configuration of {reference}"))?;
        let configuration = facts.config.ok_or_else(|| {
            Verdict::errored(
                "stageway/base-unreadable",
                format!("the registry tells no configuration of {repository}@{digest}"),
            )
        })?;
        Ok(Self { source: Some((repository.clone(), digest)), configuration, layers })
    }
}

fn document(repository: &str, digest: &str) -> Result<Document, Verdict> {
    let text = images::manifest(repository, digest).doing(format_args!("reading {repository}@{digest}"))?;
    serde_json::from_str(&text).map_err(|error| {
        Verdict::errored(
            "stageway/base-unreadable",
            format!("the manifest {repository}@{digest} is not readable: {error}"),
        )
    })
}

/// The digest of the child for a platform; a platform without a variant takes the first that fits.
fn child<'a>(children: &'a [Child], platform: &str) -> Option<&'a str> {
    let fits = |child: &&Child| {
        child.platform.as_ref().is_some_and(|there| {
            let short = format!("{}/{}", there.os, there.architecture);
            let long = there.variant.as_ref().map(|variant| format!("{short}/{variant}"));
            platform == short || Some(platform) == long.as_deref()
        })
    };
    children.iter().find(fits).map(|child| child.digest.as_str())
}

fn no_platform(reference: &Reference, platform: Option<&str>) -> Verdict {
    let platform = platform.unwrap_or(PLATFORM);
    Verdict::failed(
        "stageway/base-platform",
        format!("{reference} has no image for {platform}: name another in `platform`"),
    )
}

impl Layer {
    /// Docker's names for layers mean the same bytes as those of OCI.
    fn into_blob(self) -> Blob {
        let media_type = match self.media_type.as_str() {
            "application/vnd.docker.image.rootfs.diff.tar.gzip" => LAYER_TYPE.to_owned(),
            "application/vnd.docker.image.rootfs.diff.tar" => {
                "application/vnd.oci.image.layer.v1.tar".to_owned()
            }
            _ => self.media_type,
        };
        Blob { media_type, digest: self.digest, size: self.size, diff_id: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_child_is_the_one_for_the_platform() {
        let index: Document = serde_json::from_str(
            r#"{"manifests":[
                {"digest":"sha256:attestation"},
                {"digest":"sha256:arm","platform":{"os":"linux","architecture":"arm64","variant":"v8"}},
                {"digest":"sha256:amd","platform":{"os":"linux","architecture":"amd64"}}]}"#,
        )
        .unwrap();
        let children = index.manifests.unwrap();
        assert_eq!(child(&children, "linux/amd64"), Some("sha256:amd"));
        assert_eq!(child(&children, "linux/arm64"), Some("sha256:arm"));
        assert_eq!(child(&children, "linux/arm64/v8"), Some("sha256:arm"));
        assert_eq!(child(&children, "linux/arm64/v7"), None);
    }

    #[test]
    fn docker_layers_are_layers() {
        let document: Document = serde_json::from_str(
            r#"{"layers":[{"mediaType":"application/vnd.docker.image.rootfs.diff.tar.gzip","digest":"sha256:1","size":2}]}"#,
        )
        .unwrap();
        let layers: Vec<Blob> = document.layers.unwrap().into_iter().map(Layer::into_blob).collect();
        assert_eq!(layers[0].media_type, LAYER_TYPE);
    }
}
