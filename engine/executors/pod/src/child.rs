//! A command that the helper started, and everything that it leaves behind.

use crate::sys;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, kill_process_group, wait};
use stageway_parcel::{Bounded, Lines};
use std::cell::Cell;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, PipeReader, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long the last output may take to arrive when nobody is left who could write.
const LAST_OUTPUT: Duration = Duration::from_secs(5);

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Code(i32),
    Signal(i32),
}

impl Exit {
    /// As the exit code of the helper, which the cluster shows.
    pub(crate) fn shown(self) -> u8 {
        match self {
            Self::Code(code) => u8::try_from(code & 0xff).unwrap_or(1),
            Self::Signal(signal) => u8::try_from(128 + (signal & 0x7f)).unwrap_or(255),
        }
    }
}

/// What a container writes into the output that all of them share: appended, and by whole lines where there are several.
pub(crate) struct Output {
    to: Bounded<File>,
    lines: Option<Lines>,
}

impl Output {
    pub(crate) fn open(path: &Path, limit: u64, lines: Option<Lines>) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).mode(0o644).open(path)?;
        // Containers of one pod may be different users; only who made the file may say so.
        let _ = file.set_permissions(Permissions::from_mode(0o666));
        Ok(Self { to: Bounded::new(file, limit), lines })
    }

    fn take(&mut self, bytes: &[u8]) {
        match &mut self.lines {
            Some(lines) => drop(self.to.append(&lines.take(bytes))),
            None => drop(self.to.append(bytes)),
        }
    }

    /// Adds what is missing at the end, and answers how many bytes there were in all.
    pub(crate) fn finish(&mut self) -> io::Result<u64> {
        if let Some(lines) = self.lines.take() {
            self.to.append(&lines.rest());
        }
        self.to.finish()?;
        Ok(self.to.total())
    }
}

/// A command that runs.
pub(crate) struct Child {
    pid: Pid,
    exits: Receiver<(Pid, Exit)>,
    /// Its end, seen while somebody waited for another one's.
    ended: Cell<Option<Exit>>,
    pump: JoinHandle<Output>,
}

/// Why a command did not start.
pub(crate) struct NotStarted {
    pub(crate) problem: String,
    /// As a shell tells it: 127 where there is none, 126 where it cannot be executed.
    pub(crate) code: i32,
    pub(crate) output: Output,
}

fn not_started(problem: String, code: i32, output: Output) -> Box<NotStarted> {
    Box::new(NotStarted { problem, code, output })
}

impl Child {
    /// Starts a command in a group of its own, whose output goes where it is told.
    pub(crate) fn start(words: &[String], output: Output) -> Result<Self, Box<NotStarted>> {
        let (program, arguments) = match words {
            [program, arguments @ ..] => (program.as_str(), arguments),
            [] => return Err(not_started("there is no command".into(), 127, output)),
        };
        let started = io::pipe().and_then(|(reader, writer)| {
            let mut command = Command::new(program);
            command.args(arguments).process_group(0).stdin(Stdio::null());
            command.stdout(writer.try_clone()?).stderr(writer);
            let child = command.spawn()?;
            Ok((i32::try_from(child.id()).ok().and_then(Pid::from_raw), reader))
        });
        match started {
            Ok((Some(pid), reader)) => {
                let (tell, exits) = channel();
                // Nothing but this thread waits for a child, so each end is seen by it.
                std::thread::spawn(move || reap(&tell));
                Ok(Self {
                    pid,
                    exits,
                    ended: Cell::new(None),
                    pump: std::thread::spawn(move || pump(reader, output)),
                })
            }
            Ok((None, _)) => Err(not_started("it has no pid".into(), 126, output)),
            Err(error) => {
                let code = if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 };
                Err(not_started(format!("`{program:.200}`: {error}"), code, output))
            }
        }
    }

    /// How it ended, if it does within a time.
    pub(crate) fn exited(&self, within: Duration) -> Option<Exit> {
        if self.ended.get().is_none() {
            self.ended.set(self.exit_of(self.pid, Instant::now() + within));
        }
        self.ended.get()
    }

    fn exit_of(&self, wanted: Pid, until: Instant) -> Option<Exit> {
        loop {
            match self.exits.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok((pid, exit)) if pid == wanted => return Some(exit),
                Ok((pid, exit)) if pid == self.pid => self.ended.set(Some(exit)),
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => return None,
                // Nothing is left to wait for, and its end was not among what was seen: it cannot be.
                Err(RecvTimeoutError::Disconnected) => return Some(Exit::Signal(libc::SIGKILL)),
            }
        }
    }

    /// Runs another command beside it, at most until a time, whose output is nobody's.
    pub(crate) fn beside(&self, words: &[String], until: Instant) -> Result<Exit, String> {
        let [program, arguments @ ..] = words else { return Err("there is no command".into()) };
        let mut command = Command::new(program);
        command.args(arguments).process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().map_err(|error| format!("`{program:.200}`: {error}"))?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or("it has no pid")?;
        self.exit_of(pid, until).ok_or_else(|| {
            let _ = kill_process_group(pid, Signal::KILL);
            "the command did not end".into()
        })
    }

    /// Asks it to end.
    pub(crate) fn terminate(&self) {
        let _ = kill_process(self.pid, Signal::TERM);
    }

    /// Kills it with everything that it started, and answers what was written when nobody is left who could write.
    pub(crate) fn finish(self) -> Option<Output> {
        let _ = kill_process_group(self.pid, Signal::KILL);
        sys::kill_others();
        let until = Instant::now() + LAST_OUTPUT;
        while !self.pump.is_finished() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
        self.pump.is_finished().then(|| self.pump.join().ok()).flatten()
    }
}

/// Takes away every child that has ended, until there is none.
fn reap(tell: &Sender<(Pid, Exit)>) {
    loop {
        let (pid, status) = match wait(WaitOptions::empty()) {
            Ok(Some(ended)) => ended,
            Ok(None) | Err(rustix::io::Errno::INTR) => continue,
            Err(_) => return,
        };
        let exit = status.exit_status().map(Exit::Code).or(status.terminating_signal().map(Exit::Signal));
        if exit.is_some_and(|exit| tell.send((pid, exit)).is_err()) {
            return;
        }
    }
}

fn pump(mut reader: PipeReader, mut output: Output) -> Output {
    let mut buffer = vec![0; 64 << 10];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return output,
            Ok(got) => output.take(&buffer[..got]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return output,
        }
    }
}
