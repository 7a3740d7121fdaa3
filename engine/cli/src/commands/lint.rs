//! `stageway lint`

use super::Context;
use crate::exit::{Exit, Refused};
use crate::terminal::{Sources, Style, render};
use crate::wiring::{Place, beside, guests, plugins};
use anyhow::Result;
use stageway_conductor::planner::find;
use stageway_core::definition::parse;
use stageway_core::diagnostic::{Diagnostic, any_error, sort};
use stageway_core::plan::lint;
use std::path::{Path, PathBuf};

/// `stageway lint`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The pipeline file; without it those of the work tree
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Do not look for the plugins: only what the file alone can say
    #[arg(long)]
    file_only: bool,
    /// As JSON, one problem a line
    #[arg(long)]
    json: bool,
}

/// Tells every problem of each file.
pub(crate) async fn run(context: &Context, args: Args) -> Result<Exit> {
    let mut told = Vec::new();
    for (name, bytes) in files(context, args.file.as_deref())? {
        let diagnostics = if args.file_only {
            parse(&name, &bytes).diagnostics
        } else {
            with_plugins(context, &name, &bytes).await?
        };
        if args.json {
            for diagnostic in &diagnostics {
                context.print(&format!("{}\n", serde_json::to_string(diagnostic)?))?;
            }
        } else if diagnostics.is_empty() {
            context.print(&format!("{name}: {}\n", context.out.paint(Style::Good, "nothing is wrong")))?;
        } else {
            context.print(&render(&diagnostics, &Sources::of(&name, &bytes), &context.out))?;
        }
        told.extend(diagnostics);
    }
    Ok(if any_error(&told) { Exit::Invalid } else { Exit::Ok })
}

/// The files that are meant, by the names that people know them by.
///
/// # Errors
/// [`Refused`] when there is none, or one that was named cannot be read.
pub(super) fn files(context: &Context, named: Option<&Path>) -> Result<Vec<(String, Vec<u8>)>> {
    let read = |name: String, path: &Path| match std::fs::read(path) {
        Ok(bytes) => Ok((name, bytes)),
        Err(error) => {
            Err(Refused::usage(format!("{name} cannot be read: {error}"), "name a pipeline file").into())
        }
    };
    if let Some(path) = named {
        return Ok(vec![read(path.display().to_string(), path)?]);
    }
    let place = Place::find(&context.here()?)?;
    place.files()?.into_iter().map(|file| read(file.clone(), &place.root.join(&file))).collect()
}

/// What the file says, and what its plugins say about it.
async fn with_plugins(context: &Context, name: &str, bytes: &[u8]) -> Result<Vec<Diagnostic>> {
    let parsed = parse(name, bytes);
    let Some(definition) = parsed.valid().cloned() else { return Ok(parsed.diagnostics) };
    let settings = context.settings()?;
    let path = context.here()?.join(name);
    let plugins = plugins(&settings, guests(&settings)?);
    let beside = beside(path.parent().unwrap_or(&path), &definition);
    let mut diagnostics = parsed.diagnostics;
    let sought = find((&plugins, &beside), &definition, &mut diagnostics).await;
    diagnostics.extend(lint(&definition, &sought.found, &sought.absent, None));
    sort(&mut diagnostics);
    Ok(diagnostics)
}
