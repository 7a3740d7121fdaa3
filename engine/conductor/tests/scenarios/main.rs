//! The conductor between adapters in memory: what a run does, and what it leaves behind however often its engine dies.

#![allow(clippy::unwrap_used, clippy::panic, unreachable_pub)]

mod chaos;
mod life;
mod s01_order;
mod s02_retry;
mod s03_parking;
mod s04_cancel;
mod s05_faults;
mod s06_environment;
mod s07_limits;
mod s08_doubt;
mod s09_skip;
mod s10_approval;
mod s11_cost;
mod s12_login;
mod s13_freeze;
mod s14_matrix;
mod s16_pods;
mod world;
