//! Golden pairs: pipeline files and *all* their diagnostics. `UPDATE_GOLDEN=1 cargo test` writes them anew.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test reads its fixtures and fails by panicking"
)]

use stageway_core::definition::{Parsed, parse};
use stageway_core::diagnostic::any_error;
use std::fs;
use std::path::{Path, PathBuf};

fn files(kind: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/definition").join(kind);
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|e| e == "yaml")).collect();
    files.sort();
    files
}

fn read(path: &Path) -> Parsed {
    parse("stageway.yaml", &fs::read(path).unwrap())
}

#[test]
fn every_invalid_file_has_all_its_diagnostics() {
    let files = files("invalid");
    assert!(files.len() >= 45, "{} files", files.len());
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut wrong = Vec::new();
    for path in files {
        let parsed = read(&path);
        assert!(any_error(&parsed.diagnostics), "{}", path.display());
        assert!(parsed.valid().is_none());
        let told: String = parsed.diagnostics.iter().map(|diagnostic| format!("{diagnostic}\n")).collect();
        let golden = path.with_extension("diag");
        if update {
            fs::write(&golden, &told).unwrap();
        } else if fs::read_to_string(&golden).unwrap_or_default() != told {
            wrong.push(format!("{}:\n{told}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_diagnostic_has_a_place_inside_its_file_and_a_page() {
    for path in files("invalid") {
        let bytes = fs::read(&path).unwrap();
        for diagnostic in read(&path).diagnostics {
            let place =
                diagnostic.place.as_ref().unwrap_or_else(|| panic!("{}: {diagnostic}", path.display()));
            assert!(place.span().end <= bytes.len(), "{}: {diagnostic}", path.display());
            assert!(!diagnostic.remedy.is_empty() && diagnostic.code.page().is_some(), "{diagnostic}");
        }
    }
}

#[test]
fn every_valid_file_is_understood() {
    let files = files("valid");
    assert!(files.len() >= 8, "{} files", files.len());
    for path in files {
        let parsed = read(&path);
        assert_eq!(parsed.diagnostics, [], "{}", path.display());
        assert!(parsed.valid().is_some(), "{}", path.display());
    }
}
