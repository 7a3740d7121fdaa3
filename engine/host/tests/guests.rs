//! What a well-behaved guest sees of the host, and what the engine sees of the guest.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use serde_json::{Value as Json, json};
use stageway_core::call::{
    Call, Clock, Command, Content, Ending, EndingReason, Failure, Function, Handles, HostError, Invocation,
    LogLevel, Reply, Stop, Tasks, Value, Workspace,
};
use stageway_core::digest::Digest;
use stageway_core::name::TenantId;
use stageway_ports::memory::ScriptedCalls;
use stageway_ports::{GuestEnd, GuestError, Guests, Linking};
use support::{Bench, Plugin, outputs};

/// `log.write` as `$log`.
fn logging(plugin: Plugin) -> Plugin {
    plugin.import("log", "write", "log", "(param i32 i32 i32)")
}

/// A command with the same variable twice, started and waited for; the reason of its ending becomes the output.
fn tasking() -> Plugin {
    Plugin::echo()
        .import("tasks", "[constructor]command", "command", "(param i32 i32) (result i32)")
        .import("tasks", "[method]command.variable", "variable", "(param i32 i32 i32 i32 i32)")
        .import("tasks", "start", "start", "(param i32 i32 i32 i32)")
        .import("tasks", "[method]task.wait", "wait", "(param i32 i32)")
        .text("name", "unit")
        .text("a", "A")
        .text("empty", "{}")
        .run(
            "(local $command i32)
             (local.set $command (call $command (i32.const 8) (i32.const 0)))
             (call $variable (local.get $command) (global.get $a) (i32.const 1) (global.get $a) (i32.const 1))
             (call $variable (local.get $command) (global.get $a) (i32.const 1) (global.get $a) (i32.const 1))
             (call $start (global.get $name) (global.get $name_len) (local.get $command) (i32.const 128))
             (if (i32.load8_u (i32.const 128))
               (then (return (call $failed (i32.load (i32.const 136)) (i32.load (i32.const 140))))))
             (call $wait (i32.load (i32.const 132)) (i32.const 256))
             (if (i32.load8_u (i32.const 256)) (then (return (call $failed (global.get $name) (i32.const 4)))))
             (return (call $ok (global.get $empty) (global.get $empty_len)))",
        )
}

#[tokio::test]
async fn the_configuration_goes_in_and_the_outputs_come_out() {
    let bench = Bench::new();
    let configuration = json!({"b": [1, "ä"], "a": null});
    let (end, usage) = bench
        .run_with(&Plugin::echo(), &mut ScriptedCalls::default(), |run| {
            run.configuration = configuration.clone()
        })
        .await
        .unwrap();
    assert_eq!(outputs(end), configuration);
    assert_eq!((usage.calls, usage.memory_bytes), (0, 2 << 16));
}

#[tokio::test]
async fn a_failed_verdict_is_no_error() {
    let plugin =
        Plugin::echo().text("red", "acme/red").run("(call $failed (global.get $red) (global.get $red_len))");
    let (end, _) = Bench::new().run(&plugin, &mut ScriptedCalls::default()).await;
    let red = "acme/red".to_owned();
    assert_eq!(end, GuestEnd::Failed(Failure { code: red.clone(), message: red, details: None }));
}

#[tokio::test]
async fn describe_and_validate_answer_alone() {
    let bench = Bench::new();
    let plugin = Plugin::echo().text("issue", "/commandis empty").validate(
        "(i32.store (i32.const 64) (global.get $issue)) (i32.store (i32.const 68) (i32.const 8))
         (i32.store (i32.const 72) (i32.add (global.get $issue) (i32.const 8)))
         (i32.store (i32.const 76) (i32.const 8))
         (call $text (i32.const 64) (i32.const 1))",
    );
    let digest = bench.host.prepare(&plugin.encode()).await.unwrap();
    assert!(bench.host.is_prepared(&digest));
    assert_eq!(bench.host.describe(&digest).await.unwrap(), "{}");
    let issues = bench.host.validate(&TenantId::local(), &digest, &json!({})).await.unwrap();
    assert_eq!((issues[0].pointer.as_str(), issues[0].message.as_str()), ("/command", "is empty"));
}

