//! One worker as the engine has it.

use super::frame::{self, Order, Report, Said};
use stageway_core::name::TenantId;
use stageway_ports::GuestError;
use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as Pair;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;

/// Bytes of what a worker writes on its standard error in its whole life, all of it shown in the engine's log.
const MOST_STDERR: u64 = 64 << 10;
/// From the beginning of a message to its end.
const MESSAGE: Duration = Duration::from_secs(60);
/// How long a worker that has closed its socket has to end.
const LAST: Duration = Duration::from_secs(2);

/// A worker, and everything that runs in it.
pub(super) struct Worker {
    tenant: TenantId,
    orders: mpsc::UnboundedSender<(Order, Vec<u8>)>,
    board: Mutex<Board>,
    /// Somebody found out that it does what no worker does.
    broken: Notify,
}

/// Who waits for what.
#[derive(Default)]
struct Board {
    /// Why nothing new can be begun.
    closed: Option<String>,
    next: u64,
    lines: HashMap<u64, mpsc::Sender<Said>>,
}

/// A guest's call in a worker. Dropping it drops the instance.
pub(super) struct Line {
    worker: Arc<Worker>,
    id: u64,
    reports: mpsc::Receiver<Said>,
}

impl Worker {
    /// Starts one, which ends when nothing has run in it for `idle`.
    ///
    /// # Errors
    /// When no process can be started.
    pub(super) fn start(
        tenant: &TenantId,
        (program, arguments): (&Path, &[OsString]),
        idle: Duration,
    ) -> io::Result<Arc<Self>> {
        let (ours, theirs) = Pair::pair()?;
        ours.set_nonblocking(true)?;
        let (read, write) = UnixStream::from_std(ours)?.into_split();
        let mut child = Command::new(program)
            .args(arguments)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(tell(tenant.clone(), stderr));
        }
        let (orders, taken) = mpsc::unbounded_channel();
        let (tenant, board, broken) = (tenant.clone(), Mutex::default(), Notify::new());
        let worker = Arc::new(Self { tenant, orders, board, broken });
        tokio::spawn(send(write, taken));
        tokio::spawn(worker.clone().attend(child, read, idle));
        Ok(worker)
    }

    /// A new line, unless the worker has ended.
    pub(super) fn line(self: &Arc<Self>) -> Option<Line> {
        let mut board = self.board();
        if board.closed.is_some() {
            return None;
        }
        board.next += 1;
        let id = board.next;
        // A guest says one thing and waits.
        let (sender, reports) = mpsc::channel(1);
        board.lines.insert(id, sender);
        Some(Line { worker: self.clone(), id, reports })
    }

    /// Takes what it reports until it ends, is at fault, or has had nothing to do for long enough.
    async fn attend(self: Arc<Self>, mut child: Child, read: OwnedReadHalf, idle: Duration) {
        let mut read = BufReader::new(read);
        let why = loop {
            let waited = tokio::select! {
                waited = timeout(idle, read.fill_buf()) => waited.map(drop),
                () = self.broken.notified() => break None,
            };
            match waited {
                Err(_) if self.close_if_idle() => break None,
                Err(_) => continue,
                Ok(()) => {}
            }
            match timeout(MESSAGE, frame::read::<Report>(&mut read)).await {
                Ok(Ok(Some((report, _)))) => {
                    if !self.deliver(report) {
                        break Some("it said something that nobody waits for".to_owned());
                    }
                }
                Ok(Ok(None)) => break Some("it ended".to_owned()),
                Ok(Err(error)) => break Some(error.to_string()),
                Err(_) => break Some("it does not end what it began to say".to_owned()),
            }
        };
        if let Some(why) = why {
            let status = match timeout(LAST, child.wait()).await {
                Ok(Ok(status)) => format!("{why} ({status})"),
                _ => why,
            };
            tracing::warn!(tenant.id = %self.tenant, reason = status, "the worker of a tenant is gone");
            self.close(status);
        }
        let _ = child.kill().await;
    }

    /// Whether somebody waited for it, or did until just now.
    fn deliver(&self, Report { line, said }: Report) -> bool {
        let board = self.board();
        match board.lines.get(&line) {
            Some(waits) => !matches!(waits.try_send(said), Err(mpsc::error::TrySendError::Full(_))),
            None => line > 0 && line <= board.next,
        }
    }

    fn close_if_idle(&self) -> bool {
        let mut board = self.board();
        let idle = board.lines.is_empty();
        if idle {
            board.closed = Some("it had nothing to do".to_owned());
        }
        idle
    }

    fn close(&self, why: String) {
        let mut board = self.board();
        board.closed = Some(why);
        board.lines.clear();
    }

    fn lost(&self, why: &str) -> GuestError {
        GuestError::Host(format!("the worker process of tenant `{}` is lost: {why}", self.tenant))
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    /// Its number, for orders.
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// Sends an order, with machine code where that belongs to it.
    pub(super) fn order(&self, order: Order, code: Vec<u8>) {
        // A worker that is gone says so where its answer is awaited. What waits is at most one order of each line.
        let _ = self.worker.orders.send((order, code));
    }

    /// Ends the worker, which did what none does: perhaps somebody has broken into it.
    pub(super) fn broken(&self, why: String) -> GuestError {
        tracing::error!(tenant.id = %self.worker.tenant, reason = why, "the worker of a tenant is not to be trusted and ends");
        self.worker.close(why.clone());
        self.worker.broken.notify_one();
        self.worker.lost(&why)
    }

    /// What the worker says next.
    ///
    /// # Errors
    /// [`GuestError::Host`] when it has ended.
    pub(super) async fn next(&mut self) -> Result<Said, GuestError> {
        match self.reports.recv().await {
            Some(said) => Ok(said),
            None => {
                let why = self.worker.board().closed.clone().unwrap_or_else(|| "it is gone".to_owned());
                Err(self.worker.lost(&why))
            }
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.worker.board().lines.remove(&self.id);
        let _ = self.worker.orders.send((Order::Drop { line: self.id }, Vec::new()));
    }
}

/// Sends orders until the worker is gone or nobody has any.
async fn send(mut write: OwnedWriteHalf, mut orders: mpsc::UnboundedReceiver<(Order, Vec<u8>)>) {
    while let Some((order, code)) = orders.recv().await {
        if frame::write(&mut write, &order, &code).await.is_err() {
            return;
        }
    }
}

/// Shows what a worker writes on its standard error.
async fn tell(tenant: TenantId, stderr: ChildStderr) {
    let mut lines = BufReader::new(stderr.take(MOST_STDERR)).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        tracing::warn!(tenant.id = %tenant, line, "a worker says");
    }
}
