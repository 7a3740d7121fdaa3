//! The machine: the tools, the plugins, the room.

use super::Finding;
use crate::config::Settings;
use rustix::fs::statvfs;
use std::path::Path;
use std::process::{Command, Stdio};

/// The oldest `git` with what mirrors need.
const GIT: (u32, u32) = (2, 30);
/// Below this many bytes of room somebody should know.
const ROOM: u64 = 2 << 30;

pub(super) fn all(settings: &Settings) -> Vec<Finding> {
    let mut findings = vec![git(), plugins(settings)];
    findings.extend(room(&settings.state));
    findings
}

fn git() -> Finding {
    let Ok(output) = Command::new("git").arg("--version").stdin(Stdio::null()).output() else {
        return Finding::wrong("git", "there is none", "install it: trees, changes and commits come from it");
    };
    version(String::from_utf8_lossy(&output.stdout).trim())
}

/// `git version 2.39.5`, perhaps with more behind it.
fn version(said: &str) -> Finding {
    let version = said.split(' ').nth(2).unwrap_or_default();
    let mut numbers = version.split('.').map(|part| part.parse::<u32>().unwrap_or_default());
    let found = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    match found >= GIT {
        true => Finding::good("git", version),
        false => Finding::wrong("git", said, format!("install {}.{} or newer", GIT.0, GIT.1)),
    }
}

fn plugins(settings: &Settings) -> Finding {
    let folders = settings.plugins.iter().filter_map(|folder| std::fs::read_dir(folder).ok());
    let entries = folders.flatten().filter_map(Result::ok).map(|entry| entry.path());
    let count = entries.filter(|path| path.extension().is_some_and(|extension| extension == "wasm")).count();
    let places: Vec<String> = settings.plugins.iter().map(|folder| folder.display().to_string()).collect();
    match count {
        0 => Finding::notice(
            "plugins",
            format!("there is none in {}", places.join(", ")),
            "build them with `engine/build`, or name their directory under `plugins`",
        ),
        count => Finding::good("plugins", format!("{count} in {}", places.join(", "))),
    }
}

/// Of the file system that the state is on, or will be.
fn room(state: &Path) -> Option<Finding> {
    let there = state.ancestors().find(|folder| folder.exists())?;
    let file_system = statvfs(there).ok()?;
    let free = file_system.f_bavail.saturating_mul(file_system.f_frsize);
    let seen = format!("{} MiB free for {}", free >> 20, state.display());
    Some(match free >= ROOM {
        true => Finding::good("room", seen),
        false => Finding::notice("room", seen, "make room, or name another directory with `state`"),
    })
}

#[cfg(test)]
mod tests {
    use super::super::finding::State;
    use super::*;

    #[test]
    fn a_version_of_git_is_read() {
        assert_eq!(version("git version 2.39.5"), Finding::good("git", "2.39.5"));
        assert_eq!(version("git version 3.0.1 (somebody's 12)"), Finding::good("git", "3.0.1"));
        for old in ["git version 2.29.9", "git version 1.99", "git", ""] {
            assert_eq!(version(old).state, State::Wrong, "{old}");
        }
    }
}
