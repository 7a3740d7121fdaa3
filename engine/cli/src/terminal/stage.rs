//! Where a stage stands, in words.

use super::board::{Board, run_in_words};
use super::look::{Look, Style};
use super::words::{count, duration};
use serde_json::Value;
use stageway_core::call::Failure;
use stageway_core::name::{RunId, StageName};
use stageway_core::plan::{Cell, PlannedStage};
use stageway_core::run::{Ended, Proof, SkipReason, StageState, StageStatus};
use std::collections::BTreeMap;

/// What a stage's line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Not begun.
    Pending,
    /// In memory.
    Running,
    /// Waits for something that takes long.
    Waiting,
    /// It was done.
    Done,
    /// Its answer was known.
    Unchanged,
    /// It was not run.
    Skipped,
    /// The user's work said no.
    Failed,
    /// It could not be told.
    Errored,
    /// It was cancelled.
    Cancelled,
}

impl Mark {
    pub(crate) fn of(status: &StageStatus) -> Self {
        match status {
            StageStatus::Pending => Self::Pending,
            StageStatus::Running => Self::Running,
            StageStatus::Held(_) | StageStatus::Parked(_) | StageStatus::Retrying(_) => Self::Waiting,
            StageStatus::Ended(ended) => match **ended {
                Ended::Succeeded { .. } => Self::Done,
                Ended::Failed(_) => Self::Failed,
                Ended::Errored(_) => Self::Errored,
                Ended::Cancelled => Self::Cancelled,
                Ended::Skipped(SkipReason::Unchanged(_)) => Self::Unchanged,
                Ended::Skipped(_) => Self::Skipped,
            },
        }
    }

    fn style(self) -> Style {
        match self {
            Self::Pending | Self::Skipped => Style::Faint,
            Self::Running => Style::Active,
            Self::Waiting | Self::Cancelled => Style::Notice,
            Self::Done | Self::Unchanged => Style::Good,
            Self::Failed | Self::Errored => Style::Bad,
        }
    }

    /// One column, painted. `turn` turns what is running.
    pub(crate) fn show(self, look: &Look, turn: usize) -> String {
        const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
        const ROTOR: [&str; 4] = ["|", "/", "-", "\\"];
        let (fancy, plain) = match self {
            Self::Pending => ("·", "."),
            Self::Running => (SPINNER[turn % SPINNER.len()], ROTOR[turn % ROTOR.len()]),
            Self::Waiting => ("◌", "~"),
            Self::Done => ("✓", "+"),
            Self::Unchanged => ("=", "="),
            Self::Skipped => ("–", "-"),
            Self::Failed => ("✗", "x"),
            Self::Errored => ("!", "!"),
            Self::Cancelled => ("⊘", "o"),
        };
        look.paint(self.style(), if look.unicode { fancy } else { plain })
    }
}

/// How long a stage took, or has been going on.
pub(crate) fn took(stage: &StageState, now: u64) -> Option<u64> {
    let end = stage.ended_at.unwrap_or(now);
    stage.started_at.map(|start| end.saturating_sub(start))
}

/// What a stage that has not ended is doing.
pub(crate) fn doing(
    board: &Board,
    name: &StageName,
    planned: &PlannedStage,
    stage: &StageState,
    now: u64,
) -> String {
    let attempt = attempt(stage, planned);
    match &stage.status {
        StageStatus::Pending => after(planned, board),
        StageStatus::Held(why) => format!("waits {why}"),
        StageStatus::Parked(why) => format!("{attempt}waits {why}"),
        StageStatus::Retrying(due) => {
            format!(
                "attempt {} of {} in {}",
                stage.attempts + 1,
                planned.retry.attempts,
                duration(due.saturating_sub(now))
            )
        }
        StageStatus::Running => format!("{attempt}{}", board.latest(name).unwrap_or_default()),
        StageStatus::Ended(ended) => result(ended, stage, &board.numbers),
    }
}

/// `attempt 2 of 3: ` of a stage that is tried again.
fn attempt(stage: &StageState, planned: &PlannedStage) -> String {
    match stage.attempts {
        0 | 1 => String::new(),
        attempt => format!("attempt {attempt} of {}: ", planned.retry.attempts.max(attempt)),
    }
}

/// What has to end before the stage starts; the cells of a matrix are told as one.
fn after(planned: &PlannedStage, board: &Board) -> String {
    let open = |need: &&StageName| board.state.stages.get(*need).is_some_and(|stage| stage.ended().is_none());
    let in_file = |need| board.plan.stages.get(need).map_or(need, |stage| stage.in_file(need));
    let mut open: Vec<&str> = planned.needs.iter().filter(open).map(|need| in_file(need).as_str()).collect();
    open.sort_unstable();
    open.dedup();
    if open.is_empty() { String::new() } else { format!("after {}", open.join(", ")) }
}

/// The values of a cell, as in `os=linux, rust=1.95`.
pub(crate) fn cell_in_words(cell: &Cell) -> String {
    let value = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let values = cell.values.iter().map(|(axis, of)| format!("{axis}={}", value(of)));
    values.collect::<Vec<_>>().join(", ")
}

/// How a stage ended, without its time.
pub(crate) fn result(ended: &Ended, stage: &StageState, numbers: &BTreeMap<RunId, u64>) -> String {
    match ended {
        Ended::Succeeded { .. } if stage.attempts > 1 => format!("at attempt {}", stage.attempts),
        Ended::Succeeded { .. } | Ended::Cancelled => String::new(),
        Ended::Failed(failure) | Ended::Errored(failure) => failed(failure),
        Ended::Skipped(reason) => why(reason, numbers),
    }
}

/// A failure in one line.
pub(crate) fn failed(failure: &Failure) -> String {
    format!("{} ({})", failure.message, failure.code)
}

/// Why a stage was not run.
pub(crate) fn why(reason: &SkipReason, numbers: &BTreeMap<RunId, u64>) -> String {
    match reason {
        SkipReason::Unchanged(proof) => format!("the same as in {}", run_in_words(numbers, &proof.run)),
        SkipReason::Condition(source) => format!("its condition is false: {source}"),
        SkipReason::Upstream(stage) => format!("`{stage}` did not succeed"),
        SkipReason::Outdated(run) => {
            format!("outdated: {} was in the environment already", run_in_words(numbers, run))
        }
    }
}

/// What was compared before a stage was taken for unchanged.
pub(crate) fn compared(proof: &Proof) -> String {
    let names: Vec<&str> = proof.compared.keys().map(String::as_str).collect();
    let asked = count(u64::from(proof.asked_again), "answer");
    format!("compared: {}; {asked} asked for again and the same", names.join(", "))
}

/// The word for how a stage ended.
pub(crate) fn word(ended: &Ended) -> &'static str {
    match ended {
        Ended::Skipped(SkipReason::Unchanged(_)) => "unchanged",
        other => other.as_str(),
    }
}
