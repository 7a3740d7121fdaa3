//! The init of a task: the process that makes the namespaces and everything in them.

use super::namespaces::{self, Forbidden};
use super::order::{Base, Confinement, Exit, NewRoot, Numbered, Order, ProcessOrder, Quiet, Report};
use super::reap;
use super::root;
use super::seccomp::Filters;
use super::spawn::{NotStarted, Walls, spawn};
use super::sys::{self, Fork};
use super::wire;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, Signal, kill_process_group};
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How long processes that were killed may take to be gone.
const KILLED_WITHIN: Duration = Duration::from_secs(10);

/// Runs as the init of one task, whose orders come over `control`. Nothing else may run in this process.
pub(super) fn init(control: UnixStream) -> io::Result<()> {
    let (id, confinement) = match wire::receive::<Numbered<Order>>(&control)? {
        Some((Numbered { id, body: Order::Begin(confinement) }, _)) => (id, confinement),
        Some(_) => return Err(io::Error::other("the first order is not to begin")),
        None => return Ok(()),
    };
    if confinement == Confinement::None {
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        wire::send(&control, &Numbered { id, body: Report::Ready }, None)?;
        return Init::new(control, None)?.serve();
    }
    let privileged = namespaces::privileged();
    if let Err(Forbidden { problem, remedy }) = namespaces::leave(privileged) {
        return wire::send(&control, &Numbered { id, body: Report::Refused { problem, remedy } }, None);
    }
    match sys::fork()? {
        Fork::Child => first_process(control, id, privileged),
        Fork::Parent(pid) => {
            drop(control);
            rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty())?;
            Ok(())
        }
    }
}

fn first_process(control: UnixStream, id: u64, privileged: bool) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    let walls = namespaces::settle().and_then(|()| Filters::new());
    let filters = match walls {
        Ok(filters) => Arc::new(filters),
        Err(error) => {
            let problem = format!("the namespaces cannot be set up: {error}");
            let remedy = "a Linux 5.12 or newer with namespaces, seccomp and tmpfs is needed".to_owned();
            return wire::send(&control, &Numbered { id, body: Report::Refused { problem, remedy } }, None);
        }
    };
    wire::send(&control, &Numbered { id, body: Report::Ready }, None)?;
    Init::new(control, Some(Walls { privileged, filters }))?.serve()
}

struct Init {
    control: UnixStream,
    wake: UnixStream,
    walls: Option<Walls>,
    /// Pid to the number of the process.
    children: BTreeMap<u32, u32>,
    roots: BTreeMap<u32, PathBuf>,
    /// A root that no process has yet.
    standing: Option<PathBuf>,
    /// The process after whose end nothing lives on.
    last: Option<u32>,
}

impl Init {
    fn new(control: UnixStream, walls: Option<Walls>) -> io::Result<Self> {
        let (wake, signalled) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        signal_hook::low_level::pipe::register(signal_hook::consts::SIGCHLD, signalled)?;
        Ok(Self {
            control,
            wake,
            walls,
            children: BTreeMap::new(),
            roots: BTreeMap::new(),
            standing: None,
            last: None,
        })
    }

    /// Follows orders until the supervisor is gone; then everything ends.
    fn serve(mut self) -> io::Result<()> {
        let served = self.follow();
        let ended = reap::end_all(self.walls.is_some(), KILLED_WITHIN);
        served.and(ended.map(drop))
    }

    fn follow(&mut self) -> io::Result<()> {
        loop {
            let (ordered, woken) = self.wait()?;
            if woken {
                let mut drained = [0; 256];
                while (&self.wake).read(&mut drained).is_ok_and(|n| n == drained.len()) {}
                while let Some(ended) = reap::next_ended() {
                    self.tell_ended(ended)?;
                }
            }
            if ordered {
                match wire::receive::<Numbered<Order>>(&self.control)? {
                    Some((Numbered { id, body }, fd)) => self.obey(id, body, fd)?,
                    None => return Ok(()),
                }
            }
        }
    }

