//! Conditions and `${{ }}`: CEL, checked against typed schemas before anything runs, and evaluated within bounds.
//!
//! The crate `cel` parses and evaluates; it has no checker and no bounds, so both are here. A lexer of our own lets
//! through only what the grammar needs and bounds depth before the parser sees it; [`check`] finds unknown fields,
//! wrong types, unguarded outputs and untrusted text; the evaluation's size is estimated before it starts.

mod calls;
mod check;
mod cost;
mod evaluate;
mod fill;
mod lexer;
mod operators;
mod parse;
mod schema;
mod scope;
mod template;
mod types;

pub use check::{Checked, check};
pub use evaluate::{evaluate, evaluate_known};
pub use fill::{Fill, Filled, fill, fill_text, holes};
pub use parse::{Expression, Fault};
pub use schema::{Schema, StageSchema};
pub use scope::{Scope, StageOutcome};
pub use template::{Part, Template};
pub use types::{Object, Type};
