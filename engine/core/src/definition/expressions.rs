//! The expressions of a definition, each checked against what it can see.

use super::needs::{order, reachable};
use super::types::{Definition, StageDef};
use crate::diagnostic::{Code, Diagnostic, codes};
use crate::document::{Node, Value, reader::below};
use crate::expression::{
    Checked, Expression, Fault, Part, Schema, StageSchema, Template, Type, check as check_one,
};
use crate::name::StageName;
use crate::shell;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};

/// What is known beside the definition.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known<'k> {
    /// The names of all stages of the file, unusable ones included; none takes those of the definition.
    pub named: Option<&'k BTreeSet<StageName>>,
    /// The schemas of the outputs, where the plugins are known. Other outputs are taken as they come.
    pub outputs: Option<&'k BTreeMap<StageName, Json>>,
    /// The definition's constants are all there are; else the tenant may have more.
    pub vars_complete: bool,
}

/// Every problem of every expression.
pub fn check(definition: &Definition, known: &Known<'_>) -> Vec<Diagnostic> {
    let base = base(definition, known);
    let mut checker = Checker { definition, schema: base.clone(), found: Vec::new() };
    if let Some(concurrency) = &definition.concurrency {
        let pointer = match checker.definition.places.has("/concurrency/group") {
            true => "/concurrency/group",
            false => "/concurrency",
        };
        checker.text(pointer, &concurrency.group, false);
    }
    checker.texts("/env", &definition.env);
    let certain = certain(definition);
    for (name, stage) in &definition.stages {
        checker.schema = Schema { stages: stages(definition, name, &certain[name], known), ..base.clone() };
        checker.stage(name, stage);
    }
    checker.found
}

/// What every expression of the file sees.
fn base(definition: &Definition, known: &Known<'_>) -> Schema {
    let parameters = definition.parameters.iter();
    let parameters = parameters.map(|(name, parameter)| (name.clone(), parameter.of.checked())).collect();
    let mut schema = Schema::new(&definition.vars, parameters);
    schema.vars.open = !known.vars_complete;
    schema
}

/// What the expressions of one stage see.
pub(crate) fn stage_schema(definition: &Definition, stage: &StageName, known: &Known<'_>) -> Schema {
    let certain = certain(definition).remove(stage).unwrap_or_default();
    Schema { stages: stages(definition, stage, &certain, known), ..base(definition, known) }
}

/// The other stages as one sees them.
fn stages(
    definition: &Definition,
    stage: &StageName,
    certain: &BTreeSet<StageName>,
    known: &Known<'_>,
) -> BTreeMap<StageName, StageSchema> {
    let reached = reachable(definition, stage);
    let names: BTreeSet<&StageName> =
        definition.stages.keys().chain(known.named.into_iter().flatten()).collect();
    let one = |name: &StageName| {
        let schema = known.outputs.and_then(|outputs| outputs.get(name));
        let outputs = match schema.map(Type::of_schema) {
            Some(Type::Object(outputs)) => outputs,
            _ => crate::expression::Object { open: true, ..Default::default() },
        };
        StageSchema { needed: reached.contains(name), certain: certain.contains(name), outputs }
    };
    names.into_iter().map(|name| (name.clone(), one(name))).collect()
}

/// For each stage those that have certainly succeeded when it runs: what it needs, but for stages that can be skipped
/// and are mentioned in its `when`, and for nothing if it runs after failures too.
pub fn certain(definition: &Definition) -> BTreeMap<StageName, BTreeSet<StageName>> {
    let mut certain: BTreeMap<StageName, BTreeSet<StageName>> = BTreeMap::new();
    let mut skippable: BTreeSet<StageName> = BTreeSet::new();
    for name in order(definition) {
        let stage = &definition.stages[&name];
        let (mentions, _, survives) = status(definition, stage);
        let mut sure = BTreeSet::new();
        for need in stage.needs.iter().filter(|_| !survives && !stage.finally) {
            if !(mentions.contains(need) && skippable.contains(need)) {
                sure.insert(need.clone());
                sure.extend(certain.get(need).into_iter().flatten().cloned());
            }
        }
        let conditional = stage.when.is_some() || !stage.paths.is_empty();
        if conditional || stage.needs.iter().any(|need| skippable.contains(need)) {
            skippable.insert(name.clone());
        }
        certain.insert(name, sure);
    }
    for name in definition.stages.keys() {
        certain.entry(name.clone()).or_default();
    }
    certain
}

