//! The compilers of this machine, and what each can do.

use super::{TARGET, Toolchain, ToolchainError, environment, linker};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A compiler and the cargo beside it.
#[derive(Debug, Clone)]
pub(super) struct Compiler {
    pub(super) rustc: PathBuf,
    pub(super) cargo: PathBuf,
    /// `rustc -vV`.
    version: String,
    /// `rustc --print sysroot`.
    sysroot: PathBuf,
    /// `rustc --print target-libdir --target TARGET`: named whether or not it is there.
    target_libdir: PathBuf,
}

/// Every folder of the path with both `rustc` and `cargo` in it, then `/usr/bin`: behind rustup's stand-ins there may be the
/// distribution's compiler.
pub(super) fn compilers(directory: &Path) -> Vec<Compiler> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.push(PathBuf::from("/usr/bin"));
    let mut seen = Vec::new();
    let mut found = Vec::new();
    for folder in folders {
        let Ok(real) = fs::canonicalize(&folder) else { continue };
        if seen.contains(&real) {
            continue;
        }
        found.extend(Compiler::probe(&real, directory));
        seen.push(real);
    }
    found
}

impl Compiler {
    fn probe(folder: &Path, directory: &Path) -> Option<Self> {
        let (rustc, cargo) = (folder.join("rustc"), folder.join("cargo"));
        if !rustc.is_file() || !cargo.is_file() {
            return None;
        }
        let ask = |arguments: &[&str]| ask(&rustc, directory, arguments);
        let version = ask(&["-vV"])?;
        let sysroot = PathBuf::from(ask(&["--print", "sysroot"])?);
        let target_libdir = PathBuf::from(ask(&["--print", "target-libdir", "--target", TARGET])?);
        Some(Self { version, sysroot, target_libdir, rustc, cargo })
    }

    /// Whether its own library for the target is installed.
    pub(super) fn has_target(&self) -> bool {
        has_core(&self.target_libdir)
    }

    /// Whether the library's source is there.
    pub(super) fn has_source(&self) -> bool {
        self.source().join("std/Cargo.toml").is_file()
    }

    /// Where the library's source lies, if it is installed.
    pub(super) fn source(&self) -> PathBuf {
        self.sysroot.join("lib/rustlib/src/rust/library")
    }

    pub(super) fn toolchain(&self, sysroot: Option<PathBuf>) -> Result<Toolchain, ToolchainError> {
        let linker = if self.has_linker() {
            None
        } else {
            Some(linker::find().ok_or_else(|| ToolchainError::Linker { rustc: self.rustc.clone() })?)
        };
        let (rustc, cargo, version) = (self.rustc.clone(), self.cargo.clone(), self.version.clone());
        Ok(Toolchain { rustc, cargo, linker, sysroot, version })
    }

    /// Whether it brings `rust-lld`, which it takes by itself.
    fn has_linker(&self) -> bool {
        let host = self.version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
        self.sysroot.join("lib/rustlib").join(host).join("bin/rust-lld").is_file()
    }

    /// What it is and what it lacks, for people.
    pub(super) fn summary(&self) -> String {
        let name = self.version.lines().next().unwrap_or_default();
        format!("{} ({name}) has neither the target's library nor its source", self.rustc.display())
    }
}

/// Whether a folder of libraries holds the target's core library.
pub(super) fn has_core(folder: &Path) -> bool {
    let Ok(entries) = fs::read_dir(folder) else { return false };
    entries.flatten().any(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.starts_with("libcore-") && name.ends_with(".rlib")
    })
}

fn ask(rustc: &Path, directory: &Path, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(rustc);
    environment::clean(&mut command);
    let output = command.args(arguments).current_dir(directory).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !text.trim().is_empty()).then(|| text.trim().to_owned())
}
