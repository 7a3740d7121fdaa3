//! Tasks and objects on a real cluster: one of its own, or the one that `STAGEWAY_TEST_KUBECONFIG` names.

#![allow(unreachable_pub, clippy::unwrap_used, clippy::panic)]

mod cluster;
mod contract;
mod objects;
mod own;
mod rollouts;

use libtest_mimic::{Arguments, Trial};
use std::process::ExitCode;

/// A test as one line: an async function that panics when it fails.
macro_rules! trials {
    ($($case:ident)*) => {
        vec![$(Trial::test(concat!("own::", stringify!($case)), || {
            cluster::block_on(own::$case());
            Ok(())
        })),*]
    };
}

fn main() -> ExitCode {
    let mut trials = trials! {
        an_engine_that_is_killed_before_it_knows_makes_one_pod
        a_pod_that_somebody_deletes_is_lost
        an_image_that_cannot_be_pulled_is_said_in_words
        a_task_that_no_node_takes_is_said_in_words
        memory_is_bounded_and_said_in_words
        secrets_and_files_reach_the_task_and_no_specification
        a_long_output_is_read_whole_and_in_order
        cancelling_and_forgetting_leave_nothing
        an_image_without_a_place_is_refused
    };
    trials.extend(contract::trials());
    trials.extend(objects::trials());
    trials.extend(rollouts::trials());
    let outcome = libtest_mimic::run(&Arguments::from_args(), trials).exit_code();
    cluster::end();
    outcome
}
