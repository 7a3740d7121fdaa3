//! What hostile guests took is given back: the process is as large after a hundred of them as after a few.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use stageway_ports::GuestEnd;
use stageway_ports::memory::ScriptedCalls;
use support::{Bench, Plugin};

/// Resident memory of this process, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
}

#[tokio::test]
async fn memory_comes_back_from_bombs() {
    let bench = Bench::new();
    // Every page is written, so that it is really taken.
    let memory = Plugin::echo().run(
        "(local $page i32)
         (loop $again
           (local.set $page (memory.grow (i32.const 64)))
           (memory.fill (i32.mul (local.get $page) (i32.const 65536)) (i32.const 7) (i32.const 4194304))
           (br $again)) unreachable",
    );
    let table = Plugin::echo().with("(table $bomb 1 funcref)").run(
        "(loop $again (drop (table.grow $bomb (ref.null func) (i32.const 1000))) (br $again)) unreachable",
    );
    let round = async || {
        for (plugin, limit) in [(&memory, "memory-bytes"), (&table, "table-elements")] {
            let bound = |run: &mut stageway_ports::GuestRun| {
                run.limits.memory_bytes = 64 << 20;
                run.limits.cpu_ms = 5_000;
            };
            let (end, usage) = bench.run_with(plugin, &mut ScriptedCalls::default(), bound).await.unwrap();
            assert_eq!(end, GuestEnd::Limit(limit.to_owned()));
            assert!(usage.memory_bytes <= 64 << 20, "{usage:?}");
        }
    };
    // The pool keeps what a few instances had; more of them add nothing.
    for _ in 0..5 {
        round().await;
    }
    let before = resident();
    for _ in 0..30 {
        round().await;
    }
    let after = resident();
    assert!(after < before + (32 << 20), "{} MiB became {} MiB", before >> 20, after >> 20);
    bench.neighbour_is_well().await;
}
