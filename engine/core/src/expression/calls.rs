//! The functions that expressions may call, and their types.

use super::check::{Checker, Typed, text};
use super::parse::LOOPS;
use super::types::Type;
use crate::diagnostic::{codes, nearest};
use cel::common::ast::{CallExpr, Expr, IdedExpr};

/// A pattern for `matches` has at most this many bytes.
const MAX_PATTERN: usize = 256;

/// What a function takes and answers.
struct Function {
    name: &'static str,
    /// Called on a value.
    target: Option<Takes>,
    arguments: &'static [Takes],
    answers: Answers,
}

#[derive(Clone, Copy)]
enum Takes {
    Text,
    /// Text, a list or a map.
    Sized,
    /// Whatever converts.
    Scalar,
    Texts,
}

#[derive(Clone, Copy)]
enum Answers {
    Bool,
    Int,
    Double,
    Text,
    Texts,
}

const fn function(
    name: &'static str,
    target: Option<Takes>,
    arguments: &'static [Takes],
    answers: Answers,
) -> Function {
    Function { name, target, arguments, answers }
}

const FUNCTIONS: [Function; 17] = [
    function("size", None, &[Takes::Sized], Answers::Int),
    function("size", Some(Takes::Sized), &[], Answers::Int),
    function("string", None, &[Takes::Scalar], Answers::Text),
    function("int", None, &[Takes::Scalar], Answers::Int),
    function("double", None, &[Takes::Scalar], Answers::Double),
    function("bool", None, &[Takes::Scalar], Answers::Bool),
    function("contains", Some(Takes::Text), &[Takes::Text], Answers::Bool),
    function("startsWith", Some(Takes::Text), &[Takes::Text], Answers::Bool),
    function("endsWith", Some(Takes::Text), &[Takes::Text], Answers::Bool),
    function("matches", Some(Takes::Text), &[Takes::Text], Answers::Bool),
    function("lowerAscii", Some(Takes::Text), &[], Answers::Text),
    function("upperAscii", Some(Takes::Text), &[], Answers::Text),
    function("trim", Some(Takes::Text), &[], Answers::Text),
    function("replace", Some(Takes::Text), &[Takes::Text, Takes::Text], Answers::Text),
    function("split", Some(Takes::Text), &[Takes::Text], Answers::Texts),
    function("join", Some(Takes::Texts), &[], Answers::Text),
    function("join", Some(Takes::Texts), &[Takes::Text], Answers::Text),
];

const STATUS: [&str; 3] = ["success", "failure", "always"];
const OPTIONAL: [&str; 3] = ["orValue", "hasValue", "value"];

/// The type of a function's value.
pub(super) fn visit(checker: &mut Checker<'_>, node: &IdedExpr, call: &CallExpr) -> Typed {
    let name = call.func_name.as_str();
    match (&call.target, &call.args[..]) {
        (None, [argument]) if name == "has" => has(checker, argument),
        (None, []) if STATUS.contains(&name) => status(checker, node, name),
        (Some(target), [variable, body @ ..]) if LOOPS.contains(&name) && !body.is_empty() => {
            repeat(checker, node, name, target, variable, body)
        }
        (Some(target), arguments) if OPTIONAL.contains(&name) => {
            optional(checker, node, name, target, arguments)
        }
        _ => plain(checker, node, call),
    }
}

fn has(checker: &mut Checker<'_>, argument: &IdedExpr) -> Typed {
    let selects = matches!(&argument.expr, Expr::Select(_));
    if !selects {
        let remedy = "write it as in `has(event.branch)`";
        checker.fault(codes::TYPE_ERROR, argument, "`has` takes a selection of a field", remedy);
        return Typed::plain(Type::Bool);
    }
    let Expr::Select(select) = &argument.expr else { return Typed::plain(Type::Bool) };
    // Whether a field is there is what it asks, so an output that may be absent is fine.
    checker.field(argument, &select.operand, &select.field, true);
    Typed::plain(Type::Bool)
}

fn status(checker: &mut Checker<'_>, node: &IdedExpr, name: &str) -> Typed {
    if !checker.conditions {
        let message = format!("`{name}()` has a meaning in `when` only");
        return checker.fault(codes::TYPE_ERROR, node, message, "remove it");
    }
    checker.asks_status = true;
    Typed::plain(Type::Bool)
}

/// `xs.all(x, …)` and its siblings.
fn repeat(
    checker: &mut Checker<'_>,
    node: &IdedExpr,
    name: &str,
    target: &IdedExpr,
    variable: &IdedExpr,
    body: &[IdedExpr],
) -> Typed {
    let over = checker.visit(target);
    let item = element(checker, name, target, &over.of);
    let Expr::Ident(variable) = &variable.expr else {
        let message = "the first argument is a name";
        return checker.fault(codes::EXPRESSION_SYNTAX, variable, message, "write a name");
    };
    let typed = Typed { of: item.clone(), untrusted: over.untrusted };
    let outer = checker.variable.replace((variable.clone(), typed));
    let values: Vec<Typed> = body.iter().map(|part| checker.visit(part)).collect();
    checker.variable = outer;
    let conditions = if name == "map" { body.len() - 1 } else { body.len() };
    for (part, value) in body.iter().zip(&values).take(conditions) {
        if !matches!(value.of, Type::Bool | Type::Any) {
            let message = format!("a bool is expected here, but this is {}", value.of);
            checker.fault(codes::TYPE_ERROR, part, message, "compare it with something");
        }
    }
    if body.len() > if name == "map" { 2 } else { 1 } {
        let message = format!("`{name}` does not take so many arguments");
        return checker.fault(codes::TYPE_ERROR, node, message, "remove one");
    }
    match (name, values.last()) {
        ("filter", _) => Typed { of: Type::List(Box::new(item)), untrusted: over.untrusted },
        ("map", Some(value)) => {
            Typed { of: Type::List(Box::new(value.of.clone())), untrusted: value.untrusted }
        }
        _ => Typed::plain(Type::Bool),
    }
}

