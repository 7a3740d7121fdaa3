//! The checker: types, unknown names, unguarded outputs, untrusted text.

use super::parse::{Expression, Fault, children};
use super::schema::{Root, Schema, UNTRUSTED};
use super::types::{Object, Type};
use super::{calls, operators};
use crate::diagnostic::{Code, codes, nearest};
use crate::name::StageName;
use cel::common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue, SelectExpr};
use std::collections::BTreeSet;

/// What is known about an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The type of its value.
    pub of: Type,
    /// Its value may hold text that outsiders wrote.
    pub untrusted: bool,
    /// The stages that it names.
    pub mentions: BTreeSet<StageName>,
    /// It calls `success()`, `failure()` or `always()`.
    pub asks_status: bool,
    /// It asks for statuses, and can be true although a needed stage has not succeeded.
    pub survives: bool,
    /// All problems, in the order of the text.
    pub faults: Vec<Fault>,
}

/// Finds every problem of an expression. With `conditions`, the status functions may be called.
pub fn check(expression: &Expression, schema: &Schema, conditions: bool) -> Checked {
    let mut checker = Checker {
        expression,
        schema,
        conditions,
        variable: None,
        mentions: BTreeSet::new(),
        asks_status: false,
        faults: Vec::new(),
    };
    let typed = checker.visit(&expression.tree);
    let Checker { mentions, asks_status, mut faults, .. } = checker;
    let survives = asks_status && !requires_success(&expression.tree);
    faults.sort_by_key(|fault| fault.range.start);
    Checked { of: typed.of, untrusted: typed.untrusted, mentions, asks_status, survives, faults }
}

/// Whether an expression is false when `success()` is.
fn requires_success(node: &IdedExpr) -> bool {
    let Expr::Call(call) = &node.expr else { return false };
    match call.func_name.as_str() {
        "success" => true,
        "_&&_" => call.args.iter().any(requires_success),
        _ => false,
    }
}

/// A part of an expression.
#[derive(Debug, Clone)]
pub(super) struct Typed {
    pub(super) of: Type,
    pub(super) untrusted: bool,
}

impl Typed {
    pub(super) fn plain(of: Type) -> Self {
        Self { of, untrusted: false }
    }

    pub(super) fn any() -> Self {
        Self::plain(Type::Any)
    }
}

/// A stage that an expression names and may read.
struct Found {
    name: StageName,
    certain: bool,
    outputs: Object,
    cells: bool,
}

pub(super) struct Checker<'e> {
    pub(super) expression: &'e Expression,
    schema: &'e Schema,
    pub(super) conditions: bool,
    /// The variable of the loop that we are in.
    pub(super) variable: Option<(String, Typed)>,
    mentions: BTreeSet<StageName>,
    pub(super) asks_status: bool,
    faults: Vec<Fault>,
}

