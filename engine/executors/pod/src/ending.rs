//! The record of how a task ended, which is the last thing that is written about it.

use crate::place::{self, Place};
use crate::sys;
use stageway_parcel::told::End;
use std::fs;
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Where the kernel says how much memory a container used at most, by version of its control groups.
const PEAKS: [&str; 2] = ["/sys/fs/cgroup/memory.peak", "/sys/fs/cgroup/memory/memory.max_usage_in_bytes"];

/// Where it says how often it killed a process of a container because of its memory.
const KILLS: [&str; 2] = ["/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"];

/// The longest message, in bytes.
pub(crate) const MESSAGE: usize = 4096;

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map(milliseconds).unwrap_or_default()
}

/// As a number.
pub(crate) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// An end before anything ran.
pub(crate) fn never(reason: &str, message: impl Into<String>) -> End {
    End {
        code: None,
        reason: reason.into(),
        message: message.into(),
        ran: false,
        entered_at_ms: 0,
        tree_ms: 0,
        services_ms: 0,
        started_at_ms: 0,
        ran_ms: 0,
        cpu_ms: 0,
        peak_memory_bytes: None,
        output_bytes: 0,
    }
}

/// Adds what was used, and writes it down.
pub(crate) fn record(place: &Place, mut end: End) -> io::Result<()> {
    let (cpu_ms, largest) = sys::used().unwrap_or_default();
    let peaks = PEAKS.iter().filter_map(|path| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok());
    end.cpu_ms = cpu_ms;
    end.peak_memory_bytes = peaks.into_iter().next().or((largest > 0).then_some(largest));
    if end.ran && end.code != Some(0) && KILLS.iter().any(|path| has_killed(path)) {
        end.reason = "out-of-memory".into();
        end.code = None;
        end.message.clear();
    }
    end.message = cut(end.message);
    place::write(&place.end(), &serde_json::to_vec(&end)?)
}

fn has_killed(path: &str) -> bool {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().filter_map(|line| line.strip_prefix("oom_kill ")).any(|count| count.trim() != "0")
}

fn cut(mut message: String) -> String {
    message.truncate(message.floor_char_boundary(MESSAGE));
    message
}
