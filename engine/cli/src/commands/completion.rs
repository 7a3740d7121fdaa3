//! `stageway completion`

use super::Context;
use crate::arguments::Cli;
use crate::exit::Exit;
use anyhow::Result;
use clap::CommandFactory;

/// `stageway completion`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The shell
    shell: clap_complete::Shell,
}

/// Prints the completion script.
pub(crate) fn run(context: &Context, args: Args) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "stageway", &mut script);
    context.print(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Ok)
}
