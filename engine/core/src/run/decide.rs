use super::agenda::Agenda;
use super::event::{AttemptEnding, RunEvent, RunStatus, SkipReason};
use super::state::{Ended, RunState, StageStatus};
use crate::call::Failure;
use crate::name::StageName;
use crate::plan::{Plan, PlannedStage, RetryOn};

/// What should happen next. Deciding acts on nothing.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Append this event: it needs nothing from outside.
    Append(RunEvent),
    /// Take the stage up: look for a proof, its lock and its approval, then start this attempt.
    TakeUp {
        /// Which.
        stage: StageName,
        /// From 1.
        attempt: u32,
    },
}

/// Evaluates the condition of a stage against what is known when its needs have ended.
pub trait Conditions {
    /// Whether the stage runs.
    ///
    /// # Errors
    /// A failure for people when the expression cannot be evaluated.
    fn holds(&self, name: &StageName, stage: &PlannedStage, state: &RunState) -> Result<bool, Failure>;
}

/// Everything that can happen now, in the order of the plan. Applying all of it and deciding again ends when nothing is left
/// but what the outside has to say; then the list is empty, or holds only stages that were taken up already.
///
/// `agenda` is the one of this plan and state. Only the stages on it are looked at, so that a run costs as much as happens in
/// it, however many stages it has.
pub fn decide(
    plan: &Plan,
    state: &RunState,
    agenda: &Agenda,
    now: u64,
    conditions: &dyn Conditions,
) -> Vec<Decision> {
    if state.ended_at.is_some() {
        return Vec::new();
    }
    if agenda.is_over() {
        return vec![Decision::Append(RunEvent::Ended { at: now, status: outcome(state) })];
    }
    agenda
        .stages(plan)
        .filter_map(|(name, stage)| of_stage(plan, (name, stage), state, now, conditions))
        .collect()
}

/// What to do with a stage that is on the agenda.
fn of_stage(
    plan: &Plan,
    (name, stage): (&StageName, &PlannedStage),
    state: &RunState,
    now: u64,
    conditions: &dyn Conditions,
) -> Option<Decision> {
    let own = state.stages.get(name)?;
    let skip =
        |reason| Some(Decision::Append(RunEvent::StageSkipped { at: now, stage: name.clone(), reason }));
    let cancelled = || {
        Some(Decision::Append(RunEvent::AttemptEnded {
            at: now,
            stage: name.clone(),
            attempt: own.attempts,
            ending: AttemptEnding::Cancelled,
            usage: super::Usage::default(),
        }))
    };
    match own.status {
        StageStatus::Retrying(_) if state.cancel.is_some() && !stage.finally => return cancelled(),
        StageStatus::Retrying(due) if due <= now => {
            return Some(Decision::TakeUp { stage: name.clone(), attempt: own.attempts + 1 });
        }
        StageStatus::Held(_) if state.cancel.is_some() && !stage.finally => return cancelled(),
        StageStatus::Held(_) => {
            return Some(Decision::TakeUp { stage: name.clone(), attempt: own.attempts + 1 });
        }
        StageStatus::Pending => {}
        _ => return None,
    }
    if state.cancel.is_some() && !stage.finally {
        return cancelled();
    }
    match verdict(plan, (name, stage), state, conditions) {
        Verdict::Run => Some(Decision::TakeUp { stage: name.clone(), attempt: 1 }),
        Verdict::Skip(reason) => skip(reason),
        Verdict::Wrong(failure) => Some(Decision::Append(RunEvent::AttemptEnded {
            at: now,
            stage: name.clone(),
            attempt: 0,
            ending: AttemptEnding::Errored(failure),
            usage: super::Usage::default(),
        })),
    }
}

enum Verdict {
    Run,
    Skip(SkipReason),
    Wrong(Failure),
}

fn verdict(
    plan: &Plan,
    (name, stage): (&StageName, &PlannedStage),
    state: &RunState,
    conditions: &dyn Conditions,
) -> Verdict {
    if !stage.when.asks_status
        && !stage.finally
        && let Some(need) = plan.held_up_by(stage, state)
    {
        return Verdict::Skip(SkipReason::Upstream(need.clone()));
    }
    match conditions.holds(name, stage, state) {
        Ok(true) => Verdict::Run,
        Ok(false) => Verdict::Skip(SkipReason::Condition(stage.when.source.clone())),
        Err(failure) => Verdict::Wrong(failure),
    }
}

fn outcome(state: &RunState) -> RunStatus {
    let any = |wanted: fn(&Ended) -> bool| state.stages.values().filter_map(|s| s.ended()).any(wanted);
    if state.cancel.is_some() && any(|ended| matches!(ended, Ended::Cancelled)) {
        RunStatus::Cancelled
    } else if any(|ended| matches!(ended, Ended::Errored(_))) {
        RunStatus::Errored
    } else if any(|ended| matches!(ended, Ended::Failed(_))) {
        RunStatus::Failed
    } else if any(Ended::is_success) {
        RunStatus::Succeeded
    } else {
        RunStatus::Skipped
    }
}

/// The retry that an ending calls for, if the stage has attempts left.
pub fn next_attempt(
    stage: &PlannedStage,
    name: &StageName,
    attempt: u32,
    ending: &AttemptEnding,
    at: u64,
) -> Option<RunEvent> {
    let on = match ending {
        AttemptEnding::Errored(_) => RetryOn::Errored,
        AttemptEnding::Failed(_) => RetryOn::Failed,
        AttemptEnding::Succeeded { .. } | AttemptEnding::Cancelled => return None,
    };
    let again = attempt < stage.retry.attempts && stage.retry.on.contains(&on);
    again.then(|| RunEvent::RetryScheduled {
        at,
        stage: name.clone(),
        attempt: attempt + 1,
        due: at.saturating_add(stage.retry.backoff.after(attempt)),
    })
}
