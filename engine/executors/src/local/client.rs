//! The engine's side: every call is one connection to the supervisor.

use super::protocol::{self, Failure, Greeting, OUTPUT, Request, Response, SocketPath, TASKS, VERSION};
use super::{start, toolbox};
use async_trait::async_trait;
use stageway_core::call::Bytes;
use stageway_core::name::TaskName;
use stageway_core::task::{TaskSpec, TaskState};
use stageway_ports::{Chunk, Cursor, Executor, Incarnation, SecretValues, TaskError};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::sync::Mutex;

/// How often a call is made again when the supervisor ends while it is made. Every call may be repeated.
const TRIES: u32 = 4;

/// How a task's executor on this machine is reached.
#[derive(Debug, Clone)]
pub struct LocalOptions {
    /// The state directory: made with mode 0700 when it is not there. One supervisor serves one state directory.
    pub state: PathBuf,
    /// Program and arguments that start its supervisor, such as `stageway supervisor --state DIR`.
    pub supervisor: Vec<OsString>,
    /// The directories of this machine that the supervisor shows to every task.
    pub toolbox: Vec<PathBuf>,
    /// For how long a supervisor that was started may take until it answers.
    pub start_within: Duration,
}

/// Runs tasks on this machine, through a supervisor that is started when it is needed.
///
/// # Guarantees
/// A task is started at most once, whatever is killed. It survives this value and its process.
pub struct LocalExecutor {
    options: LocalOptions,
    starting: Mutex<()>,
}

impl LocalExecutor {
    /// An executor for a state directory. Nothing is started yet.
    pub fn new(options: LocalOptions) -> Self {
        Self { options, starting: Mutex::new(()) }
    }

    /// Whether there may be something of a task. Its claim is made before everything else, so without one no supervisor has to be
    /// started to say that there is nothing: where all tasks are pods there never is one.
    async fn may_know(&self, name: &TaskName) -> bool {
        let claim = self.options.state.join(TASKS).join(name.as_str());
        tokio::fs::try_exists(claim).await.unwrap_or(true)
    }

    /// One call about a task that is to be known.
    async fn ask(&self, name: &TaskName, request: Request) -> Result<Response, TaskError> {
        match self.may_know(name).await {
            true => self.call(request).await,
            false => Err(TaskError::Unknown(name.clone())),
        }
    }

    async fn call(&self, request: Request) -> Result<Response, TaskError> {
        let mut last = io::Error::from(io::ErrorKind::NotConnected);
        for _ in 0..TRIES {
            let mut socket = self.connected().await?;
            match exchange(&mut socket, &request).await {
                Ok(Response::Failed(failure)) => return Err(failure.into()),
                Ok(response) => return Ok(response),
                Err(error) => last = error,
            }
        }
        Err(TaskError::Unavailable(format!("the supervisor breaks the connection: {last}")))
    }

    async fn connected(&self) -> Result<UnixStream, TaskError> {
        if let Ok(socket) = self.connect().await {
            return Ok(socket);
        }
        let _one = self.starting.lock().await;
        let mut last = match self.connect().await {
            Ok(socket) => return Ok(socket),
            Err(error) => error,
        };
        for attempt in 0..TRIES {
            let started = self.start().await;
            match self.connect().await {
                Ok(socket) => return Ok(socket),
                Err(error) => last = started.err().unwrap_or(error),
            }
            // Another engine's supervisor holds the lock and does not listen yet, or is just ending.
            tokio::time::sleep(Duration::from_millis(50 << attempt)).await;
        }
        Err(TaskError::Unavailable(format!(
            "the supervisor of {} cannot be reached: {last}",
            self.options.state.display()
        )))
    }

    async fn connect(&self) -> io::Result<UnixStream> {
        let address = SocketPath::in_state(&self.options.state)?;
        let socket = UnixStream::connect(address.path()).await?;
        protocol::check_peer(&socket)?;
        Ok(socket)
    }

