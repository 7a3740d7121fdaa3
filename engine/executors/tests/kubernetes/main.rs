//! Tasks and objects on a real cluster: one of its own, or the one that `STAGEWAY_TEST_KUBECONFIG` names.

#![allow(unreachable_pub, clippy::unwrap_used, clippy::panic)]

mod cluster;
mod contract;
mod cut;
mod divided;
mod objects;
mod own;
mod rollouts;
mod services;
mod workspace;

use libtest_mimic::{Arguments, Trial};
use std::process::ExitCode;

/// A test as one line: an async function that panics when it fails.
macro_rules! trials {
    ($($module:ident: $($case:ident)*;)*) => {
        vec![$($(Trial::test(concat!(stringify!($module), "::", stringify!($case)), || {
            cluster::block_on($module::$case());
            Ok(())
        })),*),*]
    };
}

fn main() -> ExitCode {
    let mut trials = trials! {
    workspace:
        a_tree_comes_back_as_it_went_in
        broken_connections_are_followed_by_whole_ones
        engines_that_are_killed_everywhere_run_it_once
        every_line_arrives_also_the_last_ones
        a_cancelled_task_keeps_what_it_wrote_and_left
        limits_are_told_in_words
        a_tree_whose_bytes_are_gone_is_said_in_words
        a_helper_that_does_not_come_into_the_pod_is_said_in_words
        a_pod_with_a_workspace_that_somebody_deletes_is_lost
        root_is_who_the_operator_lets_be;
    divided:
        tasks_are_divided_by_what_they_are_and_found_where_they_are
        a_tenant_with_a_namespace_of_its_own_is_nowhere_else;
    services:
        a_service_is_reached_on_the_loopback
        the_second_service_waits_for_the_first
        a_service_that_is_never_ready_ends_the_task;
    own:
        an_engine_that_is_killed_before_it_knows_makes_one_pod
        a_pod_that_somebody_deletes_is_lost
        an_image_that_cannot_be_pulled_is_said_in_words
        a_task_that_no_node_takes_is_said_in_words
        a_pod_has_what_its_operator_gives_every_one
        memory_is_bounded_and_said_in_words
        secrets_and_files_reach_the_task_and_no_specification
        a_long_output_is_read_whole_and_in_order
        cancelling_and_forgetting_leave_nothing
        an_image_without_a_place_is_refused
        where_a_quota_is_full_tasks_wait_for_their_turn
        room_that_does_not_come_is_said_in_words;
    };
    trials.extend(contract::trials());
    trials.extend(objects::trials());
    trials.extend(rollouts::trials());
    let outcome = libtest_mimic::run(&Arguments::from_args(), trials).exit_code();
    cluster::end();
    outcome
}
