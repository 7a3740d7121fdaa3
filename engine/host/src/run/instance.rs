use super::ending::{self, Broke};
use crate::bindings::exports::stageway::stage::stage::Verdict;
use crate::guest::{Broken, Guest, Meter, Metered, OnThread, Port, Start, serve};
use crate::host::Runner;
use crate::prepared::{Plugin, Prepared};
use stageway_core::run::Usage;
use stageway_ports::{Calls, ConfigIssue, GuestEnd, GuestError, GuestRun};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use wasmtime::{Store, UpdateDeadline};

/// Bytes of all parameters or answers of one call.
const CALL_BYTES: usize = 4 << 20;

/// What is called.
#[derive(Clone, Copy)]
pub(crate) enum Export<'a> {
    Describe,
    /// With the configuration.
    Validate(&'a str),
    /// With the configuration.
    Run(&'a str),
}

/// What an export answered.
pub(crate) enum Said {
    /// Of `describe`.
    Manifest(String),
    /// Of `validate`.
    Issues(Vec<ConfigIssue>),
    /// Of `run`: the outputs as text.
    Outputs(String),
    /// Of `run`: one of the two ways not to succeed.
    Verdict(GuestEnd),
}

/// Makes an instance, calls one export, and drops the instance.
///
/// # Errors
/// [`GuestError::Host`] when there is no room for an instance.
pub(crate) async fn call(
    runner: &Runner,
    prepared: &Prepared,
    run: &GuestRun,
    wall: Duration,
    export: Export<'_>,
    calls: &mut dyn Calls,
) -> Result<(Result<Said, Broke>, Usage), GuestError> {
    let plugin = prepared
        .plugin
        .as_ref()
        .ok_or_else(|| GuestError::Host("a component with unknown imports has no instances".to_owned()))?;
    let meter = Meter::new(Duration::from_millis(run.limits.cpu_ms), run.replayed == 0);
    let (port, desk) = Port::pair();
    let mut store = store(runner, Start { run, bounds: &runner.bounds, port, meter: Arc::clone(&meter) });
    let work = async {
        let said = invoke(plugin, &mut store, export).await;
        if said.as_ref().is_err_and(|error| matches!(error.downcast_ref(), Some(Broken::Stop(_)))) {
            return said;
        }
        // What stands in unfinished lines is worth most where the guest broke off.
        let finished = store.data_mut().finish_lines().await;
        said.and_then(|said| finished.map(|()| said))
    };
    let ended = {
        let work = pin!(Metered::new(work, Arc::clone(&meter)));
        let served = pin!(OnThread::new(serve(work, desk, calls), meter, Arc::clone(&runner.ticker)));
        timeout(wall, served).await
    };
    let said = match ended {
        Ok(Ok(said)) => Ok(said),
        Ok(Err(error)) => Err(ending::broke(&error)?),
        Err(_) => Err(Broke::Limit("wall-ms".to_owned())),
    };
    Ok((said, store.data().usage()))
}

/// A store with every bound.
fn store(runner: &Runner, start: Start<'_>) -> Store<Guest> {
    let meter = Arc::clone(&start.meter);
    let mut store = Store::new(&runner.engine, Guest::new(start));
    store.limiter(|guest| &mut guest.memory);
    store.set_hostcall_fuel(CALL_BYTES);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |_| {
        if meter.is_over() {
            return Err(wasmtime::Error::new(Broken::limit("cpu-ms")));
        }
        Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
    });
    store
}

/// Makes an instance and calls one export.
async fn invoke(plugin: &Plugin, store: &mut Store<Guest>, export: Export<'_>) -> wasmtime::Result<Said> {
    let instance = plugin.instance.instantiate_async(&mut *store).await?;
    Ok(match export {
        Export::Describe => {
            let describe = instance.get_typed_func::<(), (String,)>(&mut *store, &plugin.describe)?;
            Said::Manifest(describe.call_async(store, ()).await?.0)
        }
        Export::Validate(configuration) => {
            type Answer = (Vec<crate::bindings::stageway::host::types::ConfigIssue>,);
            let validate = instance.get_typed_func::<(&str,), Answer>(&mut *store, &plugin.validate)?;
            let (issues,) = validate.call_async(store, (configuration,)).await?;
            let issue = |issue: crate::bindings::stageway::host::types::ConfigIssue| ConfigIssue {
                pointer: issue.pointer,
                message: issue.message,
            };
            Said::Issues(issues.into_iter().map(issue).collect())
        }
        Export::Run(configuration) => {
            type Answer = (Result<String, Verdict>,);
            let run = instance.get_typed_func::<(&str,), Answer>(&mut *store, &plugin.run)?;
            match run.call_async(store, (configuration,)).await?.0 {
                Ok(outputs) => Said::Outputs(outputs),
                Err(Verdict::Failed(failure)) => Said::Verdict(GuestEnd::Failed(failure.into())),
                Err(Verdict::Errored(failure)) => Said::Verdict(GuestEnd::Errored(failure.into())),
            }
        }
    })
}
