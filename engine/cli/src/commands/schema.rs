//! `stageway schema`

use super::Context;
use crate::exit::Exit;
use anyhow::Result;
use stageway_core::definition::json_schema;
use stageway_core::event::Event;

/// `stageway schema`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Of what
    #[arg(value_enum, default_value = "pipeline")]
    of: Of,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Of {
    /// A pipeline file
    Pipeline,
    /// An event, as `run --event FILE` takes it
    Event,
}

/// Prints the schema.
pub(crate) fn run(context: &Context, args: Args) -> Result<Exit> {
    let schema = match args.of {
        Of::Pipeline => json_schema(),
        Of::Event => Event::schema(),
    };
    context.print(&format!("{}\n", serde_json::to_string_pretty(&schema)?))?;
    Ok(Exit::Ok)
}
