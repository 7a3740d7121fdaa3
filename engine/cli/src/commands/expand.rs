//! `stageway expand`

use super::Context;
use crate::exit::{Exit, Invalid};
use crate::terminal::{Sources, render};
use anyhow::Result;
use stageway_core::definition::{parse, to_json, to_yaml};
use stageway_core::diagnostic::any_error;
use std::path::PathBuf;

/// `stageway expand`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The pipeline file; without it those of the work tree
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Prints each file as it is understood.
pub(crate) fn run(context: &Context, args: Args) -> Result<Exit> {
    for (name, bytes) in super::lint::files(context, args.file.as_deref())? {
        let parsed = parse(&name, &bytes);
        let sources = Sources::of(&name, &bytes);
        let definition = match parsed.definition {
            Some(definition) if !any_error(&parsed.diagnostics) => definition,
            _ => return Err(Invalid { diagnostics: parsed.diagnostics, sources }.into()),
        };
        if !parsed.diagnostics.is_empty() {
            eprint!("{}", render(&parsed.diagnostics, &sources, &context.err));
        }
        let text = if args.json { to_json(&definition) } else { to_yaml(&definition) };
        context.print(&format!("{}\n", text.trim_end()))?;
    }
    Ok(Exit::Ok)
}
