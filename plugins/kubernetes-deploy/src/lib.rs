//! `stageway/kubernetes-deploy`: manifests with an image by its digest are applied to a cluster, the rollout is followed, and a bad one is
//! taken back.

mod deployment;
mod difference;
mod image;
mod manifest;
mod scalar;
mod values;
mod yaml;

use deployment::{Outputs, Wanted};
use image::Taken;
use manifest::{File, Object, Terms};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use stageway_deployment::{Host, KINDS, Record};
use stageway_sdk::images::{self, Reference};
use stageway_sdk::manifest::{Access, Place};
use stageway_sdk::{Doing, Grant, Issue, Manifest, Span, Stage, Verdict, invocation, log, workspace};
use std::collections::{BTreeMap, BTreeSet};

/// Files of a manifest, and bytes of one.
const MOST_FILES: usize = 500;
const MOST_BYTES: usize = 4 << 20;
/// How long rollouts may take where nothing is said.
const USUAL: Span = Span::from_secs(600);

struct KubernetesDeploy;

/// `with`, as `configuration.json` describes it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Configuration {
    cluster: String,
    namespace: Option<String>,
    manifest: Files,
    image: Reference,
    image_name: Option<String>,
    #[serde(default)]
    images: BTreeMap<String, Reference>,
    #[serde(default)]
    values: Map<String, Value>,
    name: Option<String>,
    prune: Option<bool>,
    #[serde(default)]
    force: bool,
    timeout: Option<Span>,
    #[serde(default)]
    on_failure: OnFailure,
}

/// One path or several.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Files {
    One(String),
    Several(Vec<String>),
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum OnFailure {
    #[default]
    Rollback,
    Keep,
}

impl Files {
    fn patterns(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Several(all) => all,
        }
    }
}

const OUTPUTS: &str = r#"{
  "type": "object",
  "properties": {
    "reference": { "type": "string", "description": "the image that runs now: CONNECTION/PATH@sha256:DIGEST" },
    "digest": { "type": "string", "description": "its digest" },
    "release": { "type": "string", "description": "the id of the release in the history of the environment" },
    "objects": {
      "type": "array",
      "description": "what was applied, in order; what lies in no namespace has an empty one",
      "items": {
        "type": "object",
        "properties": {
          "api-version": { "type": "string" },
          "kind": { "type": "string" },
          "namespace": { "type": "string" },
          "name": { "type": "string" }
        },
        "required": ["api-version", "kind", "namespace", "name"]
      }
    }
  },
  "required": ["reference", "digest", "release", "objects"]
}"#;

impl Stage for KubernetesDeploy {
    type Configuration = Configuration;
    type Outputs = Outputs;

    fn describe() -> Manifest {
        Manifest::new(
            "stageway/kubernetes-deploy",
            env!("CARGO_PKG_VERSION"),
            "Applies manifests to a cluster, follows the rollout and takes a bad one back",
        )
        .configuration(include_str!("configuration.json"))
        .outputs(OUTPUTS)
        .requires(Grant::workspace(Access::Read))
        .requires(Grant::environments())
        .requires(Grant::images().repository("/image", &["read"]))
        .requires(Grant::cluster().objects(
            "/cluster",
            &[Place::from("/namespace")],
            &KINDS,
            &["read", "apply", "delete"],
        ))
        .timeout("30m")
        .never_skip()
        .idempotent()
    }

    fn validate(configuration: &Configuration) -> Vec<Issue> {
        let by_digest = |pointer: &str, reference: &Reference| {
            reference.digest().is_none().then(|| {
                Issue::at(
                    pointer,
                    "is a tag: name the image by digest, as the stage that built or promoted it answers it",
                )
            })
        };
        let single = configuration.images.iter();
        let single = single.filter_map(|(name, reference)| by_digest(&format!("/images/{name}"), reference));
        let name = configuration
            .image_name
            .as_deref()
            .filter(|name| name.rsplit('/').next().is_some_and(|last| last.contains(':')));
        let name =
            name.map(|_| Issue::at("/image-name", "has a tag: write HOST/PATH alone, the digest is added"));
        by_digest("/image", &configuration.image).into_iter().chain(single).chain(name).collect()
    }

