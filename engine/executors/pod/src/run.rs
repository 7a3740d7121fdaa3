//! The entry point of a task's container.

use crate::child::{Child, Exit, NotStarted, Output};
use crate::ending::{self, MESSAGE, milliseconds, never, now_ms};
use crate::place::{self, LOOK, Place};
use crate::service;
use rustix::fs::{Mode, OFlags, open};
use signal_hook::consts::SIGTERM;
use stageway_parcel::told::{End, Order, Part};
use stageway_parcel::{Lines, Places, parcel};
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long a task that ran out of time has to end by itself.
const TIMEOUT_GRACE: Duration = Duration::from_secs(5);
/// How long the cluster's own request to end leaves, before it kills: the least grace that a pod has.
const TERM_GRACE: Duration = Duration::from_secs(600);
/// How long the claim on a task may take.
const CLAIMED: Duration = Duration::from_secs(2);
/// How long services may take to end.
const SERVICES: Duration = Duration::from_secs(5);

/// Starts a command and waits for its end; answers the exit code of the container.
pub(crate) fn run(place: &Place, order: &Order, command: Vec<String>) -> io::Result<u8> {
    let terminated = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGTERM, terminated.clone())?;
    match &order.part {
        Part::Service { number, ready, within_ms } => {
            let within = Duration::from_millis(*within_ms);
            service::serve(place, order, *number, ready, within, &command, &terminated)
        }
        Part::Task { timeout_ms, message_file, outside } => {
            let task = Task {
                place,
                order,
                timeout: Duration::from_millis(*timeout_ms),
                message_file: message_file.as_deref(),
                outside,
                terminated,
            };
            task.run(&command)
        }
    }
}

struct Task<'a> {
    place: &'a Place,
    order: &'a Order,
    timeout: Duration,
    message_file: Option<&'a str>,
    outside: &'a [String],
    terminated: Arc<AtomicBool>,
}