impl Checker<'_> {
    pub(super) fn fault(
        &mut self,
        code: Code,
        node: &IdedExpr,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Typed {
        let range = self.expression.range(node);
        self.faults.push(Fault::new(code, range, message, remedy));
        Typed::any()
    }

    pub(super) fn visit(&mut self, node: &IdedExpr) -> Typed {
        match &node.expr {
            Expr::Literal(literal) => self.literal(node, literal),
            Expr::Ident(name) => self.name(node, name),
            Expr::Select(select) => self.select(node, select),
            Expr::Call(call) => match operators::is_operator(&call.func_name) {
                true => operators::visit(self, node, call),
                false => calls::visit(self, node, call),
            },
            Expr::List(list) => {
                let items: Vec<Typed> = list.elements.iter().map(|item| self.visit(item)).collect();
                let untrusted = items.iter().any(|item| item.untrusted);
                let of = Type::common(items.into_iter().map(|item| item.of));
                Typed { of: Type::List(Box::new(of)), untrusted }
            }
            Expr::Map(map) => self.map(node, map.entries.iter().map(|entry| &entry.expr)),
            Expr::Struct(_) | Expr::Comprehension(_) | Expr::Unspecified => {
                for child in children(node) {
                    self.visit(child);
                }
                self.fault(
                    codes::TYPE_ERROR,
                    node,
                    "there are no types to make values of",
                    "write a map: `{\"a\": 1}`",
                )
            }
        }
    }

    fn literal(&mut self, node: &IdedExpr, literal: &LiteralValue) -> Typed {
        Typed::plain(match literal {
            LiteralValue::Boolean(_) => Type::Bool,
            LiteralValue::Double(_) => Type::Double,
            LiteralValue::Int(_) => Type::Int,
            LiteralValue::Null => Type::Null,
            LiteralValue::String(_) => Type::Text,
            LiteralValue::UInt(_) | LiteralValue::Bytes(_) => {
                return self.fault(
                    codes::TYPE_ERROR,
                    node,
                    "this kind of value is not used here",
                    "write a plain one",
                );
            }
        })
    }

    fn map<'n>(&mut self, node: &IdedExpr, entries: impl Iterator<Item = &'n EntryExpr>) -> Typed {
        let mut object = Object { open: false, ..Object::default() };
        let (mut known, mut untrusted, mut values) = (true, false, Vec::new());
        for entry in entries {
            let EntryExpr::MapEntry(entry) = entry else { continue };
            let key = self.visit(&entry.key);
            if !key.of.may_equal(&Type::Text) {
                self.fault(
                    codes::TYPE_ERROR,
                    &entry.key,
                    "the keys of a map are text",
                    "write the key in quotes",
                );
            }
            let value = self.visit(&entry.value);
            untrusted |= key.untrusted || value.untrusted;
            match text(&entry.key) {
                Some(name) if !entry.optional => {
                    if object.fields.insert(name.to_owned(), value.of.clone()).is_some() {
                        let message = format!("the key `{name}` is written twice");
                        self.fault(codes::TYPE_ERROR, node, message, "remove one of the two");
                    }
                }
                _ => known = false,
            }
            values.push(value.of);
        }
        let of = if known { Type::Object(object) } else { Type::Map(Box::new(Type::common(values))) };
        Typed { of, untrusted }
    }

    fn name(&mut self, node: &IdedExpr, name: &str) -> Typed {
        if let Some((variable, typed)) = &self.variable
            && variable == name
        {
            return typed.clone();
        }
        match Root::of(name) {
            Some(Root::Event) => Typed { of: Type::Object(Schema::event()), untrusted: true },
            Some(Root::Vars) => Typed::plain(Type::Object(self.schema.vars.clone())),
            Some(Root::Parameters) => Typed::plain(Type::Object(self.schema.parameters.clone())),
            Some(Root::Matrix) => match &self.schema.matrix {
                Some(values) => Typed::plain(Type::Object(values.clone())),
                None => {
                    let remedy = "give the stage a `matrix`, or write the value itself";
                    self.fault(codes::UNKNOWN_FIELD, node, "there is no `matrix` here", remedy)
                }
            },
            Some(Root::Stages) => {
                let remedy = "name a stage and an output, as in `stages.build.outputs.digest`";
                self.fault(codes::TYPE_ERROR, node, "`stages` alone is not a value", remedy)
            }
            None => {
                let known =
                    Root::NAMES.into_iter().chain(self.variable.as_ref().map(|(name, _)| name.as_str()));
                let remedy = match nearest(name, known) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "expressions see `event`, `vars`, `parameters`, `matrix` and `stages`".to_owned(),
                };
                self.fault(codes::UNKNOWN_FIELD, node, format!("there is no variable `{name}`"), remedy)
            }
        }
    }

    fn select(&mut self, node: &IdedExpr, select: &SelectExpr) -> Typed {
        self.field(node, &select.operand, &select.field, false)
    }

    /// A field of a value: `a.b`, `a["b"]`, and with `optional` also `a.?b` and `a[?"b"]`.
    pub(super) fn field(
        &mut self,
        node: &IdedExpr,
        operand: &IdedExpr,
        field: &str,
        optional: bool,
    ) -> Typed {
        if is_root(operand, "stages") {
            return self.stage(node, field);
        }
        if let Some(stage) = stage_of(operand) {
            let stage = stage.to_owned();
            return self.stage_part(node, operand, &stage, field);
        }
        let guarded = optional || matches!(&operand.expr, Expr::Call(call) if call.func_name == "_?._");
        if let Some(stage) = outputs_of(operand) {
            let stage = stage.to_owned();
            return self.output(node, operand, &stage, field, guarded);
        }
        let of_event = is_root(operand, "event");
        let value = self.visit(operand);
        let untrusted = if of_event { UNTRUSTED.contains(&field) } else { value.untrusted };
        let (inside, was_optional) = match value.of {
            Type::Optional(inside) => (*inside, true),
            other => (other, false),
        };
        let of = self.field_type(node, operand, &inside, field);
        match optional || was_optional {
            true => Typed { of: Type::Optional(Box::new(of)), untrusted },
            false => Typed { of, untrusted },
        }
    }

    fn field_type(&mut self, node: &IdedExpr, operand: &IdedExpr, of: &Type, field: &str) -> Type {
        match of {
            Type::Any => Type::Any,
            Type::Map(value) => (**value).clone(),
            Type::Object(object) => match object.fields.get(field) {
                Some(found) => found.clone(),
                // The tenant may have more constants, but hardly one that is spelled almost like one of the file's.
                None if object.open
                    && !(is_root(operand, "vars")
                        && nearest(field, object.fields.keys().map(String::as_str)).is_some()) =>
                {
                    Type::Any
                }
                None => self.unknown_field(node, operand, object, field),
            },
            other => {
                let message = format!("{other} has no fields such as `{field}`");
                self.fault(codes::TYPE_ERROR, node, message, "select from a map or an object").of
            }
        }
    }

    fn unknown_field(&mut self, node: &IdedExpr, operand: &IdedExpr, object: &Object, field: &str) -> Type {
        let owner = match &operand.expr {
            Expr::Ident(name) => format!("`{name}`"),
            Expr::Select(select) => format!("`{}`", select.field),
            _ => "the value".to_owned(),
        };
        let remedy = match nearest(field, object.fields.keys().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None if object.fields.is_empty() => format!("{owner} has no fields here"),
            None => {
                let all: Vec<&str> = object.fields.keys().map(String::as_str).collect();
                format!("{owner} has {}", crate::document::reader::list(&all))
            }
        };
        self.fault(codes::UNKNOWN_FIELD, node, format!("{owner} has no field `{field}`"), remedy).of
    }

    /// `stages.NAME`.
    fn stage(&mut self, node: &IdedExpr, written: &str) -> Typed {
        self.find_stage(node, written);
        let remedy = "read one of its outputs, as in `.outputs.digest`, or its `status`";
        self.fault(codes::TYPE_ERROR, node, format!("the stage `{written}` alone is not a value"), remedy)
    }

    /// `stages.NAME.status` or `stages.NAME.outputs`.
    fn stage_part(&mut self, node: &IdedExpr, operand: &IdedExpr, written: &str, part: &str) -> Typed {
        let found = self.find_stage(operand, written);
        match (part, found) {
            ("status", _) => Typed::plain(Type::Text),
            // The map by cell is a value; which cells are in it is known when they have ended.
            ("outputs", Some(Found { outputs, cells: true, .. })) => {
                Typed::plain(Type::Map(Box::new(Type::common(outputs.fields.into_values()))))
            }
            ("outputs", _) => {
                let remedy = "name the output, as in `.outputs.digest`";
                self.fault(codes::TYPE_ERROR, node, "`outputs` alone is not a value", remedy)
            }
            _ => {
                let remedy = match nearest(part, ["outputs", "status"]) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "a stage has `outputs` and `status`".to_owned(),
                };
                self.fault(codes::UNKNOWN_FIELD, node, format!("a stage has no field `{part}`"), remedy)
            }
        }
    }

    /// `stages.NAME.outputs.FIELD`.
    fn output(
        &mut self,
        node: &IdedExpr,
        operand: &IdedExpr,
        written: &str,
        field: &str,
        guarded: bool,
    ) -> Typed {
        let Some(found) = self.find_stage(operand, written) else { return Typed::any() };
        let Found { name, certain, outputs, cells } = found;
        let of = match outputs.fields.get(field).cloned() {
            Some(found) => found,
            None if outputs.open => Type::Any,
            None => {
                let all: Vec<&str> = outputs.fields.keys().map(String::as_str).collect();
                let remedy = match nearest(field, all.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None if all.is_empty() => "its plugin declares no outputs".to_owned(),
                    None if cells => {
                        format!("its cells are {}, read as in `outputs[\"{}\"]`", few(&all), all[0])
                    }
                    None => format!("its outputs are {}", crate::document::reader::list(&all)),
                };
                let what = if cells { "cell" } else { "output" };
                let message = format!("the stage `{name}` has no {what} `{field}`");
                return self.fault(codes::UNKNOWN_OUTPUT, node, message, remedy);
            }
        };
        if !certain && !guarded {
            let (message, remedy) = match cells {
                true => (
                    format!("the cell `{field}` of `{name}` can be skipped, and then it has no outputs"),
                    format!("write `stages.{name}.outputs[?\"{field}\"].orValue(...)`"),
                ),
                false => (
                    format!("`{name}` can be skipped, and then it has no output `{field}`"),
                    format!("write `stages.{name}.outputs.?{field}.orValue(...)`"),
                ),
            };
            self.fault(codes::MAYBE_ABSENT, node, message, remedy);
        }
        match guarded {
            true => Typed::plain(Type::Optional(Box::new(of))),
            false => Typed::plain(of),
        }
    }

    fn find_stage(&mut self, node: &IdedExpr, written: &str) -> Option<Found> {
        let Some((name, stage)) = self.schema.stage(written) else {
            let shown = written.replace('_', "-");
            if self.schema.names.iter().any(|name| name.as_str() == shown) {
                let message = format!("the stage `{shown}` has not ended when this is read");
                self.fault(codes::NOT_NEEDED, node, message, "read it within a stage that needs it");
                return None;
            }
            let known = self.schema.stages.keys().chain(self.schema.names.iter());
            let remedy = match nearest(&shown, known.map(StageName::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "name a stage of this pipeline".to_owned(),
            };
            self.fault(codes::UNKNOWN_FIELD, node, format!("there is no stage `{shown}`"), remedy);
            return None;
        };
        let found = Found {
            name: name.clone(),
            certain: stage.certain,
            outputs: stage.outputs.clone(),
            cells: stage.cells,
        };
        self.mentions.insert(found.name.clone());
        if !stage.needed {
            let message = format!("the stage `{name}` has not necessarily ended when this is read");
            self.fault(codes::NOT_NEEDED, node, message, format!("add `{name}` to `needs`"));
            return None;
        }
        Some(found)
    }
}

