//! The engine as it is shipped, on a real cluster: its image as Stageway builds it, the manifests as they are, two replicas on a real
//! PostgreSQL. A real forge sends to them, and their tasks are pods.
//!
//! `engine/image` takes what `engine/build` has made: what is tested is the binary of all other tests.

mod image;
mod installed;
#[path = "../../moto/server.rs"]
mod moto;
mod replicas;
mod rights;
mod tasks;

use installed::Installed;

#[test]
fn runs_are_driven_by_one_replica_and_go_on_in_another_within_the_rights_of_the_manifests() {
    let installed = Installed::new();
    tasks::a_push_is_a_run_whose_task_is_a_pod(&installed);
    tasks::a_task_without_a_workspace_has_a_pod_of_its_own_and_its_secret(&installed);
    replicas::a_replica_that_is_deleted_says_so_before_it_closes_and_its_run_goes_on(&installed);
    replicas::a_run_of_a_replica_that_is_killed_goes_on(&installed);
    rights::the_engine_may_what_the_manifest_says_and_nothing_else(&installed);
    rights::it_asked_for_all_that_it_may_and_for_nothing_else(&installed);
}
