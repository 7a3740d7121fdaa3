//! Guests that mean harm: each is a typed end within its limit, and its neighbours go on.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use stageway_core::call::Value;
use stageway_ports::memory::ScriptedCalls;
use stageway_ports::{GuestEnd, GuestError, GuestRun, Guests};
use std::time::{Duration, Instant};
use support::{Bench, Plugin};

const FOREVER: &str = "(loop $again (br $again)) unreachable";

/// Runs a plugin that must end, checks on a neighbour, and answers the end.
async fn end_of(plugin: Plugin, change: impl FnOnce(&mut GuestRun)) -> GuestEnd {
    let bench = Bench::new();
    let start = Instant::now();
    let end = bench.run_with(&plugin, &mut ScriptedCalls::default(), change).await.unwrap().0;
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    bench.neighbour_is_well().await;
    end
}

fn limit(name: &str) -> GuestEnd {
    GuestEnd::Limit(name.to_owned())
}

#[tokio::test]
async fn an_endless_run_ends() {
    assert_eq!(end_of(Plugin::echo().run(FOREVER), |_| {}).await, limit("cpu-ms"));
}

#[tokio::test]
async fn an_endless_start_ends() {
    let plugin = Plugin::echo().with("(func $spin (loop $again (br $again))) (start $spin)");
    assert_eq!(end_of(plugin, |_| {}).await, limit("cpu-ms"));
}

#[tokio::test]
async fn an_endless_describe_ends() {
    let bench = Bench::new();
    let digest = bench.host.prepare(&Plugin::echo().describe(FOREVER).encode()).await.unwrap();
    let Err(GuestError::Trap { function, message }) = bench.host.describe(&digest).await else {
        panic!("an endless describe ends")
    };
    assert_eq!((function.as_str(), message.as_str()), ("describe", "it used up its limit `cpu-ms`"));
    bench.neighbour_is_well().await;
}

#[tokio::test]
async fn others_go_on_while_a_guest_spins() {
    let bench = Bench::new();
    let spin = Plugin::echo().run(FOREVER);
    let mut calls = ScriptedCalls::default();
    let spinning = bench.run_with(&spin, &mut calls, |run| run.limits.cpu_ms = 1_000);
    let neighbour = async {
        tokio::task::yield_now().await;
        bench.neighbour_is_well().await;
        Instant::now()
    };
    let ((end, ended), well) = tokio::join!(async { (spinning.await.unwrap().0, Instant::now()) }, neighbour);
    assert_eq!(end, limit("cpu-ms"));
    assert!(well < ended, "the neighbour waited for the guest that spins");
}

#[tokio::test]
async fn replay_does_not_count_as_processor_time() {
    let plugin = Plugin::echo().import("clock", "sleep", "sleep", "(param i32 i32)").run(
        "(local $n i64)
         (loop $again (local.set $n (i64.add (local.get $n) (i64.const 1)))
           (br_if $again (i64.lt_u (local.get $n) (i64.const 200000000))))
         (call $sleep (i32.const 1) (i32.const 128))
         (call $ok (local.get 0) (local.get 1))",
    );
    let bench = Bench::new();
    let run = async |cpu_ms, replayed| {
        let mut calls = ScriptedCalls::answering([Ok(Value::Done)]);
        let bound = |run: &mut GuestRun| {
            run.limits.cpu_ms = cpu_ms;
            run.replayed = replayed;
        };
        bench.run_with(&plugin, &mut calls, bound).await.unwrap()
    };
    let (free, usage) = run(60_000, 0).await;
    assert!(matches!(free, GuestEnd::Succeeded(_)), "{free:?}");
    assert_eq!(run(usage.cpu_ms / 10, 0).await.0, limit("cpu-ms"));
    // The same work takes several times as long beside a busy neighbour: only what took more than the bound, and less than a replay
    // may, tells anything.
    let mut bound = usage.cpu_ms / 2;
    for _ in 0..50 {
        let (replayed, usage) = run(bound, 1).await;
        if (bound + 1..bound * 3).contains(&usage.cpu_ms) {
            assert!(matches!(replayed, GuestEnd::Succeeded(_)), "{replayed:?}, {usage:?}, {bound}");
            return;
        }
        bound = run(60_000, 0).await.1.cpu_ms / 2;
    }
    panic!("no two runs were alike");
}

