//! Evaluation with an explicit [`Scope`], within a bound.

use super::cost;
use super::parse::{Expression, Fault, STANDARD};
use super::schema::Root;
use super::scope::Scope;
use crate::diagnostic::codes;
use cel::common::ast::{Expr, IdedExpr};
use cel::objects::{Key, Map as CelMap};
use cel::{Context, ExecutionError, Value};
use serde_json::{Map, Number, Value as Json};

/// The value of an expression that has been checked.
///
/// # Errors
/// What the event or the outputs lack, values that do not convert, and an evaluation that would make too much.
pub fn evaluate(expression: &Expression, scope: &Scope) -> Result<Json, Fault> {
    let root = expression.program.expression();
    let value = Evaluation::of(expression, scope)?.value(root)?;
    json(&value).map_err(|message| failed(expression, message))
}

/// The value of a condition as far as it follows from event, variables and parameters: `None` if a stage or a status
/// decides.
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_known(expression: &Expression, scope: &Scope) -> Result<Option<bool>, Fault> {
    Evaluation::of(expression, scope)?.known(expression.program.expression()).transpose()
}

struct Evaluation<'e> {
    expression: &'e Expression,
    context: Context<'e, 'e>,
}

impl<'e> Evaluation<'e> {
    fn of(expression: &'e Expression, scope: &Scope) -> Result<Self, Fault> {
        let estimate = cost::bound(&expression.tree, scope);
        if estimate.unordered {
            return Err(failed(expression, "`map` and `filter` loop over lists, and this is a map".into()));
        }
        if estimate.bytes > cost::MAX {
            let message = "with these values the expression would make too much";
            let remedy = "split it, or compute the value in a stage";
            return Err(Fault::new(codes::TOO_COMPLEX, 0..expression.source().len(), message, remedy));
        }
        let mut context = Context::with_env(STANDARD.clone());
        let asked = expression.program.references();
        for root in Root::NAMES {
            if let Some(value) = scope.root(root).filter(|_| asked.has_variable(root)) {
                context.add_variable_from_value(root, cel_value(value));
            }
        }
        let (success, failure) = (scope.success, scope.failure);
        let added = [
            context.add_function("success", move || success),
            context.add_function("failure", move || failure),
            context.add_function("always", || true),
        ];
        debug_assert!(added.iter().all(Result::is_ok), "the library has no functions of these names");
        Ok(Self { expression, context })
    }

    fn value(&self, node: &IdedExpr) -> Result<Value, Fault> {
        Value::resolve(node, &self.context).map_err(|error| failed(self.expression, explain(&error)))
    }

    fn truth(&self, node: &IdedExpr) -> Result<bool, Fault> {
        match self.value(node)? {
            Value::Bool(value) => Ok(value),
            _ => Err(failed(self.expression, "the value is not true or false".into())),
        }
    }

    fn known(&self, node: &IdedExpr) -> Option<Result<bool, Fault>> {
        let asked = node.references();
        let later = asked.has_variable("stages")
            || ["success", "failure", "always"].iter().any(|function| asked.has_function(function));
        if !later {
            return Some(self.truth(node));
        }
        let Expr::Call(call) = &node.expr else { return None };
        match (call.func_name.as_str(), &call.args[..]) {
            ("!_", [value]) => self.known(value).map(|value| value.map(|value| !value)),
            ("_&&_", [left, right]) => decide(self.known(left), self.known(right), false),
            ("_||_", [left, right]) => decide(self.known(left), self.known(right), true),
            _ => None,
        }
    }
}

/// `&&` (decided by one false) and `||` (decided by one true) of sides that may not be known yet.
fn decide(
    left: Option<Result<bool, Fault>>,
    right: Option<Result<bool, Fault>>,
    decisive: bool,
) -> Option<Result<bool, Fault>> {
    match (left, right) {
        (Some(Ok(value)), _) | (_, Some(Ok(value))) if value == decisive => Some(Ok(decisive)),
        (Some(Err(fault)), _) | (_, Some(Err(fault))) => Some(Err(fault)),
        (Some(Ok(_)), Some(Ok(_))) => Some(Ok(!decisive)),
        _ => None,
    }
}

