//! The lock, the socket, and one task per connection.

use super::table::Table;
use super::{SuperviseError, SupervisorOptions};
use crate::local::protocol::{self, Failure, Greeting, Request, Response, SocketPath, VERSION};
use crate::local::start::READY;
use rustix::fs::{FlockOperation, flock};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tracing::{debug, info, warn};

/// Connections served at the same time; others wait in the socket's queue.
const CONNECTIONS: usize = 512;

/// Serves the tasks of a state directory until there has been nothing to do for a while. Writes the line `ready` to
/// standard output when it answers.
///
/// # Errors
/// [`SuperviseError::Taken`] when another supervisor does so already; [`SuperviseError::State`].
pub async fn supervise(options: SupervisorOptions) -> Result<(), SuperviseError> {
    let state = options.state.clone();
    let failed = |source| SuperviseError::State { state: state.clone(), source };
    // A session of its own: no terminal and no signal of the engine's reaches it. It leads one already when it was started
    // so.
    let _ = rustix::process::setsid();
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&state).map_err(failed)?;
    let Some(lock) = lock(&state).map_err(failed)? else {
        return Err(SuperviseError::Taken(state));
    };
    let idle = options.idle;
    let table = Table::open(options).map_err(failed)?;
    let (address, listener) = listen(&state).map_err(failed)?;
    say_ready();
    info!(state = %state.display(), "the supervisor answers");
    accept(listener, &table, idle).await;
    let _ = std::fs::remove_file(address.path());
    table.vessels.clear().await;
    drop(lock);
    info!("the supervisor ends: nothing to do");
    Ok(())
}

fn lock(state: &Path) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    let file =
        options.create(true).write(true).truncate(false).mode(0o600).open(state.join("supervisor.lock"))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn listen(state: &Path) -> io::Result<(SocketPath, UnixListener)> {
    let address = SocketPath::in_state(state)?;
    match std::fs::remove_file(address.path()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // The state directory is ours alone, so nobody connects between these two.
    let listener = UnixListener::bind(address.path())?;
    std::fs::set_permissions(address.path(), std::fs::Permissions::from_mode(0o600))?;
    Ok((address, listener))
}

fn say_ready() {
    let mut out = io::stdout();
    let _ = writeln!(out, "{READY}").and_then(|()| out.flush());
}

async fn accept(listener: UnixListener, table: &Arc<Table>, idle: Duration) {
    let connections = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = connections.clone().acquire_owned().await else { return };
        let socket = tokio::select! {
            accepted = listener.accept() => accepted,
            () = table.busy().idle_for(idle) => return,
        };
        match socket {
            Ok((socket, _)) => {
                let (table, busy) = (table.clone(), table.busy().enter());
                tokio::spawn(async move {
                    if let Err(error) = answer(socket, &table).await {
                        debug!(%error, "a connection broke");
                    }
                    drop((place, busy));
                });
            }
            Err(error) => {
                warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn answer(mut socket: UnixStream, table: &Arc<Table>) -> io::Result<()> {
    protocol::check_peer(&socket)?;
    let theirs: Greeting = within(protocol::receive(&mut socket)).await?;
    protocol::send(&mut socket, &Greeting { stageway_supervisor: VERSION }).await?;
    if theirs.stageway_supervisor != VERSION {
        return Ok(());
    }
    let request: Request = within(protocol::receive(&mut socket)).await?;
    let response = tokio::select! {
        response = perform(table, request) => response,
        // The engine never writes again, so this is its end; nobody is left to be answered.
        _ = socket.read_u8() => return Ok(()),
    };
    protocol::send(&mut socket, &response).await
}

/// A peer that says nothing must not keep a place.
async fn within<T>(receive: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(Duration::from_secs(30), receive)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

async fn perform(table: &Arc<Table>, request: Request) -> Response {
    let answered = match request {
        Request::Ensure { name, spec, secrets } => {
            table.ensure(name, *spec, secrets).await.map(Response::Ensured)
        }
        Request::State { name, known, within_ms } => {
            table.state(&name, known.as_ref(), Duration::from_millis(within_ms)).await.map(Response::State)
        }
        Request::Output { name, from, max } => table.output(&name, &from, max).await,
        Request::Cancel { name, grace_ms } => {
            table.cancel(&name, Duration::from_millis(grace_ms)).map(|()| Response::Done)
        }
        Request::Forget { name } => table.forget(&name).await.map(|()| Response::Done),
        Request::Sweep => table.sweep().map(Response::Names),
    };
    answered.unwrap_or_else(|failure: Failure| Response::Failed(failure))
}