/// Some of the words, for a message.
fn few(words: &[&str]) -> String {
    let more = if words.len() > 8 { ", …" } else { "" };
    format!("{}{more}", crate::document::reader::list(&words[..words.len().min(8)]))
}

/// The text of a literal.
pub(super) fn text(node: &IdedExpr) -> Option<&str> {
    match &node.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}

fn is_root(node: &IdedExpr, name: &str) -> bool {
    matches!(&node.expr, Expr::Ident(ident) if ident == name)
}

/// Operand and field of `a.b` and `a["b"]`, and of their optional forms.
fn selection(node: &IdedExpr) -> Option<(&IdedExpr, &str)> {
    match &node.expr {
        Expr::Select(select) => Some((&select.operand, &select.field)),
        Expr::Call(call) if matches!(call.func_name.as_str(), "_[_]" | "_?._" | "_[?_]") => {
            match &call.args[..] {
                [operand, field] => Some((operand, text(field)?)),
                _ => None,
            }
        }
        _ => None,
    }
}

/// `NAME` of `stages.NAME`.
fn stage_of(node: &IdedExpr) -> Option<&str> {
    let (operand, name) = selection(node)?;
    is_root(operand, "stages").then_some(name)
}

/// `NAME` of `stages.NAME.outputs`.
fn outputs_of(node: &IdedExpr) -> Option<&str> {
    let (operand, field) = selection(node)?;
    if field == "outputs" { stage_of(operand) } else { None }
}
