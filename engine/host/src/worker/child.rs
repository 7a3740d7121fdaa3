//! The worker itself.

use super::confine;
use super::frame::{self, Order, Report, Said};
use crate::host::Runner;
use crate::options::ComponentLimits;
use crate::prepared::{Prepared, Registry};
use crate::ticker::Ticker;
use crate::{engine, pure, run};
use async_trait::async_trait;
use stageway_core::call::{Call, Reply, Stop};
use stageway_core::digest::Digest;
use stageway_core::journal::canonical;
use stageway_ports::{Calls, GuestError, GuestRun};
use std::collections::HashMap;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream as Pair;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use wasmtime::component::Component;

/// Instances that may live at the same time, and components that are kept ready.
const INSTANCES: u32 = 128;
const PREPARED: usize = 128;

/// The whole life of a worker: gives up all it could reach, then runs what its engine sends over standard input, a socket,
/// until that closes.
pub fn worker_child() -> ExitCode {
    match live() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            let _ = writeln!(io::stderr(), "{message}");
            ExitCode::FAILURE
        }
    }
}

fn live() -> Result<(), String> {
    let socket = io::stdin().as_fd().try_clone_to_owned().map(Pair::from);
    let socket = socket.map_err(|error| format!("there is no socket: {error}"))?;
    socket.set_nonblocking(true).map_err(|error| format!("standard input is no socket: {error}"))?;
    let bounds = ComponentLimits::default();
    let engine = engine::running(INSTANCES, &bounds).map_err(|error| format!("no engine: {error:#}"))?;
    let ticker = Ticker::start(&engine).map_err(|error| format!("no thread that watches guests: {error}"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("no threads: {error}"))?;
    // What it takes is open now; no guest is here yet.
    confine::confine().map_err(|error| format!("this process cannot be confined: {error}"))?;
    let room = Room {
        runner: Runner { engine, bounds, ticker: Arc::new(ticker) },
        registry: Registry::new(PREPARED),
    };
    runtime.block_on(async {
        let socket = UnixStream::from_std(socket).map_err(|error| error.to_string())?;
        serve(Arc::new(room), socket).await.map_err(|error| format!("the engine is not understood: {error}"))
    })
}

/// What guests run in.
struct Room {
    runner: Runner,
    registry: Registry,
}

/// A guest that runs.
struct Running {
    replies: mpsc::Sender<Reply>,
    work: AbortHandle,
}

async fn serve(room: Arc<Room>, socket: UnixStream) -> io::Result<()> {
    let (mut read, mut write) = socket.into_split();
    // Each line has at most one report that waits.
    let (reports, mut said) = mpsc::unbounded_channel::<Report>();
    tokio::spawn(async move {
        while let Some(report) = said.recv().await {
            if frame::write(&mut write, &report, &[]).await.is_err() {
                return;
            }
        }
    });
    let mut running: HashMap<u64, Running> = HashMap::new();
    while let Some((order, code)) = frame::read::<Order>(&mut read).await? {
        match order {
            Order::Load { line, component, imports } => {
                let (room, reports) = (room.clone(), reports.clone());
                tokio::task::spawn_blocking(move || {
                    let loaded = room.load(component, imports, &code);
                    let _ = reports.send(Report { line, said: Said::Loaded(loaded) });
                });
            }
            Order::Run { line, run } => {
                let (replies, answers) = mpsc::channel(1);
                let calls = Asked { line, reports: reports.clone(), answers };
                let work = tokio::spawn(attempt(room.clone(), run, calls)).abort_handle();
                running.insert(line, Running { replies, work });
            }
            Order::Validate { line, component, configuration } => {
                let (room, reports) = (room.clone(), reports.clone());
                tokio::spawn(async move {
                    let said = room.validate(&component, &canonical(&configuration)).await;
                    let _ = reports.send(Report { line, said });
                });
            }
            Order::Reply { line, reply } => {
                if let Some(running) = running.get(&line) {
                    let _ = running.replies.try_send(*reply);
                }
            }
            Order::Drop { line } => {
                if let Some(running) = running.remove(&line) {
                    running.work.abort();
                }
            }
        }
    }
    Ok(())
}

async fn attempt(room: Arc<Room>, run: Box<GuestRun>, mut calls: Asked) {
    let (line, reports) = (calls.line, calls.reports.clone());
    let said = match room.registry.get(&run.component) {
        None => Said::Missing,
        Some(prepared) => Said::Ended(run::attempt(&room.runner, &prepared, &run, &mut calls).await),
    };
    let _ = reports.send(Report { line, said });
}

impl Room {
    fn load(&self, component: Digest, imports: Vec<String>, code: &[u8]) -> Result<(), GuestError> {
        let loaded = machine_code(&self.runner.engine, code)
            .map_err(|error| GuestError::Host(format!("machine code cannot be loaded: {error:#}")))?;
        self.registry.put(Prepared::new(&self.runner.engine, &loaded, component, imports)?);
        Ok(())
    }

    async fn validate(&self, component: &Digest, configuration: &str) -> Said {
        match self.registry.get(component) {
            None => Said::Missing,
            Some(prepared) => Said::Validated(pure::validate(&self.runner, &prepared, configuration).await),
        }
    }
}

/// Takes machine code from the engine.
#[allow(unsafe_code, reason = "loading machine code cannot be safe by itself; the argument stands below")]
fn machine_code(engine: &wasmtime::Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: the bytes must be what a compatible wasmtime serialized.
    // * They come over the socket that this process was started with, whose other end is the engine that started it: it sends
    //   what it serialized of a component that it has loaded. wasmtime checks version and settings at their head.
    // * They are this process's own copy: nobody changes them.
    unsafe { Component::deserialize(engine, code) }
}

/// Passes a guest's calls on to the engine.
struct Asked {
    line: u64,
    reports: mpsc::UnboundedSender<Report>,
    answers: mpsc::Receiver<Reply>,
}

#[async_trait]
impl Calls for Asked {
    async fn call(&mut self, call: Call) -> Reply {
        let gone = || Reply::Stop(Stop::Fault("the engine is gone".to_owned()));
        let said = Said::Call(Box::new(call));
        if self.reports.send(Report { line: self.line, said }).is_err() {
            return gone();
        }
        self.answers.recv().await.unwrap_or_else(gone)
    }
}
