//! `stageway explain`

use super::Context;
use crate::exit::{Exit, Refused};
use anyhow::Result;
use stageway_core::diagnostic::{all_pages, explain};

/// `stageway explain`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A code such as SW0110, or `all`
    code: String,
}

/// Prints the page of a code.
pub(crate) fn run(context: &Context, args: Args) -> Result<Exit> {
    if args.code == "all" {
        for page in all_pages() {
            context.print(&format!("{}  {}\n", page.code, page.title))?;
        }
        return Ok(Exit::Ok);
    }
    let page = explain(&args.code)
        .map_err(|error| Refused::usage(error.to_string(), "`stageway explain all` lists the codes"))?;
    context.print(&format!("{page}\n"))?;
    Ok(Exit::Ok)
}
