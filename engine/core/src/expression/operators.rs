//! The types of operators.

use super::check::{Checker, Typed, text};
use super::types::Type;
use crate::diagnostic::codes;
use cel::common::ast::{CallExpr, IdedExpr};

/// Whether a call is written as an operator.
pub(super) fn is_operator(name: &str) -> bool {
    name == "@in" || name.contains('_') && name.chars().all(|c| !c.is_ascii_alphanumeric())
}

/// The type of an operator's value.
pub(super) fn visit(checker: &mut Checker<'_>, node: &IdedExpr, call: &CallExpr) -> Typed {
    match (call.func_name.as_str(), &call.args[..]) {
        ("_?._" | "_[?_]", [operand, field]) if text(field).is_some() => {
            checker.field(node, operand, text(field).unwrap_or_default(), true)
        }
        ("_[_]", [operand, field]) if text(field).is_some() => {
            checker.field(node, operand, text(field).unwrap_or_default(), false)
        }
        ("_[_]" | "_[?_]", [operand, index]) => {
            element(checker, node, operand, index, call.func_name == "_[?_]")
        }
        ("_?_:_", [condition, yes, no]) => choice(checker, condition, yes, no),
        ("!_", [value]) => {
            boolean(checker, value);
            Typed::plain(Type::Bool)
        }
        ("-_", [value]) => {
            let typed = checker.visit(value);
            if typed.of.is_number() || typed.of == Type::Any {
                return typed;
            }
            checker.fault(
                codes::TYPE_ERROR,
                node,
                format!("`-` does not take {}", typed.of),
                "negate a number",
            )
        }
        ("_&&_" | "_||_", sides) => {
            for side in sides {
                boolean(checker, side);
            }
            Typed::plain(Type::Bool)
        }
        (operator, [left, right]) => binary(checker, node, operator, left, right),
        (operator, _) => {
            let message = format!("the operator `{}` is not known", symbol(operator));
            checker.fault(codes::TYPE_ERROR, node, message, "use an operator of CEL")
        }
    }
}

/// How an operator is written.
fn symbol(operator: &str) -> &str {
    if operator == "@in" { "in" } else { operator.trim_matches('_') }
}

fn boolean(checker: &mut Checker<'_>, node: &IdedExpr) {
    let typed = checker.visit(node);
    if !matches!(typed.of, Type::Bool | Type::Any) {
        let message = format!("a bool is expected here, but this is {}", typed.of);
        checker.fault(codes::TYPE_ERROR, node, message, "compare it with something");
    }
}

fn choice(checker: &mut Checker<'_>, condition: &IdedExpr, yes: &IdedExpr, no: &IdedExpr) -> Typed {
    boolean(checker, condition);
    let (yes, no) = (checker.visit(yes), checker.visit(no));
    Typed { untrusted: yes.untrusted || no.untrusted, of: Type::common([yes.of, no.of]) }
}

fn element(
    checker: &mut Checker<'_>,
    node: &IdedExpr,
    operand: &IdedExpr,
    index: &IdedExpr,
    optional: bool,
) -> Typed {
    let (value, at) = (checker.visit(operand), checker.visit(index));
    let (inside, was_optional) = match value.of {
        Type::Optional(inside) => (*inside, true),
        other => (other, false),
    };
    let of = match (&inside, &at.of) {
        (Type::Any, _) => Type::Any,
        (Type::List(item), Type::Int | Type::Number | Type::Any) => (**item).clone(),
        (Type::Map(item), Type::Text | Type::Any) => (**item).clone(),
        (Type::Object(_), Type::Text | Type::Any) => Type::Any,
        (inside, at) => {
            let message = format!("{inside} has no elements by {at}");
            let remedy = "lists are indexed by int, maps by string";
            checker.fault(codes::TYPE_ERROR, node, message, remedy).of
        }
    };
    let of = if optional || was_optional { Type::Optional(Box::new(of)) } else { of };
    Typed { of, untrusted: value.untrusted }
}

fn binary(
    checker: &mut Checker<'_>,
    node: &IdedExpr,
    operator: &str,
    left: &IdedExpr,
    right: &IdedExpr,
) -> Typed {
    let (a, b) = (checker.visit(left), checker.visit(right));
    let untrusted = a.untrusted || b.untrusted;
    match result(operator, &a.of, &b.of) {
        Some(Type::Bool) => Typed::plain(Type::Bool),
        Some(of) => Typed { of, untrusted },
        None => {
            let message = format!("`{}` does not take {} and {}", symbol(operator), a.of, b.of);
            let remedy = match operator {
                "_+_" if a.of == Type::Text || b.of == Type::Text => "convert with `string()`",
                "_==_" | "_!=_" => "compare values of the same type",
                _ => "convert with `int()`, `double()` or `string()`",
            };
            checker.fault(codes::TYPE_ERROR, node, message, remedy)
        }
    }
}

/// The type of a binary operator's value; `None` if it does not take these.
fn result(operator: &str, a: &Type, b: &Type) -> Option<Type> {
    let either = |wanted: &Type| {
        (a == wanted || *a == Type::Any) && (b == wanted || *b == Type::Any) && (a == wanted || b == wanted)
    };
    let unknown = *a == Type::Any && *b == Type::Any;
    match operator {
        "_==_" | "_!=_" => a.may_equal(b).then_some(Type::Bool),
        "_<_" | "_<=_" | "_>_" | "_>=_" => {
            let numbers = (a.is_number() || *a == Type::Any) && (b.is_number() || *b == Type::Any);
            (numbers || either(&Type::Text) || either(&Type::Bool)).then_some(Type::Bool)
        }
        "@in" => match b {
            Type::Any | Type::Map(_) | Type::Object(_) => Some(Type::Bool),
            Type::List(item) => a.may_equal(item).then_some(Type::Bool),
            _ => None,
        },
        "_+_" => match (a, b) {
            (Type::List(x), Type::List(y)) => {
                Some(Type::List(Box::new(Type::common([(**x).clone(), (**y).clone()]))))
            }
            (Type::List(_), Type::Any) | (Type::Any, Type::List(_)) => Some(Type::List(Box::new(Type::Any))),
            _ if either(&Type::Text) => Some(Type::Text),
            _ => number(a, b, unknown),
        },
        "_-_" | "_*_" | "_/_" => number(a, b, unknown),
        "_%_" => {
            let whole = |of: &Type| matches!(of, Type::Int | Type::Number | Type::Any);
            (whole(a) && whole(b)).then_some(Type::Int)
        }
        _ => None,
    }
}

/// CEL adds no int to a double.
fn number(a: &Type, b: &Type, unknown: bool) -> Option<Type> {
    match (a, b) {
        _ if unknown => Some(Type::Any),
        (Type::Int, Type::Double) | (Type::Double, Type::Int) => None,
        (Type::Int | Type::Double, other) if other.is_number() || *other == Type::Any => Some(a.clone()),
        (other, Type::Int | Type::Double) if other.is_number() || *other == Type::Any => Some(b.clone()),
        (Type::Number | Type::Any, Type::Number | Type::Any) => Some(Type::Number),
        _ => None,
    }
}
