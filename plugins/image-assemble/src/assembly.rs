//! Configuration and manifest of an image (OCI image specification 1.1). The same files and settings give the same bytes: there are
//! no times in them but the beginning of 1970.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use stageway_sdk::artifacts::Saved;

use crate::base::Base;

pub(crate) const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const EPOCH: &str = "1970-01-01T00:00:00Z";

/// What a container of the image is started with.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Settings {
    pub(crate) entrypoint: Option<Vec<String>>,
    pub(crate) command: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) user: Option<String>,
    pub(crate) working_directory: Option<String>,
    #[serde(default)]
    pub(crate) ports: Vec<u16>,
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
}

/// One layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Blob {
    pub(crate) media_type: String,
    pub(crate) digest: String,
    pub(crate) size: u64,
    /// Digest of the uncompressed tar; none for layers of the base, whose configuration lists it.
    pub(crate) diff_id: Option<String>,
}

/// As a manifest names a blob.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor<'a> {
    media_type: &'a str,
    digest: &'a str,
    size: u64,
}

impl Blob {
    /// A layer that the host packed; none if it is no layer.
    pub(crate) fn layer(saved: &Saved) -> Option<Self> {
        let diff_id = saved.diff_id.clone()?;
        Some(Self {
            media_type: LAYER_TYPE.to_owned(),
            digest: saved.digest.clone(),
            size: saved.size,
            diff_id: Some(diff_id),
        })
    }

    fn descriptor(&self) -> Descriptor<'_> {
        Descriptor { media_type: &self.media_type, digest: &self.digest, size: self.size }
    }
}

/// The paths to save, each with its place in the layer.
pub(crate) fn paths(files: &BTreeMap<String, String>) -> Vec<String> {
    let place = |place: &str| match place.trim_start_matches('/') {
        "" => ".".to_owned(),
        inside => inside.to_owned(),
    };
    files.iter().map(|(to, from)| format!("{from} => {}", place(to))).collect()
}

/// The image's configuration: the base's, with one more layer and with the settings over it.
pub(crate) fn configuration(base: &Base, settings: &Settings, layer: &Blob) -> String {
    let mut image = base.configuration.clone();
    image.insert("created".to_owned(), EPOCH.into());
    let mut container = object(image.remove("config"));
    apply(&mut container, settings);
    image.insert("config".to_owned(), container.into());
    let mut rootfs = object(image.remove("rootfs"));
    rootfs.insert("type".to_owned(), "layers".into());
    let mut diff_ids = array(rootfs.remove("diff_ids"));
    diff_ids.extend(layer.diff_id.clone().map(Value::from));
    rootfs.insert("diff_ids".to_owned(), diff_ids.into());
    image.insert("rootfs".to_owned(), rootfs.into());
    let mut history = array(image.remove("history"));
    history.push(json!({"created": EPOCH, "created_by": "stageway/image-assemble"}));
    image.insert("history".to_owned(), history.into());
    Value::from(image).to_string()
}

fn apply(container: &mut Map<String, Value>, settings: &Settings) {
    if let Some(entrypoint) = &settings.entrypoint {
        container.insert("Entrypoint".to_owned(), entrypoint.clone().into());
        // The base's arguments were meant for the base's program.
        container.remove("Cmd");
    }
    if let Some(command) = &settings.command {
        container.insert("Cmd".to_owned(), command.clone().into());
    }
    if let Some(user) = &settings.user {
        container.insert("User".to_owned(), user.clone().into());
    }
    if let Some(directory) = &settings.working_directory {
        container.insert("WorkingDir".to_owned(), directory.clone().into());
    }
    if !settings.env.is_empty() {
        let env = merged_env(&array(container.remove("Env")), &settings.env);
        container.insert("Env".to_owned(), env.into());
    }
    merge(container, "ExposedPorts", settings.ports.iter().map(|port| (format!("{port}/tcp"), json!({}))));
    merge(
        container,
        "Labels",
        settings.labels.iter().map(|(name, value)| (name.clone(), value.clone().into())),
    );
}

/// The base's variables in their order, with other values where they are set, then the new ones.
fn merged_env(base: &[Value], set: &BTreeMap<String, String>) -> Vec<String> {
    let mut left = set.clone();
    let mut merged = Vec::new();
    for variable in base.iter().filter_map(Value::as_str) {
        let name = variable.split_once('=').map_or(variable, |(name, _)| name);
        merged.push(left.remove(name).map_or_else(|| variable.to_owned(), |value| format!("{name}={value}")));
    }
    merged.extend(left.into_iter().map(|(name, value)| format!("{name}={value}")));
    merged
}

