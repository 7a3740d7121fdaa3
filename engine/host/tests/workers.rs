//! Guests of tenants in processes of their own. This program is also the worker, and what pretends to be one.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use libtest_mimic::{Arguments, Trial};
use serde_json::json;
use stageway_core::call::{Call, LogLevel, Reply, Value};
use stageway_core::limits::AttemptLimits;
use stageway_core::name::TenantId;
use stageway_core::run::Usage;
use stageway_host::{CompileBy, Host, HostOptions, WorkerOptions, Workers, worker_child};
use stageway_ports::memory::ScriptedCalls;
use stageway_ports::{Calls, GuestEnd, GuestError, GuestRun, Guests as _, Linking};
use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};
use support::{Plugin, everything, outputs};
use tempfile::TempDir;
use tokio::time::timeout;

const THIS: &str = "/proc/self/exe";

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some(word) if word.starts_with("worker") => return worker_child(),
        Some("trying-worker") => {
            std::thread::spawn(try_everything);
            return worker_child();
        }
        Some("liar") => return lie(),
        _ => {}
    }
    let trial = |name: &str, test: fn()| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
    };
    let trials = vec![
        trial("a_guest_ends_as_it_does_in_process", a_guest_ends_as_it_does_in_process),
        trial("validate_answers", validate_answers),
        trial("tenants_have_processes_of_their_own", tenants_have_processes_of_their_own),
        trial("a_worker_that_is_killed_is_a_fault_and_the_next_one_goes_on", a_killed_worker),
        trial("a_call_that_nobody_waits_for_any_more_ends", a_dropped_call),
        trial("a_worker_without_guests_ends", an_idle_worker),
        trial("a_worker_reaches_no_file_no_network_and_no_process", a_confined_worker),
        trial("what_no_guest_was_linked_with_is_refused", a_liar),
        trial("what_is_no_worker_is_a_fault", no_worker),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// Workers over a host of their own.
struct Bench {
    workers: Workers,
    _directory: TempDir,
}

impl Bench {
    fn new() -> Self {
        Self::of("worker", Duration::from_secs(60))
    }

    fn of(word: &str, idle: Duration) -> Self {
        Self::program(THIS, &[word], idle)
    }

    fn program(program: &str, arguments: &[&str], idle: Duration) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut options = HostOptions::new(directory.path(), CompileBy::InProcess);
        options.instances = 8;
        let arguments = arguments.iter().map(OsString::from).collect();
        let options =
            (Host::new(options).unwrap(), WorkerOptions { program: program.into(), arguments, idle });
        Self { workers: Workers::new(options.0, options.1), _directory: directory }
    }

    async fn run(
        &self,
        tenant: &str,
        plugin: &Plugin,
        calls: &mut dyn Calls,
        change: impl FnOnce(&mut GuestRun),
    ) -> Result<(GuestEnd, Usage), GuestError> {
        let component = self.workers.prepare(&plugin.encode()).await?;
        let mut run = GuestRun {
            tenant: TenantId::new(tenant).unwrap(),
            component,
            linking: everything(),
            limits: AttemptLimits { cpu_ms: 300, wall_ms: 20_000, ..AttemptLimits::default() },
            configuration: json!({"number": 7.5}),
            seed: [7; 32],
            replayed: 0,
        };
        change(&mut run);
        self.workers.run(run, calls).await
    }

    async fn is_well(&self, tenant: &str) {
        let ended = self.run(tenant, &Plugin::echo(), &mut ScriptedCalls::default(), |_| {}).await;
        assert_eq!(outputs(ended.unwrap().0), json!({"number": 7.5}));
    }
}

fn wait(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async { timeout(Duration::from_secs(120), test).await.expect("it takes too long") });
}

/// Processes of these workers: they are children of this one, started by any of its threads.
fn workers(word: &str) -> Vec<u32> {
    let own = std::process::id().to_string();
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:\t"));
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let argument = command.split(|byte| *byte == 0).nth(1);
        parent == Some(own.as_str()) && argument == Some(word.as_bytes())
    })
    .collect()
}

