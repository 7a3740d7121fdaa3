//! `stageway plugin embed`

use super::super::Context;
use super::{chain, made, refused};
use crate::exit::Exit;
use crate::terminal::Style;
use crate::wiring::guests;
use anyhow::Result;
use stageway_workbench::build::{EmbedRequest, embed};
use std::path::PathBuf;
use std::sync::Arc;

/// `stageway plugin embed`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A component, or a core module as a linker leaves it
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Where the plugin goes: a file `*.wasm`, or a directory; without it the file's own
    #[arg(long, value_name = "PATH")]
    output: Option<PathBuf>,
}

/// Makes a plugin of what another toolchain built and says where it lies.
pub(crate) async fn run(context: &Context, args: Args) -> Result<Exit> {
    let settings = context.settings()?;
    let guests = guests(&settings)?;
    let request = EmbedRequest { file: args.file, output: args.output };
    let err = context.err;
    let progress = move |line: &str| eprintln!("{}", err.paint(Style::Faint, line));
    let built = embed(request, &*guests, Arc::new(progress)).await;
    made(context, built.map_err(|error| refused(error.code(), &chain(&error), error.remedy()))?)
}
