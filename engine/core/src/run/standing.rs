use super::{RunEvent, RunStatus};
use crate::name::StageName;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a list of runs shows: the status of a [`RunState`](super::RunState), folded without the plan and small enough that
/// stores keep it beside the events.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Standing {
    stages: BTreeMap<StageName, Place>,
    ended: Option<(RunStatus, u64)>,
}

/// As much of a stage as the run's status needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Place {
    /// In memory.
    Running,
    /// Parked, held, or waiting for its next attempt.
    Waiting,
    /// Over.
    Ended,
}

impl Standing {
    /// Folds one more event.
    pub fn apply(&mut self, event: &RunEvent) {
        let place = match event {
            RunEvent::AttemptStarted { .. } | RunEvent::AttemptResumed { .. } => Place::Running,
            RunEvent::StageWaiting { .. }
            | RunEvent::AttemptParked { .. }
            | RunEvent::RetryScheduled { .. } => Place::Waiting,
            RunEvent::AttemptEnded { .. } | RunEvent::StageSkipped { .. } => Place::Ended,
            RunEvent::Ended { at, status } => {
                self.ended = Some((*status, *at));
                return;
            }
            RunEvent::Created { .. } | RunEvent::CancelRequested { .. } => return,
        };
        if let Some(stage) = event.stage() {
            self.stages.insert(stage.clone(), place);
        }
    }

    /// The status after the events so far.
    pub fn status(&self) -> RunStatus {
        let any = |wanted| self.stages.values().any(|place| *place == wanted);
        match self.ended {
            Some((status, _)) => status,
            None if any(Place::Running) => RunStatus::Running,
            None if any(Place::Waiting) => RunStatus::Waiting,
            None if any(Place::Ended) => RunStatus::Running,
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