impl Task<'_> {
    fn run(&self, command: &[String]) -> io::Result<u8> {
        let entered_at_ms = now_ms();
        let _alive = self.claim()?;
        let prepared = self.prepare();
        let tree_ms = self.place.tree_ms();
        let shown = match prepared {
            Ok(services_ms) => {
                place::write(&self.place.started(), b"")?;
                let (end, output, shown) = self.process(command)?;
                self.conclude(End { entered_at_ms, tree_ms, services_ms, ..end }, output)?;
                shown
            }
            Err(end) => {
                self.conclude(End { entered_at_ms, tree_ms, ..*end }, None)?;
                1
            }
        };
        Ok(shown)
    }

    /// Holds the lock that says that somebody is here; whoever looks at it has it for a moment too.
    fn claim(&self) -> io::Result<fs::File> {
        let until = Instant::now() + CLAIMED;
        loop {
            if self.place.end().exists() || self.place.started().exists() {
                return Err(io::Error::other("this task was started before"));
            }
            match place::lock(&self.place.alive())? {
                Some(alive) => return Ok(alive),
                None if Instant::now() < until => std::thread::sleep(LOOK),
                None => return Err(io::Error::other("this task is started by somebody else")),
            }
        }
    }

    /// Waits for the tree and for the services; answers for how long for the services, in milliseconds.
    fn prepare(&self) -> Result<u64, Box<End>> {
        while self.order.tree && !self.place.tree().exists() {
            self.is_wanted()?;
            std::thread::sleep(LOOK);
        }
        let began = Instant::now();
        for (number, name) in self.order.services.iter().enumerate() {
            while !self.place.ready(number).exists() {
                if let Ok(problem) = fs::read_to_string(self.place.failed(number)) {
                    let problem = format!("the service `{name}` {problem}");
                    let services_ms = milliseconds(began.elapsed());
                    return Err(Box::new(End { services_ms, ..never("unschedulable", problem) }));
                }
                self.is_wanted()?;
                std::thread::sleep(LOOK);
            }
        }
        Ok(milliseconds(began.elapsed()))
    }

    /// Whether the task is still to be started.
    fn is_wanted(&self) -> Result<(), Box<End>> {
        if self.cancelled().is_some() {
            return Err(Box::new(never("cancelled", "cancelled before it started")));
        }
        if self.terminated.load(Ordering::Relaxed) {
            // Somebody deletes the pod, and it says why.
            return Err(Box::new(never("lost", "asked to end before it started")));
        }
        Ok(())
    }

    fn process(&self, command: &[String]) -> io::Result<(End, Option<Output>, u8)> {
        let several = !self.order.services.is_empty();
        let output =
            Output::open(&self.place.output(), self.order.output_bytes, several.then(|| Lines::new(None)))?;
        let (started_at_ms, began) = (now_ms(), Instant::now());
        let ran = |reason: &str, code, message: String| End {
            code,
            ran: true,
            started_at_ms,
            ..never(reason, message)
        };
        let child = match Child::start(command, output) {
            Ok(child) => child,
            Err(not_started) => {
                let NotStarted { problem, code, output } = *not_started;
                let shown = Exit::Code(code).shown();
                return Ok((ran("exited", Some(code), problem), Some(output), shown));
            }
        };
        let (reason, exit) = self.wait(&child);
        let ran_ms = milliseconds(began.elapsed());
        let output = child.finish();
        let code = match exit {
            Some(Exit::Code(code)) => Some(code),
            _ => None,
        };
        let message = match (reason, exit) {
            ("signalled", Some(Exit::Signal(signal))) => format!("ended by signal {signal}"),
            _ => String::new(),
        };
        let shown = match reason {
            // Whoever reads it from the pod's status must not take it for an end of the task's own.
            "lost" => Exit::Signal(SIGTERM).shown(),
            _ => exit.unwrap_or(Exit::Signal(libc::SIGKILL)).shown(),
        };
        Ok((End { ran_ms, ..ran(reason, code, message) }, output, shown))
    }

    /// Waits for the end of the process, its timeout, its cancellation or the cluster's request.
    fn wait(&self, child: &Child) -> (&'static str, Option<Exit>) {
        let until = Instant::now() + self.timeout;
        let (reason, grace) = loop {
            match child.exited(LOOK.min(until.saturating_duration_since(Instant::now()))) {
                Some(exit @ Exit::Code(_)) => return ("exited", Some(exit)),
                Some(exit @ Exit::Signal(_)) => return ("signalled", Some(exit)),
                None => {}
            }
            if let Some(grace) = self.cancelled() {
                break ("cancelled", grace);
            }
            if Instant::now() >= until {
                break ("timed-out", TIMEOUT_GRACE);
            }
            if self.terminated.load(Ordering::Relaxed) {
                // Somebody deletes the pod; whoever asks later learns from it by whom.
                break ("lost", TERM_GRACE);
            }
        };
        child.terminate();
        let asked = Instant::now();
        let mut until = asked + grace;
        loop {
            let exit = child.exited(LOOK.min(until.saturating_duration_since(Instant::now())));
            if exit.is_some() || Instant::now() >= until {
                return (reason, exit);
            }
            // Who asks again may leave it less time.
            until = until.min(self.cancelled().map_or(until, |grace| asked + grace));
        }
    }

    /// The time that a cancelled task has to end.
    fn cancelled(&self) -> Option<Duration> {
        let grace = fs::read_to_string(self.place.cancel()).ok()?;
        Some(Duration::from_millis(grace.trim().parse().unwrap_or(0)))
    }

    /// Ends the services, completes the output, keeps what lies outside of the workspace, and records the end.
    fn conclude(&self, mut end: End, output: Option<Output>) -> io::Result<()> {
        place::write(&self.place.stop(), b"")?;
        let until = Instant::now() + SERVICES;
        for number in 0..self.order.services.len() {
            let done = self.place.done(number);
            while !done.exists() && Instant::now() < until {
                std::thread::sleep(LOOK);
            }
            let bytes = fs::read_to_string(done).ok().and_then(|text| text.trim().parse::<u64>().ok());
            end.output_bytes += bytes.unwrap_or(0);
        }
        if let Some(mut output) = output {
            end.output_bytes += output.finish()?;
        }
        if end.ran {
            self.leave(&mut end)?;
        }
        ending::record(self.place, end)
    }

    fn leave(&self, end: &mut End) -> io::Result<()> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = open("/", flags, Mode::empty())?;
        let places = Places { workspace: None, root: Some(&root) };
        if let Some(path) = self.message_file {
            match message(path) {
                Ok(message) => end.message = message,
                Err(problem) if end.message.is_empty() => {
                    end.message = format!("no message in `{path}`: {problem}");
                }
                Err(_) => {}
            }
        }
        for (number, path) in (0..).zip(self.outside) {
            let mut file = io::BufWriter::new(fs::File::create(self.place.outside(number))?);
            parcel::send(&places, path, &mut file)?;
            file.flush()?;
        }
        Ok(())
    }
}

/// The file is one of this container, often a device's neighbour that the cluster put there: the task could print it as well.
fn message(path: &str) -> Result<String, String> {
    let mut options = fs::OpenOptions::new();
    // Without blocking, because a fifo may stand there.
    let file = options.read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path);
    let file = file.map_err(|error| error.to_string())?;
    if !file.metadata().is_ok_and(|found| found.is_file()) {
        return Err("it is not a file".into());
    }
    let mut bytes = Vec::new();
    file.take(MESSAGE as u64).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
