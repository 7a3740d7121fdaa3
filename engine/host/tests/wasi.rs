//! The WASI baseline, as a guest of preview 1 sees it through the adapter that Go plugins are encoded with.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use serde_json::json;
use stageway_core::call::{Call, Clock, Function, HostError, LogLevel, Reply, Value};
use stageway_ports::memory::ScriptedCalls;
use stageway_ports::{GuestEnd, Guests, Linking};
use support::{Bench, Plugin, outputs};

/// A clock that moves by what is slept, from `start` on.
fn clock(start: f64) -> ScriptedCalls {
    let mut now = start;
    ScriptedCalls::new(move |call| {
        let value = match call.function {
            Function::Clock(Clock::NowMs) => Value::Number(now),
            Function::Clock(Clock::Sleep { milliseconds }) => {
                now += f64::from(milliseconds);
                Value::Done
            }
            _ => return None,
        };
        Some(Reply::Answer(Ok(value)))
    })
}

/// Reads a clock, waits for a timer of 5 ms, and reads the clock again.
fn sleeper() -> Plugin {
    Plugin::echo()
        .preview1("clock_time_get", "(param i32 i64 i32) (result i32)")
        .preview1("poll_oneoff", "(param i32 i32 i32 i32) (result i32)")
        .with(
            "(func $now (result i64)
               (if (call $clock_time_get (i32.const 0) (i64.const 1) (i32.const 128)) (then unreachable))
               (i64.load (i32.const 128)))",
        )
        .run(
            "(local $before i64)
             (local.set $before (call $now))
             (i32.store8 (i32.const 264) (i32.const 0))
             (i32.store (i32.const 272) (i32.const 1))
             (i64.store (i32.const 280) (i64.const 5000000))
             (if (call $poll_oneoff (i32.const 256) (i32.const 512) (i32.const 1) (i32.const 768)) (then unreachable))
             (if (i64.ne (i64.sub (call $now) (local.get $before)) (i64.const 5000000)) (then unreachable))
             (call $ok (local.get 0) (local.get 1))",
        )
}

fn printer() -> Plugin {
    Plugin::echo().preview1("fd_write", "(param i32 i32 i32 i32) (result i32)").with(
        "(func $print (param $fd i32) (param $at i32) (param $len i32)
           (i32.store (i32.const 128) (local.get $at)) (i32.store (i32.const 132) (local.get $len))
           (if (call $fd_write (local.get $fd) (i32.const 128) (i32.const 1) (i32.const 136)) (then unreachable)))",
    )
}

#[tokio::test]
async fn a_timer_is_a_sleep_and_time_is_logical() {
    let mut calls = clock(1_700_000_000_000.0);
    let (end, _) = Bench::new().run(&sleeper(), &mut calls).await;
    assert_eq!(outputs(end), json!({}));
    let sleeps: Vec<&Call> =
        calls.made().iter().filter(|call| call.function.class().is_journaled()).collect();
    assert_eq!(sleeps, [&Call { seq: 1, function: Function::Clock(Clock::Sleep { milliseconds: 5 }) }]);
    assert!(calls.made().len() <= 4, "the time is asked for once per entry: {:?}", calls.made());
}

#[tokio::test]
async fn a_cancelled_sleep_is_only_shorter() {
    let mut calls = ScriptedCalls::new(|call| match call.function {
        Function::Clock(Clock::NowMs) => Some(Reply::Answer(Ok(Value::Number(1000.0)))),
        _ => Some(Reply::Answer(Err(HostError::Cancelled))),
    });
    let (end, _) = Bench::new().run(&sleeper(), &mut calls).await;
    assert!(matches!(end, GuestEnd::Trap(_)), "the clock did not move, and the poll came back: {end:?}");
    assert_eq!(calls.made().iter().filter(|call| call.function.class().is_journaled()).count(), 1);
}

#[tokio::test]
async fn randomness_follows_from_the_seed() {
    let plugin = Plugin::echo()
        .import("log", "write", "log", "(param i32 i32 i32)")
        .preview1("random_get", "(param i32 i32) (result i32)")
        .run(
            "(local $at i32)
             (if (call $random_get (i32.const 256) (i32.const 32)) (then unreachable))
             (local.set $at (i32.const 256))
             (loop $next
               (i32.store8 (local.get $at)
                 (i32.add (i32.const 97) (i32.and (i32.load8_u (local.get $at)) (i32.const 15))))
               (local.set $at (i32.add (local.get $at) (i32.const 1)))
               (br_if $next (i32.lt_u (local.get $at) (i32.const 288))))
             (call $log (i32.const 2) (i32.const 256) (i32.const 32))
             (call $ok (local.get 0) (local.get 1))",
        );
    let bench = Bench::new();
    let mut drawn = Vec::new();
    for seed in [1, 1, 2] {
        let mut calls = ScriptedCalls::default();
        let (end, _) = bench.run_with(&plugin, &mut calls, |run| run.seed = [seed; 32]).await.unwrap();
        assert_eq!(outputs(end), json!({}));
        drawn.push(calls.lines()[0].1.clone());
    }
    assert_eq!(drawn[0], drawn[1]);
    assert_ne!(drawn[0], drawn[2]);
}