/// The stages that `when` mentions, and whether it asks for statuses.
pub(crate) fn asked(definition: &Definition, stage: &StageDef) -> (BTreeSet<StageName>, bool) {
    let (mentions, asks_status, _) = status(definition, stage);
    (mentions, asks_status)
}

/// The stages that `when` mentions, whether it asks for statuses, and whether it can be true after one has failed.
fn status(definition: &Definition, stage: &StageDef) -> (BTreeSet<StageName>, bool, bool) {
    let Some(Ok(expression)) = stage.when.as_deref().map(Expression::parse) else {
        return Default::default();
    };
    let mut schema = Schema::new(&definition.vars, BTreeMap::new());
    let open = || StageSchema {
        needed: true,
        certain: true,
        outputs: crate::expression::Object { open: true, ..Default::default() },
    };
    schema.stages = definition.stages.keys().map(|name| (name.clone(), open())).collect();
    let checked = check_one(&expression, &schema, true);
    (checked.mentions, checked.asks_status, checked.survives)
}

struct Checker<'d> {
    definition: &'d Definition,
    schema: Schema,
    found: Vec<Diagnostic>,
}

impl Checker<'_> {
    fn stage(&mut self, name: &StageName, stage: &StageDef) {
        let at = format!("/stages/{name}");
        if let Some(when) = &stage.when {
            self.when(&format!("{at}/when"), when);
        }
        self.value(&format!("{at}/with"), &stage.with, "with", false);
        self.texts(&format!("{at}/env"), &stage.env);
        for (service, spec) in &stage.services {
            let at = below(&format!("{at}/services"), service);
            if let Some(image) = &spec.image {
                self.text(&format!("{at}/image"), image, false);
            }
            let command = Json::Array(spec.command.iter().cloned().map(Json::String).collect());
            self.value(&format!("{at}/command"), &command, "command", false);
            self.texts(&format!("{at}/env"), &spec.env);
        }
    }

    fn when(&mut self, pointer: &str, source: &str) {
        let Some((_, checked)) = self.expression(pointer, source.trim(), 0, true) else { return };
        if checked.faults.is_empty() && !matches!(checked.of, Type::Bool | Type::Any) {
            let message = format!("`when` must be a bool, but this is {}", checked.of);
            let at = self.definition.places.value(pointer);
            let remedy = "compare it with something";
            self.found.push(Diagnostic::error(codes::WHEN_NOT_BOOL, message, remedy).at(at));
        }
    }

    fn texts(&mut self, pointer: &str, texts: &BTreeMap<String, String>) {
        for (name, text) in texts {
            self.text(&below(pointer, name), text, false);
        }
    }

    /// A part of a configuration. `shell` says that an element is parsed by one.
    fn value(&mut self, pointer: &str, value: &Json, key: &str, shell: bool) {
        match value {
            Json::String(text) => self.text(pointer, text, shell || shell::SCRIPTS.contains(&key)),
            Json::Array(items) => {
                let scripts = shell::scripts(items);
                for (index, item) in items.iter().enumerate() {
                    self.value(&format!("{pointer}/{index}"), item, "", scripts.contains(&index));
                }
            }
            Json::Object(fields) => {
                for (name, value) in fields {
                    self.value(&below(pointer, name), value, name, false);
                }
            }
            _ => {}
        }
    }

    fn text(&mut self, pointer: &str, text: &str, shell: bool) {
        if !Template::is_in(text) {
            return;
        }
        let template = match Template::parse(text) {
            Ok(template) => template,
            Err(_) => {
                let at = self.definition.places.value(pointer);
                let remedy = "add `}}`, or write `$${{` where the characters themselves are meant";
                self.found
                    .push(Diagnostic::error(codes::UNCLOSED_TEMPLATE, "`${{` has no end", remedy).at(at));
                return;
            }
        };
        let single = template.single().is_some();
        for part in &template.parts {
            let Part::Expression { source, range } = part else { continue };
            let nth = text[..range.start].matches(source.as_str()).count();
            let Some((expression, checked)) = self.expression(pointer, source, nth, false) else { continue };
            if checked.faults.is_empty() {
                self.part(pointer, &expression, &checked, nth, single);
            }
            if shell && checked.untrusted {
                let message = "text that outsiders write stands where a shell parses it";
                let remedy = "pass it through `env`, and write \"$NAME\" in the command";
                self.fault(pointer, source, nth, codes::UNTRUSTED_IN_SHELL, 0..source.len(), message, remedy);
            }
        }
    }

    /// Whether the value can stand where it stands.
    fn part(&mut self, pointer: &str, expression: &Expression, checked: &Checked, nth: usize, single: bool) {
        let source = expression.source();
        let whole = 0..source.len();
        match &checked.of {
            Type::Optional(_) => {
                let message = "the value may be absent";
                self.fault(pointer, source, nth, codes::MAYBE_ABSENT, whole, message, "add `.orValue(...)`");
            }
            Type::Null => {
                let remedy = "give a value";
                self.fault(
                    pointer,
                    source,
                    nth,
                    codes::NULL_VALUE,
                    whole,
                    "the expression gives null",
                    remedy,
                );
            }
            Type::Double | Type::List(_) | Type::Map(_) | Type::Object(_) if !single => {
                let message = format!("a {} cannot be a part of text", checked.of);
                let remedy = "let the expression stand alone, or make text of it";
                self.fault(pointer, source, nth, codes::NOT_A_TEXT_PART, whole, &message, remedy);
            }
            _ => {}
        }
    }

    /// Parses and checks one; its faults are told.
    fn expression(
        &mut self,
        pointer: &str,
        source: &str,
        nth: usize,
        condition: bool,
    ) -> Option<(Expression, Checked)> {
        let tell = |checker: &mut Self, fault: Fault| {
            checker.fault(pointer, source, nth, fault.code, fault.range, &fault.message, &fault.remedy);
        };
        match Expression::parse(source) {
            Ok(expression) => {
                let checked = check_one(&expression, &self.schema, condition);
                for fault in checked.faults.clone() {
                    tell(self, fault);
                }
                Some((expression, checked))
            }
            Err(fault) => {
                tell(self, fault);
                None
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "a fault and the expression's place, both taken apart")]
    fn fault(
        &mut self,
        pointer: &str,
        source: &str,
        nth: usize,
        code: Code,
        range: std::ops::Range<usize>,
        message: &str,
        remedy: &str,
    ) {
        let places = &self.definition.places;
        let at = places.part(pointer, source, nth).map(|place| match place.length as usize == source.len() {
            true => places.within(&place, range.start, range.end),
            false => place,
        });
        self.found.push(Diagnostic::error(code, message, remedy).at(at));
    }
}

