//! The pipeline file: from bytes to a [`Definition`] and *all* its problems.
//!
//! [`parse`] never fails. It answers what it understood and every diagnostic, each with a code, a place and a remedy.
//! What needs more than the file — plugins, policy, the event — is the planner's work.

mod approval;
mod expand;
mod expressions;
mod file;
mod grants;
mod graph;
mod json_schema;
mod matrix;
mod needs;
mod parameters;
mod pipeline;
mod services;
mod stage;
mod stages;
mod types;

pub use expand::{to_json, to_yaml};
pub(crate) use expressions::check_with;
pub use expressions::{Known, check as check_expressions};
pub use file::{PIPELINE_FILE, PIPELINE_FOLDER, Parsed, is_pipeline_file, parse};
pub(crate) use graph::{Graph, asked};
pub use json_schema::json_schema;
pub use matrix::{MAX_CELLS, Matrix, MatrixCell};
pub use needs::{order, reachable};
pub(crate) use parameters::resolve as resolve_parameters;
pub use parameters::{Parameter, ParameterType};
pub(crate) use pipeline::vars;
pub use types::{ApprovalDef, ConcurrencyDef, Definition, Limits, MAX_STAGES, StageDef};
pub(crate) use types::{DAY, LIMIT_KEYS};
