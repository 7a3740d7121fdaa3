//! The guests of each tenant of a server, in a process of its own.

use crate::tenants::Two;
use crate::world::Server;
use std::fs;
use std::process::Command;
use std::thread::{scope, sleep};
use std::time::Duration;

/// The workers of a server.
fn workers(server: &Server) -> Vec<u32> {
    let processes = fs::read_dir("/proc").expect("processes").flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:\t")?.parse().ok());
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        parent == Some(server.id()) && command.split(|byte| *byte == 0).nth(1) == Some(b"worker")
    })
    .collect()
}

/// A run whose worker is killed goes on from its journal, in another one.
#[test]
fn a_tenant_has_a_worker_that_may_die() {
    let two = Two::new();
    let server = two.world.start();
    two.push(&server, 1);
    let [first] = workers(&server)[..] else { panic!("one tenant had a run, so one worker is there") };
    scope(|scope| {
        let killer = scope.spawn(|| {
            // In the middle of a task of a second, and of whatever the machine has come to by then.
            for _ in 0..2 {
                sleep(Duration::from_millis(700));
                for worker in workers(&server) {
                    let _ = Command::new("kill").args(["-KILL", &worker.to_string()]).status();
                }
            }
        });
        two.push(&server, 2);
        killer.join().expect("it ends");
    });
    two.push(&server, 3);
    let now = workers(&server);
    assert!(now.len() == 1 && now[0] != first, "{first} was killed, {now:?} are there");
}