/// Texts with `${{` where none may stand.
pub(super) fn misplaced(root: &Node) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    visit(root, &mut Vec::new(), &mut found);
    found
}

fn visit<'n>(node: &'n Node, path: &mut Vec<&'n str>, found: &mut Vec<Diagnostic>) {
    match &node.value {
        Value::Text(text) if Template::is_in(text) && !allowed(path) => {
            let message = "an expression stands where the value must be written out";
            let remedy = "write the value itself";
            found.push(Diagnostic::error(codes::NO_EXPRESSION_HERE, message, remedy).at(node.place.clone()));
        }
        Value::List(items) => {
            for item in items {
                path.push("");
                visit(item, path, found);
                path.pop();
            }
        }
        Value::Map(entries) => {
            for entry in entries {
                path.push(&entry.key);
                visit(&entry.value, path, found);
                path.pop();
            }
        }
        _ => {}
    }
}

fn allowed(path: &[&str]) -> bool {
    match path {
        ["env", _] | ["concurrency"] | ["concurrency", "group"] | ["parameters", _, "description"] => true,
        ["stages", _, "with" | "when", ..] | ["stages", _, "env", _] => true,
        ["stages", _, "services", _, "image" | "command" | "env", ..] => true,
        // An unknown key is told already.
        [first, ..] => !super::pipeline::PIPELINE_KEYS.contains(first),
        [] => true,
    }
}
