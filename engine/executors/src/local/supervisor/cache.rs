//! Directories kept between runs, apart by trust; and the user's cargo registry, over which the cache `cargo` is laid.

use super::disk::folders_in;
use super::life::Outcome;
use super::site;
use super::table::Table;
use crate::local::sandbox::{Mounted, Source};
use stageway_core::call::EndingReason;
use stageway_core::task::{CacheMount, Network, TaskSpec};
use stageway_core::workspace::WorkspacePath;
use std::io;
use std::path::{Path, PathBuf};

/// What the caches of a task come to.
#[derive(Default)]
pub(super) struct Caches {
    pub mounts: Vec<Mounted>,
    pub variables: Vec<(String, String)>,
}

/// The parts of the user's cargo directory that a build reads and locks.
const CARGO: [&str; 2] = [REGISTRY, "git"];
const REGISTRY: &str = "registry";

/// Makes the caches ready. Without a sandbox nothing can be mounted, and a task sees the user's own directories anyway.
pub(super) fn prepare(table: &Table, directory: &Path, spec: &TaskSpec) -> Result<Caches, Outcome> {
    let mut caches = Caches::default();
    for mount in spec.caches.iter().filter(|_| !spec.unconfined) {
        let failed = |error: io::Error| {
            let problem = format!("the cache `{}` cannot be put in place: {error}", mount.name);
            Outcome::never(EndingReason::Unschedulable, problem)
        };
        let registry = table.options.cargo_home.as_ref().filter(|home| home.join(REGISTRY).is_dir());
        match registry.filter(|_| mount.name == "cargo" && spec.network == Network::Loopback) {
            Some(home) => laid_over(table, directory, mount, home, &mut caches).map_err(failed)?,
            None => kept(table, mount, &mut caches).map_err(failed)?,
        }
        if mount.name == "cargo" {
            caches.variables.push(("CARGO_HOME".into(), mount.path.clone()));
        }
        if mount.name == "cargo" && spec.network == Network::Loopback {
            caches.variables.push(("CARGO_NET_OFFLINE".into(), "true".into()));
        }
    }
    Ok(caches)
}

fn kept(table: &Table, mount: &CacheMount, caches: &mut Caches) -> io::Result<()> {
    let part = |text: &str| match WorkspacePath::new(text) {
        Ok(path) if path.parts().count() == 1 => Ok(PathBuf::from(text)),
        _ => Err(io::Error::other(format!("`{}` is not a name of a cache", text.escape_debug()))),
    };
    let from = table.options.state.join("caches").join(part(&mount.scope)?).join(part(&mount.name)?);
    if !from.is_dir() {
        table.owner.folder(&from)?;
    }
    caches
        .mounts
        .push(Mounted { path: mount.path.clone(), source: Source::Bind { from, writable: mount.writable } });
    Ok(())
}

/// The user's registry below, and a directory of the task's own above it: cargo takes locks and unpacks there, and nothing of
/// that reaches the user.
fn laid_over(
    table: &Table,
    directory: &Path,
    mount: &CacheMount,
    home: &Path,
    caches: &mut Caches,
) -> io::Result<()> {
    let own = directory.join("cargo");
    table.owner.folder(&own)?;
    caches
        .mounts
        .push(Mounted { path: mount.path.clone(), source: Source::Bind { from: own, writable: true } });
    for name in CARGO {
        let lower = home.join(name);
        if !lower.is_dir() {
            continue;
        }
        let (upper, work) = site::overlay(table.owner, &directory.join(format!("cargo-{name}")))?;
        folders_of(table, &lower, &upper)?;
        if table.owner.privileged && name == REGISTRY {
            table.registry.mend(&lower, &upper)?;
        }
        let source = Source::Overlay { lower, upper, work };
        caches.mounts.push(Mounted { path: format!("{}/{name}", mount.path), source });
    }
    Ok(())
}

/// Two levels of folders, so that the task owns those in which cargo makes new entries, whoever owns them below.
fn folders_of(table: &Table, lower: &Path, upper: &Path) -> io::Result<()> {
    for first in folders_in(lower)? {
        table.owner.folder(&upper.join(&first))?;
        for second in folders_in(&lower.join(&first))? {
            table.owner.folder(&upper.join(&first).join(second))?;
        }
    }
    Ok(())
}