fn failed(expression: &Expression, message: String) -> Fault {
    let message: String = message.chars().take(240).collect();
    let remedy = "ask first whether the value is there, as in `event.kind == \"push\" && …`";
    Fault::new(codes::EVALUATION_FAILED, 0..expression.source().len(), message, remedy)
}

fn explain(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchKey(key) => format!("there is no `{key}` here"),
        ExecutionError::NoSuchOverload(overload) => overload.to_string(),
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => "it divides by zero".into(),
        ExecutionError::Overflow(..) => "the number leaves 64 bits".into(),
        ExecutionError::IndexOutOfBounds(_) => "the list has no such element".into(),
        ExecutionError::FunctionError { function, message } => format!("`{function}`: {message}"),
        _ => "the values do not fit".into(),
    }
}

fn cel_value(value: &Json) -> Value {
    match value {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(value), _) => Value::Int(value),
            (None, Some(value)) => Value::UInt(value),
            (None, None) => Value::Float(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => Value::String(text.clone().into()),
        Json::Array(items) => Value::List(items.iter().map(cel_value).collect::<Vec<_>>().into()),
        Json::Object(fields) => Value::Map(cel_map(fields)),
    }
}

/// A map of the interpreter. Its order differs from run to run, so nothing may depend on it: loops that keep order
/// are refused over maps.
#[expect(clippy::disallowed_types, reason = "the interpreter takes no other map")]
fn cel_map(fields: &Map<String, Json>) -> CelMap {
    let entries = fields.iter().map(|(name, value)| (Key::from(name.clone()), cel_value(value)));
    CelMap::from(entries.collect::<std::collections::HashMap<Key, Value>>())
}

fn json(value: &Value) -> Result<Json, String> {
    Ok(match value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Int(value) => Json::Number((*value).into()),
        Value::UInt(value) => Json::Number((*value).into()),
        Value::Float(value) => Json::Number(
            Number::from_f64(*value).ok_or_else(|| "the value is not a finite number".to_owned())?,
        ),
        Value::String(text) => Json::String(text.as_ref().clone()),
        Value::List(items) => Json::Array(items.iter().map(json).collect::<Result<_, _>>()?),
        Value::Map(map) => {
            let mut fields = Map::new();
            for (key, value) in map.map.iter() {
                let Key::String(name) = key else { return Err("the keys of a map are text".into()) };
                fields.insert(name.as_ref().clone(), json(value)?);
            }
            Json::Object(fields)
        }
        _ => return Err("the value may be absent; use `.orValue(...)`".into()),
    })
}

#[cfg(test)]
mod tests {
    use super::super::schema::{Schema, StageSchema};
    use super::super::types::{Object, Type};
    use super::super::{StageOutcome, check};
    use super::*;
    use crate::event::{Event, Trust};
    use crate::name::StageName;
    use proptest::prelude::*;
    use serde_json::json;
    use std::collections::BTreeMap;

    fn vars() -> BTreeMap<String, Json> {
        let vars = json!({ "n": 3, "f": 1.5, "name": "shop", "list": ["a", "b"], "map": { "k": "v" } });
        vars.as_object().unwrap().clone().into_iter().collect()
    }

    fn schema() -> Schema {
        let parameters = BTreeMap::from([("replicas".to_owned(), Type::Int)]);
        let mut schema = Schema::new(&vars(), parameters);
        let outputs =
            [("digest", Type::Text), ("count", Type::Int), ("list", Type::List(Box::new(Type::Text)))];
        let outputs = outputs.map(|(name, of)| (name.to_owned(), of)).into_iter().collect();
        let stage = |needed, certain| StageSchema {
            needed,
            certain,
            cells: false,
            outputs: Object { fields: BTreeMap::clone(&outputs), open: false },
        };
        for (name, needed, certain) in
            [("unit-test", true, true), ("maybe", true, false), ("other", false, false)]
        {
            schema.stages.insert(StageName::new(name).unwrap(), stage(needed, certain));
        }
        schema
    }

