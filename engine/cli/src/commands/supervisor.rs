//! `stageway supervisor`: the process that tasks of this machine belong to.

use crate::exit::Exit;
use anyhow::Result;
use clap::builder::{OsStringValueParser, TypedValueParser as _};
use stageway_executors::local::{SuperviseError, SupervisorOptions, supervise};
use stageway_stores::BlobPlace;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// How long a supervisor without tasks stays.
const IDLE: Duration = Duration::from_secs(60);

/// `stageway supervisor`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Serve the tasks of a directory
    Serve {
        /// Where its tasks are
        #[arg(long)]
        directory: PathBuf,
        /// Where blobs are: a directory or `s3://BUCKET/PREFIX`
        #[arg(long, value_parser = OsStringValueParser::new().map(BlobPlace::from))]
        blobs: BlobPlace,
        /// A directory that every task sees
        #[arg(long)]
        toolbox: Vec<PathBuf>,
        /// The user's `~/.cargo`
        #[arg(long)]
        cargo_home: Option<PathBuf>,
    },
}

/// Serves until there has been nothing to do for a while.
pub(crate) async fn run(args: Args) -> Result<Exit> {
    let What::Serve { directory, blobs, toolbox, cargo_home } = args.what;
    let parallel = std::thread::available_parallelism().map_or(1, usize::from).max(4);
    let options = SupervisorOptions {
        state: directory,
        blobs: blobs.open()?,
        toolbox,
        cargo_home,
        zygote: [crate::wiring::THIS_PROGRAM, "supervisor", "zygote"].map(OsString::from).into(),
        parallel,
        idle: IDLE,
    };
    match supervise(options).await {
        Ok(()) | Err(SuperviseError::Taken(_)) => Ok(Exit::Ok),
        Err(error) => Err(error.into()),
    }
}
