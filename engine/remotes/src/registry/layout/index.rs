use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use stageway_core::digest::Digest;
use stageway_core::image::TagName;
use std::collections::BTreeMap;

/// The annotation that holds a tag.
const REF_NAME: &str = "org.opencontainers.image.ref.name";
const MEDIA_TYPE: &str = "application/vnd.oci.image.index.v1+json";

/// `index.json`: which manifests and tags a layout has. What other tools wrote into it stays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Index {
    schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    media_type: Option<String>,
    #[serde(default)]
    manifests: Vec<Entry>,
    #[serde(flatten)]
    rest: Map<String, Json>,
}

/// One manifest, with a tag or without.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry {
    pub(super) media_type: String,
    digest: String,
    size: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
    #[serde(flatten)]
    rest: Map<String, Json>,
}

impl Default for Index {
    fn default() -> Self {
        Self {
            schema_version: 2,
            media_type: Some(MEDIA_TYPE.into()),
            manifests: Vec::new(),
            rest: Map::new(),
        }
    }
}

impl Entry {
    fn tag(&self) -> Option<&str> {
        self.annotations.get(REF_NAME).map(String::as_str)
    }
}

impl Index {
    /// Reads the file's bytes; the error says what is wrong with them.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        let index: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        match index.schema_version {
            2 => Ok(index),
            other => Err(format!("its `schemaVersion` is {other}, not 2")),
        }
    }

    /// The file's bytes.
    pub(super) fn write(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).expect("strings, numbers and JSON values can be written")
    }

    /// What a tag names.
    ///
    /// # Errors
    /// What is wrong: the tag stands there twice with two digests, or its digest is none of ours.
    pub(super) fn tagged(&self, tag: &TagName) -> Result<Option<(Digest, &Entry)>, String> {
        let mut found: Option<&Entry> = None;
        for entry in self.manifests.iter().filter(|entry| entry.tag() == Some(tag.as_str())) {
            match found {
                Some(other) if other.digest != entry.digest => {
                    return Err(format!("tag `{tag}` names both {} and {}", other.digest, entry.digest));
                }
                _ => found = Some(entry),
            }
        }
        let digest = |entry: &Entry| entry.digest.parse().map_err(|error| format!("tag `{tag}`: {error}"));
        found.map(|entry| Ok((digest(entry)?, entry))).transpose()
    }

    /// The entry of a manifest, with a tag or without.
    pub(super) fn manifest(&self, digest: &Digest) -> Option<&Entry> {
        let digest = digest.to_string();
        self.manifests.iter().find(|entry| entry.digest == digest)
    }

    /// The tags in order, each once. Names of other tools that are no tags are not among them.
    pub(super) fn tags(&self) -> Vec<&str> {
        let tags = self.manifests.iter().filter_map(Entry::tag);
        let mut tags: Vec<_> = tags.filter(|tag| tag.parse::<TagName>().is_ok()).collect();
        tags.sort_unstable();
        tags.dedup();
        tags
    }

    /// Adds a manifest without a tag, unless it is there.
    pub(super) fn add(&mut self, digest: &Digest, size: u64, media_type: &str) {
        if self.manifest(digest).is_none() {
            self.manifests.push(Entry {
                media_type: media_type.to_owned(),
                digest: digest.to_string(),
                size,
                annotations: BTreeMap::new(),
                rest: Map::new(),
            });
        }
    }

    /// Lets a tag name a manifest that is there. One that loses its last tag stays as an entry without one, so that it is
    /// still found by its digest.
    pub(super) fn set(&mut self, tag: &TagName, digest: &Digest) {
        let digest = digest.to_string();
        let Some(mut entry) = self.manifests.iter().find(|entry| entry.digest == digest).cloned() else {
            return;
        };
        entry.annotations.insert(REF_NAME.to_owned(), tag.as_str().to_owned());
        for old in self.manifests.iter_mut().filter(|entry| entry.tag() == Some(tag.as_str())) {
            old.annotations.remove(REF_NAME);
        }
        self.manifests.push(entry);
        self.drop_bare_duplicates();
    }

    /// An entry without a tag is only kept while nothing else names its manifest.
    fn drop_bare_duplicates(&mut self) {
        let mut named: std::collections::BTreeSet<String> =
            self.manifests.iter().filter(|e| e.tag().is_some()).map(|e| e.digest.clone()).collect();
        self.manifests.retain(|entry| entry.tag().is_some() || named.insert(entry.digest.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn tag(text: &str) -> TagName {
        text.parse().unwrap()
    }

    #[test]
    fn tags_move_and_nothing_is_lost() {
        let (one, two) = (Digest::of(b"1"), Digest::of(b"2"));
        let mut index = Index::default();
        index.add(&one, 1, "image");
        index.add(&one, 1, "image");
        index.add(&two, 1, "image");
        index.set(&tag("a"), &one);
        index.set(&tag("b"), &one);
        assert_eq!((index.tags(), index.manifests.len()), (vec!["a", "b"], 3));
        index.set(&tag("a"), &two);
        index.set(&tag("b"), &two);
        assert_eq!(index.tagged(&tag("a")).unwrap().unwrap().0, two);
        assert!(index.manifest(&one).is_some(), "the manifest without tags is still listed");
        assert_eq!(index.manifests.len(), 3);
    }

    #[test]
    fn what_other_tools_wrote_stays() {
        let digest = Digest::of(b"1");
        let theirs = json!({
            "schemaVersion": 2, "annotations": {"x": "y"},
            "manifests": [
                {"mediaType": "image", "digest": digest, "size": 1, "platform": {"os": "linux"},
                 "annotations": {"org.opencontainers.image.ref.name": "docker.io/library/a:1", "c": "d"}},
                {"mediaType": "other", "digest": "sha512:00", "size": 1},
            ],
        });
        let mut index = Index::read(theirs.to_string().as_bytes()).unwrap();
        assert!(index.tags().is_empty());
        index.set(&tag("v1"), &digest);
        let written: Json = serde_json::from_slice(&index.write()).unwrap();
        assert_eq!(written["annotations"], json!({"x": "y"}));
        assert_eq!(written["manifests"][0], theirs["manifests"][0]);
        assert_eq!(written["manifests"][1], theirs["manifests"][1]);
        assert_eq!(written["manifests"][2]["platform"], json!({"os": "linux"}));
        assert_eq!(written["manifests"][2]["annotations"][REF_NAME], "v1");
    }

    #[test]
    fn a_tag_with_two_digests_is_told() {
        let entry = |bytes: &[u8]| json!({"mediaType": "image", "digest": Digest::of(bytes), "size": 1, "annotations": {REF_NAME: "v1"}});
        let index = json!({"schemaVersion": 2, "manifests": [entry(b"1"), entry(b"2")]});
        let index = Index::read(index.to_string().as_bytes()).unwrap();
        assert!(index.tagged(&tag("v1")).unwrap_err().contains("names both"));
        for bad in ["", "[]", "{}", r#"{"schemaVersion": 1, "manifests": []}"#] {
            assert!(Index::read(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
