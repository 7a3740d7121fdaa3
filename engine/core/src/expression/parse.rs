//! From text to a tree, through the lexer's bounds.

use super::lexer::normalize;
use crate::diagnostic::{Code, codes};
use cel::common::ast::{EntryExpr, Expr, IdedExpr, SourceInfo};
use cel::{Env, Program};
use std::ops::Range;
use std::sync::{Arc, LazyLock};

/// An expression has at most this many nodes.
const MAX_NODES: usize = 200;

/// Calls that loop over a list or a map.
pub(super) const LOOPS: [&str; 5] = ["all", "exists", "exists_one", "map", "filter"];

/// A problem of an expression. The range is in bytes of the expression's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which kind.
    pub code: Code,
    /// Where in the expression.
    pub range: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

impl Fault {
    pub(super) fn new(
        code: Code,
        range: Range<usize>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { code, range, message: message.into(), remedy: remedy.into() }
    }
}

/// A parsed expression.
#[derive(Debug)]
pub struct Expression {
    /// As it was written.
    source: String,
    /// With loops as the calls they are written as: for checks.
    pub(super) tree: IdedExpr,
    /// With loops expanded: for evaluation.
    pub(super) program: Program,
    /// Bytes of each node, by its id.
    places: SourceInfo,
}

/// The functions that expressions may call.
pub(super) static STANDARD: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    env.add_extension(cel::extensions::strings)
        .expect("the names of the extension are not those of the library");
    Arc::new(env)
});

/// The same grammar without macros.
static PLAIN: LazyLock<Env> = LazyLock::new(Env::default);

impl Expression {
    /// Parses a bare expression.
    ///
    /// # Errors
    /// The first thing that is not CEL, or a bound that it passes.
    pub fn parse(source: &str) -> Result<Self, Fault> {
        let normal = normalize(source)?;
        let refuse = |errors: &cel::ParseErrors| syntax(source, errors);
        let (tree, places) =
            PLAIN.parser().parse_with_source_info(&normal).map_err(|errors| refuse(&errors))?;
        let (nodes, loops) = measure(&tree);
        if nodes > MAX_NODES || loops > 1 {
            let message = match loops {
                0 | 1 => format!("the expression has {nodes} nodes, and at most {MAX_NODES} are evaluated"),
                _ => "a loop stands within a loop".to_owned(),
            };
            let remedy = "split it, or compute the value in a stage";
            return Err(Fault::new(codes::TOO_COMPLEX, 0..source.len(), message, remedy));
        }
        let program = STANDARD.compile(&normal).map_err(|errors| refuse(&errors))?;
        Ok(Self { source: source.to_owned(), tree, program, places })
    }

    /// As it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether its value depends on stages that have ended.
    pub fn reads_stages(&self) -> bool {
        self.program.references().has_variable("stages")
    }

    /// Whether its value differs between the cells of a matrix.
    pub fn reads_matrix(&self) -> bool {
        self.program.references().has_variable("matrix")
    }

    /// The bytes of a node, or the whole expression.
    pub(super) fn range(&self, node: &IdedExpr) -> Range<usize> {
        let Some((first, last)) = self.places.offset_for(node.id) else { return 0..self.source.len() };
        let at = range(&self.source, first as usize, last as usize);
        match &node.expr {
            // A selection stands at its dot; what people look for is the field.
            Expr::Select(select) => {
                let after = &self.source[at.end..];
                let start = at.end + (after.len() - after.trim_start().len());
                let end = start + select.field.len();
                if end <= self.source.len() && self.source.is_char_boundary(end) { start..end } else { at }
            }
            _ => at,
        }
    }
}

/// Bytes of the characters from the first to the last.
fn range(source: &str, first: usize, last: usize) -> Range<usize> {
    let byte = |character: usize| source.char_indices().nth(character).map_or(source.len(), |(at, _)| at);
    byte(first)..byte(last.saturating_add(1)).max(byte(first))
}

fn syntax(source: &str, errors: &cel::ParseErrors) -> Fault {
    let first = errors.errors.first();
    let column = first.map_or(1, |error| error.pos.1).max(1) as usize;
    let line = first.map_or(1, |error| error.pos.0).max(1) as usize;
    let before: usize = source.split_inclusive('\n').take(line - 1).map(|line| line.chars().count()).sum();
    let at = range(source, before + column - 1, before + column - 1);
    let message = first.map_or("the expression does not parse", |error| error.msg.as_str());
    let message = message.trim_start_matches("Syntax error: ").split(" expecting ").next().unwrap_or(message);
    let message = message
        .replace(['\n', '\r'], " ")
        .replace("mismatched input '<EOF>'", "the expression ends too early");
    let message = message.replace("mismatched input", "unexpected").replace("extraneous input", "unexpected");
    let message: String = message.chars().take(160).collect();
    Fault::new(codes::EXPRESSION_SYNTAX, at, message, "mend the syntax here or just before")
}

/// Nodes of a tree, and how deep loops are nested in it.
fn measure(node: &IdedExpr) -> (usize, usize) {
    let (mut nodes, mut loops) = (1, 0);
    for child in children(node) {
        let (more, deep) = measure(child);
        nodes += more;
        loops = loops.max(deep);
    }
    let own = matches!(&node.expr, Expr::Call(call) if call.target.is_some() && LOOPS.contains(&call.func_name.as_str()));
    (nodes, loops + usize::from(own))
}

/// What stands directly below a node, in order.
pub(super) fn children(node: &IdedExpr) -> Vec<&IdedExpr> {
    match &node.expr {
        Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).collect(),
        Expr::Select(select) => vec![&select.operand],
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Map(map) => map.entries.iter().flat_map(|entry| below(&entry.expr)).collect(),
        Expr::Struct(record) => record.entries.iter().flat_map(|entry| below(&entry.expr)).collect(),
        Expr::Comprehension(_) | Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => Vec::new(),
    }
}

fn below(entry: &EntryExpr) -> Vec<&IdedExpr> {
    match entry {
        EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
        EntryExpr::StructField(field) => vec![&field.value],
    }
}
