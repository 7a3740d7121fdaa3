//! What a run left behind, in the cluster, in the registries and in the installation: what must be the same whatever was killed.

use crate::place::{Place, Ways};
use crate::release::STAGES;
use serde_json::Value as Json;
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

/// Facts, each a line. The name of the place and the digest of its image are words in them.
pub type Left = BTreeSet<String>;

/// Looks at everything once the run has ended.
pub fn left(place: &Place) -> Left {
    place.assert_nothing_is_left();
    let shown = place.json(&["show", "latest", "--json"]);
    let digest = shown["stages"]["image"]["outputs"]["digest"].as_str().unwrap_or("no digest").to_owned();
    let mut left = Left::new();
    ends(&shown, &mut left);
    let lines = place.task_lines("test").into_iter().enumerate();
    left.extend(lines.map(|(number, line)| format!("line {number} of the test: {line}")));
    left.insert(format!("pods of tasks: {:?}", counts(&place.task_pods())));
    left.insert(format!("secrets of tasks: {:?}", counts(&place.created("secrets"))));
    for registry in ["build", "production"] {
        registry_has(place, registry, &digest, &mut left);
    }
    deployment(place, &mut left);
    for release in releases(place) {
        left.insert(format!("release of {} was {}", release["what"]["digest"], release["verdict"]));
    }
    left.iter().map(|fact| fact.replace(&digest, "IMAGE").replace(&place.name, "NAME")).collect()
}

fn ends(shown: &Json, left: &mut Left) {
    left.insert(format!("the run {}", shown["status"]));
    for stage in STAGES {
        let (status, outputs) = (&shown["stages"][stage]["status"], &shown["stages"][stage]["outputs"]);
        left.insert(format!("{stage} {status}"));
        for name in ["reference", "built", "tags", "objects", "verdict"] {
            left.insert(format!("{stage} says {name}: {}", outputs[name]));
        }
    }
}

/// How often each of some names is there; the names themselves follow from the run's.
fn counts(names: &[String]) -> Vec<usize> {
    let distinct: BTreeSet<_> = names.iter().collect();
    distinct.iter().map(|name| names.iter().filter(|other| other == name).count()).collect()
}

/// Every tag with all that it ever named, and how many manifests were ever pushed.
fn registry_has(place: &Place, registry: &str, digest: &str, left: &mut Left) {
    let storage = PathBuf::from(place.cluster.part("registry", &format!("{registry}-storage")));
    let manifests = storage.join("docker/registry/v2/repositories").join(&place.name).join("_manifests");
    for tag in names(&manifests.join("tags")) {
        let ever = names(&manifests.join("tags").join(&tag).join("index/sha256"));
        // What is attached to an image is listed under its digest, by a list that says when it was made.
        let is_list = tag == digest.replace(':', "-");
        let tag = if is_list { "the list of what is attached" } else { &tag };
        let ever = if is_list { format!("{}", ever.len()) } else { format!("{ever:?}") };
        left.insert(format!("{registry}:{tag} named {}", ever.replace(&digest["sha256:".len()..], "IMAGE")));
    }
    left.insert(format!("manifests in {registry}: {}", names(&manifests.join("revisions/sha256")).len()));
}

fn names(folder: &std::path::Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn deployment(place: &Place, left: &mut Left) {
    let deployment = place.kubectl.get(&["deployment", "shop"]);
    let image = deployment.pointer("/spec/template/spec/containers/0/image").and_then(Json::as_str);
    let [_, nodes] = Ways::straight(&place.cluster).production;
    let image = image.unwrap_or("nothing").replace(&nodes, "NODES");
    left.insert(format!(
        "the deployment has {image}, generation {}, {} ready",
        deployment["metadata"]["generation"], deployment["status"]["readyReplicas"]
    ));
    let sets = place.kubectl.get(&["replicasets"]);
    left.insert(format!("replica sets: {}", sets["items"].as_array().map_or(0, Vec::len)));
}

fn releases(place: &Place) -> Vec<Json> {
    let said = place.installation.output(place.tree.path(), &["releases", "production", "--json"]);
    let said = String::from_utf8(said.stdout).expect("text");
    said.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}
