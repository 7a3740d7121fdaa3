//! Content-addressed results of the run. Grant `artifacts`: read or write.
//!
//! A digest is `sha256:` and 64 hex digits; it outlives the attempt, the bytes stay with the host.

use serde::Deserialize;

use crate::bindings::stageway::host::artifacts as raw;
use crate::reader::Reader;
use crate::{HostError, wire};

/// How paths of the workspace become one artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The bytes of the one file that is named.
    File,
    /// An uncompressed tar.
    Tar,
    /// A reproducible, compressed layer of an OCI image.
    OciLayer,
}

/// A saved artifact.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Saved {
    /// Of the bytes as they are kept.
    pub digest: String,
    /// Their number.
    pub size: u64,
    /// Of a layer: the digest of the uncompressed tar, as an image's configuration lists it.
    pub diff_id: Option<String>,
}

/// Saves paths of the workspace as the artifact `name`. In a tar or layer, `PATH => PLACE` puts a file, or what a folder
/// holds, at another place. Needs `artifacts: write`.
///
/// # Errors
/// `NotFound` for a path that is not there, `InvalidArgument`, `LimitExceeded`, `Denied`.
pub fn save(name: &str, paths: &[String], form: Form) -> Result<Saved, HostError> {
    let form = match form {
        Form::File => "file",
        Form::Tar => "tar",
        Form::OciLayer => "oci-layer",
    };
    wire::parse("artifacts.save", &raw::save(name, paths, form)?)
}

/// Stores bytes as the artifact `name`; answers their digest. Needs `artifacts: write`.
///
/// # Errors
/// `InvalidArgument`, `LimitExceeded`, `Denied`.
pub fn put(name: &str, media_type: &str, bytes: &[u8]) -> Result<String, HostError> {
    raw::put(name, media_type, bytes)
}

/// Unpacks an artifact into the workspace, at `path`.
///
/// # Errors
/// `NotFound`, `InvalidArgument`, `Denied`.
pub fn restore(digest: &str, path: &str) -> Result<(), HostError> {
    raw::restore(digest, path)
}

/// The bytes of an artifact.
///
/// # Errors
/// `NotFound`, `Denied`.
pub fn read(digest: &str) -> Result<Reader, HostError> {
    raw::read(digest)
}
