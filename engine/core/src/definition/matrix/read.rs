//! From the key `matrix` to its cells.

use super::keys::{MAX_STAGE, keys};
use super::{MAX_CELLS, Matrix, MatrixCell};
use crate::definition::types::{MAX_STAGES, StageDef};
use crate::diagnostic::{Place, codes};
use crate::document::{Entry, Map, Node, Reader, Value, reader::cut};
use crate::name::StageName;
use indexmap::IndexMap;
use serde_json::Value as Json;
use std::collections::BTreeSet;

/// A value has at most this many bytes.
const MAX_VALUE: usize = 256;
/// The keys that are no axes.
const INCLUDE: &str = "include";
const EXCLUDE: &str = "exclude";

/// Reads the matrix of a stage: its axes, less what `exclude` names, and what `include` adds.
pub(in crate::definition) fn read(reader: &mut Reader, stage: &str, entry: &Entry) -> Matrix {
    let before = reader.diagnostics.len();
    let mut draft = Draft { at: &entry.at, axes: IndexMap::new(), cells: Vec::new() };
    if let Some(map) = reader.any_map(&entry.value, &entry.at) {
        draft.read(reader, &map);
    }
    if draft.cells.is_empty() && reader.diagnostics.len() == before {
        let remedy = "give it an axis with values, as in `matrix: { os: [linux, macos] }`";
        reader.error(codes::BAD_MATRIX, &entry.at, "the matrix has no cells", remedy);
    }
    if stage.len() > MAX_STAGE {
        let message = format!(
            "the name of a stage with a matrix has at most {MAX_STAGE} characters, for its cells' follow it"
        );
        reader.error(codes::BAD_MATRIX, &entry.at, message, "give the stage a shorter name");
    }
    let cells = draft.named(stage);
    if cells.len() < draft.cells.len() && StageName::new(stage).is_ok() {
        let remedy = "make the values differ in letters or digits";
        reader.error(codes::BAD_MATRIX, &entry.at, "two cells would have the same name", remedy);
    }
    Matrix { cells, open: reader.diagnostics.len() > before }
}

struct Draft<'n> {
    at: &'n Place,
    axes: IndexMap<String, Vec<Json>>,
    /// Each with a value for every axis, in their order.
    cells: Vec<Vec<Json>>,
}

impl Draft<'_> {
    fn read(&mut self, reader: &mut Reader, map: &Map<'_>) {
        for axis in map.entries().iter().filter(|entry| entry.key != INCLUDE && entry.key != EXCLUDE) {
            let values = axis_values(reader, axis);
            if is_axis(reader, axis) {
                self.axes.insert(axis.key.clone(), values);
            }
        }
        // `exclude` counts with the others: what it leaves out was made first.
        let product = self.axes.values().map(Vec::len).fold(1, usize::saturating_mul);
        if product > MAX_CELLS {
            return too_many(reader, self.at);
        }
        self.multiply();
        if let Some(node) = map.get(EXCLUDE) {
            self.exclude(reader, node);
        }
        if let Some(node) = map.get(INCLUDE) {
            self.include(reader, node);
        }
        if self.cells.len() > MAX_CELLS {
            too_many(reader, self.at);
            self.cells.clear();
        }
    }

    fn multiply(&mut self) {
        if self.axes.is_empty() {
            return;
        }
        let mut cells = vec![Vec::new()];
        for values in self.axes.values() {
            let with = |cell: &Vec<Json>, value: &Json| cell.iter().chain([value]).cloned().collect();
            cells = cells
                .iter()
                .flat_map(|cell| values.iter().map(|value| with(cell, value)))
                .collect::<Vec<Vec<Json>>>();
        }
        self.cells = cells;
    }

    /// Each entry leaves out the cells that have all of its values.
    fn exclude(&mut self, reader: &mut Reader, node: &Node) {
        let axes: Vec<String> = self.axes.keys().cloned().collect();
        let known: Vec<&str> = axes.iter().map(String::as_str).collect();
        for item in reader.list(node).unwrap_or_default() {
            let Some(map) = reader.map(item, &item.place, &known) else { continue };
            let values: Vec<(Option<usize>, Option<Json>)> = map
                .entries()
                .iter()
                .map(|entry| (self.axes.get_index_of(&entry.key), value(reader, &entry.value)))
                .collect();
            // What was not understood is told already.
            if values.iter().any(|(axis, value)| axis.is_none() || value.is_none()) {
                continue;
            }
            let has = |cell: &[Json], axis: Option<usize>, value: &Option<Json>| {
                axis.and_then(|axis| cell.get(axis)) == value.as_ref()
            };
            let before = self.cells.len();
            self.cells.retain(|cell| !values.iter().all(|(axis, value)| has(cell, *axis, value)));
            if self.cells.len() == before {
                let remedy = "use values of the axes, of the same type, or remove the entry";
                reader.error(codes::BAD_MATRIX, &item.place, "this excludes no cell", remedy);
            }
        }
    }

    /// Each entry is one more cell. Without axes, the keys of the first entry are the axes.
    fn include(&mut self, reader: &mut Reader, node: &Node) {
        for item in reader.list(node).unwrap_or_default() {
            let Some(map) = reader.any_map(item, &item.place) else { continue };
            if self.axes.is_empty() {
                let axes = map.entries().iter().filter(|entry| is_axis(reader, entry));
                self.axes = axes.map(|entry| (entry.key.clone(), Vec::new())).collect();
            }
            let axes: Vec<&str> = self.axes.keys().map(String::as_str).collect();
            let Some(map) = reader.map(item, &item.place, &axes) else { continue };
            let cell: Vec<Option<Json>> = axes
                .iter()
                .map(|axis| reader.needed(&map, axis).and_then(|node| value(reader, node)))
                .collect();
            let Some(cell) = cell.into_iter().collect::<Option<Vec<Json>>>() else { continue };
            if self.cells.contains(&cell) {
                let message = "the matrix has this cell already";
                reader.error(codes::DUPLICATE_ENTRY, &item.place, message, "remove one of the two");
            } else if !cell.is_empty() {
                self.cells.push(cell);
            }
        }
    }

    /// The cells by key; none while the stage itself has no good name.
    fn named(&self, stage: &str) -> IndexMap<String, MatrixCell> {
        let keys = keys(stage, &self.cells).into_iter();
        let cells = keys.zip(&self.cells).filter_map(|(key, values)| {
            let name = StageName::new(format!("{stage}-{key}")).ok()?;
            let values = self.axes.keys().cloned().zip(values.iter().cloned()).collect();
            Some((key, MatrixCell { stage: name, values }))
        });
        cells.collect()
    }
}