    async fn start(&self) -> io::Result<()> {
        let LocalOptions { state, supervisor, start_within, .. } = self.options.clone();
        let start = move || {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&state)?;
            start::start(&state, &supervisor, start_within)
        };
        tokio::task::spawn_blocking(start).await.map_err(io::Error::other)?
    }
}

async fn exchange(socket: &mut UnixStream, request: &Request) -> io::Result<Response> {
    protocol::ask(socket, request).await?;
    let theirs: Greeting = protocol::receive(socket).await?;
    if theirs.stageway_supervisor != VERSION {
        return Ok(Response::Failed(Failure::Unavailable(format!(
            "a supervisor of another version ({}, not {VERSION}) still has tasks; it ends with them",
            theirs.stageway_supervisor
        ))));
    }
    protocol::receive(socket).await
}

fn unexpected() -> TaskError {
    TaskError::Unavailable("the supervisor answers something else than was asked".into())
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[async_trait]
impl Executor for LocalExecutor {
    async fn ensure(
        &self,
        name: &TaskName,
        spec: &TaskSpec,
        secrets: &SecretValues,
    ) -> Result<Incarnation, TaskError> {
        let secrets =
            secrets.0.iter().map(|(name, value)| (name.clone(), Bytes(value.expose().to_vec()))).collect();
        let request = Request::Ensure { name: name.clone(), spec: Box::new(spec.clone()), secrets };
        match self.call(request).await? {
            Response::Ensured(incarnation) => Ok(incarnation),
            _ => Err(unexpected()),
        }
    }

    async fn state(
        &self,
        name: &TaskName,
        known: Option<&Incarnation>,
        within: Duration,
    ) -> Result<TaskState, TaskError> {
        let request =
            Request::State { name: name.clone(), known: known.cloned(), within_ms: milliseconds(within) };
        match self.ask(name, request).await {
            Ok(Response::State(state)) => Ok(state),
            Ok(_) => Err(unexpected()),
            Err(TaskError::Unknown(_)) if known.is_some() => Ok(TaskState::Lost),
            Err(error) => Err(error),
        }
    }

    async fn output(&self, name: &TaskName, from: &Cursor, max: usize) -> Result<Chunk, TaskError> {
        let request = Request::Output { name: name.clone(), from: from.clone(), max: max.min(OUTPUT) };
        match self.ask(name, request).await? {
            Response::Output { bytes, offset, next, end } => Ok(Chunk { bytes: bytes.0, offset, next, end }),
            _ => Err(unexpected()),
        }
    }

    async fn cancel(&self, name: &TaskName, grace: Duration) -> Result<(), TaskError> {
        let request = Request::Cancel { name: name.clone(), grace_ms: milliseconds(grace) };
        self.ask(name, request).await.map(drop)
    }

    async fn forget(&self, name: &TaskName) -> Result<(), TaskError> {
        match self.ask(name, Request::Forget { name: name.clone() }).await {
            Ok(_) | Err(TaskError::Unknown(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn toolbox(&self) -> Result<BTreeMap<String, String>, TaskError> {
        // Both sides see the same directories, so the supervisor, which may be busy with tasks, is not asked.
        let toolbox = self.options.toolbox.clone();
        let looked = tokio::task::spawn_blocking(move || toolbox::fingerprints(&toolbox)).await;
        looked
            .map_err(io::Error::other)
            .and_then(|looked| looked)
            .map_err(|error| TaskError::Unavailable(format!("the toolbox cannot be looked at: {error}")))
    }

    async fn sweep(&self) -> Result<Vec<TaskName>, TaskError> {
        if !tokio::fs::try_exists(self.options.state.join(TASKS)).await.unwrap_or(true) {
            return Ok(Vec::new());
        }
        match self.call(Request::Sweep).await? {
            Response::Names(names) => Ok(names),
            _ => Err(unexpected()),
        }
    }
}
