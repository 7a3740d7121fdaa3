use stageway_core::diagnostic::{Code, codes};
use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// Why there is nothing to compile plugins with.
#[derive(Debug, Error)]
pub enum ToolchainError {
    /// No compiler has the library for the target, and none has the source to build it.
    #[error("no Rust compiler here can build for wasm32-unknown-unknown{}", seen_text(.seen))]
    Missing {
        /// The compilers that were looked at, with what each lacks.
        seen: Vec<String>,
    },
    /// The compiler brings no linker for WebAssembly, and none is installed.
    #[error("{} has no linker for WebAssembly", .rustc.display())]
    Linker {
        /// The compiler.
        rustc: PathBuf,
    },
    /// The standard library could not be built.
    #[error("the standard library for wasm32-unknown-unknown could not be built:\n{output}")]
    Library {
        /// The end of what cargo printed.
        output: String,
    },
    /// The cache cannot be used.
    #[error("the cache {} cannot be used", .path.display())]
    Cache {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl ToolchainError {
    /// Its code; `stageway explain` prints the page.
    pub fn code(&self) -> Code {
        match self {
            Self::Missing { .. } => codes::TOOLCHAIN_MISSING,
            Self::Linker { .. } => codes::TOOLCHAIN_LINKER,
            Self::Library { .. } => codes::TOOLCHAIN_LIBRARY,
            Self::Cache { .. } => codes::BUILD_FILES,
        }
    }

    /// What to do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::Missing { .. } => "run `rustup target add wasm32-unknown-unknown`; or on Debian \
                                     `apt-get install rustc-web cargo-web rust-web-src rust-web-llvm lld-19`"
                .to_owned(),
            Self::Linker { .. } => "install LLVM's linker, on Debian `apt-get install lld-19`".to_owned(),
            Self::Library { .. } => {
                "read the output; it needs the registry once, and about 500 MB below the cache".to_owned()
            }
            Self::Cache { path, .. } => format!("make {} writable, or name another cache", path.display()),
        }
    }
}

fn seen_text(seen: &[String]) -> String {
    if seen.is_empty() {
        ": there is no rustc and cargo in the path".to_owned()
    } else {
        format!(": {}", seen.join("; "))
    }
}
