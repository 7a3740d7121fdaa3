//! The group of one task.

use crate::local::sandbox::ProcessLimits;
use stageway_core::task::TaskLimits;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The period over which processor time is shared out, in microseconds.
const PERIOD: u64 = 100_000;

/// What a task is bounded by. It is made before the task is known.
pub(in super::super) struct Group {
    kind: Kind,
    /// Of each process; none where the group bounds them together.
    one_by_one: Option<ProcessLimits>,
}

/// What a task used.
#[derive(Debug, Default, Clone, Copy)]
pub(in super::super) struct Usage {
    pub cpu_ms: Option<u64>,
    pub peak_memory_bytes: Option<u64>,
    /// Whether the kernel killed a process of it for memory.
    pub out_of_memory: bool,
}

pub(super) enum Kind {
    V2(PathBuf),
    V1(BTreeMap<&'static str, PathBuf>),
    PerProcess,
}

impl Kind {
    /// Makes what is not there.
    pub(super) fn made(self) -> io::Result<Self> {
        self.paths().into_iter().try_for_each(made)?;
        Ok(self)
    }

    /// Bounds everything in it.
    fn bound(&self, limits: &TaskLimits) -> io::Result<()> {
        match self {
            Self::V2(path) => bound_v2(path, limits),
            Self::V1(paths) => bound_v1(paths, limits),
            Self::PerProcess => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    fn paths(&self) -> Vec<&PathBuf> {
        match self {
            Self::V2(path) => vec![path],
            Self::V1(paths) => paths.values().collect(),
            Self::PerProcess => vec![],
        }
    }
}

fn bound_v2(path: &Path, limits: &TaskLimits) -> io::Result<()> {
    if let Some(bytes) = limits.memory_bytes {
        fs::write(path.join("memory.max"), bytes.to_string())?;
        // Without swap the bound is what it says; kernels without swap have no such file.
        let _ = fs::write(path.join("memory.swap.max"), "0");
    }
    if let Some(processes) = limits.processes {
        fs::write(path.join("pids.max"), with_init(processes).to_string())?;
    }
    if let Some(millis) = limits.cpu_millis {
        fs::write(path.join("cpu.max"), format!("{} {PERIOD}", quota(millis)))?;
    }
    Ok(())
}

fn bound_v1(paths: &BTreeMap<&'static str, PathBuf>, limits: &TaskLimits) -> io::Result<()> {
    let write = |controller: &str, file: &str, value: u64| match paths.get(controller) {
        Some(path) => fs::write(path.join(file), value.to_string()),
        None => Ok(()),
    };
    if let Some(bytes) = limits.memory_bytes {
        write("memory", "memory.limit_in_bytes", bytes)?;
        let _ = write("memory", "memory.memsw.limit_in_bytes", bytes);
    }
    if let Some(processes) = limits.processes {
        write("pids", "pids.max", with_init(processes))?;
    }
    if let Some(millis) = limits.cpu_millis {
        write("cpu", "cpu.cfs_period_us", PERIOD)?;
        write("cpu", "cpu.cfs_quota_us", quota(millis))?;
    }
    Ok(())
}

/// A group of that name that is left over is used again; it is empty.
fn made(path: &PathBuf) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// The two processes of the init are ours, not the task's.
fn with_init(processes: u32) -> u64 {
    u64::from(processes) + 2
}

fn quota(millis: u32) -> u64 {
    (u64::from(millis) * PERIOD / 1000).max(1000)
}

impl Group {
    pub(super) fn new(kind: Kind) -> Self {
        Self { kind, one_by_one: None }
    }

    /// Bounds the task; where the group cannot, its processes are bounded one by one.
    pub(in super::super) fn bound(&mut self, limits: &TaskLimits) {
        self.one_by_one = self.kind.bound(limits).is_err().then(|| ProcessLimits {
            processes: limits.processes.map(u64::from),
            address_space: limits.memory_bytes,
        });
    }

    /// How the limits are enforced, as the ending says it.
    pub(in super::super) fn name(&self) -> &'static str {
        match self.kind {
            _ if self.one_by_one.is_some() => "rlimit",
            Kind::V2(_) => "cgroup-v2",
            Kind::V1(_) => "cgroup-v1",
            Kind::PerProcess => "rlimit",
        }
    }

    /// What each process has to be bounded by, because the group does not do it.
    pub(in super::super) fn process_limits(&self) -> ProcessLimits {
        self.one_by_one.unwrap_or_default()
    }

    /// Puts a process in, and with it all that it will start.
    pub(in super::super) fn add(&self, pid: u32) -> io::Result<()> {
        self.kind.paths().iter().try_for_each(|path| fs::write(path.join("cgroup.procs"), pid.to_string()))
    }

    /// Kills every process in it.
    pub(in super::super) fn kill(&self) {
        let Some(path) = self.kind.paths().first().copied() else { return };
        if fs::write(path.join("cgroup.kill"), "1").is_ok() {
            return;
        }
        let pids = fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
        for pid in pids.lines().filter_map(|pid| rustix::process::Pid::from_raw(pid.parse().ok()?)) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }

    /// What was used so far.
    pub(in super::super) fn usage(&self) -> Usage {
        let number = |path: Option<&PathBuf>, file: &str| -> Option<u64> {
            fs::read_to_string(path?.join(file)).ok()?.trim().parse().ok()
        };
        match &self.kind {
            Kind::V2(path) => Usage {
                cpu_ms: field(path, "cpu.stat", "usage_usec").map(|us| us / 1000),
                peak_memory_bytes: number(Some(path), "memory.peak"),
                out_of_memory: field(path, "memory.events", "oom_kill").is_some_and(|count| count > 0),
            },
            Kind::V1(paths) => Usage {
                cpu_ms: number(paths.get("cpuacct"), "cpuacct.usage").map(|ns| ns / 1_000_000),
                peak_memory_bytes: number(paths.get("memory"), "memory.max_usage_in_bytes"),
                out_of_memory: paths
                    .get("memory")
                    .and_then(|path| field(path, "memory.oom_control", "oom_kill"))
                    .is_some_and(|count| count > 0),
            },
            Kind::PerProcess => Usage::default(),
        }
    }

    /// Removes the group. Processes that were killed a moment ago may still hold it.
    pub(in super::super) async fn remove(self) {
        for path in self.kind.paths() {
            for attempt in 0..11 {
                match fs::remove_dir(path) {
                    Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
                        tokio::time::sleep(Duration::from_millis(1 << attempt)).await;
                    }
                    _ => break,
                }
            }
        }
    }
}

fn field(path: &std::path::Path, file: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path.join(file)).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}