#[tokio::test]
async fn describe_that_calls_is_refused_by_name() {
    let bench = Bench::new();
    let plugin = logging(Plugin::echo())
        .import("clock", "sleep", "sleep", "(param i32 i32)")
        .text("line", "about to sleep")
        .describe(
            "(call $log (i32.const 3) (global.get $line) (global.get $line_len))
             (call $sleep (i32.const 5) (i32.const 128)) unreachable",
        );
    let digest = bench.host.prepare(&plugin.encode()).await.unwrap();
    let Err(GuestError::Trap { function, message }) = bench.host.describe(&digest).await else {
        panic!("a describe that sleeps is refused")
    };
    assert_eq!(function, "describe");
    assert_eq!(message, "it called `clock.sleep`, but computes its answer alone\nabout to sleep");
}

#[tokio::test]
async fn a_task_is_named_by_the_entry_that_started_it() {
    let ending = Ending {
        code: Some(0),
        reason: EndingReason::Exited,
        message: String::new(),
        duration_ms: 3,
        details: json!({}),
    };
    let mut calls = ScriptedCalls::answering([Ok(Value::Done), Ok(Value::Ending(ending))]);
    let (end, usage) = Bench::new().run(&tasking(), &mut calls).await;
    assert_eq!(outputs(end), json!({}));
    let command = Command {
        variables: [("A".to_owned(), "A".to_owned())].into(),
        problems: vec!["the variable `A` is given twice".to_owned()],
        ..Command::default()
    };
    let start = Tasks::Start { name: "unit".to_owned(), command: Box::new(command) };
    assert_eq!(
        calls.made(),
        [
            Call { seq: 1, function: Function::Tasks(start) },
            Call { seq: 2, function: Function::Tasks(Tasks::Wait { task: 1 }) },
        ]
    );
    assert_eq!(usage.calls, 5);
}

#[tokio::test]
async fn facts_and_locals_carry_the_last_entry() {
    let plugin = Plugin::echo()
        .import("invocation", "attempt", "attempt", "(result i32)")
        .import("clock", "now-ms", "now", "(result f64)")
        .import("clock", "sleep", "sleep", "(param i32 i32)")
        .run(
            "(drop (call $attempt)) (call $sleep (i32.const 5) (i32.const 128)) (drop (call $now))
             (call $ok (local.get 0) (local.get 1))",
        );
    let mut calls =
        ScriptedCalls::answering([Ok(Value::Count(1)), Ok(Value::Done), Ok(Value::Number(1000.0))]);
    let (end, _) = Bench::new().run(&plugin, &mut calls).await;
    assert_eq!(outputs(end), json!({}));
    let expected = [
        (0, Function::Invocation(Invocation::Attempt)),
        (1, Function::Clock(Clock::Sleep { milliseconds: 5 })),
        (1, Function::Clock(Clock::NowMs)),
    ];
    assert_eq!(calls.made(), expected.map(|(seq, function)| Call { seq, function }));
}

#[tokio::test]
async fn a_reader_asks_from_where_it_stands() {
    let content = Content { digest: Digest::of(b"abcde"), size: 5 };
    let plugin = Plugin::echo()
        .import("workspace", "read", "read", "(param i32 i32 i32)")
        .import("handles", "[method]reader.next", "next", "(param i32 i32 i32)")
        .text("path", "out.json")
        .run(
            "(local $reader i32)
             (call $read (global.get $path) (global.get $path_len) (i32.const 128))
             (local.set $reader (i32.load (i32.const 132)))
             (call $next (local.get $reader) (i32.const 3) (i32.const 128))
             (call $next (local.get $reader) (i32.const 3) (i32.const 128))
             (call $next (local.get $reader) (i32.const 3) (i32.const 128))
             (if (i32.load (i32.const 136)) (then unreachable))
             (call $ok (local.get 0) (local.get 1))",
        );
    let mut calls = ScriptedCalls::answering([
        Ok(Value::Content(content)),
        Ok(Value::Bytes(b"abc".to_vec().into())),
        Ok(Value::Bytes(b"de".to_vec().into())),
    ]);
    let (end, _) = Bench::new().run(&plugin, &mut calls).await;
    assert_eq!(outputs(end), json!({}));
    let next = |offset| Function::Handles(Handles::Next { digest: content.digest, offset, max: 3 });
    let functions: Vec<_> = calls.made().iter().map(|call| call.function.clone()).collect();
    assert_eq!(functions[0], Function::Workspace(Workspace::Read { path: "out.json".into() }));
    assert_eq!(functions[1..], [next(0), next(3)]);
}

#[tokio::test]
async fn a_stop_is_never_seen_by_the_guest() {
    for stop in [Stop::Parked, Stop::Cancelled, Stop::Fault("store down".into()), Stop::PlanEnd] {
        let reply = stop.clone();
        let mut calls = ScriptedCalls::new(move |_| Some(Reply::Stop(reply.clone())));
        let (end, _) = Bench::new().run(&tasking(), &mut calls).await;
        assert_eq!(end, GuestEnd::Stopped(stop));
    }
}

