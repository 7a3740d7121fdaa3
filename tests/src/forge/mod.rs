//! A real forge for black-box tests: a Gitea of its own for each, with a team, a repository, a webhook and a work tree.

mod gitea;
mod http;
mod receiver;
mod work_tree;

pub use gitea::{Gitea, SECRET};
pub use http::{Answer, request};
pub use receiver::Receiver;
pub use work_tree::WorkTree;
