//! GitLab: two proofs of authenticity, and merge requests that say what an update changed.

mod port;
mod proof;
mod shapes;

pub(super) use port::GitLab;
