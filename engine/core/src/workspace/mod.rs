//! A workspace is a value: a tree of paths whose bytes lie in the blobs.

mod path;
mod tree;
mod view;

pub use path::{PathError, WorkspacePath};
pub use tree::{Node, Tree, TreeError};
pub use view::{View, ViewError, globs};
