//! `describe` and `validate`: functions that compute their answer alone.

use crate::host::Runner;
use crate::linking;
use crate::prepared::Prepared;
use crate::run::{Broke, Export, Said, call};
use async_trait::async_trait;
use serde_json::Value as Json;
use stageway_core::call::{Call, Clock, Function, Log, LogLevel, Reply, Stop, Value};
use stageway_core::limits::AttemptLimits;
use stageway_core::name::TenantId;
use stageway_ports::{Calls, ConfigIssue, GuestError, GuestRun};
use std::time::Duration;

/// Processor time, in milliseconds.
const CPU_MS: u64 = 1_000;
/// From start to end, on a busy machine.
const WALL: Duration = Duration::from_secs(20);
/// Bytes of log that become part of a message.
const LOG_BYTES: u64 = 4 << 10;
/// Where time stands still: 2000-01-01T00:00Z. Runtimes take a clock that shows 0 for a broken one.
const NOW: f64 = 946_684_800_000.0;
/// Calls, nearly all of which are log lines.
const CALLS: u64 = 10_000;

/// Runs `describe`.
///
/// # Errors
/// [`GuestError::Trap`], [`GuestError::NotLinked`] and [`GuestError::Host`].
pub(crate) async fn describe(runner: &Runner, prepared: &Prepared) -> Result<String, GuestError> {
    match pure(runner, prepared, "describe", Export::Describe).await? {
        Said::Manifest(manifest) => Ok(manifest),
        _ => Err(GuestError::Host("`describe` answered what another function answers".to_owned())),
    }
}

/// Runs `validate`.
///
/// # Errors
/// Those of [`describe`].
pub(crate) async fn validate(
    runner: &Runner,
    prepared: &Prepared,
    configuration: &str,
) -> Result<Vec<ConfigIssue>, GuestError> {
    match pure(runner, prepared, "validate", Export::Validate(configuration)).await? {
        Said::Issues(issues) => Ok(issues),
        _ => Err(GuestError::Host("`validate` answered what another function answers".to_owned())),
    }
}

async fn pure(
    runner: &Runner,
    prepared: &Prepared,
    function: &'static str,
    export: Export<'_>,
) -> Result<Said, GuestError> {
    let linking = linking::everything();
    linking::check(&prepared.granted, &linking)?;
    let limits =
        AttemptLimits { cpu_ms: CPU_MS, log_bytes: LOG_BYTES, host_calls: CALLS, ..AttemptLimits::default() };
    let run = GuestRun {
        tenant: TenantId::local(),
        component: prepared.digest,
        linking,
        limits,
        configuration: Json::Null,
        seed: [0; 32],
        replayed: 0,
    };
    let mut calls = Alone::default();
    let (said, _) = call(runner, prepared, &run, WALL, export, &mut calls).await?;
    said.map_err(|broke| GuestError::Trap { function: function.to_owned(), message: calls.explain(broke) })
}

/// Answers only what needs no outside: log lines are kept for the message, time stands still.
#[derive(Default)]
struct Alone {
    lines: Vec<String>,
    refused: Option<String>,
}

impl Alone {
    fn explain(self, broke: Broke) -> String {
        let mut message = match (broke, self.refused) {
            (Broke::Stopped(_), Some(call)) => format!("it called `{call}`, but computes its answer alone"),
            (Broke::Stopped(stop), None) => format!("the host stopped it: {stop:?}"),
            (Broke::Limit(name), _) => format!("it used up its limit `{name}`"),
            (Broke::Trap(message), _) => message,
        };
        for line in self.lines {
            message.push('\n');
            message.push_str(&line);
        }
        message
    }
}

#[async_trait]
impl Calls for Alone {
    async fn call(&mut self, call: Call) -> Reply {
        match call.function {
            Function::Log(Log::Write { level, message }) => {
                if level >= LogLevel::Warn {
                    self.lines.push(message);
                }
                Reply::Answer(Ok(Value::Done))
            }
            Function::Clock(Clock::NowMs) => Reply::Answer(Ok(Value::Number(NOW))),
            function => {
                let (interface, name) = function.name();
                self.refused = Some(format!("{interface}.{name}"));
                Reply::Stop(Stop::PlanEnd)
            }
        }
    }
}
