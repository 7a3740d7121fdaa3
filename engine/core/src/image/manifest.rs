use crate::call::Content;
use crate::digest::Digest;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// A manifest has at most this many bytes (what registries accept).
pub const MAX_MANIFEST: usize = 4 << 20;

/// What a manifest is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ManifestKind {
    /// A configuration and layers.
    Image,
    /// Other manifests.
    Index,
}

impl ManifestKind {
    /// The media types that are read: OCI and Docker, images and indexes.
    pub const MEDIA_TYPES: [(&'static str, Self); 4] = [
        ("application/vnd.oci.image.manifest.v1+json", Self::Image),
        ("application/vnd.docker.distribution.manifest.v2+json", Self::Image),
        ("application/vnd.oci.image.index.v1+json", Self::Index),
        ("application/vnd.docker.distribution.manifest.list.v2+json", Self::Index),
    ];

    /// The kind of a media type; none if it is not one that is read.
    pub fn of(media_type: &str) -> Option<Self> {
        Self::MEDIA_TYPES.iter().find(|(known, _)| *known == media_type).map(|(_, kind)| *kind)
    }
}

/// A blob that a manifest names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its digest and size.
    pub content: Content,
    /// Its media type.
    pub media_type: String,
    /// It is fetched from elsewhere and need not be in the repository.
    pub foreign: bool,
}

/// A manifest that an index names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    /// Its digest and size.
    pub content: Content,
    /// Its media type.
    pub media_type: String,
    /// `os/architecture` or `os/architecture/variant`; none where the index does not say.
    pub platform: Option<String>,
}

/// What a manifest names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestParts {
    /// Image or index.
    pub kind: ManifestKind,
    /// The configuration of an image.
    pub config: Option<Part>,
    /// The layers of an image, lowest first.
    pub layers: Vec<Part>,
    /// The manifests of an index, in its order.
    pub children: Vec<Child>,
}

/// Why bytes are not a manifest that can be handled.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ManifestError {
    /// More than [`MAX_MANIFEST`] bytes.
    #[error("the manifest has {0} bytes; at most {MAX_MANIFEST} are read")]
    TooLarge(usize),
    /// The media type is none of [`ManifestKind::MEDIA_TYPES`].
    #[error("`{0}` is not the media type of an image or index")]
    MediaType(String),
    /// The manifest calls itself something else.
    #[error("the manifest calls itself `{inside}` but is given as `{given}`")]
    Differs {
        /// Its own `mediaType`.
        inside: String,
        /// What the registry or caller says.
        given: String,
    },
    /// Not the JSON of a manifest.
    #[error("the manifest cannot be read: {0}")]
    Malformed(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: u32,
    media_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: Digest,
    size: u64,
    #[serde(default)]
    urls: Vec<String>,
    platform: Option<Platform>,
}

#[derive(Deserialize)]
struct Platform {
    os: String,
    architecture: String,
    variant: Option<String>,
}

impl ManifestParts {
    /// Reads a manifest of this media type.
    ///
    /// # Errors
    /// [`ManifestError`], as its variants say; digests that are not sha256 are malformed.
    pub fn read(bytes: &[u8], media_type: &str) -> Result<Self, ManifestError> {
        if bytes.len() > MAX_MANIFEST {
            return Err(ManifestError::TooLarge(bytes.len()));
        }
        let cut = |text: &str| text.chars().filter(|c| !c.is_control()).take(200).collect::<String>();
        let kind = ManifestKind::of(media_type).ok_or_else(|| ManifestError::MediaType(cut(media_type)))?;
        let document: Document =
            serde_json::from_slice(bytes).map_err(|e| ManifestError::Malformed(cut(&e.to_string())))?;
        if document.schema_version != 2 {
            return Err(ManifestError::Malformed("its `schemaVersion` is not 2".into()));
        }
        match document.media_type.as_deref() {
            Some(inside) if inside != media_type => {
                return Err(ManifestError::Differs { inside: cut(inside), given: cut(media_type) });
            }
            _ => {}
        }
        document.parts(kind)
    }

    /// The media type that a manifest gives itself, or that follows from its shape; for layouts and registries that do
    /// not say it.
    pub fn media_type_of(bytes: &[u8]) -> Option<String> {
        let document: Document = serde_json::from_slice(bytes).ok()?;
        let by_shape = if document.manifests.is_some() {
            "application/vnd.oci.image.index.v1+json"
        } else {
            "application/vnd.oci.image.manifest.v1+json"
        };
        Some(document.media_type.unwrap_or_else(|| by_shape.to_owned()))
    }

    /// The blobs that must be in the repository: configuration first, then layers, each once.
    pub fn blobs(&self) -> Vec<Content> {
        let mut seen = BTreeSet::new();
        let parts = self.config.iter().chain(&self.layers).filter(|part| !part.foreign);
        parts.map(|part| part.content).filter(|content| seen.insert(content.digest)).collect()
    }

