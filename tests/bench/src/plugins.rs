//! The guests of the measures.

use crate::guest::Plugin;
use serde_json::{Value as Json, json};

/// Calls that [`reads`] makes.
pub(crate) const READS: u32 = 10_000;

/// Asks for its attempt, and answers its configuration.
pub(crate) fn pure() -> Vec<u8> {
    Plugin::echo()
        .import("invocation", "attempt", "attempt", "(result i32)")
        .run("(drop (call $attempt)) (call $ok (local.get 0) (local.get 1))")
        .manifest(&manifest("pure", &json!({})))
        .encode()
}

/// Asks ten thousand times whether it is cancelled: as many entries.
pub(crate) fn reads() -> Vec<u8> {
    Plugin::echo()
        .import("invocation", "is-cancelled", "cancelled", "(result i32)")
        .run(&format!(
            "(local $left i32) (local.set $left (i32.const {READS}))
             (loop $again
               (drop (call $cancelled))
               (local.set $left (i32.sub (local.get $left) (i32.const 1)))
               (br_if $again (local.get $left)))
             (call $ok (local.get 0) (local.get 1))"
        ))
        .manifest(&manifest("reads", &json!({})))
        .encode()
}

/// Starts `/bin/true` and waits for it.
pub(crate) fn task() -> Vec<u8> {
    Plugin::echo()
        .import("tasks", "[constructor]command", "command", "(param i32 i32) (result i32)")
        .import("tasks", "start", "start", "(param i32 i32 i32 i32)")
        .import("tasks", "[method]task.wait", "wait", "(param i32 i32)")
        .text("name", "true")
        .text("path", "/bin/true")
        .run(
            "(i32.store (i32.const 64) (global.get $path)) (i32.store (i32.const 68) (global.get $path_len))
             (call $start (global.get $name) (global.get $name_len)
               (call $command (i32.const 64) (i32.const 1)) (i32.const 128))
             (if (i32.load8_u (i32.const 128))
               (then (return (call $failed (i32.load (i32.const 136)) (i32.load (i32.const 140))))))
             (call $wait (i32.load (i32.const 132)) (i32.const 256))
             (if (i32.load8_u (i32.const 256)) (then (return (call $failed (global.get $name) (i32.const 4)))))
             (call $ok (local.get 0) (local.get 1))",
        )
        .manifest(&manifest("task", &json!({ "required": [{ "interface": "tasks" }] })))
        .encode()
}

/// A guest that sleeps for less than an attempt is kept in memory for, and one that sleeps for so long that it is parked.
pub(crate) const NAP: &str = "nap";
pub(crate) const HOUR: &str = "hour";

/// Sleeps for so many milliseconds.
pub(crate) fn sleeps(name: &str, milliseconds: u32) -> Vec<u8> {
    Plugin::echo()
        .import("clock", "sleep", "sleep", "(param i32 i32)")
        .run(&format!(
            "(call $sleep (i32.const {milliseconds}) (i32.const 256)) (call $ok (local.get 0) (local.get 1))"
        ))
        .manifest(&manifest(name, &json!({})))
        .encode()
}

fn manifest(name: &str, grants: &Json) -> Vec<u8> {
    let properties = json!({ "round": { "type": "string" }, "number": { "type": "integer" } });
    let object = json!({ "type": "object", "properties": properties });
    let manifest = json!({
        "name": format!("stageway/bench-{name}"), "version": "1.0.0", "summary": "A guest of the benchmark",
        "configuration": object, "outputs": object, "grants": grants,
    });
    manifest.to_string().into_bytes()
}

/// A pipeline of stages that follow one another, all of one plugin. `round` makes it different from every other, so that
/// nothing is skipped as unchanged.
pub(crate) fn pipeline(plugin: &str, stages: usize, round: &str) -> String {
    let mut text = "pipeline: bench\non: { push: { branches: [main] } }\nstages:\n".to_owned();
    for number in 0..stages {
        let needs = match number {
            0 => String::new(),
            _ => format!("needs: [s{}], ", number - 1),
        };
        text += &format!(
            "  s{number}: {{ uses: stageway/bench-{plugin}@1, {needs}with: {{ round: \"{round}\", number: {number} }} }}\n"
        );
    }
    text
}
