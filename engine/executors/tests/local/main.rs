//! The local executor for real: this executable is the engine's side, the supervisor and the zygote of its tasks.
//!
//! Runs as root and as any user that may make user namespaces.

#![allow(unreachable_pub, clippy::unwrap_used, clippy::panic)]

mod contract;
mod crash;
mod fixture;
mod hostile;
mod limits;
mod services;
mod workspace;

use libtest_mimic::{Arguments, Trial};
use std::process::ExitCode;

/// A test as one line: an async function that panics when it fails.
macro_rules! trials {
    ($($module:ident: $($case:ident)*;)*) => {
        vec![$($(Trial::test(concat!(stringify!($module), "::", stringify!($case)), || {
            fixture::block_on($module::$case());
            Ok(())
        })),*),*]
    };
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let words: Vec<&str> = arguments.iter().skip(1).map(String::as_str).collect();
    match words[..] {
        ["supervisor", "zygote"] => return stageway_executors::local::zygote(),
        ["supervisor", state, blobs, idle] => return fixture::supervise(state, blobs, idle),
        ["engine", state, blobs, task, command] => return fixture::engine(state, blobs, task, command),
        _ => {}
    }
    let mut trials = trials! {
        crash:
            a_task_outlives_the_engine_and_starts_once
            a_task_whose_supervisor_is_killed_is_lost_and_never_started_again
            a_claim_without_a_start_is_started
            a_supervisor_with_nothing_to_do_ends_and_its_tasks_are_remembered
            two_engines_share_one_supervisor
            no_supervisor_is_started_for_what_was_never_claimed;
        hostile:
            a_task_sees_neither_home_nor_state_nor_sockets
            a_task_reaches_no_network
            a_task_has_no_power
            nothing_outlives_a_task
            secrets_are_in_memory_only
            without_user_namespaces_nothing_runs
            an_image_cannot_write_outside_of_itself;
        limits:
            a_fork_bomb_is_bounded
            memory_is_bounded
            a_flood_of_output_is_bounded
            a_timeout_ends_a_task_that_ignores_it
            the_limits_say_what_enforces_them
            nothing_is_left_of_control_groups
            what_cannot_be_executed_says_so;
        services:
            a_service_is_reached_on_the_loopback
            a_service_that_never_gets_ready_ends_the_task
            a_service_that_ends_early_is_told
            a_proxy_lets_through_what_is_granted_only;
        workspace:
            a_tree_comes_back_as_it_went_in
            links_out_are_not_followed
            ten_thousand_files
            a_read_only_workspace_is_read_only
            a_message_file_becomes_the_message
            an_image_is_unpacked_and_run
            cargo_builds_offline_over_the_users_registry
            without_a_sandbox_it_is_still_supervised;
    };
    trials.extend(contract::trials());
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
