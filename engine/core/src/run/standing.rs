use super::{RunEvent, RunStatus};
use crate::name::StageName;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a list of runs shows: the status of a [`RunState`](super::RunState), folded without the plan. Stores keep it beside the
/// events and write it with each of them, so it holds only the stages that are under way.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Standing {
    under_way: BTreeMap<StageName, Place>,
    /// Whether a stage was ever more than pending.
    begun: bool,
    ended: Option<(RunStatus, u64)>,
}

/// As much of a stage under way as the run's status needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Place {
    /// In memory.
    Running,
    /// Parked, held, or waiting for its next attempt.
    Waiting,
}

impl Standing {
    /// Folds one more event.
    pub fn apply(&mut self, event: &RunEvent) {
        let place = match event {
            RunEvent::AttemptStarted { .. } | RunEvent::AttemptResumed { .. } => Some(Place::Running),
            RunEvent::StageWaiting { .. }
            | RunEvent::AttemptParked { .. }
            | RunEvent::RetryScheduled { .. } => Some(Place::Waiting),
            RunEvent::AttemptEnded { .. } | RunEvent::StageSkipped { .. } => None,
            RunEvent::Ended { at, status } => {
                self.ended = Some((*status, *at));
                return;
            }
            RunEvent::Created { .. } | RunEvent::CancelRequested { .. } => return,
        };
        let Some(stage) = event.stage() else { return };
        self.begun = true;
        match place {
            Some(place) => drop(self.under_way.insert(stage.clone(), place)),
            None => drop(self.under_way.remove(stage)),
        }
    }

    /// The status after the events so far.
    pub fn status(&self) -> RunStatus {
        let any = |wanted| self.under_way.values().any(|place| *place == wanted);
        match self.ended {
            Some((status, _)) => status,
            None if any(Place::Running) => RunStatus::Running,
            None if any(Place::Waiting) => RunStatus::Waiting,
            // A stage never becomes pending again, so one of them has ended.
            None if self.begun => RunStatus::Running,
            None => RunStatus::Queued,
        }
    }

    /// When the run ended, in milliseconds since 1970.
    pub fn ended_at(&self) -> Option<u64> {
        self.ended.map(|(_, at)| at)
    }
}

impl<'a> FromIterator<&'a RunEvent> for Standing {
    fn from_iter<I: IntoIterator<Item = &'a RunEvent>>(events: I) -> Self {
        let mut standing = Self::default();
        events.into_iter().for_each(|event| standing.apply(event));
        standing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{AttemptEnding, RunState, SkipReason, Usage};
    use proptest::prelude::*;

    fn event(kind: u8, stage: &StageName) -> RunEvent {
        let (at, stage, attempt) = (7, stage.clone(), 1);
        match kind {
            0 => RunEvent::StageWaiting { at, stage, why: "lock".into() },
            1 => RunEvent::AttemptStarted { at, stage, attempt },
            2 => RunEvent::AttemptParked { at, stage, attempt, why: "sleep".into() },
            3 => RunEvent::AttemptResumed { at, stage, attempt, counts: false, entries: 0 },
            4 => RunEvent::RetryScheduled { at, stage, attempt, due: 9 },
            5 => RunEvent::StageSkipped { at, stage, reason: SkipReason::Condition("false".into()) },
            6 => RunEvent::CancelRequested { at, by: "ada".into(), reason: String::new() },
            7 => RunEvent::Ended { at, status: RunStatus::Errored },
            _ => RunEvent::AttemptEnded {
                at,
                stage,
                attempt,
                ending: AttemptEnding::Cancelled,
                usage: Usage::default(),
            },
        }
    }

    proptest! {
        #[test]
        fn it_is_the_status_of_the_state(steps in prop::collection::vec((0u8..9, 0usize..3), 0..30)) {
            let stages: Vec<_> = ["a", "b", "c"].iter().map(|name| StageName::new(*name).unwrap()).collect();
            let mut state = RunState::new(&stages);
            let mut standing = Standing::default();
            for (kind, stage) in steps {
                if standing.ended_at().is_some() {
                    break;
                }
                let event = event(kind, &stages[stage]);
                state.apply(&event);
                standing.apply(&event);
                prop_assert_eq!(standing.status(), state.status, "after {:?}", event);
                prop_assert_eq!(standing.ended_at(), state.ended_at);
            }
        }
    }
}