    /// What `images.find` tells beside digest and media type: of an image the `size` of configuration and layers in
    /// bytes, of an index its `platforms`.
    pub fn details(&self) -> Json {
        let mut details = Map::new();
        match self.kind {
            ManifestKind::Image => {
                let parts = self.config.iter().chain(&self.layers);
                let size = parts.fold(0_u64, |sum, part| sum.saturating_add(part.content.size));
                details.insert("size".into(), json!(size));
            }
            ManifestKind::Index => {
                let platforms: BTreeMap<&str, ()> =
                    self.children.iter().filter_map(|child| Some((child.platform.as_deref()?, ()))).collect();
                details.insert("platforms".into(), json!(platforms.keys().collect::<Vec<_>>()));
            }
        }
        Json::Object(details)
    }
}

impl Document {
    fn parts(self, kind: ManifestKind) -> Result<ManifestParts, ManifestError> {
        let malformed = |what: &str| ManifestError::Malformed(what.to_owned());
        let mut parts = ManifestParts { kind, config: None, layers: Vec::new(), children: Vec::new() };
        match (kind, self.config, self.layers, self.manifests) {
            (ManifestKind::Image, Some(config), Some(layers), None) => {
                parts.config = Some(config.part());
                parts.layers = layers.into_iter().map(Descriptor::part).collect();
            }
            (ManifestKind::Index, None, None, Some(manifests)) => {
                parts.children = manifests.into_iter().map(Descriptor::child).collect();
            }
            (ManifestKind::Image, ..) => {
                return Err(malformed("an image has `config` and `layers` and no `manifests`"));
            }
            (ManifestKind::Index, ..) => {
                return Err(malformed("an index has `manifests` and neither `config` nor `layers`"));
            }
        }
        Ok(parts)
    }
}

impl Descriptor {
    fn part(self) -> Part {
        let elsewhere = self.media_type.contains("nondistributable") || self.media_type.contains(".foreign.");
        Part {
            content: Content { digest: self.digest, size: self.size },
            foreign: elsewhere || !self.urls.is_empty(),
            media_type: self.media_type,
        }
    }

    fn child(self) -> Child {
        let platform = self.platform.map(|p| match p.variant {
            Some(variant) => format!("{}/{}/{variant}", p.os, p.architecture),
            None => format!("{}/{}", p.os, p.architecture),
        });
        let content = Content { digest: self.digest, size: self.size };
        Child { content, media_type: self.media_type, platform }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
    const INDEX: &str = "application/vnd.oci.image.index.v1+json";

    fn descriptor(bytes: &[u8]) -> Json {
        json!({"mediaType": "application/octet-stream", "digest": Digest::of(bytes), "size": bytes.len()})
    }

    #[test]
    fn an_image_names_its_blobs_once_and_not_the_foreign_ones() {
        let mut foreign = descriptor(b"f");
        foreign["urls"] = json!(["https://example.com/f"]);
        let layers = json!([descriptor(b"ab"), descriptor(b"ab"), foreign]);
        let bytes = json!({"schemaVersion": 2, "config": descriptor(b"c"), "layers": layers}).to_string();
        let parts = ManifestParts::read(bytes.as_bytes(), IMAGE).unwrap();
        assert_eq!(parts.blobs().iter().map(|c| c.size).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(parts.details(), json!({"size": 6}));
        assert_eq!(ManifestParts::media_type_of(bytes.as_bytes()).as_deref(), Some(IMAGE));
    }

    #[test]
    fn an_index_names_its_children_and_platforms() {
        let mut child = descriptor(b"{}");
        child["platform"] = json!({"os": "linux", "architecture": "arm", "variant": "v7"});
        let bytes = json!({"schemaVersion": 2, "manifests": [child, descriptor(b"x")]}).to_string();
        let parts = ManifestParts::read(bytes.as_bytes(), INDEX).unwrap();
        assert_eq!((parts.children.len(), parts.blobs().len()), (2, 0));
        assert_eq!(parts.details(), json!({"platforms": ["linux/arm/v7"]}));
    }

    #[test]
    fn what_is_no_manifest_is_refused() {
        let good = json!({"schemaVersion": 2, "config": descriptor(b"c"), "layers": []});
        let with = |key: &str, value: Json| {
            let mut changed = good.clone();
            changed[key] = value;
            changed.to_string()
        };
        let cases = [
            (with("schemaVersion", json!(1)), IMAGE),
            (with("mediaType", json!(INDEX)), IMAGE),
            (with("manifests", json!([])), IMAGE),
            (with("layers", json!([{"digest": "sha512:00"}])), IMAGE),
            (good.to_string(), INDEX),
            (good.to_string(), "text/plain"),
            ("[".into(), IMAGE),
            (" ".repeat(MAX_MANIFEST + 1), IMAGE),
        ];
        for (bytes, media_type) in cases {
            let answer = ManifestParts::read(bytes.as_bytes(), media_type);
            assert!(answer.is_err(), "{media_type} {}", &bytes[..bytes.len().min(100)]);
        }
    }
}
