//! Who can read whom: the stages of a definition as expressions see them.

use super::expressions::Known;
use super::matrix::Matrix;
use super::needs::order;
use super::types::{Definition, StageDef};
use crate::expression::{Checked, Expression, Object, Schema, StageSchema, Type, check};
use crate::name::StageName;
use std::collections::{BTreeMap, BTreeSet};

/// The needs of a definition, and which of them make sure that a stage has succeeded. Built once; each question walks.
#[derive(Debug, Clone)]
pub(crate) struct Graph {
    base: Schema,
    places: BTreeMap<StageName, usize>,
    needs: Vec<Vec<usize>>,
    /// The needs of a stage that have certainly succeeded when it runs.
    sure: Vec<Vec<usize>>,
    outputs: Vec<Object>,
    /// What `matrix` is in stages that have one.
    matrices: BTreeMap<StageName, Object>,
}

impl Graph {
    pub(crate) fn new(definition: &Definition, known: &Known<'_>) -> Self {
        let names = definition.stages.keys().chain(known.named.into_iter().flatten());
        let names: BTreeSet<&StageName> = names.collect();
        let places: BTreeMap<StageName, usize> =
            names.iter().enumerate().map(|(place, name)| ((*name).clone(), place)).collect();
        let sure = sure(definition);
        let edges = |name: &StageName, kept: &dyn Fn(&StageName) -> bool| -> Vec<usize> {
            let needs = definition.stages.get(name).into_iter().flat_map(|stage| &stage.needs);
            needs.filter(|need| kept(need)).filter_map(|need| places.get(need).copied()).collect()
        };
        let mut base = base(definition, known);
        base.names = places.keys().cloned().collect();
        Self {
            base,
            needs: names.iter().map(|name| edges(name, &|_| true)).collect(),
            sure: names
                .iter()
                .map(|name| edges(name, &|need| sure.get(*name).is_some_and(|sure| sure.contains(need))))
                .collect(),
            outputs: names.iter().map(|name| outputs(definition, known, name)).collect(),
            matrices: matrices(definition),
            places,
        }
    }

    /// What an expression outside of all stages sees.
    pub(crate) fn outside(&self) -> Schema {
        self.base.clone()
    }

    /// What the expressions of a stage see. Only the stages that one of the `texts` could mean are in it.
    pub(crate) fn schema<'t>(&self, stage: &StageName, texts: impl IntoIterator<Item = &'t str>) -> Schema {
        let texts: Vec<&str> = texts.into_iter().filter(|text| text.contains("stages")).collect();
        let mut schema = self.base.clone();
        schema.matrix = self.matrices.get(stage).cloned();
        if texts.is_empty() {
            return schema;
        }
        let (needed, certain) = (self.walk(stage, &self.needs), self.walk(stage, &self.sure));
        for (name, place) in
            self.places.iter().filter(|(name, _)| texts.iter().any(|text| may_mean(text, name)))
        {
            let one = StageSchema {
                needed: needed[*place],
                certain: certain[*place],
                outputs: self.outputs[*place].clone(),
                cells: self.matrices.contains_key(name),
            };
            schema.stages.insert(name.clone(), one);
        }
        schema
    }

    /// The stages that can be reached from one.
    fn walk(&self, from: &StageName, edges: &[Vec<usize>]) -> Vec<bool> {
        let mut found = vec![false; edges.len()];
        let mut open: Vec<usize> = self.places.get(from).copied().into_iter().collect();
        while let Some(place) = open.pop() {
            for next in &edges[place] {
                if !std::mem::replace(&mut found[*next], true) {
                    open.push(*next);
                }
            }
        }
        if let Some(place) = self.places.get(from) {
            found[*place] = false;
        }
        found
    }
}

fn may_mean(text: &str, name: &StageName) -> bool {
    text.contains(name.as_str())
}

/// What every expression of the file sees.
fn base(definition: &Definition, known: &Known<'_>) -> Schema {
    let parameters = definition.parameters.iter();
    let parameters = parameters.map(|(name, parameter)| (name.clone(), parameter.of.checked())).collect();
    let mut schema = Schema::new(&definition.vars, parameters);
    schema.vars.open = !known.vars_complete;
    schema
}

fn matrices(definition: &Definition) -> BTreeMap<StageName, Object> {
    let stages = definition.stages.iter();
    stages.filter_map(|(name, stage)| Some((name.clone(), stage.matrix.as_ref()?.values()))).collect()
}

fn outputs(definition: &Definition, known: &Known<'_>, name: &StageName) -> Object {
    let declared = match known.outputs.and_then(|outputs| outputs.get(name)).map(Type::of_schema) {
        Some(Type::Object(outputs)) => outputs,
        _ => Object { open: true, ..Object::default() },
    };
    match definition.stages.get(name).and_then(|stage| stage.matrix.as_ref()) {
        Some(matrix) => matrix.outputs(&declared),
        None => declared,
    }
}

/// Whether some cells of a matrix may run while others are skipped by their condition.
fn varies(stage: &StageDef) -> bool {
    let reads =
        |source: &String| Expression::parse(source.trim()).is_ok_and(|expression| expression.reads_matrix());
    stage.matrix.is_some() && stage.when.as_ref().is_some_and(reads)
}

/// For each stage those of its needs that have certainly succeeded when it runs: all, but for stages that can be
/// skipped and are mentioned in its `when`, those of which a cell may be skipped alone, and none if it runs after failures
/// too.
fn sure(definition: &Definition) -> BTreeMap<&StageName, BTreeSet<&StageName>> {
    let mut skippable: BTreeSet<&StageName> = BTreeSet::new();
    let mut sure = BTreeMap::new();
    let varying: BTreeSet<&StageName> =
        definition.stages.iter().filter(|(_, stage)| varies(stage)).map(|(name, _)| name).collect();
    for name in order(definition) {
        let Some((name, stage)) = definition.stages.get_key_value(&name) else { continue };
        let asked = asked(definition, stage);
        let survives = stage.finally || asked.as_ref().is_some_and(|asked| asked.survives);
        let mentioned = |need: &StageName| asked.as_ref().is_some_and(|asked| asked.mentions.contains(need));
        let unsure = |need: &StageName| mentioned(need) && skippable.contains(need) || varying.contains(need);
        let kept = stage.needs.iter().filter(|need| !(survives || unsure(need)));
        sure.insert(name, kept.collect());
        let conditional = stage.when.is_some() || !stage.paths.is_empty();
        if conditional || stage.needs.iter().any(|need| skippable.contains(need)) {
            skippable.insert(name);
        }
    }
    sure
}

/// What the condition of a stage mentions and asks.
pub(crate) fn asked(definition: &Definition, stage: &StageDef) -> Option<Checked> {
    let source = stage.when.as_deref()?;
    let expression = Expression::parse(source.trim()).ok()?;
    let mut schema = Schema::new(&definition.vars, BTreeMap::new());
    let open = Object { open: true, ..Object::default() };
    let has_cells =
        |name: &StageName| definition.stages.get(name).is_some_and(|stage| stage.matrix.is_some());
    let named = definition.stages.keys().filter(|name| may_mean(source, name));
    let one =
        |name| StageSchema { needed: true, certain: true, outputs: open.clone(), cells: has_cells(name) };
    schema.stages = named.map(|name| (name.clone(), one(name))).collect();
    schema.matrix = stage.matrix.as_ref().map(Matrix::values);
    Some(check(&expression, &schema, true))
}
