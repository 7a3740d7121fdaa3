//! `stageway plugin build`: from a Rust crate to a component with its manifest inside.
//!
//! compile → check the imports → encode against the narrow world → describe, twice → embed the manifest. The bytes depend on the
//! sources, the lock file, the compiler and the linker, not on the folder: paths are written out of them.
//!
//! `stageway plugin embed` is the end of that way for every other language: encode what is a core module → describe, twice → embed
//! the manifest.

mod compile;
mod component;
mod contract;
mod describe;
mod embed;
mod error;
mod package;

pub use contract::{ALWAYS_LINKED, GRANTED, VERSION};
pub use embed::{EmbedRequest, embed};
pub use error::BuildError;

use crate::inspect::{Inspection, inspect};
use crate::progress::Progress;
use crate::toolchain::Toolchain;
use package::Package;
use stageway_ports::Guests;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is to be built.
#[derive(Debug, Clone)]
pub struct BuildRequest {
    /// The folder with the plugin's `Cargo.toml`.
    pub directory: PathBuf,
    /// Where the component goes: a file `*.wasm`; or a folder, in which it is `NAME.wasm`, where the manifest's name is
    /// `NAMESPACE/NAME`; without it that folder is the plugin's own.
    pub output: Option<PathBuf>,
    /// Kept between builds: the standard library and what cargo compiled.
    pub cache: PathBuf,
    /// Never ask the network: everything must be in cargo's own cache.
    pub offline: bool,
}

/// What was built.
#[derive(Debug, Clone)]
pub struct Built {
    /// Where the component lies.
    pub path: PathBuf,
    /// What it is.
    pub inspection: Inspection,
    /// What is not wrong but should be known.
    pub warnings: Vec<String>,
}

/// Builds the plugin in a folder and puts its component at its place.
///
/// # Errors
/// See [`BuildError`]; nothing is written then.
pub async fn build(
    request: BuildRequest,
    guests: &dyn Guests,
    progress: Arc<dyn Progress>,
) -> Result<Built, BuildError> {
    let worker = Arc::clone(&progress);
    let kept = request.clone();
    let (package, component) = tokio::task::spawn_blocking(move || compile_component(&kept, &*worker))
        .await
        .map_err(|error| BuildError::Interrupted(error.to_string()))??;
    progress.say("asking the component for its manifest, twice");
    let (bytes, warnings) = describe::embed(component, &package.interfaces, guests).await?;
    let inspection = inspect(&bytes).map_err(|error| BuildError::Encode(error.to_string()))?;
    let path = place(request.output, &package.directory, &inspection, &package.name);
    write(&path, &bytes)?;
    Ok(Built { path, inspection, warnings })
}

/// Everything that needs no engine: blocks for as long as the compiler runs.
fn compile_component(
    request: &BuildRequest,
    progress: &dyn Progress,
) -> Result<(Package, Vec<u8>), BuildError> {
    let directory = fs::canonicalize(&request.directory)
        .map_err(|source| BuildError::Files { path: request.directory.clone(), source })?;
    let toolchain = Toolchain::find(&request.cache, &directory, progress)?;
    progress.say(&format!("compiling with {}", toolchain.name()));
    let package = Package::read(&toolchain, &directory, request.offline)?;
    let module = compile::compile(&toolchain, &package, request, progress)?;
    let component = component::encode(&module, &package.interfaces)?;
    Ok((package, component))
}

/// Where a component goes: to the file that was named, or into a folder, without a name into `own`. `unnamed` is what it is called
/// if its manifest had no name.
fn place(output: Option<PathBuf>, own: &Path, inspection: &Inspection, unnamed: &str) -> PathBuf {
    match output {
        Some(file) if file.extension().is_some_and(|extension| extension == "wasm") => file,
        folder => {
            let name = inspection.name.as_deref().and_then(|name| name.rsplit('/').next());
            folder.unwrap_or_else(|| own.to_owned()).join(format!("{}.wasm", name.unwrap_or(unnamed)))
        }
    }
}

/// Writes the file by one rename, so that nobody reads half of it.
fn write(path: &Path, bytes: &[u8]) -> Result<(), BuildError> {
    let broken = |source| BuildError::Files { path: path.to_owned(), source };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(broken)?;
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(broken)?;
    file.write_all(bytes).map_err(broken)?;
    // A component is read by others than its builder, such as a server under its own user.
    set_readable(file.as_file()).map_err(broken)?;
    file.persist(path).map_err(|error| broken(error.error))?;
    Ok(())
}

fn set_readable(file: &fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}
