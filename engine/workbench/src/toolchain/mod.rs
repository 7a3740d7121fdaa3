//! Finds or makes what compiles Rust to `wasm32-unknown-unknown` on this machine.
//!
//! A compiler whose standard library for that target is installed (`rustup target add`) is taken as it is. Where there is
//! none, a compiler that has its library's source (Debian: `rustc-web cargo-web rust-web-src`) builds it once into a cache;
//! nothing unstable is used to build a plugin after that.

mod environment;
mod error;
mod library;
mod linker;
mod locate;

pub use error::ToolchainError;

use crate::progress::Progress;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The target that plugins are compiled for.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// A compiler with a standard library for [`TARGET`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toolchain {
    /// The compiler.
    pub rustc: PathBuf,
    /// The package manager that goes with it.
    pub cargo: PathBuf,
    /// A linker, where the compiler brings none of its own.
    pub linker: Option<PathBuf>,
    /// Where the standard library lies, if it is not the compiler's own.
    pub sysroot: Option<PathBuf>,
    /// What `rustc -vV` prints.
    pub version: String,
}

impl Toolchain {
    /// Finds a toolchain for the crate in `directory` (a `rust-toolchain.toml` there counts), building the standard library
    /// below `cache` if it must.
    ///
    /// # Errors
    /// [`ToolchainError::Missing`] with what was looked at, [`ToolchainError::Linker`], [`ToolchainError::Library`] with the
    /// end of the compiler's output, [`ToolchainError::Cache`].
    pub fn find(cache: &Path, directory: &Path, progress: &dyn Progress) -> Result<Self, ToolchainError> {
        let compilers = locate::compilers(directory);
        if let Some(ready) = compilers.iter().find(|compiler| compiler.has_target()) {
            return ready.toolchain(None);
        }
        let Some(compiler) = compilers.iter().find(|compiler| compiler.has_source()) else {
            return Err(ToolchainError::Missing {
                seen: compilers.iter().map(locate::Compiler::summary).collect(),
            });
        };
        let mut toolchain = compiler.toolchain(None)?;
        toolchain.sysroot = Some(library::ensure(compiler, &toolchain, cache, progress)?);
        Ok(toolchain)
    }

    /// The first 16 hex digits of the sha256 of compiler version and target: names what belongs to this compiler alone.
    pub fn key(&self) -> String {
        stageway_core::digest::Digest::of(format!("{}\n{TARGET}", self.version).as_bytes()).hex()[..16]
            .to_owned()
    }

    /// The first line of the compiler's version, for people.
    pub fn name(&self) -> &str {
        self.version.lines().next().unwrap_or_default()
    }

    /// A call of cargo in `directory`, with this compiler and without settings that this process inherited from another build.
    pub fn cargo(&self, directory: &Path) -> Command {
        let mut command = Command::new(&self.cargo);
        environment::clean(&mut command);
        command.current_dir(directory).env("RUSTC", &self.rustc);
        command
    }

    /// The flags that the compiler needs for [`TARGET`].
    pub fn flags(&self) -> Vec<String> {
        let mut flags = Vec::new();
        if let Some(sysroot) = &self.sysroot {
            flags.extend(["--sysroot".to_owned(), sysroot.display().to_string()]);
        }
        if let Some(linker) = &self.linker {
            flags.push(format!("-Clinker={}", linker.display()));
        }
        flags
    }
}