#[tokio::test]
async fn an_answer_of_another_shape_is_our_fault() {
    let mut calls = ScriptedCalls::answering([Ok(Value::Flag(true))]);
    let (end, _) = Bench::new().run(&tasking(), &mut calls).await;
    let GuestEnd::Stopped(Stop::Fault(message)) = end else { panic!("{end:?}") };
    assert!(message.contains("`tasks.start`"), "{message}");
}

#[tokio::test]
async fn a_refusal_is_the_guests_to_handle() {
    let mut calls = ScriptedCalls::answering([Err(HostError::Conflict("`unit` is taken".into()))]);
    let (end, _) = Bench::new().run(&tasking(), &mut calls).await;
    let GuestEnd::Failed(failure) = end else { panic!("{end:?}") };
    assert_eq!(failure.message, "`unit` is taken");
}

#[tokio::test]
async fn an_optional_interface_answers_denied_and_nothing_crosses() {
    let mut calls = ScriptedCalls::default();
    let linking = Linking { granted: [].into(), denied: ["tasks".to_owned()].into() };
    let (end, _) = Bench::new().run_with(&tasking(), &mut calls, |run| run.linking = linking).await.unwrap();
    let GuestEnd::Failed(failure) = end else { panic!("{end:?}") };
    assert!(failure.message.contains("grants: { tasks"), "{}", failure.message);
    assert_eq!(calls.made(), []);
}

#[tokio::test]
async fn what_is_not_granted_is_not_linked() {
    let bench = Bench::new();
    let refused = bench
        .run_with(&tasking(), &mut ScriptedCalls::default(), |run| run.linking = Linking::default())
        .await;
    let Err(GuestError::NotLinked(reasons)) = refused else { panic!("{refused:?}") };
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    assert!(reasons[0].starts_with("`stageway:host/tasks@0.1.0`: not granted"), "{reasons:?}");
}

#[tokio::test]
async fn log_lines_arrive_escaped_and_bounded() {
    let plugin = logging(Plugin::echo()).text("line", "\u{1b}[2Jred").run(
        "(call $log (i32.const 2) (global.get $line) (global.get $line_len))
         (call $log (i32.const 4) (global.get $line) (global.get $line_len))
         (call $log (i32.const 4) (global.get $line) (global.get $line_len))
         (call $ok (local.get 0) (local.get 1))",
    );
    let mut calls = ScriptedCalls::default();
    let (end, _) = Bench::new().run_with(&plugin, &mut calls, |run| run.limits.log_bytes = 15).await.unwrap();
    assert_eq!(outputs(end), json!({}));
    let lines: Vec<(LogLevel, String)> = vec![
        (LogLevel::Info, "\\u{1b}[2Jred".into()),
        (
            LogLevel::Error,
            "the log limit of 15 bytes is reached: everything after this line is dropped".into(),
        ),
    ];
    assert_eq!(calls.lines(), lines);
}

#[tokio::test]
async fn the_binary_says_what_it_is() {
    let bench = Bench::new();
    let bytes = tasking().manifest(br#"{"name":"acme/x"}"#).encode();
    let component = bench.host.inspect(&bytes).unwrap();
    assert_eq!(component.digest, Digest::of(&bytes));
    assert_eq!(component.manifest.as_deref(), Some(r#"{"name":"acme/x"}"#));
    assert!(component.imports.contains(&"stageway:host/tasks@0.1.0".to_owned()), "{:?}", component.imports);
    assert!(!component.imports.iter().any(|import| import.contains("cluster")), "{:?}", component.imports);
    assert_eq!(component.exports, ["stageway:stage/stage@0.1.0"]);
    assert!(component.functions >= 8 && component.modules >= 1, "{component:?}");
}

#[tokio::test]
async fn guests_run_side_by_side() {
    let bench = Bench::new();
    let plugin = Plugin::echo();
    let attempts = (0..8).map(|number| {
        let (bench, plugin) = (&bench, &plugin);
        async move {
            let configuration: Json = json!({ "number": number });
            let expected = configuration.clone();
            let mut calls = ScriptedCalls::default();
            let end = bench.run_with(plugin, &mut calls, |run| run.configuration = configuration).await;
            assert_eq!(outputs(end.unwrap().0), expected);
        }
    });
    futures::future::join_all(attempts).await;
}
