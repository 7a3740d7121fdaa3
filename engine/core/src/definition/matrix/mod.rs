//! `matrix`: one stage of the file that is a stage of its own for each combination of values.

mod keys;
mod read;

pub(super) use read::{alike, read};

use crate::expression::{Object, Type};
use crate::name::StageName;
use indexmap::IndexMap;
use serde::Serialize;
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// A matrix has at most this many cells.
pub const MAX_CELLS: usize = 256;

/// The cells of a matrix. All of them have the same axes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct Matrix {
    /// By key, in the order of the file; the last axis changes first.
    pub cells: IndexMap<String, MatrixCell>,
    /// Something of it was not understood, so that there may be other axes and cells.
    #[serde(skip)]
    pub(super) open: bool,
}

/// One cell of a matrix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MatrixCell {
    /// The stage of the run that it is.
    pub stage: StageName,
    /// By axis: text, a whole number or a bool.
    pub values: BTreeMap<String, Json>,
}

impl Matrix {
    /// What `matrix` is in an expression.
    pub(crate) fn values(&self) -> Object {
        let mut types: BTreeMap<&String, Vec<Type>> = BTreeMap::new();
        for (axis, value) in self.cells.values().flat_map(|cell| &cell.values) {
            types.entry(axis).or_default().push(Type::of_value(value));
        }
        let common = types.into_iter().map(|(axis, types)| (axis.clone(), Type::common(types)));
        Object { fields: common.collect(), open: self.open }
    }

    /// What `outputs` of the stage are in an expression: those of its plugin, by cell.
    pub(crate) fn outputs(&self, each: &Object) -> Object {
        let cells = self.cells.keys().map(|key| (key.clone(), Type::Object(each.clone())));
        Object { fields: cells.collect(), open: self.open }
    }
}
