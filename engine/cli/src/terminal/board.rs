//! What is known of a run while it is watched.

use stageway_core::log::Line;
use stageway_core::name::{RunId, StageName};
use stageway_core::plan::{Plan, PlannedStage};
use stageway_core::run::{RunEvent, RunState, StageState};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Lines of a stage that are kept to be shown when it fails.
const TAIL: usize = 40;
/// Characters of such a line.
const TAIL_CHARACTERS: usize = 2_000;

/// A run as it is watched: its plan, the fold of its events, and the last lines of each stage.
#[derive(Debug, Clone)]
pub(crate) struct Board {
    /// The run.
    pub(crate) run: RunId,
    /// Its number.
    pub(crate) number: u64,
    /// The frozen plan.
    pub(crate) plan: Arc<Plan>,
    /// The fold of the events so far.
    pub(crate) state: RunState,
    /// Numbers of earlier runs, for words.
    pub(crate) numbers: BTreeMap<RunId, u64>,
    tails: BTreeMap<StageName, Tail>,
}

/// The last lines of the newest attempt.
#[derive(Debug, Clone, Default)]
struct Tail {
    attempt: u32,
    lines: VecDeque<String>,
    dropped: u64,
}

impl Board {
    /// The board of a run that stands like this.
    pub(crate) fn new(run: RunId, number: u64, plan: Arc<Plan>, state: RunState) -> Self {
        Self { run, number, plan, state, numbers: BTreeMap::new(), tails: BTreeMap::new() }
    }

    /// Takes one event.
    pub(crate) fn event(&mut self, event: &RunEvent) {
        self.state.apply(event);
        if let RunEvent::AttemptStarted { stage, attempt, .. } = event {
            self.tails.insert(stage.clone(), Tail { attempt: *attempt, ..Tail::default() });
        }
    }

    /// Takes one line.
    pub(crate) fn line(&mut self, line: &Line) {
        let Some(stage) = &line.stage else { return };
        let tail = self.tails.entry(stage.clone()).or_default();
        if line.attempt < tail.attempt {
            return;
        }
        tail.attempt = line.attempt;
        if tail.lines.len() == TAIL {
            tail.lines.pop_front();
            tail.dropped += 1;
        }
        tail.lines.push_back(line.text.chars().take(TAIL_CHARACTERS).collect());
    }

    /// The stages with their plan, in order.
    pub(crate) fn stages(&self) -> impl Iterator<Item = (&StageName, &PlannedStage, &StageState)> {
        self.plan
            .stages
            .iter()
            .filter_map(|(name, planned)| Some((name, planned, self.state.stages.get(name)?)))
    }

    /// The newest line of a stage.
    pub(crate) fn latest(&self, stage: &StageName) -> Option<&str> {
        let lines = &self.tails.get(stage)?.lines;
        lines.iter().rev().map(|line| line.trim()).find(|line| !line.is_empty())
    }

    /// The last lines of a stage, and how many came before them.
    pub(crate) fn tail(&self, stage: &StageName) -> (u64, impl Iterator<Item = &str>) {
        let tail = self.tails.get(stage);
        let lines = tail.into_iter().flat_map(|tail| tail.lines.iter().map(String::as_str));
        (tail.map_or(0, |tail| tail.dropped), lines)
    }

    /// Columns of the longest name.
    pub(crate) fn name_width(&self) -> usize {
        self.plan.stages.keys().map(|name| name.as_str().len()).max().unwrap_or(0)
    }
}

/// A run in words: its number where it is known.
pub(crate) fn run_in_words(numbers: &BTreeMap<RunId, u64>, run: &RunId) -> String {
    numbers.get(run).map_or_else(|| format!("run {run}"), |number| format!("run {number}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::sample;

    #[test]
    fn a_tail_is_bounded_and_of_the_newest_attempt() {
        let mut board = sample::board();
        let name = sample::stage("smoke");
        for number in 0..50 {
            board.line(&sample::line("smoke", &format!("line {number}")));
        }
        let (dropped, lines) = board.tail(&name);
        assert_eq!((dropped, lines.count()), (10, TAIL));
        assert_eq!(board.latest(&name), Some("line 49"));
        board.event(&RunEvent::AttemptStarted { at: 1, stage: name.clone(), attempt: 2 });
        board.line(&sample::line("smoke", "late"));
        assert_eq!(board.latest(&name), None, "a line of an earlier attempt");
    }
}
