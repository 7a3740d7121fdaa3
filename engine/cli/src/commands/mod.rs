//! One file per command: its arguments, and what it does with what the wiring gives it.

pub(crate) mod approve;
pub(crate) mod cancel;
pub(crate) mod completion;
pub(crate) mod deliveries;
pub(crate) mod doctor;
pub(crate) mod expand;
pub(crate) mod explain;
pub(crate) mod freeze;
pub(crate) mod lint;
pub(crate) mod login;
pub(crate) mod logs;
pub(crate) mod plan;
pub(crate) mod plugin;
pub(crate) mod preflight;
pub(crate) mod redeliver;
pub(crate) mod releases;
pub(crate) mod replay;
pub(crate) mod resume;
pub(crate) mod run;
pub(crate) mod runs;
pub(crate) mod schema;
pub(crate) mod serve;
pub(crate) mod show;
pub(crate) mod start;
pub(crate) mod supervisor;
pub(crate) mod token;

mod context;
mod follow;
mod prepare;
mod question;
mod watch;

pub(crate) use context::Context;