    fn run(configuration: Configuration) -> Result<Outputs, Verdict> {
        let digest = configuration.image.digest().map(str::to_owned).ok_or_else(|| {
            let message = format!("{} is a tag: name the image by digest", configuration.image);
            Verdict::failed("stageway/by-tag", message)
        })?;
        let deployment = configuration
            .name
            .clone()
            .unwrap_or_else(|| usual_name(&invocation::stage_name(), &configuration.image.repository));
        let objects = objects(&configuration, &deployment)?;
        let record = Record {
            cluster: configuration.cluster.clone(),
            deployment,
            digest,
            image: configuration.image.to_string(),
            event: event_in_short(&invocation::event::<Value>().doing("reading the event")?),
            objects: objects.iter().map(|object| object.id.clone()).collect(),
            was: Vec::new(),
        };
        let wanted = Wanted {
            objects: &objects,
            record,
            force: configuration.force,
            prune: configuration.prune.unwrap_or(true),
            keeps_bad: configuration.on_failure == OnFailure::Keep,
            within: configuration.timeout.unwrap_or(USUAL),
        };
        deployment::deploy(&Host { cluster: &configuration.cluster }, wanted)
    }
}

stageway_sdk::export!(KubernetesDeploy);

/// The objects with their image, or every problem of the manifest.
fn objects(configuration: &Configuration, deployment: &str) -> Result<Vec<Object>, Verdict> {
    let (files, mut problems) = files(configuration.manifest.patterns())?;
    let values = Value::Object(configuration.values.clone());
    let terms = Terms { namespace: configuration.namespace.as_deref(), deployment, values: &values };
    let (mut objects, wrong) = manifest::objects(&files, &terms);
    problems.extend(wrong);
    if objects.is_empty() && problems.is_empty() {
        problems.push("the manifest holds no object".to_owned());
    }
    let images = taken(configuration)?;
    // What could not be read may be what takes the image.
    if problems.is_empty() {
        problems.extend(image::set(&mut objects, &images));
    }
    if !problems.is_empty() {
        let message = format!("nothing was applied, because the manifest is wrong:\n{}", problems.join("\n"));
        return Err(Verdict::failed("stageway/manifest-invalid", message));
    }
    for image in image::by_tag(&mut objects) {
        log::warn(format!("`{image}` comes by a tag, which may mean another image tomorrow"));
    }
    Ok(objects)
}

/// The files that the patterns name, and the patterns that name none.
fn files(patterns: &[String]) -> Result<(Vec<File>, Vec<String>), Verdict> {
    let (mut paths, mut problems, mut files) = (BTreeSet::new(), Vec::new(), Vec::new());
    for pattern in patterns {
        let found = workspace::find(std::slice::from_ref(pattern), MOST_FILES);
        let found = found.doing(format_args!("looking for `{pattern}`"))?;
        let found: Vec<String> =
            found.into_iter().filter(|entry| entry.kind == "file").map(|entry| entry.path).collect();
        if found.is_empty() {
            problems.push(format!("`{pattern}` is no file of the workspace: correct `manifest`, and `inputs` of the stage if there are any"));
        }
        paths.extend(found);
    }
    for path in paths {
        let reader = workspace::read(&path).doing(format_args!("reading {path}"))?;
        match reader.read_to_end(MOST_BYTES).map(String::from_utf8) {
            Ok(Ok(text)) => files.push((path, text)),
            Ok(Err(_)) => problems.push(format!("{path}:1: this is no text in UTF-8")),
            Err(error) => return Err(error).doing(format_args!("reading {path}")),
        }
    }
    Ok((files, problems))
}

