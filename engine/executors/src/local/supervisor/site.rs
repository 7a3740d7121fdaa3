//! The place of a task: its workspace, the roots of its processes, and its temporary files.

use super::cache::{self, Caches};
use super::disk::Owner;
use super::environment::{Environment, hosts};
use super::image;
use super::life::Outcome;
use super::machine::{self, Machine};
use super::materialise;
use super::table::Table;
use super::task::Task;
use crate::local::sandbox::{Base, Mounted, NewRoot, Source, memory_beside};
use stageway_core::digest::Digest;
use stageway_core::task::{Process, Root, TaskSpec};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A prepared place.
pub(super) struct Site {
    directory: PathBuf,
    owner: Owner,
    workspace: Option<(String, PathBuf)>,
    mounts: Vec<Mounted>,
    images: BTreeMap<Digest, PathBuf>,
    /// Variables that the caches ask for.
    pub variables: Vec<(String, String)>,
}

impl Site {
    /// Puts in place what a task needs before anything of it starts.
    pub(super) async fn prepare(table: &Table, task: &Task, spec: &TaskSpec) -> Result<Site, Outcome> {
        let (directory, owner) = (task.record.site(), table.owner);
        let mut site = Site {
            directory,
            owner,
            workspace: None,
            mounts: vec![],
            images: BTreeMap::new(),
            variables: vec![],
        };
        if let Some(mount) = &spec.workspace {
            let path = site.directory.join("workspace");
            materialise::tree(table.options.blobs.as_ref(), &mount.tree, &path, owner).await?;
            let source = Source::Bind { from: path.clone(), writable: mount.writable };
            site.mounts.push(Mounted { path: mount.path.clone(), source });
            site.workspace = Some((mount.path.clone(), path));
        }
        let Caches { mounts, variables } = cache::prepare(table, &site.directory, spec)?;
        site.mounts.extend(mounts);
        site.variables = variables;
        for process in
            std::iter::once(&spec.process).chain(spec.services.iter().map(|service| &service.process))
        {
            if let Root::Image(image) = &process.root {
                let unpacked = image::unpacked(table, image).await?;
                site.images.insert(image.digest, unpacked);
            }
        }
        Ok(site)
    }

    /// Where the workspace is mounted and where it lies.
    pub(super) fn workspace(&self) -> Option<(&str, &Path)> {
        self.workspace.as_ref().map(|(mount, path)| (mount.as_str(), path.as_path()))
    }

    /// Where a path of the task lies on this machine, for tasks without a sandbox.
    pub(super) fn outside(&self, path: &str) -> String {
        if path == "/tmp" {
            return self.directory.display().to_string();
        }
        match self.workspace() {
            Some((mount, real)) => match path.strip_prefix(mount) {
                Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("{}{rest}", real.display()),
                _ => path.to_owned(),
            },
            None => path.to_owned(),
        }
    }

    /// The root of a process; `machine` is what one of a command shows, and `standing` whether the init has one of that.
    ///
    /// # Errors
    /// What could not be made, for the ending.
    pub(super) fn root(
        &self,
        environment: &Environment<'_>,
        number: u32,
        process: &Process,
        (machine, standing): (&Machine, bool),
    ) -> Result<Box<NewRoot>, String> {
        let failed = |error: io::Error| format!("a place for it cannot be made: {error}");
        let at = self.directory.join(format!("root-{number}"));
        let mut root = match &process.root {
            Root::Toolbox if standing => NewRoot { base: Base::Standing, ..NewRoot::empty(at) },
            Root::Toolbox => machine.root(at),
            Root::Image(image) => {
                let base = self.image_base(&image.digest, number).map_err(failed)?;
                NewRoot { base, mounts: machine::kernel().into(), files: vec![hosts()], ..NewRoot::empty(at) }
            }
        };
        if root.base != Base::Standing {
            fs::create_dir(&root.at)
                .and_then(|()| fs::create_dir(memory_beside(&root.at)))
                .map_err(failed)?;
        }
        let from = self.directory.join(format!("tmp-{number}"));
        self.owner.folder(&from).and_then(|()| self.owner.folder(&from.join("home"))).map_err(failed)?;
        root.mounts.push(Mounted { path: "/tmp".into(), source: Source::Bind { from, writable: true } });
        root.mounts.extend(self.mounts.iter().cloned());
        root.files.extend(environment.files(process)?);
        Ok(Box::new(root))
    }

    fn image_base(&self, digest: &Digest, number: u32) -> io::Result<Base> {
        let lower = self.images.get(digest).cloned().ok_or(io::ErrorKind::NotFound)?;
        overlay(self.owner, &self.directory.join(format!("image-{number}")))
            .map(|(upper, work)| Base::Overlay { lower, upper, work })
    }
}

/// Makes the two directories that an overlay writes to.
pub(super) fn overlay(owner: Owner, below: &Path) -> io::Result<(PathBuf, PathBuf)> {
    let (upper, work) = (below.join("upper"), below.join("work"));
    owner.folder(below).and_then(|()| owner.folder(&upper)).and_then(|()| owner.folder(&work))?;
    Ok((upper, work))
}