    fn scope() -> Scope {
        let outputs = json!({ "digest": "sha256:00", "count": 2, "list": ["x", "y"] });
        let done = StageOutcome { status: "succeeded".into(), outputs: outputs.as_object().unwrap().clone() };
        let skipped = StageOutcome { status: "skipped".into(), outputs: Map::new() };
        let stages = [("unit-test", done), ("maybe", skipped)];
        let stages = stages.map(|(name, outcome)| (StageName::new(name).unwrap(), outcome)).into();
        let parameters = BTreeMap::from([("replicas".to_owned(), json!(2))]);
        Scope::new(&Event::push("main", "abc", Trust::Protected), &vars(), &parameters).with_stages(&stages)
    }

    #[test]
    fn what_fits_is_evaluated() {
        let table = [
            ("event.branch == 'main' && event.kind == \"push\"", json!(true)),
            ("vars.n + 1", json!(4)),
            ("vars.f * 2.0", json!(3.0)),
            ("'v-' + event.revision", json!("v-abc")),
            ("string(vars.n) + vars.name", json!("3shop")),
            ("vars.list.map(x, x + '!')", json!(["a!", "b!"])),
            ("vars.list.exists(x, x == 'b')", json!(true)),
            ("vars.map.all(k, k == 'k')", json!(true)),
            ("vars.list.filter(x, x != 'a')", json!(["b"])),
            ("'a' in vars.list && vars.map['k'] == 'v'", json!(true)),
            ("size(vars.list) == 2 ? 'two' : 'other'", json!("two")),
            ("stages.unit-test.outputs.digest", json!("sha256:00")),
            ("stages[\"unit-test\"].outputs.count - 1", json!(1)),
            ("stages.unit-test.status == 'succeeded'", json!(true)),
            ("stages.maybe.outputs.?digest.orValue('none')", json!("none")),
            ("stages.unit-test.outputs.?digest.orValue('none')", json!("sha256:00")),
            ("stages.maybe.outputs.?digest.hasValue()", json!(false)),
            ("has(event.tag) ? event.tag : 'no'", json!("no")),
            ("false && event.target == 'main'", json!(false)),
            ("event.target == 'main' && false", json!(false)),
            ("parameters.replicas > 1", json!(true)),
            ("event.branch.startsWith('ma') && 'v1.2'.matches('^v[0-9.]+$')", json!(true)),
            ("'a,b'.split(',').join('-')", json!("a-b")),
            ("{'a': [1, vars.n]}", json!({ "a": [1, 3] })),
            ("success() && !failure() && always()", json!(true)),
        ];
        for (source, expected) in table {
            let expression = Expression::parse(source).unwrap_or_else(|fault| panic!("{source}: {fault:?}"));
            assert_eq!(check(&expression, &schema(), true).faults, [], "{source}");
            assert_eq!(evaluate(&expression, &scope()).unwrap(), expected, "{source}");
        }
    }

