//! `stageway plugin embed`: what the toolchain of another language made becomes a plugin.

use super::{BuildError, Built, component, describe, place, write};
use crate::inspect::{MAX_BYTES, inspect};
use crate::progress::Progress;
use stageway_ports::Guests;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is to become a plugin.
#[derive(Debug, Clone)]
pub struct EmbedRequest {
    /// A component; or a core module, as a linker leaves it.
    pub file: PathBuf,
    /// Where the plugin goes: a file `*.wasm`; or a folder, in which it is `NAME.wasm`, where the manifest's name is
    /// `NAMESPACE/NAME`; without it that folder is the file's own.
    pub output: Option<PathBuf>,
}

/// Makes a component of a core module, asks it for its manifest, puts that into it, and puts it at its place.
///
/// # Errors
/// See [`BuildError`]; nothing is written then.
pub async fn embed(
    request: EmbedRequest,
    guests: &dyn Guests,
    progress: Arc<dyn Progress>,
) -> Result<Built, BuildError> {
    let bytes = read(&request.file)?;
    let component = tokio::task::spawn_blocking(move || component::adopt(&bytes))
        .await
        .map_err(|error| BuildError::Interrupted(error.to_string()))??;
    progress.say("asking the component for its manifest, twice");
    let (bytes, warnings) = describe::embed(component, &[], guests).await?;
    let inspection = inspect(&bytes).map_err(|error| BuildError::Encode(error.to_string()))?;
    let own = request.file.parent().unwrap_or(Path::new("."));
    let path = place(request.output, own, &inspection, "plugin");
    write(&path, &bytes)?;
    Ok(Built { path, inspection, warnings })
}

fn read(path: &Path) -> Result<Vec<u8>, BuildError> {
    let broken = |source| BuildError::Files { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(broken)?;
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(broken)?;
    if bytes.len() > MAX_BYTES {
        return Err(BuildError::Encode(format!("it has more than the {MAX_BYTES} bytes that a host takes")));
    }
    Ok(bytes)
}
