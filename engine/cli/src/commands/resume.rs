//! `stageway resume`

use super::Context;
use super::watch::{ShowArgs, lock, watch};
use crate::exit::{Exit, Refused};
use crate::wiring::{Blueprint, Origin, RunRef, find};
use anyhow::Result;
use stageway_ports::RunSummary;
use std::sync::Arc;

/// `stageway resume`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Its number, the beginning of its id, or `latest`; without it the only interrupted run
    #[arg(value_name = "RUN")]
    run: Option<RunRef>,
    #[command(flatten)]
    show: ShowArgs,
}

/// Goes on with a run from its events and journals.
pub(crate) async fn run(context: &Context, args: Args) -> Result<Exit> {
    let blueprint = Blueprint::new(context.settings()?).await?;
    let home = &blueprint.home;
    let found = match &args.run {
        Some(wanted) => find(&*home.store, &home.tenant, wanted).await?,
        None => only(home.interrupted().await?)?,
    };
    if found.status.is_final() {
        let message = format!("run {} has ended: it {}", found.number, found.status.as_str());
        return Err(Refused::usage(message, "`stageway run` starts another one").into());
    }
    go_on(context, &blueprint, &found, args.show).await
}

fn only(mut interrupted: Vec<RunSummary>) -> Result<RunSummary> {
    match (interrupted.pop(), interrupted.len()) {
        (Some(run), 0) => Ok(run),
        (None, _) => Err(Refused::usage("no run was interrupted", "`stageway runs` lists them").into()),
        (Some(newest), _) => {
            let numbers: Vec<String> =
                interrupted.iter().chain([&newest]).map(|run| run.number.to_string()).collect();
            let message = format!("runs {} were interrupted", numbers.join(", "));
            Err(Refused::usage(message, "say which: `stageway resume RUN`").into())
        }
    }
}

/// Drives a run that exists.
///
/// # Errors
/// [`Refused`] while another process drives it; when its work tree is gone.
pub(super) async fn go_on(
    context: &Context,
    blueprint: &Blueprint,
    found: &RunSummary,
    show: ShowArgs,
) -> Result<Exit> {
    let lock = lock(blueprint, &found.id, found.number)?;
    let origin = Origin::of(&blueprint.home.directory, &found.id)?;
    let source = Arc::new(blueprint.source(&origin).await?);
    watch(context, blueprint, (&found.id, found.number), lock, (source, &origin), (show, None)).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use stageway_core::name::{PipelineName, RunId};
    use stageway_core::run::RunStatus;

    #[test]
    fn without_a_name_there_must_be_exactly_one() {
        let run = |number| RunSummary {
            id: RunId::new(format!("01R{number}")).unwrap(),
            number,
            pipeline: PipelineName::new("p").unwrap(),
            status: RunStatus::Running,
            created_at: 1,
            ended_at: None,
            waits: None,
            held_until: None,
        };
        assert_eq!(only(vec![run(3)]).unwrap().number, 3);
        assert_eq!(only(vec![]).unwrap_err().to_string(), "no run was interrupted");
        assert_eq!(only(vec![run(3), run(4)]).unwrap_err().to_string(), "runs 3, 4 were interrupted");
    }
}