    #[test]
    fn what_does_not_fit_is_told_before() {
        let table = [
            ("event.brnch == 'main'", codes::UNKNOWN_FIELD, "did you mean `branch`?"),
            ("evnt.branch == 'main'", codes::UNKNOWN_FIELD, "did you mean `event`?"),
            ("vars.nmae", codes::UNKNOWN_FIELD, "did you mean `name`?"),
            ("1 + 'a'", codes::TYPE_ERROR, "convert with `string()`"),
            ("1 + 1.5", codes::TYPE_ERROR, "convert with `int()`, `double()` or `string()`"),
            ("vars.n == 'a'", codes::TYPE_ERROR, "compare values of the same type"),
            ("vars.n && true", codes::TYPE_ERROR, "compare it with something"),
            ("!event.branch", codes::TYPE_ERROR, "compare it with something"),
            ("event.branch.foo", codes::TYPE_ERROR, "select from a map or an object"),
            ("vars.list['a']", codes::TYPE_ERROR, "select from a map or an object"),
            ("stages.unit-tets.outputs.digest", codes::UNKNOWN_FIELD, "did you mean `unit-test`?"),
            ("stages.unit-test.outputs.digst", codes::UNKNOWN_OUTPUT, "did you mean `digest`?"),
            ("stages.unit-test.output.digest", codes::UNKNOWN_FIELD, "did you mean `outputs`?"),
            ("stages.unit-test.outputs", codes::TYPE_ERROR, "name the output, as in `.outputs.digest`"),
            ("stages.other.outputs.digest", codes::NOT_NEEDED, "add `other` to `needs`"),
            (
                "stages.maybe.outputs.digest",
                codes::MAYBE_ABSENT,
                "write `stages.maybe.outputs.?digest.orValue(...)`",
            ),
            ("stages.maybe.outputs.?digest.orValue(1)", codes::TYPE_ERROR, "give a value of the same type"),
            ("sizeof(vars.list)", codes::UNKNOWN_FIELD, "did you mean `size`?"),
            ("event.branch.startWith('a')", codes::UNKNOWN_FIELD, "did you mean `startsWith`?"),
            ("event.branch.startsWith(1)", codes::TYPE_ERROR, "give a string"),
            ("vars.map.map(k, k)", codes::TYPE_ERROR, "loop over a list; the order of a map is not fixed"),
            ("size(1)", codes::TYPE_ERROR, "give a string, a list or a map"),
            ("vars.list.all(x, x)", codes::TYPE_ERROR, "compare it with something"),
            ("vars.n.map(x, x)", codes::TYPE_ERROR, "loop over a list"),
            ("'a'.matches(event.branch)", codes::TOO_COMPLEX, "write the pattern itself"),
            ("Foo{a: 1}", codes::TYPE_ERROR, "write a map: `{\"a\": 1}`"),
            ("1u", codes::TYPE_ERROR, "write a plain one"),
        ];
        for (source, code, remedy) in table {
            let expression = Expression::parse(source).unwrap_or_else(|fault| panic!("{source}: {fault:?}"));
            let faults = check(&expression, &schema(), true).faults;
            let told: Vec<_> = faults.iter().map(|fault| (fault.code, fault.remedy.as_str())).collect();
            assert_eq!(told, [(code, remedy)], "{source}");
        }
    }

    #[test]
    fn loops_do_not_nest_and_nodes_are_counted() {
        for source in ["[1].all(a, [1].all(b, a == b))".to_owned(), format!("[{}1]", "1,".repeat(199))] {
            assert_eq!(Expression::parse(&source).unwrap_err().code, codes::TOO_COMPLEX, "{source}");
        }
    }

    #[test]
    fn what_would_make_too_much_is_not_started() {
        let vars = BTreeMap::from([
            ("list".to_owned(), Json::Array(vec![json!("x"); 4096])),
            ("long".to_owned(), Json::String("y".repeat(64 << 10))),
        ]);
        let scope = Scope::new(&Event::push("main", "a", Trust::Member), &vars, &BTreeMap::new());
        for (source, fits) in [
            ("vars.list.map(x, x + '!')", true),
            ("vars.list.map(x, x + vars.long)", false),
            ("vars.long.replace('y', vars.long)", false),
            ("vars.list.exists(x, x.matches('a'))", false),
        ] {
            assert_eq!(evaluate(&Expression::parse(source).unwrap(), &scope).is_ok(), fits, "{source}");
        }
    }

    #[test]
    fn no_order_of_a_map_shows() {
        let outputs = json!({ "any": { "b": 1, "a": 2 } });
        let done = StageOutcome { status: "succeeded".into(), outputs: outputs.as_object().unwrap().clone() };
        let scope = scope().with_stages(&BTreeMap::from([(StageName::new("x").unwrap(), done)]));
        let value = |source| evaluate(&Expression::parse(source).unwrap(), &scope);
        assert!(
            value("stages.x.outputs.any.map(k, k)").is_err()
                && value("stages.x.outputs.any.filter(k, true)").is_err()
        );
        assert_eq!(value("stages.x.outputs.any.exists(k, k == 'a')").unwrap(), json!(true));
        assert_eq!(value("stages.x.outputs.any").unwrap(), json!({ "a": 2, "b": 1 }));
    }

