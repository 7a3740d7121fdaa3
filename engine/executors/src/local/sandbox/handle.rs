//! The supervisor's side of an init.

use super::order::{Confinement, Exit, NewRoot, Numbered, Order, Quiet, Report};
use super::{sys, wire};
use rustix::process::{Signal, pidfd_send_signal};
use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use thiserror::Error;
use tokio::io::unix::AsyncFd;
use tokio::net::UnixStream;
use tokio::sync::{Mutex, mpsc, watch};

/// How long an init may take to obey; killing everything is the longest.
pub(super) const OBEYED_WITHIN: Duration = Duration::from_secs(30);

/// The init of a task does not answer any more.
#[derive(Debug, Error)]
#[error("the init of the task is gone: {0}")]
pub(crate) struct Gone(pub String);

type Answer = (u64, Report, Option<OwnedFd>);

/// What became of an attempt to launch an init.
pub(crate) enum Launched {
    /// It waits for orders.
    Ready(Box<Init>),
    /// This machine forbids it.
    Refused { problem: String, remedy: String },
}

/// What an init told about its processes.
#[derive(Default)]
struct Ended {
    exits: BTreeMap<u32, Exit>,
    quiet: Option<Quiet>,
}

/// A running init. Dropping it kills it, and with it everything of the task.
pub(crate) struct Init {
    control: Arc<UnixStream>,
    answers: Mutex<mpsc::Receiver<Answer>>,
    ended: watch::Receiver<Ended>,
    next: AtomicU64,
    /// A descriptor of the process, readable when that has ended.
    process: AsyncFd<OwnedFd>,
    pid: u32,
}

impl Init {
    /// The init that is the process `pid` and has the other end of `control`.
    pub(super) fn new(control: UnixStream, pid: u32, process: OwnedFd) -> io::Result<Init> {
        let process = sys::readable(process)?;
        let control = Arc::new(control);
        let (answer, answers) = mpsc::channel(16);
        let (tell, ended) = watch::channel(Ended::default());
        tokio::spawn(listen(control.clone(), answer, tell));
        Ok(Init { control, answers: answers.into(), ended, next: AtomicU64::new(1), process, pid })
    }

    /// Lets it make its namespaces.
    pub(crate) async fn begin(self, confinement: Confinement) -> Result<Launched, Gone> {
        match self.order(Order::Begin(confinement), None).await? {
            (Report::Ready, _) => Ok(Launched::Ready(Box::new(self))),
            (Report::Refused { problem, remedy }, _) => Ok(Launched::Refused { problem, remedy }),
            (other, _) => Err(Gone(format!("it answered {other:?}"))),
        }
    }

    /// Whether it has ended without being told to.
    pub(crate) fn is_gone(&mut self) -> bool {
        self.answers.get_mut().is_closed()
    }

    /// The pid of the process that was started.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Gives an order and waits for its answer.
    pub(crate) async fn order(
        &self,
        order: Order,
        fd: Option<OwnedFd>,
    ) -> Result<(Report, Option<OwnedFd>), Gone> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let mut answers = self.answers.lock().await;
        let message = Numbered { id, body: order };
        let exchange = async {
            wire::send_async(&self.control, &message, fd.as_ref().map(AsFd::as_fd))
                .await
                .map_err(|e| Gone(e.to_string()))?;
            drop(fd);
            loop {
                match answers.recv().await {
                    Some((answered, report, fd)) if answered == id => return Ok((report, fd)),
                    Some(_) => {}
                    None => return Err(Gone("it ended".into())),
                }
            }
        };
        match tokio::time::timeout(OBEYED_WITHIN, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(Gone(format!("it did not obey within {} s", OBEYED_WITHIN.as_secs()))),
        }
    }

    /// Waits until a process has ended.
    pub(crate) async fn exited(&self, process: u32) -> Result<Exit, Gone> {
        let mut ended = self.ended.clone();
        let seen = ended.wait_for(|ended| ended.exits.contains_key(&process)).await;
        seen.ok().and_then(|ended| ended.exits.get(&process).copied()).ok_or_else(|| Gone("it ended".into()))
    }

    /// Builds a root for a process that is not known yet; the inner error says why there is none.
    pub(crate) async fn stand(&self, root: NewRoot) -> Result<Result<(), String>, Gone> {
        match self.order(Order::Stand(Box::new(root)), None).await? {
            (Report::Built, _) => Ok(Ok(())),
            (Report::Failed { problem }, _) => Ok(Err(problem)),
            (other, _) => Err(Gone(format!("it answered {other:?}"))),
        }
    }

    /// Kills everything but the init, unless that was done when the last process ended.
    pub(crate) async fn quiesce(&self) -> Result<Quiet, Gone> {
        if let Some(quiet) = self.ended.borrow().quiet {
            return Ok(quiet);
        }
        match self.order(Order::Quiesce, None).await? {
            (Report::Quiet(quiet), _) => Ok(quiet),
            (other, _) => Err(Gone(format!("it answered {other:?}"))),
        }
    }

    /// Ends it, and with it everything that is left of the task. One that has ended is left alone.
    pub(crate) async fn end(&mut self) {
        // It ends by itself when its orders end, and takes its namespaces along; killing it is for when it does not.
        let _ = rustix::net::shutdown(&*self.control, rustix::net::Shutdown::Both);
        if tokio::time::timeout(OBEYED_WITHIN, self.process.readable()).await.is_ok() {
            return;
        }
        self.kill();
        let _ = tokio::time::timeout(OBEYED_WITHIN, self.process.readable()).await;
    }

    fn kill(&self) {
        // One that has ended cannot be told anything.
        let _ = pidfd_send_signal(&self.process, Signal::KILL);
    }
}

impl Drop for Init {
    fn drop(&mut self) {
        self.kill();
    }
}

async fn listen(control: Arc<UnixStream>, answers: mpsc::Sender<Answer>, ended: watch::Sender<Ended>) {
    while let Ok(Some((Numbered { id, body }, fd))) = wire::receive_async::<Numbered<Report>>(&control).await
    {
        if let Report::Exited { process, exit, quiet } = body {
            ended.send_modify(|ended| {
                ended.exits.insert(process, exit);
                ended.quiet = ended.quiet.or(quiet);
            });
        } else if answers.send((id, body, fd)).await.is_err() {
            return;
        }
    }
}