#[tokio::test]
async fn waiting_is_bounded_too() {
    struct Never;
    #[async_trait::async_trait]
    impl stageway_ports::Calls for Never {
        async fn call(&mut self, _: stageway_core::call::Call) -> stageway_core::call::Reply {
            std::future::pending().await
        }
    }
    let plugin = Plugin::echo()
        .import("clock", "sleep", "sleep", "(param i32 i32)")
        .run("(call $sleep (i32.const 1) (i32.const 128)) unreachable");
    let bench = Bench::new();
    let ended = bench.run_with(&plugin, &mut Never, |run| run.limits.wall_ms = 50).await.unwrap();
    assert_eq!(ended.0, limit("wall-ms"));
    assert!(ended.1.cpu_ms < 50, "waiting is not processor time: {:?}", ended.1);
    bench.neighbour_is_well().await;
}

#[tokio::test]
async fn a_memory_bomb_ends_with_the_limits_name() {
    let grow = "(loop $again (drop (memory.grow (i32.const 64))) (br $again)) unreachable";
    assert_eq!(end_of(Plugin::echo().run(grow), |_| {}).await, limit("memory-bytes"));
}

#[tokio::test]
async fn too_much_memory_at_the_start_is_the_same_limit() {
    let end = end_of(Plugin::echo().memory(2000), |_| {}).await;
    assert_eq!(end, limit("memory-bytes"));
}

#[tokio::test]
async fn a_table_bomb_ends_with_the_limits_name() {
    let plugin = Plugin::echo().with("(table $bomb 1 funcref)").run(
        "(loop $again (drop (table.grow $bomb (ref.null func) (i32.const 1000))) (br $again)) unreachable",
    );
    assert_eq!(end_of(plugin, |_| {}).await, limit("table-elements"));
}

#[tokio::test]
async fn endless_recursion_ends_with_the_limits_name() {
    let plugin =
        Plugin::echo().with("(func $deep (call $deep) (call $deep))").run("(call $deep) unreachable");
    assert_eq!(end_of(plugin, |_| {}).await, limit("stack-bytes"));
}

#[tokio::test]
async fn a_text_of_a_gigabyte_ends() {
    let log = |plugin: Plugin| plugin.import("log", "write", "log", "(param i32 i32 i32)");
    let far =
        log(Plugin::echo()).run("(call $log (i32.const 2) (i32.const 0) (i32.const 0x40000000)) unreachable");
    assert!(matches!(end_of(far, |_| {}).await, GuestEnd::Trap(_)));
    let near = log(Plugin::echo())
        .memory(600)
        .run("(call $log (i32.const 2) (i32.const 0) (i32.const 0x2000000)) unreachable");
    assert_eq!(end_of(near, |_| {}).await, limit("argument-bytes"));
}

#[tokio::test]
async fn outputs_of_a_gigabyte_end() {
    let plugin = Plugin::echo().memory(600).run("(call $ok (i32.const 0) (i32.const 0x2000000))");
    assert_eq!(end_of(plugin, |_| {}).await, limit("argument-bytes"));
}

#[tokio::test]
async fn a_log_flood_ends_after_its_calls() {
    let plugin = Plugin::echo().import("log", "write", "log", "(param i32 i32 i32)").run(
        "(loop $again (call $log (i32.const 2) (i32.const 1024) (i32.const 2)) (br $again)) unreachable",
    );
    let bench = Bench::new();
    let mut calls = ScriptedCalls::default();
    let bound = |run: &mut GuestRun| {
        run.limits.cpu_ms = 10_000;
        run.limits.log_bytes = 100;
        run.limits.host_calls = 5_000;
    };
    let (end, usage) = bench.run_with(&plugin, &mut calls, bound).await.unwrap();
    assert_eq!((end, usage.calls), (limit("host-calls"), 5_001));
    assert_eq!(calls.lines().len(), 51);
}

#[tokio::test]
async fn handles_are_counted() {
    let plugin = Plugin::echo()
        .import("tasks", "[constructor]command", "command", "(param i32 i32) (result i32)")
        .run("(loop $again (drop (call $command (i32.const 8) (i32.const 0))) (br $again)) unreachable");
    assert_eq!(end_of(plugin, |_| {}).await, limit("handles"));
}

#[tokio::test]
async fn a_trap_shows_the_guests_frames() {
    let plugin = Plugin::echo()
        .with("(func $assertion_failed unreachable)")
        .run("(call $assertion_failed) unreachable");
    let GuestEnd::Trap(message) = end_of(plugin, |_| {}).await else { panic!("it traps") };
    assert!(message.contains("unreachable") && message.contains("assertion_failed"), "{message}");
}

#[tokio::test]
async fn outputs_that_are_no_object_are_a_trap() {
    let plugin =
        Plugin::echo().text("list", "[1]").run("(call $ok (global.get $list) (global.get $list_len))");
    let end = end_of(plugin, |_| {}).await;
    assert!(matches!(&end, GuestEnd::Trap(message) if message.contains("no JSON object")), "{end:?}");
}
