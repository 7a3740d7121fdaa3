//! The published schemas are those of the code. `UPDATE_GOLDEN=1 cargo test` writes them anew.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test reads its fixtures and fails by panicking"
)]

use serde_json::Value as Json;
use stageway_core::definition::json_schema;
use stageway_core::event::Event;
use std::fs;
use std::path::{Path, PathBuf};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

#[test]
fn the_committed_schemas_are_fresh() {
    for (name, schema) in [("pipeline.json", json_schema()), ("event.json", Event::schema())] {
        let path = directory().join("schemas").join(name);
        let text = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, &text).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap_or_default(), text, "{name} is stale");
    }
}

/// What the parser takes, the schema takes: an editor never marks a valid file.
#[test]
fn valid_files_fit_the_schema() {
    let validator = stageway_core::manifest::compile(&json_schema()).unwrap();
    let mut checked = 0;
    for entry in fs::read_dir(directory().join("tests/definition/valid")).unwrap() {
        let path = entry.unwrap().path();
        let value: Json =
            stageway_core::document::read_json("stageway.yaml", &fs::read(&path).unwrap()).unwrap();
        let errors: Vec<String> = validator
            .iter_errors(&value)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{}: {errors:#?}", path.display());
        checked += 1;
    }
    assert!(checked >= 8);
}
