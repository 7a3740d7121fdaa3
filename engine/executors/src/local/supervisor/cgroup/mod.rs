//! Bounds of a task and everything it starts: control groups of version 2, else of version 1, else what the kernel keeps per
//! process.

mod find;
mod group;

pub(super) use find::Controllers;
pub(super) use group::Group;
