//! Following a run of a server before somebody's eyes, as a run of this machine is watched.

use super::Context;
use super::watch::{ShowArgs, renderer};
use crate::client::{Remote, said_no};
use crate::exit::Exit;
use crate::terminal::{Board, Screen, Summary, end_json};
use crate::wiring::{Interrupts, numbers, summary};
use anyhow::Result;
use serde_json::Value as Json;
use stageway_conductor::driver::load;
use stageway_conductor::engine::Observer as _;
use stageway_core::log::Line;
use stageway_core::name::{RunId, TenantId};
use stageway_core::run::{Ended, RunEvent, RunState, RunStatus};
use stageway_ports::{Store as _, StoreError};
use stageway_remotes::server::{RemoteStore, ServerError};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Lines of one request.
const PAGE: u32 = 1_000;
/// How long a change is waited for before it is looked again.
const PATIENCE: Duration = Duration::from_secs(25);
/// Between two looks at most: others' runs change the count as well.
const PAUSE: Duration = Duration::from_millis(200);
/// Between two tries of a server that does not answer, and how many there are.
const TRY_AGAIN: Duration = Duration::from_secs(2);
const TRIES: u32 = 60;

/// A run of a server that is followed.
pub(super) struct Following<'a> {
    /// The server.
    pub(super) remote: &'a Remote,
    /// Which.
    pub(super) run: RunId,
    /// Its number.
    pub(super) number: u64,
    /// What is told of it at its beginning.
    pub(super) about: &'a Json,
    /// How it is shown.
    pub(super) show: ShowArgs,
    /// The first stage that does not succeed ends it.
    pub(super) fail_fast: bool,
}

/// Shows a run of a server to its end. The first Ctrl-C (or SIGTERM) cancels it there, the second leaves it to the server.
///
/// # Errors
/// When the server does not answer for two minutes; the run goes on there.
pub(super) async fn follow(
    context: &Context,
    following: Following<'_>,
    interrupts: &mut Interrupts,
) -> Result<Exit> {
    let store = RemoteStore::new(following.remote.server.clone());
    let (tenant, run) = (&following.remote.token.tenant, &following.run);
    let loaded = load(&store, tenant, run).await?;
    let state = RunState::new(loaded.plan.stages.keys());
    let mut board = Board::new(run.clone(), following.number, loaded.plan, state.clone());
    board.numbers = numbers(&store, tenant).await?;
    let renderer = renderer(&context.out, following.show, &board, following.about)?;
    let screen = Screen::start(board, renderer)?;
    let mut follower = Follower {
        following: &following,
        tenant,
        store: &store,
        screen: screen.clone(),
        state,
        version: 0,
        after: 0,
        cancelled: false,
        stopped_by_us: false,
    };
    let over = follower.watch_on(interrupts).await;
    screen.finish();
    let (over, verdict) = (over?, follower.verdict());
    let summary = Summary { elsewhere: true, ..summary(&store, tenant, run).await? };
    let text =
        if following.show.json { format!("{}\n", end_json(&summary)) } else { summary.render(&context.out) };
    context.print(&text)?;
    Ok(match over {
        Over::Ended(_) if follower.stopped_by_us => verdict,
        Over::Ended(status) => Exit::of(status),
        Over::Left => Exit::Errored,
    })
}

enum Over {
    Ended(RunStatus),
    Left,
}

struct Follower<'a> {
    following: &'a Following<'a>,
    tenant: &'a TenantId,
    store: &'a RemoteStore,
    screen: Arc<Screen>,
    state: RunState,
    /// Events that were shown.
    version: u64,
    /// The last line that was shown.
    after: u64,
    cancelled: bool,
    /// The cancel was that of `--fail-fast`.
    stopped_by_us: bool,
}