    fn wait(&self) -> io::Result<(bool, bool)> {
        let mut fds = [
            PollFd::from_borrowed_fd(self.control.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(self.wake.as_fd(), PollFlags::IN),
        ];
        match poll(&mut fds, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {
                Ok((!fds[0].revents().is_empty(), !fds[1].revents().is_empty()))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn obey(&mut self, id: u64, order: Order, fd: Option<OwnedFd>) -> io::Result<()> {
        let (report, fd) = match order {
            Order::Begin(_) => (Report::Failed { problem: "it has begun already".into() }, None),
            Order::Stand(root) => (self.stand(*root), None),
            Order::Build { process, root } => self.build(process, *root),
            Order::Start(order) => (self.start(&order, fd), None),
            Order::Terminate { process } => (self.terminate(process), None),
            Order::Quiesce => (Report::Quiet(self.quiesce()?), None),
            Order::Connect { port } => connected(port),
            Order::Listen => listening(),
        };
        wire::send(&self.control, &Numbered { id, body: report }, fd.as_ref().map(AsFd::as_fd))
    }

    fn stand(&mut self, new: NewRoot) -> Report {
        let Some(walls) = &self.walls else { return Report::Built };
        match root::stand(&new, walls.privileged) {
            Ok(_) => {
                self.standing = Some(new.at);
                Report::Built
            }
            Err(problem) => Report::Failed { problem },
        }
    }

    fn build(&mut self, process: u32, mut new: NewRoot) -> (Report, Option<OwnedFd>) {
        let Some(walls) = &self.walls else { return (Report::Built, None) };
        if new.base == Base::Standing {
            match self.standing.take() {
                Some(at) => new.at = at,
                None => return (Report::Failed { problem: "no root stands".into() }, None),
            }
        }
        match root::build(&new, walls.privileged) {
            Ok(root) => {
                self.roots.insert(process, new.at);
                (Report::Built, Some(root))
            }
            Err(problem) => (Report::Failed { problem }, None),
        }
    }

    fn start(&mut self, order: &ProcessOrder, output: Option<OwnedFd>) -> Report {
        let failed = |problem: String| Report::NotStarted { problem, missing: false };
        let Some(output) = output else { return failed("no output came with the order".into()) };
        let root = self.roots.get(&order.root).cloned();
        if self.walls.is_some() && root.is_none() {
            return failed(format!("process {} has no root", order.root));
        }
        match spawn(order, root, self.walls.clone(), output) {
            Ok(pid) => {
                self.children.insert(pid, order.process);
                self.last = self.last.or(order.last.then_some(order.process));
                Report::Started
            }
            Err(NotStarted { problem, missing }) => Report::NotStarted { problem, missing },
        }
    }

    fn terminate(&self, process: u32) -> Report {
        for (pid, _) in self.children.iter().filter(|(_, number)| **number == process) {
            // Each process leads a session of its own, so its pid is the group's.
            if let Some(pid) = i32::try_from(*pid).ok().and_then(Pid::from_raw) {
                let _ = kill_process_group(pid, Signal::TERM);
            }
        }
        Report::Done
    }

    fn quiesce(&mut self) -> io::Result<Quiet> {
        self.last = None;
        for ended in reap::end_all(self.walls.is_some(), KILLED_WITHIN)? {
            self.tell_ended(ended)?;
        }
        Ok(Quiet { cpu_ms: reap::cpu_ms() })
    }

    fn tell_ended(&mut self, (pid, exit): (u32, Exit)) -> io::Result<()> {
        let Some(process) = self.children.remove(&pid) else { return Ok(()) };
        let quiet = if self.last == Some(process) { Some(self.quiesce()?) } else { None };
        let body = Report::Exited { process, exit, quiet };
        wire::send(&self.control, &Numbered { id: 0, body }, None)
    }
}

fn connected(port: u16) -> (Report, Option<OwnedFd>) {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    match TcpStream::connect_timeout(&address, Duration::from_millis(500)) {
        Ok(stream) => (Report::Done, Some(stream.into())),
        Err(error) => (Report::Failed { problem: error.to_string() }, None),
    }
}

fn listening() -> (Report, Option<OwnedFd>) {
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|l| Ok((l.local_addr()?.port(), l)));
    match bound {
        Ok((port, listener)) => (Report::Listening { port }, Some(listener.into())),
        Err(error) => (Report::Failed { problem: error.to_string() }, None),
    }
}
