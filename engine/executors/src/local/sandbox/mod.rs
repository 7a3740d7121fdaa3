//! The sandbox of a task: one *init* per task, first process of its PID namespace, in a network, IPC, mount and user
//! namespace of its own.
//!
//! The supervisor has one *zygote* (the same executable again, so nothing has to be installed) that forks the inits, and tells
//! each over a socket what to run. Each process gets a root file system built for it, an identity without any capability and a filter of
//! system calls. The init never leaves its namespaces, and they end with it: it ends when the socket does, so nothing of a
//! task outlives its supervisor.

mod confine;
mod handle;
mod init;
mod namespaces;
mod order;
mod place;
mod reap;
mod root;
mod seccomp;
mod spawn;
mod sys;
mod wire;
mod zygote;

pub(super) use handle::{Gone, Init, Launched};
pub(super) use namespaces::privileged;
pub(super) use order::{
    Base, Confinement, Exit, MemoryFile, Mounted, NewRoot, Order, ProcessLimits, ProcessOrder, Report, Source,
};
pub(super) use root::memory_beside;
pub(super) use zygote::Zygote;
pub use zygote::zygote;

/// The uid and gid that a task has inside, and outside unless the supervisor may choose another one.
pub(super) const INSIDE_ID: u32 = 1000;

/// The uid and gid outside when the supervisor is root: no account has it, so it owns nothing but its tasks' files.
pub(super) const OUTSIDE_ID: u32 = 1_900_000_000;
