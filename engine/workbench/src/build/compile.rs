//! From a crate to a core module.

use super::package::Package;
use super::{BuildError, BuildRequest};
use crate::process;
use crate::progress::Progress;
use crate::toolchain::{TARGET, Toolchain};
use serde::Deserialize;
use stageway_core::digest::Digest;
use std::fs;
use std::path::{Path, PathBuf};

/// The profile of every plugin, whatever its own `Cargo.toml` says: small, and the same for all.
const PROFILE: &[(&str, &str)] = &[
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "s"),
    ("CARGO_PROFILE_RELEASE_LTO", "fat"),
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1"),
    ("CARGO_PROFILE_RELEASE_PANIC", "abort"),
    ("CARGO_PROFILE_RELEASE_STRIP", "symbols"),
    ("CARGO_PROFILE_RELEASE_DEBUG", "false"),
    ("CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS", "false"),
    ("CARGO_PROFILE_RELEASE_INCREMENTAL", "false"),
];

/// Compiles the crate and reads the module.
pub(super) fn compile(
    toolchain: &Toolchain,
    package: &Package,
    request: &BuildRequest,
    progress: &dyn Progress,
) -> Result<Vec<u8>, BuildError> {
    let target = target_directory(&request.cache, toolchain, &package.workspace)?;
    let mut command = toolchain.cargo(&package.directory);
    command
        .args([
            "build",
            "--release",
            "--lib",
            "--target",
            TARGET,
            "--message-format",
            "json-render-diagnostics",
        ])
        .args(["--package", &package.name])
        .env("CARGO_TARGET_DIR", &target)
        .env("CARGO_ENCODED_RUSTFLAGS", flags(toolchain, package, &target).join("\u{1f}"))
        .envs(PROFILE.iter().copied());
    // With a lock file what is built is what is locked; without one cargo writes it.
    if package.workspace.join("Cargo.lock").is_file() {
        command.arg("--locked");
    } else {
        progress.say(
            "there is no Cargo.lock: commit the one that is written now, so that the next build is the same",
        );
    }
    if request.offline {
        command.arg("--offline");
    }
    let run = process::run(command, progress)
        .map_err(|source| BuildError::Files { path: toolchain.cargo.clone(), source })?;
    if !run.success {
        return Err(BuildError::Compile { output: run.errors });
    }
    let path = module_path(&run.output, &package.directory).ok_or_else(|| BuildError::Package {
        directory: package.directory.clone(),
        problem: "cargo built no module of it".to_owned(),
    })?;
    fs::read(&path).map_err(|source| BuildError::Files { path, source })
}

/// One per compiler, because changing it within a target directory would rebuild everything each time; and one per workspace,
/// because cargo tells crates apart by their path *within* it: the crates of two checkouts would pass for the same.
fn target_directory(cache: &Path, toolchain: &Toolchain, workspace: &Path) -> Result<PathBuf, BuildError> {
    let workspace = Digest::of(workspace.as_os_str().as_encoded_bytes());
    let path = cache.join("target").join(toolchain.key()).join(&workspace.hex()[..16]);
    let broken = |source| BuildError::Files { path: path.clone(), source };
    fs::create_dir_all(&path).map_err(broken)?;
    fs::canonicalize(&path).map_err(broken)
}

/// Paths of this machine end up in the messages of panics; all of them are written as if the sources lay elsewhere. Of several
/// that match the compiler takes the last.
fn flags(toolchain: &Toolchain, package: &Package, target: &Path) -> Vec<String> {
    let mut flags = toolchain.flags();
    flags.push(process::remap(&process::cargo_home(), "/cargo"));
    flags.extend(
        package.neighbours.iter().map(|(name, path)| process::remap(path, &format!("/neighbour/{name}"))),
    );
    flags.push(process::remap(&package.workspace, "/plugin"));
    flags.push(process::remap(target, "/target"));
    flags
}

#[derive(Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    manifest_path: PathBuf,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

/// The module that cargo says it made of the crate in `directory`.
fn module_path(messages: &str, directory: &Path) -> Option<PathBuf> {
    let manifest = directory.join("Cargo.toml");
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Message>(line).ok());
    let mut made =
        messages.filter(|message| message.reason == "compiler-artifact" && message.manifest_path == manifest);
    made.find_map(|message| {
        message.filenames.into_iter().find(|file| file.extension().is_some_and(|e| e == "wasm"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_module_is_the_one_of_the_crate() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","manifest_path":"/other/Cargo.toml","filenames":["/t/other.wasm"]}"#,
            "\nnoise\n",
            r#"{"reason":"compiler-artifact","manifest_path":"/plugin/Cargo.toml","filenames":["/t/libplugin.rlib","/t/plugin.wasm"]}"#,
            "\n",
            r#"{"reason":"build-finished","success":true}"#,
        );
        assert_eq!(module_path(messages, Path::new("/plugin")), Some(PathBuf::from("/t/plugin.wasm")));
        assert_eq!(module_path(messages, Path::new("/third")), None);
    }
}
