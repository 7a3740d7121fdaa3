//! An upper bound of what an evaluation makes, in bytes, before it starts.
//!
//! Loops do not nest, so the bound is a product of what is there: the length of a list times the size of the body.

use super::check::text;
use super::parse::{LOOPS, children};
use super::scope::Scope;
use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue};
use serde_json::Value as Json;

/// An evaluation makes at most this much.
pub(super) const MAX: u64 = 16 << 20;
/// What one step costs at least.
const STEP: u64 = 16;
/// What matching a pattern costs at least: it is compiled each time.
const PATTERN: u64 = 20_000;

/// How large a value can be.
#[derive(Clone, Copy, Default)]
struct Shape {
    total: u64,
    /// Elements of a list or map.
    count: u64,
    /// The largest element.
    item: u64,
}

impl Shape {
    fn flat(total: u64) -> Self {
        Self { total, count: total, item: total }
    }
}

/// What is known of one evaluation before it starts.
pub(super) struct Bound {
    /// It makes at most this much.
    pub(super) bytes: u64,
    /// It would make a list in the order of a map, which has none.
    pub(super) unordered: bool,
}

/// The bound of one evaluation.
pub(super) fn bound(tree: &IdedExpr, scope: &Scope) -> Bound {
    let mut estimate = Estimate { scope, made: 0, factor: 1, variable: None, unordered: false };
    estimate.visit(tree);
    Bound { bytes: estimate.made, unordered: estimate.unordered }
}

struct Estimate<'s> {
    scope: &'s Scope,
    made: u64,
    /// How often what is visited now is done.
    factor: u64,
    variable: Option<(String, u64)>,
    unordered: bool,
}

impl<'s> Estimate<'s> {
    fn visit(&mut self, node: &IdedExpr) -> Shape {
        if let Some(value) = self.value(node) {
            self.made = self.made.saturating_add(self.factor.saturating_mul(STEP));
            return shape(value);
        }
        let shape = match &node.expr {
            Expr::Ident(name) => match &self.variable {
                Some((variable, size)) if variable == name => Shape::flat(*size),
                _ => Shape::flat(STEP),
            },
            Expr::Literal(LiteralValue::String(text)) => Shape::flat(text.inner().len() as u64),
            Expr::List(list) => {
                let items: Vec<u64> = list.elements.iter().map(|item| self.visit(item).total).collect();
                let item = items.iter().copied().max().unwrap_or(0);
                Shape { total: sum(items.iter().copied()), count: items.len() as u64, item }
            }
            Expr::Call(call) if LOOPS.contains(&call.func_name.as_str()) => self.repeat(call),
            Expr::Call(call) if call.func_name == "replace" || call.func_name == "join" => {
                let parts: Vec<u64> =
                    children(node).iter().map(|child| self.visit(child).total.max(1)).collect();
                let grown = parts.iter().copied().fold(1_u64, u64::saturating_mul);
                Shape::flat(grown.saturating_add(sum(parts.iter().copied())))
            }
            Expr::Call(call) if call.func_name == "matches" => {
                let parts = sum(children(node).iter().map(|child| self.visit(child).total));
                self.made =
                    self.made.saturating_add(self.factor.saturating_mul(PATTERN.saturating_add(parts)));
                Shape::flat(STEP)
            }
            _ => Shape::flat(sum(children(node).iter().map(|child| self.visit(child).total))),
        };
        let made = shape.total.saturating_add(STEP);
        self.made = self.made.saturating_add(self.factor.saturating_mul(made));
        shape
    }

    /// `xs.map(x, …)` and its siblings.
    fn repeat(&mut self, call: &CallExpr) -> Shape {
        let over = call.target.as_deref().map_or(Shape::default(), |target| self.visit(target));
        let kept = matches!(call.func_name.as_str(), "map" | "filter");
        let target = call.target.as_deref().and_then(|target| self.value(target));
        self.unordered |= kept && target.is_some_and(Json::is_object);
        let name = match call.args.first().map(|argument| &argument.expr) {
            Some(Expr::Ident(name)) => name.clone(),
            _ => String::new(),
        };
        let outer = self.variable.replace((name, over.item));
        let before = self.factor;
        self.factor = before.saturating_mul(over.count.max(1));
        let body = call.args.iter().skip(1).map(|part| self.visit(part).total).fold(0, u64::max);
        (self.factor, self.variable) = (before, outer);
        match call.func_name.as_str() {
            "map" => Shape { total: over.count.saturating_mul(body), count: over.count, item: body },
            "filter" => over,
            _ => Shape::flat(STEP),
        }
    }

    /// The value of `event.x.y["z"]`, if it is a path to one that is there.
    fn value(&self, node: &IdedExpr) -> Option<&'s Json> {
        match &node.expr {
            Expr::Ident(name) if self.variable.as_ref().is_none_or(|(variable, _)| variable != name) => {
                self.scope.root(name)
            }
            Expr::Select(select) => self.value(&select.operand)?.get(&select.field),
            Expr::Call(call) if matches!(call.func_name.as_str(), "_[_]" | "_?._" | "_[?_]") => {
                self.value(call.args.first()?)?.get(text(call.args.get(1)?)?)
            }
            _ => None,
        }
    }
}

fn sum(parts: impl Iterator<Item = u64>) -> u64 {
    parts.fold(0, u64::saturating_add)
}

fn shape(value: &Json) -> Shape {
    let elements: Vec<u64> = match value {
        Json::Array(items) => items.iter().map(size).collect(),
        Json::Object(fields) => fields.keys().map(|name| name.len() as u64).collect(),
        _ => return Shape::flat(size(value)),
    };
    Shape { total: size(value), count: elements.len() as u64, item: elements.into_iter().max().unwrap_or(0) }
}

fn size(value: &Json) -> u64 {
    match value {
        Json::String(text) => text.len() as u64 + STEP,
        Json::Array(items) => STEP + sum(items.iter().map(size)),
        Json::Object(fields) => {
            STEP + sum(fields.iter().map(|(name, value)| name.len() as u64 + size(value)))
        }
        _ => STEP,
    }
}
