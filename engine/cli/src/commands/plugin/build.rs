//! `stageway plugin build`

use super::super::Context;
use super::refused;
use crate::exit::Exit;
use crate::terminal::{Style, bytes};
use crate::wiring::guests;
use anyhow::{Context as _, Result};
use stageway_workbench::build::{BuildRequest, Built, build};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// `stageway plugin build`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The directory with the plugin's Cargo.toml
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Where the component goes: a file `*.wasm`, or a directory; without it the plugin's own
    #[arg(long, value_name = "PATH")]
    output: Option<PathBuf>,
    /// Never ask the network
    #[arg(long)]
    offline: bool,
}

/// Builds a plugin and says where it lies.
pub(crate) async fn run(context: &Context, args: Args) -> Result<Exit> {
    let settings = context.settings()?;
    let guests = guests(&settings)?;
    let (file, directory) = match args.output {
        Some(path) if path.extension().is_some_and(|extension| extension == "wasm") => (Some(path), None),
        directory => (None, directory),
    };
    // In a directory the component gets the plugin's name, which is known when it is built.
    let unnamed = directory.as_ref().map(|folder| folder.join(format!(".{}.wasm", ulid::Ulid::generate())));
    let request = BuildRequest {
        directory: args.directory,
        output: file.or_else(|| unnamed.clone()),
        cache: settings.cache.join("plugins"),
        offline: args.offline,
    };
    let err = context.err;
    let progress = move |line: &str| eprintln!("{}", err.paint(Style::Faint, line));
    let built = build(request, &*guests, Arc::new(progress)).await;
    let mut built = built.map_err(|error| refused(error.code(), &chain(&error), error.remedy()))?;
    if let Some(folder) = directory {
        let path = folder.join(file_name(&built));
        std::fs::rename(&built.path, &path)
            .with_context(|| format!("{} cannot be written", path.display()))?;
        built.path = path;
    }
    for warning in &built.warnings {
        context.say(Style::Notice, warning);
    }
    context.print(&told(&built.path, &built))?;
    Ok(Exit::Ok)
}

fn file_name(built: &Built) -> String {
    let name = built.inspection.name.as_deref().and_then(|name| name.rsplit('/').next()).unwrap_or("plugin");
    format!("{name}.wasm")
}

fn told(path: &Path, built: &Built) -> String {
    let inspection = &built.inspection;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    format!(
        "{}  {} {}, {}, {}\n",
        path.display(),
        text(&inspection.name),
        text(&inspection.version),
        bytes(inspection.sizes.component_bytes),
        inspection.digest
    )
}

/// An error with what caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
