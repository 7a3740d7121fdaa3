//! The trace of a run, as a receiver in Python reads it with OpenTelemetry's own messages.

use crate::world::{CONTEXT, World};
use serde_json::Value as Json;
use std::fs::{Permissions, set_permissions};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver as Lines};
use std::time::{Duration, Instant};

struct Receiver {
    child: Child,
    lines: Lines<String>,
    port: u16,
}

impl Receiver {
    fn start() -> Self {
        let otlp = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("otlp");
        let setup =
            Command::new(otlp.join("setup")).stderr(Stdio::inherit()).output().expect("the set-up runs");
        assert!(setup.status.success(), "the messages of OpenTelemetry cannot be installed");
        let python = String::from_utf8(setup.stdout).expect("a path");
        let mut child = Command::new(python.trim())
            .arg(otlp.join("receiver.py"))
            .stdout(Stdio::piped())
            .spawn()
            .expect("the receiver starts");
        let output = BufReader::new(child.stdout.take().expect("its output"));
        let (line, lines) = mpsc::channel();
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|text| line.send(text)));
        let port = next(&lines).parse().expect("a port");
        Self { child, lines, port }
    }

    fn spans(&self, count: usize) -> Vec<Json> {
        (0..count).map(|_| serde_json::from_str(&next(&self.lines)).expect("JSON")).collect()
    }
}

fn next(lines: &Lines<String>) -> String {
    lines.recv_timeout(Duration::from_secs(60)).expect("a line within a minute")
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_run_that_two_servers_drove_is_one_trace_below_its_delivery() {
    let receiver = Receiver::start();
    let url = format!("http://127.0.0.1:{}/v1/traces", receiver.port);
    let world =
        World::with(&format!("traces: {{ url: \"{url}\", headers: {{ X-Key: env:OTHER_SECRET }} }}\n"));
    let script = world.folder().join("work/ci/check.sh");
    set_permissions(script, Permissions::from_mode(0o755)).expect("its mode");
    world.write("ci/check.sh", "#!/bin/sh\nsleep 5\nexit 1\n");
    let revision = world.commit("src/a", "1");
    world.push(&revision, "main");
    let server = world.start();
    world.deliver(&server, "d1", &world.pushed("main", "", &revision));
    let end = Instant::now() + Duration::from_secs(60);
    while world.runs().first().is_none_or(|run| run["status"] == "queued") {
        assert!(Instant::now() < end, "the run does not start: {:?}", world.runs());
        std::thread::sleep(Duration::from_millis(50));
    }
    server.kill();
    let _server = world.start();
    world.forge.ended(&revision, CONTEXT);

    let spans = receiver.spans(3);
    let names: Vec<_> = spans.iter().map(|span| span["name"].as_str().unwrap_or_default()).collect();
    assert_eq!(names, ["delivery", "run", "check"]);
    let [delivery, run, stage] = [&spans[0], &spans[1], &spans[2]];
    for span in &spans {
        assert_eq!(span["path"], "/v1/traces");
        assert_eq!(span["type"], "application/x-protobuf");
        assert_eq!(span["key"], "the one before");
        assert_eq!(span["service"], "stageway");
        assert_eq!(span["trace"], delivery["trace"]);
        assert!(span["begun"].as_u64() <= span["ended"].as_u64(), "{span}");
    }
    assert_eq!(delivery["trace"].as_str().map(str::len), Some(32));
    assert_eq!(delivery["parent"], "");
    assert_eq!(run["parent"], delivery["id"]);
    assert_eq!(stage["parent"], run["id"]);
    assert_eq!(delivery["attributes"]["stageway.delivery.event"], "push");
    assert_eq!(run["attributes"]["cicd.pipeline.name"], "demo");
    assert_eq!(run["attributes"]["vcs.ref.head.revision"], revision.as_str());
    assert_eq!(run["attributes"]["cicd.pipeline.result"], "failure");
    assert_eq!(stage["attributes"]["cicd.pipeline.task.run.result"], "failure");
    assert_eq!((&run["status"], &stage["status"]), (&2.into(), &2.into()), "both are marked as errors");
    let took = stage["ended"].as_u64().zip(stage["begun"].as_u64()).map(|(ended, begun)| ended - begun);
    assert!(took >= Some(5_000_000_000), "the span has the time before the server was killed as well");
}
