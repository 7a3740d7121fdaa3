//! Starting one process of a task.

use super::confine;
use super::namespaces;
use super::order::{ProcessLimits, ProcessOrder};
use super::seccomp::Filters;
use super::sys;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

/// How processes of this init are closed off.
#[derive(Clone)]
pub(super) struct Walls {
    /// Whether the ids have to be changed.
    pub privileged: bool,
    /// The filter.
    pub filters: Arc<Filters>,
}

/// Why a process did not start.
pub(super) struct NotStarted {
    pub problem: String,
    pub missing: bool,
}

/// Starts the process in `root` (none: as the init itself) and answers its pid.
pub(super) fn spawn(
    order: &ProcessOrder,
    root: Option<PathBuf>,
    walls: Option<Walls>,
    output: OwnedFd,
) -> Result<u32, NotStarted> {
    let program = order.arguments.first().map(String::as_str).unwrap_or_default();
    let failed = |problem: String| NotStarted { problem, missing: false };
    let (mut said, says) = io::pipe().map_err(|e| failed(e.to_string()))?;
    let stderr = output.try_clone().map_err(|e| failed(e.to_string()))?;
    let mut command = Command::new(program);
    command.args(&order.arguments[1.min(order.arguments.len())..]).env_clear();
    command.envs(order.variables.iter().map(|(name, value)| (name, OsStr::from_bytes(&value.0))));
    command.stdin(Stdio::null()).stdout(output).stderr(stderr);
    let last = LastSteps { root, walls, directory: order.directory.clone(), limits: order.limits, says };
    sys::before_exec(&mut command, move || last.run());
    let spawned = command.spawn();
    drop(command);
    match spawned {
        Ok(child) => Ok(child.id()),
        Err(error) => {
            let mut step = String::new();
            // The writing end is closed in both processes by now, so this ends.
            let _ = said.read_to_string(&mut step);
            let missing = step.is_empty() && error.kind() == io::ErrorKind::NotFound;
            let at = if step.is_empty() { format!("`{program}` cannot be started") } else { step };
            Err(NotStarted { problem: format!("{at}: {error}"), missing })
        }
    }
}

/// What happens in the child between fork and exec.
struct LastSteps {
    root: Option<PathBuf>,
    walls: Option<Walls>,
    directory: String,
    limits: ProcessLimits,
    says: io::PipeWriter,
}

impl LastSteps {
    fn run(&self) -> io::Result<()> {
        rustix::process::setsid()?;
        // The kernel should take a process of the task before the init when memory runs out. Raising is always allowed.
        let _ = fs::write("/proc/self/oom_score_adj", "500");
        if let Some(root) = &self.root {
            self.step("its root cannot be entered", confine::enter_root(root))?;
        }
        if self.walls.as_ref().is_some_and(|walls| walls.privileged) {
            self.step("its user namespace cannot be made", self.become_nobody())?;
        }
        let directory = rustix::process::chdir(&*self.directory).map_err(Into::into);
        self.step(&format!("its directory `{}` cannot be entered", self.directory), directory)?;
        self.step("its limits cannot be set", confine::set_limits(self.limits))?;
        if let Some(walls) = &self.walls {
            self.step("its capabilities cannot be dropped", confine::drop_capabilities())?;
            self.step("its system calls cannot be filtered", confine::filter(&walls.filters))?;
        }
        Ok(())
    }

    fn become_nobody(&self) -> io::Result<()> {
        confine::become_nobody().map_err(|error| {
            let forbidden = namespaces::user_namespaces(error);
            io::Error::other(format!("{}: {}", forbidden.problem, forbidden.remedy))
        })
    }

    /// Only an error number crosses the exec, so the words go through a pipe.
    fn step(&self, what: &str, result: io::Result<()>) -> io::Result<()> {
        result.inspect_err(|error| {
            let detail = if error.raw_os_error().is_none() { format!(" ({error})") } else { String::new() };
            let _ = (&self.says).write_all(format!("{what}{detail}").as_bytes());
        })
    }
}
