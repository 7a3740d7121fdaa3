use super::event::RunEvent;
use super::state::{RunState, StageStatus};
use crate::name::StageName;
use crate::plan::{Plan, PlannedStage};
use std::collections::BTreeSet;

/// The stages of a run about which something can be decided: those whose needs have ended and that nobody has taken up, those
/// that are held, and those that wait for another attempt.
///
/// It follows from the plan and the state, and [`Agenda::note`] keeps it up with them at the cost of what changes. Stages are
/// numbered by their places in the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agenda {
    /// By stage: those that need it.
    needed_by: Vec<Vec<usize>>,
    /// By stage: its needs that have not ended.
    unmet: Vec<usize>,
    /// By stage: whether it has ended.
    ended: Vec<bool>,
    /// Stages that run last, whatever the outcome.
    last: Vec<usize>,
    /// Stages that have not ended, those of `last` aside.
    left: usize,
    /// Those of `last` that have not ended.
    left_of_last: usize,
    open: BTreeSet<usize>,
}

impl Agenda {
    /// The agenda of a plan whose run stands like this.
    pub fn new(plan: &Plan, state: &RunState) -> Self {
        let count = plan.stages.len();
        let mut agenda = Self {
            needed_by: vec![Vec::new(); count],
            unmet: vec![0; count],
            ended: vec![false; count],
            last: Vec::new(),
            left: 0,
            left_of_last: 0,
            open: BTreeSet::new(),
        };
        for (at, stage) in plan.stages.values().enumerate() {
            // A need that the plan lacks is never met.
            agenda.unmet[at] = stage.needs.len();
            for need in stage.needs.iter().filter_map(|need| plan.stages.get_index_of(need)) {
                agenda.needed_by[need].push(at);
            }
            if stage.finally {
                agenda.last.push(at);
            }
        }
        agenda.left_of_last = agenda.last.len();
        agenda.left = count - agenda.last.len();
        (0..count).for_each(|at| agenda.look(plan, state, at));
        agenda
    }

    /// Takes notice of an event that the state has just taken.
    pub fn note(&mut self, plan: &Plan, state: &RunState, event: &RunEvent) {
        if let Some(at) = event.stage().and_then(|name| plan.stages.get_index_of(name)) {
            self.look(plan, state, at);
        }
    }

