//! The committed bindings belong to the contract in `wit/`.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// As `sdk/rust/generate` computes it: over the WIT files in the order of their paths, each followed by a zero byte.
fn contract(wit: &Path) -> String {
    let mut hash = Sha256::new();
    for path in wit_files(wit) {
        hash.update(fs::read(path).unwrap());
        hash.update([0]);
    }
    hex::encode(hash.finalize())
}

fn wit_files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(wit_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "wit") {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn the_bindings_are_not_stale() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let bindings = fs::read_to_string(here.join("src/bindings.rs")).unwrap();
    let made_from = bindings.lines().next().unwrap();
    assert_eq!(
        made_from,
        format!("// contract: sha256:{}", contract(&here.join("../../wit"))),
        "the contract changed: run `cargo run --manifest-path sdk/rust/generate/Cargo.toml`"
    );
}
