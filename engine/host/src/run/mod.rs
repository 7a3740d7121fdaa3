//! The life of one instance: made, called once, dropped.

mod ending;
mod instance;

pub(crate) use ending::Broke;
pub(crate) use instance::{Export, Said, call};

use crate::host::Runner;
use crate::linking;
use crate::prepared::Prepared;
use stageway_core::journal::canonical_value;
use stageway_core::run::Usage;
use stageway_ports::{Calls, GuestEnd, GuestError, GuestRun};
use std::time::Duration;

/// Runs one attempt.
///
/// # Errors
/// [`GuestError::NotLinked`] and [`GuestError::Host`].
///
/// # Cancellation
/// Drops the instance where it stands.
pub(crate) async fn attempt(
    runner: &Runner,
    prepared: &Prepared,
    run: &GuestRun,
    calls: &mut dyn Calls,
) -> Result<(GuestEnd, Usage), GuestError> {
    linking::check(&prepared.granted, &run.linking)?;
    let configuration = canonical_value(&run.configuration);
    let wall = Duration::from_millis(run.limits.wall_ms);
    let (said, usage) = call(runner, prepared, run, wall, Export::Run(&configuration), calls).await?;
    let end = match said {
        Ok(Said::Outputs(outputs)) => ending::outputs(&outputs, run.limits.outputs),
        Ok(Said::Verdict(end)) => end,
        Ok(Said::Manifest(_) | Said::Issues(_)) => {
            return Err(GuestError::Host("`run` answered what another function answers".to_owned()));
        }
        Err(Broke::Stopped(stop)) => GuestEnd::Stopped(stop),
        Err(Broke::Limit(name)) => GuestEnd::Limit(name),
        Err(Broke::Trap(message)) => GuestEnd::Trap(message),
    };
    Ok((end, usage))
}