    /// The stages on it, in the order of the plan.
    pub fn stages<'p>(&self, plan: &'p Plan) -> impl Iterator<Item = (&'p StageName, &'p PlannedStage)> {
        self.open.iter().filter_map(|at| plan.stages.get_index(*at))
    }

    /// Whether every stage has ended.
    pub fn is_over(&self) -> bool {
        self.left + self.left_of_last == 0
    }

    /// Looks at a stage that may stand differently than before.
    fn look(&mut self, plan: &Plan, state: &RunState, at: usize) {
        let Some((name, stage)) = plan.stages.get_index(at) else { return };
        let ended = state.stages.get(name).is_some_and(|own| own.ended().is_some());
        if ended != self.ended[at] {
            self.ended[at] = ended;
            let step = |count: &mut usize| *count = if ended { *count - 1 } else { *count + 1 };
            step(if stage.finally { &mut self.left_of_last } else { &mut self.left });
            for after in self.needed_by[at].clone() {
                step(&mut self.unmet[after]);
                self.place(plan, state, after);
            }
            // The first of the others that is left or comes back opens or closes them all.
            if !stage.finally && self.left <= 1 {
                self.last.clone().into_iter().for_each(|after| self.place(plan, state, after));
            }
        }
        self.place(plan, state, at);
    }

    /// Puts a stage on the agenda, or takes it off.
    fn place(&mut self, plan: &Plan, state: &RunState, at: usize) {
        let Some((name, stage)) = plan.stages.get_index(at) else { return };
        let waits = match state.stages.get(name).map(|own| &own.status) {
            Some(StageStatus::Retrying(_) | StageStatus::Held(_)) => true,
            Some(StageStatus::Pending) => self.unmet[at] == 0 && (!stage.finally || self.left == 0),
            Some(StageStatus::Running | StageStatus::Parked(_) | StageStatus::Ended(_)) | None => false,
        };
        if waits {
            self.open.insert(at)
        } else {
            self.open.remove(&at)
        };
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{name, plan};
    use super::*;
    use crate::call::Failure;
    use crate::run::{AttemptEnding, Conditions, Decision, RunStatus, Usage, decide};
    use proptest::prelude::*;

    struct Always;

    impl Conditions for Always {
        fn holds(&self, _: &StageName, _: &PlannedStage, _: &RunState) -> Result<bool, Failure> {
            Ok(true)
        }
    }

    fn event(kind: u8, stage: StageName) -> RunEvent {
        let (at, attempt, usage) = (7, 1, Usage::default());
        let failure = || Failure { code: "a/b".into(), message: String::new(), details: None };
        let ended = |ending| RunEvent::AttemptEnded { at, stage: stage.clone(), attempt, ending, usage };
        match kind {
            0 => RunEvent::StageWaiting { at, stage, why: "lock".into() },
            1 => RunEvent::AttemptStarted { at, stage, attempt },
            2 => RunEvent::AttemptParked { at, stage, attempt, why: "sleep".into() },
            3 => RunEvent::RetryScheduled { at, stage, attempt, due: 9 },
            4 => RunEvent::CancelRequested { at, by: "ada".into(), reason: String::new() },
            5 => ended(AttemptEnding::Failed(failure())),
            _ => {
                ended(AttemptEnding::Succeeded { outputs: Default::default(), artifacts: Default::default() })
            }
        }
    }

    fn plans() -> impl Strategy<Value = Vec<(Vec<usize>, bool)>> {
        let stage = (prop::collection::vec(0usize..8, 0..3), prop::bool::weighted(0.2));
        prop::collection::vec(stage, 1..8)
    }

    proptest! {
        #[test]
        fn noting_every_event_is_looking_at_everything(needs in plans(), steps in prop::collection::vec((0u8..8, 0usize..8), 0..40)) {
            let plan = plan(&needs);
            let mut state = RunState::new(plan.stages.keys());
            let mut agenda = Agenda::new(&plan, &state);
            for (kind, stage) in steps {
                let event = event(kind, name(stage));
                state.apply(&event);
                agenda.note(&plan, &state, &event);
                prop_assert_eq!(&agenda, &Agenda::new(&plan, &state), "after {:?}", event);
            }
        }

        #[test]
        fn every_run_comes_to_its_end_in_order(needs in plans()) {
            let plan = plan(&needs);
            let mut state = RunState::new(plan.stages.keys());
            let mut agenda = Agenda::new(&plan, &state);
            let mut order = Vec::new();
            for _ in 0..=plan.stages.len() * 2 {
                for decision in decide(&plan, &state, &agenda, 1, &Always) {
                    let event = match decision {
                        Decision::Append(event) => event,
                        Decision::TakeUp { stage, .. } => {
                            order.push(stage.clone());
                            event(6, stage)
                        }
                    };
                    state.apply(&event);
                    agenda.note(&plan, &state, &event);
                }
            }
            // A stage that runs last never ends before one that needs it and does not: such a plan stands still.
            let stuck = plan.stages.values().any(|stage| !stage.finally && stage.needs.iter().any(|need| plan.stages[need].finally));
            if !stuck {
                prop_assert_eq!(state.status, RunStatus::Succeeded);
                prop_assert_eq!(order.len(), plan.stages.len());
            }
            for (at, stage) in order.iter().enumerate() {
                let before = &order[..at];
                prop_assert!(plan.stages[stage].needs.iter().all(|need| before.contains(need)));
                prop_assert!(!plan.stages[stage].finally || plan.stages.iter().all(|(other, s)| s.finally || before.contains(other)));
            }
        }
    }
}
