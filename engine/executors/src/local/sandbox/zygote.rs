//! The process that inits are forked from: what starting the executable costs is paid once, and not by every task.

use super::handle::{Init, OBEYED_WITHIN};
use super::order::Forked;
use super::sys::{self, Fork};
use super::{init, wire};
use rustix::process::{PidfdFlags, pidfd_open};
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{ExitCode, Stdio};
use tokio::process::{Child, Command};
use tokio::sync::Mutex;

/// Forks an init for every socket that comes over standard input, until that ends; then, in the process that was forked, is
/// the init of one task. `stageway supervisor zygote` calls this first of all, before any thread is started.
pub fn zygote() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stageway: the init of a task ends: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve() -> io::Result<()> {
    let sockets = take_sockets()?;
    // The kernel takes the inits that have ended away.
    sys::disown_children(true)?;
    while let Some(((), socket)) = wire::receive(&sockets)? {
        let Some(socket) = socket else { return Err(io::Error::other("no socket came with the order")) };
        let (forked, process) = match sys::fork() {
            Ok(Fork::Child) => {
                drop(sockets);
                sys::disown_children(false)?;
                return init::init(socket.into());
            }
            Ok(Fork::Parent(pid)) => match pidfd_open(pid, PidfdFlags::empty()) {
                Ok(process) => {
                    (Forked::Init { pid: pid.as_raw_nonzero().get().unsigned_abs() }, Some(process))
                }
                Err(error) => (Forked::Failed { problem: error.to_string() }, None),
            },
            Err(error) => (Forked::Failed { problem: error.to_string() }, None),
        };
        drop(socket);
        wire::send(&sockets, &forked, process.as_ref().map(AsFd::as_fd))?;
    }
    Ok(())
}

/// Takes the socket from standard input, where no process of a task will find it.
fn take_sockets() -> io::Result<UnixStream> {
    let sockets = rustix::io::fcntl_dupfd_cloexec(io::stdin(), 3)?;
    let null = std::fs::File::open("/dev/null")?;
    rustix::stdio::dup2_stdin(null)?;
    Ok(sockets.into())
}

/// The supervisor's side of it.
pub(crate) struct Zygote {
    program: Vec<OsString>,
    running: Mutex<Option<Running>>,
}

struct Running {
    sockets: tokio::net::UnixStream,
    /// Killed with the last that knows it.
    _child: Child,
}

impl Zygote {
    /// One that is started when it is needed: `program` calls [`zygote`] at once.
    pub(crate) fn new(program: Vec<OsString>) -> Self {
        Self { program, running: Mutex::default() }
    }

    /// An init that waits for its first order. A zygote that somebody killed is replaced.
    pub(crate) async fn fork(&self) -> io::Result<Init> {
        let mut place = self.running.lock().await;
        // One that does not answer to the end is not asked again.
        if let Some(running) = place.take()
            && let Ok(init) = running.fork().await
        {
            *place = Some(running);
            return Ok(init);
        }
        let running = Running::start(&self.program)?;
        let init = running.fork().await?;
        *place = Some(running);
        Ok(init)
    }
}

impl Running {
    fn start(program: &[OsString]) -> io::Result<Self> {
        let (ours, theirs) = pair()?;
        let (name, arguments) = program.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut command = Command::new(name);
        command.args(arguments).env_clear().kill_on_drop(true);
        let child = command.stdin(theirs).stdout(Stdio::null()).spawn()?;
        Ok(Self { sockets: ours, _child: child })
    }

    async fn fork(&self) -> io::Result<Init> {
        let (ours, theirs) = pair()?;
        let exchange = async {
            wire::send_async(&self.sockets, &(), Some(theirs.as_fd())).await?;
            wire::receive_async::<Forked>(&self.sockets).await
        };
        let answer = tokio::time::timeout(OBEYED_WITHIN, exchange).await;
        match answer.map_err(|_| io::ErrorKind::TimedOut)?? {
            Some((Forked::Init { pid }, Some(process))) => Init::new(ours, pid, process),
            Some((Forked::Failed { problem }, _)) => Err(io::Error::other(problem)),
            Some((Forked::Init { .. }, None)) | None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// A socket and the other end of it, which another process gets.
fn pair() -> io::Result<(tokio::net::UnixStream, OwnedFd)> {
    let (ours, theirs) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    Ok((tokio::net::UnixStream::from_std(ours)?, theirs.into()))
}