    #[test]
    fn outsiders_text_is_followed_through_functions() {
        let untrusted = |source| check(&Expression::parse(source).unwrap(), &schema(), false).untrusted;
        for source in [
            "event.title",
            "event[\"message\"]",
            "'a' + event.author",
            "event.branch.lowerAscii()",
            "[event.title]",
            "{'a': event.source}",
            "true ? event.title : ''",
            "event.title.split('').join('')",
            "['a'].map(x, event.title)",
            "[event.title].map(x, x)",
            "event.?title.orValue('')",
            "'a'.replace('a', event.tag)",
        ] {
            assert!(untrusted(source), "{source}");
        }
        for source in ["event.revision", "event.title == 'a'", "size(event.title)", "event.kind", "vars.name"]
        {
            assert!(!untrusted(source), "{source}");
        }
    }

    #[test]
    fn what_is_known_before_the_stages_decides() {
        let known = |source| evaluate_known(&Expression::parse(source).unwrap(), &scope());
        assert_eq!(known("event.branch == 'main'"), Ok(Some(true)));
        assert_eq!(known("event.branch == 'x' && success()"), Ok(Some(false)));
        assert_eq!(known("event.branch == 'main' && success()"), Ok(None));
        assert_eq!(known("always() || true"), Ok(Some(true)));
        assert_eq!(known("!(event.branch == 'x' && success())"), Ok(Some(true)));
        assert_eq!(known("stages.unit-test.status == 'failed'"), Ok(None));
        assert_eq!(known("event.kind == 'pull-request' && event.target == 'main'"), Ok(Some(false)));
        assert_eq!(known("event.target == 'main'").unwrap_err().code, codes::EVALUATION_FAILED);
    }

    #[test]
    fn the_deepest_expressions_fit_a_small_stack() {
        let sources = [
            format!("{}1{}", "(".repeat(24), ")".repeat(24)),
            format!("{}true", "!".repeat(24)),
            format!("{}1", "1+".repeat(99)),
            format!("{}1 : 2", "true ? 1 : ".repeat(23) + "true ? "),
            format!("event{}", ".a".repeat(100)),
            format!("{}1{}", "[".repeat(24), "]".repeat(24)),
            format!("{}true", "true && ".repeat(99)),
            "[1].map(x, ".to_owned() + &"x + ".repeat(90) + "1)",
        ];
        let run = move || {
            for source in &sources {
                let Ok(expression) = Expression::parse(source) else { continue };
                check(&expression, &schema(), true);
                let _ = evaluate(&expression, &scope());
            }
        };
        std::thread::Builder::new().stack_size(1 << 20).spawn(run).unwrap().join().unwrap();
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_text_makes_it_panic(source in "[a-z0-9 .?+*/%<>=!&|:,'\"\\\\(){}\\[\\]-]{0,60}") {
            if let Ok(expression) = Expression::parse(&source) {
                check(&expression, &schema(), true);
                let _ = evaluate(&expression, &scope());
                let _ = evaluate_known(&expression, &scope());
            }
        }

        #[test]
        fn words_in_any_order_do_not_make_it_panic(words in proptest::collection::vec(proptest::sample::select(vec![
            "event", ".", "branch", "title", "stages", "unit-test", "outputs", ".?", "digest", "vars", "list", "(",
            ")", "[", "]", "{", "}", "map", "all", "x", ",", ":", "?", "+", "-", "==", "&&", "||", "!", "1", "1.5",
            "'a'", "in", "has", "size", "orValue", "success", "null", "true", "matches", "split", "join", "replace",
        ]), 0..24)) {
            if let Ok(expression) = Expression::parse(&words.join("")) {
                let checked = check(&expression, &schema(), true);
                let value = evaluate(&expression, &scope());
                if checked.faults.is_empty() && checked.of == Type::Bool && let Ok(value) = value {
                    prop_assert!(value.is_boolean());
                }
            }
        }
    }
}
