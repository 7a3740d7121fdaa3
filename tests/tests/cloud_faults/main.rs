//! What fails while the cloud works: engines that are killed, parts of a cluster that stand still, registries that say no; and a task
//! that says much. One cluster with two registries, Kaniko and a Prometheus serves all of it, one test after the other.
//!
//! `CLOUD_KILLS=all` kills after every append and at fifty random moments, `CLOUD_SEED=17` takes the moments of that seed again,
//! `CLOUD_APPENDS=7` looks at one append; `CLOUD_LINES=1000000` is how much is said.

#![allow(unreachable_pub, clippy::unwrap_used, clippy::panic)]

mod killed;
mod left;
mod long_log;
mod outages;
mod place;
mod registries;
mod release;

use libtest_mimic::{Arguments, Trial};
use std::process::ExitCode;

macro_rules! trials {
    ($($module:ident: $($test:ident)*;)*) => {
        vec![$($(Trial::test(concat!(stringify!($module), "::", stringify!($test)), || {
            $module::$test();
            Ok(())
        })),*),*]
    };
}

fn main() -> ExitCode {
    let trials = trials! {
        killed:
            it_ends_the_same_wherever_the_engine_is_killed;
        outages:
            an_api_server_that_stands_still_is_waited_for
            an_api_server_that_is_killed_is_waited_for
            a_kubelet_that_is_killed_is_waited_for
            connections_and_watches_that_break_are_followed_by_others
            a_pod_that_somebody_deletes_is_lost_and_one_of_a_workload_is_made_again;
        registries:
            what_is_refused_now_and_then_is_asked_again
            a_promotion_that_is_refused_for_ever_is_errored_with_the_reason
            a_build_whose_push_is_refused_for_ever_is_errored_with_the_reason;
        long_log:
            a_very_long_log_arrives_whole_and_in_order;
    };
    // What is broken is broken for everybody.
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    let outcome = libtest_mimic::run(&arguments, trials).exit_code();
    place::end();
    outcome
}
