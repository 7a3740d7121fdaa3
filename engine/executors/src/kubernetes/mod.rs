//! Tasks as pods of a cluster.
//!
//! A task is one pod whose name follows from the task's and whose uid is the incarnation: absent without a known uid, it is
//! created; absent with one, it is lost. A finalizer keeps an ended pod, however it was deleted, until it is forgotten, so that an
//! eviction or a deletion is told as what it was. The pod's status is the clock, and its log is the output.
//!
//! What is refused here, in words: tasks with a workspace, with something to collect, with services or with caches, and tasks
//! that were granted a network. That a task has no other network is the duty of the cluster's policies: each pod carries the
//! label `stageway.dev/network: none`.
//!
//! A log is what the node kept of it: its runtime may lose the end of what a task writes just before it exits, and the kubelet rotates
//! large ones away. So the bound of output is the kubelet's, and so is that of processes.

mod client;
mod ending;
mod log;
mod name;
mod options;
mod pod;
mod secret;
mod waiting;

pub use crate::reach::OpenError;
pub use client::KubernetesExecutor;
pub use options::{KubernetesOptions, Toleration};
