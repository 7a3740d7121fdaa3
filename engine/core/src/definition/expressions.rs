//! The expressions of a definition, each checked against what it can see.

use super::graph::Graph;
use super::types::{Definition, StageDef};
use crate::diagnostic::{Code, Diagnostic, codes};
use crate::document::{Node, Value, reader::below};
use crate::expression::{Checked, Expression, Fault, Part, Schema, Template, Type, check as check_one};
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
    check_with(definition, &Graph::new(definition, known))
}

/// The same with a graph that is there already.
pub(crate) fn check_with(definition: &Definition, graph: &Graph) -> Vec<Diagnostic> {
    let mut checker = Checker { definition, schema: graph.outside(), found: Vec::new() };
    if let Some(concurrency) = &definition.concurrency {
        let pointer = match checker.definition.places.has("/concurrency/group") {
            true => "/concurrency/group",
            false => "/concurrency",
        };
        checker.text(pointer, &concurrency.group, false);
    }
    checker.texts("/env", &definition.env);
    for (name, stage) in &definition.stages {
        // It is decided with the plan, before any stage has run.
        if let Some(when) = stage.approval.as_ref().and_then(|approval| approval.when.as_ref()) {
            checker.schema = graph.outside();
            checker.condition(&format!("/stages/{name}/approval/when"), when, false);
        }
        let texts = texts(stage);
        if !texts.is_empty() {
            checker.schema = graph.schema(name, texts);
            checker.stage(name, stage);
        }
    }
    checker.found
}

/// Every text of a stage that holds expressions.
fn texts(stage: &StageDef) -> Vec<&str> {
    let mut found: Vec<&str> = stage.when.as_deref().into_iter().collect();
    let mut open = vec![&stage.with];
    let services = stage.services.values();
    let of_services =
        services.flat_map(|service| service.image.iter().chain(&service.command).chain(service.env.values()));
    let plain = stage.env.values().chain(of_services).map(String::as_str);
    found.extend(plain.filter(|text| Template::is_in(text)));
    while let Some(value) = open.pop() {
        match value {
            Json::String(text) if Template::is_in(text) => found.push(text),
            Json::Array(items) => open.extend(items),
            Json::Object(fields) => open.extend(fields.values()),
            _ => {}
        }
    }
    found
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
            self.condition(&format!("{at}/when"), when, true);
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

    /// A `when`, which may ask for the statuses of stages or not.
    fn condition(&mut self, pointer: &str, source: &str, statuses: bool) {
        let Some((_, checked)) = self.expression(pointer, source.trim(), 0, statuses) else { return };
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
        ["stages", _, "with" | "when", ..] | ["stages", _, "env", _] | ["stages", _, "approval", "when"] => {
            true
        }
        ["stages", _, "services", _, "image" | "command" | "env", ..] => true,
        // An unknown key is told already.
        [first, ..] => !super::pipeline::PIPELINE_KEYS.contains(first),
        [] => true,
    }
}