fn too_many(reader: &mut Reader, at: &Place) {
    let message = format!("the matrix has more than {MAX_CELLS} cells");
    reader.error(codes::TOO_LARGE, at, message, "give its axes fewer values, or split the stage");
}

/// An axis is a name that can stand after `matrix.`.
fn is_axis(reader: &mut Reader, entry: &Entry) -> bool {
    let name = entry.key.as_str();
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let good = starts && name.len() <= 63 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !good {
        let message = "an axis has 1 to 63 letters, digits and `_`, and starts with no digit";
        reader.error(codes::BAD_NAME, &entry.at, message, "rename it");
    }
    good
}

fn axis_values(reader: &mut Reader, axis: &Entry) -> Vec<Json> {
    let Some(items) = reader.list(&axis.value) else { return Vec::new() };
    if items.is_empty() {
        let message = format!("the axis `{}` has no values", cut(&axis.key));
        reader.error(codes::BAD_MATRIX, &axis.at, message, "add a value, or remove the axis");
    }
    let mut values = Vec::new();
    for item in items {
        match value(reader, item) {
            Some(value) if values.contains(&value) => {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                reader.duplicate(&text, &item.place);
            }
            value => values.extend(value),
        }
    }
    values
}

fn value(reader: &mut Reader, node: &Node) -> Option<Json> {
    match &node.value {
        Value::Text(text) if text.len() > MAX_VALUE || text.chars().any(char::is_control) => {
            let message = format!("a value of a matrix has at most {MAX_VALUE} bytes, all on one line");
            reader.error(
                codes::BAD_MATRIX,
                &node.place,
                message,
                "shorten it, and look the rest up in `vars`",
            );
            None
        }
        Value::Number(number) if number.is_f64() => {
            let message = format!("{number} is a fraction, and of `1.10` only 1.1 would be left");
            reader.error(codes::BAD_MATRIX, &node.place, message, "write it in quotes");
            None
        }
        Value::Text(_) | Value::Number(_) | Value::Bool(_) => Some(node.to_json()),
        Value::Null | Value::List(_) | Value::Map(_) => {
            reader.wrong_type(node, "text, a whole number or a boolean");
            None
        }
    }
}

/// Cells that are called like a stage of the file or like a cell of another, and more stages than a pipeline may have.
pub(in crate::definition) fn alike(
    reader: &mut Reader,
    named: &BTreeSet<StageName>,
    stages: &IndexMap<StageName, StageDef>,
    places: &[(StageName, Place)],
) {
    let mut taken = named.clone();
    let mut count = stages.len();
    for (name, at) in places {
        let Some(matrix) = stages.get(name).and_then(|stage| stage.matrix.as_ref()) else { continue };
        let within = count <= MAX_STAGES;
        count += matrix.cells.len().saturating_sub(1);
        if within && count > MAX_STAGES {
            let message =
                format!("with the cells of this matrix the pipeline has more than {MAX_STAGES} stages");
            reader.error(codes::TOO_LARGE, at, message, "split the pipeline");
        }
        let cells = matrix.cells.values().map(|cell| &cell.stage);
        let clash = cells.filter(|cell| !taken.insert((*cell).clone())).min();
        if let Some(cell) = clash {
            let message = format!("a cell of the matrix would be called `{cell}`, and so is another stage");
            reader.error(codes::BAD_MATRIX, at, message, "rename one of the two stages");
        }
    }
}
