//! Children of the init: which ended, and how all of them are ended.

use super::order::Exit;
use super::sys;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, wait};
use std::fs;
use std::io;
use std::time::{Duration, Instant};

/// Answers the next child that has ended, without waiting.
pub(super) fn next_ended() -> Option<(u32, Exit)> {
    loop {
        let (pid, status) = match wait(WaitOptions::NOHANG) {
            Ok(Some(ended)) => ended,
            Err(rustix::io::Errno::INTR) => continue,
            Ok(None) | Err(_) => return None,
        };
        let pid = pid.as_raw_nonzero().get().unsigned_abs();
        if let Some(code) = status.exit_status() {
            return Some((pid, Exit::Code(code)));
        }
        if let Some(signal) = status.terminating_signal() {
            return Some((pid, Exit::Signal(signal)));
        }
    }
}

/// Kills everything below the init and answers the children that ended by it. `first` when it is the first process of a
/// PID namespace, where one call reaches all.
pub(super) fn end_all(first: bool, within: Duration) -> io::Result<Vec<(u32, Exit)>> {
    let (mut ended, deadline) = (Vec::new(), Instant::now() + within);
    loop {
        if first {
            sys::kill_namespace()?;
        } else {
            for pid in children()? {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        while let Some(one) = next_ended() {
            ended.push(one);
        }
        if children()?.is_empty() {
            return Ok(ended);
        }
        if Instant::now() > deadline {
            return Err(io::Error::other("processes that cannot be killed are left"));
        }
        // Killed ones end within microseconds; one in an uninterruptible call takes longer.
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// The direct children, zombies included. Orphans below the init become its children.
fn children() -> io::Result<Vec<Pid>> {
    let text = fs::read_to_string("/proc/thread-self/children")?;
    Ok(text.split_ascii_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect())
}

/// Processor time of this process and all its children that have ended, in milliseconds.
pub(super) fn cpu_ms() -> u64 {
    let Ok(stat) = fs::read_to_string("/proc/self/stat") else { return 0 };
    let fields = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
    // Fields 14 to 17 of proc(5), in ticks; the first one after the name is field 3.
    let ticks: u64 =
        fields.split_ascii_whitespace().skip(11).take(4).filter_map(|f| f.parse::<u64>().ok()).sum();
    ticks * 1000 / rustix::param::clock_ticks_per_second().max(1)
}
