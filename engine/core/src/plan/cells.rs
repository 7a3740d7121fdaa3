//! The cells of matrices: stages of the plan that are one stage of the file.

use super::types::{Plan, PlannedStage};
use crate::expression::StageOutcome;
use crate::name::StageName;
use crate::run::{Ended, RunState, SkipReason};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;

/// Which cell of a matrix a stage is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// The stage of the file.
    pub of: StageName,
    /// Which of its cells, as expressions name it: `1-95-linux`.
    pub key: String,
    /// By axis.
    pub values: BTreeMap<String, Json>,
}

impl PlannedStage {
    /// What the file calls the stage of this name.
    pub fn in_file<'s>(&'s self, name: &'s StageName) -> &'s StageName {
        self.cell.as_ref().map_or(name, |cell| &cell.of)
    }
}

impl Plan {
    /// The stages of the plan that a name means: the cells of a matrix, else the stage itself; none if there is no such
    /// stage.
    pub fn meant_by<'p>(&'p self, name: &StageName) -> Vec<&'p StageName> {
        match self.matrices.get(name) {
            Some(cells) => cells.values().collect(),
            None => self.stages.get_key_value(name).map(|(name, _)| name).into_iter().collect(),
        }
    }

    /// The first of a stage's needs that has ended otherwise than well. A stage that was skipped by its condition is well where
    /// `when` mentions it; so is a cell that was skipped by it, unless all cells of its matrix were.
    pub fn held_up_by<'p>(&self, stage: &'p PlannedStage, state: &RunState) -> Option<&'p StageName> {
        stage.needs.iter().find(|need| match ended(state, need) {
            None => false,
            Some(Ended::Skipped(SkipReason::Condition(_))) => {
                !stage.when.mentions.contains(*need) && self.is_left_out_whole(need, state)
            }
            Some(ended) => !ended.is_success(),
        })
    }

    /// Whether a stage that its condition skips was the last: no other cell of its matrix does more.
    fn is_left_out_whole(&self, name: &StageName, state: &RunState) -> bool {
        let cell = self.stages.get(name).and_then(|stage| stage.cell.as_ref());
        let mut cells =
            cell.and_then(|cell| self.matrices.get(&cell.of)).into_iter().flat_map(BTreeMap::values);
        cells.all(|cell| is_left_out(state, cell))
    }

    /// Whether an artifact of a stage is not there because its condition skipped this cell alone.
    pub fn leaves_out(&self, name: &StageName, state: &RunState) -> bool {
        let is_cell = self.stages.get(name).is_some_and(|stage| stage.cell.is_some());
        is_cell && is_left_out(state, name)
    }

    /// How a stage of the file looks to others, once it has ended; of a matrix, once all cells have.
    pub(super) fn outcome(&self, name: &StageName, state: &RunState) -> Option<StageOutcome> {
        match self.matrices.get(name) {
            Some(cells) => of_cells(cells, state),
            None => ended(state, name).map(of_stage),
        }
    }

    /// The outputs of the stages that have some, by their names in the file; those of a matrix are by cell.
    pub fn outputs(&self, state: &RunState) -> BTreeMap<StageName, Map<String, Json>> {
        self.outputs_of(self.stages.keys(), state)
    }

    /// The same of the stages that one needs.
    pub fn upstream(&self, name: &StageName, state: &RunState) -> BTreeMap<StageName, Map<String, Json>> {
        self.outputs_of(self.stages.get(name).into_iter().flat_map(|stage| &stage.needs), state)
    }

    fn outputs_of<'n>(
        &self,
        names: impl Iterator<Item = &'n StageName>,
        state: &RunState,
    ) -> BTreeMap<StageName, Map<String, Json>> {
        let mut found: BTreeMap<StageName, Map<String, Json>> = BTreeMap::new();
        for name in names {
            let Some(outputs) = ended(state, name).and_then(Ended::outputs).cloned() else { continue };
            match self.stages.get(name).and_then(|stage| stage.cell.as_ref()) {
                Some(cell) => {
                    let cells = found.entry(cell.of.clone()).or_default();
                    cells.insert(cell.key.clone(), Json::Object(outputs));
                }
                None => drop(found.insert(name.clone(), outputs)),
            }
        }
        found
    }
}

fn ended<'s>(state: &'s RunState, name: &StageName) -> Option<&'s Ended> {
    state.stages.get(name)?.ended()
}

fn is_left_out(state: &RunState, name: &StageName) -> bool {
    matches!(ended(state, name), Some(Ended::Skipped(SkipReason::Condition(_))))
}

fn of_stage(ended: &Ended) -> StageOutcome {
    let status = if ended.is_success() { "succeeded" } else { ended.as_str() };
    StageOutcome { status: status.to_owned(), outputs: ended.outputs().cloned().unwrap_or_default() }
}

/// The worst of the cells: `errored`, `failed`, `cancelled`, `skipped`, `succeeded`. Cells that their condition skipped count
/// only if all of them were.
fn of_cells(cells: &BTreeMap<String, StageName>, state: &RunState) -> Option<StageOutcome> {
    let mut outputs = Map::new();
    let mut statuses = Vec::new();
    for (key, name) in cells {
        let StageOutcome { status, outputs: own } = of_stage(ended(state, name)?);
        if status == "succeeded" {
            outputs.insert(key.clone(), Json::Object(own));
        }
        if !is_left_out(state, name) {
            statuses.push(status);
        }
    }
    let worst = ["errored", "failed", "cancelled", "skipped", "succeeded"];
    let status = worst.into_iter().find(|word| statuses.iter().any(|status| status == word));
    Some(StageOutcome { status: status.unwrap_or("skipped").to_owned(), outputs })
}
