//! `GET …/runs/{run}/logs/stream`: live, by server-sent events.
//!
//! *Guarantees.* Every line once and in order, from where the reader was. The stream ends with an event `end` when the run has
//! ended, and without it when the server stops or the reader was too slow for long: it comes again with the id of the last event
//! it has. At most a page of lines is in memory. A line that is struck out after it was told is not told again: whoever keeps what
//! they have read reads the other logs once the run has ended.

use super::super::super::allow::{Allow, Read};
use super::super::super::extract::{Ask, At};
use super::super::super::{Answer, Routes};
use super::super::name::RunAt;
use super::run_of;
use crate::app::App;
use crate::problem::Problem;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::stream::{self, Stream};
use serde::Deserialize;
use serde_json::json;
use stageway_core::name::{RunId, StageName, TenantId};
use stageway_ports::{RunFilter, RunSummary, StoreError, StoredLine};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Lines in memory.
const PAGE: u32 = 500;
/// After so long without a line a comment says that we are here.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// The longest wait in one piece.
const PATIENCE: Duration = Duration::from_secs(30);
/// Changes in a row are looked at once.
const TOGETHER: Duration = Duration::from_millis(50);

/// Which lines.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// Only of this stage.
    #[param(value_type = Option<String>, pattern = "^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$")]
    stage: Option<StageName>,
    /// Only those with a greater number; `Last-Event-ID` comes before it.
    #[serde(default)]
    #[param(required = false, minimum = 0)]
    after: u64,
}

pub(super) fn routes() -> Routes {
    OpenApiRouter::new().routes(routes!(stream))
}

/// The log of a run, live
///
/// Server-sent events: `line` with a line as the other logs have it, and its number for an id; `end` with the run's `status` when
/// it has ended. `struck` is as it was when the line was told: what is struck out later is seen in the other logs. Whoever comes with `Last-Event-ID` goes on behind that line. Comments say that the server is still there.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/runs/{run}/logs/stream", tag = "logs", security(("token" = ["read"])),
    params(Wanted, ("Last-Event-ID" = Option<u64>, Header, description = "The last line that the reader has")),
    responses((status = 200, description = "Lines as they come", body = String, content_type = "text/event-stream"))
)]
async fn stream(
    allow: Allow<Read>,
    State(app): State<Arc<App>>,
    At(at): At<RunAt>,
    Ask(wanted): Ask<Wanted>,
    headers: HeaderMap,
) -> Answer {
    let after = match headers.get("last-event-id") {
        Some(value) => value
            .to_str()
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| Problem::not_understood("`Last-Event-ID` is not the number of a line"))?,
        None => wanted.after,
    };
    let tenant = allow.tenant().clone();
    let (run, number) = run_of(&app, &tenant, &at.run, wanted.stage.as_ref()).await?;
    let permit = app.streams.clone().try_acquire_owned().map_err(|_| Problem::busy())?;
    let follower = Follower {
        stage: wanted.stage,
        app,
        tenant,
        run,
        number,
        after,
        changes: 0,
        lines: VecDeque::new(),
        over: false,
        _permit: permit,
    };
    Ok(Sse::new(follower.events()).keep_alive(KeepAlive::new().interval(HEARTBEAT)).into_response())
}

/// Somebody who reads along.
struct Follower {
    app: Arc<App>,
    tenant: TenantId,
    run: RunId,
    number: u64,
    stage: Option<StageName>,
    after: u64,
    changes: u64,
    lines: VecDeque<StoredLine>,
    over: bool,
    _permit: OwnedSemaphorePermit,
}

impl Follower {
    fn events(self) -> impl Stream<Item = Result<Event, Infallible>> {
        stream::unfold(self, |mut follower| async move {
            let event = follower.next().await?;
            Some((Ok(event), follower))
        })
    }

    /// The next event; none where the stream ends.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(line) = self.lines.pop_front() {
                return Some(told(&line));
            }
            if self.over || self.app.is_stopping() {
                return None;
            }
            match self.look().await {
                Ok(Some(event)) => return Some(event),
                Ok(None) if !self.lines.is_empty() => {}
                Ok(None) => {
                    let changed = self.app.store().changed(&self.tenant, self.changes, PATIENCE);
                    tokio::select! {
                        _ = changed => tokio::time::sleep(TOGETHER).await,
                        () = self.app.stopped() => return None,
                    }
                }
                Err(error) => {
                    tracing::error!(run.id = %self.run, %error, "a log cannot be read on");
                    return None;
                }
            }
        }
    }

    /// Reads on: the count of changes first, then whether the run has ended, then its lines, so that nothing is missed. Answers
    /// the last event where there is nothing more.
    async fn look(&mut self) -> Result<Option<Event>, StoreError> {
        let store = self.app.store();
        self.changes = store.changed(&self.tenant, self.changes, Duration::ZERO).await.max(self.changes);
        let run = self.summary().await?;
        let lines = store.lines(&self.tenant, &self.run, self.stage.as_ref(), self.after, PAGE).await?;
        if let Some(last) = lines.last() {
            self.after = last.number;
            self.lines = lines.into();
            return Ok(None);
        }
        let Some(run) = run.filter(|run| run.status.is_final()) else { return Ok(None) };
        self.over = true;
        let data = json!({ "status": run.status, "ended-at": run.ended_at });
        Ok(Some(Event::default().event("end").data(data.to_string())))
    }

    async fn summary(&self) -> Result<Option<RunSummary>, StoreError> {
        let filter = RunFilter { before: self.number.checked_add(1), max: 1, ..RunFilter::default() };
        Ok(self.app.store().runs(&self.tenant, &filter).await?.pop())
    }
}

fn told(line: &StoredLine) -> Event {
    let data = serde_json::to_string(line).unwrap_or_default();
    Event::default().event("line").id(line.number.to_string()).data(data)
}
