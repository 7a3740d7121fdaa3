//! `stageway plugin inspect`

use super::super::Context;
use super::refused;
use crate::exit::{Exit, Refused};
use anyhow::Result;
use stageway_workbench::inspect::{MAX_BYTES, inspect};
use std::io::Read;
use std::path::PathBuf;

/// `stageway plugin inspect`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The component
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Prints what a component is, without running it.
pub(crate) fn run(context: &Context, args: &Args) -> Result<Exit> {
    let mut bytes = Vec::new();
    let read = std::fs::File::open(&args.file);
    let read = read.and_then(|file| file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes));
    read.map_err(|error| {
        Refused::usage(
            format!("{} cannot be read: {error}", args.file.display()),
            "name a component, `*.wasm`",
        )
    })?;
    let inspection = inspect(&bytes).map_err(|error| {
        let message = format!("{}: {error}", args.file.display());
        refused(error.code(), &message, error.remedy())
    })?;
    let text = if args.json { serde_json::to_string_pretty(&inspection)? } else { inspection.to_string() };
    context.print(&format!("{}\n", text.trim_end()))?;
    Ok(Exit::Ok)
}