/// The images with the names under which the nodes pull them.
fn taken(configuration: &Configuration) -> Result<Vec<Taken>, Verdict> {
    let single =
        configuration.images.iter().map(|(container, reference)| (Some(container.clone()), reference));
    let mut names: BTreeMap<&str, String> = BTreeMap::new();
    if let Some(name) = &configuration.image_name {
        names.insert(&configuration.image.repository, name.clone());
    }
    let mut all = Vec::new();
    for (container, reference) in single.chain([(None, &configuration.image)]) {
        let repository = reference.repository.as_str();
        if !names.contains_key(repository) {
            names.insert(repository, pull_name(repository)?);
        }
        let name = &names[repository];
        let pulled = format!("{name}@{}", reference.digest().unwrap_or_default());
        all.push(Taken { container, repositories: vec![repository.to_owned(), name.clone()], pulled });
    }
    Ok(all)
}

/// What the connection says of the address of a repository.
#[derive(Deserialize)]
struct Facts {
    pull: Option<String>,
}

fn pull_name(repository: &str) -> Result<String, Verdict> {
    let facts: Facts =
        images::facts(repository, None).doing(format_args!("asking where {repository} is pulled from"))?;
    facts.pull.ok_or_else(|| {
        let message = format!(
            "no node can pull {repository}: its connection is a directory of the engine; deploy from a registry, or say \
             under `image-name` where the nodes find it"
        );
        Verdict::failed("stageway/image-not-pullable", message)
    })
}

/// `STAGE.IMAGE`, as a label may be.
fn usual_name(stage: &str, repository: &str) -> String {
    let image = repository.rsplit('/').next().unwrap_or_default();
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let name: String = format!("{stage}.{image}").chars().map(plain).take(63).collect();
    name.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_owned()
}

/// Who and what, for the history of the environment.
fn event_in_short(event: &Value) -> Value {
    let keys = ["kind", "branch", "tag", "revision", "by", "author"];
    let kept = keys.into_iter().filter(|key| !event[*key].is_null());
    json!(kept.map(|key| (key, &event[key])).collect::<BTreeMap<_, _>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(more: Value) -> Configuration {
        let mut whole = json!({"cluster": "production", "manifest": "k8s/*.yaml",
                               "image": format!("production/shop@sha256:{}", "0".repeat(64))});
        whole.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(whole).unwrap()
    }

    #[test]
    fn images_are_named_by_digest() {
        let pointers = |more: Value| -> Vec<String> {
            KubernetesDeploy::validate(&read(more)).into_iter().map(|issue| issue.pointer).collect()
        };
        assert!(pointers(json!({"image-name": "registry.example:5000/shop"})).is_empty());
        let wrong = json!({"image": "production/shop:1", "images": {"web": "production/web:1"}, "image-name": "r/shop:1"});
        assert_eq!(pointers(wrong), ["/image", "/images/web", "/image-name"]);
    }

    #[test]
    fn a_deployment_is_called_like_its_stage_and_image() {
        assert_eq!(usual_name("deploy", "production/team/shop"), "deploy.shop");
        assert_eq!(usual_name("deploy[a=b]", &format!("x/{}", "s".repeat(80))).len(), 63);
    }

    #[test]
    fn the_manifest_is_json_and_the_history_says_who() {
        let manifest: Value = serde_json::from_str(&KubernetesDeploy::describe().to_json()).unwrap();
        let cluster = &manifest["grants"]["required"][3]["clusters"][0];
        assert_eq!(
            (&cluster["from"], &cluster["namespaces"]),
            (&json!("/cluster"), &json!([{"from": "/namespace"}]))
        );
        assert!(!cluster["kinds"].as_array().unwrap().contains(&json!("Secret")));
        let event = json!({"kind": "push", "revision": "abc", "by": "ada", "message": "secret"});
        assert_eq!(event_in_short(&event), json!({"kind": "push", "revision": "abc", "by": "ada"}));
    }
}
