//! Repositories, through the `git` command.
//!
//! [`WorkTree`] is the source of a run on one machine: a folder as it stands (tracked files with their changes, untracked
//! ones that git does not ignore, submodules as checked out), one of its commits, or, outside git, every file. Nothing
//! is ever written to the repository, no hook or external diff of it runs, nothing is fetched and nobody is asked.
//!
//! [`GitMirror`] is the source of a server's runs: a bare copy that is fetched into.

mod cache;
mod facts;
mod git;
mod history;
mod listing;
mod mirror;
mod objects;
mod revision;
mod scan;
mod store;
mod tree;

pub use facts::Facts;
pub use mirror::{GitMirror, Remote};
pub use tree::{TreeLimits, WorkTree};
