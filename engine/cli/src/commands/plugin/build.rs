//! `stageway plugin build`

use super::super::Context;
use super::{chain, made, refused};
use crate::exit::Exit;
use crate::terminal::Style;
use crate::wiring::guests;
use anyhow::Result;
use stageway_workbench::build::{BuildRequest, build};
use std::path::PathBuf;
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
    let request = BuildRequest {
        directory: args.directory,
        output: args.output,
        cache: settings.cache.join("plugins"),
        offline: args.offline,
    };
    let err = context.err;
    let progress = move |line: &str| eprintln!("{}", err.paint(Style::Faint, line));
    let built = build(request, &*guests, Arc::new(progress)).await;
    made(context, built.map_err(|error| refused(error.code(), &chain(&error), error.remedy()))?)
}
