//! `stageway replay`: an attempt again, offline, from its journal alone.

use crate::attempt::{Attempt, Mode, Subject};
use crate::driver::linking;
use crate::engine::Engine;
use stageway_core::call::Stop;
use stageway_core::journal::{Cursor, Outcome};
use stageway_core::log::Line;
use stageway_ports::{GuestEnd, GuestRun};
use std::sync::Arc;
use thiserror::Error;
use tokio::sync::watch;

/// What a replay came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Replayed {
    /// How the guest ended this time.
    pub end: GuestEnd,
    /// Whether that is what the journal's end says; none for a journal without end.
    pub same_end: Option<bool>,
    /// Entries that were answered.
    pub entries: u32,
    /// Lines that the plugin wrote.
    pub lines: Vec<Line>,
}

/// Why an attempt cannot be replayed.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// Nothing of it became durable.
    #[error("the attempt has no journal")]
    NoJournal,
    /// The journal is broken or of another engine.
    #[error(transparent)]
    Journal(#[from] stageway_core::journal::CursorError),
    /// The component is gone or cannot run.
    #[error("the plugin cannot be replayed: {0}")]
    Plugin(String),
}

/// Runs an attempt's plugin again; every call is answered from its journal, and nothing reaches the outside.
///
/// # Errors
/// [`ReplayError`]. A guest that makes another call than the journal has is no error but an end: `Diverged`.
pub async fn replay(
    engine: &Arc<Engine>,
    subject: &Arc<Subject>,
    cursor: Cursor,
) -> Result<Replayed, ReplayError> {
    let header = cursor.header().cloned().ok_or(ReplayError::NoJournal)?;
    crate::planner::prepare(engine, &header.component).await.map_err(ReplayError::Plugin)?;
    let recorded = cursor.end().map(|end| end.outcome.clone());
    let (_keep, cancel) = watch::channel(false);
    let mut attempt = Attempt::new(engine.clone(), subject.clone(), Mode::Replay, cursor, cancel);
    let entries = attempt.replayed();
    let run = GuestRun {
        tenant: subject.writer.tenant.clone(),
        component: header.component,
        linking: linking(subject),
        limits: header.limits.clone(),
        configuration: header.configuration.clone(),
        seed: subject.seed,
        replayed: entries,
    };
    let (end, _) =
        engine.guests.run(run, &mut attempt).await.map_err(|e| ReplayError::Plugin(e.to_string()))?;
    let same_end = recorded.map(|recorded| is_same(&end, &recorded));
    Ok(Replayed { end, same_end, entries, lines: attempt.into_lines() })
}

fn is_same(end: &GuestEnd, recorded: &Outcome) -> bool {
    match (end, recorded) {
        (GuestEnd::Succeeded(outputs), Outcome::Ok(recorded)) => outputs == recorded,
        (GuestEnd::Failed(failure), Outcome::Failed(recorded)) => failure == recorded,
        (GuestEnd::Errored(failure), Outcome::Errored(recorded)) => failure == recorded,
        (GuestEnd::Succeeded(_), Outcome::Failed(recorded) | Outcome::Errored(recorded)) => {
            // The host refused what the plugin took for success.
            matches!(recorded.code.as_str(), "stageway/artifact-missing" | "stageway/outputs-invalid")
        }
        (GuestEnd::Trap(_), Outcome::Trap(_)) | (GuestEnd::Limit(_), Outcome::Limit(_)) => true,
        // The journal ends where the attempt was ended from outside; whatever the guest did until then is the same.
        (GuestEnd::Stopped(Stop::PlanEnd), Outcome::Cancelled | Outcome::Limit(_))
        | (_, Outcome::Cancelled) => true,
        _ => false,
    }
}
