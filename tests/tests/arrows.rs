//! The arrows between the rooms, from what cargo itself says of the workspace.

use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Room to the rooms it may use.
const ALLOWED: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("ports", &["core"]),
    ("host", &["core", "ports"]),
    ("executors", &["core", "ports", "parcel"]),
    ("executors/parcel", &[]),
    ("executors/pod", &["parcel"]),
    ("remotes", &["core", "ports"]),
    ("stores", &["core", "ports"]),
    ("conductor", &["core", "ports"]),
    ("web", &["core", "ports", "conductor"]),
    ("workbench", &["core", "ports", "conductor"]),
    ("cli", &["core", "ports", "conductor", "host", "executors", "remotes", "stores", "web", "workbench"]),
];

/// Heavy or powerful dependencies and the only rooms that may name them.
const FENCES: &[(&str, &[&str])] = &[
    ("wasmtime", &["host"]),
    ("rusqlite", &["stores"]),
    ("sqlx", &["stores"]),
    ("object_store", &["stores"]),
    // The stores name it for a feature that `object_store` asks of it, and nothing else.
    ("reqwest", &["remotes", "stores"]),
    ("kube", &["executors"]),
    ("aws-sdk-ecr", &["remotes"]),
    ("axum", &["web"]),
    ("anyhow", &["cli"]),
    ("miette", &["cli"]),
    ("clap", &["cli"]),
];

/// Never in the core, whatever for.
const IMPURE: &[&str] = &["tokio", "async-trait", "tempfile", "rand", "reqwest", "rustix", "libc", "tracing"];

/// Room to the names of its normal and build dependencies.
fn rooms() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Json = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let room = |package: &Json| {
        let manifest = package["manifest_path"].as_str().unwrap_or_default().to_owned();
        let (_, rest) = manifest.split_once("/engine/")?;
        Some(rest.strip_suffix("/Cargo.toml")?.to_owned())
    };
    let names = |package: &Json| {
        let dependencies = package["dependencies"].as_array().expect("dependencies");
        let normal = dependencies.iter().filter(|d| d["kind"] != "dev");
        normal.filter_map(|d| d["name"].as_str().map(str::to_owned)).collect()
    };
    packages.iter().filter_map(|package| Some((room(package)?, names(package)))).collect()
}

#[test]
fn every_room_uses_only_what_its_arrows_allow() {
    let rooms = rooms();
    let allowed: BTreeMap<_, _> = ALLOWED.iter().copied().collect();
    let found: BTreeSet<_> = rooms.keys().map(String::as_str).collect();
    assert_eq!(found, allowed.keys().copied().collect(), "a room is missing here or in the workspace");
    for (room, dependencies) in &rooms {
        for dependency in dependencies {
            if let Some(other) = dependency.strip_prefix("stageway-") {
                assert!(allowed[room.as_str()].contains(&other), "`{room}` must not use `{other}`");
            }
        }
    }
}

#[test]
fn heavy_dependencies_stay_behind_their_fences() {
    for (room, dependencies) in rooms() {
        for (fenced, homes) in FENCES {
            let named = dependencies.iter().any(|d| d == fenced || d.starts_with(&format!("{fenced}-")));
            assert!(!named || homes.contains(&room.as_str()), "`{room}` must not name `{fenced}`");
        }
    }
}

#[test]
fn the_core_is_pure() {
    let core = &rooms()["core"];
    let impure: Vec<_> = IMPURE.iter().filter(|name| core.contains(**name)).collect();
    assert!(impure.is_empty(), "core depends on {impure:?}");
}
