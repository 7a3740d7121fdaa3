//! From the stages of a definition to those of a plan: each cell of a matrix is one.

use super::cells::Cell;
use super::types::Artifact;
use crate::definition::{Definition, StageDef};
use crate::name::StageName;
use std::collections::{BTreeMap, BTreeSet};

/// A stage of the plan that is to be made.
pub(super) struct Part<'d> {
    /// What it is called in the run.
    pub(super) name: StageName,
    /// What the file calls it.
    pub(super) in_file: &'d StageName,
    /// What the file says.
    pub(super) stage: &'d StageDef,
    /// Of a matrix.
    pub(super) cell: Option<Cell>,
}

/// The stages of a plan, in the order of those of the file; the cells of one follow each other.
pub(super) fn parts<'d>(definition: &'d Definition, order: &[StageName]) -> Vec<Part<'d>> {
    let mut parts = Vec::new();
    for (in_file, stage) in order.iter().filter_map(|name| definition.stages.get_key_value(name)) {
        let part = |name: &StageName, cell| Part { name: name.clone(), in_file, stage, cell };
        match &stage.matrix {
            None => parts.push(part(in_file, None)),
            Some(matrix) => parts.extend(matrix.cells.iter().map(|(key, cell)| {
                let own = Cell { of: in_file.clone(), key: key.clone(), values: cell.values.clone() };
                part(&cell.stage, Some(own))
            })),
        }
    }
    parts
}

/// The stages of each matrix, by the keys of its cells.
pub(super) fn matrices(definition: &Definition) -> BTreeMap<StageName, BTreeMap<String, StageName>> {
    let stages = definition.stages.iter();
    let matrices = stages.filter_map(|(name, stage)| Some((name.clone(), stage.matrix.as_ref()?)));
    let by_key = matrices.map(|(name, matrix)| {
        let cells = matrix.cells.iter().map(|(key, cell)| (key.clone(), cell.stage.clone()));
        (name, cells.collect())
    });
    by_key.collect()
}

/// The stages of the plan that stages of the file have become.
pub(super) fn expanded(definition: &Definition, names: &BTreeSet<StageName>) -> BTreeSet<StageName> {
    let mut found = BTreeSet::new();
    for name in names {
        match definition.stages.get(name).and_then(|stage| stage.matrix.as_ref()) {
            Some(matrix) => found.extend(matrix.cells.values().map(|cell| cell.stage.clone())),
            None => {
                found.insert(name.clone());
            }
        }
    }
    found
}

/// Artifacts by path; those of a matrix lie below it, by the keys of the cells.
pub(super) fn laid_out(
    definition: &Definition,
    from: &BTreeMap<String, Artifact>,
) -> BTreeMap<String, Artifact> {
    let mut found = BTreeMap::new();
    for (path, artifact) in from {
        match definition.stages.get(&artifact.stage).and_then(|stage| stage.matrix.as_ref()) {
            Some(matrix) => found.extend(matrix.cells.iter().map(|(key, cell)| {
                let own = Artifact { stage: cell.stage.clone(), name: artifact.name.clone() };
                (format!("{path}/{key}"), own)
            })),
            None => {
                found.insert(path.clone(), artifact.clone());
            }
        }
    }
    found
}
