//! The guests of the tests, as `tests/run` built them.

use super::{binary, built, root};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// The folder of the guests.
pub fn guests() -> PathBuf {
    built().join("guests")
}

/// The guest with this name: a language, or what it does.
pub fn guest(name: &str) -> PathBuf {
    let file = guests().join(format!("{name}.wasm"));
    assert!(file.exists(), "{} is missing: run the tests with `tests/run`", file.display());
    file
}

/// A folder outside the project with a copy of the contract and a plugin in C, built there from these alone.
pub fn from_wit() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary directory");
    assert!(!folder.path().starts_with(root()), "{} lies in the project", folder.path().display());
    copy(&root().join("wit"), &folder.path().join("wit"));
    fs::copy(root().join("tests/guests/c/stage.c"), folder.path().join("stage.c")).expect("a copy");
    let mut script = Command::new(root().join("tests/guests/from-wit"));
    let output = script.arg(binary()).arg(folder.path()).output().expect("the script starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    folder
}

/// Copies a folder with what is in it.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let to = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), &to).expect("a copy");
        }
    }
}
