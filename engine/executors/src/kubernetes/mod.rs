//! Tasks as pods of a cluster.
//!
//! A task is one pod whose name follows from the task's and whose uid is the incarnation: absent without a known uid, it is
//! created; absent with one, it is lost. A finalizer keeps an ended pod, however it was deleted, until it is forgotten, so that an
//! eviction or a deletion is told as what it was.
//!
//! A task without a workspace, without services and without something to collect is a plain pod: its status is the clock, and its log
//! is the output. Every other one has our helper in it (`stageway-pod`): it is the entry point of each container, and it stays in one
//! of its own. The tree comes in through the API server's `exec`, is checked and put in place once, and only then the command starts;
//! output, ending and what is collected come back the same way, as often as a connection breaks. All that is known about a task lies
//! in its pod, so an engine that is killed anywhere is followed by another one.
//!
//! Whoever waits for a pod hears of it by the one watch that an executor has of its namespace, and reads it from there.
//!
//! What is refused here, in words: tasks with caches, and tasks without a sandbox. Nothing here is a wall against the network: each
//! pod carries the label `stageway.dev/network`, `none` or `granted`, for the policies of the cluster's operator to select by.
//!
//! A log is what the node kept of it: its runtime may lose the end of what a task writes just before it exits, and the kubelet rotates
//! large ones away. So without the helper the bound of output is the kubelet's, and that of processes always is.

mod bring;
mod client;
mod cluster;
mod container;
mod ending;
mod follow;
mod gather;
mod helped;
mod helper;
mod log;
mod name;
mod options;
mod patient;
mod pod;
mod room;
mod secret;
mod shepherd;
mod template;
mod tend;
mod times;
mod waiting;
mod watched;

pub use crate::reach::OpenError;
pub use client::KubernetesExecutor;
pub use options::{KubernetesOptions, Toleration};
pub use template::PodTemplate;
