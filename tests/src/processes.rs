//! The processes of an installation: its supervisor, and what runs below that.

use crate::Installation;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Waits for something that has to become so.
///
/// # Panics
/// When it does not within a minute.
pub fn until(what: &str, is: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is() {
        assert!(Instant::now() < deadline, "{what}: that does not become so");
        sleep(Duration::from_millis(10));
    }
}

/// `kill -9`, and waits until it is gone.
pub fn kill(pid: i32) {
    let raw = Pid::from_raw(pid).expect("a process has a number");
    // It may just have ended by itself.
    let _ = kill_process(raw, Signal::KILL);
    until("the process is gone", || stat(pid).is_none_or(|(state, _)| state == 'Z'));
}

/// State and parent of a process.
fn stat(pid: i32) -> Option<(char, i32)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may hold anything.
    let mut rest = text.rsplit_once(") ")?.1.split(' ');
    Some((rest.next()?.chars().next()?, rest.next()?.parse().ok()?))
}

fn is_fork_of_zygote(pid: i32) -> bool {
    let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    words.split(|byte| *byte == 0).any(|word| word == b"zygote")
}

fn processes() -> Vec<i32> {
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

impl Installation {
    /// The supervisor's pid: it holds the lock.
    pub fn supervisor(&self) -> Option<i32> {
        let lock = fs::canonicalize(self.state().join("tasks/supervisor.lock")).ok()?;
        let holds = |pid: &i32| {
            let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
            open.filter_map(|fd| fs::read_link(fd.path()).ok()).any(|target| target == lock)
        };
        processes().into_iter().find(holds)
    }

    /// Every process of a task that still runs: what is below the supervisor but its zygote, and the inits, which are forks of
    /// that; a few of them wait for tasks to come.
    pub fn tasks_running(&self) -> Vec<i32> {
        let Some(supervisor) = self.supervisor() else { return Vec::new() };
        let parents: Vec<(i32, i32)> = processes()
            .into_iter()
            .filter_map(|pid| stat(pid).filter(|(state, _)| *state != 'Z').map(|(_, parent)| (pid, parent)))
            .collect();
        let mut found = vec![supervisor];
        let mut seen = 0;
        while seen < found.len() {
            let above = found[seen];
            found.extend(parents.iter().filter(|(_, parent)| *parent == above).map(|(pid, _)| *pid));
            seen += 1;
        }
        found.split_off(1).into_iter().filter(|pid| !is_fork_of_zygote(*pid)).collect()
    }

    /// Where tasks of trusted runs that mount the cache `count` leave what is counted outside of the engine.
    pub fn count(&self, file: &str) -> PathBuf {
        self.state().join("tasks/caches/protected/count").join(file)
    }

    /// The lines that tasks left there.
    pub fn counted(&self, file: &str) -> Vec<String> {
        let text = fs::read_to_string(self.count(file)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// What is on its way, or was kept although nobody needs it any more.
    pub fn task_directories(&self) -> Vec<String> {
        let entries = fs::read_dir(self.state().join("tasks/tasks")).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }
}
