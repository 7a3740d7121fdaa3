//! The contract of the port [`Store`].

mod append;
mod changes;
mod environments;
mod fixture;
mod lines;
mod people;
mod proofs;
mod runs;
mod tenants;

pub use append::*;
pub use changes::*;
pub use environments::*;
pub use fixture::StoreFixture;
pub(super) use fixture::new_run;
pub use lines::*;
pub use people::*;
pub use proofs::*;
pub use runs::*;
pub use tenants::*;

#[allow(unused_imports, reason = "for the documentation")]
use crate::Store;

/// Runs every case of the store's contract; the expression makes a [`StoreFixture`] with a set of data of its own.
#[macro_export]
macro_rules! store_contract {
    ($fixture:expr) => {
        $crate::contract_cases! { store, $fixture,
            a_run_is_made_once
            another_plan_under_the_same_id_is_a_conflict
            numbers_count_the_runs_of_a_tenant
            the_list_is_filtered_and_newest_first
            the_list_follows_the_events
            a_lease_belongs_to_one_holder_until_it_ends
            a_forced_lease_fences_the_one_before
            renewing_needs_the_newest_fence
            no_run_can_be_leased_that_is_not_there
            an_append_advances_the_version
            an_append_needs_the_expected_version
            an_append_needs_the_fence
            a_refused_append_writes_nothing
            one_of_two_racing_appends_wins
            records_are_kept_once_and_in_order
            another_record_under_the_same_number_is_a_conflict
            values_come_back_as_they_went
            large_values_come_back_as_they_went
            what_looks_like_a_reference_is_a_value
            a_large_batch_is_one_append
            lines_are_numbered_in_order_of_arrival
            a_line_is_written_once_by_its_origin
            lines_are_paged_and_filtered
            struck_lines_keep_their_numbers_and_may_come_again
            lines_of_tasks_and_of_others_are_never_struck
            reports_are_written_once_and_struck
            candidates_need_the_key_and_the_trust
            a_proof_is_kept_once
            the_newest_proof_of_a_stage_is_found
            a_claim_holds_and_answers_the_same_again
            an_environment_has_one_holder
            a_claim_of_an_older_run_is_outdated
            groups_do_not_order_each_other
            a_claim_ends_with_its_batch
            a_claim_ends_with_its_run
            a_claim_ends_with_the_next_lease
            a_claim_needs_the_fence_and_its_own_run
            releases_are_recorded_once_and_newest_first
            a_release_needs_the_lock
            a_release_is_judged
            a_question_is_asked_once
            a_question_is_answered_once
            the_newest_question_is_answered_until_its_deadline
            an_answer_is_to_the_question_that_was_read
            the_first_wish_for_the_end_stands
            any_text_comes_back_as_it_went
            tenants_have_the_same_ids_and_see_their_own
            a_tenant_reads_nothing_of_another
            a_tenant_writes_nothing_of_another
            environments_and_proofs_are_of_one_tenant
            changes_are_counted_by_everything_visible
            what_changes_nothing_is_not_counted
            a_change_wakes_another_handle
            a_change_wakes_every_waiter
            changes_of_another_tenant_wake_nobody
        }
    };
}
