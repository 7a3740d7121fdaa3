use crate::toolchain::ToolchainError;
use stageway_core::diagnostic::{Code, Diagnostic, codes};
use stageway_ports::GuestError;
use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// Why there is no component.
#[derive(Debug, Error)]
pub enum BuildError {
    /// There is nothing to compile with.
    #[error(transparent)]
    Toolchain(#[from] ToolchainError),
    /// The folder holds no plugin.
    #[error("{} is no plugin: {problem}", .directory.display())]
    Package {
        /// The folder.
        directory: PathBuf,
        /// What is missing or wrong.
        problem: String,
    },
    /// `[package.metadata.stageway] interfaces` names something that the contract does not have.
    #[error("`interfaces` names {}, which the contract does not have", quoted(.unknown))]
    UnknownInterface {
        /// The names.
        unknown: Vec<String>,
    },
    /// The compiler refused the crate.
    #[error("the crate does not compile:\n{output}")]
    Compile {
        /// The end of what cargo printed.
        output: String,
    },
    /// The module imports functions that are not of the contract.
    #[error("the module imports what no host has: {}", quoted(.imports))]
    ForeignImport {
        /// `module` and `function` of each.
        imports: Vec<String>,
    },
    /// The module imports interfaces that its crate does not ask for.
    #[error("the plugin calls {}, but its `interfaces` do not name it", quoted(.interfaces))]
    UnaskedInterface {
        /// The interfaces.
        interfaces: Vec<String>,
    },
    /// The module is no stage of this contract.
    #[error("the module does not make a component: {0}")]
    Encode(String),
    /// The engine does not take the component, or `describe` broke off.
    #[error("the component does not describe itself")]
    Describe(#[from] GuestError),
    /// `describe` answered two texts.
    #[error("`describe` answered differently the second time")]
    NotRepeatable {
        /// The first answer.
        first: String,
        /// The second.
        second: String,
    },
    /// The manifest is not one.
    #[error("the manifest is refused{}", diagnostics_text(.0))]
    Manifest(Vec<Diagnostic>),
    /// The component imports interfaces that the manifest does not want a grant for.
    #[error("the component imports {}, but its manifest wants no grant for it", quoted(.interfaces))]
    UnwantedInterface {
        /// The interfaces.
        interfaces: Vec<String>,
    },
    /// A file or folder cannot be read or written.
    #[error("{} cannot be used", .path.display())]
    Files {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The thread that compiled broke off.
    #[error("the build broke off: {0}")]
    Interrupted(String),
}

impl BuildError {
    /// Its code; `stageway explain` prints the page.
    pub fn code(&self) -> Code {
        match self {
            Self::Toolchain(error) => error.code(),
            Self::Package { .. } => codes::BUILD_CRATE,
            Self::UnknownInterface { .. } => codes::BUILD_INTERFACE_UNKNOWN,
            Self::Compile { .. } => codes::BUILD_COMPILE,
            Self::ForeignImport { .. } => codes::BUILD_IMPORT,
            Self::UnaskedInterface { .. } => codes::BUILD_INTERFACE_UNASKED,
            Self::Encode(_) => codes::BUILD_ENCODE,
            Self::Describe(_) => codes::BUILD_DESCRIBE,
            Self::NotRepeatable { .. } => codes::BUILD_NOT_REPEATABLE,
            Self::Manifest(found) => {
                found.first().map_or(codes::MANIFEST_MEMBER, |diagnostic| diagnostic.code)
            }
            Self::UnwantedInterface { .. } => codes::BUILD_GRANT_UNWANTED,
            Self::Files { .. } | Self::Interrupted(_) => codes::BUILD_FILES,
        }
    }

    /// What to do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::Toolchain(error) => error.remedy(),
            Self::Package { .. } => "a plugin is a crate with `crate-type = [\"cdylib\"]`; `stageway plugin new` writes one".to_owned(),
            Self::UnknownInterface { .. } => format!("use some of: {}", super::GRANTED.join(", ")),
            Self::Compile { .. } => "mend what the compiler shows; `cargo check` shows it faster".to_owned(),
            Self::ForeignImport { .. } => {
                "find the dependency that expects JavaScript, WASI or C beneath it (`cargo tree`), and go without it".to_owned()
            }
            Self::UnaskedInterface { interfaces } => format!(
                "add {} to `interfaces` in `[package.metadata.stageway]` of Cargo.toml, or do not call it",
                quoted(interfaces)
            ),
            Self::Encode(_) | Self::Describe(GuestError::WrongWorld(_)) => {
                "export a stage of this contract: in Rust with `stageway_sdk::export!(Type)`, elsewhere from bindings made of its WIT".to_owned()
            }
            Self::Describe(_) => "`describe` must answer its manifest without calling the host".to_owned(),
            Self::NotRepeatable { .. } => "build the manifest from constants only".to_owned(),
            Self::Manifest(found) => found.first().map(|diagnostic| diagnostic.remedy.clone()).unwrap_or_default(),
            Self::UnwantedInterface { .. } => "add it to the manifest's grants, required or optional".to_owned(),
            Self::Files { path, .. } => format!("look at {} and its rights", path.display()),
            Self::Interrupted(_) => "build again".to_owned(),
        }
    }
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn diagnostics_text(found: &[Diagnostic]) -> String {
    found
        .iter()
        .map(|one| format!("\n{} {}: {}", one.code, one.pointer.as_deref().unwrap_or(""), one.message))
        .collect()
}