#[tokio::test]
async fn what_is_printed_becomes_lines() {
    let plugin = printer().text("out", "one\ntwo\nrest").text("err", "oh\n").run(
        "(call $print (i32.const 1) (global.get $out) (global.get $out_len))
         (call $print (i32.const 2) (global.get $err) (global.get $err_len))
         (call $ok (local.get 0) (local.get 1))",
    );
    let mut calls = ScriptedCalls::default();
    let (end, _) = Bench::new().run(&plugin, &mut calls).await;
    assert_eq!(outputs(end), json!({}));
    let lines: Vec<(LogLevel, &str)> =
        calls.lines().iter().map(|(level, text)| (*level, text.as_str())).collect();
    let expected =
        [(LogLevel::Info, "one"), (LogLevel::Info, "two"), (LogLevel::Warn, "oh"), (LogLevel::Info, "rest")];
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn an_unfinished_line_survives_a_trap() {
    let plugin = printer()
        .text("err", "panic: at the disco")
        .run("(call $print (i32.const 2) (global.get $err) (global.get $err_len)) unreachable");
    let mut calls = ScriptedCalls::default();
    let (end, _) = Bench::new().run(&plugin, &mut calls).await;
    assert!(matches!(end, GuestEnd::Trap(_)), "{end:?}");
    assert_eq!(calls.lines(), [(LogLevel::Warn, "panic: at the disco".to_owned())]);
}

#[tokio::test]
async fn there_are_no_arguments_variables_directories_and_no_input() {
    let plugin = Plugin::echo()
        .preview1("args_sizes_get", "(param i32 i32) (result i32)")
        .preview1("environ_sizes_get", "(param i32 i32) (result i32)")
        .preview1("fd_prestat_get", "(param i32 i32) (result i32)")
        .preview1("path_open", "(param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)")
        .preview1("fd_read", "(param i32 i32 i32 i32) (result i32)")
        .text("path", "etc/passwd")
        .run(
            "(drop (call $args_sizes_get (i32.const 128) (i32.const 132)))
             (drop (call $environ_sizes_get (i32.const 136) (i32.const 140)))
             (if (i32.or (i32.load (i32.const 128)) (i32.load (i32.const 136))) (then unreachable))
             (if (i32.eqz (call $fd_prestat_get (i32.const 3) (i32.const 128))) (then unreachable))
             (if (i32.eqz (call $path_open (i32.const 3) (i32.const 0) (global.get $path) (global.get $path_len)
                   (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 128)))
               (then unreachable))
             (i32.store (i32.const 144) (i32.const 1024)) (i32.store (i32.const 148) (i32.const 8))
             (i32.store (i32.const 152) (i32.const 99))
             (if (call $fd_read (i32.const 0) (i32.const 144) (i32.const 1) (i32.const 152)) (then unreachable))
             (if (i32.load (i32.const 152)) (then unreachable))
             (call $ok (local.get 0) (local.get 1))",
        );
    let (end, _) = Bench::new().run(&plugin, &mut ScriptedCalls::default()).await;
    assert_eq!(outputs(end), json!({}));
}

#[tokio::test]
async fn who_exits_has_not_answered() {
    let plugin = Plugin::echo()
        .preview1("proc_exit", "(param i32)")
        .run("(call $proc_exit (i32.const 3)) unreachable");
    let (end, _) = Bench::new().run(&plugin, &mut ScriptedCalls::default()).await;
    let GuestEnd::Trap(message) = end else { panic!("{end:?}") };
    assert!(message.starts_with("the guest exited with"), "{message}");
}

#[tokio::test]
async fn the_baseline_needs_no_grant() {
    let bench = Bench::new();
    let plugin = sleeper();
    let component = bench.host.inspect(&plugin.encode()).unwrap();
    assert!(component.imports.iter().any(|import| import.starts_with("wasi:io/poll@0.2.")), "{component:?}");
    let (end, _) =
        bench.run_with(&plugin, &mut clock(0.0), |run| run.linking = Linking::default()).await.unwrap();
    assert_eq!(outputs(end), json!({}));
}