impl Follower<'_> {
    async fn watch_on(&mut self, interrupts: &mut Interrupts) -> Result<Over> {
        let (mut changes, mut failures) = (0, 0);
        if interrupts.came() {
            self.interrupted().await?;
        }
        loop {
            // The count first and the state after it: nothing is missed.
            changes = self.store.changed(self.tenant, changes, Duration::ZERO).await.max(changes);
            match self.show_new().await {
                Ok(()) => failures = 0,
                Err(StoreError::Storage(_)) if failures < TRIES => {
                    if failures == 0 {
                        self.screen.notice("the server does not answer; it is asked again");
                    }
                    failures += 1;
                    tokio::select! {
                        () = tokio::time::sleep(TRY_AGAIN) => continue,
                        // There is nobody to be asked for the end.
                        () = interrupts.next() => return Ok(self.left()),
                    }
                }
                Err(error) => return Err(error.into()),
            }
            if self.state.ended_at.is_some() {
                return Ok(Over::Ended(self.state.status));
            }
            self.stop_when_something_failed().await?;
            tokio::select! {
                _ = self.store.changed(self.tenant, changes, PATIENCE) => tokio::time::sleep(PAUSE).await,
                () = interrupts.next() => {
                    if self.cancelled && !self.stopped_by_us {
                        return Ok(self.left());
                    }
                    self.interrupted().await?;
                }
            }
        }
    }

    /// Shows what is new: events with the lines that came before them.
    async fn show_new(&mut self) -> Result<(), StoreError> {
        let run = &self.following.run;
        let events = self.store.events_after(self.tenant, run, self.version).await?;
        let mut events: VecDeque<RunEvent> = events.into();
        loop {
            let lines = self.store.lines(self.tenant, run, None, self.after, PAGE).await?;
            let whole = lines.len() < PAGE as usize;
            for stored in lines {
                self.after = stored.number;
                while events.front().is_some_and(|event| comes_before(event, &stored.line)) {
                    events.pop_front().into_iter().for_each(|event| self.event(&event));
                }
                if !stored.struck {
                    self.screen.line(run, &stored.line);
                }
            }
            if whole {
                break;
            }
        }
        events.into_iter().for_each(|event| self.event(&event));
        Ok(())
    }

    fn event(&mut self, event: &RunEvent) {
        self.version += 1;
        self.state.apply(event);
        self.screen.event(&self.following.run, event);
    }

    /// With `--fail-fast` the first stage that failed or errored for good ends the run.
    async fn stop_when_something_failed(&mut self) -> Result<()> {
        if !self.following.fail_fast || self.cancelled {
            return Ok(());
        }
        let failed = |ended: Option<&Ended>| matches!(ended, Some(Ended::Failed(_) | Ended::Errored(_)));
        let found = self.state.stages.iter().find(|(_, stage)| failed(stage.ended()));
        let Some(stage) = found.map(|(stage, _)| stage.clone()) else { return Ok(()) };
        self.stopped_by_us = true;
        self.screen.notice(format!("`{stage}` did not succeed: the rest is cancelled (--fail-fast)"));
        self.cancel(&format!("`{stage}` did not succeed (--fail-fast)")).await
    }

    fn left(&self) -> Over {
        let number = self.following.number;
        self.screen.notice(format!("left; the server goes on with it: `stageway logs {number} -f`"));
        Over::Left
    }

    async fn interrupted(&mut self) -> Result<()> {
        self.stopped_by_us = false;
        self.screen
            .notice("cancelling: stages get their time to end; Ctrl-C again leaves the run to the server");
        self.cancel("interrupted at the terminal").await
    }

    async fn cancel(&mut self, reason: &str) -> Result<()> {
        self.cancelled = true;
        let Following { remote, run, .. } = self.following;
        match remote.server.cancel(self.tenant, run, reason).await {
            // It has ended just now.
            Ok(()) | Err(ServerError::Problem { status: 409, .. }) => Ok(()),
            Err(error) => Err(said_no(error).into()),
        }
    }

    /// What the first stages that did not succeed say of the run, whatever became of the rest.
    fn verdict(&self) -> Exit {
        let failed = self.state.stages.values().any(|stage| matches!(stage.ended(), Some(Ended::Failed(_))));
        if failed { Exit::Failed } else { Exit::Errored }
    }
}

/// A line that is as old as an event comes before it, unless the event is the start of an attempt.
fn comes_before(event: &RunEvent, line: &Line) -> bool {
    match event {
        RunEvent::Created { .. } | RunEvent::AttemptStarted { .. } => event.at() <= line.at,
        _ => event.at() < line.at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::sample;

    #[test]
    fn lines_stand_between_the_start_and_the_end_of_their_attempt() {
        let line = Line { at: 5, ..sample::line("smoke", "x") };
        let started = |at| RunEvent::AttemptStarted { at, stage: sample::stage("smoke"), attempt: 1 };
        let ended = |at| RunEvent::Ended { at, status: RunStatus::Failed };
        assert!(comes_before(&started(5), &line) && comes_before(&ended(4), &line));
        assert!(!comes_before(&started(6), &line) && !comes_before(&ended(5), &line));
    }
}
