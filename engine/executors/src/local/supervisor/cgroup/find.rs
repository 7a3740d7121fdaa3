//! Which control groups this process may make.

use super::super::disk;
use super::group::{Group, Kind};
use stageway_core::digest::Digest;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Where the groups of tasks are made.
pub(in super::super) struct Controllers {
    place: Place,
    /// In front of the name of every group of this state directory.
    prefix: String,
}

enum Place {
    /// A directory of the unified hierarchy whose children have `memory` and `pids`.
    V2(PathBuf),
    /// A directory per controller.
    V1(BTreeMap<&'static str, PathBuf>),
    None,
}

/// The controllers of version 1 that are used where they are there; the first two must be.
const V1: [&str; 4] = ["memory", "pids", "cpu", "cpuacct"];

impl Controllers {
    /// Finds out what works here, by trying.
    pub(in super::super) fn find(state: &Path) -> Self {
        let prefix = format!("stageway-{}.", Digest::of(state.as_os_str().as_bytes()).short());
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let place = v2(&mounts, &own, &prefix).map(Place::V2);
        let place = place.or_else(|| v1(&mounts, &own, &prefix).map(Place::V1)).unwrap_or(Place::None);
        Self { place, prefix }
    }

    /// Makes the group of one task.
    pub(in super::super) fn group(&self) -> Group {
        let name = format!("{}{}-{}", self.prefix, std::process::id(), disk::unique());
        let kind = match &self.place {
            Place::V2(base) => Kind::V2(base.join(&name)),
            Place::V1(bases) => {
                Kind::V1(bases.iter().map(|(controller, base)| (*controller, base.join(&name))).collect())
            }
            Place::None => Kind::PerProcess,
        };
        Group::new(kind.made().unwrap_or(Kind::PerProcess))
    }

    /// Removes groups that a supervisor which was killed left.
    pub(in super::super) fn clear(&self) {
        let bases: Vec<&PathBuf> = match &self.place {
            Place::V2(base) => vec![base],
            Place::V1(bases) => bases.values().collect(),
            Place::None => vec![],
        };
        for base in bases {
            let entries = fs::read_dir(base).into_iter().flatten().flatten();
            for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&self.prefix))
            {
                // One that still has processes stays; their init is just ending.
                let _ = fs::remove_dir(entry.path());
            }
        }
    }
}

/// This process's own group where it may be divided, else the top, which takes processes and groups at once.
fn v2(mounts: &str, own: &str, prefix: &str) -> Option<PathBuf> {
    let (top, root) = mount_of(mounts, |kind, _| kind == "cgroup2")?;
    let path = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    let ours = top.join(below(path, &root));
    [ours, top].into_iter().find(|base| {
        let enabled = fs::write(base.join("cgroup.subtree_control"), "+memory +pids +cpu")
            .or_else(|_| fs::write(base.join("cgroup.subtree_control"), "+memory +pids"));
        enabled.is_ok() && works(base, prefix, "memory.max")
    })
}

fn v1(mounts: &str, own: &str, prefix: &str) -> Option<BTreeMap<&'static str, PathBuf>> {
    let mut bases = BTreeMap::new();
    for controller in V1 {
        let base = v1_base(mounts, own, controller).filter(|base| works(base, prefix, "cgroup.procs"));
        match base {
            Some(base) => drop(bases.insert(controller, base)),
            None if ["memory", "pids"].contains(&controller) => return None,
            None => {}
        }
    }
    Some(bases)
}

fn v1_base(mounts: &str, own: &str, controller: &str) -> Option<PathBuf> {
    let has = |list: &str| list.split(',').any(|one| one == controller);
    let (top, root) = mount_of(mounts, |kind, options| kind == "cgroup" && has(options))?;
    let path = own.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        parts.next().filter(|list| has(list)).and(parts.next())
    })?;
    Some(top.join(below(path, &root)))
}

/// The place and root of the first mount that is wanted, by its kind and its own options.
fn mount_of(mounts: &str, wanted: impl Fn(&str, &str) -> bool) -> Option<(PathBuf, String)> {
    mounts.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let mut right = right.split(' ');
        let (kind, options) = (right.next()?, right.nth(1)?);
        let mut left = left.split(' ').skip(3);
        let (root, at) = (left.next()?, left.next()?);
        wanted(kind, options).then(|| (PathBuf::from(at), root.to_owned()))
    })
}

fn below(path: &str, root: &str) -> PathBuf {
    path.strip_prefix(root).unwrap_or(path).trim_start_matches('/').into()
}

fn works(base: &Path, prefix: &str, needs: &str) -> bool {
    let probe = base.join(format!("{prefix}{}", std::process::id()));
    let made = fs::create_dir(&probe).is_ok() && probe.join(needs).exists();
    let _ = fs::remove_dir(&probe);
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
30 24 0:26 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
31 24 0:27 /docker/ab /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
32 24 0:28 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct";

    #[test]
    fn the_own_group_is_found_below_what_is_mounted() {
        let own = "5:cpu,cpuacct:/user\n4:memory:/docker/ab/x\n0::/";
        let base = |controller| v1_base(MOUNTS, own, controller);
        assert_eq!(base("memory").unwrap(), Path::new("/sys/fs/cgroup/memory/x"));
        assert_eq!(base("cpuacct").unwrap(), Path::new("/sys/fs/cgroup/cpu,cpuacct/user"));
        assert_eq!(base("pids"), None);
    }
}