/// Says something, then ends with its configuration.
fn talking() -> Plugin {
    Plugin::echo().import("log", "write", "log", "(param i32 i32 i32)").text("line", "over the socket").run(
        "(call $log (i32.const 2) (global.get $line) (global.get $line_len))
         (call $ok (local.get 0) (local.get 1))",
    )
}

/// Asks what time it is.
fn asking() -> Plugin {
    Plugin::echo()
        .import("clock", "now-ms", "now", "(result f64)")
        .run("(drop (call $now)) (call $ok (local.get 0) (local.get 1))")
}

fn a_guest_ends_as_it_does_in_process() {
    wait(async {
        let bench = Bench::new();
        let mut calls = ScriptedCalls::default();
        let (end, usage) = bench.run("one", &talking(), &mut calls, |_| {}).await.unwrap();
        assert_eq!((outputs(end), usage.calls), (json!({"number": 7.5}), 1));
        assert_eq!(calls.lines(), [(LogLevel::Info, "over the socket".to_owned())]);
        let endless = Plugin::echo().run("(loop $again (br $again)) unreachable");
        let (end, _) = bench.run("one", &endless, &mut ScriptedCalls::default(), |_| {}).await.unwrap();
        assert_eq!(end, GuestEnd::Limit("cpu-ms".to_owned()));
        let ungranted = bench
            .run("one", &tasking(), &mut ScriptedCalls::default(), |run| run.linking = Linking::default())
            .await;
        assert!(matches!(ungranted, Err(GuestError::NotLinked(_))), "{ungranted:?}");
        bench.is_well("one").await;
    });
}

fn tasking() -> Plugin {
    Plugin::echo().import("tasks", "[constructor]command", "command", "(param i32 i32) (result i32)")
}

fn validate_answers() {
    wait(async {
        let bench = Bench::new();
        let component = bench.workers.prepare(&Plugin::echo().encode()).await.unwrap();
        let one = TenantId::new("one").unwrap();
        for _ in 0..2 {
            assert_eq!(bench.workers.validate(&one, &component, &json!({})).await, Ok(vec![]));
        }
    });
}

fn tenants_have_processes_of_their_own() {
    wait(async {
        let bench = Bench::of("worker-of-tenants", Duration::from_secs(60));
        for tenant in ["one", "two", "one"] {
            bench.is_well(tenant).await;
        }
        assert_eq!(workers("worker-of-tenants").len(), 2);
    });
}

/// Never answers, and tells when it is asked.
struct Silent(tokio::sync::mpsc::Sender<()>);

#[async_trait::async_trait]
impl Calls for Silent {
    async fn call(&mut self, _: Call) -> Reply {
        let _ = self.0.send(()).await;
        std::future::pending().await
    }
}

fn a_killed_worker() {
    wait(async {
        let bench = Bench::of("worker-killed", Duration::from_secs(60));
        let (asked, mut is_asked) = tokio::sync::mpsc::channel(1);
        let (plugin, mut calls) = (asking(), Silent(asked));
        let run = bench.run("one", &plugin, &mut calls, |_| {});
        let kill = async {
            is_asked.recv().await.unwrap();
            let [worker] = workers("worker-killed")[..] else { panic!("one worker") };
            let killed = Command::new("kill").args(["-KILL", &worker.to_string()]).status().unwrap();
            assert!(killed.success());
        };
        let (ended, ()) = tokio::join!(run, kill);
        let Err(GuestError::Host(message)) = ended else { panic!("{ended:?}") };
        assert!(
            message.contains("the worker process of tenant `one` is lost: it ended (signal: 9"),
            "{message}"
        );
        bench.is_well("one").await;
    });
}

fn a_dropped_call() {
    wait(async {
        let bench = Bench::new();
        let (asked, mut is_asked) = tokio::sync::mpsc::channel(1);
        let plugin = asking();
        // More than there are instances in a worker.
        for _ in 0..150 {
            let mut calls = Silent(asked.clone());
            let run = bench.run("one", &plugin, &mut calls, |_| {});
            tokio::select! {
                ended = run => panic!("a call that is not answered has ended: {ended:?}"),
                _ = is_asked.recv() => {}
            }
        }
        bench.is_well("one").await;
    });
}