/// What a loop's variable is.
fn element(checker: &mut Checker<'_>, name: &str, target: &IdedExpr, over: &Type) -> Type {
    match over {
        Type::List(item) => (**item).clone(),
        Type::Map(_) | Type::Object(_) if matches!(name, "map" | "filter") => {
            let remedy = "loop over a list; the order of a map is not fixed";
            checker.fault(codes::TYPE_ERROR, target, format!("`{name}` makes a list of a map"), remedy).of
        }
        Type::Map(_) | Type::Object(_) => Type::Text,
        Type::Any => Type::Any,
        other => {
            let message = format!("{other} has no elements");
            checker.fault(codes::TYPE_ERROR, target, message, "loop over a list").of
        }
    }
}

fn optional(
    checker: &mut Checker<'_>,
    node: &IdedExpr,
    name: &str,
    target: &IdedExpr,
    arguments: &[IdedExpr],
) -> Typed {
    let value = checker.visit(target);
    let inside = match value.of {
        Type::Optional(inside) => *inside,
        Type::Any => Type::Any,
        other => {
            let message = format!("`{name}` is called on what may be absent, but this is {other}");
            return checker.fault(codes::TYPE_ERROR, node, message, "ask with `.?`, as in `outputs.?digest`");
        }
    };
    match (name, arguments) {
        ("hasValue", []) => Typed::plain(Type::Bool),
        ("value", []) => Typed { of: inside, untrusted: value.untrusted },
        ("orValue", [other]) => {
            let other_value = checker.visit(other);
            if !inside.may_equal(&other_value.of) {
                let message = format!("the value is {inside}, but what replaces it is {}", other_value.of);
                checker.fault(codes::TYPE_ERROR, other, message, "give a value of the same type");
            }
            Typed {
                of: Type::common([inside, other_value.of]),
                untrusted: value.untrusted || other_value.untrusted,
            }
        }
        _ => {
            let message = format!("`{name}` does not take {} arguments", arguments.len());
            checker.fault(codes::TYPE_ERROR, node, message, "`orValue` takes one, the others none")
        }
    }
}

fn plain(checker: &mut Checker<'_>, node: &IdedExpr, call: &CallExpr) -> Typed {
    let name = call.func_name.as_str();
    let target = call.target.as_deref().map(|target| (target, checker.visit(target)));
    let arguments: Vec<Typed> = call.args.iter().map(|argument| checker.visit(argument)).collect();
    let found: Vec<&Function> = FUNCTIONS.iter().filter(|function| function.name == name).collect();
    if found.is_empty() {
        let names = FUNCTIONS.iter().map(|function| function.name);
        let known = names.chain(LOOPS).chain(OPTIONAL).chain(STATUS).chain(["has"]);
        let remedy = match nearest(name, known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "the documentation lists the functions".to_owned(),
        };
        return checker.fault(codes::UNKNOWN_FIELD, node, format!("there is no function `{name}`"), remedy);
    }
    let fits = |function: &&&Function| {
        function.target.is_some() == target.is_some() && function.arguments.len() == arguments.len()
    };
    let Some(function) = found.iter().find(fits) else {
        let on = if found[0].target.is_some() { "on a value" } else { "by itself" };
        let message = format!("`{name}` is called {on}, with {} arguments", found[0].arguments.len());
        return checker.fault(codes::TYPE_ERROR, node, message, "call it like that");
    };
    let all: Vec<&Typed> = target.iter().map(|(_, typed)| typed).chain(&arguments).collect();
    let nodes = target.iter().map(|(node, _)| *node).chain(&call.args);
    for ((typed, takes), at) in all.iter().zip(function.target.iter().chain(function.arguments)).zip(nodes) {
        if !takes.take(&typed.of) {
            let message = format!("`{name}` does not take {} here", typed.of);
            checker.fault(codes::TYPE_ERROR, at, message, format!("give {}", takes.name()));
        }
    }
    if name == "matches" && call.args.first().and_then(text).is_none_or(|pattern| pattern.len() > MAX_PATTERN)
    {
        let message =
            format!("the pattern of `matches` is a text of at most {MAX_PATTERN} bytes, written out");
        checker.fault(codes::TOO_COMPLEX, node, message, "write the pattern itself");
    }
    function.answers.typed(all.iter().any(|typed| typed.untrusted))
}

impl Answers {
    fn typed(self, untrusted: bool) -> Typed {
        match self {
            Self::Bool => Typed::plain(Type::Bool),
            Self::Int => Typed::plain(Type::Int),
            Self::Double => Typed::plain(Type::Double),
            Self::Text => Typed { of: Type::Text, untrusted },
            Self::Texts => Typed { of: Type::List(Box::new(Type::Text)), untrusted },
        }
    }
}

impl Takes {
    fn take(self, of: &Type) -> bool {
        match (self, of) {
            (_, Type::Any) => true,
            (Self::Text, of) => *of == Type::Text,
            (Self::Sized, of) => matches!(of, Type::Text | Type::List(_) | Type::Map(_) | Type::Object(_)),
            (Self::Scalar, of) => *of == Type::Text || *of == Type::Bool || of.is_number(),
            (Self::Texts, of) => matches!(of, Type::List(item) if item.may_equal(&Type::Text)),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Sized => "a string, a list or a map",
            Self::Scalar => "a string, a number or a bool",
            Self::Texts => "a list of strings",
        }
    }
}
