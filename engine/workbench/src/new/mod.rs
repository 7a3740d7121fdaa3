//! `stageway plugin new`: a folder with a plugin that builds, tests and works.

use stageway_core::diagnostic::{Code, codes};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Files of the Rust template: where each goes, and its text.
const RUST: &[(&str, &str)] = &[
    ("Cargo.toml", include_str!("../../../../sdk/rust/template/Cargo.toml.tmpl")),
    ("README.md", include_str!("../../../../sdk/rust/template/README.md.tmpl")),
    (".gitignore", include_str!("../../../../sdk/rust/template/gitignore.tmpl")),
    ("src/lib.rs", include_str!("../../../../sdk/rust/template/src/lib.rs.tmpl")),
    ("src/configuration.json", include_str!("../../../../sdk/rust/template/src/configuration.json.tmpl")),
];

/// The plugin that is to be.
#[derive(Debug, Clone)]
pub struct NewPlugin {
    /// The folder; must be empty or absent.
    pub directory: PathBuf,
    /// `NAMESPACE/NAME`.
    pub name: String,
    /// Where cargo finds the SDK.
    pub sdk: SdkSource,
}

/// Where cargo finds the SDK.
#[derive(Debug, Clone)]
pub enum SdkSource {
    /// A published version.
    Version(String),
    /// A folder: `sdk/rust` of a checkout.
    Path(PathBuf),
}

/// Why no plugin was written.
#[derive(Debug, Error)]
pub enum NewError {
    /// The name is not `NAMESPACE/NAME`.
    #[error("`{0}` is not the name of a plugin")]
    Name(String),
    /// The folder holds something.
    #[error("{} is not empty", .0.display())]
    NotEmpty(PathBuf),
    /// A file cannot be written.
    #[error("{} cannot be written", .path.display())]
    Files {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl NewError {
    /// Its code; `stageway explain` prints the page.
    pub fn code(&self) -> Code {
        match self {
            Self::Name(_) => codes::NEW_NAME,
            Self::NotEmpty(_) | Self::Files { .. } => codes::BUILD_FILES,
        }
    }

    /// What to do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::Name(_) => {
                "write NAMESPACE/NAME in lower-case letters, digits and `-`, such as acme/coverage".to_owned()
            }
            Self::NotEmpty(path) => format!("name another folder, or empty {}", path.display()),
            Self::Files { path, .. } => format!("look at {} and its rights", path.display()),
        }
    }
}

/// Writes the plugin; answers the files in the order of the template.
///
/// # Errors
/// See [`NewError`].
pub fn new(plugin: &NewPlugin) -> Result<Vec<PathBuf>, NewError> {
    let (namespace, name) = plugin.name.split_once('/').ok_or_else(|| NewError::Name(plugin.name.clone()))?;
    if ![namespace, name].iter().all(|part| is_word(part)) {
        return Err(NewError::Name(plugin.name.clone()));
    }
    let occupied = fs::read_dir(&plugin.directory).is_ok_and(|mut entries| entries.next().is_some());
    if occupied {
        return Err(NewError::NotEmpty(plugin.directory.clone()));
    }
    let values = [
        ("name", plugin.name.clone()),
        ("namespace", namespace.to_owned()),
        ("crate", name.to_owned()),
        ("sdk", sdk(&plugin.sdk)?),
    ];
    RUST.iter().map(|(path, text)| write(&plugin.directory.join(path), &fill(text, &values))).collect()
}

fn is_word(part: &str) -> bool {
    let inner = part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    inner && part.starts_with(|c: char| c.is_ascii_lowercase()) && !part.ends_with('-')
}

/// The SDK as the value of a dependency in TOML.
fn sdk(source: &SdkSource) -> Result<String, NewError> {
    match source {
        SdkSource::Version(version) => Ok(format!("{version:?}")),
        SdkSource::Path(path) => {
            let real =
                fs::canonicalize(path).map_err(|source| NewError::Files { path: path.clone(), source })?;
            Ok(format!("{{ path = {:?} }}", real.display().to_string()))
        }
    }
}

fn fill(template: &str, values: &[(&str, String)]) -> String {
    values
        .iter()
        .fold(template.to_owned(), |text, (key, value)| text.replace(&format!("{{{{{key}}}}}"), value))
}

fn write(path: &Path, text: &str) -> Result<PathBuf, NewError> {
    let broken = |source| NewError::Files { path: path.to_owned(), source };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(broken)?;
    }
    fs::write(path, text).map_err(broken)?;
    Ok(path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plugin(directory: &Path, name: &str) -> NewPlugin {
        NewPlugin {
            directory: directory.to_owned(),
            name: name.to_owned(),
            sdk: SdkSource::Version("0.1".to_owned()),
        }
    }

    #[test]
    fn every_placeholder_is_filled() {
        let folder = tempfile::tempdir().unwrap();
        let files = new(&plugin(&folder.path().join("it"), "acme/coverage")).unwrap();
        assert_eq!(files.len(), RUST.len());
        for file in &files {
            let text = fs::read_to_string(file).unwrap();
            assert!(!text.contains("{{"), "{}: {text}", file.display());
        }
        let manifest = fs::read_to_string(&files[0]).unwrap();
        assert!(
            manifest.contains("name = \"coverage\"") && manifest.contains("stageway-sdk = \"0.1\""),
            "{manifest}"
        );
    }

    #[test]
    fn names_and_folders_are_checked() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["coverage", "Acme/coverage", "acme/", "acme/co verage", "acme/../x", "acme/-x"] {
            let error = new(&plugin(folder.path(), name)).unwrap_err();
            assert!(matches!(error, NewError::Name(_)), "{name}");
        }
        fs::write(folder.path().join("there"), "").unwrap();
        assert!(matches!(new(&plugin(folder.path(), "acme/coverage")), Err(NewError::NotEmpty(_))));
    }
}
