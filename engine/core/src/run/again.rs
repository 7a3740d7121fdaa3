//! A run once more, with the plan that it had.

use super::event::{Proof, RunEvent, SkipReason};
use super::state::{Ended, RunState, StageState};
use crate::digest::Digest;
use crate::name::{RunId, StageName};
use crate::plan::Plan;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// The first events of a run that repeats another from a stage on, or from all cells of a matrix; without one it repeats all
/// of it.
///
/// The stage, what follows from it, and whatever did not succeed are done again; so are stages that clean up. The other stages
/// are taken over with their outputs and artifacts, which are named by digest.
///
/// # Errors
/// The stage, if the plan has none of that name.
pub fn again(
    plan: &Plan,
    (run, state): (&RunId, &RunState),
    from: Option<&StageName>,
    at: u64,
) -> Result<Vec<RunEvent>, StageName> {
    let tree = state.tree.unwrap_or_else(|| Digest::of(&[]));
    let mut events = vec![RunEvent::Created { at, plan: plan.digest(), tree }];
    let Some(from) = from else { return Ok(events) };
    let first = plan.meant_by(from);
    if first.is_empty() {
        return Err(from.clone());
    }
    let done_again = following(plan, state, &first);
    let kept = plan.stages.iter().filter(|(name, stage)| !stage.finally && !done_again.contains(name));
    for (name, _) in kept {
        if let Some(proof) = state.stages.get(name).and_then(|stage| taken_over(run, name, stage)) {
            let reason = SkipReason::Unchanged(Box::new(proof));
            events.push(RunEvent::StageSkipped { at, stage: name.clone(), reason });
        }
    }
    Ok(events)
}

/// The first stages, the stages that ended otherwise than well, and all that need one of them. Needs come before those that need them.
fn following<'p>(plan: &'p Plan, state: &RunState, first: &[&StageName]) -> BTreeSet<&'p StageName> {
    let mut found = BTreeSet::new();
    // The plan is in the order of the file, where a need may come later: until nothing is added.
    loop {
        let before = found.len();
        for (name, stage) in &plan.stages {
            let ended = state.stages.get(name).and_then(StageState::ended);
            let is_well = ended.is_some_and(|ended| {
                ended.is_success() || matches!(ended, Ended::Skipped(SkipReason::Condition(_)))
            });
            if first.contains(&name) || !is_well || stage.needs.iter().any(|need| found.contains(need)) {
                found.insert(name);
            }
        }
        if found.len() == before {
            return found;
        }
    }
}

fn taken_over(run: &RunId, name: &StageName, stage: &StageState) -> Option<Proof> {
    match stage.ended()? {
        Ended::Skipped(SkipReason::Unchanged(proof)) => Some((**proof).clone()),
        Ended::Succeeded { outputs, artifacts } => Some(Proof {
            key: Digest::of_json(&json!(["again", run, name, stage.attempts])),
            run: run.clone(),
            attempt: stage.attempts,
            compared: BTreeMap::from([(
                "taken over".to_owned(),
                format!("from run {run}, which is done again"),
            )]),
            asked_again: 0,
            outputs: outputs.clone(),
            artifacts: artifacts.clone(),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{name, plan};
    use super::*;
    use crate::call::Failure;
    use crate::run::{AttemptEnding, RunStatus, Usage};
    use serde_json::Map;

    /// s1 and s2 need s0, s3 needs s1, s4 cleans up; s2 failed.
    fn ended() -> (Plan, RunState) {
        let plan =
            plan(&[(vec![], false), (vec![0], false), (vec![0], false), (vec![1], false), (vec![], true)]);
        let mut state = RunState::new(plan.stages.keys());
        state.apply(&RunEvent::Created { at: 1, plan: plan.digest(), tree: Digest::of(b"tree") });
        for at in 0..5 {
            let outputs = Map::from_iter([("n".to_owned(), json!(at))]);
            let failure = Failure { code: "a/b".into(), message: String::new(), details: None };
            let ending = match at {
                2 => AttemptEnding::Failed(failure),
                _ => AttemptEnding::Succeeded { outputs, artifacts: BTreeMap::new() },
            };
            let (stage, usage) = (name(at), Usage::default());
            state.apply(&RunEvent::AttemptStarted { at: 2, stage: stage.clone(), attempt: 1 });
            state.apply(&RunEvent::AttemptEnded { at: 3, stage, attempt: 1, ending, usage });
        }
        state.apply(&RunEvent::Ended { at: 4, status: RunStatus::Failed });
        (plan, state)
    }

    fn kept(from: Option<usize>) -> Vec<String> {
        let (plan, state) = ended();
        let run = RunId::new("r1").unwrap();
        let events = again(&plan, (&run, &state), from.map(name).as_ref(), 9).unwrap();
        assert!(matches!(&events[0], RunEvent::Created { at: 9, tree, .. } if *tree == Digest::of(b"tree")));
        events.iter().filter_map(|event| event.stage().map(StageName::to_string)).collect()
    }

    #[test]
    fn what_does_not_follow_from_the_stage_and_went_well_is_taken_over() {
        assert_eq!(kept(Some(3)), ["s0", "s1"]);
        assert_eq!(kept(Some(1)), ["s0"]);
        assert_eq!(kept(Some(2)), ["s0", "s1", "s3"]);
        assert!(kept(Some(0)).is_empty());
        assert!(kept(None).is_empty());
    }

    #[test]
    fn a_matrix_is_done_again_whole_or_one_cell_of_it() {
        let (mut plan, state) = ended();
        // s1 and s3 are the cells of one stage of the file; s2, which failed, is done again in any case.
        let cells = [("one".to_owned(), name(1)), ("two".to_owned(), name(3))];
        plan.matrices = [(StageName::new("test").unwrap(), cells.into())].into();
        let run = RunId::new("r1").unwrap();
        let kept = |from: &str| {
            let events = again(&plan, (&run, &state), Some(&StageName::new(from).unwrap()), 9).unwrap();
            events.iter().filter_map(|event| event.stage().map(StageName::to_string)).collect::<Vec<_>>()
        };
        assert_eq!(kept("test"), ["s0"]);
        assert_eq!(kept("s3"), ["s0", "s1"]);
    }

    #[test]
    fn what_is_taken_over_has_its_outputs_and_says_whose_they_are() {
        let (plan, state) = ended();
        let run = RunId::new("r1").unwrap();
        let events = again(&plan, (&run, &state), Some(&name(3)), 9).unwrap();
        let state = RunState::fold(plan.stages.keys(), &events);
        let one = state.stages[&name(1)].ended().unwrap();
        assert_eq!(one.outputs().unwrap()["n"], 1);
        let Ended::Skipped(SkipReason::Unchanged(proof)) = one else { panic!("{one:?}") };
        assert_eq!((&proof.run, proof.attempt), (&run, 1));
        // A run that repeats the repetition still names the first.
        let events = again(&plan, (&RunId::new("r2").unwrap(), &state), Some(&name(3)), 9).unwrap();
        let Some(RunEvent::StageSkipped { reason: SkipReason::Unchanged(proof), .. }) = events.get(1) else {
            panic!("{events:?}")
        };
        assert_eq!(proof.run, run);
    }

    #[test]
    fn a_stage_that_is_not_there_is_named() {
        let (plan, state) = ended();
        assert_eq!(again(&plan, (&RunId::new("r1").unwrap(), &state), Some(&name(7)), 9), Err(name(7)));
    }
}
