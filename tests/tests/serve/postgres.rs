//! Servers on PostgreSQL: killed like one on SQLite, two that share a database, and a database that is gone for a while.

use crate::kill::killed_at_random;
use crate::world::{CONTEXT, Server, World};
use stageway_stores::testing::PostgresServer;
use std::fs;
use std::time::Duration;

/// A run that waits for a person: whoever holds it is needed for its end.
const APPROVED: &str = "pipeline: demo
on: { push: { paths: [\"src/**\"] } }
stages:
  check:
    uses: stageway/unit-test@1
    approval: { question: \"Go on?\" }
    inputs: [\"ci/**\"]
    with: { command: [./ci/check.sh] }
";

/// Within this a lease has moved.
const MOVES: Duration = Duration::from_secs(10);

struct Shared {
    postgres: PostgresServer,
    world: World,
    database: String,
    runtime: tokio::runtime::Runtime,
}

impl Shared {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let postgres = PostgresServer::start(true);
        let database = runtime.block_on(postgres.database());
        let world = World::with("database: file:database\nblobs: blobs\n");
        fs::write(world.folder().join("database"), format!("{database}\n")).expect("the address");
        Self { postgres, world, database, runtime }
    }

    /// Pushes a commit whose run waits for a person, and tells a server of it.
    fn push_approved(&self, server: &Server) -> String {
        self.world.write("stageway.yaml", APPROVED);
        let revision = self.world.commit("src/a", "1");
        self.world.push(&revision, "main");
        let body = self.world.pushed("main", "", &revision);
        assert_eq!(self.world.deliver(server, "first", &body).status, 202);
        self.world.until("the question is asked", || self.status().contains("waiting") || self.asked());
        revision
    }

    fn status(&self) -> String {
        self.world.runs().first().map(|run| run["status"].to_string()).unwrap_or_default()
    }

    /// Whether somebody is asked something.
    fn asked(&self) -> bool {
        self.count("SELECT count(*) FROM stageway.approval") > 0
    }

    /// How often the run has changed hands.
    fn fence(&self) -> i64 {
        self.count("SELECT coalesce(max(fence), 0) FROM stageway.run")
    }

    fn count(&self, statement: &'static str) -> i64 {
        let ask = self.postgres.ask(&self.database, statement);
        self.runtime.block_on(ask)
    }

    fn approve(&self) {
        self.world.approve(1, "check");
    }

    fn ended_once(&self, revision: &str) {
        let states = self.world.forge.ended(revision, CONTEXT);
        assert_eq!(states.last().map(String::as_str), Some("success"), "{states:?}");
        assert_eq!(states.iter().filter(|state| *state == "success").count(), 1, "{states:?}");
        assert_eq!(self.world.runs().len(), 1);
    }
}

#[test]
fn what_was_answered_has_its_run_on_postgresql_too() {
    killed_at_random(&Shared::new().world);
}

#[test]
fn a_run_of_a_killed_replica_goes_on_in_another() {
    let shared = Shared::new();
    let (first, second) = (shared.world.start(), shared.world.start_replica("second"));
    let revision = shared.push_approved(&first);
    // Whichever drives it: the other one is left.
    let fence = shared.fence();
    first.kill();
    shared.approve();
    shared.ended_once(&revision);
    assert!(shared.fence() >= fence);
    drop(second);
}

#[test]
fn the_lease_of_a_replica_that_stands_still_moves_and_its_writes_are_refused() {
    let shared = Shared::new();
    let first = shared.world.start();
    let revision = shared.push_approved(&first);
    let fence = shared.fence();
    let second = shared.world.start_replica("second");
    first.signal("-STOP");
    let moved = shared.world.until("the lease moves", || shared.fence() > fence);
    assert!(moved < MOVES, "{moved:?}");
    println!("postgres: the lease moved within {moved:?}");
    first.signal("-CONT");
    shared.approve();
    shared.ended_once(&revision);
    drop(second);
}

#[test]
fn a_database_that_is_gone_for_a_while_is_waited_for() {
    let shared = Shared::new();
    let server = shared.world.start();
    let mut told = Vec::new();
    for number in 0..6 {
        let branch = format!("b{number}");
        let revision = shared.world.commit("src/a", &branch);
        shared.world.push(&revision, &branch);
        let body = shared.world.pushed(&branch, "", &revision);
        // The delivery before is just being taken in: what the store breaks off is taken in again.
        if number > 0 {
            shared.postgres.kill();
            shared.postgres.restart();
        }
        // What was not taken is delivered again, as a forge does.
        shared.world.until("it is taken", || shared.world.deliver(&server, &branch, &body).status == 202);
        told.push(revision);
    }
    for revision in &told {
        let states = shared.world.forge.ended(revision, CONTEXT);
        assert_eq!(states.last().map(String::as_str), Some("success"), "{revision}: {states:?}");
    }
    assert_eq!(shared.world.runs().len(), told.len());
}
