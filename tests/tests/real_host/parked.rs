//! Attempts that are parked are not in memory.

use crate::world::{World, name, planned};
use crate::{INSTANCES, host};
use serde_json::json;
use stageway_core::run::{RunStatus, StageStatus};
use stageway_ports::memory::HaltingGuests;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

const ATTEMPTS: u64 = 1_000;
/// What each holds while it is in memory.
const MEBIBYTES: u64 = 4;
/// What the test may take beside that, for 1,000 journals and plans.
const MOST_GROWTH_KIB: u64 = 256 << 10;

/// Memory of this process.
fn resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_thousand_parked_components_hold_no_instance_and_all_end_in_their_time() {
    let (guests, component) = host("waits");
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let guests = HaltingGuests::new(guests);
        let mut world = World::new();
        world.host = Some(Arc::new(guests.clone()));
        world.rules.parallel_stages = INSTANCES as usize;
        let stages = (0..ATTEMPTS).map(|n| {
            let mut stage = planned(component);
            stage.with = json!({"sleep": format!("{}ms", 3_600_000 + n), "mebibytes": MEBIBYTES});
            stage.timeout_ms = 3 * 3_600_000;
            (name(&format!("s{n}")), stage)
        });
        let run = world.create_plan("r", world.plan(stages)).await;
        let before = resident_kib();
        let look = async {
            tokio::time::sleep(Duration::from_secs(1800)).await;
            let state = world.state(&run).await;
            let parked = state.stages.values().filter(|stage| matches!(stage.status, StageStatus::Parked(_)));
            assert_eq!(parked.count() as u64, ATTEMPTS);
            assert_eq!(guests.live(), 0, "a parked attempt is in memory");
            let growth = resident_kib().saturating_sub(before);
            println!("{ATTEMPTS} parked attempts: {growth} KiB more in memory");
            assert!(growth < MOST_GROWTH_KIB, "{growth} KiB");
            std::future::pending::<()>().await;
        };
        let status = tokio::select! { status = world.drive(&run) => status, () = look => RunStatus::Queued };
        assert_eq!(status, RunStatus::Succeeded);
        for n in [0, 1, 500, ATTEMPTS - 1] {
            let outputs = world.outputs(&run, &format!("s{n}")).await;
            assert_eq!(outputs["sum"], json!(MEBIBYTES << 20));
        }
        let (took, due) = (world.now(), 3_600_000 + ATTEMPTS - 1);
        assert!((due..due + 60_000).contains(&took), "it took {took} ms");
    });
}
