//! The pure core: pipeline file to definition to plan to run, and the journal.
//!
//! No clock, no files, no environment, no tokio: the same input gives the same output.

#![deny(missing_docs)]

#[expect(missing_docs, reason = "the members are those of the contract, and `wit/` documents them")]
pub mod call;
pub mod digest;
pub mod journal;
pub mod limits;
pub mod log;
pub mod name;
pub mod run;
pub mod task;
pub mod workspace;

pub mod definition;
pub mod delivery;
pub mod diagnostic;
pub mod document;
pub mod egress;
pub mod event;
pub mod expression;
pub mod grant;
pub mod head;
pub mod image;
pub mod instant;
pub mod manifest;
pub mod operator;
pub mod plan;
pub mod plugin;
pub mod policy;
pub mod schedule;
pub mod trace;
pub mod trigger;

mod shell;
mod text;
