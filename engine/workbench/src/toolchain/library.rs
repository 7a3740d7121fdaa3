//! The standard library for the target, built once per compiler.
//!
//! An empty crate is built with `-Zbuild-std`, and the libraries that fall out of it are kept as a sysroot. Guarantees: what lies
//! at the answered path is complete (it appears by one rename), and of several builders one builds while the others wait.

use super::locate::{Compiler, has_core};
use super::{TARGET, Toolchain, ToolchainError};
use crate::process;
use crate::progress::Progress;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// The crate that is built for the sake of what it depends on.
const EMPTY: &str = "[package]\nname = \"empty\"\nversion = \"0.0.0\"\nedition = \"2021\"\n\n[workspace]\n";

/// Answers the sysroot with the library for this compiler, after building it if it is not there.
pub(super) fn ensure(
    compiler: &Compiler,
    toolchain: &Toolchain,
    cache: &Path,
    progress: &dyn Progress,
) -> Result<PathBuf, ToolchainError> {
    let room = cache.join("rust-std");
    let target = room.join(toolchain.key());
    if is_complete(&target) {
        return Ok(target);
    }
    let broken = |path: &Path| {
        let path = path.to_owned();
        move |source| ToolchainError::Cache { path, source }
    };
    fs::create_dir_all(&room).map_err(broken(&room))?;
    let room = fs::canonicalize(&room).map_err(broken(&room))?;
    let lock_path = room.join(format!("{}.lock", toolchain.key()));
    let _lock = lock(&lock_path, progress).map_err(broken(&lock_path))?;
    let target = room.join(toolchain.key());
    if is_complete(&target) {
        return Ok(target);
    }
    progress.say(&format!(
        "building the standard library for {TARGET} once, with {} (one to two minutes)",
        toolchain.name()
    ));
    let workplace = tempfile::Builder::new().prefix("build-").tempdir_in(&room).map_err(broken(&room))?;
    build(compiler, toolchain, workplace.path(), progress)?;
    let sysroot = collect(workplace.path()).map_err(broken(workplace.path()))?;
    fs::rename(&sysroot, &target).map_err(broken(&target))?;
    progress.say("the standard library is built");
    Ok(target)
}

fn is_complete(sysroot: &Path) -> bool {
    has_core(&sysroot.join("lib/rustlib").join(TARGET).join("lib"))
}

/// Waits for other builders; the kernel gives the lock back when its holder dies.
fn lock(path: &Path, progress: &dyn Progress) -> io::Result<File> {
    let file = File::options().create(true).truncate(false).write(true).open(path)?;
    match file.try_lock() {
        Ok(()) => return Ok(file),
        Err(fs::TryLockError::WouldBlock) => {
            progress.say("waiting for another build of the standard library")
        }
        Err(fs::TryLockError::Error(error)) => return Err(error),
    }
    file.lock()?;
    Ok(file)
}

fn build(
    compiler: &Compiler,
    toolchain: &Toolchain,
    workplace: &Path,
    progress: &dyn Progress,
) -> Result<(), ToolchainError> {
    let broken = |source| ToolchainError::Cache { path: workplace.to_owned(), source };
    fs::create_dir_all(workplace.join("src")).map_err(broken)?;
    fs::write(workplace.join("Cargo.toml"), EMPTY).map_err(broken)?;
    fs::write(workplace.join("src/lib.rs"), "").map_err(broken)?;
    let flags = [
        "-Cembed-bitcode=yes".to_owned(),
        process::remap(&compiler.source(), "/rust/library"),
        process::remap(&process::cargo_home(), "/cargo"),
    ];
    let mut command = toolchain.cargo(workplace);
    command
        .args(["build", "--release", "-Zbuild-std=std,panic_abort", "--target", TARGET])
        // Names and hashes of the library must not depend on the folder that it happened to be built in.
        .env("CARGO_TARGET_DIR", workplace.join("target"))
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
        .env("RUSTC_BOOTSTRAP", "1");
    let run = process::run(command, progress).map_err(broken)?;
    if run.success { Ok(()) } else { Err(ToolchainError::Library { output: run.errors }) }
}

/// Puts the built libraries in the places that `--sysroot` looks at.
fn collect(workplace: &Path) -> io::Result<PathBuf> {
    let sysroot = workplace.join("sysroot");
    let libraries = sysroot.join("lib/rustlib").join(TARGET).join("lib");
    fs::create_dir_all(&libraries)?;
    for entry in fs::read_dir(workplace.join("target").join(TARGET).join("release/deps"))? {
        let entry = entry?;
        let name = entry.file_name();
        let text = name.to_string_lossy();
        if text.ends_with(".rlib") && !text.starts_with("libempty-") {
            fs::rename(entry.path(), libraries.join(&name))?;
        }
    }
    Ok(sysroot)
}
