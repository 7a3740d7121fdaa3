//! The contract of the ports [`Inbox`] and [`Queue`].

mod claims;
mod deliveries;
mod fixture;
mod heads;
mod queue;
mod runs;
mod statuses;

pub use claims::*;
pub use deliveries::*;
pub use fixture::{InboxFixture, Memory};
pub use heads::*;
pub use queue::*;
pub use runs::*;
pub use statuses::*;

#[allow(unused_imports, reason = "for the documentation")]
use crate::{Inbox, Queue};

/// Runs every case of the inbox's contract; the expression makes an [`InboxFixture`] with a set of data of its own.
#[macro_export]
macro_rules! inbox_contract {
    ($fixture:expr) => {
        $crate::contract_cases! { inbox, $fixture,
            a_delivery_is_received_once
            every_webhook_and_tenant_has_keys_of_its_own
            a_delivery_is_kept_as_it_came
            deliveries_are_listed_newest_first
            a_delivery_that_needs_nothing_is_not_given_out
            open_deliveries_are_given_out_in_order_and_once
            a_claim_ends_with_its_time_or_when_it_is_forgotten
            only_the_newest_claim_settles
            a_repository_waits_for_its_oldest_delivery
            nothing_is_given_out_of_a_tenant_that_is_excepted
            so_many_are_given_out_of_so_many_repositories
            several_settle_together_or_not_at_all
            a_settled_delivery_may_be_opened_again
            a_move_that_is_told_twice_has_one_generation
            a_head_that_comes_back_has_another_generation
            a_move_told_again_after_a_late_one_is_the_same
            a_head_that_a_fetch_found_learns_where_it_came_from
            a_head_that_only_a_fetch_found_makes_nothing_late
            many_refs_of_one_delivery_have_histories_of_their_own
            the_heads_that_are_known_are_the_newest
            a_run_is_admitted_once_by_its_key
            a_run_has_its_origin
            a_delivery_is_settled_with_its_runs
            places_are_taken_in_order
            a_run_that_only_waits_has_no_place
            no_more_places_are_given_out_than_there_are
            runs_of_a_group_have_places_one_after_the_other
            a_newer_run_of_the_group_ends_those_that_give_way
            a_frozen_tenant_gives_places_only_to_end
            a_place_whose_holder_is_gone_is_taken_again
            why_a_run_has_no_place_is_known
            ends_of_one_moment_let_the_next_go
            a_run_that_is_waited_for_is_followed_once
            a_run_is_told_when_it_was_made_and_when_it_has_ended
            a_run_of_no_commit_is_not_told
            what_has_no_run_is_told_once
            the_newest_status_of_a_commit_and_context_counts
            what_could_not_be_told_is_tried_again_or_never
            a_tenant_sees_no_letter_of_another
        }
    };
}