fn merge(container: &mut Map<String, Value>, key: &str, more: impl Iterator<Item = (String, Value)>) {
    let mut members = object(container.remove(key));
    members.extend(more);
    if !members.is_empty() {
        container.insert(key.to_owned(), members.into());
    }
}

fn object(value: Option<Value>) -> Map<String, Value> {
    match value {
        Some(Value::Object(members)) => members,
        _ => Map::new(),
    }
}

fn array(value: Option<Value>) -> Vec<Value> {
    match value {
        Some(Value::Array(entries)) => entries,
        _ => Vec::new(),
    }
}

/// The manifest: the base's layers, and one more.
pub(crate) fn manifest(base: &Base, layer: &Blob, config_digest: &str, config_size: usize) -> String {
    let layers: Vec<Descriptor> = base.layers.iter().chain([layer]).map(Blob::descriptor).collect();
    let config = Descriptor { media_type: CONFIG_TYPE, digest: config_digest, size: config_size as u64 };
    json!({"schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": config, "layers": layers}).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer() -> Blob {
        let saved = Saved { digest: "sha256:aa".to_owned(), size: 7, diff_id: Some("sha256:bb".to_owned()) };
        Blob::layer(&saved).unwrap()
    }

    fn read(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn files_go_to_their_places() {
        let files =
            [("/", "root"), ("/usr/bin/x", "target/x")].map(|(to, from)| (to.to_owned(), from.to_owned()));
        assert_eq!(paths(&BTreeMap::from(files)), ["root => .", "target/x => usr/bin/x"]);
    }

    #[test]
    fn an_image_from_nothing() {
        let settings = Settings {
            entrypoint: Some(vec!["/x".to_owned()]),
            ports: vec![8080],
            user: Some("65532:65532".to_owned()),
            ..Settings::default()
        };
        let base = Base::empty(None);
        let text = configuration(&base, &settings, &layer());
        let expected = json!({
            "architecture": "amd64", "os": "linux", "created": EPOCH,
            "config": {"Entrypoint": ["/x"], "User": "65532:65532", "ExposedPorts": {"8080/tcp": {}}},
            "rootfs": {"type": "layers", "diff_ids": ["sha256:bb"]},
            "history": [{"created": EPOCH, "created_by": "stageway/image-assemble"}],
        });
        assert_eq!(read(&text), expected);
        assert_eq!(text, configuration(&base, &settings, &layer()));
        let expected = json!({
            "schemaVersion": 2, "mediaType": MANIFEST_TYPE,
            "config": {"mediaType": CONFIG_TYPE, "digest": "sha256:cc", "size": 3},
            "layers": [{"mediaType": LAYER_TYPE, "digest": "sha256:aa", "size": 7}],
        });
        assert_eq!(read(&manifest(&base, &layer(), "sha256:cc", 3)), expected);
    }

    #[test]
    fn settings_lie_over_those_of_the_base() {
        let mut base = Base::empty(Some("linux/arm64/v8"));
        base.layers.push(Blob {
            media_type: LAYER_TYPE.to_owned(),
            digest: "sha256:00".to_owned(),
            size: 1,
            diff_id: None,
        });
        let there = json!({
            "config": {"Cmd": ["sh"], "Env": ["PATH=/bin", "A=1"], "Labels": {"of": "base"}},
            "rootfs": {"type": "layers", "diff_ids": ["sha256:11"]}, "history": [{"created_by": "base"}],
        });
        base.configuration.extend(object(Some(there)));
        let env = BTreeMap::from([("A".to_owned(), "2".to_owned()), ("B".to_owned(), "3".to_owned())]);
        let settings = Settings { entrypoint: Some(vec!["/x".to_owned()]), env, ..Settings::default() };
        let image = read(&configuration(&base, &settings, &layer()));
        assert_eq!(
            image["config"],
            json!({"Entrypoint": ["/x"], "Env": ["PATH=/bin", "A=2", "B=3"], "Labels": {"of": "base"}})
        );
        assert_eq!(image["rootfs"]["diff_ids"], json!(["sha256:11", "sha256:bb"]));
        assert_eq!(image["history"].as_array().unwrap().len(), 2);
        assert_eq!((&image["architecture"], &image["variant"]), (&json!("arm64"), &json!("v8")));
        assert_eq!(read(&manifest(&base, &layer(), "sha256:cc", 3))["layers"][0]["digest"], "sha256:00");
    }
}
