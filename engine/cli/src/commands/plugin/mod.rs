//! `stageway plugin`

mod build;
mod embed;
mod inspect;
mod new;

use super::Context;
use crate::exit::{Exit, Refused};
use crate::terminal::{Style, bytes};
use anyhow::Result;
use stageway_core::diagnostic::Code;
use stageway_workbench::build::Built;

/// `stageway plugin`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Build the Rust plugin in a directory
    Build(build::Args),
    /// Make a plugin of a component or module that was built from the WIT files in any language: its manifest goes into it
    Embed(embed::Args),
    /// Print what a component is: world, imports, grants wanted, manifest, sizes, digest
    Inspect(inspect::Args),
    /// Write the beginning of a plugin into a directory
    New(new::Args),
}

/// Makes, builds or inspects a plugin.
pub(crate) async fn run(context: &Context, args: Args) -> Result<Exit> {
    match args.what {
        What::Build(args) => build::run(context, args).await,
        What::Embed(args) => embed::run(context, args).await,
        What::Inspect(args) => inspect::run(context, &args),
        What::New(args) => new::run(context, args),
    }
}

/// An error of the workbench, with its code and the remedy.
fn refused(code: Code, message: &dyn std::fmt::Display, remedy: String) -> Refused {
    Refused::new(Exit::Invalid, format!("{code}: {message}"), remedy)
}

/// Says what was made and where it lies.
fn made(context: &Context, built: Built) -> Result<Exit> {
    for warning in &built.warnings {
        context.say(Style::Notice, warning);
    }
    let inspection = &built.inspection;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    context.print(&format!(
        "{}  {} {}, {}, {}\n",
        built.path.display(),
        text(&inspection.name),
        text(&inspection.version),
        bytes(inspection.sizes.component_bytes),
        inspection.digest
    ))?;
    Ok(Exit::Ok)
}

/// An error with what caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
