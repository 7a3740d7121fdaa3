//! What needs what: unknown names, circles, order.

use super::types::{Definition, StageDef};
use crate::diagnostic::{Code, Diagnostic, Place, codes, nearest};
use crate::document::{Node, Value};
use crate::name::StageName;
use std::collections::{BTreeMap, BTreeSet};

/// Every problem of `needs` and `from`, in the order of the stages.
pub(super) fn check(definition: &Definition, named: &BTreeSet<StageName>, root: &Node) -> Vec<Diagnostic> {
    let mut checker = Checker { definition, named, root, found: Vec::new() };
    for name in definition.stages.keys() {
        checker.needs(name);
        checker.from(name);
    }
    checker.circles();
    checker.found
}

struct Checker<'d> {
    definition: &'d Definition,
    named: &'d BTreeSet<StageName>,
    root: &'d Node,
    found: Vec<Diagnostic>,
}

impl Checker<'_> {
    fn problem(&mut self, code: Code, at: Option<Place>, message: String, remedy: String) {
        self.found.push(Diagnostic::error(code, message, remedy).at(at));
    }

    /// Where `stage` says that it needs `need`.
    fn place(&self, stage: &StageName, need: &StageName) -> Option<Place> {
        let node = self.root.get("stages")?.get(stage.as_str())?.get("needs")?;
        let items = match &node.value {
            Value::List(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        let says = |item: &&Node| matches!(&item.value, Value::Text(text) if text == need.as_str());
        items.iter().find(says).map(|item| item.place.clone())
    }

    fn needs(&mut self, name: &StageName) {
        let stage = &self.definition.stages[name];
        for need in &stage.needs {
            let at = self.place(name, need);
            if need == name {
                let message = format!("the stage `{name}` needs itself");
                self.problem(codes::SELF_NEED, at, message, format!("remove `{name}` from its `needs`"));
            } else if !self.named.contains(need) {
                let near = nearest(need.as_str(), self.named.iter().map(StageName::as_str));
                let remedy = match (self.matrix_of(need), near) {
                    (Some(matrix), _) => format!("it is a cell: need `{matrix}`, and so all of its cells"),
                    (None, Some(near)) => format!("did you mean `{near}`?"),
                    (None, None) => "name a stage of this file".to_owned(),
                };
                self.problem(codes::UNKNOWN_STAGE, at, format!("no stage has the name `{need}`"), remedy);
            } else if !stage.finally && self.definition.stages.get(need).is_some_and(|need| need.finally) {
                let message = format!("`{name}` needs `{need}`, which runs after everything");
                let remedy = format!("make `{name}` a `finally` stage too, or remove the need");
                self.problem(codes::CONFLICT, at, message, remedy);
            }
        }
    }

    /// The stage of which a name is a cell.
    fn matrix_of(&self, name: &StageName) -> Option<&StageName> {
        let has = |stage: &StageDef| {
            let mut cells = stage.matrix.iter().flat_map(|matrix| matrix.cells.values());
            cells.any(|cell| cell.stage == *name)
        };
        self.definition.stages.iter().find(|(_, stage)| has(stage)).map(|(name, _)| name)
    }

    fn from(&mut self, name: &StageName) {
        if self.definition.stages[name].from.is_empty() {
            return;
        }
        let reached = reachable(self.definition, name);
        for (path, artifact) in &self.definition.stages[name].from {
            let pointer = format!("/stages/{name}/from/{}", crate::document::escape(path));
            let at = self.definition.places.value(&pointer);
            let producer = self.definition.stages.get(&artifact.stage);
            if !self.named.contains(&artifact.stage) {
                let remedy = match nearest(artifact.stage.as_str(), self.named.iter().map(StageName::as_str))
                {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "name a stage of this file".to_owned(),
                };
                let message = format!("no stage has the name `{}`", artifact.stage);
                self.problem(codes::UNKNOWN_STAGE, at, message, remedy);
            } else if !reached.contains(&artifact.stage) {
                let message = format!("the stage `{}` has not necessarily ended before", artifact.stage);
                self.problem(codes::NOT_NEEDED, at, message, format!("add `{}` to `needs`", artifact.stage));
            } else if let Some(producer) =
                producer.filter(|stage| !stage.artifacts.contains_key(&artifact.name))
            {
                let known = producer.artifacts.keys().map(String::as_str);
                let remedy = match nearest(&artifact.name, known) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("add `{}` to the `artifacts` of `{}`", artifact.name, artifact.stage),
                };
                let message = format!("the stage `{}` lists no artifact `{}`", artifact.stage, artifact.name);
                self.problem(codes::UNKNOWN_ARTIFACT, at, message, remedy);
            }
        }
    }

    /// Each circle once, told at its first stage of the file.
    fn circles(&mut self) {
        let mut left = remaining(self.definition);
        while let Some(first) = self.definition.stages.keys().find(|name| left.contains(*name)) {
            let mut path = vec![first.clone()];
            let circle = loop {
                let last = path.last().expect("the path starts with a stage");
                let next = self.definition.stages[last].needs.iter().find(|need| left.contains(*need));
                let Some(next) = next.cloned() else { break Vec::new() };
                if let Some(start) = path.iter().position(|name| *name == next) {
                    break path.split_off(start);
                }
                path.push(next);
            };
            for name in path.iter().chain(&circle) {
                left.remove(name);
            }
            if circle.len() > 1 {
                self.circle(&circle);
            }
        }
    }

    fn circle(&mut self, circle: &[StageName]) {
        let order: Vec<&StageName> = self.definition.stages.keys().collect();
        let first = (0..circle.len()).min_by_key(|at| order.iter().position(|name| **name == circle[*at]));
        let first = first.unwrap_or(0);
        let shown: Vec<&str> =
            (0..=circle.len()).map(|step| circle[(first + step) % circle.len()].as_str()).collect();
        let at = self.place(&circle[first], &circle[(first + 1) % circle.len()]);
        let message = format!("the stages need each other: {}", shown.join(" → "));
        self.problem(codes::NEEDS_CYCLE, at, message, "remove one of these needs".to_owned());
    }
}

