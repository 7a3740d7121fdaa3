//! `stageway plugin`

mod build;
mod inspect;
mod new;

use super::Context;
use crate::exit::{Exit, Refused};
use anyhow::Result;
use stageway_core::diagnostic::Code;

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
    /// Print what a component is: world, imports, grants wanted, manifest, sizes, digest
    Inspect(inspect::Args),
    /// Write the beginning of a plugin into a directory
    New(new::Args),
}

/// Makes, builds or inspects a plugin.
pub(crate) async fn run(context: &Context, args: Args) -> Result<Exit> {
    match args.what {
        What::Build(args) => build::run(context, args).await,
        What::Inspect(args) => inspect::run(context, &args),
        What::New(args) => new::run(context, args),
    }
}

/// An error of the workbench, with its code and the remedy.
fn refused(code: Code, message: &dyn std::fmt::Display, remedy: String) -> Refused {
    Refused::new(Exit::Invalid, format!("{code}: {message}"), remedy)
}