fn an_idle_worker() {
    wait(async {
        let bench = Bench::of("worker-idle", Duration::from_millis(300));
        bench.is_well("one").await;
        let begun = Instant::now();
        while !workers("worker-idle").is_empty() {
            assert!(begun.elapsed() < Duration::from_secs(30), "it does not end");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bench.is_well("one").await;
    });
}

/// Tries, from within a worker, what a guest that broke out would.
fn try_everything() {
    let begun = Instant::now();
    while std::fs::File::open("/etc/passwd").is_ok() {
        assert!(begun.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(10));
    }
    let is = |refused: bool| if refused { "refused" } else { "ALLOWED" };
    let said = [
        ("a file", is(std::fs::read("/etc/passwd").is_err())),
        ("a directory", is(std::fs::read_dir("/").is_err())),
        ("a file to write", is(std::fs::write("/tmp/stageway-broke-out", "x").is_err())),
        (
            "a connection",
            is(std::net::TcpStream::connect("127.0.0.1:9").is_err_and(|e| e.raw_os_error() == Some(1))),
        ),
        ("a listener", is(std::net::TcpListener::bind("127.0.0.1:0").is_err())),
        (
            "a socket file",
            is(UnixStream::connect("/run/stageway").is_err_and(|e| e.raw_os_error() == Some(1))),
        ),
        ("a program", is(Command::new("/bin/true").spawn().is_err())),
    ];
    for (what, so) in said {
        eprintln!("{what}: {so}");
    }
    eprintln!("a thread: {}", if std::thread::spawn(|| ()).join().is_ok() { "works" } else { "FAILS" });
    std::process::exit(0);
}

fn a_confined_worker() {
    let (_ours, theirs) = UnixStream::pair().unwrap();
    let worker = Command::new(THIS)
        .arg("trying-worker")
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let said = String::from_utf8(worker.stderr).unwrap();
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.len(), 8, "{said}");
    assert!(
        lines[..7].iter().all(|line| line.ends_with(": refused")) && lines[7] == "a thread: works",
        "{said}"
    );
}

/// A worker that passes on a call which its guest could not have made.
fn lie() -> ExitCode {
    let mut socket = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned().unwrap());
    let call = r#"{"line":1,"said":{"call":{"seq":1,"function":{"interface":"secrets","call":{"function":"get","request":{"name":"deploy-key"}}}}}}"#;
    let mut message = u32::try_from(call.len()).unwrap().to_le_bytes().to_vec();
    message.extend([0; 4]);
    message.extend(call.bytes());
    socket.write_all(&message).unwrap();
    // Whatever is answered is thrown away, until the engine has had enough.
    let _ = socket.read_to_end(&mut Vec::new());
    ExitCode::SUCCESS
}

fn a_liar() {
    wait(async {
        let bench = Bench::of("liar", Duration::from_secs(60));
        let mut calls = ScriptedCalls::new(|_| Some(Reply::Answer(Ok(Value::Done))));
        let plugin = Plugin::echo();
        let run = bench.run("one", &plugin, &mut calls, |run| run.linking = Linking::default());
        let ended = timeout(Duration::from_secs(10), run).await.expect("it is told at once");
        let Err(GuestError::Host(message)) = ended else { panic!("{ended:?}") };
        assert!(message.contains("`secrets.get`, which its guest is not linked with"), "{message}");
        assert_eq!(calls.made(), []);
    });
}

fn no_worker() {
    wait(async {
        for (program, arguments) in
            [("/bin/true", &[][..]), ("/bin/sh", &["-c", "echo nonsense >&0; sleep 9"]), ("/nowhere", &[])]
        {
            let bench = Bench::program(program, arguments, Duration::from_secs(60));
            let ended = bench.run("one", &Plugin::echo(), &mut ScriptedCalls::default(), |_| {}).await;
            assert!(matches!(ended, Err(GuestError::Host(_))), "{program}: {ended:?}");
        }
    });
}
