//! `stageway completion`

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
pub(crate) fn run(args: Args) -> Result<Exit> {
    clap_complete::generate(args.shell, &mut Cli::command(), "stageway", &mut std::io::stdout());
    Ok(Exit::Ok)
}