/// Stages that could never start: those in a circle of others, and those that need them.
fn remaining(definition: &Definition) -> BTreeSet<StageName> {
    let ordered: BTreeSet<StageName> = order(definition).into_iter().collect();
    definition.stages.keys().filter(|name| !ordered.contains(*name)).cloned().collect()
}

/// The stages so that each comes after those it needs, `finally` ones last, else in the order of the file. Stages in
/// circles are left out; needs that name no stage, and a stage's need of itself, count as met.
pub fn order(definition: &Definition) -> Vec<StageName> {
    let stages = &definition.stages;
    let mut waits: BTreeMap<&StageName, usize> = BTreeMap::new();
    let mut needed_by: BTreeMap<&StageName, Vec<&StageName>> = BTreeMap::new();
    for (name, stage) in stages {
        let needs: Vec<&StageName> =
            stage.needs.iter().filter(|need| *need != name && stages.contains_key(*need)).collect();
        waits.insert(name, needs.len());
        for need in needs {
            needed_by.entry(need).or_default().push(name);
        }
    }
    let place = |name: &StageName| (stages[name].finally, stages.get_index_of(name));
    let mut ready: BTreeSet<_> =
        stages.keys().filter(|name| waits[*name] == 0).map(|name| (place(name), name)).collect();
    let mut ordered = Vec::with_capacity(stages.len());
    while let Some((_, name)) = ready.pop_first() {
        ordered.push(name.clone());
        for next in needed_by.get(name).into_iter().flatten() {
            let left = waits.entry(next).or_default();
            *left = left.saturating_sub(1);
            if *left == 0 {
                ready.insert((place(next), *next));
            }
        }
    }
    ordered
}

/// The stages that have ended before this one starts.
pub fn reachable(definition: &Definition, stage: &StageName) -> BTreeSet<StageName> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&StageName> = vec![stage];
    while let Some(name) = open.pop() {
        for need in definition.stages.get(name).into_iter().flat_map(|stage| &stage.needs) {
            if need != stage && found.insert(need.clone()) {
                open.push(need);
            }
        }
    }
    found
}
